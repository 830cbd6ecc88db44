"""Learning from scarce, noisily labelled, impure, imbalanced and grouped data.

All public names can be imported from here.
"""

from .classifiers import NetClassifier

__version__ = "0.1.0"

__all__ = ["NetClassifier"]
