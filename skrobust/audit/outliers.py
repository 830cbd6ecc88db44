"""Rows and patients unlike the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .findings import Finding, count, listing
from .rows import AuditRows
from .scoring import disjoint_folds

_MOST_ROWS = 20_000
# robust standard deviations above the median, of two of three detectors
_ROW_LIMIT = 5.0
_PATIENT_LIMIT = 4.0
_N_NEIGHBORS = 5
_N_COMPONENTS = 20


def check_outliers(
    rows: AuditRows, k: int, random_state: RandomState
) -> tuple[list[Finding], NDArray, NDArray]:
    """Return the findings, and how unlike the others every row and every patient is (NaN: unseen).

    Three detectors, fitted on the rows of other patients, score a row; scores count in robust
    standard deviations above the median row. The middle one of the three is what two agree on.
    """
    chosen, drawn = rows.sample(_MOST_ROWS, random_state)
    part = rows if len(chosen) == len(rows) else rows.take(chosen)
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
            f"{count(len(odd), rows.noun).capitalize()} of {len(rows):,} are unlike those of all "
            f"other {rows.people}, as at least two of three detectors agree{drawn}"
            f"{': rows ' + listing(odd) if len(odd) else ''}.",
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
    odd = seen[z > _PATIENT_LIMIT]
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
            f"{count(len(odd), 'patients').capitalize()} of {rows.n_patients:,} are unlike all "
            f"others as a whole: {listing(rows.names[odd])}.",
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
    features = rows.features
    numbers = features
    if rows.table is None:
        numbers = rows.numbers.astype(np.float32, copy=False)
    raw = np.empty((len(rows), 3))
    for train, test in disjoint_folds(rows, k, seed):
        near = NearestNeighbors(n_neighbors=min(_N_NEIGHBORS, len(train))).fit(features[train])
        raw[test, 0] = np.log(near.kneighbors(features[test])[0].mean(1) + 1e-12)
        scale = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
        known = scale.fit_transform(numbers[train])
        fewest = min(_N_COMPONENTS, len(train) // 2, max(1, known.shape[1] // 2))
        pca = PCA(fewest, svd_solver="randomized", random_state=seed).fit(known)
        new = scale.transform(numbers[test])
        rest = new - pca.inverse_transform(pca.transform(new))
        raw[test, 1] = np.log(np.sqrt((rest**2).mean(1)) + 1e-12)
        forest = IsolationForest(random_state=seed).fit(features[train])
        raw[test, 2] = -forest.score_samples(features[test])
    return np.column_stack([robust_z(column) for column in raw.T])
