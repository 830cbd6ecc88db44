"""What is saved can be loaded: other types of numbers, other dtypes, devices and processes."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import skops.io
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from skorch.callbacks import LRScheduler
from torch import nn

from skrobust import (
    MLP,
    AdversarialNetClassifier,
    AEOutlierRemover,
    FactorMixSampler,
    NetClassifier,
    Noise2VoidDenoiser,
    TripletEmbedder,
)

SMALL = {"max_epochs": 2, "random_state": 0}
RNG = np.random.RandomState(0)
X, Y = RNG.normal(size=(40, 12)).astype("f4"), np.tile([0, 1], 20)
ESTIMATORS = [
    NetClassifier(**SMALL),
    AdversarialNetClassifier(**SMALL),
    TripletEmbedder(MLP, **SMALL),
    AEOutlierRemover(restarts=(), **SMALL),
    Noise2VoidDenoiser(**SMALL),
]


def wave(epoch):
    return np.cos(epoch / 9)


WITH_NUMPY = {
    "lr": {"lr": np.float64(0.01)},
    "float32": {"lr": np.float32(0.01), "optimizer__weight_decay": np.float32(0.1)},
    "betas": {"optimizer__betas": (np.float64(0.8), np.float64(0.9))},
    "array of betas": {"optimizer__betas": np.array([0.8, 0.9])},
    "whole numbers": {"batch_size": np.int64(8), "max_epochs": np.int32(2)},
    "bool": {"optimizer__amsgrad": np.bool_(True)},
    "eps": {"optimizer__eps": np.float64(1e-6)},
    "sgd": {
        "optimizer": torch.optim.SGD,
        "optimizer__momentum": np.float64(0.9),
        "optimizer__nesterov": np.bool_(True),
    },
    "lbfgs": {"optimizer": torch.optim.LBFGS, "lr": np.float64(0.1)},
    "schedule": {"callbacks": [LRScheduler("LambdaLR", lr_lambda=wave)]},
    "precision of the schedule": {
        "callbacks": [LRScheduler("CosineAnnealingLR", T_max=np.int64(3), eta_min=np.float64(1e-5))]
    },
}


def said(estimator):
    for name in ("predict_proba", "transform", "score_samples", "reconstruct"):
        if hasattr(estimator, name):
            return getattr(estimator, name)(X)
    raise AssertionError("nothing to compare")


def assert_round_trip(estimator, *, ways):
    expected = said(estimator)
    for way in ways:
        assert_array_equal(said(way(estimator)), expected)


def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("case", WITH_NUMPY)
def test_numbers_of_numpy_come_back(estimator, case):
    fitted = clone(estimator).set_params(**WITH_NUMPY[case]).fit(X, Y)
    assert_round_trip(fitted, ways=[by_pickle, copy.deepcopy])
    if hasattr(estimator, "partial_fit"):
        twins = [fitted, by_pickle(fitted)]
        assert_array_equal(*[said(twin.partial_fit(X, Y)) for twin in twins])


def test_loading_runs_no_code():
    fitted = NetClassifier(**SMALL, lr=np.float64(0.01)).fit(X, Y)
    dumped = skops.io.dumps(fitted)
    trusted = skops.io.get_untrusted_types(data=dumped)
    assert all(name.startswith(("skrobust.", "torch.")) for name in trusted)
    assert_round_trip(fitted, ways=[lambda _: skops.io.loads(dumped, trusted=trusted)])


class WithState(nn.Module):
    """A network that keeps more than weights."""

    def __init__(self, n_outputs, extra=None):
        super().__init__()
        self.linear, self.extra = nn.Linear(12, n_outputs), extra

    def forward(self, x):
        return self.linear(x)

    def get_extra_state(self):
        return self.extra

    def set_extra_state(self, state):
        self.extra = state


@pytest.mark.parametrize(
    "extra", [{"mean": np.float64(2.5)}, (1, "a"), None, torch.ones(2)], ids=repr
)
def test_extra_state_of_plain_things_comes_back(extra):
    fitted = NetClassifier(WithState, module__extra=extra, **SMALL).fit(X, Y)
    back = by_pickle(fitted)
    assert_array_equal(said(back), said(fitted))
    assert repr(back.net_.module_.extra) == repr(extra).replace("np.float64(2.5)", "2.5")


def test_state_that_could_not_be_loaded_is_an_error_when_it_is_saved():
    fitted = NetClassifier(WithState, module__extra=np.ones(3), **SMALL).fit(X, Y)
    with pytest.raises(TypeError, match="state of the module holds a ndarray"):
        pickle.dumps(fitted)


# ---- other dtypes


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_another_default_dtype_changes_nothing(estimator, double):
    torch.set_default_dtype(torch.float32)
    fitted = clone(estimator).fit(X, Y)
    dumped, expected = pickle.dumps(fitted), said(fitted)
    torch.set_default_dtype(torch.float64)
    assert_array_equal(said(clone(estimator).fit(X, Y)), expected)
    assert_array_equal(said(pickle.loads(dumped)), expected)
    assert torch.get_default_dtype() == torch.float64


def test_another_default_dtype_changes_no_factors(double):
    torch.set_default_dtype(torch.float32)
    sampler = FactorMixSampler(class_epochs=1, width=2, n_codes=4, **SMALL)
    expected, soft = sampler.fit_resample(X, Y)
    dumped, codes = pickle.dumps(sampler), sampler.encode(X)
    torch.set_default_dtype(torch.float64)
    again = clone(sampler).fit_resample(X, Y)
    assert_array_equal(again[0], expected)
    assert_array_equal(again[1], soft)
    for code, other in zip(pickle.loads(dumped).encode(X), codes, strict=True):
        assert_array_equal(code, other)


def test_the_default_dtype_is_back_after_fits_in_threads(double):
    clf = NetClassifier(MLP, **{**SMALL, "max_epochs": 10})
    fits = joblib.Parallel(4, backend="threading")(
        joblib.delayed(lambda: said(clone(clf).fit(X, Y)))() for _ in range(8)
    )
    assert torch.get_default_dtype() == torch.float64
    for other in fits[1:]:
        assert_array_equal(other, fits[0])


def test_a_module_of_doubles_is_trained_in_single_precision():
    clf = NetClassifier(MLP((12,), 2).double(), **SMALL).fit(X, Y)
    assert {p.dtype for p in clf.net_.module_.parameters()} == {torch.float32}
    assert said(clf).dtype == np.float32


# ---- other devices


@pytest.mark.skipif(torch.cuda.is_available(), reason="these devices must not be here")
@pytest.mark.parametrize("device", ["cuda", "cuda:3", "mps", "xpu:1"])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_a_model_of_another_device_loads_here(estimator, device):
    fitted = clone(estimator).fit(X, Y)
    state = fitted.__getstate__()
    state["_net_recipe"] = {**state["_net_recipe"], "device": device}
    back = type(estimator).__new__(type(estimator))
    back.__setstate__(state)
    assert back.net_.device == "cpu"
    assert_array_equal(said(back), said(fitted))
    by_pickle(back)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this device must not be here")
@pytest.mark.parametrize("device", ["cuda:3", "mps"])
def test_factors_of_another_device_load_here(device):
    sampler = FactorMixSampler(class_epochs=1, width=2, n_codes=4, **SMALL)
    sampler.fit_resample(X, Y)
    state = sampler.networks_.__getstate__()
    state["recipe"]["device"] = device
    back = type(sampler.networks_).__new__(type(sampler.networks_))
    back.__setstate__(state)
    assert_array_equal(back.encode(X)[0], sampler.encode(X)[0])


# ---- arguments with other names


class Scaled(nn.Module):
    def __init__(self, n_outputs, lambda_=1.0, _private=0, beta__=2):
        super().__init__()
        self.linear, self.given = nn.Linear(12, n_outputs), (lambda_, _private, beta__)

    def forward(self, x):
        return self.linear(x)


def test_arguments_of_any_name_are_parameters():
    given = {"module__lambda_": 5.0, "module___private": 3, "module__beta__": 4}
    clf = NetClassifier(Scaled, **given, **SMALL)
    assert clf.get_params().items() >= given.items()
    assert "module__lambda_=5.0" in repr(clf)
    for other in (clone(clf), by_pickle(clf), clone(clone(clf))):
        assert other.fit(X, Y).net_.module_.given == (5.0, 3, 4)
    assert by_pickle(clf.fit(X, Y)).net_.module_.given == (5.0, 3, 4)
    assert clone(clf.set_params(module__lambda_=6.0)).module__lambda_ == 6.0
