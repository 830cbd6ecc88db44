"""Scores against a dense reference by automatic differentiation and real refits of the head."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from torch import nn
from torch.nn import functional as F

from skrobust import NetClassifier, influence_scores
from skrobust.influence import head_features
from skrobust.neural import MLP, ConvNet, ResNet1d

NETWORKS = {
    "mlp": lambda: MLP(input_shape=(7,), n_outputs=3, width=6, dropout=0.3),
    "resnet": lambda: ResNet1d((1, 24), 3, width=2, n_blocks=2, kernel_size=3),
    "convnet": lambda: ConvNet((1, 8, 8), 3, width=2, multipliers=(1, 2)),
    "linear, no bias": lambda: nn.Linear(7, 3, bias=False),
    "two classes": lambda: MLP(input_shape=(7,), n_outputs=2, width=6),
    "sigmoid": lambda: MLP(input_shape=(7,), n_outputs=1, width=6),
    "flat sigmoid": lambda: nn.Sequential(nn.Linear(7, 1), nn.Flatten(0)),
}
SHAPES = {"resnet": (1, 24), "convnet": (1, 8, 8)}


def network(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NETWORKS[name]().double(), SHAPES.get(name, (7,))


def data(shape, n_classes, n_rows=30, n_val=12, seed=0):
    rng = np.random.RandomState(seed)
    X, X_val = rng.normal(size=(n_rows, *shape)), rng.normal(size=(n_val, *shape))
    return X, rng.randint(n_classes, size=n_rows), X_val, rng.randint(n_classes, size=n_val)


def n_outputs(module, shape):
    out = module.eval()(torch.zeros(2, *shape, dtype=torch.float64))
    return 1 if out.ndim == 1 else out.shape[1]


def reference(module, X, mass, X_val, mass_val, damping):
    """Return the influences by autograd over the last layer's parameters, one row at a time."""
    features, _ = head_features(module, X)
    features_val, _ = head_features(module, X_val)
    head = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
    parts = [head.weight] if head.bias is None else [head.weight, head.bias[:, None]]
    theta = torch.cat(parts, 1).detach()

    def losses(flat, features, mass):
        scores = torch.tensor(features) @ flat.reshape(theta.shape).T
        mass = torch.tensor(np.asarray(mass) / np.asarray(mass).sum(1).mean())
        if len(theta) == 1:
            scores = torch.cat([torch.zeros_like(scores), scores], 1)
        return -(mass * F.log_softmax(scores, 1)).sum(1)

    flat = theta.flatten()
    H = torch.autograd.functional.hessian(lambda t: losses(t, features, mass).mean(), flat)
    H = H + damping * H.diagonal().mean() * torch.eye(len(H))
    gradients = torch.func.jacrev(losses)(flat, features, mass)
    gradients_val = torch.func.jacrev(losses)(flat, features_val, mass_val)
    return -(gradients_val @ torch.linalg.solve(H, gradients.T)).numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_dense_autograd(name):
    module, shape = network(name)
    n_classes = max(n_outputs(module, shape), 2)
    X, y, X_val, y_val = data(shape, n_classes)
    expected = reference(module, X, np.eye(n_classes)[y], X_val, np.eye(n_classes)[y_val], 0.1)
    module.train()
    full = influence_scores(module, X, y, X_val, y_val, aggregate=False, batch_size=7)
    assert module.training
    np.testing.assert_allclose(full, expected, rtol=1e-8, atol=1e-8 * abs(expected).max())
    mean = expected.mean(0)
    for solver, tol in (("auto", 1e-8), ("exact", 1e-8), ("cg", 1e-6)):
        scores = influence_scores(module, X, y, X_val, y_val, solver=solver)
        np.testing.assert_allclose(scores, mean, rtol=tol, atol=tol * abs(mean).max())
    options = {"n_repeats": 5, "random_state": 0}
    lissa = influence_scores(module, X, y, X_val, y_val, solver="lissa", solver_params=options)
    assert np.corrcoef(lissa, mean)[0, 1] > 0.97


def test_soft_labels_and_weights():
    module, shape = network("mlp")
    X, y, X_val, y_val = data(shape, 3)
    rng = np.random.RandomState(1)
    mass, mass_val = rng.rand(30, 3), rng.rand(12, 3)
    mass[3] = 0
    expected = reference(module, X, mass, X_val, mass_val, 0.5)
    scores = influence_scores(module, X, mass, X_val, mass_val, damping=0.5, aggregate=False)
    np.testing.assert_allclose(scores, expected, rtol=1e-8, atol=1e-8 * abs(expected).max())
    assert not scores[:, 3].any()
    weight = rng.randint(1, 4, size=30)
    weighted = influence_scores(module, X, y, X_val, y_val, sample_weight=weight)
    np.testing.assert_allclose(
        influence_scores(module, X, weight[:, None] * np.eye(3)[y], X_val, y_val), weighted
    )
    # a weight of k is k copies: the copies share its score
    copies = np.repeat(np.arange(30), weight)
    copied = influence_scores(module, X[copies], y[copies], X_val, y_val)
    np.testing.assert_allclose(weighted * weight.mean(), weight * copied[np.cumsum(weight) - 1])


def test_predicts_leaving_rows_out():
    """The head is refitted without each row, with the same damping as a ridge penalty."""
    rng = np.random.RandomState(0)
    n_rows, n_classes, ridge = 150, 3, 0.01
    X = rng.normal(size=(n_rows + 60, 8))
    y = (X[:, :3] + 1.5 * rng.normal(size=(n_rows + 60, 3))).argmax(1)
    train, valid = slice(n_rows), slice(n_rows, None)
    extended = np.hstack([X, np.ones((len(X), 1))])

    def refit(keep, start):
        features, target = extended[train][keep], np.eye(n_classes)[y[train][keep]]

        def objective(flat):
            matrix = flat.reshape(n_classes, -1)
            scores = features @ matrix.T
            value = -(target * log_softmax(scores, axis=1)).sum() / n_rows
            gradient = (softmax(scores, axis=1) - target).T @ features / n_rows + ridge * matrix
            return value + ridge / 2 * flat @ flat, gradient.ravel()

        return minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-7}).x

    def valid_loss(flat):
        scores = extended[valid] @ flat.reshape(n_classes, -1).T
        return -log_softmax(scores, axis=1)[np.arange(60), y[valid]].mean()

    best = refit(np.ones(n_rows, bool), np.zeros(n_classes * 9))
    changes = [
        valid_loss(refit(np.arange(n_rows) != i, best)) - valid_loss(best) for i in range(n_rows)
    ]
    head = nn.Linear(8, n_classes).double()
    with torch.no_grad():
        matrix = torch.tensor(best.reshape(n_classes, -1))
        head.weight.copy_(matrix[:, :-1])
        head.bias.copy_(matrix[:, -1])
    proba = softmax(extended[train] @ matrix.numpy().T, axis=1)
    mean_diagonal = ((proba * (1 - proba)).T @ extended[train] ** 2 / n_rows).mean()
    scores = influence_scores(
        head, X[train], y[train], X[valid], y[valid], damping=ridge / mean_diagonal
    )
    assert np.corrcoef(-scores / n_rows, changes)[0, 1] > 0.99
    assert 0.9 < np.polyfit(-scores / n_rows, changes, 1)[0] < 1.1


def test_many_features_are_kept_in_a_file_and_change_nothing(monkeypatch):
    import skrobust.influence.head as head

    rng = np.random.RandomState(0)
    X = rng.randn(500, 5).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    clf = NetClassifier(MLP, max_epochs=2, random_state=0).fit(X, y)
    expected = influence_scores(clf, X, y, X[:100], y[:100])
    monkeypatch.setattr(head, "_MOST_IN_MEMORY", 10)
    features, _ = head.head_outputs(clf, X)
    assert isinstance(features, np.memmap)
    assert np.array_equal(influence_scores(clf, X, y, X[:100], y[:100]), expected)
