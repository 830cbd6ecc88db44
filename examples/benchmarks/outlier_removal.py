"""Outliers in the training set of an outlier detector: what removal during training recovers.

Detectors are trained on inliers with a known share of outliers mixed in and score held-out rows.
The autoencoder of ``AEOutlierRemover`` is trained without removal (the same network and the same
final epochs, nothing removed), with ``gamma="auto"`` and with fixed ``gamma``; isolation forest,
local outlier factor, the reconstruction error of principal components and PyOD's ``AutoEncoder``
see the same rows.

Sets (200 inliers to train on, unless noted):

- ``digits0``, ``digits3``, ``digits8``: one digit of scikit-learn's 8x8 digits (120 inliers)
  against the others;
- ``breast``: benign against malignant, 30 standardised features;
- ``patches``: tumour-free against tumour, 24^3 patches of brain MRI, patient-disjoint;
- ``hippocampus``: 28^3 crops of MRI (130 inliers) against crops with a synthetic bright lesion;
- ``cheng``: brain tumour slices of 32x32, pituitary tumours against the others, patient-disjoint.

Run: ``python examples/benchmarks/outlier_removal.py --data DIR --csv removal.csv``, where DIR holds
``brain_tumour_patches3d_24.npz``, ``hippocampus3d_28.npz`` and ``cheng_brain_tumour_64.npz``; the
environment variable SKROBUST_DATA serves as well, and without either only the sets of scikit-learn
are run. With ``--csv`` a run that was stopped resumes where it was, and a finished one only prints.
``--speed`` compares run times with PyOD instead.

Read: ``auroc`` is the mean over the seeds, ``sd`` its standard deviation; ``gain`` is the paired
difference from "no removal", with its standard deviation. ``precision`` is the share of outliers
among the removed rows, ``recall`` the share of the outliers that were removed, ``lost`` the share
of the inliers that were removed. The last table averages the gains over the sets.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from resumable import ResumableTable
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from skrobust import AEOutlierRemover, OutlierRemovalWarning, contaminate

SKLEARN_SETS = ["digits3", "digits8", "breast"]
FILE_SETS = ["patches", "hippocampus", "cheng"]
BASELINE = "no removal"
KEY = ["set", "fraction", "seed", "arm"]
COLUMNS = [*KEY, "auroc", "precision", "recall", "lost", "seconds"]


# Data --------------------------------------------------------------------------------------------


class Split(NamedTuple):
    """Inliers and outliers to train on, rows to score, and their truth."""

    inliers: NDArray
    outliers: NDArray
    X_test: NDArray
    is_outlier: NDArray
    input_shape: tuple[int, ...] | None = None


def row_split(X: NDArray, inlier: NDArray, n_train: int, rng: Any) -> Split:
    """Split rows at random; half of the outliers, at most 300, are held out."""
    ins, outs = rng.permutation(np.flatnonzero(inlier)), rng.permutation(np.flatnonzero(~inlier))
    n_out = min(300, len(outs) // 2)
    test = np.concatenate([ins[n_train:], outs[:n_out]])
    return Split(X[ins[:n_train]], X[outs[n_out:]], X[test], ~inlier[test])


def group_split(
    X: NDArray, inlier: NDArray, groups: NDArray, n_train: int, shape: tuple[int, ...], rng: Any
) -> Split:
    """Split by patient: two thirds of them to train on, at most 300 rows of a kind to score."""
    patients = rng.permutation(np.unique(groups))
    train = np.isin(groups, patients[: round(2 / 3 * len(patients))])

    def draw(rows, most):
        return X[rng.permutation(np.flatnonzero(rows))[:most]]

    held = draw(~train & inlier, 300), draw(~train & ~inlier, 300)
    truth = np.repeat([False, True], [len(part) for part in held])
    return Split(
        draw(train & inlier, n_train),
        draw(train & ~inlier, n_train),
        np.concatenate(held),
        truth,
        shape,
    )


def standardise_rows(X: NDArray) -> NDArray:
    """Return flat rows of mean 0 and standard deviation 1: scanners differ in both."""
    X = X.reshape(len(X), -1).astype(np.float32)
    return (X - X.mean(1, keepdims=True)) / (X.std(1, keepdims=True) + 1e-6)


def add_lesions(volumes: NDArray, rng: Any) -> NDArray:
    """Return the volumes, each with one bright ellipsoid of random place, size and strength."""
    volumes = volumes.astype(np.float32)
    size = volumes.shape[1]
    grid = np.indices(volumes.shape[1:])
    for volume in volumes:
        centre, radius = rng.uniform(0.3, 0.7, 3) * size, rng.uniform(4, 8)
        axes = radius * rng.uniform(0.8, 1.25, 3)
        distance = np.sqrt((((grid.T - centre) / axes) ** 2).sum(-1)).T
        volume += rng.uniform(60, 120) / (1 + np.exp(8 * (distance - 1)))
    return volumes.clip(0, 255)


def load(name: str, folder: Path | None, seed: int) -> Split:
    """Return one split of a set."""
    rng = np.random.RandomState(seed)
    if name.startswith("digits"):
        X, y = load_digits(return_X_y=True)
        return row_split(X, y == int(name[-1]), 120, rng)
    if name == "breast":
        X, y = load_breast_cancer(return_X_y=True)
        return row_split(X, y == 1, 200, rng)
    if name == "patches":
        with np.load(folder / "brain_tumour_patches3d_24.npz", allow_pickle=False) as data:
            X = standardise_rows(data["X"])
            return group_split(X, data["y"] == 0, data["groups"], 200, (1, 24, 24, 24), rng)
    if name == "cheng":
        with np.load(folder / "cheng_brain_tumour_64.npz", allow_pickle=False) as data:
            X = data["X"].reshape(-1, 32, 2, 32, 2).mean((2, 4)).reshape(len(data["X"]), -1)
            X = X.astype(np.float32)
            return group_split(X, data["y"] == 2, data["groups"], 200, (1, 32, 32), rng)
    with np.load(folder / "hippocampus3d_28.npz", allow_pickle=False) as data:
        X = data["X"][rng.permutation(len(data["X"]))]
    lesioned = add_lesions(X, rng).reshape(len(X), -1)
    X = X.reshape(len(X), -1).astype(np.float32)
    test = np.concatenate([X[190:], lesioned[190:]])
    truth = np.repeat([False, True], len(X) - 190)
    return Split(X[:130], lesioned[130:190], test, truth, (1, 28, 28, 28))


# Arms --------------------------------------------------------------------------------------------


def remover(split: Split, seed: int, gamma: float | str) -> AEOutlierRemover:
    """Return the estimator with its defaults, but for `gamma`."""
    return AEOutlierRemover(gamma=gamma, input_shape=split.input_shape, random_state=seed)


class PcaError:
    """Reconstruction error of principal components, as many as the automatic code is wide."""

    def fit(self, X: NDArray) -> PcaError:
        self.pca = PCA(min(32, max(2, X.shape[1] // 8)), random_state=0).fit(X)
        return self

    def score_samples(self, X: NDArray) -> NDArray:
        return -np.abs(X - self.pca.inverse_transform(self.pca.transform(X))).mean(1)


class PyodAutoEncoder:
    """PyOD's autoencoder with its defaults."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, X: NDArray) -> PyodAutoEncoder:
        from pyod.models.auto_encoder import AutoEncoder

        self.model = AutoEncoder(random_state=self.seed, verbose=0).fit(X)
        return self

    def score_samples(self, X: NDArray) -> NDArray:
        return -self.model.decision_function(X)


def arms(split: Split, seed: int, gammas: list[float]) -> dict[str, Callable[[], Any]]:
    """Return functions that make the detectors."""
    compared: dict[str, Callable[[], Any]] = {
        BASELINE: lambda: remover(split, seed, "auto").set_params(
            max_removed_fraction=0.0, restarts=()
        ),
        "auto": lambda: remover(split, seed, "auto"),
    }
    for gamma in gammas:
        compared[f"gamma {gamma}"] = lambda gamma=gamma: remover(split, seed, gamma)
    compared["IsolationForest"] = lambda: IsolationForest(random_state=seed)
    compared["LOF"] = lambda: LocalOutlierFactor(novelty=True)
    compared["PCA"] = PcaError
    try:
        import pyod  # noqa: F401
    except ImportError:
        warnings.warn("PyOD is not installed; its arm is left out.", stacklevel=2)
    else:
        compared["PyOD AutoEncoder"] = lambda: PyodAutoEncoder(seed)
    return compared


# Runs --------------------------------------------------------------------------------------------


def found(detector: Any, is_outlier: NDArray) -> dict[str, float]:
    """Return precision and recall of the removed rows, where they are defined."""
    if not isinstance(detector, AEOutlierRemover):
        return {}
    removed = detector.removed_epoch_ > 0
    result = {"lost": removed[~is_outlier].mean()}
    if is_outlier.any():
        result["recall"] = removed[is_outlier].mean()
        if removed.any():
            result["precision"] = is_outlier[removed].mean()
    return result


def run(args: argparse.Namespace, done: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the lines that are not in the CSV yet; seed by seed, so that parts are balanced."""
    keys = set(done[KEY].itertuples(index=False, name=None))
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in args.sets:
            split = load(name, args.data, seed)
            for fraction in args.fractions:
                X, is_outlier, _ = contaminate(
                    split.inliers, split.outliers, fraction, random_state=seed
                )
                X_test = split.X_test
                if name == "breast":
                    scaler = StandardScaler().fit(X)
                    X, X_test = scaler.transform(X), scaler.transform(X_test)
                gammas = args.gammas if name in args.gamma_sets else []
                for arm, make in arms(split, seed, gammas).items():
                    if (name, fraction, seed, arm) in keys:
                        continue
                    start = time.perf_counter()
                    detector = make()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", OutlierRemovalWarning)
                        detector.fit(X)
                    yield {
                        "set": name,
                        "fraction": fraction,
                        "seed": seed,
                        "arm": arm,
                        "auroc": roc_auc_score(split.is_outlier, -detector.score_samples(X_test)),
                        **found(detector, is_outlier),
                        "seconds": time.perf_counter() - start,
                    }


def report(lines: pd.DataFrame) -> None:
    """Print a table for every set and share of outliers, and the mean gains over the sets."""
    plain = lines[lines["arm"] == BASELINE].set_index(["set", "fraction", "seed"])["auroc"]
    matching = pd.MultiIndex.from_frame(lines[["set", "fraction", "seed"]])
    lines = lines.assign(gain=lines["auroc"].to_numpy() - plain.reindex(matching).to_numpy())
    for name, part in lines.groupby("set", sort=False):
        print(f"\n{name} ({part['seed'].nunique()} seeds)")
        print(
            f"{'outliers':>8}  {'arm':<17}{'auroc':>6} {'sd':>5} {'gain':>6} {'sd':>5}"
            f"{'precision':>11} {'recall':>7} {'lost':>5}"
        )
        for (fraction, arm), cell in part.groupby(["fraction", "arm"], sort=False):
            numbers = [cell["auroc"].mean(), cell["auroc"].std()]
            gain = (
                "" if arm == BASELINE else f"{cell['gain'].mean():+6.3f} {cell['gain'].std():5.3f}"
            )
            line = f"{fraction:>8.0%}  {arm:<17}{numbers[0]:6.3f} {numbers[1]:5.3f} {gain:>12}"
            if arm != BASELINE and cell["lost"].notna().any():
                for column, width in (("precision", 11), ("recall", 8), ("lost", 6)):
                    share = cell[column].mean()
                    line += " " * width if np.isnan(share) else f"{share:>{width}.2f}"
            print(line)
    print("\nMean over the sets of the gain on the autoencoder without removal (worst set)")
    gains = lines[lines["arm"] != BASELINE].groupby(["arm", "fraction", "set"], sort=False)["gain"]
    for (arm, fraction), cell in gains.mean().groupby(["arm", "fraction"], sort=False):
        sets = cell.droplevel(["arm", "fraction"])
        print(
            f"{arm:<17} {fraction:>4.0%}: {sets.mean():+.3f} ({sets.idxmin()} {sets.min():+.3f}), "
            f"{len(sets)} sets"
        )


def compare_speed(rounds: int) -> None:
    """Print run times beside PyOD's with the same network, epochs and batches; one thread."""
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    from skrobust import DenseAutoencoder

    torch.set_num_threads(1)
    X = np.random.RandomState(0).rand(1000, 1024).astype(np.float32)
    print("1000 rows of 1024 numbers, 20 epochs; PyOD's time over ours, median of rounds (range)")
    for batch_size, (width, code) in ((32, (64, 32)), (128, (64, 32)), (32, (512, 128))):
        theirs = AutoEncoder(
            epoch_num=20,
            batch_size=batch_size,
            hidden_neuron_list=[width, code],
            batch_norm=False,
            dropout_rate=0,
            verbose=0,
            random_state=0,
        )
        ours = AEOutlierRemover(
            DenseAutoencoder,
            module__widths=(width,),
            module__latent_dim=code,
            restarts=(),
            max_epochs=20,
            batch_size=batch_size,
            random_state=0,
        )
        size = f"batch {batch_size}, units {width}-{code}"
        # scores of the training rows are part of fit on both sides
        report_ratio(f"{size:<24} fit  ", partial(theirs.fit, X), partial(ours.fit, X), rounds)
        score = partial(theirs.decision_function, X), partial(ours.score_samples, X)
        report_ratio(f"{size:<24} score", *score, 4 * rounds)


def report_ratio(name: str, theirs: Callable, ours: Callable, rounds: int) -> None:
    """Time two functions in turn and print the ratio."""
    from interleaved import ratio, time_interleaved

    seconds = time_interleaved({"theirs": theirs, "ours": ours}, rounds)
    print(f"{name} {ratio(seconds['theirs'], seconds['ours'])}")


def main() -> None:
    """Run what is missing, then print."""
    folder = os.environ.get("SKROBUST_DATA")
    parser = argparse.ArgumentParser(description="Outlier removal while training")
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--csv", type=Path, help="file to write to and to go on from")
    parser.add_argument("--sets", nargs="+", help="default: all but digits0")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0, 0.03, 0.06, 0.12, 0.3])
    parser.add_argument("--gammas", type=float, nargs="+", default=[1.3, 1.4, 1.5])
    parser.add_argument("--gamma-sets", nargs="+", default=["patches"], help="where to try gammas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--speed", action="store_true", help="run times beside PyOD instead")
    args = parser.parse_args()
    if args.speed:
        compare_speed(rounds=9)
        return
    if args.sets is None:
        args.sets = SKLEARN_SETS + (FILE_SETS if args.data else [])
    table = ResumableTable(args.csv, KEY, COLUMNS)
    for line in run(args, table.frame):
        table.add(**line)
    report(table.frame)


if __name__ == "__main__":
    main()
