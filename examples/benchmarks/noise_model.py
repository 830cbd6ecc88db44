"""What the noise model wins back where labels are wrong, and what it costs where they are right.

Sets: three kinds of generated MR spectra (default noise; noisy and few rows per patient; impure),
and with ``--data`` slices of brain tumours (glioma against meningioma, gradient orientations;
also three classes), Raman spectra of saliva (COVID-19 against control, first derivative; also three
classes), voices (Parkinson's disease) and days of activity (depression). At most 90 patients with
8 rows each are drawn per seed, a third of them for the test. Labels of training rows are made
wrong by row, by patient, or both; test labels never. Generated "impure" spectra: 30% of the voxels
of tumour patients are healthy tissue; they are scored on the true tissue.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/noise_model.py --data DIR --csv FILE``; the
environment variable SKROBUST_DATA serves as DIR as well. A run that was stopped goes on where it
was. ``--first-seed`` and ``--seeds`` choose the seeds: none of 0 to 99 was used to choose anything,
1000 and up were. cleanlab is needed (the extra ``benchmark``).

Read: ``gain`` is the difference in AUC of rows from "plain", the same learner on the given labels,
mean over seeds and folds, ± its standard deviation over seeds. ``patients`` is the same for
patients, whose score is the mean over their rows. ``found`` is the AUC with which quality tells
wrong labels from right ones; ``vetoed`` the share of the fits in which the trials spoke against it.
"oracle" leaves out exactly the wrong rows. The learner is logistic regression, C = 0.1, on 50
whitened principal components, or on scaled columns where there are at most 50.
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
from label_noise import derivative_spectra, orientation_histograms
from numpy.typing import NDArray
from resumable import ResumableTable
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import (
    DistillationWarning,
    LabelNoiseModel,
    LabelQualityReweighter,
    OutOfFoldLabelQuality,
    flip_labels,
    make_mr_spectra,
)

N_FOLDS, MOST_PATIENTS, MOST_ROWS = 3, 90, 8
KEY = ["set", "corruption", "seed", "fold", "arm"]
SCORES = ["auc", "auc_patients", "balanced_accuracy", "found", "vetoed"]
COLUMNS = [*KEY, *SCORES, "seconds"]
CORRUPTIONS = {
    "clean": (0.0, 0.0),
    "20% of rows": (0.2, 0.0),
    "40% of rows": (0.4, 0.0),
    "20% of patients": (0.0, 0.2),
    "40% of patients": (0.0, 0.4),
    "20% of rows and of patients": (0.2, 0.2),
}
FILES = {
    "brain tumours": ("cheng_brain_tumour_64", orientation_histograms, (0, 1)),
    "brain tumours, 3 classes": ("cheng_brain_tumour_64", orientation_histograms, (0, 1, 2)),
    "saliva": ("raman_saliva_covid", derivative_spectra, (0, 2)),
    "saliva, 3 classes": ("raman_saliva_covid", derivative_spectra, (0, 1, 2)),
    "voices": ("parkinsons_voice", None, (0, 1)),
    "activity": ("actigraphy_depression", None, (0, 1)),
}
SPECTRA = {
    "spectra": {"n_voxels": 8, "impurity": 0.0},
    "noisy spectra": {"n_voxels": (2, 6), "impurity": 0.0, "snr": 5.0},
    "impure spectra": {"n_voxels": 8, "impurity": 0.3},
}


def load(name: str, folder: Path, seed: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return features, labels, patients and true labels of a set."""
    if name in SPECTRA:
        data = make_mr_spectra(MOST_PATIENTS, random_state=seed, **SPECTRA[name])
        return data.data, data.target, data.groups, data.target_true
    file, features, classes = FILES[name]
    with np.load(folder / f"{file}.npz", allow_pickle=False) as data:
        rows = np.isin(data["y"], classes)
        X, y, groups = data["X"][rows], data["y"][rows], data["groups"][rows]
    X = X if features is None else features(X)
    rng = np.random.RandomState(seed)
    chosen = rng.permutation(np.unique(groups))[:MOST_PATIENTS]
    rows = [rng.permutation(np.flatnonzero(groups == g))[:MOST_ROWS] for g in chosen]
    rows = np.sort(np.concatenate(rows))
    return X[rows].astype(float), y[rows], groups[rows], y[rows]


def corrupt(y: NDArray, groups: NDArray, corruption: str, seed: int) -> NDArray:
    """Return labels of which some are wrong."""
    of_rows, of_patients = CORRUPTIONS.get(corruption, (0.0, 0.0))
    if of_patients:
        y = flip_labels(y, of_patients, groups=groups, random_state=seed)[0]
    return flip_labels(y, of_rows, random_state=seed)[0] if of_rows else y


class Cleanlab(BaseEstimator):
    """cleanlab's CleanLearning; `by_patient` gives it folds without common patients."""

    def __init__(self, estimator: BaseEstimator, by_patient: bool, random_state: int = 0):
        self.estimator = estimator
        self.by_patient = by_patient
        self.random_state = random_state

    def fit(self, X: NDArray, y: NDArray, *, groups: NDArray) -> Cleanlab:
        """Find label issues and fit on the other rows."""
        from cleanlab.classification import CleanLearning

        model = CleanLearning(clone(self.estimator), seed=self.random_state, verbose=False)
        self.classes_, codes = np.unique(y, return_inverse=True)
        issues = None
        if self.by_patient:
            judged = OutOfFoldLabelQuality(self.estimator, random_state=self.random_state)
            P = judged.fit(X, codes, groups=groups).label_probabilities_
            issues = model.find_label_issues(labels=codes, pred_probs=P)
        else:
            issues = model.find_label_issues(X, codes)
        self.quality_ = issues["label_quality"].to_numpy()
        self.model_ = model.fit(X, codes, label_issues=issues)
        return self

    def predict_proba(self, X: NDArray) -> NDArray:
        """Return class probabilities."""
        return self.model_.predict_proba(X)


def arms(learner: BaseEstimator, corruption: str, seed: int) -> dict[str, BaseEstimator]:
    """Return what is compared, around the same learner."""
    out_of_fold = {level: OutOfFoldLabelQuality(learner, level=level) for level in ("group", "row")}
    common = {"random_state": seed}
    result = {
        "plain": learner,
        "noise model": LabelQualityReweighter(learner, **common),
        "noise model, no veto": LabelQualityReweighter(learner, veto=False, **common),
        "noise model, weights": LabelQualityReweighter(learner, use="weight", veto=False, **common),
        "by patient": LabelQualityReweighter(learner, out_of_fold["group"], veto=False, **common),
        "by row": LabelQualityReweighter(learner, out_of_fold["row"], veto=False, **common),
        "cleanlab": Cleanlab(learner, by_patient=False, random_state=seed),
        "cleanlab, folds by patient": Cleanlab(learner, by_patient=True, random_state=seed),
        "oracle": learner,
    }
    if corruption == "impure":
        told = LabelNoiseModel(impurity={1: 0.3})
        result["noise model, impurity told"] = LabelQualityReweighter(
            learner, told, veto=False, **common
        )
    return result


def fit(arm: str, estimator: BaseEstimator, X: NDArray, y: NDArray, groups, wrong) -> BaseEstimator:
    """Fit an arm."""
    if arm == "oracle":
        return clone(estimator).fit(X[~wrong], y[~wrong])
    if arm == "plain":
        return clone(estimator).fit(X, y)
    return clone(estimator).fit(X, y, groups=groups)


def auc(y: NDArray, scores: NDArray) -> float:
    """Return the AUC, with more than two classes the mean of one against the rest."""
    classes = np.unique(y)
    if scores.shape[1] == 2:
        return roc_auc_score(y, scores[:, 1])
    return float(np.mean([roc_auc_score(y == k, scores[:, k]) for k in classes]))


def score(fitted: BaseEstimator, X, y, groups, label_of_patient, wrong) -> dict[str, float]:
    """Return the scores of a fitted arm on test rows, and what it found in the training rows."""
    P = fitted.predict_proba(X)
    patients = pd.DataFrame(P).groupby(groups).mean()
    quality, veto = getattr(fitted, "quality_", None), getattr(fitted, "veto_", None)
    finds = quality is not None and 0 < wrong.sum() < len(wrong)
    return {
        "auc": auc(y, P),
        "auc_patients": auc(label_of_patient[patients.index].to_numpy(), patients.to_numpy()),
        "balanced_accuracy": balanced_accuracy_score(y, P.argmax(1)),
        "found": roc_auc_score(wrong, -quality) if finds else np.nan,
        "vetoed": np.nan if veto is None else float(veto.stepped_in),
    }


def run(
    args: argparse.Namespace, table: ResumableTable, make_arms: Callable[..., dict] = arms
) -> None:
    """Run what is missing, seed by seed."""
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in args.sets:
            X, y, groups, truth = load(name, args.data, seed)
            classes, y = np.unique(y, return_inverse=True)
            truth = np.searchsorted(classes, truth)
            label_of_patient = pd.Series(y).groupby(groups).first()
            folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
            splits = list(folds.split(X, y, groups))[: args.folds]
            for fold, (train, test) in enumerate(splits):
                wide = X.shape[1] > 50
                steps = [StandardScaler()] + [PCA(50, whiten=True, random_state=0)] * wide
                learner = make_pipeline(*steps, LogisticRegression(C=0.1, max_iter=2000))
                for corruption in ["impure"] if name == "impure spectra" else CORRUPTIONS:
                    given = corrupt(y[train], groups[train], corruption, 10 * seed + fold)
                    wrong = given != truth[train]
                    for arm, estimator in make_arms(learner, corruption, seed).items():
                        skipped = args.arms and arm not in args.arms
                        if skipped or table.has(name, corruption, seed, fold, arm):
                            continue
                        start = time.perf_counter()
                        fitted = fit(arm, estimator, X[train], given, groups[train], wrong)
                        seconds = round(time.perf_counter() - start, 2)
                        scores = score(
                            fitted, X[test], truth[test], groups[test], label_of_patient, wrong
                        )
                        scores = {k: round(float(v), 4) for k, v in scores.items()}
                        key = dict(zip(KEY, (name, corruption, seed, fold, arm), strict=True))
                        table.add(**key, **scores, seconds=seconds)
            print(f"seed {seed}, {name}", flush=True)


def gains(frame: pd.DataFrame, score: str, by: list[str]) -> pd.DataFrame:
    """Return "mean ± standard deviation over seeds" of the gains over plain."""
    wide = frame.pivot_table(
        index=["set", "corruption", "seed", "fold"], columns="arm", values=score
    )
    wide = wide.sub(wide["plain"], axis=0).drop(columns="plain")
    per_seed = wide.groupby([*by, "seed"]).mean().groupby(by)
    mean, sd = per_seed.mean(), per_seed.std()
    return mean.map("{:+.3f}".format) + " ± " + sd.map("{:.3f}".format)


def report(frame: pd.DataFrame) -> None:
    """Print gains by corruption, and by set."""
    pd.set_option("display.width", 250, "display.max_columns", 30, "display.max_rows", 200)
    for title, score_name in {"gain": "auc", "patients": "auc_patients"}.items():
        print(f"\n{title}, mean over sets\n{gains(frame, score_name, ['corruption']).T}")
    main = frame[frame.arm.isin(["plain", "noise model", "cleanlab", "oracle"])]
    print(f"\ngain by set\n{gains(main, 'auc', ['corruption', 'set'])}")
    ours = frame[frame.arm == "noise model"]
    rest = ours.groupby(["corruption", "set"])[["found", "vetoed", "seconds"]].mean()
    print(f"\n{rest.round(2)}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--sets", nargs="+", choices=[*SPECTRA, *FILES])
    parser.add_argument("--arms", nargs="+", help="run these and plain only; all by default")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--folds", type=int, default=N_FOLDS, help="test folds per seed, up to 3")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    args.sets = args.sets or [*SPECTRA, *(FILES if args.data else ())]
    args.arms = args.arms and ["plain", *args.arms]
    return args


def main() -> None:
    """Run what is missing, and print."""
    args = parse()
    warnings.simplefilter("ignore", DistillationWarning)
    table = ResumableTable(args.csv, KEY, COLUMNS)
    run(args, table)
    report(table.frame)


if __name__ == "__main__":
    main()
