"""Mixing rows and labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

_N_NEIGHBORS = 5
_MAX_CANDIDATES = 5000


class Targets(NamedTuple):
    """Rows to be mixed into: ``(1 - shift) X[rows] + shift X[neighbors]``."""

    rows: NDArray
    neighbors: NDArray
    shift: NDArray


def check_numbers_to_change(columns: Any, name: str) -> None:
    """Raise if rows have no column of numbers: nothing would change."""
    if columns.numbers.shape[1:] == (0,):
        raise ValueError(
            f"{name} changes numbers, but X has no column of them. Encode its columns as numbers "
            "first."
        )


def share_out(total: int, weights: NDArray) -> NDArray:
    """Return integers that add up to `total`, in proportion to `weights`: largest remainders."""
    exact = total * np.asarray(weights, dtype=float) / np.sum(weights)
    shares = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: total - shares.sum()]] += 1
    return shares


def repeat_evenly(rows: NDArray, n: int, rng: np.random.RandomState) -> NDArray:
    """Return `n` of the rows: each as often as any other, the remainder drawn at random."""
    whole, rest = divmod(n, len(rows))
    return np.concatenate([np.repeat(rows, whole), rng.choice(rows, rest, replace=False)])


def draw_targets(X, codes, pool, n_new, balance, groups, rng) -> Targets:
    """Draw the rows of the pool that are mixed into; None keeps the class shares of the pool."""
    present, counts = np.unique(codes[pool], return_counts=True)
    quotas = share_out(n_new, counts if balance is None else np.ones(len(counts)))
    parts = []
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
        parts.append((chosen, towards, by))
    return Targets(*map(np.concatenate, zip(*parts, strict=True)))


def _towards_neighbors(X, own, chosen, n_kept, rng):
    """Move all chosen rows except `n_kept` random ones towards a near row of their class."""
    shift = np.zeros(len(chosen))
    moved = rng.permutation(len(chosen))[n_kept:]
    n_neighbors = min(_N_NEIGHBORS, len(own) - 1)
    if n_neighbors == 0 or len(moved) == 0:
        return chosen, shift
    rows = chosen[moved]
    # among this many rows at most, so that time grows linearly with the rows
    candidates = own
    if len(own) > _MAX_CANDIDATES:
        candidates = np.sort(rng.choice(own, _MAX_CANDIDATES, replace=False))
    search = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(X[candidates])
    near = candidates[search.kneighbors(X[rows], return_distance=False)]
    # the row itself is put last, and is left out
    near = np.take_along_axis(near, np.argsort(near == rows[:, None], axis=1, kind="stable"), 1)
    neighbors = chosen.copy()
    neighbors[moved] = near[np.arange(len(rows)), rng.randint(n_neighbors, size=len(moved))]
    shift[moved] = rng.uniform(size=len(moved))
    return neighbors, shift


def draw_partners(
    rows: NDArray, codes: NDArray, pool: NDArray, strategy: str, rng: np.random.RandomState
) -> NDArray:
    """Draw for every target another row of the pool to mix in; itself if its class has no other."""
    partners = np.empty(len(rows), dtype=int)
    cells = np.zeros(len(rows), dtype=int) if strategy == "both" else codes[rows]
    for code in np.unique(cells):
        cell = np.flatnonzero(cells == code)
        candidates = pool
        if strategy != "both":
            candidates = pool[(codes[pool] == code) == (strategy == "same")]
        # to leave out the target itself, draw among one less and skip it
        skips = strategy != "other" and len(candidates) > 1
        draw = rng.randint(len(candidates) - skips, size=len(cell))
        if skips:
            draw += draw >= np.searchsorted(candidates, rows[cell])
        partners[cell] = candidates[draw]
    return partners


def mix(X: NDArray, targets: Targets, partners: NDArray, alpha: NDArray) -> NDArray:
    """Return ``(1 - alpha) x_j + alpha x_k`` for every target j and partner k (Eq. 1)."""
    alpha = alpha.astype(X.dtype)[:, None]
    mixed = X[targets.rows]
    moved = np.flatnonzero(targets.shift)
    if len(moved):
        shift = targets.shift[moved, None].astype(X.dtype)
        mixed[moved] += shift * (X[targets.neighbors[moved]] - mixed[moved])
    mixed *= 1 - alpha
    mixed += alpha * X[partners]
    return mixed
