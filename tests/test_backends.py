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


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(backends.loky, id="loky"),
        pytest.param(partial(backends.dask, 2), id="dask", marks=needs("distributed")),
        pytest.param(partial(backends.ray, 2), id="ray", marks=needs("ray")),
    ],
)
def workers(request):
    with request.param():
        yield


pytestmark = pytest.mark.filterwarnings("ignore")  # of the schedulers


@pytest.mark.usefixtures("workers")
def test_scores_of_a_search_are_equal_to_the_last_bit(spectra, tmp_path):
    alone = scores(spectra, 1, backend="sequential")
    assert len(np.unique(alone)) > 1
    np.testing.assert_array_equal(scores(spectra, 2, str(tmp_path)), alone)


@pytest.mark.usefixtures("workers")
def test_comparisons_are_equal_to_the_last_bit(spectra):
    X, y, patient = spectra
    estimators = {"linear": LogisticRegression(C=0.01), "net": backends.small_net(epochs=1)}

    def compare(n_jobs):
        table = compare_estimators(estimators, X, y, groups=patient, cv=3, n_jobs=n_jobs)
        return table.set_index(["estimator", "split", "metric"])["score"].sort_index()

    with joblib.parallel_config(backend="sequential"):
        alone = compare(1)
    assert compare(2).equals(alone)


@needs("distributed")
@pytest.mark.parametrize("delay", [0.3, 2.0])
def test_a_dask_worker_that_is_killed_changes_no_score(spectra, delay):
    from dask.distributed import Client, LocalCluster
    from distributed.client import FutureCancelledError

    alone = scores(spectra, 1, epochs=10, backend="sequential")
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        killed = []

        def kill():
            pid = next(iter(cluster.workers.values())).pid
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

        timer = threading.Timer(delay, kill)
        timer.start()
        try:
            found = scores(spectra, 2, epochs=10)
        except FutureCancelledError:  # dask may forget a future whose worker died: fit again
            timer.join()
            found = scores(spectra, 2, epochs=10)
        finally:
            timer.join()
    assert killed
    np.testing.assert_array_equal(found, alone)
