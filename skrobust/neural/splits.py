"""Validation rows held out of the training rows."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

from ..utils.groups import check_groups


def validation_split(
    labels: NDArray,
    fraction: float,
    groups: NDArray | None,
    random_state: int,
    *,
    keep_rare: bool = False,
    remedy: str = "give X_val and y_val, or set validation_fraction=None",
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
    keep_rare : bool, default=False
        Whether a class that is too rare to be on both sides, with one row or one group, stays
        in the training rows as a whole, instead of being an error.
    remedy : str
        What the caller's user can do instead, for the end of the errors.

    Returns
    -------
    train, valid : ndarray of int
        Row indices, sorted.

    Raises
    ------
    ValueError
        If there are too few groups or rows, or a class would have no training row, or there
        would be no validation row.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.neural.splits import validation_split
    >>> y, patient = np.tile([0, 1], 6), np.repeat(np.arange(6), 2)
    >>> train, valid = validation_split(y, 0.5, patient, random_state=0)
    >>> set(patient[train]) & set(patient[valid])
    set()
    """
    if groups is None and keep_rare:
        return _checked(_split_by_class(labels, fraction, random_state), fraction)
    if groups is None:
        splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=random_state)
        try:
            train, valid = next(splitter.split(labels, labels))
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={fraction} cannot be held out of {len(labels)} rows: {error} "
                f"You can {remedy}."
            ) from error
        return np.sort(train), np.sort(valid)
    groups = check_groups(groups, len(labels))
    n_splits = round(1 / fraction)
    n_groups = len(np.unique(groups))
    if n_groups < n_splits:
        raise ValueError(
            f"validation_fraction={fraction} needs at least {n_splits} groups to hold some out "
            f"whole, but there are {n_groups}. Use a larger validation_fraction (up to 0.5), or "
            f"{remedy}."
        )
    if keep_rare:
        return _checked(_split_by_group(labels, n_splits, groups, random_state), fraction)
    smallest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    if smallest < 2:
        raise ValueError(
            "a class has rows of one group only, so that group-disjoint training and validation "
            f"rows cannot both have it. You can {remedy}."
        )
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=random_state)
    for train, valid in splitter.split(labels, labels, groups):
        if len(valid) and len(np.unique(labels[train])) == len(np.unique(labels)):
            return train, valid
    raise ValueError(
        f"no group-disjoint split leaves every class in the training rows. You can {remedy}."
    )


def _split_by_class(labels: NDArray, fraction: float, random_state: int) -> NDArray:
    """Return which rows to validate on: the fraction of every class, rounded at random."""
    rng = np.random.RandomState(random_state)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        n_held = int(fraction * len(rows) + rng.uniform())
        held[rows[: min(n_held, len(rows) - 1)]] = True
    return held


def _split_by_group(labels: NDArray, n_splits: int, groups: NDArray, random_state: int) -> NDArray:
    """Return which rows to validate on: a fold, less the groups that a class cannot spare."""
    held = np.zeros(len(labels), dtype=bool)
    # more folds than rows of a class is an error if it holds for all classes, else a warning
    n_splits = min(n_splits, np.unique(labels, return_counts=True)[1].max())
    if n_splits < 2:
        return held
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        _, valid = next(splitter.split(labels, labels, groups))
    held[valid] = True
    for label in np.unique(labels):
        own = labels == label
        if held[own].all():
            spared, n_rows = np.unique(groups[own], return_counts=True)
            held[groups == spared[n_rows.argmax()]] = False
    return held


def _checked(held: NDArray, fraction: float) -> tuple[NDArray, NDArray]:
    if not held.any():
        raise ValueError(
            f"validation_fraction={fraction} of {len(held)} rows leaves no validation row: every "
            "class has too few rows or groups. Raise it, or set validation_fraction=None."
        )
    return np.flatnonzero(~held), np.flatnonzero(held)
