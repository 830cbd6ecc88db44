"""Scores by group (patient), scorers, and comparisons of many estimators."""

from .comparison import compare_estimators, summarize_comparison
from .comparison_displays import ClassRecallDisplay, ComparisonDisplay, RocComparisonDisplay
from .comparison_tables import comparison_table
from .group_displays import GroupCalibrationDisplay, GroupConfusionDisplay
from .parameter_curve_display import ParameterCurveDisplay
from .scorers import (
    group_accuracy_scorer,
    group_roc_auc_scorer,
    macro_recall_scorer,
    make_class_scorer,
    rank_5_accuracy_scorer,
    roc_auc_scorer,
    sensitivity_scorer,
    specificity_scorer,
)
from .scores import (
    class_recall_score,
    group_accuracy_score,
    group_predict_proba,
    group_roc_auc_score,
    rank_k_accuracy_score,
    rare_classes,
)

__all__ = [
    "ClassRecallDisplay",
    "ComparisonDisplay",
    "GroupCalibrationDisplay",
    "GroupConfusionDisplay",
    "ParameterCurveDisplay",
    "RocComparisonDisplay",
    "class_recall_score",
    "compare_estimators",
    "comparison_table",
    "group_accuracy_score",
    "group_accuracy_scorer",
    "group_predict_proba",
    "group_roc_auc_score",
    "group_roc_auc_scorer",
    "macro_recall_scorer",
    "make_class_scorer",
    "rank_5_accuracy_scorer",
    "rank_k_accuracy_score",
    "rare_classes",
    "roc_auc_scorer",
    "sensitivity_scorer",
    "specificity_scorer",
    "summarize_comparison",
]
