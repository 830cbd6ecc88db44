"""Part of the study: classes with a handful of rows, the problem of the triplet paper.

Sets: *digits* and *cheng* (tumour crops, here at 16 by 16 pixels) of ``rare_classes.py``, 80 down
to 3 rows a class, and 30, 10 and 3 patients a class; *patches*, volumes of 12 x 12 x 12 voxels of
brains with tumours, 100 rows without and 12 with tumour, of 4 patients; and *lesions*, generated
images of 16 by 16 pixels, 80, 40, 10 and 5 rows a class. Every seed is a draw of classes, patients
and rows.

All networks are the same small ones, for 30 epochs, and every method is the mean of four networks
with different seeds. *remedies*, the baseline, is cross entropy with the best of four settings on
inner folds: adjusted logits (the balanced softmax) or balanced batches, with and without affine
changes. For the embeddings the inner folds choose whether rows are changed. Classes are predicted
from embeddings by the nearest centroid, or by a linear discriminant analysis with shrinkage and
equal priors. *joint* adds a cross entropy to the triplet loss. *remedies and joint* is the mean of
two networks of each. *cRT* re-trains the last layer of networks trained by cross entropy, as they
are, on balanced batches (classifier re-training). The paper's embedding, with 7 nearest neighbours,
is a single network.

References
----------
B. Kang et al., "Decoupling representation and classifier for long-tailed recognition", ICLR 2020:
cRT.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rare_classes import arms as known_arms
from rare_classes import load as load_known
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from skorch.callbacks import LRScheduler
from study_cases import PLAIN, Case, Ensembles, Fold, draw_rows, fit_tuned, score
from torch import Tensor, nn

from skrobust import NetClassifier, TripletEmbedder, macro_recall_scorer, make_lesion_rois

EPOCHS, HEAD_EPOCHS, N_MEMBERS = 30, 10, 4
# test patients, and rows of each
MOST_TEST = {"digits": (400, 1), "cheng": (100, 5), "patches": (7, 20), "lesions": (200, 2)}
REMEDIES, CRT, JOINT = "remedies", "cRT", "joint, LDA"
AUGMENT = {"augment": [None, "affine"]}
# of adjusted logits and balanced batches, both would count twice
CHOICES = [
    {**AUGMENT, "logit_adjustment": [1.0]},
    {**AUGMENT, "logit_adjustment": [None], "balanced_batches": [True]},
]


class NewHead(nn.Module):
    """A trained network that learns no more, and a new last layer."""

    def __init__(self, network: nn.Module):
        super().__init__()
        old = network.head.linear
        self.body, self.linear = (
            copy.deepcopy(network),
            nn.Linear(old.in_features, old.out_features),
        )
        self.body.head.linear = nn.Identity()
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def train(self, mode: bool = True) -> NewHead:
        """Train the new layer; the statistics of batch norm stay as they are."""
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        with torch.no_grad():
            features = self.body(x)
        return self.linear(features)


class RetrainedNetClassifier(NetClassifier):
    """cRT: after the training a new last layer is trained on balanced batches."""

    def fit(self, X, y, sample_weight=None, **validation):
        """Train the network, then the new layer."""
        super().fit(X, y, sample_weight, **validation)
        if self.n_members == 1:
            head = NetClassifier(
                NewHead(self.net_.module_),
                balanced_batches=True,
                augment=self.augment,
                max_epochs=HEAD_EPOCHS,
                lr=10 * self.lr,  # a linear model, on few batches
                callbacks=[LRScheduler("CosineAnnealingLR", T_max=HEAD_EPOCHS)],
                random_state=self.random_state,
            )
            self.net_ = head.fit(X, y).net_
        return self


def load(name: str, args: argparse.Namespace, seed: int) -> tuple[Fold, NDArray]:
    """Return the rows of a set, as networks read them, and its rare classes."""
    if name in ("digits", "cheng"):
        data = load_known(name, seed, args.data)
        X, X_test = data.X, data.X_test
        if name == "cheng":
            X, X_test = (A.reshape(-1, 1, 16, 2, 16, 2).mean((3, 5)) for A in (X, X_test))
        groups, groups_test = data.groups, data.groups_test
        if groups is None:
            groups, groups_test = np.arange(len(X)), np.arange(len(X_test))
        test = draw_rows(np.arange(len(X_test)), data.y_test, groups_test, MOST_TEST[name], seed)
        parts = X_test[test], data.y_test[test], groups_test[test]
        return Fold(X, data.y, groups, *parts), data.rare
    rng = np.random.RandomState(seed)
    if name == "lesions":
        images, y, groups = make_lesion_rois(
            800, spread=0.5, noise=0.3, random_state=seed, return_X_y_groups=True
        )
        X = images.reshape(-1, 1, 16, 2, 16, 2).mean((3, 5)).astype(np.float32)
        y = rng.permutation(4)[y]
        patients, sizes, rare = rng.permutation(np.unique(groups)), [80, 40, 10, 5], [2, 3]
        train = np.isin(groups, patients[: len(patients) // 2])
    else:
        with np.load(args.data / "brain_tumour_patches3d_24.npz", allow_pickle=False) as data:
            X, y, groups = data["X"], data["y"], data["groups"]
        X = X.reshape(-1, 1, 12, 2, 12, 2, 12, 2).mean((3, 5, 7)).astype(np.float32) / 255
        ill = rng.permutation(np.unique(groups[y == 1]))
        train, sizes, rare = np.isin(groups, ill[:4]), [100, 12], [1]
    kept = [
        rng.permutation(np.flatnonzero(train & (y == c)))[:size] for c, size in enumerate(sizes)
    ]
    kept = np.concatenate(kept)
    test = draw_rows(np.flatnonzero(~train), y, groups, MOST_TEST[name], seed)
    fold = Fold(X[kept], y[kept], groups[kept], X[test], y[test], groups[test])
    return fold, np.array(rare)


def shared(seed: int, **params: Any) -> dict[str, Any]:
    """Return what all networks have in common."""
    return {"max_epochs": EPOCHS, "module__width": 8, "random_state": seed, **params}


def net(seed: int, cls: type[NetClassifier] = NetClassifier, **params: Any) -> NetClassifier:
    """Return a network trained by cross entropy."""
    schedule = LRScheduler("CosineAnnealingLR", T_max=EPOCHS)
    return cls(**shared(seed, lr=0.003, callbacks=[schedule]), **params)


def readout(name: str, n_classes: int) -> BaseEstimator:
    """Return the classifier behind an embedding."""
    if name == "centroid":
        return NearestCentroid()
    priors = np.full(n_classes, 1 / n_classes)
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)


def learn(fold: Fold, seed: int, memory: str, recipe: str) -> tuple[NDArray, list[NDArray]]:
    """Return the classes, and the probabilities of the test rows by every network of a recipe."""
    if recipe in (PLAIN, REMEDIES, CRT):
        model = net(seed, RetrainedNetClassifier if recipe == CRT else NetClassifier)
        if recipe != PLAIN:
            grid = AUGMENT if recipe == CRT else CHOICES
            fitted = fit_tuned(model, grid, fold, 2, macro_recall_scorer, seed)
            model.set_params(**fitted.best_params_)
        model.set_params(n_members=N_MEMBERS).fit(fold.X, fold.y)
        return model.classes_, [member.predict_proba(fold.X_test) for member in model.members_]
    loss, head = recipe.split(", ")
    params = {"cross_entropy_weight": 1.0} if loss == "joint" else {}

    def model(seed: int, augment: str | None) -> BaseEstimator:
        embedder = TripletEmbedder(**shared(seed), **params, augment=augment)
        # learned once for both heads
        return make_pipeline(embedder, readout(head, len(np.unique(fold.y))), memory=memory)

    grid = {f"tripletembedder__{name}": values for name, values in AUGMENT.items()}
    fitted = fit_tuned(model(seed, "affine"), grid, fold, 2, macro_recall_scorer, seed)
    augment = fitted.best_params_["tripletembedder__augment"]
    members = [model(10 * seed + i, augment).fit(fold.X, fold.y) for i in range(N_MEMBERS)]
    return members[0].classes_, [member.predict_proba(fold.X_test) for member in members]


def run_paper(name: str, fold: Fold, rare: NDArray, seed: int) -> dict[str, float]:
    """Fit and score the paper's embedding."""
    embedder = known_arms(name, seed)["paper: pretrained, rare augmented"]
    model = make_pipeline(embedder.set_params(**shared(seed)), KNeighborsClassifier(7))
    return score(model.fit(fold.X, fold.y), fold, rare)


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in ["digits", *(["cheng", "patches"] if args.data else []), "lesions"]:
        fold, rare = load(name, args, seed)
        fits = Ensembles(fold, partial(learn, fold, seed, memory), rare)
        runs = {
            PLAIN: partial(fits.together, PLAIN),
            REMEDIES: partial(fits.together, REMEDIES),
            "remedies, one network": partial(fits.alone, REMEDIES),
            CRT: partial(fits.together, CRT),
            **{
                recipe: partial(fits.together, recipe)
                for recipe in ("triplets, centroid", "triplets, LDA", "joint, centroid", JOINT)
            },
            "remedies and joint": partial(fits.together, REMEDIES, JOINT),
            "triplets, paper": partial(run_paper, name, fold, rare, seed),
        }
        for arm, run in runs.items():
            yield Case(name, "long tail", "net", 0, arm, run)
