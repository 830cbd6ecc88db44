"""Part of the study: few training images, the problem of the factor mixing paper.

Sets: crops around brain tumours (``factor_mixing.py``, three classes) and generated liver lesions
(``make_lesion_rois``, four classes), both at 32 by 32 pixels; 100 images train. The methods are
those of ``factor_mixing.py`` with a narrower network and 40 epochs; weight decay is tuned for all.
"affine" is the augmentation that anyone would try first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
from factor_mixing import arms as all_arms
from factor_mixing import load as load_crops
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import StratifiedGroupKFold
from study_cases import Case, Fold, draw_rows, fit_tuned, score

from skrobust import ResamplingClassifier, make_lesion_rois, roc_auc_scorer

N_FOLDS, MOST_TEST, N_TRAIN, EPOCHS = 3, (200, 5), 100, 40
FACTOR_EPOCHS = 30_000 // N_TRAIN


def load(name: str, args: argparse.Namespace, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Return flat images, labels and patients."""
    if name == "crops":
        return load_crops(args.data)[:3]
    images, y, groups = make_lesion_rois(
        500, spread=0.5, noise=0.3, random_state=seed, return_X_y_groups=True
    )
    return images.reshape(len(images), -1), y, groups


def arms(seed: int, memory: str) -> dict[str, tuple[BaseEstimator, dict]]:
    """Return the models that are compared, each with its grid."""
    decay, values = "optimizer__weight_decay", [0, 1e-3]
    compared = {}
    for arm, model in all_arms(EPOCHS, FACTOR_EPOCHS, seed, memory).items():
        nested = isinstance(model, ResamplingClassifier)
        model.set_params(**{"estimator__module__width" if nested else "module__width": 8})
        if arm == "SMOTE":  # inner folds have as few as four rows of a class
            model.set_params(sampler__k_neighbors=3)
        compared[arm] = (model, {f"estimator__{decay}" if nested else decay: values})
    return compared


def run(model: BaseEstimator, grid: dict, fold: Fold, seed: int) -> dict[str, float]:
    """Fit and score one arm."""
    return score(fit_tuned(model, grid, fold, 2, roc_auc_scorer, seed), fold)


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in [*(["crops"] if args.data else []), "lesions"]:
        X, y, groups = load(name, args, seed)
        outer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        for number, (train, test) in enumerate(outer.split(X, y, groups)):
            train = np.random.RandomState(seed).permutation(train)[:N_TRAIN]
            test = draw_rows(test, y, groups, MOST_TEST, seed)
            fold = Fold(X[train], y[train], groups[train], X[test], y[test], groups[test])
            for arm, (model, grid) in arms(seed, memory).items():
                yield Case(
                    name, "100 images", "net", number, arm, partial(run, model, grid, fold, seed)
                )
