"""Rows and patients unlike the others."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from ..label_noise.judge_features import numeric_features
from .findings import Finding, listing
from .rows import AuditRows
from .scoring import Folds, disjoint_folds

_MOST_ROWS = 10_000
# robust standard deviations above the median, of two of three detectors
_ROW_LIMIT = 4.5
# the mean over the rows of a patient, itself and among patients
_MEAN_LIMIT = 3.75
_PATIENT_LIMIT = 4.0
_N_NEIGHBORS = 5


def check_outliers(
    rows: AuditRows, k: int, random_state: RandomState
) -> tuple[list[Finding], NDArray, NDArray]:
    """Return the findings, and how unlike the others every row and every patient is (NaN: unseen).

    Three detectors, fitted on the rows of other patients, score a row; scores count in robust
    standard deviations above the median row. The middle one of the three is what two agree on.
    """
    part, chosen, drawn = rows.sample(_MOST_ROWS, random_state)
    seed = random_state.randint(np.iinfo(np.int32).max)
    scores = _scores(part, k, seed)
    score = np.full(len(rows), np.nan)
    score[chosen] = np.median(scores, axis=1)
    of_patient = pd.Series(score).groupby(rows.unit).mean().to_numpy()
    agree = np.zeros(len(rows), dtype=int)
    agree[chosen] = (scores > _ROW_LIMIT).sum(1)
    odd = np.flatnonzero(agree >= 2)
    odd = odd[np.argsort(-score[odd], kind="stable")]
    table = pd.DataFrame(
        {
            "row": odd,
            "group": rows.names[rows.unit[odd]],
            "label": rows.y[odd],
            "outlier": score[odd],
            "detectors": agree[odd],
        }
    )
    snippet = "report.rows.sort_values('outlier', ascending=False).head(20)"
    found = [
        Finding(
            "SKR401",
            "warning" if len(odd) else "note",
            f"Unlike those of all other {rows.people}, as at least two of three detectors agree: "
            f"{len(odd):,} of {len(part):,} {rows.noun}"
            f"{' (rows ' + listing(odd) + ')' if len(odd) else ''}{drawn}.",
            "Draw them: a measurement that failed is left out, a rare finding is kept."
            if len(odd)
            else "Nothing to do.",
            snippet,
            value=float(len(odd)),
            table=table,
        )
    ]
    if rows.groups is not None:
        found += _odd_patients(rows, of_patient)
    return found, score, of_patient


def _odd_patients(rows: AuditRows, of_patient: NDArray) -> list[Finding]:
    """SKR402: patients whose rows are, on average, unlike those of the others."""
    seen = np.flatnonzero(~np.isnan(of_patient))
    z = robust_z(of_patient[seen])
    odd = seen[(z > _PATIENT_LIMIT) & (of_patient[seen] > _MEAN_LIMIT)]
    if not len(odd):
        return []
    odd = odd[np.argsort(-of_patient[odd], kind="stable")]
    table = pd.DataFrame(
        {"label": rows.classes[rows.label_of_unit[odd]], "outlier": of_patient[odd]},
        index=pd.Index(rows.names[odd], name="patient"),
    )
    return [
        Finding(
            "SKR402",
            "warning",
            f"Unlike all others as a whole: {listing(rows.names[odd])} ({len(odd)} of "
            f"{len(seen):,} patients).",
            "Look for another device, protocol or preprocessing; leave the patient out, or process "
            "its rows like the others.",
            "report.tables['SKR402']",
            value=float(len(odd)),
            table=table,
        )
    ]


def robust_z(values: NDArray) -> NDArray:
    """Return values in robust standard deviations above their median."""
    deviation = values - np.median(values)
    scale = 1.4826 * np.median(np.abs(deviation))
    return deviation / scale if scale > 0 else np.zeros(len(values))


def _scores(rows: AuditRows, k: int, seed: int) -> NDArray:
    """Return the scores of the three detectors, as columns."""
    folds = disjoint_folds(rows, k, seed)
    scores = _detect(rows.features, folds)
    if rows.noun == "rows":
        return scores
    # curves and images of another shape, whatever their offset and gain
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
        X = rows.numbers - np.nanmean(rows.numbers, axis=1, keepdims=True)
        X = X / np.maximum(np.nanstd(X, axis=1, keepdims=True), 1e-12)
    shapes = _detect(numeric_features(X, needed=True), folds)
    more = np.median(shapes, axis=1) > np.median(scores, axis=1)
    return np.where(more[:, None], shapes, scores)


def _detect(features: NDArray, folds: Folds) -> NDArray:
    """Return distance to the nearest rows, local outlier factor, and Mahalanobis distance."""
    raw = np.empty((len(features), 3))
    for train, test in folds:
        known, new = features[train], features[test]
        near = NearestNeighbors(n_neighbors=min(_N_NEIGHBORS, len(train))).fit(known)
        raw[test, 0] = near.kneighbors(new)[0].mean(axis=1)
        factor = LocalOutlierFactor(min(4 * _N_NEIGHBORS, len(train) - 1), novelty=True)
        raw[test, 1] = -factor.fit(known).score_samples(new)
        kept = known
        for _ in range(5):  # outliers among the known rows must not widen the normal range
            normal = LedoitWolf().fit(kept)
            distances = normal.mahalanobis(known)
            kept = known[distances <= np.quantile(distances, 0.9)]
        raw[test, 2] = normal.mahalanobis(new)
    return np.column_stack([robust_z(np.log(column.clip(1e-12))) for column in raw.T])
