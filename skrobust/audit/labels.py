"""Which labels are probably wrong."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ..label_noise import DistillationWarning, LabelNoiseModel
from ..utils.groups import group_means
from ..utils.validation import warn
from .findings import Finding, listing, percent
from .rows import AuditRows
from .scoring import disjoint_folds, out_of_fold

# rows that labels are judged on; more are drawn by patient
_MOST_ROWS = 15_000
# from this number of rows on, folds are drawn once
_MANY_ROWS = 5_000
# if more rows than this differ from most rows of their patient, labels belong to rows
_VARYING = 0.2


def check_labels(
    rows: AuditRows, estimator: Any, k: int, n_jobs: int | None, random_state: RandomState
) -> tuple[list[Finding], pd.DataFrame, pd.DataFrame]:
    """Return the findings, and the tables of patients and rows.

    Labels of patients that were not drawn have no probability (NaN).
    """
    part, chosen, drawn = rows.sample(_MOST_ROWS, random_state)
    seed = random_state.randint(np.iinfo(np.int32).max)
    by_row = _share_of_minority(part) > _VARYING
    model = LabelNoiseModel(
        estimator,
        cv=disjoint_folds(part, k, seed) if by_row else k,
        n_repeats=1 if len(part) > _MANY_ROWS else 5,
        n_jobs=n_jobs,
        random_state=seed,
    )
    X = part.X if estimator is not None or part.table is None else part.table
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DistillationWarning)
        model.fit(X, part.y, groups=None if by_row else part.groups, trusted=part.trusted)
    seen = [str(w.message) for w in caught if issubclass(w.category, DistillationWarning)]
    for other in caught:
        if not issubclass(other.category, DistillationWarning):
            warn(other.message)
    looks_like = _looks_like(part, estimator, X, k, n_jobs, seed)
    table, patients = _tables(rows, chosen, model, looks_like, by_row)
    findings = _findings(part, model, table, patients, seen, drawn, by_row)
    return findings, patients, table


def _share_of_minority(part: AuditRows) -> float:
    """Return the share of rows with another label than most rows of their patient."""
    counts = part.labels_of_units[part.labels_of_units.sum(1) > 1]
    return 1 - counts.max(1).sum() / counts.sum() if len(counts) else 0.0


def _looks_like(part: AuditRows, estimator, X, k, n_jobs, seed) -> NDArray:
    """Return the class that every row looks like to a model that has not seen its patient."""
    if estimator is None:
        estimator, X = LogisticRegression(C=0.03, max_iter=1000), part.features
    folds = disjoint_folds(part, k, seed)
    P = out_of_fold(estimator, X, part, folds, n_jobs)
    share = np.bincount(part.codes, minlength=part.n_classes) / len(part)
    return (P / share).argmax(1)  # of all classes equally often, so that a rare one is not lost


def _tables(rows, chosen, model, looks_like, by_row) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of rows and of patients."""
    probability = np.full(len(rows), np.nan)
    suggested, looks = rows.codes.copy(), np.full(len(rows), -1)
    P = model.label_probabilities_
    probability[chosen], suggested[chosen] = model.quality_, P.argmax(1)
    looks[chosen] = looks_like
    names = rows.names[rows.unit]
    table = pd.DataFrame(
        {
            "group": names,
            "label": rows.y,
            "probability": probability,
            "suggested": rows.classes[suggested],
            "looks_like": np.where(looks < 0, None, rows.classes[looks].astype(object)),
        }
    )
    label = rows.label_of_unit
    unit, own = rows.unit[chosen], label[rows.unit[chosen]]
    # of the label of most rows; or, if labels belong to rows, of the row's own one
    right = model.quality_ if by_row else P[np.arange(len(P)), own]
    votes = np.eye(rows.n_classes)[P.argmax(1)] if by_row else P
    votes = votes + 1e-9 * np.eye(rows.n_classes)[own]  # ties speak for the label
    units, means, _ = group_means(np.column_stack([right, votes]), unit)
    of_unit = np.full(rows.n_patients, np.nan)
    of_unit[units] = means[:, 0]
    rather = label.copy()
    rather[units] = means[:, 1:].argmax(1)
    patients = pd.DataFrame(
        {
            "label": rows.classes[label],
            "rows": np.bincount(rows.unit),
            "probability": of_unit,
            "suggested": rows.classes[rather],
        },
        index=pd.Index(rows.names, name="patient"),
    )
    patients["reasons"] = _reasons(rows, patients, looks)
    return table, patients.sort_values("probability", kind="stable")


def _reasons(rows: AuditRows, patients: pd.DataFrame, looks: NDArray) -> list[str]:
    """Return in words why the label of a patient is doubted."""
    seen = np.zeros((rows.n_patients, rows.n_classes), dtype=int)
    np.add.at(seen, (rows.unit[looks >= 0], looks[looks >= 0]), 1)
    several = (rows.labels_of_units > 0).sum(1) > 1
    suggested = np.searchsorted(rows.classes, patients["suggested"].to_numpy())
    reasons = []
    for i, (n, own) in enumerate(zip(seen.sum(1), rows.label_of_unit, strict=True)):
        parts = []
        if n:
            doubted = suggested[i] != own and seen[i, suggested[i]]
            other = rows.classes[suggested[i] if doubted else seen[i].argmax()]
            number = seen[i, suggested[i]] if doubted else seen[i].max()
            several_rows = f"{number} of {n} {rows.noun} look like {other}"
            parts.append(several_rows if n > 1 else f"looks like {other}")
        if several[i]:
            of = [
                f"{rows.classes[c]} ({rows.labels_of_units[i, c]})"
                for c in np.flatnonzero(rows.labels_of_units[i])
            ]
            parts.append(f"has several labels: {', '.join(of)}")
        reasons.append("; ".join(parts))
    return reasons


def _findings(part, model, table, patients, seen, drawn, by_row) -> list[Finding]:
    """Return what to say about the labels."""
    auc, who = model.out_of_fold_auc_, part.people
    if model.noise_rates_["estimate"].isna().all():
        return [
            Finding(
                "SKR301",
                "warning",
                f"Labels cannot be judged: {seen[0] if seen else 'no class can be compared.'}",
                "Do not read the order of the patients as a verdict. Collect more patients, or "
                "give an estimator that can tell the classes apart.",
                "report = audit(X, y, groups, estimator=my_classifier)",
                value=auc,
            )
        ]
    what = f"{part.noun} of unseen patients" if by_row else f"unseen {who}"
    findings = [
        Finding(
            "SKR301",
            "note",
            f"The models that judge labels predict those of {what} with an AUC of {auc:.2f}{drawn}."
            + "".join(f" But {text}" for text in seen),
            "The nearer to 1, the more the lists below can be trusted; at 0.5 they are chance.",
            value=auc,
        )
    ]
    findings += [_rate(which, part, model, drawn, by_row) for which in model.noise_rates_.index]
    if by_row or part.groups is None:
        doubted = table[table["label"] != table["suggested"]]
        doubted = doubted.sort_values("probability", kind="stable")
        n, which = table["probability"].notna().sum(), "rows"
    else:
        doubted = patients[patients["label"] != patients["suggested"]]
        n, which = patients["probability"].notna().sum(), "patients"
    named = f" ({listing(doubted.index)})" if len(doubted) else ""
    findings.append(
        Finding(
            "SKR304",
            "warning" if len(doubted) else "note",
            f"Labels that are more probably wrong than right: {len(doubted):,} of {n:,} {which}"
            f"{named}.",
            f"Look at these {which} again, the first ones first."
            if len(doubted)
            else "Nothing to do.",
            "report.tables['SKR304'].head(20)",
            value=float(len(doubted)),
            table=doubted,
        )
    )
    return [f for f in findings if f is not None]


def _rate(which, part, model, drawn, by_row) -> Finding | None:
    """SKR302 and SKR303: the share of wrong labels."""
    inside = which == "rows" and part.groups is not None
    estimate, lower, upper = (float(v) for v in model.noise_rates_.loc[which])
    if np.isnan(estimate):  # labels of patients, for example, say nothing about single rows
        return None
    share = f"{percent(estimate)} ({percent(lower)} to {percent(upper)})"
    if lower < 0.01:
        share = f"{100 * estimate:.0f}% (at most {percent(upper)})"
    severity = "warning" if lower > 0.01 else "note"
    if lower > 0.05 and not inside:
        severity = "severe"
    of = part.noun if inside else part.people
    sentence = f"{share} of the labels of {of} are probably wrong{drawn}."
    if by_row:
        sentence += " They often change inside patients, so that every row was judged by itself."
    elif inside:
        sentence += " Where they change by right, as for visits, that is no error."
    return Finding(
        "SKR303" if inside else "SKR302",
        severity,
        sentence,
        "Look at the list below; train with a classifier that allows for it.",
        "from skrobust import LabelQualityReweighter\n"
        "model = LabelQualityReweighter(my_classifier).fit(X, y, groups=groups)",
        estimate,
        lower,
        upper,
    )
