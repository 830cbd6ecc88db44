"""Group-wise (patient-wise) scores and ready scorers."""

from .group_accuracy_score import group_accuracy_score
from .group_predict_proba import group_predict_proba
from .group_roc_auc_score import group_roc_auc_score
from .scorers import (
    group_accuracy_scorer,
    group_roc_auc_scorer,
    roc_auc_scorer,
    sensitivity_scorer,
    specificity_scorer,
)

__all__ = [
    "group_accuracy_score",
    "group_accuracy_scorer",
    "group_predict_proba",
    "group_roc_auc_score",
    "group_roc_auc_scorer",
    "roc_auc_scorer",
    "sensitivity_scorer",
    "specificity_scorer",
]
