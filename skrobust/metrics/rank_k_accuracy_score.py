"""Whether one of the k nearest rows has the right label."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length, column_or_1d


def rank_k_accuracy_score(y_true: ArrayLike, y_neighbors: ArrayLike, k: int = 5) -> float:
    """Compute the share of queries with a row of their class among the k nearest.

    Parameters
    ----------
    y_true : array-like of shape (n_queries,)
        True label of every query, of any type.
    y_neighbors : array-like of shape (n_queries, n_neighbors)
        Labels of the rows nearest to each query, the nearest first, such as
        ``retrieve_neighbors(...).labels``.
    k : int, default=5
        How many of them to look at, at most n_neighbors. The paper [1]_ takes 5.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are fewer than k neighbours.

    See Also
    --------
    retrieve_neighbors : Finds the rows.
    rank_5_accuracy_scorer : The same as a scorer of pipelines that end in neighbours.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021, section 4.2.

    Examples
    --------
    >>> from skrobust.metrics import rank_k_accuracy_score
    >>> nearest = [["a", "b", "c"], ["c", "c", "a"]]
    >>> [rank_k_accuracy_score(["b", "b"], nearest, k=k) for k in (1, 2)]
    [0.0, 0.5]
    """
    y_true, y_neighbors = column_or_1d(y_true), np.asarray(y_neighbors)
    if y_neighbors.ndim != 2:
        raise ValueError(
            f"y_neighbors has {y_neighbors.ndim} dimension(s), expected 2: the labels of the "
            "neighbours of each query in a row."
        )
    check_consistent_length(y_true, y_neighbors)
    if not 1 <= k <= y_neighbors.shape[1]:
        raise ValueError(
            f"k is {k}, expected 1 to {y_neighbors.shape[1]}, the neighbours that were given."
        )
    return float(np.mean((y_neighbors[:, :k] == y_true[:, None]).any(axis=1)))
