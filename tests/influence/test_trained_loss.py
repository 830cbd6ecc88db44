"""Influence is that of the loss which was trained, or it is refused."""

import numpy as np
import pytest
import torch
from skorch import NeuralNet
from torch import nn

from skrobust import MLP, AdversarialNetClassifier, InfluenceReweighter, NetClassifier
from skrobust.influence import influence_scores, input_influence


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = rng.randn(120, 6).astype(np.float32)
    y = np.where(X[:, 0] + 0.5 * rng.randn(120) > 0.8, "rare", "common")
    return X, y


def net(**params):
    return NetClassifier(
        MLP, max_epochs=30, batch_size=120, module__width=4, module__dropout=0.0, random_state=0,
        **params,
    )  # fmt: skip


LOSSES = [
    {},
    {"class_weight": "balanced"},
    {"class_weight": {"common": 1.0, "rare": 5.0}},
    {"logit_adjustment": 1.0},
    {"logit_adjustment": 0.5, "class_weight": {"common": 2.0, "rare": 1.0}},
]


def row_loss(clf, x, label, y):
    """Return the loss of one row, as it counts in the mean over the training rows."""
    classes = clf.classes_.tolist()
    scores = clf.net_.module_(x)
    if clf.logit_adjustment:
        scores = scores + clf.net_.criterion_.shift
    loss = nn.functional.cross_entropy(scores, torch.tensor([classes.index(label)]))
    weights = dict.fromkeys(classes, 1.0)
    if clf.class_weight == "balanced":
        weights = {c: len(y) / (2 * np.sum(y == c)) for c in classes}
    elif clf.class_weight is not None:
        weights = clf.class_weight
    return loss * weights[label] / np.mean([weights[c] for c in y])


@pytest.mark.parametrize("params", LOSSES, ids=str)
def test_scores_are_products_of_the_gradients_of_the_trained_loss(data, params):
    X, y = data
    clf = net(**params).fit(X, y)
    module = clf.net_.module_.double().eval()
    head = [m for m in module.modules() if isinstance(m, nn.Linear)][-1]
    rows = torch.as_tensor(X, dtype=torch.float64)

    def gradient(loss):
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, head.parameters())])

    grads = torch.stack([gradient(row_loss(clf, rows[i : i + 1], y[i], y)) for i in range(100)])
    plain = {"class_weight": None, "logit_adjustment": clf.logit_adjustment}
    valid = net(**plain)
    valid.classes_, valid.net_ = clf.classes_, clf.net_
    val = torch.stack([gradient(row_loss(valid, rows[i : i + 1], y[i], y)) for i in (100, 119)])
    # the damping so large that the inverse Hessian is a multiple of the identity
    scores = influence_scores(clf, X[:100], y[:100], X[[100, 119]], y[[100, 119]], damping=1e6)
    direct = -(grads @ val.mean(0)).numpy()
    assert np.corrcoef(scores, direct)[0, 1] > 0.9999
    moved = input_influence(clf, X[:100], y[:100], X[[100, 119]], y[[100, 119]], rows=[3])
    step = 1e-3 * moved[0] / np.linalg.norm(moved[0])
    for sign in (1, -1):
        changed = X[:100].copy()
        changed[3] += sign * step
        after = influence_scores(clf, changed, y[:100], X[[100, 119]], y[[100, 119]])[3]
        before = influence_scores(clf, X[:100], y[:100], X[[100, 119]], y[[100, 119]])[3]
        assert sign * (after - before) > 0


def test_balanced_batches_count_as_balanced_weights(data):
    X, y = data
    clf = net(balanced_batches=True).fit(X, y)
    weights = len(y) / (2 * np.where(y == "rare", np.sum(y == "rare"), np.sum(y == "common")))
    scores = influence_scores(clf, X, y, X[:20], y[:20])
    clf.balanced_batches = False
    by_hand = influence_scores(clf, X, y, X[:20], y[:20], sample_weight=weights)
    np.testing.assert_allclose(scores, by_hand)


@pytest.mark.parametrize("mixup", ["input", "manifold"])
def test_other_losses_are_refused(data, mixup):
    X, y = data
    for clf in (net(mixup=mixup), AdversarialNetClassifier(MLP, max_epochs=2)):
        clf.fit(X, y)
        with pytest.raises(ValueError, match="the network was trained with"):
            influence_scores(clf, X, y, X[:20], y[:20])
    with pytest.raises(ValueError, match="the network was trained with mixup"):
        InfluenceReweighter(net(mixup=mixup), warmup_epochs=2, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    "criterion",
    [nn.CrossEntropyLoss(label_smoothing=0.1), nn.MultiMarginLoss(),
     nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))],
    ids=str,
)  # fmt: skip
def test_other_criteria_of_skorch_nets_are_refused(data, criterion):
    X, y = data
    skorch_net = NeuralNet(nn.Linear, criterion=criterion, module__in_features=6,
                           module__out_features=2, max_epochs=1, verbose=0)  # fmt: skip
    skorch_net.fit(X, (y == "rare").astype(int))
    with pytest.raises(ValueError, match="the network was trained with the criterion"):
        influence_scores(skorch_net, X, (y == "rare").astype(int), X[:9], np.zeros(9, int))
