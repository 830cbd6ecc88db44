"""Label noise: which labels to trust, and how to train in spite of wrong ones."""

from .distill_mix_augmenter import DistillMixAugmenter
from .distillers import DistillationWarning, keep_best, quality_weights
from .early_training import CertainSamples, EarlyLabelQuality
from .gaussian_noise_augmenter import GaussianNoiseAugmenter
from .label_noise_model import LabelNoiseModel
from .label_quality_reweighter import LabelQualityReweighter, Veto
from .out_of_fold import OutOfFoldLabelQuality
from .ranking import rank_for_review
from .report import DistillationDisplay, distillation_report

__all__ = [
    "CertainSamples",
    "DistillMixAugmenter",
    "DistillationDisplay",
    "DistillationWarning",
    "EarlyLabelQuality",
    "GaussianNoiseAugmenter",
    "LabelNoiseModel",
    "LabelQualityReweighter",
    "OutOfFoldLabelQuality",
    "Veto",
    "distillation_report",
    "keep_best",
    "quality_weights",
    "rank_for_review",
]
