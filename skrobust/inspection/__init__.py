"""Reports of what a fitted method did."""

from .distillation_report import distillation_report

__all__ = ["distillation_report"]
