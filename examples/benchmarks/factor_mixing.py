"""Few training images: factor mixing compared with simple augmentations.

Crops around brain tumours (three classes, here at 32 by 32 pixels), of which only 100 or 300 train:
three folds without common patients, several seeds. All methods train the same network for the
same number of steps. They are the plain network, random affine changes, mixup of images and of
hidden representations on top of them, SMOTE, and new images by factor mixing, as many as there are
images: decoded (the paper's) and with the image's own detail, each with affine changes.

Run: ``python examples/benchmarks/factor_mixing.py --data DIR --csv factor_mixing.csv``, where DIR
holds ``cheng_brain_tumour_roi64.npz`` (arrays ``X``, ``y``, ``groups``, ``class_names``); the
environment variable SKROBUST_DATA serves as well. With ``--csv`` a run that was stopped resumes
where it was, and a finished one only prints.

Read: test accuracy, mean and standard deviation over folds and seeds, and the paired difference
from "affine". Folds of a seed share training rows, so that the deviations look smaller than they
are. ``probe`` is the accuracy of a fresh linear probe on the residual code, ``chance`` what it
would be without class information. The confusion matrices (the paper's Table 3) are sums over the
folds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray
from resumable import ResumableTable
from sklearn.base import BaseEstimator
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import CosineAnnealingLR

from skrobust import FactorMixSampler, NetClassifier, ResamplingClassifier

N_FOLDS, SHAPE = 3, (1, 32, 32)
AFFINE = "affine"
KEY = ["n_train", "seed", "fold", "arm"]
COLUMNS = [*KEY, "accuracy", "probe", "chance", "confusion", "seconds"]


def load(folder: Path) -> tuple[NDArray, NDArray, NDArray, list[str]]:
    """Return flat images of 32 by 32 between 0 and 1, labels, patients and names of the classes."""
    with np.load(folder / "cheng_brain_tumour_roi64.npz", allow_pickle=False) as data:
        images = data["X"].reshape(-1, 32, 2, 32, 2).mean((2, 4)) / 255
        X = images.reshape(len(images), -1).astype(np.float32)
        return X, data["y"], data["groups"], list(data["class_names"])


def arms(epochs: int, factor_epochs: int, seed: int, memory: str) -> dict[str, BaseEstimator]:
    """Return the classifiers that are compared; twice the rows get half the epochs."""

    def net(epochs: int, **params) -> NetClassifier:
        return NetClassifier(
            input_shape=SHAPE,
            max_epochs=epochs,
            lr=0.003,
            callbacks=[LRScheduler(CosineAnnealingLR, T_max=epochs)],
            random_state=seed,
            **params,
        )

    def factor_mixing(detail: str) -> ResamplingClassifier:
        sampler = FactorMixSampler(
            input_shape=SHAPE,
            detail=detail,
            max_epochs=factor_epochs,
            memory=memory,
            random_state=seed,
        )
        return ResamplingClassifier(sampler, net(epochs // 2, augment="affine"))

    return {
        "plain": net(epochs),
        AFFINE: net(epochs, augment="affine"),
        "affine, mixup of images": net(epochs, augment="affine", mixup="input"),
        "affine, mixup inside": net(epochs, augment="affine", mixup="manifold"),
        "SMOTE": ResamplingClassifier(SMOTE(random_state=seed), net(epochs)),
        "affine, FactorMix decoded": factor_mixing("decoded"),
        "affine, FactorMix residual": factor_mixing("residual"),
    }


def run(args: argparse.Namespace, table: ResumableTable, memory: str) -> list[str]:
    """Run what is missing, seed by seed; return the names of the classes."""
    X, y, groups, names = load(args.data)
    for seed in range(args.seeds):
        folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        for fold, (train, test) in enumerate(folds.split(X, y, groups)):
            shuffled = np.random.RandomState(seed).permutation(train)
            for n_train in args.sizes:
                rows = shuffled[:n_train]
                # factors come apart after about 1,000 steps
                factor_epochs = 30_000 // n_train
                for arm, model in arms(args.epochs, factor_epochs, seed, memory).items():
                    if table.has(n_train, seed, fold, arm):
                        continue
                    start = time.perf_counter()
                    predicted = model.fit(X[rows], y[rows], groups=groups[rows]).predict(X[test])
                    seconds = time.perf_counter() - start
                    sampler = getattr(model, "sampler_", None)
                    found = getattr(sampler, "diagnostics_", {})
                    table.add(
                        n_train=n_train,
                        seed=seed,
                        fold=fold,
                        arm=arm,
                        accuracy=(predicted == y[test]).mean(),
                        probe=found.get("probe_accuracy", np.nan),
                        chance=found.get("chance", np.nan),
                        confusion=json.dumps(confusion_matrix(y[test], predicted).tolist()),
                        seconds=seconds,
                    )
    return names


def report(lines: pd.DataFrame, names: list[str]) -> None:
    """Print a table for every size of the training set, then confusion matrices."""
    for n_train, part in lines.groupby("n_train"):
        wide = part.pivot(index=["seed", "fold"], columns="arm", values="accuracy")
        print(f"\n{n_train} training images, {len(wide)} splits")
        print(f"{'arm':<30}{'accuracy':>15}{'to affine':>17}{'probe':>8}{'chance':>8}")
        for arm in part["arm"].unique():
            own = part[part["arm"] == arm]
            gain = (wide[arm] - wide[AFFINE]).dropna()
            cells = f"{own['accuracy'].mean():>7.3f} ± {own['accuracy'].std():.3f}"
            cells += f"{gain.mean():>+9.3f} ± {gain.std():.3f}" if arm != AFFINE else " " * 17
            if own["probe"].notna().any():
                cells += f"{own['probe'].mean():>8.2f}{own['chance'].mean():>8.2f}"
            print(f"{arm:<30}{cells}")
        for arm in part["arm"].unique():
            if arm == AFFINE or "FactorMix" in arm:
                matrices = part.loc[part["arm"] == arm, "confusion"].map(json.loads)
                total = np.sum(matrices.tolist(), axis=0)
                shares = pd.DataFrame(total / total.sum(1, keepdims=True), names, names)
                print(f"\n{arm}: share of each class (rows) predicted as (columns)")
                print(shares.round(2).to_string())
    print(f"\n{lines['seconds'].sum() / 60:.1f} minutes of fitting in all")


def main() -> None:
    """Run what is missing, then print all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data DIR or set SKROBUST_DATA")
    table = ResumableTable(args.csv, KEY, COLUMNS)
    with TemporaryDirectory() as memory:  # both details share their networks
        names = run(args, table, memory)
    report(table.frame, names)


if __name__ == "__main__":
    main()
