"""Groups (patients) of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d


def check_groups(groups: ArrayLike, n_samples: int) -> NDArray:
    """Return ``groups`` as a 1-d array with one entry per row.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Group (patient) of every row; integers or strings.
    n_samples : int
        Number of rows that the groups must match.

    Returns
    -------
    groups : ndarray of shape (n_samples,)
        The checked groups.

    Raises
    ------
    ValueError
        If the lengths differ, or a group is missing (None or NaN).
    TypeError
        If strings and numbers are mixed.

    Examples
    --------
    >>> from skrobust.utils.groups import check_groups
    >>> check_groups(["p1", "p1", "p2"], 3)
    array(['p1', 'p1', 'p2'], dtype='<U2')
    """
    groups = column_or_1d(groups)
    if len(groups) != n_samples:
        raise ValueError(
            f"groups has {len(groups)} entries but X has {n_samples} rows. Give one group per row "
            "of X. In a pipeline this happens when a sampler earlier in the pipeline changed the "
            "rows: put the step that needs groups before that sampler."
        )
    if groups.dtype.kind == "f" and np.isnan(groups).any():
        raise ValueError("groups contains NaN. Every row needs a group; drop or name the others.")
    if groups.dtype.kind == "O" and any(g is None or g != g for g in groups):
        raise ValueError(
            "groups contains missing values (None or NaN). Every row needs a group; drop or name "
            "the others."
        )
    if groups.dtype.kind == "O":
        try:
            np.unique(groups)
        except TypeError as error:
            raise TypeError(
                f"groups cannot be sorted: {error}. Name all groups by strings, or all by numbers."
            ) from error
    return groups


def require_groups(groups: NDArray | None) -> None:
    """Raise an error that says how to pass groups, if there are none for ``level="group"``.

    Parameters
    ----------
    groups : ndarray or None
        Groups, or None if the user gave none.

    Raises
    ------
    ValueError
        If `groups` is None.

    Examples
    --------
    >>> from skrobust.utils.groups import require_groups
    >>> require_groups(["p1", "p2"])
    """
    if groups is None:
        raise ValueError(
            "level='group' needs groups, the patient of every row. Pass groups to fit or "
            "fit_resample (in a pipeline: with sklearn.set_config(enable_metadata_routing=True)), "
            "or use level='row'."
        )


def group_means(values: NDArray, groups: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Average rows of ``values`` over each group.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
        What to average.
    groups : ndarray of shape (n_samples,)
        Group of every row.

    Returns
    -------
    unique_groups : ndarray of shape (n_groups,)
        The groups, sorted.
    means : ndarray of shape (n_groups, n_columns), float64
        Mean of the rows of each group.
    codes : ndarray of shape (n_samples,)
        Position of every row's group in `unique_groups`, so that ``means[codes]`` spreads
        the means back over the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.utils.groups import group_means
    >>> _, means, codes = group_means(np.array([[0.0], [1.0], [4.0]]), np.array(["a", "a", "b"]))
    >>> means[codes].ravel()
    array([0.5, 0.5, 4. ])
    """
    unique_groups, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.zeros((len(unique_groups), values.shape[1]))
    np.add.at(sums, codes, values)
    return unique_groups, sums / counts[:, None], codes


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
    >>> from skrobust.utils.groups import group_labels
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
