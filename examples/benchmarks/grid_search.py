"""What ``memory`` saves: a grid of 12 augmentation candidates with it and without.

The distiller scores the rows once per training fold when it has a memory, instead of once per
candidate and fold; the scores must come out equal. What is left is the final step, so that the
saving depends on its share. One thread, a fresh cache in every round.

Run: ``python examples/benchmarks/grid_search.py``. A ratio of 0.5 means half the time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings

import numpy as np
import torch
from imblearn.pipeline import Pipeline
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import (
    CertainSamples,
    DistillationWarning,
    DistillMixAugmenter,
    NetClassifier,
    OutOfFoldLabelQuality,
    make_mr_spectra,
)

SHARED = {"augment__alpha": [0.1, 0.3], "augment__strategy": ["same", "both"]}
CASES = {
    "CertainSamples(NetClassifier), then SVC": (
        CertainSamples(NetClassifier()),
        {**SHARED, "augment__distiller__threshold": [0.7, 0.8, 0.9]},
    ),
    "OutOfFoldLabelQuality(SVC), then SVC": (
        OutOfFoldLabelQuality(SVC()),
        {**SHARED, "augment__distiller__keep": [0.5, 0.7, 0.9]},
    ),
}


def run_grid(distiller, grid, memory, X, y, patient):
    """Return seconds and mean test scores of the grid."""
    distiller = distiller.set_params(memory=memory)
    pipe = Pipeline(
        [
            ("scale", StandardScaler()),
            ("augment", DistillMixAugmenter(distiller, strategy="both", factor=2, random_state=0)),
            ("clf", SVC()),
        ]
    )
    search = GridSearchCV(pipe, grid, cv=StratifiedGroupKFold(3), scoring="roc_auc", refit=False)
    start = time.perf_counter()
    search.fit(X, y, groups=patient)
    return time.perf_counter() - start, search.cv_results_["mean_test_score"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DistillationWarning)
    X, y, patient = make_mr_spectra(n_patients=50, random_state=0, return_X_y_groups=True)
    for name, (distiller, grid) in CASES.items():
        ratios = []
        for _ in range(arguments.rounds):
            with config_context(enable_metadata_routing=True):
                without, scores = run_grid(distiller, grid, None, X, y, patient)
                with tempfile.TemporaryDirectory() as folder:
                    cached, cached_scores = run_grid(distiller, grid, folder, X, y, patient)
            np.testing.assert_array_equal(scores, cached_scores)
            ratios.append(cached / without)
        print(
            f"{name}: with memory {np.median(ratios):.2f} of the time without "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {len(scores)} candidates, equal scores"
        )


if __name__ == "__main__":
    main()
