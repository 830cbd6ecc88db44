"""Mixtures of class codes, and their diagnostics."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .training import FactorNetworks

# neighbours are searched among this many rows, so that time grows linearly with the rows
_MAX_CANDIDATES = 5000


def nearest_of_other_classes(codes: NDArray, y: NDArray, n_neighbors: int) -> NDArray:
    """Return for every row the rows of other classes with the nearest codes."""
    neighbors = np.full((len(codes), n_neighbors), -1)
    for label in np.unique(y):
        own, others = np.flatnonzero(y == label), np.flatnonzero(y != label)
        if len(others) > _MAX_CANDIDATES:
            drawn = np.random.RandomState(0).permutation(len(others))[:_MAX_CANDIDATES]
            others = others[np.sort(drawn)]
        n_found = min(n_neighbors, len(others))
        # brute force works through the distances in blocks
        search = NearestNeighbors(n_neighbors=n_found, algorithm="brute").fit(codes[others])
        neighbors[own, :n_found] = others[search.kneighbors(codes[own], return_distance=False)]
    return neighbors


def draw_shares(
    neighbors: NDArray, own_share: float, concentration: float, rng: RandomState
) -> NDArray:
    """Draw the shares of a row's own code and of its neighbours' codes.

    The own share is uniform between `own_share` and 1, the rest is shared among the neighbours by
    a Dirichlet distribution.
    """
    own = rng.uniform(own_share, 1, size=(len(neighbors), 1))
    parts = rng.standard_gamma(concentration, size=neighbors.shape)
    # a tiny concentration may draw zeros only
    parts = np.maximum(parts, np.finfo(float).tiny) * (neighbors >= 0)
    return np.hstack([own, (1 - own) * parts / parts.sum(1, keepdims=True)])


def draw_classes(mixture: NDArray, rng: RandomState) -> NDArray:
    """Draw a class for every row, each with the probability that is its proportion."""
    n_passed = (mixture.cumsum(1) <= rng.uniform(size=(len(mixture), 1))).sum(1)
    # rounding may leave the last sum below the draw: then use the last class with a share
    return np.minimum(n_passed, mixture.shape[1] - 1 - (mixture[:, ::-1] > 0).argmax(1))


def diagnose(networks: FactorNetworks, X, codes, c, r, groups) -> dict[str, float]:
    """Return how well rows are reconstructed and whether their codes are disentangled."""
    error = np.mean((networks.decode(c, r).reshape(X.shape) - X) ** 2)
    variance = np.var(X, dtype=np.float64)
    sizes = np.bincount(codes)
    n_splits = min(5, sizes.min())
    if groups is not None:
        n_splits = min(n_splits, *(len(np.unique(groups[codes == k])) for k in range(len(sizes))))
    probe = np.nan
    if n_splits >= 2:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = list(kind(int(n_splits)).split(r, codes, groups))
        # folds of groups may miss a class
        if all(len(np.unique(codes[train])) == len(sizes) for train, _ in folds):
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            probe = cross_val_score(model, r, codes, cv=folds).mean()
    return {
        "reconstruction_error": float(error / variance) if variance else 0.0,
        "class_accuracy": float((networks.classify(c).argmax(1) == codes).mean()),
        "probe_accuracy": float(probe),
        "chance": float(sizes.max() / sizes.sum()),
    }
