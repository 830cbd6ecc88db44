"""One column per class, whatever the classifier's scores look like."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from skrobust import LabelQualityReweighter, OutOfFoldLabelQuality
from skrobust.utils.scores import class_scores


def rows(n_classes, n=200, seed=0):
    X, codes = make_classification(
        n, 10, n_informative=6, n_classes=n_classes, random_state=seed, class_sep=1.5
    )
    return X, np.array(list("abcdefgh"))[codes]


OVO, OVR = SVC(decision_function_shape="ovo"), SVC(decision_function_shape="ovr")
AROUND = {
    "alone": lambda svc: svc,
    "pipeline": lambda svc: make_pipeline(StandardScaler(), svc),
    "search": lambda svc: GridSearchCV(svc, {"C": [1.0]}, cv=2),
    "search of a pipeline": lambda svc: GridSearchCV(
        make_pipeline(StandardScaler(), svc), {"svc__C": [1.0]}, cv=2
    ),
    "pipeline of a search": lambda svc: make_pipeline(
        StandardScaler(), GridSearchCV(svc, {"C": [1.0]}, cv=2)
    ),
    "reweighter": lambda svc: LabelQualityReweighter(
        svc, OutOfFoldLabelQuality(GaussianNB()), veto=False, random_state=0
    ),
}


class Hidden(ClassifierMixin, BaseEstimator):
    """A wrapper of which nothing is known."""

    def __init__(self, inside):
        self.inside = inside

    def fit(self, X, y):
        self._secret = self.inside.fit(X, y)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self._secret.predict(X)

    def decision_function(self, X):
        return self._secret.decision_function(X)


@pytest.mark.parametrize("around", [*AROUND, "unknown wrapper"])
@pytest.mark.parametrize("n_classes", [2, 3, 4, 5])
def test_scores_of_pairs_give_what_scores_of_classes_give(around, n_classes):
    X, y = rows(n_classes)
    wrap = Hidden if around == "unknown wrapper" else AROUND[around]
    found = [class_scores(wrap(svc).fit(X, y), X, np.unique(y)) for svc in (OVO, OVR)]
    assert_allclose(*found)
    assert found[0].shape == (200, n_classes)
    assert_allclose(found[0].sum(1), 1)


@pytest.mark.parametrize("n_rows", [1, 2, 200])
def test_three_pairs_are_told_from_three_classes_in_a_single_row(n_rows):
    X, y = rows(3)
    fitted = make_pipeline(StandardScaler(), OVO).fit(X, y)
    assert_array_equal(
        np.unique(y)[class_scores(fitted, X[:n_rows], np.unique(y)).argmax(1)],
        fitted.predict(X[:n_rows]),
    )


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        GaussianNB(),
        LinearSVC(),
        RidgeClassifier(),
        OneVsRestClassifier(LinearSVC()),
        BaggingClassifier(LogisticRegression(), 3),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        NuSVC(nu=0.2, decision_function_shape="ovo"),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_the_largest_score_is_the_prediction(estimator, n_classes):
    X, y = rows(n_classes)
    fitted = estimator.fit(X, y)
    scores = class_scores(fitted, X, np.unique(y))
    assert_allclose(scores.sum(1), 1)
    assert (np.unique(y)[scores.argmax(1)] == fitted.predict(X)).mean() > 0.99


def test_formulas():
    X, y = rows(2)
    svc = SVC().fit(X, y)
    assert_allclose(class_scores(svc, X, ["a", "b"])[:, 1], expit(svc.decision_function(X)))
    X, y = rows(3)
    linear = LinearSVC().fit(X, y)
    assert_allclose(
        class_scores(linear, X, list("abc")), softmax(linear.decision_function(X), axis=1)
    )


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearSVC(), SVC(), OVO])
def test_absent_classes_get_zero_and_the_order_is_that_asked_for(estimator):
    X, y = rows(3)
    fitted = estimator.fit(X, y)
    known = class_scores(fitted, X, ["a", "b", "c"])
    scores = class_scores(fitted, X, ["c", "x", "a", "b"])
    assert_array_equal(scores, np.column_stack([known[:, 2], np.zeros(200), known[:, :2]]))


def test_threshold_classifiers_and_one_class():
    X, y = rows(2)
    fitted = FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(X, y)
    inside = LogisticRegression().fit(X, y)
    assert_allclose(class_scores(fitted, X, ["a", "b"]), inside.predict_proba(X))
    one = DummyClassifier().fit(X, np.repeat("a", 200))
    assert_array_equal(class_scores(one, X, ["a", "b"]), np.tile([1.0, 0.0], (200, 1)))


class Says(BaseEstimator):
    def __init__(self, method, scores):
        self.classes_ = np.array(["a", "b", "c"])
        setattr(self, method, lambda X: scores)


@pytest.mark.parametrize(
    ("method", "scores", "match"),
    [
        ("predict_proba", np.zeros((2, 2)), "one column per class"),
        ("decision_function", np.zeros((2, 4)), "decision_function_shape='ovr'"),
        ("decision_function", np.zeros(2), "decision_function_shape='ovr'"),
        ("predict_proba", np.full((2, 3), np.nan), "NaN for 2 of 2 rows"),
        ("predict_proba", [np.zeros((2, 2))] * 3, "several outputs"),
        ("predict_proba", np.zeros((2, 3, 1)), "one column per class"),
    ],
)
def test_scores_that_are_not_of_classes_raise(method, scores, match):
    with pytest.raises(ValueError, match=match):
        class_scores(Says(method, scores), np.zeros((2, 1)), ["a", "b", "c"])


def test_unknown_labels_and_no_scores_raise():
    X, y = rows(3)
    with pytest.raises(ValueError, match=r"fitted on labels \['c'\]"):
        class_scores(GaussianNB().fit(X, y), X, ["a", "b"])
    with pytest.raises(TypeError, match="neither predict_proba nor decision_function"):
        class_scores(BaseEstimator(), X, ["a", "b"])
