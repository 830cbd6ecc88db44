"""InfluenceReweighter: weights by the formula, validation rows that never train, one warm-up."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skrobust import (
    MLP,
    InfluenceReweighter,
    InfluenceWarning,
    NetClassifier,
    flip_labels,
    influence_scores,
)
from skrobust.influence.reweighter import influence_weights

PAPER = {"cv": None, "emphasis": "harmful", "scaling": "minmax", "smoothing": None}


def net(**params):
    return NetClassifier(MLP, **{"max_epochs": 4, "random_state": 0, **params})


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(60), 4)
    y = groups % 2
    X = (rng.randn(240, 6) + 1.5 * y[:, None]).astype(np.float32)
    return X, y, groups


def test_weights_by_hand():
    influence = np.array([-2.0, 0.0, 1.0, 6.0])
    np.testing.assert_allclose(
        influence_weights(influence, 9, "harmful", "minmax"), [1, 3, 4, 9], rtol=1e-12
    )
    np.testing.assert_allclose(
        influence_weights(influence, 9, "helpful", "minmax"), [9, 7, 6, 1], rtol=1e-12
    )
    ranked = influence_weights(influence, 4, "harmful", "rank")
    np.testing.assert_allclose(ranked, np.array([1, 2, 3, 4]) / 2.5, rtol=1e-12)
    assert (influence_weights(np.zeros(3), 9, "helpful", "rank") == 1).all()
    assert (influence_weights(influence, 1, "harmful", "minmax") == 1).all()


@pytest.mark.parametrize("class_weight", [None, {0: 1.0, 1: 3.0}])
def test_equals_the_steps_done_by_hand(data, class_weight):
    X, y, _ = data
    train, valid = np.arange(180), np.arange(180, 240)
    clf = InfluenceReweighter(net(class_weight=class_weight), warmup_epochs=2, alpha=5, **PAPER)
    clf.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    warm = net(class_weight=class_weight, max_epochs=2)
    warm.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    scores = influence_scores(warm, X[train], y[train], X[valid], y[valid])
    np.testing.assert_allclose(clf.influence_, scores, rtol=1e-9)
    weight = influence_weights(scores, 5, "harmful", "minmax")
    np.testing.assert_allclose(clf.sample_weight_, weight, rtol=1e-9)
    for _ in range(2):
        warm.partial_fit(X[train], y[train], sample_weight=weight)
    np.testing.assert_allclose(
        clf.decision_function(X), warm.decision_function(X), rtol=1e-4, atol=1e-4
    )


def test_validation_rows_never_train(data):
    X, y, groups = data
    clf = InfluenceReweighter(net(), warmup_epochs=2, random_state=0, **PAPER)
    clf.fit(X, y, groups=groups)
    held = clf.validation_indices_
    trained = np.setdiff1d(np.arange(len(X)), held)
    assert 0.1 < len(held) / len(X) < 0.3
    assert not set(groups[held]) & set(groups[trained])
    assert np.isnan(clf.influence_[held]).all()
    assert np.isfinite(clf.influence_[trained]).all()
    assert (clf.sample_weight_[held] == 0).all()
    assert (clf.sample_weight_[trained] >= 1).all()
    # the same rows given from outside lead to the same network, so that nothing else trained it
    outside = InfluenceReweighter(net(), warmup_epochs=2, random_state=0, **PAPER)
    outside.fit(X[trained], y[trained], X_val=X[held], y_val=y[held])
    assert np.array_equal(clf.decision_function(X), outside.decision_function(X))
    assert len(outside.validation_indices_) == 0
    assert "valid_loss" in clf.estimator_.history_[-1]
    assert len(clf.estimator_.history_) == 4


@pytest.mark.parametrize(("solver", "agreement"), [("cg", 1 - 1e-9), ("lissa", 0.95)])
def test_solvers_rank_alike(data, solver, agreement):
    X, y, groups = data
    fitted = [
        InfluenceReweighter(net(), warmup_epochs=2, solver=s, random_state=0).fit(
            X, y, groups=groups
        )
        for s in ("exact", solver)
    ]
    exact, other = (clf.influence_[clf.sample_weight_ > 0] for clf in fitted)
    assert np.corrcoef(exact, other)[0, 1] > agreement


def test_flipped_rows_look_harmful_and_get_small_weights(data):
    X, y, _groups = data
    y_noisy, flipped = flip_labels(y[:180], 0.2, random_state=0)
    clf = InfluenceReweighter(
        net(max_epochs=12), warmup_epochs=6, emphasis="helpful", scaling="rank", random_state=0
    )
    clf.fit(X[:180], y_noisy, X_val=X[180:], y_val=y[180:])
    assert clf.influence_[flipped].mean() > clf.influence_[~flipped].mean()
    assert clf.sample_weight_[flipped].mean() < 0.7 * clf.sample_weight_[~flipped].mean()
    assert clf.sample_weight_.mean() == pytest.approx(1)


def test_level_group_gives_a_patient_one_weight(data):
    X, y, groups = data
    clf = InfluenceReweighter(net(), warmup_epochs=2, level="group", random_state=0)
    clf.fit(X, y, groups=groups)
    means = {g: clf.influence_[groups == g].mean() for g in set(groups)}
    by_hand = influence_weights(np.array([means[g] for g in groups]), 10, "helpful", "rank")
    np.testing.assert_allclose(clf.sample_weight_, by_hand, rtol=1e-9)
    with pytest.raises(ValueError, match="level='group' needs groups"):
        clone(clf).fit(X, y)


def test_final_estimator_gets_the_weights(data):
    X, y, groups = data
    clf = InfluenceReweighter(
        net(), warmup_epochs=4, final_estimator=LogisticRegression(), random_state=0
    ).fit(X, y, groups=groups)
    trained = clf.sample_weight_ > 0
    weight = clf.sample_weight_[trained]
    by_hand = LogisticRegression().fit(X[trained], y[trained], weight / weight.mean())
    np.testing.assert_allclose(clf.estimator_.coef_, by_hand.coef_)
    assert not hasattr(InfluenceReweighter(net(), final_estimator=SVC()), "predict_proba")
    with pytest.raises(ValueError, match="takes no sample_weight"):
        clone(clf).set_params(final_estimator=KNeighborsClassifier()).fit(X, y)


def test_a_grid_warms_up_once_per_fold(data, tmp_path, monkeypatch):
    X, y, groups = data
    import skrobust.influence.cross_fitted as part

    calls = []
    scores = part.influence_scores
    monkeypatch.setattr(
        part, "influence_scores", lambda *a, **k: calls.append(1) or scores(*a, **k)
    )
    clf = InfluenceReweighter(net(), warmup_epochs=2, cv=2, memory=str(tmp_path), random_state=0)
    grid = {"alpha": [2, 10], "emphasis": ["harmful", "helpful"], "scaling": ["minmax", "rank"]}
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


def test_warnings_of_poor_validation_rows(data):
    X, y, groups = data
    clf = InfluenceReweighter(net(), warmup_epochs=2, random_state=0)
    with pytest.warns(InfluenceWarning, match="of 3 groups"):
        clone(clf).set_params(**PAPER).fit(X[:60], y[:60], groups=groups[:60])
    with pytest.warns(InfluenceWarning, match="of 8 groups"):
        clf.fit(X[:60], y[:60], groups=groups[:60], trusted=groups[:60] < 8)
    with pytest.warns(InfluenceWarning, match=r"lack \[1\]"):
        clf.fit(X, y, X_val=X[y == 0], y_val=y[y == 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("params", "fit_params", "message"),
    [
        ({"warmup_epochs": 4}, {}, "leaves no epoch to go on with"),
        ({"damping": 0}, {}, "is singular"),
        ({"estimator": LogisticRegression()}, {}, "must be a NetClassifier"),
        ({}, {"X_val": np.zeros((3, 6))}, "go together"),
        ({}, {"X_val": np.zeros((3, 5)), "y_val": [0, 1, 0]}, "features"),
        ({}, {"X_val": np.zeros((3, 6)), "y_val": [0, 1, 2]}, "not among the classes"),
        ({"cv": None}, {"groups": np.zeros(240)}, r"one group only.* give X_val and y_val\.$"),
        ({}, {"groups": np.zeros(240)}, r"of one group.* give X_val and y_val\.$"),
        ({}, {"trusted": np.ones(240, bool)}, "every row is trusted"),
        ({}, {"trusted": np.arange(240) < 1}, "of one row, and cannot be split"),
        ({"cv": None}, {"trusted": np.arange(240) < 100}, "set cv"),
        ({}, {"trusted": np.arange(9)}, "trusted has shape"),
        ({"alpha": 0.5}, {}, "alpha"),
    ],
)
def test_bad_input_is_refused(data, params, fit_params, message):
    X, y, _ = data
    clf = InfluenceReweighter(**{"estimator": net(), "warmup_epochs": 2, **params})
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y, **fit_params)
    assert not hasattr(clf, "estimator_")


def test_soft_labels_and_headless_networks_are_refused(data):
    X, y, _ = data
    mass = np.eye(2)[y]
    with pytest.raises(ValueError, match="one label per row"):
        InfluenceReweighter(net(), warmup_epochs=2).fit(X, mass)

    class Headless(torch.nn.Sequential):
        def __init__(self):
            super().__init__(torch.nn.Linear(6, 2), torch.nn.Tanh())

    with pytest.raises(ValueError, match=r"final nn\.Linear"):
        InfluenceReweighter(NetClassifier(Headless, max_epochs=3), warmup_epochs=2).fit(X, y)
