"""Share of groups (patients) whose mean prediction is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..utils.group_labels import group_labels
from ..utils.groups import check_groups
from .class_scores import check_class_scores
from .group_predict_proba import group_predict_proba


def group_accuracy_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: ArrayLike,
    *,
    labels: ArrayLike | None = None,
) -> float:
    """Compute the share of groups whose mean class scores point to the right class.

    The scores of a group's rows are averaged, the class with the largest mean is the group's
    prediction, and it is compared with the group's label: the patient-wise accuracy of [1]_,
    section 5.1. A tie goes to the first of the tied columns.

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
        Share of groups predicted right, between 0 and 1.

    Raises
    ------
    ValueError
        If a group carries several true labels, or if the columns of `y_score`, the lengths or
        `labels` do not match.

    See Also
    --------
    group_accuracy_scorer : The same as a scorer for ``GridSearchCV``.

    References
    ----------
    .. [1] D. Lu, N. Polomac, I. Gacheva, E. Hattingen and J. Triesch, "Human-expert-level brain
       tumor detection using deep learning with data distillation and augmentation", preprint.

    Examples
    --------
    >>> from skrobust.metrics import group_accuracy_score
    >>> y_prob = [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]
    >>> group_accuracy_score([0, 0, 1], y_prob, groups=["a", "a", "b"])
    0.5
    """
    y_true, y_score, labels = check_class_scores(y_true, y_score, labels)
    groups = check_groups(groups, len(y_true))
    _, true_labels, _ = group_labels(y_true, groups)
    _, means = group_predict_proba(y_score, groups)
    return float(np.mean(labels[means.argmax(axis=1)] == true_labels))
