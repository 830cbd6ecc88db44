"""Which training rows lower or raise the validation loss."""

from .cross_fitted import InfluenceWarning
from .denoised_rows import DenoisedRowsAugmenter
from .displays import InfluenceDisplay, PerturbationDisplay, SampleWeightDisplay
from .head import HeadHessian, head_features
from .noise2void import DenoisingWarning, Noise2VoidDenoiser
from .perturber import InfluencePerturber
from .reweighter import InfluenceReweighter
from .scores import influence_scores, input_influence
from .solvers import cg_solver, exact_solver, lissa_solver

__all__ = [
    "DenoisedRowsAugmenter",
    "DenoisingWarning",
    "HeadHessian",
    "InfluenceDisplay",
    "InfluencePerturber",
    "InfluenceReweighter",
    "InfluenceWarning",
    "Noise2VoidDenoiser",
    "PerturbationDisplay",
    "SampleWeightDisplay",
    "cg_solver",
    "exact_solver",
    "head_features",
    "influence_scores",
    "input_influence",
    "lissa_solver",
]
