"""Area under the ROC curve of one binary problem, or the mean over one-vs-rest problems."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score


def macro_roc_auc(y_true: NDArray, y_score: NDArray, labels: NDArray) -> float:
    """Compute the binary, or the mean one-vs-rest, area under the ROC curve.

    Unlike :func:`sklearn.metrics.roc_auc_score` it takes scores that do not sum to one, and a
    class that is in `labels` but absent from `y_true` is left out of the mean.

    Parameters
    ----------
    y_true : ndarray of shape (n_samples,)
        True labels.
    y_score : ndarray of shape (n_samples, n_classes)
        Scores, one column per class. With two classes only the second column is used.
    labels : ndarray of shape (n_classes,)
        Class of each column.

    Returns
    -------
    score : float
        AUC between 0 and 1. NaN, with an ``UndefinedMetricWarning``, when `y_true` holds a
        single class.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.metrics.macro_roc_auc import macro_roc_auc
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.1, 0.9]])
    >>> macro_roc_auc(np.array([0, 0, 1, 1]), scores, np.array([0, 1]))
    0.75
    """
    present = np.isin(labels, y_true)
    if present.sum() < 2:
        warnings.warn(
            "Only one class is present in y_true: the ROC AUC is not defined, NaN is returned.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    if len(labels) == 2:
        return float(roc_auc_score(y_true == labels[1], y_score[:, 1]))
    present = np.flatnonzero(present)
    return float(np.mean([roc_auc_score(y_true == labels[c], y_score[:, c]) for c in present]))
