import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.metrics import sensitivity_score, specificity_score
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier
from sklearn.metrics import brier_score_loss, get_scorer, recall_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_validate
from sklearn.multiclass import OutputCodeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import evaluation
from skrobust.evaluation import (
    group_accuracy_score,
    group_accuracy_scorer,
    group_roc_auc_score,
    group_roc_auc_scorer,
    make_class_scorer,
    roc_auc_scorer,
    sensitivity_scorer,
    specificity_scorer,
)

# the rank scorer needs neighbours: test_class_and_rank_scores.py
SCORERS = [
    getattr(evaluation, name)
    for name in evaluation.__all__
    if name.endswith("scorer") and name not in ("rank_5_accuracy_scorer", "make_class_scorer")
]
GROUP_SCORERS = [group_accuracy_scorer, group_roc_auc_scorer]


def make_data(n_classes, names=None, seed=0, n_groups=24):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), 6)
    y = groups % n_classes
    X = rng.normal(size=(len(y), 4)) + 0.5 * np.eye(4)[y]
    return X, y if names is None else np.asarray(names)[y], groups


def kwargs_of(scorer, groups):
    return {"groups": groups} if scorer in GROUP_SCORERS else {}


@pytest.mark.filterwarnings("ignore:.*counts as the positive class")
@pytest.mark.parametrize("names", [None, ["tumour", "healthy"]])
@pytest.mark.parametrize("estimator", [LogisticRegression(), SVC()])
def test_binary_values(estimator, names):
    X, y, groups = make_data(2, names)
    estimator = clone(estimator).fit(X, y)
    positive = estimator.classes_[1]
    d = estimator.decision_function(X)
    prob = softmax(np.column_stack([np.zeros(len(d)), d]), axis=1)
    y_pred = estimator.predict(X)
    assert roc_auc_scorer(estimator, X, y) == pytest.approx(roc_auc_score(y == positive, d))
    assert sensitivity_scorer(estimator, X, y) == sensitivity_score(y, y_pred, pos_label=positive)
    assert specificity_scorer(estimator, X, y) == specificity_score(y, y_pred, pos_label=positive)
    assert group_accuracy_scorer(estimator, X, y, groups=groups) == group_accuracy_score(
        y, prob, groups
    )
    assert group_roc_auc_scorer(estimator, X, y, groups=groups) == pytest.approx(
        group_roc_auc_score(y, prob, groups)
    )


@pytest.mark.parametrize("names", [None, ["m", "b", "z"]])
@pytest.mark.parametrize("estimator", [LogisticRegression(), SVC(), RidgeClassifier()])
def test_multiclass_values(estimator, names):
    X, y, groups = make_data(3, names)
    estimator = clone(estimator).fit(X, y)
    if hasattr(estimator, "predict_proba"):
        prob = estimator.predict_proba(X)
    else:
        prob = softmax(estimator.decision_function(X), axis=1)
    y_pred = estimator.predict(X)
    aucs = [roc_auc_score(y == c, prob[:, k]) for k, c in enumerate(estimator.classes_)]
    assert roc_auc_scorer(estimator, X, y) == pytest.approx(np.mean(aucs))
    for scorer, score in [
        (sensitivity_scorer, sensitivity_score),
        (specificity_scorer, specificity_score),
    ]:
        assert scorer(estimator, X, y) == pytest.approx(score(y, y_pred, average="macro"))
    for scorer, score in [
        (group_accuracy_scorer, group_accuracy_score),
        (group_roc_auc_scorer, group_roc_auc_score),
    ]:
        assert scorer(estimator, X, y, groups=groups) == pytest.approx(score(y, prob, groups))


@pytest.mark.parametrize("scorer", GROUP_SCORERS, ids=repr)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_grid_search_equals_a_hand_written_loop(scorer, n_classes):
    X, y, groups = make_data(n_classes)
    cv = StratifiedGroupKFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1, 1]}, scoring=scorer, cv=cv
        ).fit(X, y, groups=groups)
    for params, mean in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        scores = []
        for train, test in cv.split(X, y, groups):
            model = make_pipeline(StandardScaler(), SVC()).set_params(**params)
            model.fit(X[train], y[train])
            scores.append(scorer(model, X[test], y[test], groups=groups[test]))
        assert mean == pytest.approx(np.mean(scores))


def test_multimetric_agrees_with_single_metrics():
    X, y, groups = make_data(3)
    scoring = {repr(scorer): scorer for scorer in SCORERS} | {"accuracy": "accuracy"}
    with sklearn.config_context(enable_metadata_routing=True):
        cv = StratifiedGroupKFold(3)
        both = cross_validate(
            LogisticRegression(), X, y, scoring=scoring, cv=cv, params={"groups": groups}
        )
        for scorer in SCORERS:
            alone = cross_validate(
                LogisticRegression(), X, y, scoring=scorer, cv=cv, params={"groups": groups}
            )
            np.testing.assert_array_equal(both[f"test_{scorer!r}"], alone["test_score"])


def test_row_wise_scorers_need_no_routing():
    X, y, _ = make_data(2)
    scoring = {"auc": roc_auc_scorer, "sen": sensitivity_scorer, "spe": specificity_scorer}
    result = cross_validate(LogisticRegression(), X, y, scoring=scoring, cv=3)
    assert all(np.isfinite(result[f"test_{name}"]).all() for name in scoring)


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_pickle_and_clone(scorer):
    X, y, groups = make_data(2)
    model = LogisticRegression().fit(X, y)
    kwargs = kwargs_of(scorer, groups)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False), get_scorer(scorer)):
        assert copy(model, X, y, **kwargs) == scorer(model, X, y, **kwargs)
        with sklearn.config_context(enable_metadata_routing=True):
            requests = copy.get_metadata_routing().score.requests
        assert requests == ({"groups": True} if kwargs else {})


@pytest.mark.parametrize("routing", [True, False])
@pytest.mark.parametrize("scorer", GROUP_SCORERS, ids=repr)
def test_missing_groups(scorer, routing):
    X, y, _ = make_data(2)
    model = LogisticRegression().fit(X, y)
    with (
        sklearn.config_context(enable_metadata_routing=routing),
        pytest.raises(ValueError, match="enable_metadata_routing=True"),
    ):
        scorer(model, X, y)


def test_absent_class_is_left_out():
    X, y, groups = make_data(3)
    model = LogisticRegression().fit(X, y)
    keep = y != 1
    X, y, groups = X[keep], y[keep], groups[keep]
    prob = model.predict_proba(X)
    y_pred = model.predict(X)
    aucs = [roc_auc_score(y == c, prob[:, c]) for c in (0, 2)]
    assert roc_auc_scorer(model, X, y) == pytest.approx(np.mean(aucs))
    recalls = [np.mean(y_pred[y == c] == c) for c in (0, 2)]
    assert sensitivity_scorer(model, X, y) == pytest.approx(np.mean(recalls))
    true_negative = [np.mean(y_pred[y != c] != c) for c in (0, 2)]
    assert specificity_scorer(model, X, y) == pytest.approx(np.mean(true_negative))
    assert group_accuracy_scorer(model, X, y, groups=groups) == group_accuracy_score(
        y, prob, groups, labels=[0, 1, 2]
    )


def test_class_unknown_to_the_estimator_has_probability_zero():
    X, y, groups = make_data(3)
    model = LogisticRegression().fit(X[y != 1], y[y != 1])
    prob = np.insert(model.predict_proba(X), 1, 0, axis=1)
    assert group_accuracy_scorer(model, X, y, groups=groups) == group_accuracy_score(
        y, prob, groups
    )
    assert roc_auc_scorer(model, X, y) == pytest.approx(
        np.mean([roc_auc_score(y == c, prob[:, c]) for c in range(3)])
    )


@pytest.mark.parametrize(
    ("scorer", "only"),
    [
        (roc_auc_scorer, 0),
        (roc_auc_scorer, 1),
        (group_roc_auc_scorer, 1),
        (sensitivity_scorer, 0),
        (specificity_scorer, 1),
    ],
)
def test_undefined_is_nan_with_sklearns_warning(scorer, only):
    X, y, groups = make_data(2)
    model = LogisticRegression().fit(X, y)
    keep = y == only
    with pytest.warns(UndefinedMetricWarning, match="not defined"):
        value = scorer(model, X[keep], y[keep], **kwargs_of(scorer, groups[keep]))
    assert np.isnan(value)
    if scorer is roc_auc_scorer:
        with pytest.warns(UndefinedMetricWarning):
            assert np.isnan(get_scorer("roc_auc")(model, X[keep], y[keep]))


def test_wrong_estimators():
    X, y, _ = make_data(2)
    with pytest.raises(TypeError, match="scores fitted classifiers"):
        roc_auc_scorer(LinearRegression().fit(X, y), X, y)


@pytest.mark.parametrize("n_classes", [3, 4])
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: make_pipeline(StandardScaler(), e)])
@pytest.mark.parametrize("scorer", [roc_auc_scorer, *GROUP_SCORERS], ids=repr)
def test_scores_of_pairs_of_classes_are_not_read_as_scores_of_classes(n_classes, wrap, scorer):
    X, y, groups = make_data(n_classes)
    scores = [
        scorer(
            wrap(SVC(decision_function_shape=shape)).fit(X, y), X, y, **kwargs_of(scorer, groups)
        )
        for shape in ("ovo", "ovr")
    ]
    assert scores[0] == pytest.approx(scores[1])


class Columns(LogisticRegression):
    """Gives another number of columns than there are classes."""

    def predict_proba(self, X):
        return np.hstack([super().predict_proba(X), np.zeros((len(X), 1))])


@pytest.mark.parametrize("scorer", [roc_auc_scorer, *GROUP_SCORERS], ids=repr)
def test_one_column_per_class_is_checked(scorer):
    X, y, groups = make_data(3)
    with pytest.raises(ValueError, match="one column per class"):
        scorer(Columns().fit(X, y), X, y, **kwargs_of(scorer, groups))


BY_HAND = {"sensitivity": sensitivity_score, "specificity": specificity_score}


def test_scorers_of_a_class_of_your_choice():
    X, y, _ = make_data(2, ["tumour", "healthy"])
    model = LogisticRegression().fit(X, y)
    y_pred = model.predict(X)
    for name in ("tumour", "healthy"):
        for metric, by_hand in [
            ("sensitivity", sensitivity_score),
            ("specificity", specificity_score),
        ]:
            scorer = make_class_scorer(metric, pos_label=name)
            assert scorer(model, X, y) == by_hand(y, y_pred, pos_label=name)
    with pytest.warns(UserWarning, match="'tumour' counts as the positive class") as caught:
        sensitivity_scorer(model, X, y)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="expected one of"):
        make_class_scorer("sensitivity", pos_label="cyst")(model, X, y)
    with pytest.raises(ValueError, match="metric is 'f1'"):
        make_class_scorer("f1")
    with pytest.raises(ValueError, match="level is 'patient'"):
        make_class_scorer("accuracy", level="patient")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scorers_of_patients_by_hand(n_classes):
    X, y, groups = make_data(n_classes)
    model = LogisticRegression().fit(X, y)
    table = pd.DataFrame(model.predict_proba(X)).groupby(groups).mean()
    true = pd.Series(y).groupby(groups).first()
    predicted = table.to_numpy().argmax(1)
    by_hand = {
        "accuracy": np.mean(predicted == true),
        "macro_recall": recall_score(true, predicted, average="macro"),
        "neg_brier": -brier_score_loss(true, table, labels=range(n_classes), scale_by_half=True),
    }
    for metric, expected in by_hand.items():
        scorer = make_class_scorer(metric, level="group")
        assert scorer(model, X, y, groups=groups) == pytest.approx(expected)
    if n_classes == 2:
        for metric, score in [
            ("sensitivity", sensitivity_score),
            ("specificity", specificity_score),
        ]:
            scorer = make_class_scorer(metric, level="group")
            assert scorer(model, X, y, groups=groups) == score(true, predicted)


def test_hard_classifier_has_no_auc():
    X, y, _ = make_data(2)
    model = OutputCodeClassifier(Perceptron(), random_state=0).fit(X, y)
    assert 0 <= sensitivity_scorer(model, X, y) <= 1
    with pytest.raises(TypeError, match="has none of"):
        roc_auc_scorer(model, X, y)
