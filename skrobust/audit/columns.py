"""Columns that tell the patient, or give the answer away."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from .findings import Finding, count, listing, percent
from .rows import AuditRows
from .scoring import auc_of, by_patient, disjoint_folds, out_of_fold
from .shape import auc_half_width

# one column alone reaches at least this AUC, at the lower end of its interval
_ANSWER = 0.9
_N_CANDIDATES = 10
_N_BINS = 16  # at most
# a value of a column is worth a line if nearly all of its rows have one label
_PURE = 0.995
_FEWEST_ROWS, _FEWEST_PATIENTS = 20, 10
_MOST_VALUES = 50
# wider arrays are not tables, and no column of theirs is a name
_WIDEST = 1_000


def check_columns(rows: AuditRows, k: int, random_state: RandomState) -> list[Finding]:
    """Return the findings about single columns."""
    return [
        *_tell_patient(rows),
        *_number_rows(rows),
        *(answers := _answers(rows, k, random_state)),
        *_pure_values(rows, [c for f in answers for c in f.table["column"]]),
    ]


def _tell_patient(rows: AuditRows) -> list[Finding]:
    """SKR204: columns with one value per patient, and another one for nearly every patient."""
    size = np.bincount(rows.unit)
    if rows.groups is None or size.max() < 2 or len(rows.columns) > _WIDEST:
        return []
    told = []
    first = np.unique(rows.unit, return_index=True)[1]
    several = size[rows.unit] > 1
    for j, name in enumerate(rows.columns):
        column = np.nan_to_num(rows.numbers[:, j], nan=-np.inf)
        of_patient = column[first]
        constant = (column == of_patient[rows.unit])[several].mean()
        distinct = len(np.unique(of_patient)) / len(first)
        if constant > 0.99 and distinct > 0.5:
            told.append((name, distinct))
    if not told:
        return []
    table = pd.DataFrame(told, columns=["column", "distinct values per patient"])
    return [
        Finding(
            "SKR204",
            "warning",
            "Columns that tell the patient, with one value in all its rows and another one in "
            f"most other patients: {listing(table['column'])} ({len(told)} of "
            f"{count(len(rows.columns), 'columns')}).",
            "Leave names and numbers of patients out of X. A measurement of the patient can stay, "
            "if folds are patient-disjoint.",
            f"X = X.drop(columns={table['column'].tolist()})",
            value=float(len(told)),
            table=table,
        )
    ]


def _number_rows(rows: AuditRows) -> list[Finding]:
    """SKR205: texts or whole numbers with another value in every row."""
    columns = [c for c, is_number in zip(rows.columns, rows.numbers_rows, strict=True) if is_number]
    if not columns:
        return []
    return [
        Finding(
            "SKR205",
            "warning",
            "Columns with another value in every row, such as names of files or running numbers: "
            f"{listing(columns)}.",
            "Leave them out of X: they can hide the patient, the date or the order of collection.",
            f"X = X.drop(columns={columns})",
            value=float(len(columns)),
            table=pd.DataFrame({"column": columns}),
        )
    ]


def _answers(rows: AuditRows, k: int, random_state: RandomState) -> list[Finding]:
    """SKR206: columns that predict the label of unseen patients by themselves."""
    screened = np.array([_screen(rows, j) for j in range(len(rows.columns))])
    best = np.argsort(-screened, kind="stable")[:_N_CANDIDATES]
    seed = random_state.randint(np.iinfo(np.int32).max)
    folds = disjoint_folds(rows, k, seed)
    tree = DecisionTreeClassifier(max_leaf_nodes=8, min_samples_leaf=5, random_state=seed)
    lines = []
    for j in best[screened[best] > _ANSWER]:
        P = out_of_fold(tree, rows.numbers[:, [j]], rows, folds, None)
        for c in range(rows.n_classes) if rows.n_classes > 2 else [1]:
            one = np.column_stack([1 - P[:, c], P[:, c]])
            auc = auc_of((rows.codes == c).astype(int), one)
            if auc(None) < _ANSWER:
                continue
            value, lower, upper = by_patient(auc, rows.unit, random_state)
            half = auc_half_width(value, rows.patients_of_class[c], rows.patients_of_others[c])
            lines.append((rows.columns[j], rows.classes[c], value, min(lower, value - half), upper))
    table = pd.DataFrame(lines, columns=["column", "class", "AUC", "lower", "upper"])
    table = table[table["lower"] > _ANSWER].sort_values("AUC", ascending=False, kind="stable")
    table = table.drop_duplicates("column").reset_index(drop=True)
    if not len(table):
        return []
    top = table.iloc[0]
    easy = len(table) >= min(_N_CANDIDATES, max(3, len(rows.columns) // 2))
    said = [f"{line.column} (AUC {line.AUC:.2f} for {line[2]})" for line in table.itertuples()]
    return [
        Finding(
            "SKR206",
            "note" if easy else "severe",
            f"Columns that alone tell the label of unseen {rows.people}: {listing(said)}."
            + (" As many columns do, the task may simply be easy." if easy else ""),
            "Ask whether the value is known before the label is. If it was measured for the "
            "diagnosis, or after it, leave it out.",
            f"X = X.drop(columns={table['column'].tolist()})"
            if rows.table is not None
            else f"X = np.delete(X, {table['column'].tolist()}, axis=1)",
            *(float(top[c]) for c in ("AUC", "lower", "upper")),
            table=table,
        )
    ]


def _screen(rows: AuditRows, j: int) -> float:
    """Return the best AUC, over classes, of the class shares in bins of one column."""
    bins = _bins(rows.numbers[:, j])
    counts = np.zeros((bins.max() + 1, rows.n_classes))
    np.add.at(counts, (bins, rows.codes), 1)
    total = counts.sum(1)
    best = 0.5
    for own in counts.T:
        order = np.argsort(own / np.maximum(total, 1), kind="stable")
        inside, outside = own[order], (total - own)[order]
        area = (inside * (np.cumsum(outside) - outside / 2)).sum()
        best = max(best, area / (inside.sum() * outside.sum()))
    return best


def _bins(column: NDArray) -> NDArray:
    """Return the bin of every value: equally full ones, and one for missing values."""
    known = ~np.isnan(column)
    if not known.any():
        return np.zeros(len(column), dtype=int)
    n_bins = min(_N_BINS, 3 + len(column) // 50)  # in few rows, many bins would fit chance
    edges = np.unique(np.quantile(column[known], np.linspace(0, 1, n_bins + 1)[1:-1]))
    return np.where(known, np.searchsorted(edges, column), len(edges) + 1)


def _pure_values(rows: AuditRows, told: list) -> list[Finding]:
    """SKR207: values of a column whose rows nearly all have one label, against chance."""
    lines, n_values = [], 0
    share = np.bincount(rows.codes) / len(rows)
    for j, name in enumerate(rows.columns if len(rows.columns) <= _WIDEST else ()):
        column = rows.numbers[:, j]
        values, place = np.unique(column, return_inverse=True)
        if name in told or (len(values) > _MOST_VALUES and not rows.is_text[j]):
            continue
        counts = np.zeros((len(values), rows.n_classes), dtype=int)
        np.add.at(counts, (place, rows.codes), 1)
        n_values += len(values)
        n = counts.sum(1)
        for v in np.flatnonzero((n >= _FEWEST_ROWS) & (counts.max(1) >= _PURE * n)):
            inside, c = np.flatnonzero(place == v), counts[v].argmax()
            n_patients = len(np.unique(rows.unit[inside]))
            if n_patients >= _FEWEST_PATIENTS and len(values) > 1:
                shown = "missing" if np.isnan(values[v]) else rows.value(inside[0], j)
                log_p = n_patients * np.log(share[c])
                facts = (n[v], n_patients, rows.classes[c], counts[v, c] / n[v], log_p)
                lines.append((name, shown, *facts))
    columns = ["column", "value", "rows", "patients", "label", "share", "log_p"]
    table = pd.DataFrame(lines, columns=columns)
    table = table[table["log_p"] + np.log(max(n_values, 1)) < np.log(1e-3)]
    table = table.drop(columns="log_p").sort_values("rows", ascending=False, kind="stable")
    if not len(table):
        return []
    table = table.reset_index(drop=True)
    said = [
        f"{line.column} = {line.value} ({line.rows:,} rows, {percent(line.share)} {line.label})"
        for line in table.itertuples()
    ]
    return [
        Finding(
            "SKR207",
            "warning",
            f"Values of columns that go with one label only: {listing(said, 6)}.",
            "Ask why. If these rows cannot have another label, such as patients who died and "
            "cannot come back, leave the rows out; if the value follows from the label, leave the "
            "column out.",
            "report.tables['SKR207']",
            value=float(len(table)),
            table=table,
        )
    ]
