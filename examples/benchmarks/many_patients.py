"""Many patients, 30% of them mislabelled: whom the noise model finds, and what a network gains.

Generated MR spectra of 360 patients, 6 of each (the settings of the first example); 240 patients
train. Learners are a small network of 40 epochs, the same with its epochs tuned on inner folds
without common patients, and logistic regression with its C tuned in the same way.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/many_patients.py --seeds 5 --csv FILE``. A run
that was stopped resumes. The seeds are those of the data, of the labels and of the network; none of
0 to 99 served to choose settings.

Read: AUC of rows on right labels, plain and with ``LabelQualityReweighter(learner)``, the gain with
its standard deviation and the p-value of a paired t-test over seeds, every seed being another data
set; and the share that is mislabelled of the 40 patients whose label is least probable.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from label_noise import mlp
from resumable import ResumableTable
from scipy import stats
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import DistillationWarning, LabelQualityReweighter, flip_labels, make_mr_spectra

WRONG, FIRST = 0.3, 40
KEY = ["learner", "seed"]
COLUMNS = [*KEY, "plain", "noise_model", "wrong_of_first", "vetoed"]


def learners(seed: int) -> dict[str, tuple]:
    """Return the learners, and the values to try."""
    net, linear = mlp(40, seed), LogisticRegression(max_iter=2000)
    return {
        "network": (net, {}),
        "network, tuned": (net, {"max_epochs": [5, 10, 20, 40]}),
        "logistic, tuned": (linear, {"C": [1e-4, 1e-3, 1e-2, 0.1, 1]}),
    }


def run(seed: int, table: ResumableTable) -> None:
    """Run what is missing of a seed."""
    data = make_mr_spectra(360, n_voxels=6, n_points=96, impurity=0, snr=4, random_state=seed)
    split = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
    train, test = next(split.split(data.data, data.target, data.groups))
    groups = data.groups[train]
    y, wrong = flip_labels(data.target[train], WRONG, groups=groups, random_state=seed)
    features = make_pipeline(StandardScaler(), PCA(50, random_state=0)).fit(data.data[train])
    X, X_test = features.transform(data.data[train]), features.transform(data.data[test])
    for name, (learner, grid) in learners(seed).items():
        if table.has(name, seed):
            continue
        if grid:
            inner = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
            search = GridSearchCV(learner, grid, cv=inner, scoring="roc_auc", refit=False)
            learner = clone(learner).set_params(**search.fit(X, y, groups=groups).best_params_)
        plain = clone(learner).fit(X, y)
        ours = LabelQualityReweighter(learner, random_state=seed).fit(X, y, groups=groups)
        first = ours.distiller_.patients_.index[:FIRST]
        scores = {
            arm: round(roc_auc_score(data.target[test], fitted.predict_proba(X_test)[:, 1]), 4)
            for arm, fitted in (("plain", plain), ("noise_model", ours))
        }
        mistaken = np.isin(first, np.unique(groups[wrong])).mean()
        vetoed = float(ours.veto_.stepped_in)
        table.add(learner=name, seed=seed, **scores, wrong_of_first=mistaken, vetoed=vetoed)


def report(frame: pd.DataFrame) -> None:
    """Print means over seeds."""
    for name, lines in frame.groupby("learner", sort=False):
        gain = lines["noise_model"] - lines["plain"]
        print(
            f"{name}: {lines['plain'].mean():.3f} -> {lines['noise_model'].mean():.3f}, gain "
            f"{gain.mean():+.3f} ± {gain.std():.3f} (p {stats.ttest_1samp(gain, 0).pvalue:.4f}, "
            f"{len(lines)} seeds), vetoed {lines['vetoed'].mean():.0%}; of the first {FIRST} "
            f"patients {lines['wrong_of_first'].mean():.0%} are mislabelled "
            f"({lines['wrong_of_first'].min():.0%} to {lines['wrong_of_first'].max():.0%})"
        )


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    warnings.simplefilter("ignore", DistillationWarning)
    table = ResumableTable(args.csv, KEY, COLUMNS)
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        run(seed, table)
    report(table.frame)


if __name__ == "__main__":
    main()
