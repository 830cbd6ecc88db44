"""InfluencePerturber: which rows change, how far, and that the change helps."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from skrobust import (
    MLP,
    InfluencePerturber,
    InfluenceWarning,
    NetClassifier,
    influence_scores,
    input_influence,
)
from skrobust.influence.perturber import perturb


def net(**params):
    return NetClassifier(MLP, **{"max_epochs": 4, "random_state": 0, **params})


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(60), 4)
    y = groups % 2
    X = (rng.randn(240, 6) + 1.5 * y[:, None]).astype(np.float32)
    return X, y, groups


def test_perturb_by_hand():
    X = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    gradient = np.array([[4.0, -2.0], [0.0, 0.0], [-1.0, 1.0]])
    moved = perturb(X, gradient, 0.1, (-1.0, 1.0))
    # row 0: scaled to 0.2 at most, its second value clipped; row 1 has no gradient
    np.testing.assert_allclose(moved, [[-0.2, 1.0], [0.5, 0.5], [1.0, -0.2]])
    np.testing.assert_allclose(perturb(X, gradient, None, (-9, 9)), [[-4, 3], [0.5, 0.5], [2, -1]])


def test_equals_the_steps_done_by_hand(data):
    X, y, _ = data
    train, valid = np.arange(180), np.arange(180, 240)
    given = X[train], y[train], X[valid], y[valid]
    clf = InfluencePerturber(net(), warmup_epochs=2, fraction=0.1, step=0.02, smoothing=None)
    clf.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    warm = net(max_epochs=2).fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    scores = influence_scores(warm, *given)
    rows = np.argsort(-scores, kind="stable")[:18]
    assert np.array_equal(clf.perturbed_indices_, rows)
    changed = X[train].copy()
    gradient = input_influence(warm, *given, rows=rows)
    span = X[train].min(), X[train].max()
    changed[rows] = perturb(changed[rows], gradient, 0.02, span)
    np.testing.assert_allclose(clf.perturbation_, changed[rows] - X[rows], atol=1e-6)
    for _ in range(2):
        warm.partial_fit(changed, y[train])
    np.testing.assert_allclose(
        clf.decision_function(X), warm.decision_function(X), rtol=1e-4, atol=1e-4
    )


def test_the_change_makes_the_rows_more_helpful(data):
    X, y, groups = data
    clf = InfluencePerturber(
        net(), warmup_epochs=3, step=0.01, cv=None, smoothing=None, random_state=0
    )
    clf.fit(X, y, groups=groups)
    held, rows = clf.validation_indices_, clf.perturbed_indices_
    train = np.setdiff1d(np.arange(len(X)), held)
    warm = net(max_epochs=3).fit(X[train], y[train], X_val=X[held], y_val=y[held])
    before = influence_scores(warm, X[train], y[train], X[held], y[held])
    changed = X.copy()
    changed[rows] += clf.perturbation_
    place = np.searchsorted(train, rows)
    # only row i changes, so that the Hessian stays what it was
    for i, row in zip(place[:10], rows[:10], strict=True):
        one = X[train].copy()
        one[i] = changed[row]
        after = influence_scores(warm, one, y[train], X[held], y[held])
        assert after[i] < before[i]


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_images_of_any_dtype_stay_in_their_range(dtype):
    rng = np.random.RandomState(0)
    X = rng.randint(0, 256, (40, 1, 8, 8)).astype(dtype)
    y = np.tile([0, 1], 20)
    clf = InfluencePerturber(
        NetClassifier(max_epochs=3, module__width=4), warmup_epochs=1, random_state=0, cv=None
    ).fit(X, y)
    assert clf.perturbation_.dtype == np.float32
    assert clf.perturbation_.shape == (8, 1, 8, 8)
    changed = X[clf.perturbed_indices_] + clf.perturbation_
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert 0 < abs(clf.perturbation_).max() <= 0.0501 * 255
    assert not set(clf.perturbed_indices_) & set(clf.validation_indices_)


@pytest.mark.parametrize("clip", [{"clip_min": 0.0}, {"clip_max": 1.0}, {"clip_min": 9.0}])
def test_bad_clipping_ranges_are_refused(data, clip):
    X, y, groups = data
    clf = InfluencePerturber(net(), warmup_epochs=2, **clip)
    with pytest.raises(ValueError, match="Widen the range"):
        clf.fit(X, y, groups=groups)
    assert not hasattr(clf, "estimator_")


def test_a_grid_warms_up_once_per_fold(data, tmp_path, monkeypatch):
    X, y, groups = data
    import skrobust.influence.cross_fitted as part

    calls = []
    scores = part.influence_scores
    monkeypatch.setattr(
        part, "influence_scores", lambda *a, **k: calls.append(1) or scores(*a, **k)
    )
    clf = InfluencePerturber(net(), warmup_epochs=2, cv=2, memory=str(tmp_path), random_state=0)
    grid = {"fraction": [0.1, 0.5], "step": [0.01, 0.1]}
    inner = StratifiedGroupKFold(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfluenceWarning)
        search = GridSearchCV(clf, grid, cv=inner, refit=False).fit(X, y, groups=groups)
        assert len(calls) == 3 * 2
        without = GridSearchCV(clone(clf).set_params(memory=None), grid, cv=inner, refit=False).fit(
            X, y, groups=groups
        )
    assert np.array_equal(
        search.cv_results_["mean_test_score"], without.cv_results_["mean_test_score"]
    )
