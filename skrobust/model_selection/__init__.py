"""Comparing many estimators on the same grouped folds."""
