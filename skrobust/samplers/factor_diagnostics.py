"""Diagnostics: whether the factors are apart and make the row again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..training import FactorNetworks


def diagnose(
    networks: FactorNetworks,
    X: NDArray,
    codes: NDArray,
    c: NDArray,
    r: NDArray,
    groups: NDArray | None,
) -> dict[str, float]:
    """Return how well rows are reconstructed and whether their codes are disentangled.

    Parameters
    ----------
    networks : FactorNetworks
        The trained networks.
    X : ndarray of shape (n_samples, ...)
        Rows.
    codes : ndarray of shape (n_samples,), int
        Class of every row, from 0.
    c, r : ndarray of shape (n_samples, n_codes)
        Class codes and residual codes of the rows.
    groups : ndarray of shape (n_samples,) or None
        Group of every row, kept together in the folds of the probe.

    Returns
    -------
    diagnostics : dict
        See ``FactorMixSampler.diagnostics_``.
    """
    error = np.mean((networks.decode(c, r).reshape(X.shape) - X) ** 2)
    variance = np.var(X, dtype=np.float64)
    sizes = np.bincount(codes)
    n_splits = min(5, sizes.min())
    if groups is not None:
        n_splits = min(n_splits, *(len(np.unique(groups[codes == k])) for k in range(len(sizes))))
    folds = []
    if n_splits >= 2:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = list(kind(int(n_splits)).split(r, codes, groups))
    # folds of groups may miss a class
    if folds and all(len(np.unique(codes[train])) == len(sizes) for train, _ in folds):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        probe = cross_val_score(model, r, codes, cv=folds).mean()
    else:
        probe = np.nan
    return {
        "reconstruction_error": float(error / variance) if variance else 0.0,
        "class_accuracy": float((networks.classify(c).argmax(1) == codes).mean()),
        "probe_accuracy": float(probe),
        "chance": float(sizes.max() / sizes.sum()),
    }
