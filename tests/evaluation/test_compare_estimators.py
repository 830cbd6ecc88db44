import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline as ImblearnPipeline
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skrobust.evaluation import compare_estimators, group_accuracy_scorer

COLUMNS = [
    "estimator", "split", "metric", "pos_label", "score", "fit_time", "score_time", "n_train",
    "n_test",
]  # fmt: skip
TIMES = ["fit_time", "score_time"]


def make_data(seed=0, n_groups=20, n_classes=2):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), rng.integers(3, 8, n_groups))
    y = groups % n_classes
    return rng.normal(size=(len(y), 4)) + 0.6 * np.eye(4)[y], y, groups


class WantsGroups(ClassifierMixin, BaseEstimator):
    """Knows at predict time which groups it was fitted on."""

    __metadata_request__fit = {"groups": True}

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.groups_ = groups
        if groups is None or len(groups) != len(X):
            raise ValueError("no groups")
        return self

    def predict_proba(self, X):
        return np.tile([0.4, 0.6], (len(X), 1))

    def predict(self, X):
        return np.full(len(X), self.classes_[1])


@pytest.mark.parametrize("routing", [True, False])
def test_scores_equal_a_hand_written_loop(routing):
    X, y, groups = make_data()
    # of no trees: means of their probabilities are often 0.5 but for rounding
    estimators = {"lr": LogisticRegression(), "nb": GaussianNB()}
    with sklearn.config_context(enable_metadata_routing=routing):
        table = compare_estimators(estimators, X, y, groups=groups, cv=3)
        assert sklearn.get_config()["enable_metadata_routing"] is routing
    assert list(table.columns) == COLUMNS
    metrics = [
        "sensitivity (rows)", "specificity (rows)", "roc_auc (rows)", "sensitivity (patients)",
        "specificity (patients)", "roc_auc (patients)", "accuracy (patients)",
    ]  # fmt: skip
    assert table[["estimator", "split", "metric"]].values.tolist() == [
        [name, split, metric] for name in estimators for split in range(3) for metric in metrics
    ]
    rows = table.set_index(["estimator", "split", "metric"])
    for name, estimator in estimators.items():
        splits = StratifiedGroupKFold(3).split(X, y, groups)
        for split, (train, test) in enumerate(splits):
            model = clone(estimator).fit(X[train], y[train])
            prob = model.predict_proba(X[test])[:, 1]
            frame = pd.DataFrame({"y": y[test], "p": prob}).groupby(groups[test]).mean()
            right = model.predict(X[test]) == y[test]
            expected = {
                "sensitivity (rows)": right[y[test] == 1].mean(),
                "specificity (rows)": right[y[test] == 0].mean(),
                "roc_auc (rows)": roc_auc_score(y[test], prob),
                "sensitivity (patients)": (frame["p"] > 0.5)[frame["y"] == 1].mean(),
                "specificity (patients)": (frame["p"] < 0.5)[frame["y"] == 0].mean(),
                "roc_auc (patients)": roc_auc_score(frame["y"], frame["p"]),
                "accuracy (patients)": ((frame["p"] > 0.5) == frame["y"]).mean(),
            }
            for metric in metrics:
                row = rows.loc[name, split, metric]
                assert row["score"] == pytest.approx(expected[metric])
                assert (row["n_train"], row["n_test"]) == (len(train), len(test))
                assert row["fit_time"] > 0
                assert row["score_time"] > 0


def test_jobs_and_progress_bar_change_nothing(capsys):
    X, y, groups = make_data(n_classes=3)
    estimators = {
        "slow": RandomForestClassifier(20, random_state=0),
        "svc": SVC(),
        "lr": LogisticRegression(),
    }
    one = compare_estimators(estimators, X, y, groups=groups, cv=3)
    assert capsys.readouterr().err == ""
    with joblib.parallel_config("threading"):  # starts sooner than processes
        two = compare_estimators(estimators, X, y, groups=groups, cv=3, n_jobs=2, verbose=1)
    assert "9/9" in capsys.readouterr().err
    pd.testing.assert_frame_equal(one.drop(columns=TIMES), two.drop(columns=TIMES))


@pytest.mark.parametrize("routing", [True, False])
def test_groups_reach_whoever_requests_them(routing):
    X, y, groups = make_data()
    with sklearn.config_context(enable_metadata_routing=routing):
        estimators = {
            "direct": WantsGroups(),
            "pipeline": make_pipeline(StandardScaler(), WantsGroups()),
            "imblearn": ImblearnPipeline([("scale", StandardScaler()), ("clf", WantsGroups())]),
            "search": GridSearchCV(
                make_pipeline(StandardScaler(), SVC()),
                {"svc__C": [0.1, 1]},
                cv=GroupKFold(3),
                scoring=group_accuracy_scorer,
                error_score="raise",
            ),
            "without": ImblearnPipeline(
                [("over", RandomOverSampler(random_state=0)), ("clf", LogisticRegression())]
            ),
        }
        table = compare_estimators(estimators, X, y, groups=groups, cv=3)
    assert len(table) == 5 * 3 * 7
    assert table["score"].notna().all()


def test_fit_gets_the_groups_of_the_training_rows():
    X, y, groups = make_data()
    seen = []

    def spy(estimator, X, y):
        seen.append(estimator.groups_)
        return 0.0

    cv = StratifiedGroupKFold(3)
    compare_estimators({"a": WantsGroups()}, X, y, groups=groups, cv=cv, scoring={"spy": spy})
    for got, (train, _) in zip(seen, cv.split(X, y, groups), strict=True):
        np.testing.assert_array_equal(got, groups[train])


def test_estimators_are_not_fitted_in_place():
    X, y, _ = make_data()
    estimator = LogisticRegression()
    compare_estimators({"a": estimator}, X, y, cv=2)
    assert not hasattr(estimator, "classes_")


@pytest.mark.parametrize(
    ("scoring", "names"),
    [
        ("accuracy", ["accuracy"]),
        (["accuracy", "roc_auc"], ["accuracy", "roc_auc"]),
        ({"acc": "accuracy", "f": lambda e, X, y: 2.5}, ["acc", "f"]),
        (lambda e, X, y: 0.5, ["score"]),
        (None, ["sensitivity (rows)", "specificity (rows)", "roc_auc (rows)"]),
    ],
)
def test_scoring(scoring, names):
    X, y, _ = make_data()
    table = compare_estimators({"a": DummyClassifier()}, X, y, cv=2, scoring=scoring)
    assert table["metric"].tolist() == names * 2


def test_patients_with_several_labels_are_scored_by_rows():
    X, y, groups = make_data()
    y = np.where(np.arange(len(y)) == 3, 1 - y, y)
    name = groups[3]
    with pytest.warns(UserWarning, match=rf"1 patients have several labels, such as \[{name}\]"):
        table = compare_estimators({"a": LogisticRegression()}, X, y, groups=groups, cv=2)
    assert set(table["metric"]) == {"sensitivity (rows)", "specificity (rows)", "roc_auc (rows)"}


class PlainSplitter:
    def split(self, X, y=None, groups=None):
        for g in (0, 1):
            yield np.flatnonzero(groups != g), np.flatnonzero(groups == g)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


def test_splitters():
    X, y, groups = make_data()
    kwargs = {"scoring": "accuracy"}
    dummy = {"a": DummyClassifier()}
    repeated = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    assert compare_estimators(dummy, X, y, cv=repeated, **kwargs)["split"].tolist() == [*range(6)]
    table = compare_estimators(dummy, X, y, cv=LeaveOneGroupOut(), groups=groups, **kwargs)
    assert table["n_test"].tolist() == np.bincount(groups).tolist()
    table = compare_estimators(dummy, X, y, cv=PlainSplitter(), groups=groups, **kwargs)
    assert table["n_test"].tolist() == np.bincount(groups)[:2].tolist()
    given = list(StratifiedKFold(4).split(X, y))
    table = compare_estimators(dummy, X, y, cv=iter(given), **kwargs)
    assert table["n_train"].tolist() == [len(train) for train, _ in given]


def test_split_groups_are_reported():
    X, y, groups = make_data()
    order = np.random.default_rng(0).permutation(len(y))
    with pytest.warns(UserWarning, match=r"both sides of splits \[0, 1, 2\]"):
        compare_estimators(
            {"a": DummyClassifier()},
            X[order],
            y[order],
            groups=groups[order],
            cv=StratifiedKFold(3),
        )


@pytest.mark.parametrize("container", ["frame", "images", "list"])
def test_containers_and_labels(container):
    X, y, groups = make_data()
    names = np.array(["healthy", "tumour"])[y]
    flat = FunctionTransformer(lambda X: np.reshape(X, (len(X), -1)))
    estimators = {"a": make_pipeline(flat, LogisticRegression())}
    given = {
        "frame": pd.DataFrame(X, index=np.arange(len(X))[::-1]),
        "images": X.reshape(-1, 2, 2),
        "list": X.tolist(),
    }[container]
    labels = pd.Series(names, index=np.arange(len(X))[::-1]) if container == "frame" else names
    table = compare_estimators(
        estimators, given, labels, groups=[f"p{g:02d}" for g in groups], cv=3, pos_label="tumour"
    )
    expected = compare_estimators(estimators, X, y, groups=groups, cv=3)
    assert set(table["pos_label"]) == {"tumour"}
    assert set(expected["pos_label"]) == {1}
    dropped = [*TIMES, "pos_label"]
    pd.testing.assert_frame_equal(table.drop(columns=dropped), expected.drop(columns=dropped))


def test_the_positive_class_is_named_and_can_be_chosen():
    X, y, groups = make_data()
    names = np.array(["Parkinson", "healthy"])[1 - y]  # capitals sort first
    settings = {"groups": groups, "cv": 3}
    estimators = {"a": LogisticRegression()}
    with pytest.warns(UserWarning, match="'healthy' counts as the positive class") as caught:
        turned = compare_estimators(estimators, X, names, **settings)
    assert caught[0].filename == __file__
    assert len(caught) == 1
    right = compare_estimators(estimators, X, names, pos_label="Parkinson", **settings)
    expected = compare_estimators(estimators, X, y, **settings)

    def of(table, metric):
        return table.loc[table["metric"] == metric, "score"].to_numpy()

    for metric in ("sensitivity (rows)", "specificity (rows)"):
        np.testing.assert_array_equal(of(right, metric), of(expected, metric))
    np.testing.assert_array_equal(
        of(turned, "sensitivity (rows)"), of(expected, "specificity (rows)")
    )
    with pytest.raises(ValueError, match="expected one of"):
        compare_estimators(estimators, X, names, pos_label="ill", **settings)
    with pytest.raises(ValueError, match="pos_label sets the positive class of the default"):
        compare_estimators(estimators, X, names, pos_label="healthy", scoring="accuracy", cv=3)


def test_scored_on_other_labels_than_trained_on():
    X, y, groups = make_data()
    wrong = y.copy()
    wrong[groups == 3] = 1 - wrong[groups == 3]
    table = compare_estimators(
        {"a": LogisticRegression()}, X, wrong, y_score=y, groups=groups, cv=GroupKFold(4),
        scoring="accuracy",
    )  # fmt: skip
    for split, (train, test) in enumerate(GroupKFold(4).split(X, wrong, groups)):
        by_hand = LogisticRegression().fit(X[train], wrong[train]).score(X[test], y[test])
        assert table["score"][split] == by_hand
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        compare_estimators({"a": LogisticRegression()}, X, y, y_score=y[:5], cv=2)
    with pytest.raises(ValueError, match="y contains missing values"):
        compare_estimators({"a": LogisticRegression()}, X, y, y_score=[None] * len(y), cv=2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_failure_names_estimator_and_split(n_jobs):
    X, y, _ = make_data()
    estimators = {"fine": DummyClassifier(), "broken": LogisticRegression(C=-1)}
    expected = pytest.raises(RuntimeError, match=r"'broken' failed on split [01]: InvalidP")
    with joblib.parallel_config("threading"), expected as info:  # starts sooner than processes
        compare_estimators(estimators, X, y, cv=2, n_jobs=n_jobs)
    assert info.value.__cause__ is not None


def test_group_scorer_without_groups():
    X, y, _ = make_data()
    with pytest.raises(RuntimeError, match=r"'a' failed on split 0.*needs groups"):
        compare_estimators({"a": DummyClassifier()}, X, y, cv=2, scoring=group_accuracy_scorer)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"estimators": [DummyClassifier()]}, TypeError, "expected a dict"),
        ({"estimators": {}}, TypeError, "at least one"),
        ({"scoring": {}}, TypeError, "at least one"),
        ({"scoring": 3}, TypeError, "scoring is 3"),
        ({"scoring": "acurracy"}, ValueError, "acurracy"),
        ({"groups": [1, 2]}, ValueError, "groups has 2 entries"),
        ({"cv": 1}, ValueError, "n_splits"),
    ],
)
def test_errors(kwargs, error, message):
    X, y, _ = make_data()
    with pytest.raises(error, match=message):
        compare_estimators(**{"estimators": {"a": DummyClassifier()}, "X": X, "y": y, **kwargs})
