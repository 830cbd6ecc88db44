"""Scores against a dense reference by automatic differentiation and real refits of the head."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from skrobust import ClassMass, NetClassifier, influence_scores
from skrobust.influence import head_features
from skrobust.networks import MLP, ConvNet, ResNet1d

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


class Fitted:
    """The least that influence asks of an estimator."""

    def __init__(self, module, classes):
        self.module_, self.classes_ = module, np.asarray(classes)


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


def test_class_mass_and_weights():
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
    mass = ClassMass(np.eye(3)[codes[:40]], classes)
    np.testing.assert_allclose(
        influence_scores(clf, X[:40], mass, X[40:], y[40:]),
        influence_scores(clf, X[:40], y[:40], X[40:], y[40:]),
    )
    wrong = ClassMass(mass, ["x", "y", "z"])
    with pytest.raises(ValueError, match="but the estimator's are"):
        influence_scores(clf, X[:40], wrong, X[40:], y[40:])


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_skorch_nets(n_outputs):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 7)).astype(np.float32), np.arange(40) % 2
    module = network("two classes" if n_outputs == 2 else "flat sigmoid")[0].float()
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
    module, shape = network("mlp")
    X, y, X_val, y_val = data(shape, 3)
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
