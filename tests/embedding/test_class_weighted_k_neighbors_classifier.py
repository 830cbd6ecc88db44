"""Class-weighted votes against a loop, and against plain votes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KNeighborsClassifier

from skrobust import ClassWeightedKNeighborsClassifier


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    y = np.array(["a", "b", "c"])[np.repeat([0, 1, 2], [60, 20, 4])]
    return rng.normal(size=(84, 3)) + (y == "c")[:, None], y, rng.normal(size=(40, 3))


def test_votes_against_a_loop(data):
    X, y, query = data
    clf = ClassWeightedKNeighborsClassifier(5).fit(X, y)
    weight = {"a": 84 / 180, "b": 84 / 60, "c": 84 / 12}
    assert_allclose(clf.class_weight_, list(weight.values()))
    for x, proba, label in zip(query, clf.predict_proba(query), clf.predict(query), strict=True):
        near = y[np.argsort(np.linalg.norm(X - x, axis=1))[:5]]
        votes = np.array([weight[c] * (near == c).sum() for c in "abc"])
        assert_allclose(proba, votes / votes.sum())
        assert label == "abc"[votes.argmax()]


def test_without_weights_it_is_the_plain_vote(data):
    X, y, query = data
    plain = KNeighborsClassifier(5, weights="distance").fit(X, y)
    for class_weight in (None, {"a": 2, "b": 2, "c": 2}):
        clf = ClassWeightedKNeighborsClassifier(5, weights="distance", class_weight=class_weight)
        clf.fit(X, y)
        assert_allclose(clf.predict_proba(query), plain.predict_proba(query))
        assert_array_equal(clf.predict(query), plain.predict(query))


def test_rare_class_wins_more_often(data):
    X, y, query = data
    plain = KNeighborsClassifier(7).fit(X, y).predict(query)
    weighted = ClassWeightedKNeighborsClassifier().fit(X, y).predict(query)
    assert (weighted == "c").sum() > (plain == "c").sum()


def test_weights_of_zero_and_several_outputs(data):
    X, y, query = data
    clf = ClassWeightedKNeighborsClassifier(1, class_weight={"a": 0.0, "b": 1, "c": 1}).fit(X, y)
    assert_allclose(clf.predict_proba(query).sum(1), 1)
    with pytest.raises(ValueError, match="one column"):
        ClassWeightedKNeighborsClassifier().fit(X, np.column_stack([y, y]))
