"""Plots: computed in ``from_*``, drawn in ``plot``."""
