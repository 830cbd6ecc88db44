"""LogitAdjustedClassifier against Bayes' rule, and what it passes on."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import MLP, LogitAdjustedClassifier, NetClassifier, class_recall_score


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    code = rng.permutation(np.repeat([0, 1, 2], [150, 40, 10]))
    return rng.normal(size=(200, 4)) + np.eye(3, 4)[code], np.array([*"cab"])[code]


def test_with_tau_one_it_is_the_model_of_equally_frequent_classes(data):
    # Bayes' rule with the classes' densities: the only thing that the prior changes
    X, y = data
    adjusted = LogitAdjustedClassifier(GaussianNB()).fit(X, y)
    uniform = GaussianNB(priors=np.full(3, 1 / 3)).fit(X, y)
    assert_allclose(adjusted.predict_proba(X), uniform.predict_proba(X), atol=1e-12)
    assert_array_equal(adjusted.predict(X), uniform.predict(X))
    assert_allclose(adjusted.prior_, [0.2, 0.05, 0.75])  # of a, b, c


@pytest.mark.parametrize("tau", [0, 0.5, 2.5])
def test_probabilities_are_divided_by_a_power_of_the_shares(data, tau):
    X, y = data
    plain = LogisticRegression().fit(X, y).predict_proba(X)
    expected = plain / np.array([0.2, 0.05, 0.75]) ** tau
    expected /= expected.sum(1, keepdims=True)
    adjusted = LogitAdjustedClassifier(LogisticRegression(), tau).fit(X, y)
    assert_allclose(adjusted.predict_proba(X), expected, atol=1e-12)


def test_the_rare_class_is_found_more_often(data):
    X, y = data
    recall = [
        class_recall_score(y, clf.fit(X, y).predict(X), classes=["b"])
        for clf in (LogisticRegression(), LogitAdjustedClassifier(LogisticRegression()))
    ]
    assert recall[1] > recall[0] + 0.3


def test_weights_count_in_the_shares_as_copies_do(data):
    X, y = data
    weight = np.random.RandomState(0).randint(1, 4, size=200)
    weighted = LogitAdjustedClassifier(GaussianNB()).fit(X, y, weight)
    copied = LogitAdjustedClassifier(GaussianNB()).fit(np.repeat(X, weight, 0), y.repeat(weight))
    assert_allclose(weighted.prior_, copied.prior_)
    assert_allclose(weighted.predict_proba(X), copied.predict_proba(X), atol=1e-9)


def test_no_information_gives_equal_probabilities_and_impossible_classes_stay_so(data):
    X, y = data
    guess = LogitAdjustedClassifier(DummyClassifier(strategy="prior")).fit(X, y)
    assert_allclose(guess.predict_proba(X), 1 / 3)
    certain = LogitAdjustedClassifier(DummyClassifier(strategy="most_frequent"), 5.0).fit(X, y)
    assert_array_equal(certain.predict_proba(X)[0], [0, 0, 1])
    # shares to a power that underflows
    far = LogitAdjustedClassifier(DummyClassifier(strategy="prior"), 1e4).fit(X, y)
    assert_allclose(far.predict_proba(X)[0], [0, 1, 0])


def test_images_soft_labels_and_keywords_reach_a_network(data):
    X, y = data
    images = np.tile(X[:, None, :, None], (1, 1, 1, 4)).astype(np.float32)
    mass = pd.get_dummies(y).astype(float) * 0.9 + 0.1 / 3
    net = NetClassifier(MLP, max_epochs=2, module__width=4, random_state=0)
    adjusted = LogitAdjustedClassifier(net).fit(images, mass, X_val=images[:50], y_val=y[:50])
    assert_allclose(adjusted.prior_, mass.mean())
    assert "valid_loss" in adjusted.estimator_.history_[-1]
    expected = net.fit(images, mass).predict_proba(images) / mass.mean().to_numpy()
    expected /= expected.sum(1, keepdims=True)
    assert_allclose(adjusted.predict_proba(images), expected, rtol=1e-4)


def test_routing_passes_what_the_classifier_requests(data):
    X, y = data
    weight = np.where(y == "b", 5.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        inside = LogisticRegression().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, LogitAdjustedClassifier(inside))
        pipe.fit(X, y, sample_weight=weight)
        deaf = LogisticRegression().set_fit_request(sample_weight=False)
        with pytest.raises(TypeError, match="sample_weight"):
            make_pipeline(LogitAdjustedClassifier(deaf)).fit(X, y, sample_weight=weight)
    assert_allclose(pipe[-1].prior_, np.array([40, 50, 150]) / 240)
    assert not hasattr(LogitAdjustedClassifier(inside), "set_fit_request")


def test_strength_is_searched(data):
    X, y = data
    search = GridSearchCV(
        LogitAdjustedClassifier(LogisticRegression()), {"tau": [0, 1], "estimator__C": [0.1, 1]},
        scoring="balanced_accuracy",
    )  # fmt: skip
    assert search.fit(X, y).best_params_["tau"] == 1


def test_what_cannot_be_adjusted_is_an_error(data):
    X, y = data
    with pytest.raises(ValueError, match="'estimator' parameter"):
        LogitAdjustedClassifier(SVC()).fit(X, y)
    with pytest.raises(ValueError, match="'tau' parameter"):
        LogitAdjustedClassifier(GaussianNB(), -1).fit(X, y)
    with pytest.raises(ValueError, match=r"class .*'b'.* has no weight"):
        LogitAdjustedClassifier(LogisticRegression()).fit(X, y, (y != "b").astype(float))
    adjusted = LogitAdjustedClassifier(LogisticRegression()).fit(X, y)
    assert not hasattr(adjusted, "decision_function")
    with pytest.raises(AttributeError, match=r"is not adjusted\. Use predict"):
        adjusted.decision_function(X)
