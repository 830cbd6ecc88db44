"""Steps that predict."""

from .label_quality_reweighter import LabelQualityReweighter
from .net_classifier import NetClassifier
from .resampling_classifier import ResamplingClassifier

__all__ = ["LabelQualityReweighter", "NetClassifier", "ResamplingClassifier"]
