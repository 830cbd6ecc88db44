"""Intervals over drawn patients, repeated folds and corrected p-values."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from skrobust.evaluation import (
    compare_estimators,
    comparison_table,
    group_accuracy_scorer,
    group_roc_auc_scorer,
    make_class_scorer,
    rank_5_accuracy_scorer,
    roc_auc_scorer,
    summarize_comparison,
)
from skrobust.evaluation.bootstrap import PatientDraws, bootstrap_scores
from skrobust.evaluation.scorers import _METRICS


def make_data(n_groups=40, seed=0, gain=0.5):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), rng.integers(2, 6, n_groups))
    y = groups % 2
    shift = rng.normal(size=n_groups)[groups]
    return rng.normal(size=(len(y), 3)) + gain * (y + shift)[:, None], y, groups


ESTIMATORS = {
    "linear": LogisticRegression(),
    "tree": DecisionTreeClassifier(max_depth=2, random_state=0),
}


def auc(truth, score):
    """Return the share of pairs in the right order, from ranks."""
    ranks, n = rankdata(score), truth.sum()
    if n in (0, len(truth)):
        return np.nan
    return (ranks[truth == 1].sum() - n * (n + 1) / 2) / (n * (len(truth) - n))


def test_intervals_are_those_of_a_bootstrap_written_as_a_loop():
    X, y, groups = make_data()
    results = compare_estimators(
        ESTIMATORS, X, y, groups=groups, cv=4, n_bootstrap=500, random_state=0,
        scoring={"auc": roc_auc_scorer, "patients": group_accuracy_scorer},
    )  # fmt: skip
    summary = summarize_comparison(results, baseline="tree").set_index(["estimator", "metric"])
    rng = np.random.default_rng(5)
    splits = list(StratifiedGroupKFold(4).split(X, y, groups))
    scored = {}  # by estimator and split: labels and probabilities of every patient of the fold
    for name, estimator in ESTIMATORS.items():
        for k, (train, test) in enumerate(splits):
            p = clone(estimator).fit(X[train], y[train]).predict_proba(X[test])[:, 1]
            scored[name, k] = {g: (y[test][own], p[own]) for g in np.unique(groups[test])
                               if (own := groups[test] == g).any()}  # fmt: skip
    found = {(name, metric): [] for name in ESTIMATORS for metric in ("auc", "patients")}
    for _ in range(500):
        drawn = np.concatenate([rng.choice(np.arange(c, 40, 2), 20) for c in (0, 1)]).tolist()
        for name in ESTIMATORS:
            aucs, rights = [], []
            for k in range(4):
                fold = [scored[name, k][patient] for patient in drawn if patient in scored[name, k]]
                truth, score = (np.concatenate(parts) for parts in zip(*fold, strict=True))
                aucs.append(auc(truth, score))
                rights.append(np.mean([(p.mean() > 0.5) == labels[0] for labels, p in fold]))
            found[name, "auc"].append(np.nanmean(aucs))
            found[name, "patients"].append(np.mean(rights))
    for metric in ("auc", "patients"):
        for name in ESTIMATORS:
            want = np.quantile(found[name, metric], [0.025, 0.975])
            got = summary.loc[(name, metric), ["lower", "upper"]].to_numpy(float)
            np.testing.assert_allclose(got, want, atol=0.03)
        gain = np.subtract(found["linear", metric], found["tree", metric])
        got = summary.loc[("linear", metric), ["difference_lower", "difference_upper"]]
        want = np.quantile(gain, [0.025, 0.975])
        np.testing.assert_allclose(got.to_numpy(float), want, atol=0.04)
    assert summary.loc["tree", ["difference_lower", "difference_upper"]].isna().all(axis=None)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("level", ["row", "group"])
@pytest.mark.parametrize("metric", list(_METRICS))
def test_all_draws_at_once_are_the_score_of_repeated_rows(metric, level, n_classes):
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(9), 4))
    y = np.array(["a", "b", "c"])[groups % n_classes]
    X = rng.normal(size=(len(y), 2)).round(1) + np.eye(3)[groups % n_classes, :2]
    model = LogisticRegression().fit(X, y)
    pos_label = "b" if n_classes == 2 else None
    scorer = make_class_scorer(metric, level=level, pos_label=pos_label)
    draws = PatientDraws(40, y, groups, seed=0)
    test = np.flatnonzero(groups < 4)
    found = bootstrap_scores(model, {"it": scorer}, X[test], y[test], test, groups[test], draws)
    lacking = 0
    for draw, got in enumerate(found["it"]):
        times = draws.times(draw)
        rows, copies = [], []
        for patient in range(4):
            own = np.flatnonzero(groups == patient).tolist()
            for copy in range(times[patient]):
                rows += own
                copies += [100 * copy + patient] * len(own)
        lacking += len(set(y[rows])) < n_classes
        options = {"groups": copies} if level == "group" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            want = scorer(model, X[rows], y[rows], **options) if rows else np.nan
        np.testing.assert_allclose(got, want, atol=1e-12)
    assert 0 < lacking < 40  # some draws have no patient of some class


class Fixed(ClassifierMixin, BaseEstimator):
    """Predicts the first column of X."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])

    def predict(self, X):
        return self.classes_[(X[:, 0] > 0.5).astype(int)]


def test_width_is_that_of_the_binomial_law():
    # 100 patients of 5 equal rows, 80% of each class predicted right: sd of the mean is .04
    right = np.tile(np.repeat([True] * 4 + [False], 10), 2)
    y = np.repeat([0, 1], 50)
    groups = np.repeat(np.arange(100), 5)
    X = np.where(right, y, 1 - y).astype(float)[groups][:, None]
    results = compare_estimators(
        {"fixed": Fixed()}, X, y[groups], groups=groups, cv=2, n_bootstrap=400,
        scoring={"rows": "accuracy", "patients": group_accuracy_scorer}, random_state=0,
    )  # fmt: skip
    summary = summarize_comparison(results)
    np.testing.assert_allclose(summary["mean"], 0.8)
    # rows are drawn with their patient, so that they do not count as 500 independent ones
    np.testing.assert_allclose(summary["upper"] - summary["lower"], 2 * 1.96 * 0.04, rtol=0.15)
    narrow = summarize_comparison(results, confidence=0.5)
    np.testing.assert_allclose(narrow["upper"] - narrow["lower"], 2 * 0.6745 * 0.04, rtol=0.3)
    alone = compare_estimators(
        {"fixed": Fixed()}, X, y[groups], cv=2, scoring="accuracy", n_bootstrap=400, random_state=0
    )
    alone = summarize_comparison(alone).iloc[0]
    assert alone["upper"] - alone["lower"] == pytest.approx(2 * 1.96 * 0.04 / 5**0.5, rel=0.2)


def test_more_repeats_do_not_make_the_interval_narrower():
    X, y, groups = make_data()
    widths = []
    for n_repeats in (1, 4):
        results = compare_estimators(
            {"linear": LogisticRegression()}, X, y, groups=groups, cv=4, n_repeats=n_repeats,
            scoring={"auc": group_roc_auc_scorer}, n_bootstrap=200, random_state=0,
        )  # fmt: skip
        assert len(results) == 4 * n_repeats
        summary = summarize_comparison(results).iloc[0]
        widths.append(summary["upper"] - summary["lower"])
    assert widths[1] == pytest.approx(widths[0], rel=0.35)


def test_draws_are_fixed_by_the_seed_and_the_same_for_all():
    X, y, groups = make_data()
    options = {"groups": groups, "cv": 3, "n_bootstrap": 20, "scoring": "accuracy"}
    same = {"a": LogisticRegression(), "b": LogisticRegression()}
    first = compare_estimators(same, X, y, random_state=1, **options)
    again = compare_estimators(same, X, y, random_state=1, **options)
    other = compare_estimators(same, X, y, random_state=2, **options)
    np.testing.assert_array_equal(np.stack(first["bootstrap"]), np.stack(again["bootstrap"]))
    assert (np.stack(first["bootstrap"]) != np.stack(other["bootstrap"])).any()
    summary = summarize_comparison(first, baseline="b").iloc[0]
    assert (summary["difference_lower"], summary["difference_upper"]) == (0, 0)
    # scores themselves are those without draws
    plain = compare_estimators(same, X, y, **{**options, "n_bootstrap": 0})
    assert "bootstrap" not in plain
    np.testing.assert_array_equal(plain["score"], first["score"])
    assert "lower" not in summarize_comparison(plain)


def test_default_scores_and_scored_labels():
    X, y, groups = make_data()
    y = np.array(["healthy", "ill"])[y]
    checked = y.copy()
    checked[groups < 4] = "ill"
    results = compare_estimators(
        {"linear": LogisticRegression()}, X, pd.Series(y), groups=groups, cv=3, y_score=checked,
        pos_label="ill", n_bootstrap=30, random_state=0,
    )  # fmt: skip
    summary = summarize_comparison(results)
    assert len(summary) == 7
    assert ((summary["lower"] <= summary["mean"]) & (summary["mean"] <= summary["upper"])).all()


def test_no_interval_of_a_score_without_errors():
    _, y, groups = make_data()
    X = np.column_stack([y, np.random.default_rng(0).normal(size=len(y))])
    models = {
        "perfect": LogisticRegression(), "too": DecisionTreeClassifier(),
        "other": make_pipeline(FunctionTransformer(lambda X: X[:, 1:]), LogisticRegression()),
    }  # fmt: skip
    results = compare_estimators(
        models, X, y, groups=groups, cv=3, scoring="accuracy", n_bootstrap=30, random_state=0
    )
    summary = summarize_comparison(results, baseline="too").set_index("estimator")
    assert summary["mean"].loc[["perfect", "too"]].eq(1).all()
    ends = summary[["lower", "upper", "difference_lower", "difference_upper"]]
    assert ends.loc["perfect"].isna().all()  # once 1 to 1, and 0 to 0
    assert ends.loc["other"].notna().all()
    text = comparison_table(summarize_comparison(results))
    assert "| perfect | 1.000 |" in text


def test_too_few_patients_for_an_interval_warn():
    X, y, groups = make_data(12)
    results = compare_estimators(
        {"linear": LogisticRegression()}, X, y, groups=groups, cv=LeaveOneGroupOut(),
        scoring="accuracy", n_bootstrap=30, random_state=0,
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"\d+% of the drawn test sets have no patient"):
        summary = summarize_comparison(results)
    assert np.isfinite(summary[["lower", "upper"]]).all(axis=None)


def test_scorers_that_need_more_than_predictions():
    X, y, groups = make_data()
    with pytest.raises(RuntimeError, match="the score 'score' cannot be computed on drawn"):
        compare_estimators(
            {"knn": KNeighborsClassifier()}, X, y, groups=groups, cv=3, n_bootstrap=2,
            scoring=rank_5_accuracy_scorer,
        )  # fmt: skip


def test_repeated_folds_keep_patients_whole():
    X, y, groups = make_data()
    seen = []

    def remember(estimator, X, y, groups=None):
        seen.append(frozenset(np.flatnonzero(np.isin(X_all[:, 0], X[:, 0]))))
        return 0.5

    X_all = X
    results = compare_estimators(
        {"linear": LogisticRegression()}, X, y, groups=groups, cv=4, n_repeats=3,
        scoring=remember, random_state=0,
    )  # fmt: skip
    assert results["split"].tolist() == list(range(12))
    for repeat in range(3):
        tests = seen[4 * repeat : 4 * repeat + 4]
        assert sorted(row for test in tests for row in test) == list(range(len(y)))
        for test in tests:
            inside = set(groups[list(test)])
            assert not inside & set(np.delete(groups, list(test)))
    assert len(set(seen)) == 12
    rows = compare_estimators(
        {"linear": LogisticRegression()}, X, y, cv=3, n_repeats=2, scoring="accuracy"
    )
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_repeats": 2, "cv": StratifiedGroupKFold(3)}, "draws the folds of an int cv again"),
        ({"n_repeats": 0}, "n_repeats == 0"),
        ({"n_bootstrap": -1}, "n_bootstrap == -1"),
    ],
)
def test_errors(options, message):
    X, y, groups = make_data()
    with pytest.raises(ValueError, match=message):
        compare_estimators(ESTIMATORS, X, y, groups=groups, **options)


def scores_with_p(names, shifts):
    rng = np.random.default_rng(0)
    base = rng.normal(0.7, 0.02, 10)
    lines = []
    for metric in ("auc", "f1"):
        for name, shift in zip(names, shifts, strict=True):
            values = base + shift + rng.normal(0, 0.03, 10) * (name != "base")
            line = {"estimator": name, "split": range(10), "metric": metric, "score": values}
            lines.append(pd.DataFrame(line).assign(n_train=90, n_test=10))
    return pd.concat(lines, ignore_index=True)


def test_holm_by_hand():
    names = ["base", "a", "b", "c", "d"]
    results = scores_with_p(names, [0, 0.06, 0.03, 0.045, 0.0])
    summary = summarize_comparison(results, baseline="base")
    for metric in ("auc", "f1"):
        own = summary[summary["metric"] == metric].set_index("estimator")
        p = own.loc[names[1:], "p_value"].to_numpy()
        order = np.argsort(p)
        corrected, largest = np.empty(4), 0.0
        for rank, i in enumerate(order):
            largest = max(largest, min(1.0, (4 - rank) * p[i]))
            corrected[i] = largest
        np.testing.assert_allclose(own.loc[names[1:], "p_holm"], corrected)
        assert np.isnan(own.loc["base", "p_holm"])
    only = summarize_comparison(results.query("estimator in ['base', 'a']"), baseline="base")
    only = only[only["estimator"] == "a"]
    np.testing.assert_allclose(only["p_holm"], only["p_value"])


def test_holm_rejects_as_its_definition_says():
    # p = .01, .02, .03, .04 against .05: only the first of them is below .05 / 4
    from skrobust.evaluation.comparison import _holm

    p = pd.Series([0.04, 0.01, np.nan, 0.03, 0.02], index=list("abcde"))
    assert _holm(p).round(4).tolist()[:2] == [0.06, 0.04]
    assert _holm(p).round(4).tolist()[3:] == [0.06, 0.06]
    assert np.isnan(_holm(p)["c"])
