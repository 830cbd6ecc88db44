"""Plots: computed in ``from_*``, drawn in ``plot``."""

from .class_activation_display import ClassActivationDisplay
from .comparison_display import ComparisonDisplay
from .distillation_display import DistillationDisplay
from .parameter_curve_display import ParameterCurveDisplay
from .roc_comparison_display import RocComparisonDisplay

__all__ = [
    "ClassActivationDisplay",
    "ComparisonDisplay",
    "DistillationDisplay",
    "ParameterCurveDisplay",
    "RocComparisonDisplay",
]
