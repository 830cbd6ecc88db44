"""How many patients an expert must check, by the order in which they are checked.

30% of the training patients are mislabelled; test labels are right. One in twenty patients is
checked at a time, then the noise model is fitted again, told what has been checked. Orders: at
random, the least probable label first ("suspicious"), and by ``rank_for_review``. Sets are those of
``noise_model.py``. The learner is logistic regression, C = 0.1, on the labels as they then are
("given"), or on the soft labels of the noise model ("soft").

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/checking_order.py --data DIR --csv FILE``; the
environment variable SKROBUST_DATA serves as DIR as well. Seeds of 1000 and up served to choose the
formula of ``rank_for_review``, lower ones did not. A run that was stopped resumes.

Read: the difference in AUC of rows from training on right labels, by share of patients checked,
mean over sets and seeds; then the share that is needed until it is, and stays, within .01 of 0.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from noise_model import FILES, SPECTRA, auc, load
from resumable import ResumableTable
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import DistillationWarning, LabelNoiseModel, flip_labels, rank_for_review
from skrobust.label_noise.inner_fit import fit_soft

KEY = ["set", "seed", "order", "checked"]
COLUMNS = [*KEY, "given", "soft", "wrong"]
SETS = ["spectra", "brain tumours", "saliva"]
ORDERS = ["random", "suspicious", "rank_for_review"]
WRONG, AT_ONCE, MOST, NEAR = 0.3, 0.05, 1.0, 0.01


def choose(order: str, model: LabelNoiseModel, n: int, rng: np.random.RandomState) -> np.ndarray:
    """Return the patients to check next."""
    if order == "rank_for_review":
        return rank_for_review(model, n).index.to_numpy()
    left = model.patients_.index[~model.checked_groups_.loc[model.patients_.index].to_numpy()]
    return (rng.permutation(left) if order == "random" else left.to_numpy())[:n]


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Run what is missing, seed by seed."""
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in args.sets:
            X, y, groups, _ = load(name, args.data, seed)
            y = np.unique(y, return_inverse=True)[1]
            folds = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
            train, test = next(folds.split(X, y, groups))
            steps = [StandardScaler()] + [PCA(50, whiten=True, random_state=0)] * (X.shape[1] > 50)
            learner = make_pipeline(*steps, LogisticRegression(C=0.1, max_iter=2000))
            own, right = groups[train], y[train]
            noisy, _ = flip_labels(right, WRONG, groups=own, random_state=10 * seed)
            best = auc(y[test], clone(learner).fit(X[train], right).predict_proba(X[test]))
            n_patients = len(np.unique(own))
            at_once = max(1, round(AT_ONCE * n_patients))
            for order in ORDERS:
                rng, checked = np.random.RandomState(seed), np.zeros(len(train), dtype=bool)
                if table.has(name, seed, order, round(int(MOST / AT_ONCE) * AT_ONCE, 2)):
                    continue
                for step in range(int(MOST / AT_ONCE) + 1):
                    labels = np.where(checked, right, noisy)
                    model = LabelNoiseModel(n_repeats=1, random_state=seed)
                    model.fit(X[train], labels, groups=own, trusted=checked)
                    fits = {
                        "given": clone(learner).fit(X[train], labels),
                        "soft": fit_soft(
                            clone(learner), X[train], model.label_probabilities_, model.classes_
                        ),
                    }
                    scores = {
                        k: round(auc(y[test], fitted.predict_proba(X[test])) - best, 4)
                        for k, fitted in fits.items()
                    }
                    key = dict(zip(KEY, (name, seed, order, round(step * AT_ONCE, 2)), strict=True))
                    wrong = round(float((labels != right).mean()), 4)
                    if not table.has(*key.values()):
                        table.add(**key, **scores, wrong=wrong)
                    checked |= np.isin(own, choose(order, model, at_once, rng))
            print(f"seed {seed}, {name}", flush=True)


def needed(curve: pd.Series) -> float:
    """Return the first share checked from which the curve stays near that of right labels."""
    far = curve.index[curve < -NEAR]
    later = curve.index[curve.index > far.max()] if len(far) else curve.index
    return float(later.min()) if len(later) else np.nan


def report(frame: pd.DataFrame) -> None:
    """Print curves, and how many checks are needed."""
    pd.set_option("display.width", 250, "display.max_columns", 40)
    for score in ("given", "soft", "wrong"):
        curves = frame.pivot_table(index="order", columns="checked", values=score)
        print(f"\n{score}\n{curves.round(3)}")
        if score != "wrong":
            shares = {order: needed(curves.loc[order]) for order in curves.index}
            print("needed:", ", ".join(f"{order} {share:.2f}" for order, share in shares.items()))


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--sets", nargs="+", choices=[*SPECTRA, *FILES])
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    args.sets = args.sets or (SETS if args.data else ["spectra"])
    warnings.simplefilter("ignore", DistillationWarning)
    table = ResumableTable(args.csv, KEY, COLUMNS)
    run(args, table)
    report(table.frame)


if __name__ == "__main__":
    main()
