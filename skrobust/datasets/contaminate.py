"""Outliers mixed into rows of one kind, in a known amount."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state


def contaminate(
    X: ArrayLike,
    X_outliers: ArrayLike,
    fraction: float,
    *,
    random_state: int | RandomState | None = None,
) -> tuple[NDArray, NDArray, NDArray]:
    """Mix outliers into a set of inliers.

    All inliers stay; outliers are drawn without repeats, and all rows are shuffled.

    Parameters
    ----------
    X : array-like of shape (n_inliers, ...)
        The inliers.
    X_outliers : array-like of shape (n_outliers, ...)
        Outliers to draw from, rows of the same shape.
    fraction : float
        Share of outliers among the returned rows, in [0, 1): ``round(fraction / (1 - fraction) *
        n_inliers)`` of them are drawn.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of draw and order.

    Returns
    -------
    X_mixed : ndarray of shape (n_samples, ...)
        Inliers and outliers in random order.
    is_outlier : ndarray of shape (n_samples,), bool
        True for the outliers.
    indices : ndarray of shape (n_samples,), int
        Position of every row among inliers and outliers, one after the other:
        ``np.concatenate([groups, groups_outliers])[indices]`` are its groups.

    Raises
    ------
    TypeError
        If `fraction` is not a number.
    ValueError
        If `fraction` is out of range, there are too few outliers, or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.datasets import contaminate
    >>> X, is_outlier, indices = contaminate(np.zeros((9, 2)), np.ones((5, 2)), 0.1, random_state=0)
    >>> len(X), int(is_outlier.sum()), np.array_equal(X[:, 0], is_outlier)
    (10, 1, True)
    """
    if not isinstance(fraction, Real) or isinstance(fraction, bool):
        raise TypeError(f"fraction is {fraction!r}, expected a number.")
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction is {fraction}, expected a number in [0, 1).")
    X, X_outliers = np.asarray(X), np.asarray(X_outliers)
    if X.shape[1:] != X_outliers.shape[1:]:
        raise ValueError(
            f"rows of X have shape {X.shape[1:]}, rows of X_outliers {X_outliers.shape[1:]}; they "
            "must agree."
        )
    n_drawn = round(fraction / (1 - fraction) * len(X))
    if n_drawn > len(X_outliers):
        raise ValueError(
            f"a share of {fraction} among {len(X)} inliers needs {n_drawn} outliers, but there are "
            f"{len(X_outliers)}. Give more outliers, fewer inliers or a smaller fraction."
        )
    rng = check_random_state(random_state)
    drawn = len(X) + rng.permutation(len(X_outliers))[:n_drawn]
    indices = rng.permutation(np.concatenate([np.arange(len(X)), drawn]))
    is_outlier = indices >= len(X)
    mixed = np.empty((len(indices), *X.shape[1:]), dtype=np.result_type(X, X_outliers))
    mixed[~is_outlier] = X[indices[~is_outlier]]
    mixed[is_outlier] = X_outliers[indices[is_outlier] - len(X)]
    return mixed, is_outlier, indices
