"""Part of the study: classes with a handful of rows, the problem of the triplet paper.

The sets *digits* and *cheng* (tumour crops, here at 16 by 16 pixels) of ``rare_classes.py``: 80
down to 3 rows a class, and 30, 10 and 3 patients a class. A fold is a separate draw of classes
and rows. The methods are from that file too, with a narrower network and 30 epochs; their weight
decay is tuned by the macro recall, except for the paper's embedding, which has none. Classes are
predicted from embeddings by the nearest centroid and, as in the paper, by 7 nearest neighbours.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from numpy.typing import NDArray
from rare_classes import DEFAULT, NATURAL, STRONG, load
from rare_classes import arms as all_arms
from sklearn.base import BaseEstimator, clone
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from skorch.callbacks import LRScheduler
from study_cases import PLAIN, Case, Fold, fit_tuned, score

from skrobust import macro_recall_scorer

N_FOLDS, EPOCHS = 2, 30
DECAY = [0, 1e-3]


def at_least_six(y: NDArray) -> dict[int, int]:
    """Return numbers of rows that SMOTE can work with: more than its five neighbours."""
    codes, counts = np.unique(y, return_counts=True)
    return dict(zip(codes, np.maximum(counts, 6), strict=True))


def arms(
    name: str, shape: tuple[int, ...], seed: int, memory: str
) -> dict[str, tuple[BaseEstimator, dict]]:
    """Return the models that are compared, each with its grid."""
    small = {"max_epochs": EPOCHS, "module__width": 8, "input_shape": shape}
    schedule = LRScheduler("CosineAnnealingLR", T_max=EPOCHS)
    known = all_arms(name, seed)

    def net(arm: str) -> BaseEstimator:
        return known[arm].set_params(callbacks=[schedule], **small)

    def read(arm: str, readout: BaseEstimator) -> BaseEstimator:
        # learnt once for all readouts
        embedder = clone(known[arm]).set_params(**small)
        return make_pipeline(embedder, readout, memory=memory)

    decay = "optimizer__weight_decay"
    plain = net(NATURAL)
    smote = make_sampling_pipeline(
        RandomOverSampler(sampling_strategy=at_least_six, random_state=seed),
        SMOTE(random_state=seed),
        plain,
    )
    nets = {
        PLAIN: plain,
        "logit adjustment": net("cross entropy, logit-adjusted"),
        "balanced batches, affine": net(STRONG),
    }
    embedders = {
        "triplets, centroid": read(DEFAULT, NearestCentroid()),
        "triplets, kNN": read(DEFAULT, KNeighborsClassifier(7)),
    }
    return {
        **{arm: (model, {decay: DECAY}) for arm, model in nets.items()},
        "SMOTE": (smote, {f"netclassifier__{decay}": DECAY}),
        **{arm: (model, {f"tripletembedder__{decay}": DECAY}) for arm, model in embedders.items()},
        "triplets, paper": (
            read("paper: pretrained, rare augmented", KNeighborsClassifier(7)),
            {},
        ),
    }


def run(model: BaseEstimator, grid: dict, fold: Fold, rare: NDArray, seed: int) -> dict[str, float]:
    """Fit and score one arm."""
    fitted = fit_tuned(model, grid, fold, 2, macro_recall_scorer, seed)
    return score(fitted, fold, rare)


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in ["digits", *(["cheng"] if args.data else [])]:
        for number in range(N_FOLDS):
            own = N_FOLDS * seed + number
            data = load(name, own, args.data)
            X, X_test = data.X, data.X_test
            if name == "cheng":
                X, X_test = (A.reshape(-1, 1, 16, 2, 16, 2).mean((3, 5)) for A in (X, X_test))
            shape = X.shape[1:]
            groups, groups_test = data.groups, data.groups_test
            if groups is None:
                groups, groups_test = np.arange(len(X)), np.arange(len(X_test))
            flat, flat_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
            fold = Fold(flat, data.y, groups, flat_test, data.y_test, groups_test)
            for arm, (model, grid) in arms(name, shape, own, memory).items():
                yield Case(
                    name,
                    "long tail",
                    "net",
                    number,
                    arm,
                    partial(run, model, grid, fold, data.rare, own),
                )
