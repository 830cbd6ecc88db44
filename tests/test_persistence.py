"""Fitted and unfitted estimators come back from pickle, joblib and skops as they were."""

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from public_estimators import (
    differences,
    fit,
    ids,
    missing_estimators,
    net,
    outputs,
    small_estimators,
    small_table,
)
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning

import skrobust
from skrobust import MLP, ModelVersionWarning, NetClassifier
from skrobust.base import state as versioned_state

ESTIMATORS = small_estimators()

# skops does not trust the trees of scikit-learn's own nearest neighbours either
TREES = ("sklearn.neighbors._kd_tree.KDTree", "sklearn.metrics._dist_metrics.EuclideanDistance64")


def by_skops(estimator, path):
    skops.io.dump(estimator, path)
    trusted = skops.io.get_untrusted_types(file=path)
    # nothing but this library's and torch's own classes has to be trusted
    neighbours = ("ClassWeightedKNeighborsClassifier", "OutlierRemover")
    also = TREES if type(estimator).__name__ in neighbours else ()
    assert all(name.startswith(("skrobust.", "torch.")) or name in also for name in trusted), (
        trusted
    )
    return skops.io.load(path, trusted=trusted)


def by_joblib(estimator, path):
    joblib.dump(estimator, path)
    return joblib.load(path)


@pytest.fixture(scope="module")
def fitted():
    X, y, groups = small_table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return [fit(clone(e), X, y, **with_groups(e, groups)) for e in ESTIMATORS]


def with_groups(estimator, groups):
    return {"groups": groups} if type(estimator).__name__.startswith("Influence") else {}


def test_every_public_estimator_is_covered():
    assert not missing_estimators(ESTIMATORS)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the tiny data, not of loading (below)
@pytest.mark.parametrize(
    "way",
    [lambda e, path: pickle.loads(pickle.dumps(e)), by_joblib, by_skops],
    ids=["pickle", "joblib", "skops"],
)
@pytest.mark.parametrize("index", range(len(ESTIMATORS)), ids=ids(ESTIMATORS))
def test_round_trips(index, way, fitted, tmp_path):
    X, y, groups = small_table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = way(fitted[index], tmp_path / "model")
    expected = outputs(fitted[index], X)
    assert expected
    assert not differences(outputs(back, X), expected)
    if hasattr(back, "history_"):
        np.testing.assert_equal(list(back.history_), list(fitted[index].history_))
    empty = way(clone(ESTIMATORS[index]), tmp_path / "unfitted")
    fit(empty, X, y, **with_groups(empty, groups))
    assert not differences(outputs(empty, X), expected)


def test_another_process_predicts_bit_for_bit(fitted, tmp_path):
    X = small_table()[0]
    joblib.dump((fitted, X, [outputs(e, X) for e in fitted]), tmp_path / "models")
    code = (
        "import joblib; from public_estimators import differences, outputs\n"
        f"fitted, X, expected = joblib.load({str(tmp_path / 'models')!r})\n"
        "for estimator, before in zip(fitted, expected, strict=True):\n"
        "    assert not differences(outputs(estimator, X), before), estimator\n"
        "print(len(fitted), 'equal')"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stdout.strip() == f"{len(fitted)} equal", ran.stderr


def test_training_goes_on_where_it_stopped():
    X, y, _ = small_table()
    on = net(module__dropout=0.3, random_state=0).fit(X, y)
    others = pickle.loads(pickle.dumps(on)), copy.deepcopy(on)
    for estimator in (on, *others):
        estimator.partial_fit(X, y).partial_fit(X, y)
    for other in others:
        assert not differences(outputs(other, X), outputs(on, X))


@pytest.mark.parametrize("index", range(len(ESTIMATORS)), ids=ids(ESTIMATORS))
def test_version_is_recorded_and_compared(index, fitted, monkeypatch):
    estimator = fitted[index]
    stored = pickle.dumps(estimator)
    assert estimator.__getstate__()["_skrobust_version"] == skrobust.__version__
    assert not hasattr(pickle.loads(stored), "_skrobust_version")
    monkeypatch.setattr(versioned_state, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"99\.0") as caught:
        back = pickle.loads(stored)
    named = [w.message for w in caught if w.message.estimator_name == type(estimator).__name__]
    assert named
    assert all(type(w.message) is ModelVersionWarning for w in caught)
    assert named[0].original_version == skrobust.__version__
    assert not differences(outputs(back, small_table()[0]), outputs(estimator, small_table()[0]))


def test_state_without_version():
    state = net().__getstate__()
    del state["_skrobust_version"]
    with pytest.warns(ModelVersionWarning, match="of unknown version"):
        NetClassifier().__setstate__(state)


def test_setup_reads_the_version():
    setup = (Path(__file__).parents[1] / "setup.cfg").read_text()
    assert "version = attr: skrobust.version.__version__" in setup


@pytest.mark.parametrize(
    "make",
    [
        lambda: net(augment=lambda x: x),
        lambda: net(augment=lambda x: x).fit(*small_table()[:2]),
        lambda: type("Local", (NetClassifier,), {"__module__": __name__})(),
    ],
    ids=["unfitted", "fitted", "local class"],
)
def test_what_has_no_importable_name_fails_when_it_is_stored(make):
    estimator = make()
    with pytest.raises((pickle.PicklingError, AttributeError), match=r"lambda|Local"):
        pickle.dumps(estimator)


def test_a_finished_network_is_for_pickle_only():
    X, y, _ = small_table()
    fitted = NetClassifier(MLP((12,), 2, width=4), max_epochs=1, random_state=0).fit(X, y)
    assert not differences(outputs(pickle.loads(pickle.dumps(fitted)), X), outputs(fitted, X))
    # when it is saved, not when it is too late
    with pytest.raises(RuntimeError, match="TensorBase"):
        skops.io.dumps(fitted)


def test_the_state_of_a_network_holds_no_code():
    # weights travel as bytes that torch reads with weights_only=True
    X, y, _ = small_table()
    state = net(random_state=0).fit(X, y).__getstate__()
    assert isinstance(state["_net_state"], bytes)
    assert "net_" not in state
    history = state["_net_history"]
    assert all(isinstance(v, int | float | bool | list) for row in history for v in row.values())
