"""What the data look like: rows, patients, missing values, useless columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from .findings import Finding, count, listing, percent
from .rows import AuditRows

# columns with a larger share of missing values are nearly empty
_EMPTY = 0.5
# the AUC for which the width of the interval is given
_TYPICAL_AUC = 0.8


def check_shape(rows: AuditRows) -> list[Finding]:
    """Return the findings about the shape."""
    findings = [_size(rows), *_several_labels(rows), *_missing(rows), *_useless(rows)]
    return [*findings, _folds(rows), _interval(rows)]


def _size(rows: AuditRows) -> Finding:
    """SKR101: rows, patients and classes."""
    n_rows = np.bincount(rows.codes)
    n_patients = rows.patients_of_class
    table = pd.DataFrame(
        {"rows": n_rows, "patients": n_patients}, index=pd.Index(rows.classes, name="class")
    )
    per = np.bincount(rows.unit)
    classes = listing([f"{c} {n:,}" for c, n in zip(rows.classes, n_rows, strict=True)], 8)
    if rows.groups is None:
        return Finding(
            "SKR101",
            "warning",
            f"{len(rows):,} rows ({classes}), without groups: every row counts as a patient of its "
            "own.",
            "If several rows come from one patient (visits, slices, spectra), name the patient of "
            "every row: otherwise scores are too good, and leakage between patients is not looked "
            "for.",
            "report = audit(X, y, groups=patient_of_every_row)",
            value=float(len(rows)),
            table=table[["rows"]],
        )
    shape = " x ".join(f"{s:,}" for s in np.shape(rows.X)[1:])
    shape += " columns" if rows.table is not None else " numbers"
    each = f"{per.min()} to {per.max()}" if per.min() < per.max() else f"{per.min()}"
    return Finding(
        "SKR101",
        "note",
        f"{len(rows):,} {rows.noun} ({shape}) of {count(rows.n_patients, 'patients')}, "
        f"{each} each (median {np.median(per):.0f}); by label: {classes}.",
        "Compare with what you expect.",
        value=float(len(rows)),
        table=table,
    )


def _several_labels(rows: AuditRows) -> list[Finding]:
    """SKR102: patients with several labels."""
    several = np.flatnonzero((rows.labels_of_units > 0).sum(1) > 1)
    if rows.groups is None or not len(several):
        return []
    table = pd.DataFrame(
        rows.labels_of_units[several],
        index=pd.Index(rows.names[several], name="patient"),
        columns=rows.classes,
    )
    return [
        Finding(
            "SKR102",
            "warning",
            f"Patients with rows of several labels: {len(several):,} of {rows.n_patients:,} "
            f"({percent(len(several) / rows.n_patients)}), such as "
            f"{listing(rows.names[several], 3)}.",
            "If the label belongs to the patient, these are mistakes: correct them. If it belongs "
            "to the row (a visit, a slice), nothing is wrong.",
            "report.tables['SKR102']",
            value=float(len(several)),
            table=table.iloc[np.argsort(-table.min(axis=1), kind="stable")],
        )
    ]


def _missing(rows: AuditRows) -> list[Finding]:
    """SKR103: missing values, columns that are nearly empty."""
    share = pd.Series(_share_missing(rows), index=rows.columns, name="missing")
    if not share.any():
        return []
    table = share[share > 0].sort_values(ascending=False, kind="stable").to_frame()
    table.index.name = "column"
    empty = table.index[table["missing"] > _EMPTY]
    sentence = (
        f"{percent(share.mean())} of the values are missing, in {len(table):,} of "
        f"{count(len(share), 'columns')}."
    )
    if len(empty):
        named = [f"{c} ({percent(share[c])})" for c in empty]
        more = "more than half of their values are missing"
        sentence += f" Nearly empty, {more}: {listing(named, 8)}."
    return [
        Finding(
            "SKR103",
            "warning" if len(empty) else "note",
            sentence,
            "Leave nearly empty columns out, unless that a value is missing says something; fill "
            "in the others inside a pipeline, never before the split.",
            "from sklearn.impute import SimpleImputer\nfrom sklearn.pipeline import make_pipeline\n"
            "model = make_pipeline(SimpleImputer(add_indicator=True), my_classifier)",
            value=float(share.mean()),
            table=table,
        )
    ]


def _share_missing(rows):
    """Return the share of missing values of every column."""
    if rows.table is not None:
        return rows.table.isna().mean().to_numpy()
    return np.isnan(rows.numbers).mean(axis=0)


def _useless(rows: AuditRows) -> list[Finding]:
    """SKR104 and SKR105: columns that are constant, or copies of others."""
    numbers, names = rows.numbers, np.array(rows.columns, dtype=object)
    findings = []
    known = ~np.isnan(numbers).all(axis=0)
    low, high = np.full((2, len(names)), np.nan)
    low[known], high[known] = np.nanmin(numbers[:, known], 0), np.nanmax(numbers[:, known], 0)
    constant = ~known | ((low == high) & ~np.isnan(numbers).any(axis=0))
    if constant.any():
        findings.append(
            Finding(
                "SKR104",
                "note",
                f"Columns that never vary: {listing(names[constant])} ({constant.sum():,} of "
                f"{len(names):,}).",
                "They cannot help, and can be left out.",
                "from sklearn.feature_selection import VarianceThreshold",
                value=float(constant.sum()),
                table=pd.DataFrame({"column": names[constant]}),
            )
        )
    others = np.flatnonzero(~constant)
    of_bytes: dict[bytes, list[int]] = {}
    for j in others:
        of_bytes.setdefault(np.ascontiguousarray(numbers[:, j]).tobytes(), []).append(j)
    pairs = [(names[same[0]], names[j]) for same in of_bytes.values() for j in same[1:]]
    if pairs:
        findings.append(
            Finding(
                "SKR105",
                "note",
                f"Columns that equal another one: "
                f"{listing([f'{copy} = {first}' for first, copy in pairs])} ({len(pairs):,} of "
                f"{len(names):,}).",
                "Keep one of each.",
                value=float(len(pairs)),
                table=pd.DataFrame(pairs, columns=["column", "copy"]),
            )
        )
    return findings


def _folds(rows: AuditRows) -> Finding:
    """SKR106: how many patient-disjoint folds are possible."""
    n_patients = rows.patients_of_class
    fewest = n_patients.argmin()
    most = int(n_patients[fewest])
    return Finding(
        "SKR106",
        "note" if most >= 5 else "warning" if most > 1 else "severe",
        f"Up to {count(most, f'{rows.people[:-1]}-disjoint folds')} can have every class in every "
        f"test fold: class {rows.classes[fewest]} has {count(most, rows.people)}.",
        "With more folds, scores of some folds are undefined."
        if most > 1
        else "This class cannot be in training and test rows at once: collect more of it, join it "
        "with another class, or leave it out.",
        f"from sklearn.model_selection import StratifiedGroupKFold\n"
        f"cv = StratifiedGroupKFold({min(max(most, 2), 5)}, shuffle=True, random_state=0)",
        value=float(most),
    )


def _interval(rows: AuditRows) -> Finding:
    """SKR107: the interval that a score can have, by Hanley and McNeil's formula."""
    rarest = rows.patients_of_class.argmin()
    n_own, n_rest = int(rows.patients_of_class[rarest]), int(rows.patients_of_others[rarest])
    half = auc_half_width(_TYPICAL_AUC, n_own, n_rest)
    lower, upper = max(0.0, _TYPICAL_AUC - half), min(1.0, _TYPICAL_AUC + half)
    return Finding(
        "SKR107",
        "warning" if half > 0.1 else "note",
        f"With {n_own:,} {rows.people} of the rarest class and {n_rest:,} others, an AUC of "
        f"{_TYPICAL_AUC} has a 95% interval of {lower:.2f} to {upper:.2f}.",
        "Differences between methods that are smaller than this can be chance: compare on the same "
        "folds, and give intervals.",
        "from skrobust import compare_estimators, summarize_comparison",
        _TYPICAL_AUC,
        lower,
        upper,
    )


def auc_half_width(auc: float, n_own: int, n_rest: int) -> float:
    """Return half the width of the 95% interval of an AUC (Hanley and McNeil, 1982)."""
    if not n_own or not n_rest:
        return 1.0
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = (n_own - 1) * (q1 - auc**2) + (n_rest - 1) * (q2 - auc**2)
    return float(stats.norm.ppf(0.975) * np.sqrt((auc * (1 - auc) + spread) / (n_own * n_rest)))
