"""Area under the ROC curve over groups (patients)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..utils.group_labels import group_labels
from ..utils.groups import check_groups
from .class_scores import check_class_scores
from .group_predict_proba import group_predict_proba
from .macro_roc_auc import macro_roc_auc


def group_roc_auc_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: ArrayLike,
    *,
    labels: ArrayLike | None = None,
) -> float:
    """Compute the area under the ROC curve of the groups' mean scores.

    The scores of a group's rows are averaged, so that every group counts once. With two classes
    the score is the AUC of the mean score of ``labels[1]``; with more it is the unweighted mean
    of the one-vs-rest AUCs over the classes that occur among the groups.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True label of every row, of any type, the same for all rows of a group.
    y_score : array-like of shape (n_samples, n_classes)
        Class probabilities, or other scores that are larger for the likelier class.
    groups : array-like of shape (n_samples,)
        Group (patient) of every row; integers or strings.
    labels : array-like of shape (n_classes,), default=None
        Class of each column of `y_score`, such as an estimator's ``classes_``. By default the
        sorted labels of `y_true`. Give it when `y_true` may lack a class.

    Returns
    -------
    score : float
        AUC between 0 and 1.

    Raises
    ------
    ValueError
        If all groups have the same label, if a group carries several true labels, or if the
        columns of `y_score`, the lengths or `labels` do not match.

    See Also
    --------
    group_roc_auc_scorer : The same as a scorer for ``GridSearchCV``.

    Examples
    --------
    >>> from skrobust.metrics import group_roc_auc_score
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
    y_true, y_score, labels = check_class_scores(y_true, y_score, labels)
    groups = check_groups(groups, len(y_true))
    _, true_labels, _ = group_labels(y_true, groups)
    _, means = group_predict_proba(y_score, groups)
    return macro_roc_auc(true_labels, means, labels)
