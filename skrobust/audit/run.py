"""All checks in one call."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..label_noise.folds import splits_by_group
from .columns import check_columns
from .labels import check_labels
from .leakage import check_leakage, check_splits
from .outliers import check_outliers
from .report import AuditReport
from .rows import AuditRows
from .shape import check_shape
from .sites import check_site
from .size import check_size


def audit(
    X: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    site: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    estimator: Any = None,
    cv: Any = 5,
    n_jobs: int | None = None,
    random_state: int | RandomState | None = None,
    verbose: int = 0,
) -> AuditReport:
    """Tell what is wrong with labelled data, and which patients to look at again.

    Shape, leakage between patients, wrong labels, outliers, and whether there are enough patients.
    Whatever is judged is judged by models that have not seen the patient. The user guide has a
    section on every finding: :ref:`audit_guide`.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, ...)
        The rows: a table, also with texts, dates and missing values, or an array of curves, images
        or volumes. In texts, "?", "-", "unknown" and the like count as missing, and a column of
        texts that are all numbers counts as numbers.
    y : array-like of shape (n_samples,)
        Labels, of at least two classes.
    groups : array-like of shape (n_samples,), default=None
        Patient of every row. Without, every row counts as a patient of its own.
    site : array-like of shape (n_samples,), default=None
        Hospital, scanner or batch of every row. None leaves these checks out.
    trusted : array-like of bool of shape (n_samples,), default=None
        Rows whose label has been checked: they are not doubted, and teach how to judge the others.
    estimator : classifier, default=None
        Judges the labels, and is added to the models that are tested for leakage. It gets rows of X
        as given, and must take ``sample_weight``. None is logistic regression, see
        :class:`~skrobust.LabelNoiseModel`.
    cv : int, cross-validation splitter or iterable of (train, test), default=5
        Number of patient-disjoint folds. Other folds than an int are looked at by
        :func:`~skrobust.audit_splits`, and the other checks use as many folds of their own.
    n_jobs : int, default=None
        Number of fits at a time.
    random_state : int, RandomState instance or None, default=None
        Seed of folds, models, and of the patients that are drawn where there are too many rows; the
        findings say so.
    verbose : int, default=0
        If positive, show a progress bar.

    Returns
    -------
    report : AuditReport
        ``print(report)``, ``report.findings``, ``report.patients``, ``report.to_html(path)``.

    Raises
    ------
    TypeError, ValueError
        If X, y, groups or site are malformed, or y has one class only.

    Examples
    --------
    >>> from skrobust import audit, flip_labels, make_mr_spectra
    >>> data = make_mr_spectra(60, n_voxels=4, impurity=0, random_state=0)
    >>> y, wrong = flip_labels(data.target, 0.1, groups=data.groups, random_state=0)
    >>> report = audit(data.data, y, data.groups, random_state=0)
    >>> worst = report.patients.iloc[0]
    >>> int(worst["label"]), int(worst["suggested"]), worst["reasons"]
    (1, 0, '4 of 4 curves look like 0')
    >>> bool(wrong[data.groups == report.patients.index[0]].all())
    True
    """
    rows = AuditRows(X, y, groups, site, trusted)
    rng = check_random_state(random_state)
    found, k = [], cv
    if not isinstance(cv, Integral):
        splitter = check_cv(cv)
        given = rows.groups if splits_by_group(splitter) else None
        splits = list(splitter.split(np.empty((len(rows), 0)), rows.codes, given))
        found.append(check_splits(splits, rows))
        k = max(2, len(splits))
    elif cv < 2:
        raise ValueError(f"cv={cv} folds: at least 2 are needed.")
    k = min(k, rows.n_patients)
    with tqdm(total=7, desc="audit", disable=not verbose) as bar:

        def show(step: str) -> None:
            bar.set_description(f"audit: {step}")
            bar.update(step != "shape")

        show("shape")
        found += check_shape(rows)
        show("columns")
        found += check_columns(rows, k, rng)
        show("leakage")
        found += check_leakage(rows, estimator, k, n_jobs, rng)
        show("sites")
        if rows.site is not None:
            found += check_site(rows, k, n_jobs, rng)
        show("labels")
        labels, patients, table = check_labels(rows, estimator, k, n_jobs, rng)
        found += labels
        show("outliers")
        outliers, table["outlier"], of_patient = check_outliers(rows, k, rng)
        found += outliers
        patients.insert(4, "outlier", pd.Series(of_patient, index=rows.names))
        odd = patients.index.isin(next((f.table.index for f in found if f.code == "SKR402"), []))
        more = np.where(patients["reasons"] == "", "", "; ") + "unlike all others as a whole"
        patients["reasons"] += np.where(odd, more, "")
        show("size")
        found += check_size(rows, k, n_jobs, rng)
        show("done")
    return AuditReport(X, y, groups, found=found, patients=patients, rows=table)
