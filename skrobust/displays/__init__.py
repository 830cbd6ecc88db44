"""Plots: computed in ``from_*``, drawn in ``plot``."""

from .class_activation_display import ClassActivationDisplay
from .class_recall_display import ClassRecallDisplay
from .comparison_display import ComparisonDisplay
from .distillation_display import DistillationDisplay
from .embedding_display import EmbeddingDisplay
from .factor_mixture_display import FactorMixtureDisplay
from .factor_swap_display import FactorSwapDisplay
from .factor_training_display import FactorTrainingDisplay
from .gamma_curve_display import GammaCurveDisplay
from .influence_display import InfluenceDisplay
from .loss_histogram_display import LossHistogramDisplay
from .parameter_curve_display import ParameterCurveDisplay
from .perturbation_display import PerturbationDisplay
from .reconstruction_display import ReconstructionDisplay
from .retrieval_display import RetrievalDisplay
from .roc_comparison_display import RocComparisonDisplay
from .sample_weight_display import SampleWeightDisplay

__all__ = [
    "ClassActivationDisplay",
    "ClassRecallDisplay",
    "ComparisonDisplay",
    "DistillationDisplay",
    "EmbeddingDisplay",
    "FactorMixtureDisplay",
    "FactorSwapDisplay",
    "FactorTrainingDisplay",
    "GammaCurveDisplay",
    "InfluenceDisplay",
    "LossHistogramDisplay",
    "ParameterCurveDisplay",
    "PerturbationDisplay",
    "ReconstructionDisplay",
    "RetrievalDisplay",
    "RocComparisonDisplay",
    "SampleWeightDisplay",
]
