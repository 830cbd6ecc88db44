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
from .findings import Finding, listing, percent
from .rows import AuditRows
from .scoring import disjoint_folds, out_of_fold

# rows that labels are judged on; more are drawn by patient
_MOST_ROWS = 30_000
# from this number of rows on, folds are drawn once
_MANY_ROWS = 5_000


def check_labels(
    rows: AuditRows, estimator: Any, k: int, n_jobs: int | None, random_state: RandomState
) -> tuple[list[Finding], pd.DataFrame, pd.DataFrame]:
    """Return the findings, and the tables of patients and rows.

    Labels of patients that were not drawn have no probability (NaN).
    """
    chosen, drawn = rows.sample(_MOST_ROWS, random_state)
    part = rows if len(chosen) == len(rows) else rows.take(chosen)
    seed = random_state.randint(np.iinfo(np.int32).max)
    model = LabelNoiseModel(
        estimator,
        cv=k,
        n_repeats=1 if len(part) > _MANY_ROWS else 5,
        n_jobs=n_jobs,
        random_state=seed,
    )
    X = part.X if estimator is not None or part.table is None else part.table
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DistillationWarning)
        model.fit(X, part.y, groups=part.groups)
    seen = [str(w.message) for w in caught if issubclass(w.category, DistillationWarning)]
    looks_like = _looks_like(part, estimator, X, k, n_jobs, seed)
    table, patients = _tables(rows, chosen, model, looks_like)
    findings = _findings(rows, part, model, table, patients, seen, drawn)
    return findings, patients, table


def _looks_like(part: AuditRows, estimator, X, k, n_jobs, seed) -> NDArray:
    """Return the class that every row looks like to a model that has not seen its patient."""
    if estimator is None:
        estimator, X = LogisticRegression(C=0.03, max_iter=1000), part.features
    folds = disjoint_folds(part, k, seed)
    P = out_of_fold(estimator, X, part, folds, n_jobs)
    share = np.bincount(part.codes, minlength=part.n_classes) / len(part)
    return (P / share).argmax(1)  # of all classes equally often, so that a rare one is not lost


def _tables(rows, chosen, model, looks_like) -> tuple[pd.DataFrame, pd.DataFrame]:
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
    size = np.bincount(rows.unit)
    label = rows.label_of_unit
    patients = pd.DataFrame(
        {
            "label": rows.classes[label],
            "rows": size,
            "probability": np.nan,
            "suggested": rows.classes[label],
        },
        index=pd.Index(rows.names, name="patient"),
    )
    judged = model.patients_
    patients.loc[judged.index, "probability"] = judged["probability"]
    patients.loc[judged.index, "suggested"] = judged["suggested"]
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
            other = suggested[i] if suggested[i] != own else seen[i].argmax()
            which = rows.noun if n > 1 else rows.noun.removesuffix("s")
            parts.append(f"{seen[i, other]} of {n} {which} look like {rows.classes[other]}")
        if several[i]:
            of = [
                f"{rows.classes[c]} ({rows.labels_of_units[i, c]})"
                for c in np.flatnonzero(rows.labels_of_units[i])
            ]
            parts.append(f"has several labels: {', '.join(of)}")
        reasons.append("; ".join(parts))
    return reasons


def _findings(rows, part, model, table, patients, seen, drawn) -> list[Finding]:
    """Return what to say about the labels."""
    rates = model.noise_rates_
    if rates["estimate"].isna().all():
        return [
            Finding(
                "SKR301",
                "warning",
                f"Labels cannot be judged: {seen[0] if seen else 'no class can be compared.'}",
                "Do not read the order of the patients as a verdict. Collect more patients, or "
                "give an estimator that can tell the classes apart.",
                "report = audit(X, y, groups, estimator=my_classifier)",
                value=model.out_of_fold_auc_,
            )
        ]
    auc, who = model.out_of_fold_auc_, part.people
    findings = [
        Finding(
            "SKR301",
            "note",
            f"The models that judge labels predict those of unseen {who} with an AUC of {auc:.2f}"
            f"{drawn}." + "".join(f" But {text}" for text in seen),
            "The nearer to 1, the more the lists below can be trusted; at 0.5 they are chance.",
            value=auc,
        )
    ]
    mixed = ((part.labels_of_units > 0).sum(1) > 1).mean()
    for which in rates.index:
        estimate, lower, upper = rates.loc[which]
        inside = which == "rows" and part.groups is not None
        if inside and not mixed:
            continue  # labels of patients say nothing about single rows
        varies = (
            f" In {percent(mixed)} of the patients the label changes from row to row: where that "
            "is right, as for visits, it is no error."
            if inside and mixed > 0
            else ""
        )
        share = f"{percent(estimate)} ({percent(lower)} to {percent(upper)})"
        if lower < 0.01:
            share = f"No more than {percent(upper)}"
        worst = "severe" if lower > 0.05 and not varies else "warning" if lower > 0.01 else "note"
        findings.append(
            Finding(
                "SKR303" if inside else "SKR302",
                worst,
                f"{share} of the {which + ' inside patients' if inside else which} probably "
                f"carry a wrong label{drawn}.{varies}",
                "Look at the patients below again; train with a classifier that allows for it.",
                "from skrobust import LabelQualityReweighter\n"
                "model = LabelQualityReweighter(my_classifier).fit(X, y, groups=groups)",
                *(float(v) for v in (estimate, lower, upper)),
            )
        )
    if part.groups is not None:
        doubted = patients[patients["label"] != patients["suggested"]]
        findings.append(_doubted("SKR304", "patients", doubted, len(part.names), doubted.index))
    else:
        doubted = table[table["label"] != table["suggested"]].sort_values("probability")
        findings.append(_doubted("SKR304", "rows", doubted, len(part), doubted.index))
    return findings


def _doubted(code, which, doubted, n, names) -> Finding:
    """Return the finding that lists labels that are more probably wrong than right."""
    return Finding(
        code,
        "warning" if len(doubted) else "note",
        f"Labels that are more probably wrong than right: {len(doubted):,} of {n:,} {which}"
        f"{' (' + listing(names) + ')' if len(doubted) else ''}.",
        f"Look at these {which} again, the first ones first." if len(doubted) else "Nothing to do.",
        f"report.{which}.head(20)",
        value=float(len(doubted)),
        table=doubted,
    )
