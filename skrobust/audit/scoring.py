"""Scores of rows by models that have not seen them, and their intervals by patient."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.parallel import Parallel, delayed

from ..label_noise.inner_fit import fit_inside, take_rows
from ..utils.scores import class_scores
from .rows import AuditRows

Folds = list[tuple[NDArray, NDArray]]


def disjoint_folds(rows: AuditRows, k: int, seed: int) -> Folds:
    """Return folds without common patients."""
    return _split(StratifiedGroupKFold, k, seed, rows, rows.unit)


def ordinary_folds(rows: AuditRows, k: int, seed: int) -> Folds:
    """Return folds that do not know patients."""
    return _split(StratifiedKFold, k, seed, rows, None)


def _split(kind, k, seed, rows, groups) -> Folds:
    """Return folds, as many as the most frequent class allows; rare classes are found elsewhere."""
    splitter = kind(min(k, np.bincount(rows.codes).max()), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(np.empty((len(rows), 0)), rows.codes, groups))


def out_of_fold(
    estimator: Any, X: Any, rows: AuditRows, folds: Folds, n_jobs: int | None
) -> NDArray:
    """Return class probabilities of every row by a model that was fitted on the other folds."""
    results = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(estimator, X, rows, train, test) for train, test in folds
    )
    P = np.zeros((len(rows), rows.n_classes))
    for (_, test), result in zip(folds, results, strict=True):
        P[test] = result
    return P


def _fit_and_score(estimator, X, rows, train, test) -> NDArray:
    """Return class probabilities of the test rows."""
    y = rows.y[train]
    if len(np.unique(y)) < 2:
        return np.eye(rows.n_classes)[np.full(len(test), rows.codes[train[0]])]
    groups = None if rows.groups is None else rows.groups[train]
    fitted = fit_inside(clone(estimator), take_rows(X, train), y, groups=groups)
    return class_scores(fitted, take_rows(X, test), rows.classes)


def auc_of(codes: NDArray, P: NDArray) -> Callable[[NDArray | None], float]:
    """Return the AUC as a function of the weights of the rows: one class against the rest, mean."""
    K = P.shape[1]
    parts = []
    for k in [1] if K == 2 else np.flatnonzero(np.bincount(codes, minlength=K)):
        rank = np.unique(P[:, k], return_inverse=True)[1]
        parts.append((rank, (codes == k).astype(float)))

    def auc(weight: NDArray | None = None) -> float:
        values = []
        for rank, own in parts:
            w = np.ones(len(own)) if weight is None else weight
            inside, outside = np.bincount(rank, w * own), np.bincount(rank, w * (1 - own))
            total = inside.sum() * outside.sum()
            if total:
                below = np.cumsum(outside) - outside / 2  # ties count one half
                values.append((inside * below).sum() / total)
        return float(np.mean(values)) if values else np.nan

    return auc


def by_patient(
    statistic: Callable[[NDArray | None], float],
    unit: NDArray,
    random_state: RandomState,
    n_draws: int = 200,
) -> tuple[float, float, float]:
    """Return a statistic of weights of rows, and its 95% bootstrap interval over patients."""
    n_units = unit.max() + 1
    draws = []
    for _ in range(n_draws):
        times = np.bincount(random_state.randint(n_units, size=n_units), minlength=n_units)
        draws.append(statistic(times[unit].astype(float)))
    lower, upper = np.nanquantile(draws, [0.025, 0.975])
    return statistic(None), float(lower), float(upper)
