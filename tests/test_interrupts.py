"""A fit that is interrupted, wherever it is, leaves the estimator as it was before."""

import gc
import inspect
import signal
import sys
from itertools import islice
from traceback import walk_stack

import numpy as np
import pytest
import torch
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
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping, EpochTimer

from skrobust import (
    MLP,
    CertainSamples,
    DistillationWarning,
    InfluenceReweighter,
    OutOfFoldLabelQuality,
)
from skrobust.influence import InfluenceWarning
from skrobust.neural.net import BestEpoch, TensorNet
from skrobust.neural.seeding import torch_defaults

ESTIMATORS = small_estimators()
N_PLACES = 3


@pytest.fixture(autouse=True)
def handled():
    """Ctrl-C raises KeyboardInterrupt, which processes in the background do not let it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class InterruptInBatch(Callback):
    def on_batch_end(self, net, **kwargs):
        raise KeyboardInterrupt


class Interrupted:
    """Count the calls of Python functions; send the user's interrupt at one of them."""

    # Python keeps finalizers from raising, and cannot keep an interrupt out of a context's end
    def __init__(self, at=None, skipped=("__del__", "__enter__", "__exit__")):
        self.at = at
        self.skipped = skipped
        self.n_calls = 0

    def _count(self, frame, event, argument):
        if event != "call" or frame.f_code.co_flags & inspect.CO_GENERATOR:
            return  # in generators Python 3.11 loses what a profiler raises
        for called, _ in islice(walk_stack(frame), 4):
            if called.f_code.co_name in self.skipped:
                return
        self.n_calls += 1
        if self.n_calls == self.at:
            signal.raise_signal(signal.SIGINT)

    def __enter__(self):
        gc.disable()
        sys.setprofile(self._count)
        return self

    def __exit__(self, *exception):
        sys.setprofile(None)
        gc.enable()


def test_every_public_estimator_is_covered():
    assert not missing_estimators(ESTIMATORS)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the tiny data
@pytest.mark.parametrize("index", range(len(ESTIMATORS)), ids=ids(ESTIMATORS))
def test_interrupted_fit_leaves_what_was_there(index):
    X, y, groups = small_table(40)
    X_before, y_before, groups_before = small_table(30, n_columns=8, seed=1)
    given = {"groups": groups} if "Influence" in ids(ESTIMATORS)[index] else {}
    given_before = {"groups": groups_before} if given else {}
    again = fit(clone(ESTIMATORS[index]), X, y, **given)
    second = clone(ESTIMATORS[index])
    with Interrupted() as counted:  # the first fit has filled caches
        fit(second, X, y, **given)
    fitted = fit(clone(ESTIMATORS[index]), X_before, y_before, **given_before)
    expected = outputs(fitted, X_before)
    unfitted = clone(ESTIMATORS[index])
    n_interrupted = 0
    for place in np.linspace(0.02, 0.9, N_PLACES) * counted.n_calls:
        for estimator in (unfitted, fitted):
            before = dict(vars(estimator))
            try:
                with Interrupted(int(place)) as interrupted:
                    fit(estimator, X, y, **given)
            except KeyboardInterrupt:
                n_interrupted += 1
            else:  # this fit had fewer calls than the counted one
                assert interrupted.n_calls < interrupted.at
                estimator.__dict__ = dict(before)
            assert vars(estimator) == before
    assert n_interrupted > N_PLACES
    assert not differences(outputs(fitted, X_before), expected)
    fit(unfitted, X, y, **given)
    assert not differences(outputs(unfitted, X), outputs(again, X))


def test_an_interrupt_leaves_the_state_of_torch_to_the_caller():
    def state():
        return torch.get_default_dtype(), torch.backends.cudnn.deterministic

    before = state()
    torch.set_default_dtype(torch.float64)
    torch.backends.cudnn.deterministic = False
    try:
        callers = state()
        with Interrupted(skipped=()) as counted, torch_defaults():
            pass
        assert counted.n_calls > 50
        for place in range(1, counted.n_calls):  # the last call ends the counting
            interrupted = Interrupted(place, skipped=())
            with pytest.raises(KeyboardInterrupt), interrupted, torch_defaults():
                pass
            assert state() == callers, place
            with torch_defaults():
                assert state() == (torch.float32, True), place
    finally:
        torch.set_default_dtype(before[0])
        torch.backends.cudnn.deterministic = before[1]


def early_stopping():
    return EarlyStopping("train_loss", patience=2, threshold=1.0, threshold_mode="abs", sink=list)


class InterruptInEpoch(Callback):
    """The user's interrupt while a callback is at work."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            signal.raise_signal(signal.SIGINT)


def test_a_callback_may_stop_the_training():
    X, y, _ = small_table()
    stopped = net(callbacks=[early_stopping()], random_state=0).set_params(max_epochs=10)
    assert len(stopped.fit(X, y).history_) < 10


def test_an_interrupt_inside_a_callback_of_the_user_stops_as_in_skorch():
    X, y, _ = small_table()
    estimator = net(callbacks=[InterruptInEpoch(2)], random_state=0).set_params(max_epochs=5)
    assert len(estimator.fit(X, y).history_) == 2


@pytest.mark.parametrize(
    "handler", [signal.default_int_handler, lambda number, frame: raise_interrupt()]
)
@pytest.mark.parametrize("place", ["after_epoch", "own callback", "step", "validation"])
def test_an_interrupt_anywhere_else_is_the_users(handler, place, monkeypatch):
    signal.signal(signal.SIGINT, handler)
    X, y, _ = small_table()
    where = {
        "after_epoch": (BestEpoch, "__call__"),
        "own callback": (EpochTimer, "on_epoch_end"),
        "step": (TensorNet, "_quick_step"),
        "validation": (TensorNet, "_quick_validation"),
    }[place]

    def interrupted(*args, **kwargs):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(*where, interrupted)
    estimator = net(early_stopping=True, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert not hasattr(estimator, "net_")


def raise_interrupt():
    raise KeyboardInterrupt


def test_interrupted_partial_fit_can_be_gone_on_with(monkeypatch):
    X, y, _ = small_table()
    estimator = net(random_state=0, batch_size=8).partial_fit(X, y, classes=[0, 1])
    steps = iter(range(10))
    quick_step = TensorNet._quick_step

    def interrupted_step(net, x, y):
        if next(steps) == 3:
            raise KeyboardInterrupt
        return quick_step(net, x, y)

    with monkeypatch.context() as patched:
        patched.setattr(TensorNet, "_quick_step", interrupted_step)
        with pytest.raises(KeyboardInterrupt):
            estimator.partial_fit(X, y)
    assert len(estimator.history_) == 1
    estimator.predict(X)
    estimator.partial_fit(X, y)
    assert estimator.history_[:, "epoch"] == [1, 2]


def test_gradients_are_on_again(monkeypatch):
    def interrupted_epochs(*args, **kwargs):
        torch.set_grad_enabled(False)  # as if torch.no_grad() could not end
        raise KeyboardInterrupt

    X, y, _ = small_table()
    monkeypatch.setattr(TensorNet, "run_epochs", interrupted_epochs)
    with pytest.raises(KeyboardInterrupt):
        net().fit(X, y)
    assert torch.is_grad_enabled()


def test_a_failed_fit_is_undone():
    X, y, _ = small_table()
    estimator = net(random_state=0).fit(X, y)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(np.full((4, 3), np.nan), [0, 1, 0, 1])
    assert vars(estimator) == before


@pytest.mark.parametrize("distiller", [CertainSamples, OutOfFoldLabelQuality])
def test_nets_of_skorch_keep_no_interrupt_to_themselves(distiller):
    X, y, _ = small_table()
    stock = NeuralNetClassifier(
        MLP, module__input_shape=(12,), module__n_outputs=2, max_epochs=2, verbose=0,
        train_split=None, criterion=torch.nn.CrossEntropyLoss, callbacks=[InterruptInBatch()],
    )  # fmt: skip
    estimator = distiller(stock)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert not hasattr(estimator, "kept_")


@pytest.mark.parametrize(
    "estimator",
    [CertainSamples(net(), max_epochs=1, random_state=0),
     CertainSamples(net(), max_epochs=1, threshold=0.1, random_state=0),
     InfluenceReweighter(net(), warmup_epochs=1, cv=None, random_state=0)],
    ids=["few", "nearly all", "few groups"],
)  # fmt: skip
def test_warnings_point_to_the_line_that_called_fit(estimator):
    X, y, groups = small_table()
    with pytest.warns((DistillationWarning, InfluenceWarning)) as caught:
        estimator.fit(X, y, groups=groups)
    assert caught[0].filename == __file__
