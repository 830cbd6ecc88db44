"""Whether scores are too good: the same patient on both sides, copies, columns, sites, folds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from ..utils.groups import check_groups
from .findings import Finding, count, percent
from .rows import AuditRows
from .scoring import auc_of, by_patient, disjoint_folds, ordinary_folds, out_of_fold

# more rows are drawn by patient
_MOST_ROWS = 10_000
# gaps below this are not worth a warning
_GAP = 0.02


def check_leakage(
    rows: AuditRows, estimator: Any, k: int, n_jobs: int | None, random_state: RandomState
) -> list[Finding]:
    """Return the findings about folds and copies."""
    found = equal_rows(rows)
    if rows.n_patients < len(rows):
        part, chosen, drawn = rows.sample(_MOST_ROWS, random_state)
        found += [_folds(part, estimator, k, n_jobs, random_state, drawn)]
        found += nearly_equal_rows(part, chosen, drawn)
    return found


def forest(n_jobs: int | None, seed: int) -> RandomForestClassifier:
    """Return the forest of all checks."""
    return RandomForestClassifier(100, min_samples_leaf=2, n_jobs=n_jobs, random_state=seed)


def for_forests(rows: AuditRows) -> NDArray:
    """Return columns for a forest: those of a table, or principal components of wide arrays."""
    return rows.features if rows.table is None else rows.numbers


def _folds(rows, estimator, k, n_jobs, random_state, drawn) -> Finding:
    """SKR201: scores under ordinary folds against those under patient-disjoint ones."""
    seed = random_state.randint(np.iinfo(np.int32).max)
    models = {
        "random forest": (forest(n_jobs, seed), for_forests(rows)),
        "nearest neighbour": (KNeighborsClassifier(1), rows.features),
    }
    if estimator is not None:
        models["your estimator"] = (estimator, rows.X)
    lines = {}
    for name, (model, X) in models.items():
        aucs = [
            auc_of(rows.codes, out_of_fold(model, X, rows, make(rows, k, seed), None))
            for make in (ordinary_folds, disjoint_folds)
        ]
        gap, lower, upper = by_patient(
            lambda w, aucs=aucs: aucs[0](w) - aucs[1](w), rows.unit, random_state
        )
        lines[name] = (aucs[0](None), aucs[1](None), gap, lower, upper)
    columns = ["ordinary folds", "patient-disjoint folds", "gap", "lower", "upper"]
    table = pd.DataFrame.from_dict(lines, orient="index", columns=columns)
    table.index.name = "model"
    worst = table.loc[table["lower"].idxmax()]
    said = "; ".join(
        f"{name} {line.iloc[0]:.2f} against {line.iloc[1]:.2f}" for name, line in table.iterrows()
    )
    return Finding(
        "SKR201",
        "warning" if worst["lower"] > _GAP else "note",
        f"AUC under ordinary folds against patient-disjoint folds: {said}. Ordinary folds add up "
        f"to {worst['gap']:.2f} ({worst['lower']:.2f} to {worst['upper']:.2f}) that new patients "
        f"would not show{drawn}.",
        "Split by patient everywhere: in the outer folds, in searches, and for early stopping.",
        "from sklearn.model_selection import StratifiedGroupKFold, cross_val_score\n"
        "cross_val_score(my_classifier, X, y, groups=groups, cv=StratifiedGroupKFold(5))",
        *(float(worst[c]) for c in ("gap", "lower", "upper")),
        table=table,
    )


def equal_rows(rows: AuditRows) -> list[Finding]:
    """SKR202: rows of one patient that another patient has too."""
    numbers = rows.numbers
    if rows.table is not None:
        numbers = numbers[:, ~rows.numbers_rows]
    first: dict[bytes, int] = {}
    pairs, inside = [], 0
    for i, row in enumerate(np.ascontiguousarray(numbers)):
        known = ~np.isnan(row)
        if not known.any() or (row[known] == row[known][0]).all():
            continue  # an empty picture equals any other
        other = first.setdefault(row.tobytes(), i)
        if rows.unit[other] != rows.unit[i]:
            pairs.append((other, i))
        inside += other != i and rows.unit[other] == rows.unit[i]
    if not pairs and not inside:
        return []
    chance = _by_chance(numbers)
    across = rows.groups is not None
    before = "one of another patient" if across else "an earlier one"
    sentence = f"Equal to {before}, value by value: {len(pairs):,} of {len(rows):,} {rows.noun}."
    if inside:
        sentence += f" Equal to one of the same patient: {inside:,}."
    if pairs and chance:
        sentence += " The columns have few values, so that this can be chance."
    return [
        Finding(
            "SKR202",
            "note" if not pairs else "warning" if chance or not across else "severe",
            sentence,
            "Find out whether a patient has two names, or rows were copied; give both the same "
            "group, or drop the copies. Otherwise they are in training and test rows at once.",
            "report.tables['SKR202']",
            value=float(len(pairs)),
            table=_pairs(rows, pairs),
        )
    ]


def _pairs(rows: AuditRows, pairs: list[tuple[int, int]]) -> pd.DataFrame:
    """Return a table of pairs of rows, with their patients and labels."""
    a, b = np.array(pairs, dtype=int).reshape(-1, 2).T
    names = rows.names[rows.unit]
    columns = {"row": a, "other_row": b, "group": names[a], "other_group": names[b]}
    return pd.DataFrame({**columns, "label": rows.y[a], "other_label": rows.y[b]})


def _by_chance(numbers: NDArray) -> bool:
    """Tell whether equal rows can be chance: columns have few values, half of them independent."""
    n = len(numbers)
    log_pairs = np.log(n) * 2 - np.log(2)
    log_same = 0.0
    for column in numbers.T:
        times = np.unique(column, return_counts=True)[1]
        log_same += np.log((times / n) @ (times / n)) / 2
        if log_pairs + log_same < np.log(0.01):
            return False
    return True


def nearly_equal_rows(rows: AuditRows, chosen: NDArray, drawn: str) -> list[Finding]:
    """SKR203: rows far nearer to a row of another patient than patients are to each other.

    For every row, d_1 < d_2 < ... are the distances to the nearest rows of its nearest patients.
    If nothing is copied, (d_1 / d_k)^p has the distribution of the smallest of k - 1 uniform
    numbers, where p is the dimension (the estimate of Levina and Bickel, 2004).
    """
    k = min(5, rows.n_patients - 1)
    if k < 3:
        return []
    order = np.argsort(rows.unit, kind="stable")
    F = rows.features[order].astype(np.float32)
    unit = rows.unit[order]
    starts = np.unique(unit, return_index=True)[1]
    squares = (F**2).sum(1)
    d, nearest = np.empty((len(F), k)), np.empty(len(F), dtype=int)
    for begin in range(0, len(F), 500):
        own = slice(begin, begin + 500)
        D = squares[own, None] + squares - 2 * F[own] @ F.T
        D[unit[own, None] == unit] = np.inf
        nearest[own] = D.argmin(1)
        closest = np.minimum.reduceat(D, starts, axis=1)
        d[own] = np.sqrt(np.sort(np.partition(closest, k - 1, axis=1)[:, :k], axis=1).clip(0))
    # differences of squares lose what is below the rounding of float32
    exact = np.sqrt(((F - F[nearest]) ** 2).sum(1))
    d[:, 0] = np.minimum(exact, d[:, 1])
    apart = d[:, -1] > 0
    if not apart.any():
        return []
    logs = np.log(d[apart][:, [-1]] / d[apart, :-1].clip(1e-12)).clip(0)
    dimension = (k - 2) / max(np.median(logs.sum(1)), 1e-6)
    ratio = d[:, 0] / d[:, -1].clip(1e-12)
    limit = min(0.2, (0.01 / ((k - 1) * len(F))) ** (1 / dimension))
    numbers = rows.numbers[order]
    same = np.array([
        np.array_equal(numbers[i], numbers[j], equal_nan=True) for i, j in enumerate(nearest)
    ])  # fmt: skip
    near = np.flatnonzero((ratio < limit) & ~same & apart)
    if not len(near):
        return []
    pairs = {tuple(sorted((chosen[order[i]], chosen[order[nearest[i]]]))) for i in near}
    where = {row: i for i, row in enumerate(chosen)}
    table = _pairs(rows, [(where[a], where[b]) for a, b in sorted(pairs)])
    table["row"], table["other_row"] = chosen[table["row"]], chosen[table["other_row"]]
    return [
        Finding(
            "SKR203",
            "warning",
            f"Nearly equal {rows.noun} of different patients, less than {percent(limit)} of the "
            f"usual distance apart: {count(len(pairs), 'pairs')}{drawn}.",
            "Look whether they are copies, such as a repeated measurement under another name; give "
            "both the same group.",
            "report.tables['SKR203']",
            value=float(len(pairs)),
            table=table,
        )
    ]


def audit_splits(splits: Iterable[tuple[ArrayLike, ArrayLike]], groups: ArrayLike) -> pd.DataFrame:
    """Look for patients on both sides of given splits.

    Parameters
    ----------
    splits : iterable of (train, test)
        Positions of rows, or masks over all rows; for example ``cv.split(X, y, groups)``.
    groups : array-like of shape (n_samples,)
        Patient of every row.

    Returns
    -------
    table : DataFrame
        A line for every split: ``train_rows``, ``test_rows``, ``train_patients``,
        ``test_patients``; ``shared_patients`` (on both sides), ``leaking_rows`` (test rows of
        shared patients) and ``shared_rows`` (the same row on both sides). If the last three are 0
        everywhere, the splits are patient-disjoint.

    Raises
    ------
    ValueError
        If there is no split, or one is not a pair of rows that exist.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GroupKFold, KFold
    >>> from skrobust import audit_splits
    >>> X, patient = np.zeros((6, 1)), ["a", "a", "b", "b", "c", "c"]
    >>> audit_splits(KFold(2).split(X), patient)[["shared_patients", "leaking_rows"]]
           shared_patients  leaking_rows
    split
    0                    1             1
    1                    1             1
    >>> int(audit_splits(GroupKFold(3).split(X, None, patient), patient)["leaking_rows"].sum())
    0
    """
    groups = check_groups(groups, len(groups))
    lines = []
    for number, split in enumerate(splits):
        try:
            train, test = split
        except (TypeError, ValueError):
            raise ValueError(
                f"split {number} is not a pair (train, test). Give what cv.split(X, y, groups) "
                "yields."
            ) from None
        train, test = (_positions(part, len(groups), number) for part in (train, test))
        shared = np.intersect1d(groups[train], groups[test])
        lines.append(
            {
                "train_rows": len(train),
                "test_rows": len(test),
                "train_patients": len(np.unique(groups[train])),
                "test_patients": len(np.unique(groups[test])),
                "shared_patients": len(shared),
                "leaking_rows": int(np.isin(groups[test], shared).sum()),
                "shared_rows": len(np.intersect1d(train, test)),
            }
        )
    if not lines:
        raise ValueError("splits is empty: give the pairs (train, test) of cv.split(X, y, groups).")
    return pd.DataFrame(lines).rename_axis("split")


def _positions(part: ArrayLike, n: int, number: int) -> NDArray:
    """Return positions of rows, or raise if there are no such rows."""
    part = np.asarray(part)
    if part.dtype == bool and len(part) == n:
        part = np.flatnonzero(part)
    wrong = part.ndim != 1 or (part.size and part.dtype.kind not in "iu")
    if wrong or (part.size and (part.min() < -n or part.max() >= n)):
        raise ValueError(
            f"split {number} holds {part.dtype} of shape {part.shape}, expected positions of the "
            f"{n} rows, or a mask over them."
        )
    return part.astype(int) % n


def check_splits(splits: list, rows: AuditRows) -> Finding:
    """SKR210: the user's own folds."""
    table = audit_splits(splits, rows.unit)
    shared = int((table["shared_patients"] > 0).sum())
    leaking = table["leaking_rows"].sum() / max(table["test_rows"].sum(), 1)
    sentence = (
        f"{shared} of {count(len(table), 'splits')} have {rows.people} on both sides; "
        f"{percent(leaking)} of the test rows belong to them."
        if shared
        else f"No {rows.people[:-1]} is on both sides of the {count(len(table), 'splits')}."
    )
    return Finding(
        "SKR210",
        "severe" if shared else "note",
        sentence + " The other checks use patient-disjoint folds of their own.",
        "Use a splitter that keeps patients whole." if shared else "Nothing to do.",
        "from sklearn.model_selection import StratifiedGroupKFold\n"
        "cv = StratifiedGroupKFold(5, shuffle=True, random_state=0)",
        value=float(leaking),
        table=table,
    )
