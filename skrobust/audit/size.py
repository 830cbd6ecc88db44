"""Rare classes, and whether there are enough patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from .findings import Finding, listing, percent
from .rows import AuditRows
from .scoring import auc_of, by_patient, disjoint_folds, out_of_fold

_RARE = 0.1
_VERY_RARE = 0.05
_FEW_PATIENTS = 10
_MOST_ROWS = 10_000
_SHARES = (0.25, 0.5, 0.75, 1.0)
_N_REPEATS = 3


def check_size(
    rows: AuditRows, k: int, n_jobs: int | None, random_state: RandomState
) -> list[Finding]:
    """Return the findings about classes and the number of patients."""
    return [*_rare(rows), *_few(rows), *_learning_curve(rows, k, n_jobs, random_state)]


def _rare(rows: AuditRows) -> list[Finding]:
    """SKR501: rare classes."""
    share = np.bincount(rows.codes) / len(rows)
    rare = np.flatnonzero(share < _RARE)
    if not len(rare):
        return []
    named = [f"{rows.classes[k]} ({percent(share[k])})" for k in rare]
    return [
        Finding(
            "SKR501",
            "warning" if share.min() < _VERY_RARE else "note",
            f"Rare classes: {listing(named)} of the rows.",
            "Accuracy says little here: use the AUC, or sensitivity and specificity; give classes "
            "equal weight in training.",
            "from skrobust import macro_recall_scorer\n"
            "model = my_classifier.set_params(class_weight='balanced')",
            value=float(share.min()),
        )
    ]


def _few(rows: AuditRows) -> list[Finding]:
    """SKR502: classes with too few patients."""
    n_patients = rows.patients_of_class
    few = np.flatnonzero(n_patients < _FEW_PATIENTS)
    if not len(few):
        return []
    named = [f"{rows.classes[k]} ({n_patients[k]})" for k in few]
    return [
        Finding(
            "SKR502",
            "warning",
            f"Classes with fewer than {_FEW_PATIENTS} {rows.people}: {listing(named)}.",
            "Nothing reliable can be said about them. Collect more, or join classes; report every "
            "score with its interval.",
            value=float(n_patients.min()),
        )
    ]


def _learning_curve(rows, k, n_jobs, random_state) -> list[Finding]:
    """SKR503: scores with a part of the patients, and what twice the patients would bring."""
    part, _, drawn = rows.sample(_MOST_ROWS, random_state)
    if part.patients_of_class.min() < 2 * k:
        return []
    judge = LogisticRegression(C=0.03, max_iter=1000)
    curves: list[list] = [[] for _ in _SHARES]
    sizes = np.zeros(len(_SHARES))
    for _ in range(_N_REPEATS):
        seed = random_state.randint(np.iinfo(np.int32).max)
        folds = disjoint_folds(part, k, seed)
        order = random_state.permutation(part.n_patients)
        for s, share in enumerate(_SHARES):
            fewer = [(_first(part, train, order, share), test) for train, test in folds]
            sizes[s] += sum(len(np.unique(part.unit[train])) for train, _ in fewer)
            P = out_of_fold(judge, part.features, part, fewer, n_jobs)
            curves[s].append(auc_of(part.codes, P))
    sizes /= _N_REPEATS * k

    def scores(weight: NDArray | None) -> NDArray:
        return np.array([np.mean([auc(weight) for auc in curve]) for curve in curves])

    def gain(weight: NDArray | None) -> float:
        return twice_the_patients(sizes, scores(weight))

    value, lower, upper = by_patient(gain, part.unit, random_state, 100)
    curve = scores(None)
    table = pd.DataFrame({"patients": sizes.round().astype(int), "AUC": curve})
    return [
        Finding(
            "SKR503",
            "note",
            f"Trained on {sizes[0]:.0f} {rows.people}, a logistic regression reaches an AUC of "
            f"{curve[0]:.2f}, on {sizes[-1]:.0f} of {curve[-1]:.2f}; twice as many would bring "
            f"about {value:+.2f} ({lower:+.2f} to {upper:+.2f}){drawn}.",
            "If this is much, collect patients before you try other methods.",
            value=value,
            lower=lower,
            upper=upper,
            table=table,
        )
    ]


def _first(rows: AuditRows, train: NDArray, order: NDArray, share: float) -> NDArray:
    """Return the training rows of the first patients of every class in an order of patients."""
    inside = order[np.isin(order, rows.unit[train])]
    label = rows.label_of_unit[inside]
    chosen = [
        inside[label == k][: int(np.ceil(share * (label == k).sum()))]
        for k in range(rows.n_classes)
    ]
    return train[np.isin(rows.unit[train], np.concatenate(chosen))]


def twice_the_patients(sizes: NDArray, scores: NDArray) -> float:
    """Return what twice the largest number of patients would add, if errors fall as 1 / sqrt(n)."""
    slope = np.polyfit(1 / np.sqrt(sizes), scores, 1)[0]
    return float(-slope * (1 - np.sqrt(0.5)) / np.sqrt(sizes[-1]))
