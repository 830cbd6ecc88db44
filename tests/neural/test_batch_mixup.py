"""Mixup: the step by hand, where rows can be mixed, and that nothing else moves."""

import pickle
import random

import numpy as np
import pytest
import skops.io
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn.base import clone
from skorch.callbacks import Callback
from torch import nn

from skrobust import MLP, AdversarialNetClassifier, ConvNet, NetClassifier, ResNet1d
from skrobust.neural.mixup import BatchMixup

SMALL = {"module": MLP, "module__width": 8, "max_epochs": 3, "random_state": 0}
KINDS = ["input", "manifold"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1, 2], [45, 30, 15])
    return (rng.normal(size=(90, 12)) + np.eye(3, 12)[y]).astype(np.float32), y


def weights(clf):
    return [p.detach().numpy().copy() for p in clf.net_.module_.parameters()]


class Records(BatchMixup):
    """Records what every step is taken on."""

    seen: list = []

    def __call__(self, net, x, y):
        mixed = super().__call__(net, x, y)
        Records.seen.append((x, y, *mixed, net.around_step))
        return mixed


def recorded(monkeypatch, clf, X, y, **kwargs):
    Records.seen = []
    monkeypatch.setattr("skrobust.neural.net_classifier.BatchMixup", Records)
    return clf.fit(X, y, **kwargs), Records.seen


# ---- the step by hand


@pytest.mark.parametrize("where", KINDS)
@pytest.mark.parametrize("params", [{}, {"logit_adjustment": 2.0}, {"class_weight": {0: 3.0}}])
def test_a_step_follows_the_gradient_of_the_mixed_loss(data, monkeypatch, where, params):
    X, y = data
    # a linear network in two parts: mixing before either is mixing the rows
    linear = nn.Sequential(nn.Linear(12, 5, bias=False), nn.Linear(5, 3, bias=False))
    rng = np.random.RandomState(1)
    V, W = (rng.normal(size=size).astype(np.float32) for size in ((5, 12), (3, 5)))
    with torch.no_grad():
        linear[0].weight.copy_(torch.from_numpy(V))
        linear[1].weight.copy_(torch.from_numpy(W))
    clf = NetClassifier(
        linear,
        batch_size=90,
        max_epochs=1,
        lr=0.5,
        optimizer=torch.optim.SGD,
        mixup=where,
        mixup_alpha=2.0,
        random_state=0,
        **params,
    )
    clf, seen = recorded(monkeypatch, clf, X, y)
    ((x, target, mixed_x, mixed_y, step),) = seen
    x, mixed_x, mixed_y = x.numpy(), mixed_x.numpy(), mixed_y.numpy()
    mass = np.eye(3)[target.numpy()] if target.ndim == 1 else target.numpy()
    if where == "manifold":
        assert_array_equal(mixed_x, x)
        share, partners = step.share, step.partners.numpy()
        mixed_x = (1 - share) * x + share * x[partners]
    else:
        # partner and share of every row, read off the change of the rows
        towards = (mixed_x - x)[:, None] / np.where(x[None] == x[:, None], 1, x[None] - x[:, None])
        moved = np.ptp(towards, axis=2) < 1e-3
        moved[np.diag_indices(90)] = False
        stays = ~moved.any(1)
        assert stays.sum() < 10
        partners = np.where(stays, np.arange(90), moved.argmax(1))
        share = np.median(towards[~stays, partners[~stays]])
        assert_array_equal(np.sort(partners), np.arange(90))
    assert_allclose(mixed_y, (1 - share) * mass + share * mass[partners], atol=1e-4)
    hidden = mixed_x @ V.T
    shift = 2 * np.log(np.bincount(y) / 90) if "logit_adjustment" in params else 0
    scores = hidden @ W.T + shift
    loss = -(mixed_y * log_softmax(scores, axis=1)).sum() / 90
    # cross entropy is linear in the target: the loss is that of the two labels, weighted
    apart = [-(m * log_softmax(scores, axis=1)).sum() / 90 for m in (mass, mass[partners])]
    assert loss == pytest.approx((1 - share) * apart[0] + share * apart[1], rel=1e-3)
    assert clf.history_[0]["train_loss"] == pytest.approx(loss, rel=1e-5)
    slope = np.exp(log_softmax(scores, axis=1)) * mixed_y.sum(1, keepdims=True) - mixed_y
    assert_allclose(weights(clf)[0], V - 0.5 * (slope @ W).T @ mixed_x / 90, atol=1e-5)
    assert_allclose(weights(clf)[1], W - 0.5 * slope.T @ hidden / 90, atol=1e-5)


def test_shares_follow_the_beta_law(data):
    X, y = data
    for alpha in (0.01, 0.2, 2.0):
        law = BatchMixup("input", alpha, None).law
        with torch.random.fork_rng():
            torch.manual_seed(0)
            drawn = law.sample((4000,)).numpy()
        assert np.isfinite(drawn).all()
        assert drawn.mean() == pytest.approx(0.5, abs=0.03)
        assert drawn.std() == pytest.approx(0.5 / np.sqrt(2 * alpha + 1), rel=0.05)
    default = NetClassifier(**SMALL, mixup="manifold").fit(X, y)
    named = NetClassifier(**SMALL, mixup="manifold", mixup_alpha=2.0).fit(X, y)
    other = NetClassifier(**SMALL, mixup="manifold", mixup_alpha=0.2).fit(X, y)
    assert_array_equal(default.decision_function(X), named.decision_function(X))
    assert np.abs(default.decision_function(X) - other.decision_function(X)).max() > 1e-4


def test_rows_are_mixed_after_they_are_augmented(data, monkeypatch):
    X, y = data
    clf = NetClassifier(**SMALL, mixup="input", augment=torch.ones_like)
    _, seen = recorded(monkeypatch, clf, X, y)
    # rows that became all alike stay so; their targets are mixed
    assert all((mixed == 1).all() for _, _, mixed, _, _ in seen)
    assert any(((target > 0.05) & (target < 0.95)).any() for *_, target, _ in seen)


# ---- where rows can be mixed


def places(module, shape, **params):
    X = np.random.RandomState(0).normal(size=(8, *shape)).astype(np.float32)
    clf = NetClassifier(module, max_epochs=1, mixup="manifold", random_state=0, **params)
    return clf.fit(X, np.tile([0, 1], 4)).net_.batch_transform.places


class Branches(nn.Module):
    """Two parts side by side, one used twice, one around which the rows can go."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(12, 4), nn.Linear(12, 4)
        self.twice = nn.Tanh()
        self.detour = nn.Linear(4, 4)
        self.unused = nn.Linear(3, 3)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        x = self.twice(self.left(x)) + self.twice(self.right(x))
        return self.last(x + self.detour(x))


class OnePart(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x):
        return self.layers(x)


def test_places_are_where_all_goes_through():
    assert places(MLP, (12,)) == ["", "head"]
    assert places(ConvNet, (1, 8, 8), module__width=4) == ["", "head"]
    net = places(ResNet1d, (1, 32), module__width=4, module__n_blocks=2, module__kernel_size=4)
    assert net == ["", "norm", "blocks", "head"]
    assert places(Branches, (12,)) == ["", "last"]
    assert places(OnePart, (12,)) == ["", "layers.1", "layers.2"]


@pytest.mark.parametrize("module", [nn.Linear(12, 3), nn.Sequential(nn.Linear(12, 3))])
def test_without_a_place_there_is_no_manifold_mixup(data, module):
    with pytest.raises(ValueError, match="no top-level part behind its input"):
        NetClassifier(module, mixup="manifold", random_state=0).fit(*data)


def test_every_place_is_used_and_no_hook_stays(data, monkeypatch):
    X, y = data
    clf = NetClassifier(**{**SMALL, "max_epochs": 10}, mixup="manifold")
    clf, seen = recorded(monkeypatch, clf, X, y)
    used = {id(step.module) for *_, step in seen}
    assert used == {id(clf.net_.module_), id(clf.net_.module_.head)}
    assert not any(part._forward_pre_hooks for part in clf.net_.module_.modules())


class Fails(nn.Linear):
    def forward(self, x):
        if self.training:
            raise ArithmeticError
        return super().forward(x)


def test_no_hook_stays_after_an_error(data, monkeypatch):
    module = nn.Sequential(nn.Linear(12, 8), Fails(8, 3))
    clf = NetClassifier(module, mixup="manifold", random_state=0)
    nets = []
    start = clf._start_classifier
    monkeypatch.setattr(
        clf, "_start_classifier", lambda *args: nets.append(start(*args)) or nets[0]
    )
    with pytest.raises(ArithmeticError):
        clf.fit(*data)
    assert not any(part._forward_pre_hooks for part in nets[0].module_.modules())


# ---- nothing else moves


class SeesBatches(Callback):
    def on_batch_end(self, net, batch, training, **kwargs):
        assert batch[1].ndim == 1  # the rows as they are


@pytest.mark.parametrize("where", KINDS)
def test_fits_agree_with_and_without_callbacks_and_no_global_generator_moves(data, where):
    X, y = data
    clf = NetClassifier(**{**SMALL, "module__dropout": 0.2}, mixup=where)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (clone(clf).fit(X, y).decision_function(X) for _ in range(2))
    third = clone(clf).set_params(callbacks=[SeesBatches()]).fit(X, y).decision_function(X)
    assert_array_equal(before[2], np.random.get_state()[1])  # noqa: NPY002
    assert before[1] == random.getstate()
    assert torch.equal(before[0], torch.get_rng_state())
    assert_array_equal(first, second)
    assert_array_equal(first, third)
    plain = clone(clf).set_params(mixup=None).fit(X, y).decision_function(X)
    assert np.abs(first - plain).max() > 1e-3


@pytest.mark.parametrize("where", KINDS)
def test_validation_and_prediction_are_not_mixed(data, where):
    X, y = data
    clf = NetClassifier(**SMALL, mixup=where).fit(X, y, X_val=X[::2], y_val=y[::2])
    log_proba = np.log(clf.predict_proba(X[::2]))
    loss = -log_proba[np.arange(45), y[::2]].mean()
    assert clf.history_[-1]["valid_loss"] == pytest.approx(loss, rel=1e-4)
    assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("where", KINDS)
@pytest.mark.parametrize("cls", [NetClassifier, AdversarialNetClassifier])
def test_training_goes_on_alike_after_loading(data, where, cls):
    X, y = data
    module = {"module": ResNet1d, "module__width": 4, "module__n_blocks": 2, "batch_size": 16}
    clf = cls(**{**module, "random_state": 0, "mixup": where, "balanced_batches": True})
    clf.partial_fit(X, y, classes=[0, 1, 2])
    dumped = skops.io.dumps(clf)
    copies = [
        pickle.loads(pickle.dumps(clf)),
        skops.io.loads(dumped, trusted=skops.io.get_untrusted_types(data=dumped)),
    ]
    further = clf.partial_fit(X, y).partial_fit(X, y).predict_proba(X)
    for other in copies:
        assert_array_equal(other.partial_fit(X, y).partial_fit(X, y).predict_proba(X), further)


@pytest.mark.parametrize("where", KINDS)
def test_weights_are_soft_labels(data, where):
    X, y = data
    weight = np.random.RandomState(1).uniform(0.1, 2, size=90)
    clf = NetClassifier(**SMALL, mixup=where)
    weighted = clone(clf).fit(X, y, sample_weight=weight).decision_function(X)
    mass = clone(clf).fit(X, np.eye(3)[y] * weight[:, None]).decision_function(X)
    assert_array_equal(weighted, mass)


@pytest.mark.parametrize("where", KINDS)
@pytest.mark.parametrize(
    "params",
    [
        {"precision": "bfloat16"},
        {
            "optimizer": torch.optim.LBFGS,
            "optimizer__line_search_fn": "strong_wolfe",  # without it some steps diverge
            "batch_size": 90,
        },
        {"logit_adjustment": 1.0, "augment": "noise", "early_stopping": True},
        {"balanced_batches": True, "class_weight": "balanced"},
    ],
)
def test_learns_with_everything_else(data, where, params):
    X, y = data
    X = X + 3 * np.eye(3, 12, dtype=np.float32)[y]
    clf = NetClassifier(**{**SMALL, "max_epochs": 60, "lr": 0.01, **params}, mixup=where)
    assert clf.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("where", KINDS)
def test_learns_images(where):
    rng = np.random.RandomState(0)
    y = np.tile([0, 1], 60)
    X = rng.normal(size=(120, 1, 8, 8)).astype(np.float32)
    X[y == 1, :, 2:6, 2:6] += 1.5
    clf = NetClassifier(mixup=where, augment="affine", max_epochs=20, random_state=0)
    assert clf.fit(X[:80], y[:80]).score(X[80:], y[80:]) > 0.9


@pytest.mark.parametrize("where", KINDS)
def test_the_attack_is_on_the_mixed_batch(data, where):
    X, y = data
    params = {"max_epochs": 40, "lr": 0.01, "random_state": 0, "mixup": where}
    X = X + 3 * np.eye(3, 12, dtype=np.float32)[y]
    clf = AdversarialNetClassifier(MLP, epsilon=0.01, **params).fit(X, y)
    assert clf.score(X, y) > 0.9
    assert set(NetClassifier().get_params()) < set(clf.get_params())


def test_errors_say_what_is_wrong(data):
    with pytest.raises(ValueError, match="but batch_size=1"):
        NetClassifier(**SMALL, batch_size=1, mixup="input").fit(*data)
    with pytest.raises(ValueError, match="'mixup' parameter"):
        NetClassifier(**SMALL, mixup="output").fit(*data)
    with pytest.raises(ValueError, match="'mixup_alpha' parameter"):
        NetClassifier(**SMALL, mixup="input", mixup_alpha=0).fit(*data)
