"""Scores by group (patient), by class and by rank, and ready scorers."""

from .class_recall_score import class_recall_score
from .group_accuracy_score import group_accuracy_score
from .group_predict_proba import group_predict_proba
from .group_roc_auc_score import group_roc_auc_score
from .rank_k_accuracy_score import rank_k_accuracy_score
from .rare_classes import rare_classes
from .retrieve_neighbors import retrieve_neighbors
from .scorers import (
    group_accuracy_scorer,
    group_roc_auc_scorer,
    macro_recall_scorer,
    rank_5_accuracy_scorer,
    roc_auc_scorer,
    sensitivity_scorer,
    specificity_scorer,
)

__all__ = [
    "class_recall_score",
    "group_accuracy_score",
    "group_accuracy_scorer",
    "group_predict_proba",
    "group_roc_auc_score",
    "group_roc_auc_scorer",
    "macro_recall_scorer",
    "rank_5_accuracy_scorer",
    "rank_k_accuracy_score",
    "rare_classes",
    "retrieve_neighbors",
    "roc_auc_scorer",
    "sensitivity_scorer",
    "specificity_scorer",
]
