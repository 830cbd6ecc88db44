"""A search has the same scores under every backend of joblib."""

import os
import signal
import threading
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression

from skrobust import compare_estimators, make_mr_spectra

path = Path(__file__).parents[1] / "examples/benchmarks/backends.py"
spec = spec_from_file_location("backends_benchmark", path)
backends = module_from_spec(spec)
spec.loader.exec_module(backends)


@pytest.fixture(scope="module")
def spectra():
    return make_mr_spectra(
        n_patients=12, n_voxels=(3, 6), n_points=32, random_state=0, return_X_y_groups=True
    )


def scores(spectra, n_jobs, memory=None, epochs=1, **config):
    X, y, patient = spectra
    grid = {"augment__alpha": [0.3, 0.5]}
    search = backends.make_search(n_jobs, memory, epochs=epochs, grid=grid)
    with sklearn.config_context(enable_metadata_routing=True), joblib.parallel_config(**config):
        search.fit(X, y, groups=patient)
    return backends.test_scores(search)


def needs(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


pytestmark = pytest.mark.filterwarnings("ignore")  # of the schedulers


@pytest.mark.parametrize(
    "workers",
    [
        pytest.param(backends.loky, id="loky"),
        pytest.param(partial(backends.dask, 2), id="dask", marks=needs("distributed")),
        pytest.param(partial(backends.ray, 2), id="ray", marks=needs("ray")),
    ],
)
def test_searches_and_comparisons_are_equal_to_the_last_bit(spectra, tmp_path, workers):
    X, y, patient = spectra
    estimators = {"linear": LogisticRegression(C=0.01), "net": backends.small_net(epochs=1)}

    def compare(n_jobs):
        table = compare_estimators(estimators, X, y, groups=patient, cv=3, n_jobs=n_jobs)
        return table.set_index(["estimator", "split", "metric"])["score"].sort_index()

    alone = scores(spectra, 1, backend="sequential")
    assert len(np.unique(alone)) > 1
    compared = compare(1)
    with workers():
        np.testing.assert_array_equal(scores(spectra, 2, str(tmp_path)), alone)
        assert compare(2).equals(compared)


@needs("distributed")
def test_dask_workers_that_are_killed_change_no_score(spectra):
    from dask.distributed import Client, LocalCluster
    from distributed.client import FutureCancelledError

    alone = scores(spectra, 1, epochs=10, backend="sequential")
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        killed = []

        def kill(worker):
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

        timers = [
            threading.Timer(delay, kill, [worker])
            for delay, worker in zip([0.3, 2.0], cluster.workers.values(), strict=True)
        ]
        for timer in timers:
            timer.start()
        try:
            found = scores(spectra, 2, epochs=10)
        except FutureCancelledError:  # dask may forget a future whose worker died: fit again
            for timer in timers:
                timer.join()
            found = scores(spectra, 2, epochs=10)
        finally:
            for timer in timers:
                timer.join()
    assert len(set(killed)) == 2
    np.testing.assert_array_equal(found, alone)
