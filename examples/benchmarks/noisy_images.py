"""Training on noisy brain images: the comparison of the influence paper at a smaller scale.

The paper's data (three kinds of brain tumour, T1-weighted slices, here at 64 by 64 pixels) and
its design: 75% of the patients train, 5% validate, 20% test; every training image is noisy,
Gaussian or Rician, the validation images are clean, and half of the test images are noisy. Its
network of five convolutions, a quarter as wide, with random mirroring. The methods are

- the network as it is ("naive"), and once more with another seed: the noise of a single run;
- naive with the clean validation images added to the training images;
- adversarial training, and denoising by Noise2Void before training (the test images denoised too);
- reweighting (ISR) and perturbing (ISP) by influence on the clean validation images: the paper's
  settings with an exact solver, and for ISP also the bounded step that is the default here.

Every method trains for the same number of epochs, with the same learning rates. Each seed draws its
own split, noise and weights.

Run: ``python examples/benchmarks/noisy_images.py --data DIR --csv noisy_images.csv``, where DIR
holds ``cheng_brain_tumour_64.npz`` (arrays ``X``, ``y``, ``groups``); the environment variable
SKROBUST_DATA serves as well. With ``--csv`` a run that was stopped resumes where it was, and a
finished one only prints.

Read: test accuracy, mean and standard deviation over the seeds, with half of the test images
noisy (as in the paper), none, and all; ``gain`` is the paired difference from naive at one half.
A gain below that of "naive, other seed" in size is noise.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from resumable import ResumableTable
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from skrobust import (
    AdversarialNetClassifier,
    ConvNet,
    InfluencePerturber,
    InfluenceReweighter,
    NetClassifier,
    Noise2VoidDenoiser,
    add_gaussian_noise,
    add_rician_noise,
)
from skrobust.neural import RandomAugmentation

NOISE = {"gaussian": add_gaussian_noise, "rician": add_rician_noise}
SCALE = 0.1  # standard deviation of the noise; the images lie between 0 and 1
NAIVE = "naive"
KEY = ["noise", "seed", "arm"]
SCORES = ["half noisy", "clean", "all noisy"]
COLUMNS = [*KEY, *SCORES, "seconds"]


def load(folder: Path) -> tuple[NDArray, NDArray, NDArray]:
    """Return images with a channel axis between 0 and 1, labels and patients."""
    with np.load(folder / "cheng_brain_tumour_64.npz", allow_pickle=False) as data:
        return data["X"][:, None].astype(np.float32) / 255, data["y"], data["groups"]


def split_patients(
    y: NDArray, groups: NDArray, shares: tuple[float, float], seed: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Return training, validation and test rows; patients are drawn stratified by class.

    Parameters
    ----------
    y, groups : ndarray of shape (n_samples,)
        Labels and patients.
    shares : tuple of float
        Shares of the patients to validate and to test on.
    seed : int
        Seed of the draw.
    """
    patients, first = np.unique(groups, return_index=True)
    rest, test = train_test_split(
        patients, test_size=shares[1], stratify=y[first], random_state=seed
    )
    kind = y[first][np.searchsorted(patients, rest)]
    train, valid = train_test_split(
        rest, test_size=shares[0] / (1 - shares[1]), stratify=kind, random_state=seed
    )
    return tuple(np.flatnonzero(np.isin(groups, part)) for part in (train, valid, test))


def network(args: argparse.Namespace, seed: int, kind=NetClassifier, **params) -> NetClassifier:
    """Return the paper's network, its width and epochs set by the command line.

    The learning rate falls to zero twice, at half time and at the end: a constant one leaves the
    result to the last few batches, and the methods restart at half time.
    """
    schedule = LRScheduler(CosineAnnealingWarmRestarts, T_0=args.epochs // 2)
    return kind(
        ConvNet,
        module__width=args.width,
        max_epochs=args.epochs,
        lr=args.lr,
        augment=RandomAugmentation(flip=(-1,)),
        precision=args.precision,
        callbacks=[schedule],
        random_state=seed,
        **params,
    )


def arms(args: argparse.Namespace, seed: int) -> dict[str, Callable[[], BaseEstimator]]:
    """Return what builds the estimators that are compared."""
    warmup = args.epochs // 2

    def isr(**params) -> InfluenceReweighter:
        return InfluenceReweighter(network(args, seed), warmup_epochs=warmup, **params)

    def isp(**params) -> InfluencePerturber:
        return InfluencePerturber(network(args, seed), warmup_epochs=warmup, **params)

    return {
        NAIVE: lambda: network(args, seed),
        "naive, other seed": lambda: network(args, 1000 + seed),
        "naive, validation rows added": lambda: network(args, seed),
        "adversarial": lambda: network(args, seed, AdversarialNetClassifier),
        "Noise2Void": lambda: make_pipeline(
            Noise2VoidDenoiser(
                max_epochs=max(1, args.epochs // 4),
                module__width=8,
                precision=args.precision,
                random_state=seed,
            ),
            network(args, seed),
        ),
        "ISR": isr,
        "ISP, raw gradient": lambda: isp(step=None),
        "ISP": isp,
    }


def run_arm(arm, estimator, images, y, parts, noisy) -> dict[str, float]:
    """Fit one arm and return its scores."""
    train, valid, test = parts
    X, labels = noisy[train], y[train]
    passed = {}
    if arm.startswith("IS"):
        passed = {"X_val": images[valid], "y_val": y[valid]}
    elif arm.endswith("added"):
        X, labels = np.concatenate([X, images[valid]]), np.concatenate([labels, y[valid]])
    start = time.perf_counter()
    estimator.fit(X, labels, **passed)
    seconds = time.perf_counter() - start
    right = {
        "clean": estimator.predict(images[test]) == y[test],
        "all noisy": estimator.predict(noisy[test]) == y[test],
    }
    # the same half of the test images is noisy for all arms of a seed
    half = np.random.RandomState(len(test)).rand(len(test)) < 0.5
    right["half noisy"] = np.where(half, right["all noisy"], right["clean"])
    return {name: hits.mean() for name, hits in right.items()} | {"seconds": seconds}


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Run what is missing, seed by seed."""
    images, y, groups = load(args.data)
    for seed in range(args.seeds):
        parts = split_patients(y, groups, (0.05, 0.2), seed)
        for noise in args.noise:
            missing = {a: b for a, b in arms(args, seed).items() if not table.has(noise, seed, a)}
            if not missing:
                continue
            noisy = NOISE[noise](images, SCALE, random_state=seed)
            for arm, build in missing.items():
                scores = run_arm(arm, build(), images, y, parts, noisy)
                table.add(noise=noise, seed=seed, arm=arm, **scores)


def report(lines: pd.DataFrame) -> None:
    """Print a table for every kind of noise."""
    for noise, part in lines.groupby("noise", sort=False):
        wide = part.pivot(index="seed", columns="arm", values=SCORES)
        print(f"\n{noise} noise, {len(wide)} seeds")
        print(f"{'arm':<30}" + "".join(f"{name:>15}" for name in SCORES) + f"{'gain':>16}")
        for arm in part["arm"].unique():
            shown = [wide[name, arm].dropna() for name in SCORES]
            gain = (wide["half noisy", arm] - wide["half noisy", NAIVE]).dropna()
            cells = "".join(f"{s.mean():>7.3f} ± {s.std():.3f}" for s in shown)
            last = "" if arm == NAIVE else f"{gain.mean():>+8.3f} ± {gain.std():.3f}"
            print(f"{arm:<30}{cells}{last}")
    print(f"\n{lines['seconds'].sum() / 60:.1f} minutes of fitting in all")


def parser_of_study(description: str) -> argparse.ArgumentParser:
    """Return the options that the studies on these images share."""
    parser = argparse.ArgumentParser(description=description)
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--width", type=int, default=8, help="the paper's network has 32")
    parser.add_argument("--epochs", type=int, default=12, help="the paper trains for 40")
    parser.add_argument("--lr", type=float, default=0.003, help="the paper has 0.01, constant")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    return parser


def main() -> None:
    """Run what is missing, then print all."""
    parser = parser_of_study(__doc__.splitlines()[0])
    parser.add_argument("--noise", nargs="+", choices=list(NOISE), default=list(NOISE))
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data DIR or set SKROBUST_DATA")
    warnings.filterwarnings("error", message=".*nan.*")
    table = ResumableTable(args.csv, KEY, COLUMNS)
    run(args, table)
    report(table.frame)


if __name__ == "__main__":
    main()
