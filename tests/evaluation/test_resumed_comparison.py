"""A comparison that was stopped goes on, and gives what it would have given."""

import os
import random
import shutil
import signal
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import BrokenProcessPool
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skrobust import compare_estimators

TIMES = ["fit_time", "score_time"]
RNG = np.random.RandomState(0)
PATIENT = np.repeat(np.arange(20), 4)
Y = PATIENT % 2
X = RNG.randn(80, 3) + Y[:, None]


class Counted(ClassifierMixin, BaseEstimator):
    """Writes a file at every fit."""

    def __init__(self, folder, bias=0.0):
        self.folder = folder
        self.bias = bias

    def fit(self, X, y):
        Path(self.folder, f"{time.time_ns()}-{random.random()}").touch()
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(-X[:, 0] - self.bias))
        return np.column_stack([1 - p, p])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


def compare(estimators, memory, **changes):
    settings = {"groups": PATIENT, "cv": 4} | changes
    return compare_estimators(estimators, X, Y, memory=memory, **settings).drop(columns=TIMES)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_what_is_done_is_not_done_again(tmp_path, n_jobs):
    fits = tmp_path / "fits"
    fits.mkdir()
    memory = tmp_path / "memory"
    with joblib.parallel_config("threading"):  # starts sooner than processes
        first = compare({"a": Counted(fits)}, memory, n_jobs=n_jobs)
        assert len(list(fits.iterdir())) == 4
        again = compare({"a": Counted(fits), "b": Counted(fits, 1.0)}, memory, n_jobs=n_jobs)
    assert len(list(fits.iterdir())) == 8
    pd.testing.assert_frame_equal(first, again[again["estimator"] == "a"].reset_index(drop=True))
    # other data, splits or scores are another comparison
    for changes in ({"cv": 5}, {"scoring": "accuracy"}, {"y_score": 1 - Y}):
        before = len(list(fits.iterdir()))
        compare({"a": Counted(fits)}, memory, **changes)
        assert len(list(fits.iterdir())) > before


def test_corrupt_entries_are_computed_again(tmp_path):
    expected = compare({"a": LogisticRegression()}, tmp_path)
    files = list(tmp_path.rglob("output.pkl"))
    assert files
    for file, damage in zip(files, [b"", b"garbage", None, b"\x80\x04"], strict=False):
        file.write_bytes(file.read_bytes()[:-7] if damage is None else damage)
    for _ in range(2):
        again = compare({"a": LogisticRegression()}, tmp_path)
        pd.testing.assert_frame_equal(again, expected)


class Slow(LogisticRegression):
    def fit(self, X, y):
        time.sleep(0.02)
        return super().fit(X, y)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_killed_twenty_times_it_gives_the_same_table(tmp_path):
    estimators = {f"C={C}": Slow(C=C) for C in (0.01, 0.1, 1.0, 10.0)}
    expected = compare(estimators, None)
    rng, killed = random.Random(0), 0
    for _ in range(100):
        child = os.fork()
        if child == 0:
            compare(estimators, tmp_path)
            os._exit(0)
        time.sleep(rng.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        if killed == 20:
            break
    assert killed == 20
    pd.testing.assert_frame_equal(compare(estimators, tmp_path), expected)


def test_a_full_disk_costs_the_cache_only(tmp_path):
    resource = pytest.importorskip("resource")
    expected = compare({"a": LogisticRegression()}, None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            table = compare({"a": LogisticRegression()}, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert any("Unable to cache" in str(w.message) for w in caught)
    pd.testing.assert_frame_equal(table, expected)
    pd.testing.assert_frame_equal(compare({"a": LogisticRegression()}, tmp_path), expected)


class Dies(DummyClassifier):
    """Kills the worker that fits it, once."""

    def __init__(self, file, strategy="prior"):
        super().__init__(strategy=strategy)
        self.file = file

    def fit(self, X, y):
        if not os.path.exists(self.file):
            Path(self.file).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)


def test_a_worker_that_dies_is_an_error_and_loses_nothing(tmp_path):
    estimators = {"a": LogisticRegression(), "b": Dies(str(tmp_path / "died"))}
    with joblib.parallel_config(backend="loky"), pytest.raises(BrokenProcessPool):
        compare(estimators, tmp_path / "memory", n_jobs=2)
    table = compare(estimators, tmp_path / "memory")
    shutil.rmtree(tmp_path / "memory")
    pd.testing.assert_frame_equal(table, compare(estimators, None))
