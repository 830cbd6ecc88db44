"""Distillers: which rows to trust."""

from .certain_samples import CertainSamples
from .early_label_quality import EarlyLabelQuality
from .label_distiller import DistillationWarning
from .out_of_fold_label_quality import OutOfFoldLabelQuality
from .selection import keep_best, quality_weights

__all__ = [
    "CertainSamples",
    "DistillationWarning",
    "EarlyLabelQuality",
    "OutOfFoldLabelQuality",
    "keep_best",
    "quality_weights",
]
