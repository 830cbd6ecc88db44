"""Part of the study: noisy training images, the problem of the influence paper.

Sets: brain tumour slices (three classes, here at 32 by 32 pixels) and generated liver lesions
(``make_lesion_rois``, four classes), both between 0 and 1. One fifth of the training patients have
clean images, as the validation patients of the paper. The paper's settings of influence and early
stopping hold them out as validation rows; by default influence is told that these images are
trusted and trains on them, as all other methods do, except the paper's own baseline. "Denoised rows
added" trains on raw rows and on copies denoised by what the clean images teach; "noisy rows twice"
takes as many steps without denoising. The network is that of ``noisy_images.py``; its weight decay
is tuned for the plain network, and all methods have the same. Test images are clean.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
from noisy_images import load as load_slices
from noisy_images import network
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EarlyStopping
from study_cases import OTHER_SEED, PLAIN, Case, Fold, draw_rows, fit_tuned, score

from skrobust import (
    InfluencePerturber,
    InfluenceReweighter,
    Noise2VoidDenoiser,
    ResamplingClassifier,
    add_gaussian_noise,
    add_rician_noise,
    make_lesion_rois,
    roc_auc_scorer,
)
from skrobust.influence import DenoisedRowsAugmenter
from skrobust.neural.splits import validation_split

N_FOLDS, MOST_TEST = 3, (200, 5)
MOST = {"lesions": (80, 3), "cheng": (40, 4)}
SCALE, EPOCHS = 0.2, 16
NOISE = {"clean": None, "Gaussian noise": add_gaussian_noise, "Rician noise": add_rician_noise}
NAIVE = "plain, noisy images only"
DENOISED, TWICE = "denoised rows added", "noisy rows twice"
# arms that do not train on the clean images
HELD_OUT = ("ISR, paper", "ISP, paper", "early stopping", NAIVE)


def load(name: str, args: argparse.Namespace, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Return images with a channel axis between 0 and 1, labels and patients."""
    if name == "lesions":
        images, y, groups = make_lesion_rois(
            500, spread=0.5, noise=0.3, random_state=seed, return_X_y_groups=True
        )
        return ((images + 2) / 4).clip(0, 1), y, groups
    images, y, groups = load_slices(args.data)
    return images.reshape(-1, 1, 32, 2, 32, 2).mean((3, 5)), y, groups


def tuned(fold: Fold, seed: int) -> BaseEstimator:
    """Return the network, with the weight decay that inner folds choose on all training rows."""
    size = argparse.Namespace(width=8, epochs=EPOCHS, lr=0.003, precision="bfloat16")
    grid = {"optimizer__weight_decay": [0, 1e-3]}
    search = fit_tuned(network(size, seed), grid, fold, 2, roc_auc_scorer, seed)
    return network(size, seed).set_params(**search.best_params_)


def arms(net: BaseEstimator, seed: int) -> dict[str, BaseEstimator]:
    """Return the models that are compared, around the same tuned network."""
    half = EPOCHS // 2
    denoiser = Noise2VoidDenoiser(max_epochs=10, module__width=8, random_state=seed)
    taught = DenoisedRowsAugmenter(Noise2VoidDenoiser(module__width=8, random_state=seed))
    stopping = EarlyStopping(patience=EPOCHS, load_best=True, sink=lambda text: None)
    own = {"estimator": net, "warmup_epochs": half, "solver": "auto", "random_state": seed}
    return {
        PLAIN: net,
        NAIVE: net,
        TWICE: net,
        OTHER_SEED: clone(net).set_params(random_state=1000 + seed),
        "early stopping": clone(net).set_params(callbacks=[*net.callbacks, stopping]),
        "ISR": InfluenceReweighter(net, warmup_epochs=half, random_state=seed),
        "ISR, paper": InfluenceReweighter(**InfluenceReweighter.paper_params | own),
        "ISP": InfluencePerturber(net, warmup_epochs=half, random_state=seed),
        "ISP, paper": InfluencePerturber(**InfluencePerturber.paper_params | own),
        "Noise2Void": make_pipeline(denoiser, net),
        DENOISED: ResamplingClassifier(taught, net),
    }


def run(arm: str, model: BaseEstimator, fold: Fold, held: NDArray, seed: int) -> dict[str, float]:
    """Fit and score one arm; `held` marks the clean images."""
    passed = {}
    if arm.startswith(HELD_OUT):
        if arm != NAIVE:
            passed = {"X_val": fold.X[held], "y_val": fold.y[held]}
        fold = fold._replace(X=fold.X[~held], y=fold.y[~held], groups=fold.groups[~held])
    elif arm.startswith("IS") or arm == DENOISED:
        passed = {"trusted": held}
    elif arm == TWICE:
        rows = np.concatenate([np.arange(len(held)), np.flatnonzero(~held)])
        fold = fold._replace(X=fold.X[rows], y=fold.y[rows], groups=fold.groups[rows])
    return score(fit_tuned(clone(model), None, fold, 2, roc_auc_scorer, seed, **passed), fold)


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in ["lesions", *(["cheng"] if args.data else [])]:
        images, y, groups = load(name, args, seed)
        outer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        splits = list(outer.split(images, y, groups))
        for number, (train, test) in enumerate(splits[: args.folds]):
            train = draw_rows(train, y, groups, MOST[name], seed)
            test = draw_rows(test, y, groups, MOST_TEST, seed)
            held = np.zeros(len(train), dtype=bool)
            held[validation_split(y[train], 0.2, groups[train], seed)[1]] = True
            for corruption, noise in NOISE.items():
                X = images[train].copy()
                if noise is not None:
                    X[~held] = noise(X[~held], SCALE, random_state=1000 * seed + number)
                fold = Fold(X, y[train], groups[train], images[test], y[test], groups[test])
                for arm, model in arms(tuned(fold, seed), seed).items():
                    task = partial(run, arm, model, fold, held, seed)
                    yield Case(name, corruption, "net", number, arm, task)
