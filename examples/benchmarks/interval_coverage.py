"""How often the intervals of compare_estimators hold the truth.

Data sets of generated patients (3 to 8 correlated rows each, 12 columns, one of which tells the
classes); the truth comes from 5,000 further patients. "fixed model": it was trained on other
patients, and every data set only tests it. "cross-validation": five folds, and the truth is the
mean score of models that were trained on as many patients (40 further data sets). Learner: logistic
regression, C = 0.1.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/interval_coverage.py`` (some ten minutes).
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import compare_estimators, summarize_comparison

METRICS = ["roc_auc (rows)", "accuracy (patients)", "sensitivity (rows)"]


def patients(n_patients: int, shift: float, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Return rows, labels and patients."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_patients), rng.randint(3, 9, size=n_patients))
    y = groups % 2
    X = rng.normal(size=(len(y), 12)) + rng.normal(size=(n_patients, 12))[groups]
    X[:, 0] += shift * y
    return X, y, groups


def summary(model: BaseEstimator, data: tuple, **options) -> pd.DataFrame:
    """Return means and intervals of the metrics."""
    X, y, groups = data
    results = compare_estimators({"model": model}, X, y, groups=groups, cv=5, **options)
    return summarize_comparison(results).set_index("metric").loc[METRICS]


def main() -> None:
    """Print coverage and width for every number of patients."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=100, help="data sets per line")
    args = parser.parse_args()
    learner = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    lines = []
    for n_patients, shift in [(40, 1.5), (60, 1.0), (60, 2.5), (120, 1.5)]:
        further = patients(5000, shift, 100_000)
        n_train = n_patients * 4 // 5
        models = [clone(learner).fit(*patients(n_train, shift, 50_000 + s)[:2]) for s in range(40)]
        scores = [summary(FrozenEstimator(model), further)["mean"] for model in models]
        truths = {"fixed model": scores[0], "cross-validation": sum(scores) / len(scores)}
        for kind, truth in truths.items():
            model = FrozenEstimator(models[0]) if kind == "fixed model" else learner
            for s in range(args.sets):
                data = patients(n_patients, shift, s)
                found = summary(model, data, n_bootstrap=200, random_state=s)
                held = (found["lower"] <= truth) & (truth <= found["upper"])
                width = found["upper"] - found["lower"]
                lines += [(n_patients, shift, kind, m, held[m], width[m]) for m in METRICS]
    columns = ["patients", "shift", "kind", "metric", "held", "width"]
    table = pd.DataFrame(lines, columns=columns)
    mean = table.groupby(columns[:4], sort=False)[["held", "width"]].mean()
    print(mean.unstack("metric").round(2).to_string())


if __name__ == "__main__":
    main()
