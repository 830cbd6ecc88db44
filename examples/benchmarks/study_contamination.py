"""Part of the study: outliers in the training set of an outlier detector.

The sets and detectors of ``outlier_removal.py``, its images and volumes at half the resolution and
as flat rows, so that the autoencoder is dense; and generated brains (``make_brain_volumes``),
healthy against lesioned. A fold is a random split, patient-disjoint where there are patients. The
baseline is the same autoencoder with the same restarts, which removes nothing. Nothing is tuned,
since this would need labels. The score is the held-out AUC; patients of these sets have rows of
both kinds, so that there is no score by patient.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from outlier_removal import BASELINE, Split, arms, row_split
from outlier_removal import load as load_set
from sklearn.metrics import roc_auc_score
from study_cases import PLAIN, Case

from skrobust import AEOutlierRemover, contaminate, make_brain_volumes

N_FOLDS = 3
FRACTIONS = {"clean": 0.0, "12% outliers": 0.12, "30% outliers": 0.3}
SHAPE = (12, 14, 12)


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
    return split if split.input_shape is None else halved(split)


def keep_all(make: Callable[[], AEOutlierRemover]) -> AEOutlierRemover:
    """Return a remover that removes nothing."""
    return make().set_params(max_removed_fraction=0.0)


def run(make: Callable[[], Any], split: Split, fraction: float, seed: int) -> dict[str, float]:
    """Fit and score one detector."""
    X, is_outlier, _ = contaminate(split.inliers, split.outliers, fraction, random_state=seed)
    detector = make().fit(X)
    result = {
        "auc": roc_auc_score(split.is_outlier, -detector.score_samples(split.X_test)),
        "n_train": len(X),
        "n_test": len(split.X_test),
    }
    if isinstance(detector, AEOutlierRemover):
        kept = detector.removed_epoch_ <= 0
        result["kept"] = kept.mean()
        if is_outlier.any():
            # what a mask finds: the mean of the shares of outliers removed and of inliers kept
            result["found"] = roc_auc_score(is_outlier, ~kept)
    return result


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    files = ["patches", "hippocampus", "cheng"] if args.data else []
    for name in ["brains", "digits3", *files]:
        for fold in range(N_FOLDS):
            own = N_FOLDS * seed + fold
            split = load(name, args, own)
            for corruption, fraction in FRACTIONS.items():
                compared = arms(split, own, [])
                # the baseline restarts as often, with the same weights
                compared[BASELINE] = partial(keep_all, compared["auto"])
                for arm, make in compared.items():
                    yield Case(
                        name,
                        corruption,
                        "autoencoder",
                        fold,
                        {BASELINE: PLAIN, "auto": "removal"}.get(arm, arm),
                        partial(run, make, split, fraction, own),
                    )
