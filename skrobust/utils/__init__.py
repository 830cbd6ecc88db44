"""Validation, targets, groups, and the one import point for scikit-learn's private names."""
