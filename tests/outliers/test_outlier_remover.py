"""OutlierRemover: rounds by hand, any detector, patients, and distances to neighbours."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GroupKFold, KFold
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM
from sklearn.utils import check_random_state

from skrobust import AEOutlierRemover, OutlierRemovalWarning, OutlierRemover
from skrobust.outliers import NeighborDistance


def table(n=120, n_odd=8, seed=0):
    """Return rows of one kind, the last of which are of another."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n, 6) @ rng.randn(6, 6)
    X[n - n_odd :] += 9
    return X


def by_hand(X, cv, n_repeats, threshold, max_rounds, seed, groups=None, detector=None):
    """Return which rows stay: a loop over rounds, repeats and folds."""
    kept = np.ones(len(X), bool)
    kind = KFold if groups is None else GroupKFold
    seeds = check_random_state(seed).randint(np.iinfo(np.int32).max, size=n_repeats)
    for _ in range(max_rounds):
        score = np.zeros(len(X))
        for s in seeds:
            for train, test in kind(cv, shuffle=True, random_state=int(s)).split(X, groups=groups):
                train = train[kept[train]]
                score[test] -= detector().fit(X[train]).score_samples(X[test]) / n_repeats
        middle = np.median(score[kept])
        limit = middle + threshold * 1.4826 * np.median(abs(score[kept] - middle))
        if not (score[kept] > limit).any():
            break
        kept &= score <= limit
    return kept


@pytest.mark.parametrize("groups", [None, np.arange(120) // 4])
def test_rows_that_stay_by_hand(groups):
    X = table()
    remover = OutlierRemover(cv=4, random_state=0).fit(X, groups=groups)
    expected = by_hand(X, 4, 2, 2.5, 4, 0, groups, NeighborDistance)
    assert_array_equal(remover.sample_indices_, np.flatnonzero(expected))
    assert np.isin(np.arange(112, 120), remover.removed_indices_).all()
    assert_allclose(remover.score_samples(X), NeighborDistance().fit(X[expected]).score_samples(X))


def test_distance_by_hand():
    X, new = table(), table(30, seed=1)
    distance = np.linalg.norm(new[:, None] - X, axis=2)
    expected = -np.sort(distance, axis=1)[:, :5].mean(1)
    detector = NeighborDistance().fit(X)
    assert_allclose(detector.score_samples(new), expected)
    own = np.sort(np.linalg.norm(X[:, None] - X, axis=2), axis=1)[:, 1:6].mean(1)
    limit = np.median(own) + 2.5 * 1.4826 * np.median(abs(own - np.median(own)))
    assert_allclose(detector.offset_, -limit)
    assert_array_equal(NeighborDistance(3).fit(X[:3]).neighbors_.n_neighbors, 2)
    with pytest.raises(ValueError, match="whose squares are infinite"):
        NeighborDistance().fit(X * 1e200)


def detectors():
    return {
        "forest": IsolationForest(n_estimators=30),
        "lof": LocalOutlierFactor(novelty=True),
        "svm": OneClassSVM(gamma=0.01),
        "autoencoder": AEOutlierRemover(restarts=(), max_epochs=30, max_removed_fraction=0),
    }


@pytest.mark.parametrize("name", list(detectors()))
def test_any_detector_finds_odd_rows(name):
    X = table()
    remover = OutlierRemover(detectors()[name], n_repeats=1, cv=3, random_state=0).fit(X)
    odd = np.arange(112, 120)
    assert np.isin(odd, remover.removed_indices_[:12]).mean() > 0.8
    assert remover.decision_function(X)[odd].mean() < remover.decision_function(X)[:112].mean()
    again = OutlierRemover(detectors()[name], n_repeats=1, cv=3, random_state=0).fit(X)
    assert_array_equal(again.scores_, remover.scores_)


def test_scores_of_pyod_grow_with_oddness():
    knn = pytest.importorskip("pyod.models.knn")
    X = table()
    remover = OutlierRemover(knn.KNN(), random_state=0).fit(X)
    assert np.isin(np.arange(112, 120), remover.removed_indices_).all()
    assert (remover.predict(X[112:]) == -1).all()


def test_odd_rows_of_one_patient_do_not_vouch_for_each_other():
    rng = np.random.RandomState(0)
    X = rng.randn(120, 5)
    X[112:] = 6 + 0.1 * rng.randn(8, 5)  # a tight cluster of rows of one patient
    groups = np.r_[np.arange(112) // 4, np.full(8, 99)]
    neighbours = LocalOutlierFactor(5, novelty=True)
    told = OutlierRemover(neighbours, random_state=0).fit(X, groups=groups)
    assert np.isin(np.arange(112, 120), told.removed_indices_).all()
    alone = OutlierRemover(neighbours, random_state=0).fit(X)
    assert told.scores_[112:].max() < alone.scores_[112:].min()


def test_whole_patients_leave():
    X = table(n_odd=6)
    groups = np.arange(120) // 3
    remover = OutlierRemover(level="group", random_state=0).fit(X, groups=groups)
    removed = groups[remover.removed_indices_]
    assert {38, 39} <= set(removed)
    assert not set(removed) & set(groups[remover.sample_indices_])
    with pytest.raises(ValueError, match="needs groups"):
        OutlierRemover(level="group").fit(X)


def test_sampler_keeps_containers_and_classes():
    X = pd.DataFrame(table(), columns=list("abcdef"))
    y = pd.Series(np.where(np.arange(120) < 112, "healthy", "ill"))
    X_new, y_new = OutlierRemover(random_state=0).fit_resample(X, y)
    assert isinstance(X_new, pd.DataFrame)
    assert (y_new == "ill").sum() >= 4  # odd, but a class of their own
    X_new, y_new = OutlierRemover(per_class=False, random_state=0).fit_resample(X, y)
    assert (y_new == "ill").sum() == 0
    X_new, none = OutlierRemover(random_state=0).fit_resample(table())
    assert none is None
    assert len(X_new) < 120


def test_images_and_clean_rows():
    rng = np.random.RandomState(0)
    images = rng.rand(60, 1, 6, 6)
    images[57:] += 2 * rng.rand(3, 1, 6, 6)
    remover = OutlierRemover(random_state=0).fit(images)
    assert {57, 58, 59} <= set(remover.removed_indices_)
    clean = OutlierRemover(random_state=0).fit(rng.rand(200, 5))
    assert len(clean.removed_indices_) < 20
    same = OutlierRemover(random_state=0).fit(np.ones((20, 3)))
    assert len(same.removed_indices_) == 0


def test_limits_and_bad_input():
    X = table(40, 18)
    with pytest.warns(OutlierRemovalWarning, match="max_removed_fraction=0.1 is used up"):
        remover = OutlierRemover(threshold=0.5, max_removed_fraction=0.1, random_state=0).fit(X)
    assert len(remover.removed_indices_) == 4
    with pytest.raises(ValueError, match="are of one group"):
        OutlierRemover().fit(X, groups=np.zeros(40))
    with pytest.raises(ValueError, match="threshold"):
        OutlierRemover(threshold=0).fit(X)
