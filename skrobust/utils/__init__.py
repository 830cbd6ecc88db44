"""Validation, targets, groups, and the one import point for scikit-learn's private names."""

from .targets import ClassMass
from .versioned_state import ModelVersionWarning

__all__ = ["ClassMass", "ModelVersionWarning"]
