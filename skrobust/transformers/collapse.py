"""Embeddings that have become one point."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

_SPREAD = 0.05  # of the margin


def warn_if_collapsed(embeddings: NDArray, margin: float, stage: str) -> None:
    """Warn if embeddings lie at one point, seen from the margin of the triplet loss.

    Parameters
    ----------
    embeddings : ndarray of shape (n_rows, n_dims)
        Embeddings of training rows.
    margin : float
        Margin of the loss.
    stage : str
        What has just ended, for the warning.
    """
    spread = np.linalg.norm(embeddings - embeddings.mean(0), axis=1).mean()
    if spread < _SPREAD * margin:
        warnings.warn(
            f"The embeddings have collapsed after the {stage}: the rows are at a mean distance of "
            f"{spread:.2g} from one point, with margin={margin}. Train longer, use 'batch_all' "
            "instead of 'batch_hard', or a lower lr.",
            ConvergenceWarning,
            stacklevel=7,
        )
