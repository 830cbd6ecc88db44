"""Files larger than memory, torch's modes, and arrays of every kind: right, or a clear error."""

import threading
import time

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from torch import nn

from skrobust import (
    MLP,
    AdversarialNetClassifier,
    AEOutlierRemover,
    FactorMixSampler,
    NetClassifier,
    TripletEmbedder,
)
from skrobust.neural.batches import Rows, as_tensor

SMALL = {"max_epochs": 2, "random_state": 0}
RNG = np.random.RandomState(0)
X, Y = RNG.normal(size=(60, 12)).astype("f4"), np.tile([0, 1], 30)
ESTIMATORS = [
    NetClassifier(MLP, **SMALL),
    NetClassifier(MLP, precision="bfloat16", **SMALL),
    NetClassifier(input_shape=(1, 12), early_stopping=True, **SMALL),
    AdversarialNetClassifier(MLP, mixup="input", **SMALL),
    TripletEmbedder(MLP, **SMALL),
    AEOutlierRemover(restarts=(1,), **SMALL),
    FactorMixSampler(class_epochs=1, width=2, n_codes=4, **SMALL),
]
IDS = [f"{type(e).__name__}-{i}" for i, e in enumerate(ESTIMATORS)]


def said(estimator, rows=X):
    for name in ("predict_proba", "transform", "score_samples", "reconstruct"):
        if hasattr(estimator, name):
            return getattr(estimator, name)(rows)
    raise AssertionError("nothing to compare")


def fit(estimator, rows=X, **kwargs):
    estimator = clone(estimator)
    if isinstance(estimator, FactorMixSampler):
        estimator.fit_resample(rows, Y)
        return estimator
    return estimator.fit(rows, Y, **kwargs)


# ---- modes of torch

MODES = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast without cache": lambda: torch.autocast("cpu", torch.bfloat16, cache_enabled=False),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
def test_an_outer_mode_changes_nothing(estimator, mode):
    outside = fit(estimator)
    expected = said(outside)
    with MODES[mode]():
        inside = fit(estimator)
        assert_array_equal(said(inside), expected)
        assert_array_equal(said(outside), expected)
    assert_array_equal(said(inside), expected)
    assert torch.is_grad_enabled()
    if hasattr(estimator, "partial_fit") and not estimator.early_stopping:
        with MODES[mode]():
            inside.partial_fit(X, Y)
        assert_array_equal(said(inside), said(outside.partial_fit(X, Y)))


def test_half_precision_learns():
    clf = NetClassifier(MLP, precision="bfloat16", max_epochs=60, lr=0.02, random_state=0)
    assert clf.fit(X, X[:, 0] > 0).score(X, X[:, 0] > 0) > 0.9


# ---- arrays of every kind


def strange_arrays():
    whole = np.round(20 * X)
    return {
        "big-endian floats": X.astype(">f4"),
        "big-endian doubles": X.astype(">f8"),
        "big-endian integers": whole.astype(">i2"),
        "unsigned": (whole + 200).astype("u2"),
        "unsigned 64": (whole + 200).astype("u8"),
        "long floats": X.astype(np.longdouble),
        "half": X.astype("f2"),
        "bool": X > 0,
        "reversed": X[::-1, ::-1],
        "transposed": np.asfortranarray(X),
        "every second": np.repeat(X, 2, axis=1)[:, ::2],
    }


def plain(array):
    return np.ascontiguousarray(array.astype(np.float32))


@pytest.mark.parametrize("kind", strange_arrays())
@pytest.mark.parametrize("place", ["memory", "read-only", "file"])
def test_arrays_of_every_kind_are_the_numbers_that_they_hold(kind, place, tmp_path):
    array = strange_arrays()[kind]
    if place == "file":
        np.save(tmp_path / "X.npy", array)
        array = np.load(tmp_path / "X.npy", mmap_mode="r")
        if kind in ("reversed", "every second"):
            array = array[:, ::-1]
    elif place == "read-only":
        array.setflags(write=False)
    clf = NetClassifier(MLP, early_stopping=True, **SMALL)
    fitted, expected = fit(clf, array), fit(clf, plain(array))
    assert_array_equal(said(fitted, array), said(expected, plain(array)))
    detector = AEOutlierRemover(restarts=(), **SMALL)
    assert_allclose(
        said(fit(detector, array), array),
        said(fit(detector, plain(array)), plain(array)),
        rtol=1e-3,
    )


@pytest.mark.parametrize("dtype", [">f4", ">f8", "u2", "?", "g"])
def test_a_file_of_foreign_numbers_is_read_batch_by_batch(dtype, tmp_path):
    np.save(tmp_path / "X.npy", (10 * X).astype(dtype))
    array = np.load(tmp_path / "X.npy", mmap_mode="r")
    rows = Rows(array, Y, (12,))
    assert rows.X is array
    expected = plain(array)
    assert_array_equal(rows[:7][0], expected[:7])
    assert_array_equal(rows[torch.tensor([3, 50])][0], expected[[3, 50]])
    some = rows.select(np.array([5, 6, 1]), Y[:3])
    assert_array_equal(some[torch.tensor([2])][0], expected[[1]])
    assert isinstance(as_tensor(np.array(array)), torch.Tensor)


# ---- memory


class Linear(nn.Module):
    def __init__(self, input_shape, n_outputs):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], n_outputs)

    def forward(self, x):
        return self.layer(x)


def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "X.f4"
    written = np.memmap(path, "f4", "w+", shape=(60_000, 500))
    written[:] = np.random.RandomState(0).rand(1, 500)
    written.flush()
    return np.memmap(path, "f4", "r", shape=(60_000, 500))


WAYS = {
    "plain": ({}, {}),
    "early_stopping": ({"early_stopping": True}, {}),
    "groups": ({"early_stopping": True, "validation_fraction": 0.3}, {"groups": "patients"}),
    "zero weights": ({}, {"sample_weight": "half"}),
    "a class without weight": ({"class_weight": {0: 1, 1: 1, 2: 0}}, {}),
    "soft labels": ({}, {"y": "soft"}),
    "balanced": ({"balanced_batches": True, "class_weight": "balanced"}, {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_memory_mapped_X_is_never_copied_whole(large, way):
    n, y = len(large), np.arange(len(large)) % 3
    params, given = WAYS[way]
    named = {
        "patients": np.arange(n) // 500,
        "half": (np.arange(n) % 2).astype(float),
        "soft": np.where(np.arange(n)[:, None] < 50, 0, np.eye(3)[y]),
    }
    given = {name: named[value] for name, value in given.items()}
    y = given.pop("y", y)
    clf = NetClassifier(Linear, max_epochs=1, batch_size=2048, random_state=0, **params)
    clf.fit(
        large[:3000], y[:3000], **{k: v[:3000] for k, v in given.items()}
    )  # loads what it needs
    peak, done, before = [0.0], threading.Event(), anonymous()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], anonymous() - before)
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        clf.fit(large, y, **given).predict(large)
    finally:
        done.set()
        thread.join()
    assert peak[0] < 0.6 * large.nbytes / 2**20
