"""What a distiller did, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Index
from sklearn.utils import column_or_1d

from ..utils.fitted_distiller import fitted_distiller
from ..utils.groups import check_groups


def distillation_report(
    estimator: Any,
    y: ArrayLike,
    *,
    y_true: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> DataFrame:
    """Count, per class, which rows a distiller keeps and which labels it doubts.

    With the true labels, known for synthetic data and where experts have looked again, it also
    tells how well the wrong labels were found.

    Parameters
    ----------
    estimator : object
        A fitted distiller, with ``quality_``, ``kept_`` and ``noisy_indices_``, or a sampler with
        a fitted ``distiller_``.
    y : array-like of shape (n_samples,)
        The labels that it was fitted on.
    y_true : array-like of shape (n_samples,), default=None
        The true labels.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of every row.

    Returns
    -------
    report : DataFrame of shape (n_classes + 1, n_columns)
        One row for each given label and one named "total". The columns are

        - ``n_rows`` and ``n_kept``: rows, and rows kept;
        - ``share_kept``: their ratio;
        - ``mean_quality``: mean of ``quality_`` over all rows;
        - ``n_noisy``: rows whose label is doubted, those of ``noisy_indices_``;

        with `y_true`

        - ``label_noise`` and ``label_noise_kept``: share of wrong labels among all rows, and
          among the rows kept;
        - ``noisy_precision``: share of wrong labels among the doubted rows;
        - ``noisy_recall``: share of doubted rows among the wrong labels;
        - ``dropped_recall``: share of rows not kept among the wrong labels;

        with `groups`

        - ``n_groups``, ``n_groups_kept`` and ``n_groups_noisy``: groups with any row, any row
          kept, and any doubted row of this class.

        A share of nothing is NaN.

    Raises
    ------
    ValueError
        If the distiller is not fitted or was fitted on other rows, or lengths differ.

    See Also
    --------
    skrobust.displays.DistillationDisplay : The same in pictures.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from skrobust.inspection import distillation_report
    >>> distiller = SimpleNamespace(
    ...     quality_=np.array([0.9, 0.8, 0.2, 0.7]),
    ...     kept_=np.array([True, True, False, True]),
    ...     noisy_indices_=np.array([2]),
    ... )
    >>> report = distillation_report(distiller, ["a", "a", "b", "b"], y_true=["a", "a", "a", "b"])
    >>> report[["n_rows", "n_kept", "label_noise", "label_noise_kept", "noisy_recall"]]
           n_rows  n_kept  label_noise  label_noise_kept  noisy_recall
    class
    a           2       2         0.00               0.0           NaN
    b           2       1         0.50               0.0           1.0
    total       4       3         0.25               0.0           1.0
    """
    y = column_or_1d(y)
    distiller = fitted_distiller(estimator, len(y))
    for name in ("quality_", "noisy_indices_"):
        if not hasattr(distiller, name):
            raise ValueError(
                f"{type(distiller).__name__} has no {name}. The report needs quality_, kept_ and "
                "noisy_indices_, which the distillers of skrobust.quality have after fit."
            )
    kept = np.asarray(distiller.kept_, dtype=bool)
    noisy = np.zeros(len(y), dtype=bool)
    noisy[np.asarray(distiller.noisy_indices_, dtype=int)] = True
    wrong = None if y_true is None else y != _checked_truth(y_true, len(y))
    groups = None if groups is None else check_groups(groups, len(y))
    quality = np.asarray(distiller.quality_, dtype=float)

    classes = np.unique(y)
    report = []
    for rows in [*(y == label for label in classes), np.ones(len(y), dtype=bool)]:
        line = {
            "n_rows": rows.sum(),
            "n_kept": (rows & kept).sum(),
            "share_kept": _share(kept, rows),
            "mean_quality": quality[rows].mean(),
            "n_noisy": (rows & noisy).sum(),
        }
        if wrong is not None:
            line |= {
                "label_noise": _share(wrong, rows),
                "label_noise_kept": _share(wrong, rows & kept),
                "noisy_precision": _share(wrong, rows & noisy),
                "noisy_recall": _share(noisy, rows & wrong),
                "dropped_recall": _share(~kept, rows & wrong),
            }
        if groups is not None:
            line |= {
                "n_groups": len(np.unique(groups[rows])),
                "n_groups_kept": len(np.unique(groups[rows & kept])),
                "n_groups_noisy": len(np.unique(groups[rows & noisy])),
            }
        report.append(line)
    return DataFrame(report, index=Index([*classes.tolist(), "total"], dtype=object, name="class"))


def _share(what: NDArray, among: NDArray) -> float:
    return float(what[among].mean()) if among.any() else float("nan")


def _checked_truth(y_true: ArrayLike, n_samples: int) -> NDArray:
    y_true = column_or_1d(y_true)
    if len(y_true) != n_samples:
        raise ValueError(
            f"y_true has {len(y_true)} labels but y has {n_samples}. Give one per row."
        )
    return y_true
