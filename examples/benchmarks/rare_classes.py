"""Rare classes: embeddings and nearest rows against cross entropy, as in the paper's Table 2.

Three long-tailed sets. *digits*: scikit-learn's digits, thinned to 80 down to 3 training rows per
class in an order drawn by each seed; the last four classes are rare; the removed rows are the
unlabelled pool, the other half of the digits is the test set. *cheng*: tumour crops of
MRI slices at 32 x 32, thinned to 30, 10 and 3 patients with at most 8 slices each; the last class
is rare. *volumes*: generated tumours of 27 classes, 13 of them rare (``make_tumour_volumes``). No
patient is on both sides of a split.

All methods have the same small network and number of steps, 100 epochs (volumes: 60) of batches of
32, and a learning rate that falls from 0.003 to zero along half a cosine, unless noted. "balanced"
are class-balanced batches, "augmented" are random affine changes of all rows. "paper" methods have
the paper's loss, margin, dimension, natural batches, augmentation of rare classes (5 copies),
pretraining (SGD) and a constant learning rate, but this network and these epochs.

Run: ``python examples/benchmarks/rare_classes.py --csv rare_classes.csv --data DIR``, where DIR
holds ``cheng_brain_tumour_roi64.npz`` (``SKROBUST_DATA`` serves as well; without it *cheng* is left
out). With ``--csv`` a run that was stopped resumes where it was, and a finished one only prints.

Read: recall over all test rows (micro), mean over the classes (macro), mean over the rare classes
(rare), and whether one of the 5 nearest training rows has the right class (rank5; embeddings only);
mean and standard deviation over the seeds. Below, the paired differences.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from resumable import ResumableTable
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from skorch.callbacks import LRScheduler

from skrobust import (
    ClassWeightedKNeighborsClassifier,
    NetClassifier,
    RandomAugmentation,
    TripletEmbedder,
    class_recall_score,
    make_tumour_volumes,
    rank_k_accuracy_score,
    retrieve_neighbors,
)
from skrobust.neural.splits import validation_split

KEY = ["set", "seed", "arm", "readout"]
SCORES = ["micro", "macro", "rare", "rank5"]
READOUTS = {
    "kNN(7)": lambda: KNeighborsClassifier(7),
    "centroid": NearestCentroid,
    "weighted kNN(7)": ClassWeightedKNeighborsClassifier,
}
DEFAULT = "batch-all (default)"
NATURAL, STRONG = "cross entropy", "cross entropy, balanced, augmented"
PAIRS = [
    ((DEFAULT, "centroid"), (NATURAL, "argmax")),
    ((DEFAULT, "centroid"), (STRONG, "argmax")),
    ((DEFAULT, "centroid"), ("cross entropy, balanced, augmented, lr 0.001", "argmax")),
    ((DEFAULT, "centroid"), (DEFAULT, "kNN(7)")),
    ((DEFAULT, "weighted kNN(7)"), (DEFAULT, "kNN(7)")),
    ((DEFAULT, "centroid"), ("batch-all, natural batches", "centroid")),
    ((DEFAULT, "centroid"), ("batch-all, not augmented", "centroid")),
    ((DEFAULT, "centroid"), ("embedding by cross entropy", "centroid")),
    ((DEFAULT, "centroid"), ("paper: pretrained, rare augmented", "kNN(7)")),
]


class Split(NamedTuple):
    """Training rows, test rows, rows without label, rare classes, and patients if there are any."""

    X: NDArray
    y: NDArray
    X_test: NDArray
    y_test: NDArray
    X_unlabeled: NDArray
    rare: NDArray
    groups: NDArray | None = None
    groups_test: NDArray | None = None


# Data --------------------------------------------------------------------------------------------


def digits(seed: int) -> Split:
    """Return digits with 80 down to 3 rows per class; class 0 is the most frequent."""
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 1, 8, 8) / 16
    rng = np.random.RandomState(seed)
    y = rng.permutation(10)[y]
    train, test = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=seed)
    sizes = np.geomspace(80, 3, 10).round().astype(int)
    kept = [rng.permutation(train[y[train] == c])[: sizes[c]] for c in range(10)]
    kept = np.concatenate(kept)
    dropped = np.setdiff1d(train, kept)
    return Split(X[kept], y[kept], X[test], y[test], X[dropped], np.arange(6, 10))


def cheng(seed: int, folder: Path) -> Split:
    """Return tumour crops of 30, 10 and 3 patients per class, at most 8 slices of each."""
    with np.load(folder / "cheng_brain_tumour_roi64.npz", allow_pickle=False) as data:
        X, y, patient = data["X"], data["y"], data["groups"]
    X = X.reshape(-1, 1, 32, 2, 32, 2).mean((3, 5)).astype(np.float32) / 255
    rng = np.random.RandomState(seed)
    y = rng.permutation(3)[y]
    train, test = validation_split(y, 0.5, patient, seed)
    kept = []
    for code, n_patients in enumerate((30, 10, 3)):
        own = train[y[train] == code]
        for one in rng.permutation(np.unique(patient[own]))[:n_patients]:
            kept.append(rng.permutation(own[patient[own] == one])[:8])
    kept = np.concatenate(kept)
    dropped = rng.permutation(np.setdiff1d(train, kept))[:600]
    rows = X[kept], y[kept], X[test], y[test], X[dropped]
    return Split(*rows, np.array([2]), patient[kept], patient[test])


def volumes(seed: int) -> Split:
    """Return generated tumours of 27 classes, half of them to train on."""
    data = make_tumour_volumes(1200, n_unlabeled=600, size=(6, 16, 16), random_state=seed)
    train, test = validation_split(data.target, 0.5, data.groups, seed, keep_rare=True)
    X, y = data.data, data.target
    return Split(X[train], y[train], X[test], y[test], data.data_unlabeled, data.rare_classes)


def load(name: str, seed: int, folder: Path | None) -> Split:
    """Return a set."""
    return (
        cheng(seed, folder)
        if name == "cheng"
        else {"digits": digits, "volumes": volumes}[name](seed)
    )


# Arms --------------------------------------------------------------------------------------------


def arms(name: str, seed: int) -> dict[str, BaseEstimator]:
    """Return what is compared."""
    shared = {"max_epochs": 60 if name == "volumes" else 100, "random_state": seed}
    schedule = LRScheduler("CosineAnnealingLR", T_max=shared["max_epochs"])

    def net(**params: Any) -> NetClassifier:
        return NetClassifier(**shared, **{"lr": 3e-3, "callbacks": [schedule]} | params)

    def embedder(**params: Any) -> TripletEmbedder:
        return TripletEmbedder(**shared, **params)

    # a mirrored digit is no digit
    change = RandomAugmentation(
        **{**RandomAugmentation.paper_params, **({"flip": ()} if name == "digits" else {})}
    )
    ours = set(shared) | {name for name in TripletEmbedder.paper_params if "module" in name}
    paper = {k: v for k, v in TripletEmbedder.paper_params.items() if k not in ours}
    paper |= {"augment": change, "validation_fraction": None}
    plain = {"pretrain": None, "augment_rows": None}
    cross = {**paper, "loss": "cross_entropy"}
    return {
        NATURAL: net(),
        "cross entropy, logit-adjusted": net(logit_adjustment=1.0),
        "cross entropy, balanced": net(balanced_batches=True),
        "cross entropy, augmented": net(augment="affine"),
        STRONG: net(balanced_batches=True, augment="affine"),
        "cross entropy, balanced, augmented, lr 0.001": net(
            balanced_batches=True, augment="affine", lr=1e-3, callbacks=None
        ),
        "cross entropy, logit-adjusted, augmented": net(logit_adjustment=1.0, augment="affine"),
        DEFAULT: embedder(),
        "batch-hard": embedder(loss="batch_hard"),
        "embedding by cross entropy": embedder(loss="cross_entropy"),
        "embedding by interval loss": embedder(loss="interval", margin=1.0),
        "batch-all, natural batches": embedder(samples_per_class=None),
        "batch-all, not augmented": embedder(augment_rows=None),
        "batch-all, rare augmented": embedder(augment_rows="rare", rare_threshold=0.05),
        "batch-all, margin 0.5": embedder(margin=0.5),
        "batch-all, pretrained by NT-Xent": embedder(pretrain="nt_xent"),
        "batch-all, pretrained by batch-all": embedder(pretrain="batch_all"),
        "paper: cross entropy": embedder(**{**cross, **plain}),
        "paper: cross entropy, pretrained by NT-Xent": embedder(
            **{**cross, **plain, "pretrain": "nt_xent"}
        ),
        "paper: batch-hard": embedder(**{**paper, **plain}),
        "paper: rare augmented": embedder(**{**paper, "pretrain": None, "rare_threshold": 0.05}),
        "paper: pretrained": embedder(**{**paper, "augment_rows": None}),
        "paper: pretrained, rare augmented": embedder(**{**paper, "rare_threshold": 0.05}),
    }


# Runs --------------------------------------------------------------------------------------------


def run_arm(model: BaseEstimator, data: Split) -> Iterator[tuple[str, dict[str, float]]]:
    """Fit a model and yield the scores of every way to read a class from it."""
    if isinstance(model, NetClassifier):
        yield "argmax", scores(data, model.fit(data.X, data.y).predict(data.X_test))
        return
    model.fit(data.X, data.y, X_unlabeled=data.X_unlabeled)
    train, test = model.transform(data.X), model.transform(data.X_test)
    nearest = retrieve_neighbors(test, train, data.y, 5).labels
    rank5 = rank_k_accuracy_score(data.y_test, nearest, 5)
    for readout, make in READOUTS.items():
        predicted = make().fit(train, data.y).predict(test)
        yield readout, scores(data, predicted) | {"rank5": rank5}


def scores(data: Split, predicted: NDArray) -> dict[str, float]:
    """Return the recalls."""
    return {
        "micro": class_recall_score(data.y_test, predicted, average="micro"),
        "macro": class_recall_score(data.y_test, predicted),
        "rare": class_recall_score(data.y_test, predicted, classes=data.rare),
    }


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Add what the table lacks, seed by seed."""
    for name in args.sets:
        for seed in range(args.seeds):
            data = load(name, seed, args.data)
            for arm, model in arms(name, seed).items():
                last = "argmax" if isinstance(model, NetClassifier) else [*READOUTS][-1]
                left_out = args.arms is not None and arm not in args.arms
                if left_out or table.has(name, seed, arm, last):
                    continue
                start = time.perf_counter()
                for readout, result in list(run_arm(model, data)):
                    seconds = round(time.perf_counter() - start, 1)
                    result = {score: result.get(score, np.nan) for score in SCORES}
                    table.add(
                        set=name, seed=seed, arm=arm, readout=readout, seconds=seconds, **result
                    )


# Tables ------------------------------------------------------------------------------------------


def report(lines: pd.DataFrame) -> None:
    """Print a table and the paired differences for every set."""
    for name, part in lines.groupby("set", sort=False):
        print(f"\n{name}, {part['seed'].nunique()} seeds")
        print(f"{'arm':<44} {'read by':<16}" + "".join(f"{score:>14}" for score in SCORES))
        by_arm = part.groupby(["arm", "readout"], sort=False)[SCORES]
        for (arm, readout), mean in by_arm.mean().iterrows():
            sd = by_arm.std().loc[(arm, readout)]
            cells = [
                "" if np.isnan(mean[score]) else f"{mean[score]:.3f} ±{sd[score]:.3f}"
                for score in SCORES
            ]
            print(f"{arm:<44} {readout:<16}" + "".join(f"{cell:>14}" for cell in cells))
        by_run = part.set_index(["arm", "readout", "seed"])[SCORES[:3]]
        print("\npaired differences (mean ± sd over the seeds)")
        for ours, theirs in PAIRS:
            if ours in by_arm.groups and theirs in by_arm.groups:
                change = (by_run.loc[ours] - by_run.loc[theirs]).agg(["mean", "std"])
                cells = [f"{s} {change.at['mean', s]:+.3f} ±{change.at['std', s]:.3f}"
                         for s in SCORES[:3]]  # fmt: skip
                print(f"{' by '.join(ours)}\n    minus {' by '.join(theirs)}: {', '.join(cells)}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    names = ["digits", "cheng", "volumes"]
    parser.add_argument("--sets", nargs="+", choices=names)
    parser.add_argument("--arms", nargs="+", help="run these arms only; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="number of repeats")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    if args.sets is None:
        args.sets = [name for name in names if name != "cheng" or args.data is not None]
    elif "cheng" in args.sets and args.data is None:
        parser.error("the set cheng needs --data DIR or SKROBUST_DATA")
    return args


def main() -> None:
    """Run what is missing, then print all."""
    args = parse()
    # the paper's batch-hard collapses now and then, which its scores show
    warnings.simplefilter("ignore", ConvergenceWarning)
    table = ResumableTable(args.csv, KEY, [*KEY, *SCORES, "seconds"])
    run(args, table)
    lines = table.frame
    report(lines[lines["set"].isin(args.sets)])
    minutes = lines.groupby(KEY[:3])["seconds"].max().sum() / 60
    print(f"\n{minutes:.1f} minutes of fitting in all")


if __name__ == "__main__":
    main()
