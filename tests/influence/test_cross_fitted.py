"""Cross-fitted influence: networks that have not seen the rows that judge, and all rows train."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from skrobust import (
    MLP,
    InfluencePerturber,
    InfluenceReweighter,
    NetClassifier,
    flip_labels,
    influence_scores,
    input_influence,
)
from skrobust.influence.perturber import perturb
from skrobust.influence.reweighter import influence_weights


def net(**params):
    return NetClassifier(MLP, **{"max_epochs": 4, "random_state": 0, **params})


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(60), 4)
    y = groups % 2
    X = (rng.randn(240, 6) + 1.5 * y[:, None]).astype(np.float32)
    return X, y, groups


def judged_by_hand(clf, X, y, groups, trusted):
    """Return the networks of every fold, what they were trained on, and the mean influence."""
    folds = clf._folds(y, groups, trusted)
    total, times, networks = np.zeros(len(y)), np.zeros(len(y)), []
    for _, held in folds:
        train = np.flatnonzero(~np.isin(groups, groups[held]))
        assert not set(groups[train]) & set(groups[held])
        warm = net(max_epochs=clf.warmup_epochs).fit(
            X[train], y[train], X_val=X[held], y_val=y[held]
        )
        scores = influence_scores(warm, X[train], y[train], X[held], y[held], smoothing=3)
        total[train] += scores
        times[train] += 1
        networks.append((warm, train, held))
    return networks, total / times, times


@pytest.mark.parametrize("share", [None, 0.3])
def test_weights_equal_the_steps_done_by_hand(data, share):
    X, y, groups = data
    trusted = None if share is None else groups < share * 60
    clf = InfluenceReweighter(net(), warmup_epochs=2, random_state=0)
    clf.fit(X, y, groups=groups, trusted=trusted)
    networks, influence, times = judged_by_hand(clf, X, y, groups, trusted)
    assert len(networks) == 3
    assert_array_equal(times, 2 if share is None else np.where(trusted, 2, 3))
    assert_allclose(clf.influence_, influence, rtol=1e-6)
    others = np.full(240, True) if share is None else ~trusted
    weight = np.ones(240)
    weight[others] = influence_weights(influence[others], 10, "helpful", "rank")
    assert_allclose(clf.sample_weight_, weight, rtol=1e-6)
    warm = net(max_epochs=2).fit(X, y)
    for _ in range(2):
        warm.partial_fit(X, y, sample_weight=weight)
    assert_allclose(clf.decision_function(X), warm.decision_function(X), rtol=1e-4, atol=1e-4)


def test_changes_equal_the_steps_done_by_hand(data):
    X, y, groups = data
    trusted = groups < 18
    clf = InfluencePerturber(net(), warmup_epochs=2, step=0.02, random_state=0)
    clf.fit(X, y, groups=groups, trusted=trusted)
    networks, influence, _ = judged_by_hand(clf, X, y, groups, trusted)
    free = np.flatnonzero(~trusted)
    rows = free[np.argsort(-influence[free], kind="stable")][: round(0.25 * len(free))]
    assert_array_equal(clf.perturbed_indices_, rows)
    gradients = [
        input_influence(
            warm, X[train], y[train], X[held], y[held],
            rows=np.searchsorted(train, rows), smoothing=3,
        )
        for warm, train, held in networks
    ]  # fmt: skip
    after = perturb(X[rows], np.mean(gradients, 0), 0.02, (X.min(), X.max()))
    assert_allclose(clf.perturbation_, after - X[rows], atol=1e-5)


def test_judges_have_not_seen_other_rows_of_the_patients(data, monkeypatch):
    X, y, groups = data
    trusted = (groups < 30) & (np.arange(240) % 4 == 0)  # one row of each of 30 patients
    seen = []
    judge = InfluenceReweighter._judge
    monkeypatch.setattr(
        InfluenceReweighter,
        "_judge",
        lambda self, network, data, rows, *valid: (
            seen.append((rows, valid[0])) or judge(self, network, data, rows, *valid)
        ),
    )
    clf = InfluenceReweighter(net(), warmup_epochs=2, random_state=0)
    clf.fit(X, y, groups=groups, trusted=trusted)
    assert len(seen) == 3
    for rows, X_val in seen:
        judging = [np.flatnonzero((row == X).all(1))[0] for row in X_val]
        assert trusted[judging].all()
        assert not set(groups[judging]) & set(groups[rows])
    assert np.isfinite(clf.influence_).all()


def test_trusted_rows_find_wrong_labels_better_than_all_rows_do():
    better = []
    for seed in range(3):
        rng = np.random.RandomState(seed)
        groups = np.repeat(np.arange(80), 4)
        right = groups % 2
        X = (rng.randn(320, 6) + 0.8 * right[:, None]).astype(np.float32)
        y, _ = flip_labels(right, 0.45, groups=groups, random_state=seed)
        trusted = groups < 30
        y = np.where(trusted, right, y)
        found = []
        for told in (trusted, None):
            clf = InfluenceReweighter(net(max_epochs=8), warmup_epochs=6, random_state=seed)
            clf.fit(X, y, groups=groups, trusted=told)
            found.append(roc_auc_score((y != right)[~trusted], clf.influence_[~trusted]))
        better.append(found[0] - found[1])
    assert np.mean(better) > 0.02


def test_without_groups_and_with_few_trusted_rows(data):
    X, y, _ = data
    trusted = np.isin(np.arange(240), [0, 8, 16, 4])
    assert y[trusted].tolist() == [0, 1, 0, 0]
    clf = InfluenceReweighter(net(), warmup_epochs=2, random_state=0)
    with pytest.warns(UserWarning, match="lack"):
        clf.fit(X, y, trusted=trusted)
    assert np.isfinite(clf.influence_).all()


def test_trusted_is_routed(data):
    X, y, groups = data
    trusted = groups < 30
    clf = InfluenceReweighter(net(max_epochs=2), warmup_epochs=1, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(clf, {"alpha": [2, 10]}, cv=StratifiedGroupKFold(2))
        search.fit(X, y, groups=groups, trusted=trusted)
    weight = search.best_estimator_.sample_weight_
    assert_allclose(weight[trusted], 1)
    assert weight[~trusted].std() > 0
