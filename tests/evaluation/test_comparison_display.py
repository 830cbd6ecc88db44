import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skrobust.evaluation import ComparisonDisplay, compare_estimators


def table(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {"estimator": name, "split": split, "metric": metric, "score": rng.random()}
            for name in ("svm", "forest", "net")
            for split in range(4)
            for metric in ("auc", "accuracy")
        ]
    )


def score_of(results, name, split, metric):
    for row in results.itertuples():
        if (row.estimator, row.split, row.metric) == (name, split, metric):
            return row.score
    raise KeyError


def test_scores_and_differences_by_loops():
    results = table()
    display = ComparisonDisplay.from_results(results, metric="auc", baseline="forest")
    assert list(display.scores) == ["svm", "forest", "net"]
    assert list(display.differences) == ["svm", "net"]
    for name in ("svm", "net"):
        for split in range(4):
            own, base = (score_of(results, n, split, "auc") for n in (name, "forest"))
            assert display.scores[name][split] == own
            assert display.differences[name][split] == own - base


def test_plot_with_baseline():
    display = ComparisonDisplay.from_results(table(), metric="auc", baseline="forest")
    assert display.plot() is display
    assert [len(dots.get_offsets()) for dots in display.dots_] == [4, 4, 4]
    for name, bars in zip(display.scores, display.errorbars_, strict=True):
        line, _, (stick,) = bars
        scores = display.scores[name]
        assert line.get_xdata()[0] == pytest.approx(scores.mean())
        half = np.ptp(stick.get_segments()[0][:, 0]) / 2
        assert half == pytest.approx(np.std(scores, ddof=1))
    assert display.baseline_line_.get_xdata()[0] == display.scores["forest"].mean()
    change = display.differences["svm"]
    expected = f"{change.mean():+.3f} ± {change.std():.3f},  higher on {(change > 0).sum()} of 4"
    assert display.difference_texts_[0].get_text() == expected
    labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert labels == ["svm", "forest", "net"]


def test_plot_without_baseline():
    display = ComparisonDisplay.from_results(table(), metric="accuracy").plot()
    assert display.baseline_line_ is None
    assert display.difference_texts_ == []
    assert display.differences.shape == (4, 0)


def test_failed_folds_are_told():
    results = table()
    results.loc[0, "score"] = np.nan
    display = ComparisonDisplay.from_results(results, metric="auc", baseline="forest").plot()
    assert display.ax_.get_yticklabels()[0].get_text() == "svm\n(3 of 4)"
    assert display.difference_texts_[0].get_text().endswith("of 3")
    assert len(display.dots_[0].get_offsets()) == 3


def test_one_split():
    results = table().query("split == 0")
    display = ComparisonDisplay.from_results(results, metric="auc", baseline="svm").plot()
    assert "± 0.000" in display.difference_texts_[0].get_text()


def test_table_of_compare_estimators():
    X = np.random.default_rng(0).normal(size=(40, 3))
    estimators = {"chance": DummyClassifier(), "linear": LogisticRegression()}
    results = compare_estimators(estimators, X, np.arange(40) % 2, cv=2, scoring="roc_auc")
    display = ComparisonDisplay.from_results(results, baseline="chance")
    assert display.metric == "roc_auc"
    assert display.scores["chance"].tolist() == [0.5, 0.5]


def test_errors():
    results = table()
    make = ComparisonDisplay.from_results
    with pytest.raises(ValueError, match=r"lacks the columns \['score'\]"):
        make(results.drop(columns="score"))
    with pytest.raises(ValueError, match=r"metric is None, expected one of \['auc', 'accuracy'\]"):
        make(results)
    with pytest.raises(ValueError, match="baseline is 'lda'"):
        make(results, metric="auc", baseline="lda")
    with pytest.raises(ValueError, match="'svm' has several scores 'auc' for split 0"):
        make(pd.concat([results, results]), metric="auc")
    results.loc[results["estimator"] == "net", "score"] = np.nan
    with pytest.raises(ValueError, match=r"\['net'\] have no score 'auc' on any fold"):
        make(results, metric="auc")
