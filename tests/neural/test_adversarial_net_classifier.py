"""AdversarialNetClassifier: the attack by hand, and what training on it is worth."""

import pickle
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from skrobust import MLP, AdversarialNetClassifier, NetClassifier


class Net:
    """What the attack needs of a net: a linear module and cross entropy."""

    def __init__(self):
        self.module_ = nn.Linear(3, 2, dtype=torch.float64)
        self.infer, self.criterion_ = self.module_, nn.CrossEntropyLoss()
        self.around_step = nullcontext()


def test_the_attack_by_hand_stays_in_range_and_raises_the_loss():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net()
        x, y = torch.rand(50, 3, dtype=torch.float64), torch.randint(2, (50,))
        clf = AdversarialNetClassifier(epsilon=0.1)
        clf.clip_ = 0.0, 2.0
        moved, labels = clf._batch_transform()(net, x, y)
    assert torch.equal(labels, y)
    change = moved - x
    assert change.abs().max() <= 0.2 + 1e-12
    assert moved.min() >= 0
    # a step of 1.25 epsilon from anywhere within epsilon ends beyond 0.25 epsilon in its direction
    weight = net.module_.weight
    direction = (weight[1 - y] - weight[y]).sign()
    inside = (x + 0.2 * direction > 0) & (x + 0.2 * direction < 2)
    assert ((change * direction)[inside] >= 0.05 - 1e-12).all()
    loss = nn.functional.cross_entropy
    assert loss(net.infer(moved), y) > loss(net.infer(x), y)
    # the network's own gradients are left alone
    assert weight.grad is None


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    y = rng.randint(2, size=300)
    X = rng.randn(300, 20).astype(np.float32)
    X[:, 0] = 4 * y - 2 + 0.5 * rng.randn(300)
    # many weak features, which an attack overturns together
    X[:, 1:] += 0.35 * (2 * y[:, None] - 1)
    return X, y


def attacked_accuracy(clf, X, y, change):
    x = torch.tensor(X, requires_grad=True)
    module = clf.net_.module_.eval()
    loss = nn.functional.cross_entropy(module(x), torch.tensor(y))
    sign = torch.autograd.grad(loss, x)[0].sign().numpy()
    return (clf.predict(X + change * sign) == y).mean()


def test_it_withstands_attacks_better_than_the_plain_network(data):
    X, y = data
    params = {"max_epochs": 30, "random_state": 0}
    plain = NetClassifier(MLP, **params).fit(X[:200], y[:200])
    robust = AdversarialNetClassifier(MLP, epsilon=0.07, **params).fit(X[:200], y[:200])
    change = 0.07 * (X[:200].max() - X[:200].min())
    against = [attacked_accuracy(clf, X[200:], y[200:], change) for clf in (plain, robust)]
    assert against[1] > against[0] + 0.1


def test_epsilon_zero_is_the_plain_network_up_to_its_range(data):
    X, y = data
    params = {"max_epochs": 3, "random_state": 0, "module__dropout": 0.0}
    plain = NetClassifier(MLP, **params).fit(X, y)
    same = AdversarialNetClassifier(MLP, epsilon=0, **params).fit(X, y)
    assert same.clip_ == (X.min(), X.max())
    # one draw of the random start moves the order of the rows from the second epoch on
    plain_loss, same_loss = plain.history_[0]["train_loss"], same.history_[0]["train_loss"]
    assert same_loss == pytest.approx(plain_loss, rel=0.2)


def test_pickle_and_partial_fit_go_on_alike(data):
    X, y = data
    clf = AdversarialNetClassifier(MLP, random_state=0).partial_fit(X, y, classes=[0, 1])
    copy = pickle.loads(pickle.dumps(clf))
    first, second = (c.partial_fit(X, y).decision_function(X) for c in (clf, copy))
    assert np.array_equal(first, second)
    assert copy.clip_ == clf.clip_
