"""Choosing rows by their quality."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def keep_best(quality: NDArray, codes: NDArray, keep: float) -> NDArray:
    """Return a mask of the best share of every class, at least one row each.

    Parameters
    ----------
    quality : ndarray of shape (n_samples,)
        Larger is better.
    codes : ndarray of shape (n_samples,)
        Class of every row.
    keep : float in (0, 1]
        Share of the rows of a class to keep, rounded up.

    Returns
    -------
    kept : ndarray of shape (n_samples,), bool
        Chosen rows; of equal ones, the earlier.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.quality import keep_best
    >>> keep_best(np.array([0.9, 0.1, 0.5, 0.4]), np.array([0, 0, 1, 1]), 0.5)
    array([ True, False,  True, False])
    """
    kept = np.zeros(len(quality), dtype=bool)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        # round() keeps 0.7 * 10 from becoming 7.000000000000001, and so 8
        n_kept = max(1, int(np.ceil(round(keep * len(rows), 9))))
        best = np.argsort(-quality[rows], kind="stable")[:n_kept]
        kept[rows[best]] = True
    return kept


def quality_weights(quality: ArrayLike) -> NDArray:
    """Return sample weights from label quality: ``clip(quality, 0.02, 1)**2``, mean 1.

    Using all rows with these weights gains nearly what a selection gains under label noise,
    and loses less on clean labels.

    Parameters
    ----------
    quality : array-like of shape (n_samples,)
        Probability that the label of a row is right.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        Sample weights with mean 1.

    Examples
    --------
    >>> from skrobust.quality import quality_weights
    >>> quality_weights([1.0, 0.5]).round(2)
    array([1.6, 0.4])
    """
    weight = np.clip(quality, 0.02, 1) ** 2
    return weight / weight.mean()
