"""Smoothed scores: those of the same head with smaller weights, at the calibrating temperature."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from skrobust import MLP, NetClassifier, flip_labels, influence_scores, input_influence
from skrobust.influence.head import calibrating_temperature


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.RandomState(1)
    y = rng.randint(3, size=500)
    X = (rng.randn(500, 20) + 1.6 * np.eye(20)[y]).astype(np.float32)
    y_noisy, flipped = flip_labels(y[:300], 0.3, random_state=0)
    # trained until it has memorised the wrong labels
    clf = NetClassifier(MLP, max_epochs=60, lr=3e-3, module__dropout=0.0, random_state=0)
    clf.fit(X[:300], y_noisy)
    return clf, X[:300], y_noisy, X[300:], y[300:], flipped


def smoothed_by_hand(clf, temperature):
    clf = copy.deepcopy(clf)
    head = [m for m in clf.net_.module_.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        head.weight /= temperature
        head.bias /= temperature
    return clf


def best_temperature(clf, X_val, y_val):
    scores = clf._outputs(X_val).astype(np.float64)
    grid = np.exp(np.linspace(-3, 3, 6001))
    losses = [-log_softmax(scores / t, 1)[np.arange(len(y_val)), y_val].sum() for t in grid]
    return grid[np.argmin(losses)]


@pytest.mark.parametrize("smoothing", [1, 3])
@pytest.mark.parametrize("solver", ["exact", "cg"])
def test_equals_the_scores_of_a_head_with_smaller_weights(fitted, smoothing, solver):
    clf, *data, _ = fitted
    temperature = best_temperature(clf, *data[2:])
    assert temperature > 1.5
    by_hand = influence_scores(smoothed_by_hand(clf, smoothing * temperature), *data)
    scores = influence_scores(clf, *data, smoothing=smoothing, solver=solver)
    np.testing.assert_allclose(scores, by_hand, rtol=0.01, atol=1e-3 * abs(by_hand).max())


def test_smoothing_finds_wrong_labels_that_certainty_hides(fitted):
    clf, *data, flipped = fitted
    plain = roc_auc_score(flipped, influence_scores(clf, *data))
    smooth = roc_auc_score(flipped, influence_scores(clf, *data, smoothing=3))
    assert smooth > plain + 0.05
    assert smooth > 0.78


def test_nothing_is_sharpened(fitted):
    clf, X, y, _, _, _ = fitted
    # on its own training rows the network is less certain than right
    first = influence_scores(clf, X, y, X, y, smoothing=1e-3)
    np.testing.assert_array_equal(first, influence_scores(clf, X, y, X, y))


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_temperature_by_grid(n_outputs):
    rng = np.random.RandomState(1)
    scores, weight = 5 * rng.randn(50, n_outputs), rng.rand(50)
    classes = rng.randint(max(n_outputs, 2), size=50)
    target = weight[:, None] * np.eye(max(n_outputs, 2))[classes]
    # a sigmoid is a softmax against a score of zero
    full = scores if n_outputs > 1 else np.hstack([np.zeros((50, 1)), scores])
    grid = np.exp(np.linspace(-6, 6, 24001))
    losses = [-(target * log_softmax(full / t, 1)).sum() for t in grid]
    given = target if n_outputs > 1 else target[:, 1:]
    found = calibrating_temperature(scores, given, weight)
    assert found == pytest.approx(grid[np.argmin(losses)], rel=2e-3)


def test_input_gradient_of_smoothed_scores_by_finite_differences(fitted):
    clf, X, y, X_val, y_val, _ = fitted
    clf = copy.deepcopy(clf)
    clf.net_.module_.double()
    X, X_val = X.astype(np.float64), X_val.astype(np.float64)
    gradient = input_influence(clf, X, y, X_val, y_val, rows=[4], smoothing=3)[0]

    def score(moved):
        # the row's own term only: the Hessian is held fixed
        rows = np.concatenate([X, moved[None]])
        labels = np.append(y, y[4])
        weight = np.append(np.ones(len(X)), 1e-12)
        return (
            influence_scores(clf, rows, labels, X_val, y_val, sample_weight=weight, smoothing=3)[-1]
            / 1e-12
            * weight.mean()
        )

    for i in range(3):
        step = np.zeros(20)
        step[i] = 1e-4
        numeric = (score(X[4] + step) - score(X[4] - step)) / 2e-4
        assert gradient[i] == pytest.approx(numeric, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0, -1, np.inf])
def test_bad_smoothing_is_refused(fitted, smoothing):
    clf, *data, _ = fitted
    with pytest.raises(ValueError, match="smoothing must be a positive number"):
        influence_scores(clf, *data, smoothing=smoothing)
