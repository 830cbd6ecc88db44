"""Estimators, labels and networks of any kind, and what is said about those that do not fit."""

import numpy as np
import pytest
import torch
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn

from skrobust import NetClassifier, influence_scores
from skrobust.neural import MLP
from skrobust.utils.targets import soft_labels


class Fitted:
    """The least that influence asks of an estimator."""

    def __init__(self, module, classes):
        self.module_, self.classes_ = module, np.asarray(classes)


@pytest.mark.parametrize("classes", [["a", "b", "c"], [-1, 1, 7], [0, 1, 2]])
def test_net_classifier_with_labels_of_any_type(classes):
    rng = np.random.RandomState(0)
    X, codes = rng.normal(size=(50, 10)), rng.randint(3, size=50)
    y = np.asarray(classes)[codes]
    clf = NetClassifier(MLP, max_epochs=2, module__width=5, random_state=0).fit(X, y)
    scores = influence_scores(clf, X[:40], y[:40], X[40:], y[40:])
    module = clf.net_.module_.double()
    np.testing.assert_allclose(
        influence_scores(module, X[:40], codes[:40], X[40:], codes[40:]), scores, rtol=1e-3
    )
    mass = soft_labels(np.eye(3)[codes[:40]], classes)
    np.testing.assert_allclose(
        influence_scores(clf, X[:40], mass, X[40:], y[40:]),
        influence_scores(clf, X[:40], y[:40], X[40:], y[40:]),
    )
    wrong = soft_labels(mass.to_numpy(), ["x", "y", "z"])
    with pytest.raises(ValueError, match="but the estimator's are"):
        influence_scores(clf, X[:40], wrong, X[40:], y[40:])


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_skorch_nets(n_outputs):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 7)).astype(np.float32), np.arange(40) % 2
    module = nn.Sequential(nn.Linear(7, n_outputs), nn.Flatten(1 if n_outputs == 2 else 0))
    if n_outputs == 2:
        net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, max_epochs=1, verbose=0)
        net.fit(X, y)
    else:
        net = NeuralNetBinaryClassifier(module, max_epochs=1, verbose=0).fit(X, y.astype("f4"))
    scores = influence_scores(net, X, y, X[:9], y[:9])
    np.testing.assert_array_equal(scores, influence_scores(net.module_, X, y, X[:9], y[:9]))


def test_net_classifier_is_left_as_it_is():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 1, 16)).astype(np.float32)
    y = rng.randint(2, size=40)
    clf = NetClassifier(max_epochs=1, random_state=0).fit(X, y)
    before = {k: v.clone() for k, v in clf.net_.module_.state_dict().items()}
    hooks = [len(layer._forward_hooks) for layer in clf.net_.module_.modules()]
    X.flags.writeable = False
    flat = influence_scores(clf, X.reshape(40, 16), y, X[::-1], y[::-1])
    np.testing.assert_array_equal(flat, influence_scores(clf, X, y, X[::-1], y[::-1]))
    for name, tensor in clf.net_.module_.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert hooks == [len(layer._forward_hooks) for layer in clf.net_.module_.modules()]


def test_network_sees_batches_only(tmp_path):
    sizes = []

    class Spy(nn.Linear):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (100, 4))
    X[:] = np.random.RandomState(0).normal(size=X.shape)
    influence_scores(Spy(4, 2), X, np.arange(100) % 2, X[:20], np.arange(20) % 2, batch_size=16)
    assert max(sizes) == 16


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(self.layer(x))


class LateRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        nn.init.eye_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x):
        return self.layer(x).relu()


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Linear(4, 2), nn.Softmax(1)),
        nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2)),
        nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Linear(4, 2)),
        nn.ReLU(),
        Twice(),
    ],
)
def test_network_without_final_linear_layer(module):
    with pytest.raises(ValueError, match=r"not that of a final nn\.Linear"):
        influence_scores(module, np.ones((2, 4)), [0, 1], np.ones((2, 4)), [0, 1])


def test_function_after_the_head_that_shows_on_later_rows():
    X = np.ones((9, 4))
    X[8] = -1
    with pytest.raises(ValueError, match="for some rows the output of LateRelu"):
        influence_scores(LateRelu(), X, np.arange(9) % 2, X, np.arange(9) % 2)


def test_errors():
    rng = np.random.RandomState(0)
    module = MLP((7,), n_outputs=3, width=6)
    X, y, X_val, y_val = rng.normal(size=(30, 7)), np.arange(30) % 3, np.eye(7), np.arange(7) % 3
    bad = X.copy()
    bad[5, 0] = np.nan
    for arguments, message in [
        ((module, bad, y, X_val, y_val), "X contains NaN"),
        ((module, X, y, bad, y_val), "X_val contains NaN"),
        ((module, X[:, 0], y, X_val, y_val), "two axes"),
        ((module, X[:0], y[:0], X_val, y_val), "at least one row"),
        ((module, X[:, :4], y, X_val, y_val), "cannot take a batch of shape"),
        ((module, X, y[:-1], X_val, y_val), r"y must have shape \(30,\)"),
        ((module, X, y, X_val, y_val + 9), "y_val has labels .* not among the classes"),
        ((module, X, np.eye(2)[y % 2], X_val, y_val), "columns of y are the classes"),
        ((module, X, np.full((30, 3), -1.0), X_val, y_val), "must not be negative"),
        ((Fitted(module, [0, 1]), X, y, X_val, y_val), "3 outputs, which does not fit 2 classes"),
        ((NetClassifier(), X, y, X_val, y_val), "NetClassifier holds no fitted network"),
        (("svm", X, y, X_val, y_val), "str holds no fitted network"),
    ]:
        with pytest.raises(ValueError, match=message):
            influence_scores(*arguments)
    for options, message in [
        ({"solver": "newton"}, "solver must be"),
        ({"damping": 0}, "singular"),
        ({"sample_weight": np.full(30, -1)}, "none of them negative"),
        ({"sample_weight": np.zeros(30)}, "zero everywhere"),
        ({"sample_weight": np.ones(3)}, "30 finite numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            influence_scores(module, X, y, X_val, y_val, **options)
    clf = NetClassifier(max_epochs=1, random_state=0).fit(np.zeros((4, 8)), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="was fitted on rows of shape"):
        influence_scores(clf, X, y % 2, X_val, y_val % 2)
