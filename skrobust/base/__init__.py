"""What estimators share: samplers of rows, fitting inside another estimator."""

from .resampling_classifier import ResamplingClassifier
from .state import ModelVersionWarning

__all__ = [
    "ModelVersionWarning",
    "ResamplingClassifier",
]
