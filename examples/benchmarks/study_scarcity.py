"""Part of the study: few training rows, the problem of the factor mixing paper.

Sets: crops around brain tumours (three classes) and brain tumour slices (glioma against
meningioma) at 32 by 32 pixels, days of wrist activity (depression, signals of 288 points), and
generated liver lesions (``make_lesion_rois``, four classes); 100 rows train for 40 epochs, of the
crops also 400 for 20. Every seed is one draw of patients.

All networks are the same small ones with the same number of steps; their weight decay is tuned, on
inner folds, for the plain network. Images are changed by ``augment="affine"``, signals by
``augment="spectrum"``. Every recipe trains five networks with different seeds. *plain*, *augment*,
*augment, mixup* and *augment, CutMix* are the mean scores of the five, each alone; "5 networks" are
the scores of the mean of their probabilities, ``NetClassifier(n_members=5)``. New rows by factor
mixing, as many as there are, are added to 100 crops, at half the epochs. Mixup and CutMix are run
with 100 images.

References
----------
S. Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
features", ICCV 2019.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from skorch.callbacks import LRScheduler
from study_cases import PLAIN, Case, Ensembles, Fold, draw_rows, fit_tuned
from torch import Tensor
from torch.nn.functional import one_hot

from skrobust import FactorMixSampler, NetClassifier, make_lesion_rois, roc_auc_scorer

MOST_TEST, N_MEMBERS = (200, 5), 5
EPOCHS = {100: 40, 400: 20}
FACTOR_EPOCHS = 150  # the factors come apart after some 1,000 steps
AUGMENT, MIXUP, FACTORS = "augment", "augment, mixup", "augment, FactorMix"
CUTMIX = "augment, CutMix"
RECIPES = {PLAIN: {}, AUGMENT: {}, MIXUP: {"mixup": "manifold"}, CUTMIX: {}, FACTORS: {}}


def load(name: str, args: argparse.Namespace, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Return rows as networks read them, labels and patients."""
    if name == "lesions":
        images, y, groups = make_lesion_rois(
            800, spread=0.5, noise=0.3, random_state=seed, return_X_y_groups=True
        )
        return images.reshape(-1, 1, 32, 32).astype(np.float32), y, groups
    file = {
        "crops": "cheng_brain_tumour_roi64.npz",
        "slices": "cheng_brain_tumour_64.npz",
        "activity": "actigraphy_depression.npz",
    }[name]
    with np.load(args.data / file, allow_pickle=False) as data:
        X, y, groups = data["X"], data["y"], data["groups"]
    if name == "activity":
        return X.astype(np.float32), y, groups
    X = X.reshape(-1, 1, 32, 2, 32, 2).mean((3, 5)).astype(np.float32) / 255
    chosen = y < 2 if name == "slices" else slice(None)  # glioma and meningioma
    return X[chosen], y[chosen], groups[chosen]


class CutMix:
    """In every second batch, a box of each image is that of another one; targets by area."""

    def __init__(self, before: Callable):
        self.before = before

    def __call__(self, net: object, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch, the box of the same place and size in all rows."""
        x, y = self.before(net, x, y)
        y = one_hot(y, net.n_outputs).to(x.dtype)
        if torch.rand(()) < 0.5:
            return x, y
        size = torch.rand(()).sqrt()  # the area is uniform
        box = [slice(None), slice(None)]
        for length in x.shape[2:]:
            half, centre = int(length * size) // 2, int(torch.randint(length, ()))
            box.append(slice(max(centre - half, 0), centre + half))
        partners = torch.randperm(len(x))
        cut = x.clone()
        cut[tuple(box)] = x[partners][tuple(box)]
        return cut, y.lerp(y[partners], cut[tuple(box)].numel() / cut.numel())


class CutMixNetClassifier(NetClassifier):
    """A network trained by CutMix, after the changes of `augment`."""

    def _batch_transform(self):
        return CutMix(super()._batch_transform())


def net(
    epochs: int, seed: int, cls: type[NetClassifier] = NetClassifier, **params
) -> NetClassifier:
    """Return the network of all recipes."""
    return cls(
        module__width=8,
        max_epochs=epochs,
        lr=0.003,
        callbacks=[LRScheduler("CosineAnnealingLR", T_max=epochs)],
        random_state=seed,
        **params,
    )


def learn(
    name: str, fold: Fold, seed: int, memory: str, recipe: str
) -> tuple[NDArray, list[NDArray]]:
    """Return the classes, and the probabilities of the test rows by every network of a recipe."""
    X, y, epochs = fold.X, fold.y, EPOCHS[len(fold.X)]
    params = {"optimizer__weight_decay": best_decay(fold, seed), **RECIPES[recipe]}
    if recipe != PLAIN:
        params["augment"] = "spectrum" if name == "activity" else "affine"
    if recipe == FACTORS:
        sampler = FactorMixSampler(max_epochs=FACTOR_EPOCHS, memory=memory, random_state=seed)
        X, y = sampler.fit_resample(X, y, groups=fold.groups)
        epochs //= 2
    cls = CutMixNetClassifier if recipe == CUTMIX else NetClassifier
    model = net(epochs, seed, cls, n_members=N_MEMBERS, **params).fit(X, y)
    return model.classes_, [member.predict_proba(fold.X_test) for member in model.members_]


def best_decay(fold: Fold, seed: int) -> float:
    """Return the weight decay that is best for the plain network."""
    grid = {"optimizer__weight_decay": [0.0, 1e-3]}
    model = net(EPOCHS[len(fold.X)], seed)
    fitted = fit_tuned(model, grid, fold, 2, roc_auc_scorer, seed)
    return fitted.best_params_["optimizer__weight_decay"]


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in [*(["crops", "slices", "activity"] if args.data else []), "lesions"]:
        X, y, groups = load(name, args, seed)
        outer = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
        train, test = next(outer.split(np.zeros(len(y)), y, groups))
        train = np.random.RandomState(seed).permutation(train)
        test = draw_rows(test, y, groups, MOST_TEST, seed)
        for n_train in EPOCHS if name == "crops" else [100]:
            rows = train[:n_train]
            fold = Fold(X[rows], y[rows], groups[rows], X[test], y[test], groups[test])
            fits = Ensembles(fold, partial(learn, name, fold, seed, memory))
            recipes = [PLAIN, AUGMENT]
            if n_train == 100 and name != "activity":
                recipes += [MIXUP, CUTMIX, *([FACTORS] if name == "crops" else [])]
            for recipe in recipes:
                together = "5 networks" if recipe == PLAIN else f"{recipe}, 5 networks"
                for arm, run in ((recipe, fits.alone), (together, fits.together)):
                    place = name, f"{n_train} rows", "net", 0, arm
                    yield Case(*place, partial(run, recipe))
