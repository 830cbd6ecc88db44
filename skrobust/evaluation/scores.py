"""Scores by patient, by class and by rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from ..utils.groups import check_groups, group_labels, group_means
from ..utils.validation import warn


def check_class_scores(
    y_true: ArrayLike, y_score: ArrayLike, labels: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    """Check labels, scores and the class that each score column belongs to."""
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
            f"{labels.tolist()}. Pass labels, the class of each column (such as classes_)."
        )
    if len(unknown := classes[~np.isin(classes, labels)]):
        raise ValueError(
            f"y_true holds {unknown.tolist()}, not among labels {labels.tolist()}. Add a column "
            "for each such class, or drop its rows."
        )
    return y_true, y_score, labels


def check_pos_label(labels: NDArray, pos_label: Any = None) -> Any:
    """Return the positive class; warn which one it is if only the sort order decides."""
    names = labels.tolist()
    if pos_label is None:
        pos_label = names[-1]
        if names not in ([0, 1], [-1, 1], [1], [True]):
            warn(
                f"{pos_label!r} counts as the positive class, since it comes last of the classes "
                f"{names}. Set pos_label to say which class is positive."
            )
    elif pos_label not in names:
        raise ValueError(f"pos_label is {pos_label!r}, expected one of {names}.")
    return pos_label


def macro_roc_auc(y_true: NDArray, y_score: NDArray, labels: NDArray) -> float:
    """Compute the binary, or the mean one-vs-rest, area under the ROC curve."""
    present = np.flatnonzero(np.isin(labels, y_true))
    if len(present) < 2:
        warn(
            "Only one class is present in y_true: the ROC AUC is not defined, NaN is returned.",
            UndefinedMetricWarning,
        )
        return float("nan")
    columns = [1] if len(labels) == 2 else present
    return float(np.mean([roc_auc_score(y_true == labels[c], y_score[:, c]) for c in columns]))


def group_predict_proba(y_prob: ArrayLike, groups: ArrayLike) -> tuple[NDArray, NDArray]:
    """Average the class probabilities of each group's rows, as the distillation paper [1]_ does.

    Parameters
    ----------
    y_prob : array-like of shape (n_samples, n_classes)
        Class probabilities, or other scores, of the rows.
    groups : array-like of shape (n_samples,)
        Group (patient) of every row; integers or strings.

    Returns
    -------
    unique_groups : ndarray of shape (n_groups,)
        The groups, sorted.
    mean_proba : ndarray of shape (n_groups, n_classes), float64
        Mean probabilities of each group, columns as in `y_prob`.

    Raises
    ------
    ValueError
        If `y_prob` is not 2-d or not finite, the lengths differ, or a group is missing.

    References
    ----------
    .. [1] D. Lu et al., "Human-expert-level brain tumor detection using deep learning with data
       distillation and augmentation", preprint, section 5.1.

    Examples
    --------
    >>> from skrobust.evaluation import group_predict_proba
    >>> groups, proba = group_predict_proba([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], ["a", "a", "b"])
    >>> groups.tolist(), proba.tolist()
    (['a', 'b'], [[0.7, 0.3], [0.2, 0.8]])
    """
    y_prob = check_array(y_prob, input_name="y_prob")
    unique_groups, mean_proba, _ = group_means(y_prob, check_groups(groups, len(y_prob)))
    return unique_groups, mean_proba


def group_accuracy_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: ArrayLike,
    *,
    labels: ArrayLike | None = None,
) -> float:
    """Compute the share of groups whose mean class scores point to the right class.

    The scores of a group's rows are averaged (:func:`group_predict_proba`); the class with the
    largest mean, of a tie the first column, is the prediction.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True label of every row, of any type, the same for all rows of a group.
    y_score : array-like of shape (n_samples, n_classes)
        Class probabilities, or other scores that are larger for the likelier class.
    groups : array-like of shape (n_samples,)
        Group (patient) of every row; integers or strings.
    labels : array-like of shape (n_classes,), default=None
        Class of each column of `y_score`, such as an estimator's ``classes_``, needed if `y_true`
        may lack a class. By default the sorted labels of `y_true`.

    Returns
    -------
    score : float
        Share of groups predicted right, between 0 and 1.

    Raises
    ------
    ValueError
        If a group carries several true labels, or lengths, columns or `labels` do not match.

    Examples
    --------
    >>> from skrobust.evaluation import group_accuracy_score
    >>> y_prob = [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]
    >>> group_accuracy_score([0, 0, 1], y_prob, groups=["a", "a", "b"])
    0.5
    """
    y_true, y_score, labels = check_class_scores(y_true, y_score, labels)
    _, true_labels, means = by_group(y_true, y_score, check_groups(groups, len(y_true)))
    return float(np.mean(labels[means.argmax(axis=1)] == true_labels))


def by_group(
    y_true: NDArray, y_score: NDArray, groups: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the groups, the label and the mean scores of each; None keeps the rows."""
    if groups is None:
        return np.arange(len(y_true)), y_true, y_score
    groups = check_groups(groups, len(y_true))
    units, labels, _ = group_labels(y_true, groups)
    return units, labels, group_predict_proba(y_score, groups)[1]


def group_roc_auc_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Compute the area under the ROC curve of the groups' mean scores.

    With two classes the score is the AUC of the mean score of ``labels[1]``; with more it is the
    unweighted mean of the one-vs-rest AUCs over the classes that occur among the groups.

    Parameters
    ----------
    y_true, groups, labels
        As for :func:`group_accuracy_score`.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Also, for two classes, the score of the positive class only.
    pos_label : object, default=None
        The class of a one-dimensional `y_score`. None is the last of the sorted labels, with a
        warning that names it unless it is 1 or True.

    Returns
    -------
    score : float
        AUC between 0 and 1.

    Raises
    ------
    ValueError
        As for :func:`group_accuracy_score`, or if all groups have the same label.

    Examples
    --------
    >>> from skrobust.evaluation import group_roc_auc_score
    >>> y_prob = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.2, 0.8]]
    >>> group_roc_auc_score([0, 0, 0, 1], y_prob, groups=["a", "a", "b", "c"])
    1.0
    """
    # one class leaves the columns unnamed, so it is reported before their number
    if len(classes := np.unique(np.asarray(y_true))) == 1:
        raise ValueError(
            f"All groups have the label {classes.tolist()[0]!r}: the ROC AUC needs groups of at "
            "least two classes. Use larger or stratified test sets."
        )
    if np.ndim(y_score) == 1 and len(classes) == 2:
        positive = check_pos_label(classes, pos_label)
        y_score = np.asarray(y_score)[:, None] * np.where(classes == positive, 1.0, -1.0)
        labels = classes
    y_true, y_score, labels = check_class_scores(y_true, y_score, labels)
    _, true_labels, means = by_group(y_true, y_score, check_groups(groups, len(y_true)))
    return macro_roc_auc(true_labels, means, labels)


def class_recall_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    average: str | None = "macro",
) -> float | NDArray:
    """Compute the recall over all or some classes, such as the rare ones.

    It is :func:`sklearn.metrics.recall_score`, but a class that has no row in `y_true` is left out
    of the mean: a test fold often lacks a rare class.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True labels of any type, and predicted labels.
    classes : array-like of shape (n_classes,), default=None
        The classes to score; all of `y_true` when None.
    average : {"macro", "micro"} or None, default="macro"
        "macro" is the mean over the classes, "micro" the share of their rows that are predicted
        right, None returns the recall of every class.

    Returns
    -------
    recall : float or ndarray of shape (n_classes,)
        Between 0 and 1. NaN for a class without a row, with an ``UndefinedMetricWarning`` if
        no class has a row.

    Raises
    ------
    ValueError
        If the lengths differ, `average` is unknown, or a class occurs twice.

    Examples
    --------
    >>> from skrobust.evaluation import class_recall_score
    >>> y = ["a"] * 6 + ["b"] * 3 + ["c"]
    >>> class_recall_score(y, ["a"] * 8 + ["b", "c"], classes=["b", "c"])  # (1/3 + 1) / 2
    0.6666666666666666
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
        warn(
            f"y_true has no row of the classes {classes.tolist()}: their recall is not defined, "
            "NaN is returned.",
            UndefinedMetricWarning,
        )
        return float("nan") if average else np.full(len(classes), np.nan)
    if average == "micro":
        return float(n_right.sum() / n_rows.sum())
    recalls = np.divide(n_right, n_rows, out=np.full(len(classes), np.nan), where=present)
    return recalls if average is None else float(recalls[present].mean())


def rank_k_accuracy_score(y_true: ArrayLike, y_neighbors: ArrayLike, k: int = 5) -> float:
    """Compute the share of queries with a row of their class among the k nearest.

    Parameters
    ----------
    y_true : array-like of shape (n_queries,)
        True label of every query, of any type.
    y_neighbors : array-like of shape (n_queries, n_neighbors)
        Labels of the rows nearest to each query, nearest first, as
        :func:`~skrobust.retrieve_neighbors` finds them.
    k : int, default=5
        Number of them to use, as in the triplet paper (section 4.2), at most n_neighbors.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are fewer than k neighbours.

    Examples
    --------
    >>> from skrobust.evaluation import rank_k_accuracy_score
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
        raise ValueError(f"k is {k}, expected 1 to {y_neighbors.shape[1]}, those that were given.")
    return float(np.mean((y_neighbors[:, :k] == y_true[:, None]).any(axis=1)))


def rare_classes(y: ArrayLike, threshold: float = 0.01) -> NDArray:
    """Return the classes whose share of the rows is at most a threshold.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any type, usually those of the training rows.
    threshold : float in [0, 1], default=0.01
        Largest share of a rare class, as in the triplet paper (section 4.1).

    Returns
    -------
    rare : ndarray of shape (n_rare,)
        The rare classes, sorted.

    Raises
    ------
    ValueError
        If `threshold` is out of its range, or y is empty or not one-dimensional.

    Examples
    --------
    >>> from skrobust.evaluation import rare_classes
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
