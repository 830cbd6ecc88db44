"""Classes with few rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d


def rare_classes(y: ArrayLike, threshold: float = 0.01) -> NDArray:
    """Return the classes whose share of the rows is at most a threshold.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any type, as a rule those of the training rows.
    threshold : float in [0, 1], default=0.01
        Largest share of a rare class. The paper [1]_ (section 4.1) takes 1%.

    Returns
    -------
    rare : ndarray of shape (n_rare,)
        The rare classes, sorted.

    Raises
    ------
    ValueError
        If `threshold` is out of its range, or y is empty or not one-dimensional.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021.

    Examples
    --------
    >>> from skrobust.metrics import rare_classes
    >>> rare_classes(["a"] * 6 + ["b"] * 3 + ["c"], threshold=0.1)
    array(['c'], dtype='<U1')
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold!r}, expected a share between 0 and 1.")
    y = column_or_1d(y)
    if not len(y):
        raise ValueError("y is empty: no class has a share.")
    classes, counts = np.unique(y, return_counts=True)
    return classes[counts <= threshold * len(y)]
