"""Plots: computed in ``from_*``, drawn in ``plot``."""

from .class_activation_display import ClassActivationDisplay
from .comparison_display import ComparisonDisplay
from .distillation_display import DistillationDisplay
from .influence_display import InfluenceDisplay
from .parameter_curve_display import ParameterCurveDisplay
from .perturbation_display import PerturbationDisplay
from .roc_comparison_display import RocComparisonDisplay
from .sample_weight_display import SampleWeightDisplay

__all__ = [
    "ClassActivationDisplay",
    "ComparisonDisplay",
    "DistillationDisplay",
    "InfluenceDisplay",
    "ParameterCurveDisplay",
    "PerturbationDisplay",
    "RocComparisonDisplay",
    "SampleWeightDisplay",
]
