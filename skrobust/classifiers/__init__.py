"""Steps that predict."""

from .net_classifier import NetClassifier

__all__ = ["NetClassifier"]
