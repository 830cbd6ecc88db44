"""Comparing many estimators on the same grouped folds."""

from .compare_estimators import compare_estimators
from .summarize_comparison import summarize_comparison

__all__ = ["compare_estimators", "summarize_comparison"]
