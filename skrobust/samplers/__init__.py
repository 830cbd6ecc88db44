"""Steps with ``fit_resample``: training rows change, test rows never."""

from .ae_outlier_remover import AEOutlierRemover
from .distill_mix_augmenter import DistillMixAugmenter
from .factor_mix_sampler import FactorMixSampler
from .gaussian_noise_augmenter import GaussianNoiseAugmenter
from .row_removal import OutlierRemovalWarning

__all__ = [
    "AEOutlierRemover",
    "DistillMixAugmenter",
    "FactorMixSampler",
    "GaussianNoiseAugmenter",
    "OutlierRemovalWarning",
]
