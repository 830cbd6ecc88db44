"""Outliers in a training set: what ``OutlierRemover`` gains for detectors of all kinds.

Sets and shares of outliers are those of ``outlier_removal.py``. Every detector is fitted to all
rows ("alone"), and to the rows that stay after out-of-fold removal with the same detector;
"default" is ``OutlierRemover()``, whose detector is the distance to the nearest rows.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/any_detector.py --data DIR --csv FILE``; the
environment variable SKROBUST_DATA serves as DIR as well, and without either only the sets of
scikit-learn are run. A run that was stopped resumes. Seeds of 1000 and up served to choose the
default and its threshold, lower ones did not.

Read: mean AUROC over sets and seeds by share of outliers, alone, and the gain of removal with its
standard deviation over seeds; in brackets the set where it gains least.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from outlier_removal import FILE_SETS, SKLEARN_SETS, load
from resumable import ResumableTable
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from skrobust import OutlierRemovalWarning, OutlierRemover, contaminate
from skrobust.outliers import NeighborDistance

KEY = ["set", "fraction", "seed", "detector", "removal"]
COLUMNS = [*KEY, "auroc", "removed", "precision", "recall"]


class Residual(OutlierMixin, BaseEstimator):
    """Distance from the plane of the first 20 principal components."""

    def fit(self, X: NDArray, y: None = None) -> Residual:
        """Fit the components."""
        self.pca_ = PCA(min(20, min(X.shape) // 2)).fit(X)
        return self

    def score_samples(self, X: NDArray) -> NDArray:
        """Return minus the distance."""
        return -np.linalg.norm(X - self.pca_.inverse_transform(self.pca_.transform(X)), axis=1)


def detectors(seed: int) -> dict[str, BaseEstimator]:
    """Return the detectors."""
    return {
        "default": NeighborDistance(),
        "PCA": Residual(),
        "LOF": LocalOutlierFactor(novelty=True),
        "IsolationForest": IsolationForest(random_state=seed),
    }


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Run what is missing, seed by seed."""
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
                for label, detector in detectors(seed).items():
                    if label not in args.detectors:
                        continue
                    for threshold in [0.0, *args.thresholds]:
                        if table.has(name, fraction, seed, label, threshold):
                            continue
                        fitted, removed = detector, np.zeros(len(X), dtype=bool)
                        if threshold:
                            fitted = OutlierRemover(
                                detector, threshold=threshold, random_state=seed
                            )
                        fitted.fit(X)
                        if threshold:
                            removed = fitted.removed_round_ > 0
                        auroc = roc_auc_score(split.is_outlier, -fitted.score_samples(X_test))
                        table.add(
                            **dict(zip(KEY, (name, fraction, seed, label, threshold), strict=True)),
                            auroc=round(auroc, 4),
                            removed=removed.mean(),
                            precision=is_outlier[removed].mean() if removed.any() else np.nan,
                            recall=removed[is_outlier].mean() if is_outlier.any() else np.nan,
                        )
        print(f"seed {seed}", flush=True)


def report(frame: pd.DataFrame) -> None:
    """Print the tables."""
    place = ["detector", "fraction", "set", "seed"]
    wide = frame.pivot_table(index=place, columns="removal", values="auroc")
    gain = wide.drop(columns=0.0).sub(wide[0.0], axis=0)
    alone = wide[0.0].groupby(place[:2], sort=False).mean().unstack()
    print(f"alone\n{alone.round(3)}")
    for threshold in gain:
        mean = gain[threshold].groupby(place[:2], sort=False).mean()
        sd = gain[threshold].groupby([*place[:2], "seed"]).mean().groupby(place[:2]).std()
        of_set = gain[threshold].groupby(place[:3]).mean()
        print(f"\ngain, threshold {threshold}")
        for cell, value in mean.items():
            sets = of_set.loc[cell]
            print(
                f"{cell[0]:<16}{cell[1]:>5.0%} {value:+.3f} ± {sd.loc[cell]:.3f} "
                f"({sets.idxmin()} {sets.min():+.3f})"
            )
    print(
        frame.groupby(["detector", "removal"])[["removed", "precision", "recall"]].mean().round(2)
    )


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--detectors", nargs="+", default=list(detectors(0)))
    parser.add_argument("--fractions", nargs="+", type=float, default=[0.0, 0.12, 0.3])
    parser.add_argument("--thresholds", nargs="+", type=float, default=[2.5])
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    args.sets = args.sets or [*SKLEARN_SETS, *(FILE_SETS if args.data else ())]
    warnings.simplefilter("ignore", OutlierRemovalWarning)
    table = ResumableTable(args.csv, KEY, COLUMNS)
    run(args, table)
    report(table.frame)


if __name__ == "__main__":
    main()
