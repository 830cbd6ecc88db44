"""Part of the study: outliers in the training set of an outlier detector.

The sets of ``outlier_removal.py``, its images and volumes at half the resolution and as flat rows,
so that the autoencoder is dense; and generated brains (``make_brain_volumes``), healthy against
lesioned. Every seed is a random split, patient-disjoint where there are patients. "Learners" are
detectors; *plain* is the detector on all rows, and for the autoencoder the same restarts, removing
nothing. *removal, committee* scores rows by three errors after the same training. *OutlierRemover*
removes rows by the same detector in folds. The detectors of others are compared with the plain
autoencoder too. Nothing is tuned, since this would need labels. The score is the held-out AUC;
patients of these sets have rows of both kinds, so that there is no score by patient.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from any_detector import Residual
from numpy.typing import NDArray
from outlier_removal import PyodAutoEncoder, Split, row_split
from outlier_removal import load as load_set
from pyod.models.ecod import ECOD
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from study_cases import PLAIN, Case

from skrobust import AEOutlierRemover, OutlierRemover, contaminate, make_brain_volumes
from skrobust.outliers import NeighborDistance

FRACTIONS = {"clean": 0.0, "12% outliers": 0.12, "30% outliers": 0.3}
COMMITTEE = "removal, committee"
SHAPE = (12, 14, 12)
SETS, FILE_SETS = ["brains", "digits3", "digits8", "breast"], ["patches", "hippocampus", "cheng"]


def halved(split: Split) -> Split:
    """Return flat images or volumes at half the resolution."""
    size = split.input_shape[1:]

    def smaller(X):
        axes = [number for side in size for number in (side // 2, 2)]
        X = X.reshape(len(X), *axes)
        return X.mean(tuple(range(2, X.ndim, 2))).reshape(len(X), -1)

    return Split(
        smaller(split.inliers), smaller(split.outliers), smaller(split.X_test), split.is_outlier
    )


def load(name: str, args: argparse.Namespace, seed: int) -> Split:
    """Return a split of a set."""
    if name == "brains":
        brains = make_brain_volumes(200, 160, shape=SHAPE, contrast=1.5, random_state=seed)
        X = brains.data / np.quantile(brains.data, 0.9, axis=(1, 2, 3, 4), keepdims=True)
        rng = np.random.RandomState(seed)
        return row_split(X.reshape(len(X), -1), brains.target == 0, 140, rng)
    split = load_set(name, args.data, seed)
    if name == "breast":  # columns of different units
        scale = StandardScaler().fit(split.inliers).transform
        X = (scale(X) for X in split[:3])
        return Split(*X, split.is_outlier)
    return split if split.input_shape is None else halved(split)


def arms(seed: int) -> dict[str, dict[str, Any]]:
    """Return detectors with and without removal."""
    own = AEOutlierRemover(random_state=seed)
    others = {
        "PCA": Residual(),
        "neighbours": NeighborDistance(),
        "LOF": LocalOutlierFactor(novelty=True),
    }
    compared = {
        "autoencoder": {
            PLAIN: AEOutlierRemover(max_removed_fraction=0.0, random_state=seed),
            "removal": own,
            COMMITTEE: AEOutlierRemover(score_by="committee", random_state=seed),
            **others,
            "isolation forest": IsolationForest(random_state=seed),
            "ECOD": ECOD(),
            "PyOD AutoEncoder": PyodAutoEncoder(seed),
        }
    }
    for name, detector in others.items():
        remover = OutlierRemover(detector, random_state=seed)
        compared[name] = {PLAIN: detector, "OutlierRemover": remover}
    return compared


def oddness(detector: Any, X: NDArray) -> NDArray:
    """Return scores that grow with oddness."""
    if isinstance(detector, ECOD):
        return detector.decision_function(X)
    return -detector.score_samples(X)


def run(detector: Any, split: Split, fraction: float, seed: int) -> dict[str, float]:
    """Fit and score one detector."""
    X, is_outlier, _ = contaminate(split.inliers, split.outliers, fraction, random_state=seed)
    detector.fit(X)
    result = {
        "auc": roc_auc_score(split.is_outlier, oddness(detector, split.X_test)),
        "n_train": len(X),
        "n_test": len(split.X_test),
    }
    if hasattr(detector, "sample_indices_"):
        kept = np.isin(np.arange(len(X)), detector.sample_indices_)
        result["kept"] = kept.mean()
        if is_outlier.any():
            # what a mask finds: the mean of the shares of outliers removed and of inliers kept
            result["found"] = roc_auc_score(is_outlier, ~kept)
    return result


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in [*SETS, *(FILE_SETS if args.data else [])]:
        split = load(name, args, seed)
        for corruption, fraction in FRACTIONS.items():
            for learner, compared in arms(seed).items():
                for arm, detector in compared.items():
                    task = partial(run, detector, split, fraction, seed)
                    yield Case(name, corruption, learner, 0, arm, task)
