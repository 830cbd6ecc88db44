"""Steps with ``fit_resample``: training rows change, test rows never."""

from .distill_mix_augmenter import DistillMixAugmenter
from .gaussian_noise_augmenter import GaussianNoiseAugmenter

__all__ = ["DistillMixAugmenter", "GaussianNoiseAugmenter"]
