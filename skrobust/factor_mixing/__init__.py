"""Class codes and residual codes, separated and mixed."""

from .displays import FactorMixtureDisplay, FactorSwapDisplay, FactorTrainingDisplay
from .factor_mix_sampler import FactorMixSampler
from .networks import FactorClassifier, FactorDecoder, FactorEncoder

__all__ = [
    "FactorClassifier",
    "FactorDecoder",
    "FactorEncoder",
    "FactorMixSampler",
    "FactorMixtureDisplay",
    "FactorSwapDisplay",
    "FactorTrainingDisplay",
]
