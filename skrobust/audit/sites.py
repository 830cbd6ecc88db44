"""Hospitals, scanners, batches: whether a model can read them off the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association

from .findings import Finding
from .leakage import _GAP, _MOST_ROWS, for_forests, forest
from .rows import AuditRows
from .scoring import auc_of, by_patient, disjoint_folds, out_of_fold

_TOLD = 0.6
_CONFOUNDED = 0.3


def check_site(
    rows: AuditRows, k: int, n_jobs: int | None, random_state: RandomState
) -> list[Finding]:
    """Return the findings about sites."""
    if len(np.unique(rows.site)) < 2:
        raise ValueError(
            f"site has one value only, {rows.site[0]!r}: leave it out, or give the site of every "
            "row."
        )
    part, _, drawn = rows.sample(_MOST_ROWS, random_state)
    seed = random_state.randint(np.iinfo(np.int32).max)
    return [
        _told(part, k, n_jobs, seed, random_state, drawn),
        *_left_out(part, k, n_jobs, seed, random_state, drawn),
    ]


def _told(rows, k, n_jobs, seed, random_state, drawn) -> Finding:
    """SKR208: how well the site is told, and whether it goes with the label."""
    as_label = AuditRows(rows.X, rows.site, rows.groups)
    folds = disjoint_folds(as_label, k, seed)
    P = out_of_fold(forest(n_jobs, seed), for_forests(rows), as_label, folds, None)
    value, lower, upper = by_patient(auc_of(as_label.codes, P), rows.unit, random_state)
    first = np.unique(rows.unit, return_index=True)[1]
    table = pd.crosstab(
        pd.Series(rows.site[first], name="site"),
        pd.Series(rows.classes[rows.label_of_unit], name="label"),
    )
    strength, p_value = 0.0, 1.0
    if min(table.shape) > 1:
        strength = float(association(table.to_numpy(), correction=False))
        p_value = float(chi2_contingency(table).pvalue)
    together = strength > _CONFOUNDED and p_value < 0.01
    told = lower > _TOLD
    sentence = (
        f"The site is told from the {rows.noun} of unseen {rows.people} with an AUC of {value:.2f} "
        f"({lower:.2f} to {upper:.2f}){drawn}."
    )
    if together:
        sentence += (
            f" It goes with the label (Cramér's V {strength:.2f}, p {p_value:.1g}): a model can "
            "read the label off the site."
        )
    return Finding(
        "SKR208",
        "severe" if told and together else "warning" if told or together else "note",
        sentence,
        "Balance labels within sites, harmonise the measurements, and score with whole sites left "
        "out."
        if told or together
        else "Nothing to do.",
        "from sklearn.model_selection import LeaveOneGroupOut, cross_val_score\n"
        "cross_val_score(my_classifier, X, y, groups=site, cv=LeaveOneGroupOut())",
        value,
        lower,
        upper,
        table,
    )


def _left_out(rows, k, n_jobs, seed, random_state, drawn) -> list[Finding]:
    """SKR209: the score when a whole site is left out, against patient-disjoint folds."""
    sites = np.unique(rows.site)
    both = [s for s in sites if len(np.unique(rows.codes[rows.site == s])) > 1]
    if not both:
        return []
    at = {s: np.flatnonzero(rows.site == s) for s in both}
    # patients of several sites leave with each of them
    leave = [
        (
            np.flatnonzero(~np.isin(rows.unit, rows.unit[rows.site == s])),
            np.flatnonzero(rows.site == s),
        )
        for s in sites
    ]
    if any(len(np.unique(rows.codes[train])) < rows.n_classes for train, _ in leave):
        return []
    model, X = forest(n_jobs, seed), for_forests(rows)
    aucs = []
    for folds in (disjoint_folds(rows, k, seed), leave):
        P = out_of_fold(model, X, rows, folds, None)
        aucs.append({s: auc_of(rows.codes[at[s]], P[at[s]]) for s in both})

    def inside(which: int, weight: NDArray | None) -> float:
        """Return the AUC inside sites, averaged by their numbers of rows."""
        values = [auc(None if weight is None else weight[at[s]]) for s, auc in aucs[which].items()]
        known = ~np.isnan(values)
        size = np.array([len(at[s]) for s in both])
        if not known.any():
            return np.nan
        return float(np.average(np.array(values)[known], weights=size[known]))

    gap, lower, upper = by_patient(lambda w: inside(0, w) - inside(1, w), rows.unit, random_state)
    table = pd.DataFrame(
        {
            "rows": [len(at[s]) for s in both],
            "patient-disjoint folds": [aucs[0][s](None) for s in both],
            "site left out": [aucs[1][s](None) for s in both],
        },
        index=pd.Index(both, name="site"),
    )
    return [
        Finding(
            "SKR209",
            "severe" if lower > 0.1 else "warning" if lower > _GAP else "note",
            f"Inside sites, a forest reaches an AUC of {inside(0, None):.2f} with patient-disjoint "
            f"folds and {inside(1, None):.2f} when the whole site is left out of the training: a "
            f"loss of {gap:.2f} ({lower:.2f} to {upper:.2f}){drawn}.",
            "Give the second number as what a new site can expect.",
            "from sklearn.model_selection import LeaveOneGroupOut, cross_val_score\n"
            "cross_val_score(my_classifier, X, y, groups=site, cv=LeaveOneGroupOut())",
            gap,
            lower,
            upper,
            table,
        )
    ]
