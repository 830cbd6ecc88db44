"""One grid search on one process, and under joblib's loky, dask and ray: the same scores?

A pipeline of ``DistillMixAugmenter`` and ``NetClassifier`` is searched over with patient-disjoint
folds and ``groups`` by metadata routing, once in this process, then by workers of each backend:
loky, a ``dask.distributed.LocalCluster`` of processes, and ray, as far as they are installed. The
scores of all candidates and folds must be equal to the last bit.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/backends.py --jobs 2``. With
another number of threads in the workers, sums may differ in the last bit.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec

import joblib
import numpy as np
import sklearn
import torch
from imblearn.pipeline import Pipeline
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from skrobust import (
    MLP,
    DistillationWarning,
    DistillMixAugmenter,
    EarlyLabelQuality,
    NetClassifier,
    group_accuracy_scorer,
    make_mr_spectra,
)

GRID = {
    "augment__alpha": [0.3, 0.5],
    "augment__distiller__keep": [0.6, 0.8],
    "clf__module__width": [8, 16],
}


def small_net(epochs):
    """Return a classifier, not yet fitted."""
    return NetClassifier(MLP, max_epochs=epochs, random_state=0)


def make_search(n_jobs, memory=None, epochs=10, grid=GRID):
    """Return the search, not yet fitted."""
    net = small_net(epochs)
    distiller = EarlyLabelQuality(net, memory=memory, random_state=0)
    pipe = Pipeline(
        [
            ("augment", DistillMixAugmenter(distiller, strategy="both", factor=2, random_state=0)),
            ("clf", net),
        ]
    )
    return GridSearchCV(
        pipe,
        grid,
        cv=StratifiedGroupKFold(3),
        scoring=group_accuracy_scorer,
        n_jobs=n_jobs,
        refit=False,
        error_score="raise",
    )


def test_scores(search):
    """Return the scores, shape (n_candidates, n_folds)."""
    names = sorted(name for name in search.cv_results_ if name.startswith("split"))
    return np.column_stack([search.cv_results_[name] for name in names])


@contextmanager
def loky():
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        yield


@contextmanager
def dask(n_workers):
    from dask.distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        yield


@contextmanager
def ray(n_workers):
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=n_workers, include_dashboard=False, log_to_driver=False)
    register_ray()
    try:
        with joblib.parallel_config(backend="ray"):
            yield
    finally:
        ray.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="workers (default 2)")
    parser.add_argument("--patients", type=int, default=40, help="patients (default 40)")
    parser.add_argument("--backends", nargs="+", default=["loky", "dask", "ray"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # the workers inherit it
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.simplefilter("ignore", DistillationWarning)
    X, y, patient = make_mr_spectra(
        n_patients=arguments.patients, random_state=0, return_X_y_groups=True
    )
    backends = {
        "this process": nullcontext,
        "loky": loky,
        "dask": partial(dask, arguments.jobs),
        "ray": partial(ray, arguments.jobs),
    }
    expected = None
    for name, context in backends.items():
        if expected is not None and name not in arguments.backends:
            continue
        if name in ("dask", "ray") and find_spec("distributed" if name == "dask" else name) is None:
            print(f"{name}: not installed")
            continue
        with sklearn.config_context(enable_metadata_routing=True), context():
            jobs = 1 if expected is None else arguments.jobs
            threads = joblib.Parallel(jobs)(
                joblib.delayed(torch.get_num_threads)() for _ in range(2 * jobs)
            )
            print(f"{name}: {min(threads)} to {max(threads)} threads in a worker")
            for memory in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    search = make_search(jobs, folder if memory else None)
                    start = time.perf_counter()
                    search.fit(X, y, groups=patient)
                    seconds = time.perf_counter() - start
                scores = test_scores(search)
                expected = scores if expected is None else expected
                np.testing.assert_array_equal(scores, expected)
                how = "shared memory" if memory else "no memory"
                print(f"{name}, {how}: {scores.size} fits, {seconds:.1f} s, equal scores")


if __name__ == "__main__":
    main()
