"""Recall over chosen classes."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_consistent_length, column_or_1d


def class_recall_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    average: str | None = "macro",
) -> float | NDArray:
    """Compute the recall over all or some classes, such as the rare ones.

    Unlike :func:`sklearn.metrics.recall_score`, with ``labels=classes``, a class that has no row
    in `y_true` is left out of the mean instead of counting as zero: a test fold often lacks a
    rare class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    classes : array-like of shape (n_classes,), default=None
        The classes to look at; all of `y_true` when None.
    average : {"macro", "micro"} or None, default="macro"
        "macro" is the mean of the recalls of the classes, "micro" the share of the rows of these
        classes that are predicted right (over all classes, the accuracy), None returns the
        recall of every class.

    Returns
    -------
    recall : float or ndarray of shape (n_classes,)
        Between 0 and 1. NaN where there is no row, with an ``UndefinedMetricWarning`` if there
        is none of any of the classes.

    Raises
    ------
    ValueError
        If the lengths differ, `average` is unknown, or a class stands twice.

    See Also
    --------
    rare_classes : Which classes are rare.
    macro_recall_scorer : The mean over all classes as a scorer.

    Examples
    --------
    As a scorer over the rare classes of the training rows:

    >>> from sklearn.metrics import make_scorer
    >>> from skrobust.metrics import class_recall_score, rare_classes
    >>> y = ["a"] * 6 + ["b"] * 3 + ["c"]
    >>> scorer = make_scorer(class_recall_score, classes=rare_classes(y, threshold=0.3))
    >>> class_recall_score(y, ["a"] * 8 + ["b", "c"], classes=["b", "c"])  # (1/3 + 1) / 2
    0.6666666666666666
    >>> class_recall_score(y, ["a"] * 8 + ["b", "c"], classes=["b", "c"], average="micro")
    0.5
    """
    if average not in ("macro", "micro", None):
        raise ValueError(f"average is {average!r}, expected 'macro', 'micro' or None.")
    y_true, y_pred = column_or_1d(y_true), column_or_1d(y_pred)
    check_consistent_length(y_true, y_pred)
    classes = np.unique(y_true) if classes is None else column_or_1d(classes)
    if len(np.unique(classes)) != len(classes):
        raise ValueError(f"classes has duplicates: {classes.tolist()}. Give each class once.")
    right = y_true == y_pred
    n_rows = np.array([(y_true == label).sum() for label in classes])
    n_right = np.array([right[y_true == label].sum() for label in classes])
    present = n_rows > 0
    if not present.any():
        warnings.warn(
            f"y_true has no row of the classes {classes.tolist()}: their recall is not defined, "
            "NaN is returned.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan") if average else np.full(len(classes), np.nan)
    if average == "micro":
        return float(n_right.sum() / n_rows.sum())
    recalls = np.full(len(classes), np.nan)
    recalls[present] = n_right[present] / n_rows[present]
    return recalls if average is None else float(recalls[present].mean())
