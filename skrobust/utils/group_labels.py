"""The label of every group, where all rows of a group share one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_labels(y: NDArray, groups: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Return the one label that all rows of each group carry.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Label of every row, of any type.
    groups : ndarray of shape (n_samples,)
        Group of every row, as returned by :func:`~skrobust.utils.groups.check_groups`.

    Returns
    -------
    unique_groups : ndarray of shape (n_groups,)
        The groups, sorted.
    labels : ndarray of shape (n_groups,)
        Label of each group, with the type of `y`.
    codes : ndarray of shape (n_samples,)
        Position of every row's group in `unique_groups`.

    Raises
    ------
    ValueError
        If the rows of one group carry several labels; the message names the group.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.utils.group_labels import group_labels
    >>> group_labels(np.array([1, 1, 0]), np.array(["b", "b", "a"]))[1]
    array([0, 1])
    """
    unique_groups, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    labels = y[first]
    wrong = np.flatnonzero(y != labels[codes])
    if len(wrong):
        group = unique_groups.tolist()[codes[wrong[0]]]
        found = np.unique(y[codes == codes[wrong[0]]]).tolist()
        raise ValueError(
            f"Group {group!r} carries several labels: {found}. All rows of a group need the same "
            "label here; correct the labels, or split the group."
        )
    return unique_groups, labels, codes
