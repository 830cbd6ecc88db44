"""Mislabelled patients and mislabelled rows: what label quality recovers on real data.

Two public data sets, as tables of 50 principal components: brain tumour slices (glioma
against meningioma, gradient orientations) and Raman spectra of saliva (COVID-19 against control,
first derivative). Of the training labels 30% are made wrong, whole patients or single rows; the
test labels stay clean, and no patient is on both sides of a split. Three learners are fitted on
all rows, on the rows that a distiller keeps, or on all rows with soft weights, on the same splits.
The regularisation of the linear model and the support vector machine is tuned for every method,
including the baseline, on the noisy training labels; the network is trained long enough to memorise
wrong labels.

Run: ``python examples/benchmarks/label_noise.py --data DIR --csv label_noise.csv``, where DIR
holds ``cheng_brain_tumour_64.npz`` and ``raman_saliva_covid.npz`` (arrays ``X``, ``y``, ``groups``
and ``class_names``); the environment variable SKROBUST_DATA serves as well. With ``--csv`` a run
that was stopped resumes where it was, and a finished one only prints. ``--quick`` takes one seed
and two folds of it.

Read: ``auc`` is the mean test AUC of the rows with its standard deviation over the splits;
``gain`` is the paired difference from "all rows" and ``p`` its corrected resampled t-test. "mix"
minus "group .5" is what mixing adds. ``kept`` is the share of rows the learner sees. Of the
mislabelled rows, ``doubted`` is the share in ``noisy_indices_`` and ``dropped`` the share not kept;
the precisions are the shares of these rows that are indeed mislabelled. "oracle" leaves out
exactly the mislabelled rows; a gain above its gain means that doubtful rows were dropped that
were never flipped.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from resumable import ResumableTable
from scipy.signal import savgol_filter
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import (
    MLP,
    CertainSamples,
    DistillationWarning,
    DistillMixAugmenter,
    EarlyLabelQuality,
    LabelQualityReweighter,
    NetClassifier,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    flip_labels,
    summarize_comparison,
)

NOISE, N_FOLDS = 0.3, 5
BASELINE, ORACLE = "all rows", "oracle"
KEY = ["set", "learner", "corruption", "seed", "fold", "arm"]
FOUND = ["kept", "doubted", "doubted_precision", "dropped", "dropped_precision"]
COLUMNS = [*KEY, "auc", "n_train", "n_test", *FOUND, "seconds"]


# Data --------------------------------------------------------------------------------------------


def orientation_histograms(images: NDArray) -> NDArray:
    """Return 8 unsigned gradient orientations in 8x8 cells, every cell of unit length."""
    images = images.astype(np.float32)
    dy, dx = np.gradient(images, axis=(1, 2))
    strength = np.hypot(dx, dy)
    orientation = np.floor(np.mod(np.arctan2(dy, dx), np.pi) / np.pi * 8).astype(int) % 8
    n, size = len(images), images.shape[1] // 8
    cells = np.empty((n, 8, 8, 8), dtype=np.float32)
    for k in range(8):
        votes = np.where(orientation == k, strength, 0)
        cells[..., k] = votes.reshape(n, 8, size, 8, size).sum((2, 4))
    # cell by cell: the tumour's faint edges count as much as those of the skull
    cells /= np.linalg.norm(cells, axis=3, keepdims=True).clip(1)
    return cells.reshape(n, -1)


def derivative_spectra(spectra: NDArray) -> NDArray:
    """Return the smoothed first derivative, every fourth point, on a common scale."""
    slopes = savgol_filter(spectra, window_length=21, polyorder=3, deriv=1, axis=1)[:, ::4]
    return slopes / np.abs(slopes).mean(1, keepdims=True)


def load(folder: Path, name: str) -> tuple[NDArray, NDArray, NDArray]:
    """Return features, labels 0 and 1, and patients of the two classes of a set."""
    file, features, negative, positive = {
        "cheng": ("cheng_brain_tumour_64.npz", orientation_histograms, "meningioma", "glioma"),
        "raman": ("raman_saliva_covid.npz", derivative_spectra, "CTRL", "COV+"),
    }[name]
    with np.load(folder / file, allow_pickle=False) as data:
        label = data["class_names"][data["y"]]
        rows = np.isin(label, [negative, positive])
        y = (label[rows] == positive).astype(int)
        return features(data["X"][rows]), y, data["groups"][rows]


# Learners and arms -------------------------------------------------------------------------------


def mlp(max_epochs: int, seed: int) -> NetClassifier:
    """Return a small network for principal components."""
    return NetClassifier(MLP, max_epochs=max_epochs, module__width=64, random_state=seed)


def learner(name: str, seed: int) -> tuple[BaseEstimator, dict[str, list[float]]]:
    """Return a learner and the grid it is tuned over; the network is not tuned."""
    return {
        "logistic": (LogisticRegression(max_iter=2000), {"C": [0.01, 0.1, 1]}),
        "svc": (SVC(), {"C": [0.1, 1, 10]}),
        "net": (mlp(60, seed), {}),
    }[name]


class CleanlabRows(BaseEstimator):
    """cleanlab as a distiller: rows that are no label issue. Its folds do not know of patients."""

    def __init__(self, estimator: BaseEstimator, random_state: int | None = None):
        self.estimator = estimator
        self.random_state = random_state

    def fit(self, X: NDArray, y: NDArray, groups: NDArray | None = None) -> CleanlabRows:
        """Find label issues."""
        from cleanlab.classification import CleanLearning

        finder = CleanLearning(self.estimator, seed=self.random_state, verbose=False)
        issues = finder.find_label_issues(X, y)
        self.quality_ = issues["label_quality"].to_numpy()
        self.kept_ = ~issues["is_label_issue"].to_numpy()
        self.noisy_indices_ = np.flatnonzero(~self.kept_)
        return self


def arms(base: BaseEstimator, seed: int, memory: str) -> dict[str, BaseEstimator]:
    """Return the classifiers that are compared, around the same base.

    The memory scores the labels once for all of them, and once for a whole grid.
    """
    cheap = LogisticRegression(C=0.1, max_iter=2000)

    def out_of_fold(level: str, keep: float = 0.7) -> OutOfFoldLabelQuality:
        return OutOfFoldLabelQuality(
            cheap, level=level, keep=keep, memory=memory, random_state=seed
        )

    def select(distiller: Any, **mixing: Any) -> ResamplingClassifier:
        sampler = DistillMixAugmenter(distiller, random_state=seed, **{"strategy": None} | mixing)
        return ResamplingClassifier(sampler, base)

    compared = {
        BASELINE: base,
        ORACLE: base,
        "certain .99 (paper)": select(
            CertainSamples(mlp(5, seed), memory=memory, **CertainSamples.paper_params)
        ),
        "early row .7": select(EarlyLabelQuality(mlp(3, seed), memory=memory)),
        "row .7": select(out_of_fold("row")),
        "group .7": select(out_of_fold("group")),
        "group .5": select(out_of_fold("group", 0.5)),
        "group .5, mix .2": select(out_of_fold("group", 0.5), strategy="both", alpha=0.2, factor=3),
        "weights row": LabelQualityReweighter(base, out_of_fold("row"), veto=False),
        "weights group": LabelQualityReweighter(base, out_of_fold("group"), veto=False),
    }
    try:
        import cleanlab  # noqa: F401
    except ImportError:
        warnings.warn("cleanlab is not installed; its arm is left out.", stacklevel=2)
    else:
        compared["cleanlab"] = select(CleanlabRows(cheap, seed))
    return compared


def tuned(model: BaseEstimator, grid: dict[str, list[float]], seed: int) -> BaseEstimator:
    """Return the model, searched over the grid of its innermost estimator."""
    if not grid:
        return model
    nested = isinstance(model, (ResamplingClassifier, LabelQualityReweighter))
    inner = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
    grid = {f"estimator__{name}" if nested else name: values for name, values in grid.items()}
    return GridSearchCV(model, grid, cv=inner, scoring="roc_auc")


# Runs --------------------------------------------------------------------------------------------


def corrupt(y: NDArray, groups: NDArray, corruption: str, seed: int) -> NDArray:
    """Return the training labels, 30% of the patients or of the rows mislabelled."""
    if corruption == "clean":
        return y
    by = groups if corruption == "patients" else None
    return flip_labels(y, NOISE, groups=by, random_state=seed)[0]


def found(model: BaseEstimator, wrong: NDArray) -> dict[str, float]:
    """Return how much of the mislabelling the distiller found; nothing where there is none."""
    model = getattr(model, "best_estimator_", model)
    distiller = getattr(getattr(model, "sampler_", model), "distiller_", None)
    if distiller is None:
        return {}
    doubted = np.zeros(len(wrong), dtype=bool)
    doubted[distiller.noisy_indices_] = True
    result = shares("doubted", doubted, wrong)
    if isinstance(model, LabelQualityReweighter):
        return result | {"kept": 1.0}
    return result | shares("dropped", ~distiller.kept_, wrong) | {"kept": distiller.kept_.mean()}


def shares(name: str, chosen: NDArray, wrong: NDArray) -> dict[str, float]:
    """Return recall and precision, where they are defined."""
    both = float((chosen & wrong).sum())
    recall = {name: both / wrong.sum()} if wrong.any() else {}
    precision = {f"{name}_precision": both / chosen.sum()} if chosen.any() and wrong.any() else {}
    return recall | precision


def run_fold(
    X: NDArray,
    y: NDArray,
    groups: NDArray,
    split: tuple[NDArray, NDArray],
    corruption: str,
    seeds: tuple[int, int],
    learners: list[str],
    memory: str,
    is_done: Callable[[str, str], bool],
) -> Iterator[dict[str, Any]]:
    """Fit and score every arm of every learner that is not done; yield its line of the CSV."""
    train, test = split
    seed, fold = seeds
    given = corrupt(y[train], groups[train], corruption, 1000 * seed + fold)
    wrong = given != y[train]
    # the features are learnt without labels, once per training fold and for all arms alike
    features = make_pipeline(StandardScaler(), PCA(50, random_state=0))
    X_train, X_test = features.fit_transform(X[train]), features.transform(X[test])
    for name in learners:
        base, grid = learner(name, seed)
        for arm, model in arms(base, seed, memory).items():
            if is_done(name, arm) or (arm == ORACLE and corruption == "clean"):
                continue
            rows = np.flatnonzero(~wrong) if arm == ORACLE else np.arange(len(train))
            start = time.perf_counter()
            model = tuned(model, grid, seed).fit(
                X_train[rows], given[rows], **fit_groups(model, grid, groups[train][rows])
            )
            score = (
                model.decision_function(X_test)
                if hasattr(model, "decision_function")
                else model.predict_proba(X_test)[:, 1]
            )
            yield {
                "learner": name,
                "arm": arm,
                "auc": roc_auc_score(y[test], score),
                "n_train": len(train),
                "n_test": len(test),
                **(found(model, wrong) if arm not in (BASELINE, ORACLE) else {}),
                "seconds": time.perf_counter() - start,
            }


def fit_groups(model: BaseEstimator, grid: dict, groups: NDArray) -> dict[str, NDArray]:
    """Return the groups as an argument of fit, unless a plain classifier is fitted untuned."""
    return {} if isinstance(model, NetClassifier) and not grid else {"groups": groups}


def run(args: argparse.Namespace, table: ResumableTable, memory: str) -> None:
    """Run what is missing, seed by seed, so that parts are balanced."""
    data = {name: load(args.data, name) for name in args.sets}
    for seed in range(1 if args.quick else args.seeds):
        for name in args.sets:
            X, y, groups = data[name]
            outer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
            splits = list(outer.split(X, y, groups))[: 2 if args.quick else None]
            for corruption in args.corruptions:
                for fold, split in enumerate(splits):

                    def is_done(learner, arm, place=(corruption, seed, fold), name=name):
                        return table.has(name, learner, *place, arm)

                    place = {"set": name, "corruption": corruption, "seed": seed, "fold": fold}
                    for line in run_fold(
                        X,
                        y,
                        groups,
                        split,
                        corruption,
                        (seed, fold),
                        args.learners,
                        memory,
                        is_done,
                    ):
                        table.add(**place, **line)


# Tables ------------------------------------------------------------------------------------------


def report(lines: pd.DataFrame) -> None:
    """Print a table for every set, corruption and learner."""
    for (name, corruption, learner_name), part in lines.groupby(
        ["set", "corruption", "learner"], sort=False
    ):
        results = part.assign(
            estimator=part["arm"],
            split=part["seed"] * N_FOLDS + part["fold"],
            metric="roc_auc",
            score=part["auc"],
        )
        summary = summarize_comparison(results, baseline=BASELINE).set_index("estimator")
        share = part.groupby("arm")[FOUND].mean()
        print(f"\n{name}, {corruption}, {learner_name} ({summary['n_splits'].max()} splits)")
        print(
            f"{'arm':<20} {'auc':>11} {'gain':>14} {'p':>6} {'kept':>5}"
            f" {'doubted':>8} {'(prec.)':>8} {'dropped':>8} {'(prec.)':>8}"
        )
        for arm, row in summary.iterrows():
            gain, p = f"{row.mean_difference:+.3f} ± {row.sd_difference:.3f}", f"{row.p_value:.3f}"
            gain, p = ("", "") if arm == BASELINE else (gain, p)
            shown = ["" if np.isnan(value) else f"{value:.2f}" for value in share.loc[arm]]
            print(
                f"{arm:<20} {row['mean']:.3f} ± {row.sd:.3f} {gain:>14} {p:>6} {shown[0]:>5}"
                f" {shown[1]:>8} {shown[2]:>8} {shown[3]:>8} {shown[4]:>8}"
            )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--sets", nargs="+", choices=["cheng", "raman"], default=["cheng", "raman"])
    parser.add_argument(
        "--learners",
        nargs="+",
        choices=["logistic", "svc", "net"],
        default=["logistic", "svc", "net"],
    )
    parser.add_argument(
        "--corruptions",
        nargs="+",
        choices=["clean", "patients", "rows"],
        default=["patients", "clean", "rows"],
    )
    parser.add_argument("--seeds", type=int, default=2, help="number of repeats of the folds")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    parser.add_argument("--quick", action="store_true", help="one seed, two of its folds")
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data DIR or set SKROBUST_DATA")
    return args


def main() -> None:
    """Run what is missing, then print all."""
    args = parse()
    # groups reach the distillers through the searches
    sklearn.set_config(enable_metadata_routing=True)
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", DistillationWarning)
    table = ResumableTable(args.csv, KEY, COLUMNS)
    with tempfile.TemporaryDirectory() as memory:
        run(args, table, memory)
    lines = table.frame
    wanted = lines["set"].isin(args.sets) & lines["learner"].isin(args.learners)
    report(lines[wanted & lines["corruption"].isin(args.corruptions)])
    print(f"\n{lines['seconds'].sum() / 60:.1f} minutes of fitting in all")


if __name__ == "__main__":
    main()
