"""Validation rows held out from the training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import StratifiedShuffleSplit

from ..utils.groups import check_groups

# number of orders of the groups that are tried to hold out the requested share
_N_ORDERS = 20


def validation_split(
    labels: NDArray,
    fraction: float,
    groups: NDArray | None,
    random_state: int,
    *,
    keep_rare: bool = False,
    remedy: str = "give X_val and y_val",
) -> tuple[NDArray, NDArray]:
    """Split rows into training and validation rows.

    With groups, whole groups are held out so that the share of the rows, and of every class, is
    about the requested one, up to a factor of two. Without, rows are drawn stratified by class.
    With `keep_rare`, a class with one row or one group stays in training, instead of raising an
    error; `remedy` is what the user can do instead, for the errors.
    """
    if groups is not None:
        held = _split_by_group(
            labels, fraction, check_groups(groups, len(labels)), random_state, keep_rare, remedy
        )
    elif keep_rare:
        held = _split_by_class(labels, fraction, random_state)
    else:
        held = np.zeros(len(labels), dtype=bool)
        splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=random_state)
        try:
            held[next(splitter.split(labels, labels))[1]] = True
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={fraction} cannot be held out of {len(labels)} rows: {error} "
                f"You can {remedy}."
            ) from error
    if not held.any():
        raise ValueError(
            f"validation_fraction={fraction} of {len(held)} rows leaves no validation row: every "
            f"class has too few rows or groups. Raise it, or {remedy}."
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def _split_by_class(labels: NDArray, fraction: float, random_state: int) -> NDArray:
    """Return which rows to validate on: the fraction of every class, rounded at random."""
    rng = np.random.RandomState(random_state)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        n_held = int(fraction * len(rows) + rng.uniform())
        held[rows[: min(n_held, len(rows) - 1)]] = True
    return held


def _split_by_group(labels, fraction, groups, random_state, keep_rare, remedy) -> NDArray:
    """Return which rows to validate on: groups with shares nearest to the fraction in every class.

    In random orders, groups are held out as long as this brings the shares nearer; the best order
    is used. The share of all rows counts five times as much as those of the classes together: each
    of many classes may have too few groups to spare one.
    """
    _, group_codes = np.unique(groups, return_inverse=True)
    sizes = contingency_matrix(groups, labels).astype(float)  # rows of every group and class
    n_groups = (sizes > 0).sum(0)
    if not keep_rare and n_groups.min() < 2:
        raise ValueError(
            f"the class {np.unique(labels)[n_groups.argmin()]} has rows of one group only, so that "
            f"group-disjoint training and validation rows cannot both have it. You can {remedy}."
        )
    shares = np.hstack([sizes / sizes.sum(0), sizes.sum(1, keepdims=True) / len(labels)])
    weights = np.append(np.full(sizes.shape[1], 1 / sizes.shape[1]), 5.0)
    rng = np.random.RandomState(random_state)
    best, best_distance = np.zeros(len(sizes), dtype=bool), np.inf
    for _ in range(_N_ORDERS):
        chosen, held, left = np.zeros(len(sizes), dtype=bool), np.zeros(len(weights)), sizes.sum(0)
        for group in rng.permutation(len(sizes)):
            before, after = (weights @ (h - fraction) ** 2 for h in (held, held + shares[group]))
            nearer = after < before
            if nearer and ((left - sizes[group] > 0) | (sizes[group] == 0)).all():
                chosen[group] = True
                held += shares[group]
                left = left - sizes[group]
        distance = weights @ (held - fraction) ** 2
        if chosen.any() and distance < best_distance - 1e-12:
            best, best_distance = chosen, distance
    spared = ((sizes.sum(0) - sizes > 0) | (sizes == 0)).all(1)
    if not spared.any():
        return best[group_codes]
    share = shares[best, -1].sum() if best.any() else shares[spared, -1].min()
    if not (best.any() and fraction / 2 <= share <= 2 * fraction):
        raise ValueError(
            f"validation_fraction={fraction} cannot be held out in whole groups: with these "
            f"{len(sizes)} groups the nearest share is {share:.2f}. Set validation_fraction to "
            f"about that, or {remedy}."
        )
    return best[group_codes]
