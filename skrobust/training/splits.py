"""Validation rows held out of the training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

from ..utils.groups import check_groups


def validation_split(
    labels: NDArray, fraction: float, groups: NDArray | None, random_state: int
) -> tuple[NDArray, NDArray]:
    """Split rows into training and validation rows.

    With groups, no group is on both sides, and whole groups are chosen so that the classes are
    shared out evenly (a fold of :class:`~sklearn.model_selection.StratifiedGroupKFold`).
    Without, rows are drawn stratified by class.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Class of every row.
    fraction : float
        Share of the rows (with groups: about that share) to validate on, between 0 and 0.5.
    groups : ndarray of shape (n_samples,) or None
        Group of every row.
    random_state : int
        Seed of the draw.

    Returns
    -------
    train, valid : ndarray of int
        Row indices, sorted.

    Raises
    ------
    ValueError
        If there are too few groups or rows, or a class would have no training row.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.training import validation_split
    >>> y, patient = np.tile([0, 1], 6), np.repeat(np.arange(6), 2)
    >>> train, valid = validation_split(y, 0.5, patient, random_state=0)
    >>> set(patient[train]) & set(patient[valid])
    set()
    """
    if groups is None:
        splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=random_state)
        try:
            train, valid = next(splitter.split(labels, labels))
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={fraction} cannot be held out of {len(labels)} rows: {error} "
                "Give X_val and y_val, or set validation_fraction=None."
            ) from error
        return np.sort(train), np.sort(valid)
    groups = check_groups(groups, len(labels))
    n_splits = round(1 / fraction)
    n_groups = len(np.unique(groups))
    if n_groups < n_splits:
        raise ValueError(
            f"validation_fraction={fraction} needs at least {n_splits} groups to hold some out "
            f"whole, but there are {n_groups}. Use a larger validation_fraction (up to 0.5), give "
            "X_val and y_val, or set validation_fraction=None."
        )
    smallest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    if smallest < 2:
        raise ValueError(
            "a class has rows of one group only, so that group-disjoint training and validation "
            "rows cannot both have it. Give X_val and y_val, or set validation_fraction=None."
        )
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=random_state)
    for train, valid in splitter.split(labels, labels, groups):
        if len(valid) and len(np.unique(labels[train])) == len(np.unique(labels)):
            return train, valid
    raise ValueError(
        "no group-disjoint split leaves every class in the training rows. Give X_val and y_val, "
        "or set validation_fraction=None."
    )
