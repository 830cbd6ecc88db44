"""NetClassifier with several networks: their mean, and that of nothing else."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from skorch.callbacks import LRScheduler
from torch import nn

from skrobust import MLP, AdversarialNetClassifier, ConvNet, InfluenceReweighter, NetClassifier
from skrobust.neural import net_classifier
from skrobust.neural.net import TensorNet
from skrobust.neural.side_by_side import StackedMLP


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(90, 12)).astype(np.float32)
    y = (X[:, :3].sum(1) > 0).astype(int) + (X[:, 3] > 1)
    return X, np.array(["a", "b", "c"])[y], np.arange(90) % 18


def ensemble(cls=NetClassifier, **params):
    given = {"module__width": 8, "max_epochs": 3, "n_members": 3, "random_state": 0}
    return cls(MLP, **{**given, **params})


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"class_weight": "balanced", "early_stopping": True, "validation_fraction": 0.3},
        {"augment": "noise", "mixup": "manifold", "logit_adjustment": 1.0},
        {"balanced_batches": True, "mixup": "input"},
        {"cls": AdversarialNetClassifier},
    ],
    ids=str,
)
def test_probabilities_are_the_mean_of_single_nets_with_the_members_seeds(data, params):
    X, y, groups = data
    weight = np.random.RandomState(1).uniform(size=len(y))
    together = ensemble(**params).fit(X, y, weight, groups=groups)
    alone = [
        ensemble(**params)
        .set_params(n_members=1, random_state=member.random_state)
        .fit(X, y, weight, groups=groups)
        .predict_proba(X)
        for member in together.members_
    ]
    assert len(alone) == 3
    assert np.abs(alone[0] - alone[1]).max() > 1e-3  # the seeds matter
    proba = together.predict_proba(X)
    assert proba.dtype == np.float32
    assert_allclose(proba, np.mean(alone, axis=0), atol=1e-6)
    assert_allclose(np.exp(together.decision_function(X)), proba, atol=1e-6)
    assert_array_equal(together.predict(X), together.classes_[proba.argmax(1)])


def test_of_two_classes_the_decision_is_the_log_odds_of_the_mean(data):
    X, y, _ = data
    together = ensemble().fit(X, y == "a")
    p = together.predict_proba(X).astype(float)
    assert_allclose(together.decision_function(X), np.log(p[:, 1] / p[:, 0]), atol=1e-4)


def test_soft_labels_validation_rows_and_tables(data):
    X, y, _ = data
    soft = pd.DataFrame(
        np.eye(3)[np.unique(y, return_inverse=True)[1]] * 0.8 + 0.1, columns=[*"abc"]
    )
    table = pd.DataFrame(X).add_prefix("measure ")
    together = ensemble().set_params(module="auto")
    together.fit(table, soft, X_val=table[:20], y_val=y[:20])
    assert_array_equal(together.classes_, [*"abc"])
    assert list(together.feature_names_in_) == list(table.columns)
    for member in together.members_:
        assert isinstance(member.net_.module_, MLP)  # as for one network: a table by its names
        assert "valid_loss" in member.history_[-1]


def test_early_stopping_holds_out_other_patients_in_every_member(data, monkeypatch):
    held, split = [], net_classifier.validation_split

    def watched(*args, **kwargs):
        train, valid = split(*args, **kwargs)
        held.append((train, valid))
        return train, valid

    monkeypatch.setattr(net_classifier, "validation_split", watched)
    X, y, groups = data
    ensemble(early_stopping=True, validation_fraction=0.3).fit(X, y, groups=groups)
    assert len(held) == 3
    for train, valid in held:
        assert not set(groups[train]) & set(groups[valid])
    assert len({frozenset(valid) for _, valid in held}) > 1


IN_ONE_LOOP = [
    {},
    {"module__dropout": 0.3, "module__n_layers": 2},
    {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9, "optimizer__weight_decay": 0.01},
    {"optimizer": torch.optim.AdamW, "optimizer__amsgrad": True, "module__n_layers": 0},
    {"balanced_batches": True, "class_weight": "balanced", "batch_size": 16},
    {"logit_adjustment": 1.0, "max_epochs": 40},
]


@pytest.mark.parametrize("params", IN_ONE_LOOP, ids=str)
def test_networks_trained_in_one_loop_are_those_trained_alone(data, params, monkeypatch):
    X, y, _ = data
    X, weight = X.reshape(-1, 1, 12), np.random.RandomState(1).uniform(size=len(y))
    weight[::7] = 0
    with monkeypatch.context() as only:
        only.setattr(TensorNet, "run_epochs", None)  # none is trained by itself
        together = ensemble(**params).fit(X, y, weight)
    for member in together.members_:
        alone = clone(member).fit(X, y, weight)
        for key in ("epoch", "train_loss", "train_loss_best", "train_batch_count"):
            expected = [row[key] for row in alone.history_]
            assert_allclose([row[key] for row in member.history_], expected, rtol=1e-5)
        # further epochs use the state of the optimizer and of the generators
        again = pickle.loads(pickle.dumps(member))
        if "class_weight" in params or "logit_adjustment" in params:
            nets = [alone, member, again]
        else:
            nets = [net.partial_fit(X, y) for net in (alone, member, again)]
        expected, *proba = [net.predict_proba(X) for net in nets]
        assert_allclose(proba[0], expected, atol=1e-5)
        assert_array_equal(proba[0], proba[1])


class DeepMLP(MLP):
    """A network that one loop cannot train: it may do anything."""

    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "params",
    [
        {"callbacks": [LRScheduler("CosineAnnealingLR", T_max=3)]},
        {"early_stopping": True},
        {"augment": "noise"},
        {"mixup": "input"},
        {"precision": "bfloat16"},
        {"optimizer": torch.optim.Adagrad},
        {"module": DeepMLP},
        {"module": MLP((12,), 3)},
        {"module": ConvNet},
        {"X_val": True},
        {"verbose": 2},
    ],
    ids=lambda params: "".join(params),  # no addresses of objects, in which workers differ
)
def test_all_other_networks_are_trained_by_themselves(data, params, monkeypatch):
    X, y, _ = data
    params = dict(params)
    validation = {"X_val": X[:20], "y_val": y[:20]} if params.pop("X_val", False) else {}
    monkeypatch.setattr(net_classifier, "train_side_by_side", None)
    given = {"module": MLP, "module__width": 4, **params}
    if isinstance(given["module"], nn.Module):
        del given["module__width"]
    net = NetClassifier(max_epochs=3, n_members=2, random_state=0, **given)
    together = net.fit(X, y, **validation)
    member = together.members_[0]
    alone = clone(member).fit(X, y, **validation)
    assert_array_equal(member.predict_proba(X), alone.predict_proba(X))


def test_stacked_networks_compute_what_each_computes():
    torch.manual_seed(0)
    nets = [MLP((2, 5), 3, width=7, n_layers=2, dropout=0.5).eval() for _ in range(4)]
    x = torch.randn(4, 6, 2, 5)
    stacked = StackedMLP(nets)
    outputs = stacked(x)
    for net, rows, own in zip(nets, x, outputs.detach(), strict=True):
        assert_allclose(own, net(rows).detach(), rtol=1e-5)
    outputs[2].square().sum().backward()
    nets[2](x[2]).square().sum().backward()
    for together, own in zip(stacked.parameters, nets[2].parameters(), strict=True):
        assert_allclose(together.grad[2], own.grad, rtol=1e-4, atol=1e-5)
        assert not together.grad[[0, 1, 3]].any()


def test_one_network_that_diverges_is_an_error(data):
    X, y, _ = data
    before = ensemble().fit(X, y)
    expected = before.predict_proba(X)
    with pytest.raises(ValueError, match=r"the training diverged.*lr=1e\+30"):
        before.set_params(lr=1e30, optimizer=torch.optim.SGD).fit(X, y)
    assert_array_equal(before.predict_proba(X), expected)


@pytest.mark.parametrize("augment", [None, "noise"])
def test_same_seed_same_networks_also_in_parallel_and_from_a_file(data, tmp_path, augment):
    X, y, _ = data
    fitted = ensemble(augment=augment).fit(X, y)
    proba = fitted.predict_proba(X)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    with joblib.parallel_config(backend="threading"):  # no processes to start
        parallel = ensemble(n_jobs=2, augment=augment).fit(X, y)
    for again in (
        parallel,
        clone(fitted).fit(mapped, y),
        pickle.loads(pickle.dumps(fitted)),
    ):
        assert_array_equal(again.predict_proba(X), proba)
    assert np.abs(ensemble(random_state=1).fit(X, y).predict_proba(X) - proba).max() > 1e-3


def test_one_and_several_networks_follow_each_other(data):
    X, y, _ = data
    once = ensemble(n_members=1).fit(X, y).predict_proba(X)
    changing = ensemble().fit(X, y)
    assert not hasattr(changing, "net_")
    assert not hasattr(changing, "history_")
    assert_array_equal(changing.set_params(n_members=1).fit(X, y).predict_proba(X), once)
    assert not hasattr(changing, "members_")
    several = changing.set_params(n_members=3).fit(X, y).predict_proba(X)
    assert_array_equal(several, ensemble().fit(X, y).predict_proba(X))
    assert not hasattr(changing, "net_")
    changing.set_params(n_members=1).partial_fit(X[:, :5], y, classes=[*"abcd"])
    assert changing.predict_proba(X[:, :5]).shape == (90, 4)


def test_the_activation_map_is_the_mean_for_the_class_of_the_ensemble():
    X, y = load_digits(n_class=3, return_X_y=True)
    X, y = X.reshape(-1, 1, 8, 8)[:60] / 16, y[:60]
    fitted = NetClassifier(max_epochs=1, module__width=4, n_members=2, random_state=0).fit(X, y)
    labels = fitted.predict(X)
    maps = [member.class_activation_map(X, labels) for member in fitted.members_]
    assert_allclose(fitted.class_activation_map(X), (maps[0] + maps[1]) / 2, rtol=1e-6)


def test_what_means_nothing_for_several_networks_is_an_error(data):
    X, y, _ = data
    assert not hasattr(ensemble(), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as raised:
        ensemble().partial_fit(X, y, classes=[*"abc"])
    assert "n_members=3. Use fit" in str(raised.value.__cause__)
    with pytest.raises(ValueError, match=r"influence is that of one network.*n_members=3"):
        InfluenceReweighter(ensemble(), warmup_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="n_members"):
        ensemble(n_members=0).fit(X, y)
    with pytest.raises(NotFittedError):
        ensemble().predict(X)
    with pytest.raises(AttributeError, match=r"members_\[i\]\.history_"):
        ensemble().fit(X, y).history_  # noqa: B018


def test_a_fit_that_fails_leaves_the_networks_before(data):
    X, y, _ = data
    fitted = ensemble().fit(X, y)
    proba = fitted.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(np.full_like(X, np.nan), y)
    assert_array_equal(fitted.predict_proba(X), proba)


class Huge(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.scale * nn.functional.pad(x[:, :1] * 3e38, (0, 1))


def test_extreme_outputs_are_probabilities_of_zero_and_one():
    X = np.array([[1.0], [-1.0]] * 4, dtype=np.float32)
    fitted = NetClassifier(Huge(), n_members=2, max_epochs=1, lr=1e-9, random_state=0)
    fitted.fit(X, [0, 1] * 4)
    assert_array_equal(fitted.predict_proba(X[:2]), [[1, 0], [0, 1]])
