"""Mixing rows and labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

_N_NEIGHBORS = 5


class Targets(NamedTuple):
    """Rows to be mixed into: ``(1 - shift) X[rows] + shift X[neighbors]``."""

    rows: NDArray
    neighbors: NDArray
    shift: NDArray


def share_out(total: int, weights: NDArray) -> NDArray:
    """Return integers that add up to `total`, in proportion to `weights`.

    Parameters
    ----------
    total : int
        What to share out.
    weights : ndarray of shape (n,)
        Not negative, not all zero.

    Returns
    -------
    shares : ndarray of shape (n,), int
        Largest-remainder shares.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.label_noise.mixing import share_out
    >>> share_out(10, np.array([1, 1, 1]))
    array([4, 3, 3])
    """
    exact = total * np.asarray(weights, dtype=float) / np.sum(weights)
    shares = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: total - shares.sum()]] += 1
    return shares


def repeat_evenly(rows: NDArray, n: int, rng: np.random.RandomState) -> NDArray:
    """Return `n` of the rows: each as often as any other, the remainder drawn at random."""
    whole, rest = divmod(n, len(rows))
    return np.concatenate([np.repeat(rows, whole), rng.choice(rows, rest, replace=False)])


def draw_targets(
    X: NDArray,
    codes: NDArray,
    pool: NDArray,
    n_new: int,
    balance: str | None,
    groups: NDArray | None,
    rng: np.random.RandomState,
) -> Targets:
    """Draw the rows that are mixed into, balanced as asked.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        All rows; only "smote" looks at them.
    codes : ndarray of shape (n_samples,)
        Class of every row.
    pool : ndarray of int
        Rows to draw from.
    n_new : int
        Number of targets.
    balance : {"smote", "random", "group"} or None
        None keeps the class shares of the pool. The others give every class the same number of
        targets: "random" by repeating rows, "smote" by moving the repeats a random part of
        the way to one of the 5 nearest rows of the class, "group" by repeating rows such that
        every group of a class gets the same number.
    groups : ndarray of shape (n_samples,) or None
        Group of every row.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    targets : Targets
        Rows, neighbours and how far to move towards them.
    """
    present, counts = np.unique(codes[pool], return_counts=True)
    quotas = share_out(n_new, counts if balance is None else np.ones(len(counts)))
    rows, neighbors, shift = [], [], []
    for code, quota, count in zip(present, quotas, counts, strict=True):
        own = pool[codes[pool] == code]
        if balance == "group":
            of_group = [own[groups[own] == group] for group in np.unique(groups[own])]
            per_group = share_out(quota, np.ones(len(of_group)))
            drawn = [repeat_evenly(r, n, rng) for r, n in zip(of_group, per_group, strict=True)]
            chosen = np.concatenate(drawn)
        else:
            chosen = repeat_evenly(own, quota, rng)
        towards, by = chosen, np.zeros(len(chosen))
        if balance == "smote":
            n_kept = round(quota * count / counts.max())
            towards, by = _towards_neighbors(X, own, chosen, n_kept, rng)
        rows.append(chosen)
        neighbors.append(towards)
        shift.append(by)
    return Targets(*map(np.concatenate, (rows, neighbors, shift)))


def _towards_neighbors(X, own, chosen, n_kept, rng):
    """Move all but `n_kept` random ones of the chosen rows towards a near row of their class."""
    shift = np.zeros(len(chosen))
    moved = rng.permutation(len(chosen))[n_kept:]
    n_neighbors = min(_N_NEIGHBORS, len(own) - 1)
    if n_neighbors == 0 or len(moved) == 0:
        return chosen, shift
    near = NearestNeighbors(n_neighbors=n_neighbors).fit(X[own]).kneighbors(return_distance=False)
    neighbors = chosen.copy()
    position = np.searchsorted(own, chosen[moved])
    neighbors[moved] = own[near[position, rng.randint(n_neighbors, size=len(moved))]]
    shift[moved] = rng.uniform(size=len(moved))
    return neighbors, shift


def draw_partners(
    rows: NDArray, codes: NDArray, pool: NDArray, strategy: str, rng: np.random.RandomState
) -> NDArray:
    """Draw for every target row the row that is mixed in.

    Parameters
    ----------
    rows : ndarray of int
        Target rows.
    codes : ndarray of shape (n_samples,)
        Class of every row.
    pool : ndarray of int
        Rows to draw from, sorted.
    strategy : {"same", "other", "both"}
        From the target's class, from the other classes, or from all.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    partners : ndarray of int
        A row other than the target, unless the class has no other.
    """
    partners = np.empty(len(rows), dtype=int)
    cells = [np.arange(len(rows))]
    if strategy != "both":
        cells = [np.flatnonzero(codes[rows] == code) for code in np.unique(codes[rows])]
    for cell in cells:
        candidates = pool
        if strategy == "same":
            candidates = pool[codes[pool] == codes[rows[cell[0]]]]
        elif strategy == "other":
            candidates = pool[codes[pool] != codes[rows[cell[0]]]]
        if strategy == "other" or len(candidates) == 1:
            partners[cell] = candidates[rng.randint(len(candidates), size=len(cell))]
            continue
        # leave out the target itself: draw among one less and step over it
        draw = rng.randint(len(candidates) - 1, size=len(cell))
        draw += draw >= np.searchsorted(candidates, rows[cell])
        partners[cell] = candidates[draw]
    return partners


def mix(X: NDArray, targets: Targets, partners: NDArray, alpha: NDArray) -> NDArray:
    """Return ``(1 - alpha) x_j + alpha x_k`` for every target j and partner k (Eq. 1).

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) of float
        All rows.
    targets : Targets
        Rows mixed into.
    partners : ndarray of int
        Rows mixed in.
    alpha : ndarray of shape (n_new,)
        Share of the partner.

    Returns
    -------
    X_new : ndarray of shape (n_new, n_features)
        In the dtype of X.
    """
    alpha = alpha.astype(X.dtype)[:, None]
    mixed = X[targets.rows]
    moved = np.flatnonzero(targets.shift)
    if len(moved):
        shift = targets.shift[moved, None].astype(X.dtype)
        mixed[moved] += shift * (X[targets.neighbors[moved]] - mixed[moved])
    mixed *= 1 - alpha
    mixed += alpha * X[partners]
    return mixed
