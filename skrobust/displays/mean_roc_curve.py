"""The ROC curve of several folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, roc_curve

from ..metrics import group_predict_proba
from ..utils.group_labels import group_labels

_GRID = np.linspace(0, 1, 201)


def mean_roc_curve(
    positive: NDArray, score: NDArray, folds: NDArray, groups: NDArray | None
) -> dict[str, NDArray]:
    """Average the ROC curves of the folds at equal false positive rates.

    Parameters
    ----------
    positive : ndarray of shape (n_samples,), bool
        Rows of the positive class.
    score : ndarray of shape (n_samples,)
        Larger for rows that look positive.
    folds : ndarray of shape (n_samples,)
        Test fold of every row.
    groups : ndarray of shape (n_samples,) or None
        Groups to average the scores over first, within each fold.

    Returns
    -------
    curve : dict of str to ndarray
        ``"fpr"``, ``"tpr"``, ``"tpr_std"`` and, for every fold, ``"auc"``. One fold keeps the
        corners of its curve; several are interpolated to 201 equally spaced rates.

    Raises
    ------
    ValueError
        If a fold has one class only, or a group has both.
    """
    rates, areas = [], []
    for fold in np.unique(folds):
        rows = folds == fold
        truth, values = positive[rows], score[rows]
        if groups is not None:
            truth = group_labels(truth, groups[rows])[1]
            values = group_predict_proba(values[:, None], groups[rows])[1][:, 0]
        if len(np.unique(truth)) < 2:
            raise ValueError(
                f"Fold {fold} has rows of one class only, so that it has no ROC curve. Use folds "
                "with both classes, as StratifiedGroupKFold makes, or folds=None."
            )
        fpr, tpr, _ = roc_curve(truth, values)
        areas.append(auc(fpr, tpr))
        rates.append((fpr, tpr))
    if len(rates) == 1:
        return {"fpr": fpr, "tpr": tpr, "tpr_std": np.zeros_like(tpr), "auc": np.array(areas)}
    # where a curve rises straight up, np.interp takes its upper end; so (0, 0) comes first
    at_grid = np.array([np.r_[0, np.interp(_GRID, *fold_rates)] for fold_rates in rates])
    return {
        "fpr": np.r_[0, _GRID],
        "tpr": at_grid.mean(axis=0),
        "tpr_std": at_grid.std(axis=0, ddof=1),
        "auc": np.array(areas),
    }
