"""Gradients of the influence against finite differences."""

import numpy as np
import pytest
import torch

from skrobust import NetClassifier, input_influence
from skrobust.influence import head_features
from skrobust.influence.head import head_residuals, head_targets
from skrobust.influence.scores import validation_influence
from skrobust.neural import MLP, ConvNet, ResNet1d


def problem(name):
    torch.manual_seed(0)  # at some weights a step crosses a kink
    module, shape = {
        "mlp": (MLP(input_shape=(7,), n_outputs=3, width=6), (7,)),
        "sigmoid": (MLP(input_shape=(7,), n_outputs=1, width=6), (7,)),
        "no bias": (torch.nn.Linear(7, 3, bias=False), (7,)),
        "resnet": (ResNet1d((1, 24), 3, width=2, n_blocks=2, kernel_size=3), (1, 24)),
        "convnet": (ConvNet((1, 8, 8), 3, width=2, multipliers=(1, 2)), (1, 8, 8)),
    }[name]
    n_classes = 2 if name == "sigmoid" else 3
    rng = np.random.RandomState(0)
    X, X_val = rng.normal(size=(20, *shape)), rng.normal(size=(10, *shape))
    return module.double(), X, rng.randint(n_classes, size=20), X_val, rng.randint(2, size=10)


@pytest.mark.parametrize("mass", [False, True])
@pytest.mark.parametrize("name", ["mlp", "sigmoid", "no bias", "resnet", "convnet"])
def test_equals_finite_differences(name, mass):
    module, X, y, X_val, y_val = problem(name)
    if mass:
        y = np.random.RandomState(2).rand(20, 2 if name == "sigmoid" else 3)
    module.train()
    gradients = input_influence(module, X, y, X_val, y_val, batch_size=8)
    assert module.training
    assert all(parameter.grad is None for parameter in module.parameters())
    assert gradients.shape == X.shape
    solution = validation_influence(module, X, y, X_val, y_val).solution[0]

    def influence(rows):  # the Hessian and the validation gradient are held fixed
        features, proba = head_features(module, rows)
        residuals = head_residuals(proba, *head_targets(module, y, 20, proba.shape[1]))
        return -((features @ solution.T) * residuals).sum(1)

    rng = np.random.RandomState(1)
    for _ in range(5):
        direction, step = rng.normal(size=X.shape), 1e-6
        change = (influence(X + step * direction) - influence(X - step * direction)) / (2 * step)
        expected = (gradients * direction).reshape(20, -1).sum(1)
        np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-6 * abs(expected).max())


def test_chosen_rows_and_weights():
    module, X, y, X_val, y_val = problem("mlp")
    every = input_influence(module, X, y, X_val, y_val)
    np.testing.assert_allclose(
        input_influence(module, X, y, X_val, y_val, rows=[3, 1]), every[[3, 1]]
    )
    mask = np.arange(20) < 4
    np.testing.assert_allclose(input_influence(module, X, y, X_val, y_val, rows=mask), every[:4])
    assert input_influence(module, X, y, X_val, y_val, rows=[]).shape == (0, 7)
    weighted = input_influence(module, X, y, X_val, y_val, sample_weight=np.full(20, 3))
    np.testing.assert_allclose(weighted, every)
    with torch.no_grad():
        np.testing.assert_array_equal(input_influence(module, X, y, X_val, y_val), every)


def test_network_that_changes_its_input_in_place():
    X = np.random.RandomState(0).normal(size=(9, 4))
    before, y = X.copy(), np.arange(9) % 2
    module = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(4, 2)).double()
    gradients = input_influence(module, X, y, X, y)
    np.testing.assert_array_equal(gradients != 0, X > 0)
    np.testing.assert_array_equal(X, before)


def test_net_classifier_with_flat_rows_of_images():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(30, 64)), np.where(rng.rand(30) < 0.5, "healthy", "tumour")
    clf = NetClassifier(input_shape=(1, 8, 8), module__width=4, max_epochs=1, random_state=0)
    clf.fit(X, y)
    gradients = input_influence(clf, X, y, X, y)
    assert gradients.shape == (30, 64)
    assert gradients.dtype == np.float32
    assert np.isfinite(gradients).all()
    assert gradients.any()
