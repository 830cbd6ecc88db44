"""Checks of true labels against a matrix with one score column per class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d


def check_class_scores(
    y_true: ArrayLike, y_score: ArrayLike, labels: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    """Check labels, scores and the class that each score column belongs to.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True label of every row.
    y_score : array-like of shape (n_samples, n_classes)
        Score of every class for every row.
    labels : array-like of shape (n_classes,) or None
        Class of each column; None for the sorted labels of `y_true`.

    Returns
    -------
    y_true : ndarray of shape (n_samples,)
        The checked labels.
    y_score : ndarray of shape (n_samples, n_classes)
        The checked scores.
    labels : ndarray of shape (n_classes,)
        Class of each column.

    Raises
    ------
    ValueError
        If lengths differ, if `y_score` is not a finite 2-d array, if its columns do not match
        the labels, or if `labels` has duplicates or misses a true label.

    Examples
    --------
    >>> from skrobust.metrics.class_scores import check_class_scores
    >>> check_class_scores(["b", "a"], [[0.2, 0.8], [0.6, 0.4]], None)[2]
    array(['a', 'b'], dtype='<U1')
    """
    y_true = column_or_1d(y_true)
    if np.ndim(y_score) != 2:
        raise ValueError(
            f"y_score has {np.ndim(y_score)} dimension(s), expected 2: one column per class. For "
            "the score s of the second of two classes pass np.column_stack([1 - s, s]) "
            "(probabilities) or np.column_stack([-s, s]) (decision values)."
        )
    y_score = check_array(y_score, input_name="y_score", ensure_min_features=2)
    check_consistent_length(y_true, y_score)
    classes = np.unique(y_true)
    labels = classes if labels is None else column_or_1d(labels)
    if len(np.unique(labels)) != len(labels):
        raise ValueError(f"labels has duplicates: {labels.tolist()}. Give each class once.")
    if len(labels) != y_score.shape[1]:
        raise ValueError(
            f"y_score has {y_score.shape[1]} columns but there are {len(labels)} classes: "
            f"{labels.tolist()}. Pass labels= with the class of each column (an estimator's "
            "classes_)."
        )
    unknown = classes[~np.isin(classes, labels)]
    if len(unknown):
        raise ValueError(
            f"y_true holds {unknown.tolist()}, not among labels {labels.tolist()}. Add a column "
            "for each such class, or drop its rows."
        )
    return y_true, y_score, labels
