"""What a few patients whose labels an expert has checked are worth.

Sets, splits and the logistic regression are those of ``noise_model.py``; with ``--net`` the learner
is a small network. Of the training patients 10% or 20%, drawn for every seed, have right labels,
which all arms train on. Only the "trusted" arms know which ones these are. "wrong trust": the
labels of one in five of the trusted patients are wrong.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/trusted.py --data DIR --csv FILE``; the
environment variable SKROBUST_DATA serves as DIR as well. A run that was stopped resumes.
``--first-seed`` and ``--seeds`` choose the seeds: 1000 and up served to choose between the arms,
lower ones did not.

Read: ``gain`` is the difference in AUC of rows from "plain", the same learner on all labels, ± its
standard deviation over seeds; "pooled" is the mean over 20% of rows, 40% of rows and 40% of
patients, with the p-value of a t-test over seeds.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from label_noise import mlp
from noise_model import FILES, SPECTRA, corrupt, gains, load, score
from numpy.typing import NDArray
from resumable import ResumableTable
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import (
    DistillationWarning,
    LabelNoiseModel,
    LabelQualityReweighter,
    OutOfFoldLabelQuality,
)
from skrobust.label_noise.inner_fit import fit_inside

KEY = ["set", "corruption", "seed", "fold", "arm"]
COLUMNS = [*KEY, "auc", "auc_patients", "found", "vetoed", "seconds"]
CORRUPTIONS = ["clean", "20% of rows", "40% of rows", "40% of patients"]
POOLED = CORRUPTIONS[1:]
SHARES = {"10% checked": (0.1, 0.0), "20% checked": (0.2, 0.0), "wrong trust": (0.2, 0.2)}


def trust(
    given: NDArray, right: NDArray, groups: NDArray, share: float, wrong: float, seed: int
) -> tuple[NDArray, NDArray]:
    """Return labels with those of some patients corrected, and which rows these are."""
    patients = np.random.RandomState(seed).permutation(np.unique(groups))
    chosen = patients[: max(2, round(share * len(patients)))]
    n_wrong = round(wrong * len(chosen))
    trusted, mistaken = np.isin(groups, chosen), np.isin(groups, chosen[:n_wrong])
    labels = np.where(trusted, right, given)
    classes = np.unique(right)
    return np.where(mistaken, classes[(right + 1) % len(classes)], labels), trusted


def arms(learner: BaseEstimator, seed: int) -> dict[str, tuple[BaseEstimator, bool]]:
    """Return what is compared, and whether it is told the trusted rows."""
    cheap = LogisticRegression(C=0.1, max_iter=2000)
    cheap = make_pipeline(*[clone(step) for _, step in learner.steps[:-1]], cheap)
    anchored = OutOfFoldLabelQuality(cheap, level="group", n_repeats=4)
    model = LabelQualityReweighter(learner, random_state=seed)
    cautious = LabelQualityReweighter(learner, LabelNoiseModel(n_iter=0), random_state=seed)
    weights = LabelQualityReweighter(learner, anchored, veto=False, random_state=seed)
    return {
        "plain": (learner, False),
        "rows that weigh 5": (learner, True),
        "noise model": (model, False),
        "noise model, trusted": (model, True),
        "noise model, trusted, no veto": (clone(model).set_params(veto=False), True),
        "noise model, trusted, no self-training": (cautious, True),
        "by patient": (weights, False),
        "by patient, trusted": (weights, True),
    }


def fit(estimator: BaseEstimator, X: NDArray, y: NDArray, groups, trusted) -> BaseEstimator:
    """Fit an arm."""
    estimator = clone(estimator)
    if isinstance(estimator, LabelQualityReweighter):
        return estimator.fit(X, y, groups=groups, trusted=trusted)
    weight = None if trusted is None else np.where(trusted, 5.0, 1.0)
    return fit_inside(estimator, X, y, sample_weight=weight)


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Run what is missing, seed by seed."""
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in args.sets:
            X, y, groups, truth = load(name, args.data, seed)
            classes, y = np.unique(y, return_inverse=True)
            truth = np.searchsorted(classes, truth)
            of_patient = pd.Series(y).groupby(groups).first()
            folds = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
            train, test = next(folds.split(X, y, groups))
            steps = [StandardScaler()] + [PCA(50, whiten=True, random_state=0)] * (X.shape[1] > 50)
            last = mlp(40, seed) if args.net else LogisticRegression(C=0.1, max_iter=2000)
            learner = make_pipeline(*steps, last)
            for corruption in CORRUPTIONS:
                given = corrupt(y[train], groups[train], corruption, 10 * seed)
                for share, (trusted_share, wrong_share) in SHARES.items():
                    place = (name, f"{corruption}, {share}")
                    labels, checked = trust(
                        given, y[train], groups[train], trusted_share, wrong_share, seed
                    )
                    wrong = labels != truth[train]
                    for arm, (estimator, told) in arms(learner, seed).items():
                        if table.has(*place, seed, 0, arm) or (args.arms and arm not in args.arms):
                            continue
                        start = time.perf_counter()
                        known = checked if told else None
                        fitted = fit(estimator, X[train], labels, groups[train], known)
                        seconds = round(time.perf_counter() - start, 2)
                        scores = score(
                            fitted, X[test], truth[test], groups[test], of_patient, wrong
                        )
                        scores.pop("balanced_accuracy")
                        scores = {k: round(float(v), 4) for k, v in scores.items()}
                        key = dict(zip(KEY, (*place, seed, 0, arm), strict=True))
                        table.add(**key, **scores, seconds=seconds)
            print(f"seed {seed}, {name}", flush=True)


def report(frame: pd.DataFrame) -> None:
    """Print gains by corruption, and pooled."""
    pd.set_option("display.width", 250, "display.max_columns", 30, "display.max_rows", 200)
    print(f"\ngain\n{gains(frame, 'auc', ['corruption'])}")
    frame = frame.assign(share=frame["corruption"].str.split(", ").str[1])
    corruption = frame["corruption"].str.split(", ").str[0]
    for title, rows in {"pooled": corruption.isin(POOLED), "clean": corruption == "clean"}.items():
        wide = frame[rows].pivot_table(
            index=["share", "seed"], columns="arm", values="auc", aggfunc="mean"
        )
        wide = wide.sub(wide.pop("plain"), axis=0).groupby("share")
        p = wide.agg(lambda values: stats.ttest_1samp(values, 0).pvalue)
        shown = wide.mean().map("{:+.3f}".format) + " (" + p.map("{:.3f}".format) + ")"
        print(f"\n{title}\n{shown.T}")


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--sets", nargs="+", choices=[*SPECTRA, *FILES])
    parser.add_argument("--net", action="store_true", help="a network instead of a linear model")
    parser.add_argument("--arms", nargs="+", help="run these and plain only; all by default")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    generated = [name for name in SPECTRA if name != "impure spectra"]
    args.arms = args.arms and ["plain", *args.arms]
    args.sets = args.sets or [*generated, *(FILES if args.data else ())]
    warnings.simplefilter("ignore", DistillationWarning)
    table = ResumableTable(args.csv, KEY, COLUMNS)
    run(args, table)
    report(table.frame)


if __name__ == "__main__":
    main()
