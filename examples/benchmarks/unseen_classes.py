"""Classes that training never saw: enrolled from one to three patients, and found by similarity.

Three sets: scikit-learn's *digits* (6 of 10 classes train; every image counts as a patient),
*cheng*, tumour crops of MRI slices at 16 by 16 pixels (2 of 3 classes train), and *volumes*,
generated tumours (two thirds of the classes with 8 patients or more train). Half of the patients of
the classes that train are held out. Every seed draws classes, patients, weights and enrolments.

Compared are principal components of the pixels (50), the features of a network trained by cross
entropy (``TripletEmbedder(loss="cross_entropy")``: those below its last layer), the triplet
embedding, and the embedding by both losses. All networks are the same, as are their random affine
changes, epochs and batches.

Run: ``python examples/benchmarks/unseen_classes.py --csv unseen.csv --data DIR``, where DIR holds
``cheng_brain_tumour_roi64.npz`` (``SKROBUST_DATA`` serves as well; without it *cheng* is left out).
With ``--csv`` a run that was stopped resumes where it was, and a finished one only prints.

Read: ``unseen 1`` to ``unseen 3``, the recall of the unseen classes by the nearest of the centroids
of all classes, where an unseen one is the mean of the rows of so many enrolled patients (mean of 10
draws), ``seen 3``, the recall of the others then, and ``retrieved``: the share of the right class
among the 5 rows nearest to a row of an unseen class, with all held-out rows of other patients to
choose from. Mean and standard deviation over the seeds, and the paired difference from the features
of cross entropy.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from resumable import ResumableTable
from sklearn.base import TransformerMixin
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrobust import TripletEmbedder, class_recall_score, make_tumour_volumes, retrieve_neighbors

EPOCHS, MOST_TEST, N_DRAWS = 30, 800, 10
N_PATIENTS = (1, 2, 3)
CROSS = "cross entropy"
KEY = ["set", "seed", "arm"]
SCORES = [*(f"unseen {n}" for n in N_PATIENTS), "seen 3", "retrieved"]


class Split(NamedTuple):
    """Training rows of the seen classes, held-out rows of all classes, and the unseen classes."""

    X: NDArray
    y: NDArray
    X_test: NDArray
    y_test: NDArray
    groups_test: NDArray
    unseen: NDArray


def load(name: str, seed: int, folder: Path | None) -> tuple[NDArray, NDArray, NDArray, int]:
    """Return rows, labels and patients of a set, and the number of classes that are not trained."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return X.reshape(-1, 1, 8, 8).astype(np.float32) / 16, y, np.arange(len(X)), 4
    if name == "cheng":
        with np.load(folder / "cheng_brain_tumour_roi64.npz", allow_pickle=False) as data:
            X = data["X"].reshape(-1, 1, 16, 4, 16, 4).mean((3, 5)).astype(np.float32) / 255
            return X, data["y"], data["groups"], 1
    data = make_tumour_volumes(1200, n_unlabeled=0, size=(6, 16, 16), random_state=seed)
    X, y, groups = data.data, data.target, data.groups
    patients = pd.Series(groups).groupby(y).nunique()
    often = np.isin(y, patients.index[patients >= 8])
    return X[often], y[often], groups[often], len(np.unique(y[often])) // 3


def split(name: str, seed: int, folder: Path | None) -> Split:
    """Return a draw of unseen classes and of patients."""
    X, y, groups, n_unseen = load(name, seed, folder)
    rng = np.random.RandomState(seed)
    unseen = np.sort(rng.permutation(np.unique(y))[:n_unseen])
    patients = np.unique(groups[~np.isin(y, unseen)])
    train = np.isin(groups, rng.permutation(patients)[: len(patients) // 2]) & ~np.isin(y, unseen)
    test = np.flatnonzero(~np.isin(groups, groups[train]))
    test = rng.permutation(test)[:MOST_TEST]
    return Split(X[train], y[train], X[test], y[test], groups[test], unseen)


def arms(seed: int) -> dict[str, TransformerMixin]:
    """Return what is compared."""
    shared = {"max_epochs": EPOCHS, "module__width": 8, "random_state": seed}
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    return {
        "principal components": make_pipeline(flat, PCA(50, random_state=seed)),
        CROSS: TripletEmbedder(loss="cross_entropy", **shared),
        "triplets": TripletEmbedder(**shared),
        "triplets and cross entropy": TripletEmbedder(cross_entropy_weight=1.0, **shared),
    }


def scores(embedder: TransformerMixin, data: Split, seed: int) -> dict[str, float]:
    """Return the scores of a fitted embedding."""
    train, test = embedder.transform(data.X), embedder.transform(data.X_test)
    is_unseen = np.isin(data.y_test, data.unseen)
    found = retrieve_neighbors(
        test[is_unseen], test, data.y_test, 5,
        groups_query=data.groups_test[is_unseen], groups_labelled=data.groups_test,
    )  # fmt: skip
    result = {"retrieved": (found.labels == data.y_test[is_unseen][:, None]).mean()}
    seen = np.unique(data.y)
    centroids = [train[data.y == c].mean(0) for c in seen]
    drawn: dict[str, list[float]] = {}
    for draw in range(N_DRAWS):
        rng = np.random.RandomState(1000 * seed + draw)
        order = {
            c: rng.permutation(np.unique(data.groups_test[data.y_test == c])) for c in data.unseen
        }
        for n in N_PATIENTS:
            enrolled = {
                c: (data.y_test == c) & np.isin(data.groups_test, order[c][:n]) for c in order
            }
            all_centroids = centroids + [test[rows].mean(0) for rows in enrolled.values()]
            rest = ~np.any([*enrolled.values()], axis=0)
            nearest = pairwise_distances_argmin(test[rest], np.array(all_centroids))
            predicted = np.concatenate([seen, data.unseen])[nearest]
            for of, classes in (("unseen", data.unseen), ("seen", seen)):
                recall = class_recall_score(data.y_test[rest], predicted, classes=classes)
                drawn.setdefault(f"{of} {n}", []).append(recall)
    return {**result, **{name: np.mean(values) for name, values in drawn.items()}}


def report(lines: pd.DataFrame) -> None:
    """Print a table for every set."""
    for name, part in lines.groupby("set", sort=False):
        print(f"\n{name}, {part['seed'].nunique()} seeds")
        print(f"{'embedding':<28}" + "".join(f"{score:>26}" for score in SCORES))
        wide = part.set_index(["arm", "seed"])[SCORES]
        for arm in dict.fromkeys(part["arm"]):
            own, change = wide.loc[arm], wide.loc[arm] - wide.loc[CROSS]
            cells = [
                f"{own[s].mean():.3f} ± {own[s].std():.3f} ({change[s].mean():+.3f})"
                for s in SCORES
            ]
            print(f"{arm:<28}" + "".join(f"{cell:>26}" for cell in cells))
            if arm != CROSS:
                spread = [f"± {change[s].std():.3f}" for s in SCORES]
                print(f"{'':<28}" + "".join(f"{cell:>26}" for cell in spread))


def main() -> None:
    """Run what is missing, then print all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="number of repeats")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    table = ResumableTable(args.csv, KEY, [*KEY, *SCORES])
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in ["digits", *(["cheng"] if args.data else []), "volumes"]:
            data = split(name, seed, args.data)
            for arm, embedder in arms(seed).items():
                if not table.has(name, seed, arm):
                    result = scores(embedder.fit(data.X, data.y), data, seed)
                    result = {score: round(float(result[score]), 4) for score in SCORES}
                    table.add(set=name, seed=seed, arm=arm, **result)
    report(table.frame)


if __name__ == "__main__":
    main()
