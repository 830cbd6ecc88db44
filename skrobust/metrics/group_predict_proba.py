"""Class probabilities of groups: the mean over their rows."""

from __future__ import annotations

from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from ..utils.groups import check_groups, group_means


def group_predict_proba(y_prob: ArrayLike, groups: ArrayLike) -> tuple[NDArray, NDArray]:
    """Average the class probabilities of the rows of each group.

    A patient's probabilities are the mean over the patient's voxels, as in [1]_, section 5.1.
    Every row counts the same within its group and every group is one row of the result.

    Parameters
    ----------
    y_prob : array-like of shape (n_samples, n_classes)
        Class probabilities of the rows, as ``predict_proba`` gives them. Other scores, larger
        for the likelier class, are averaged in the same way.
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
        If `y_prob` is not 2-d or holds NaN or infinity, if the lengths differ, or if a group is
        missing.

    References
    ----------
    .. [1] D. Lu, N. Polomac, I. Gacheva, E. Hattingen and J. Triesch, "Human-expert-level brain
       tumor detection using deep learning with data distillation and augmentation", preprint.

    Examples
    --------
    >>> from skrobust.metrics import group_predict_proba
    >>> groups, proba = group_predict_proba([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], ["a", "a", "b"])
    >>> groups
    array(['a', 'b'], dtype='<U1')
    >>> proba
    array([[0.7, 0.3],
           [0.2, 0.8]])
    """
    y_prob = check_array(y_prob, input_name="y_prob")
    unique_groups, mean_proba, _ = group_means(y_prob, check_groups(groups, len(y_prob)))
    return unique_groups, mean_proba
