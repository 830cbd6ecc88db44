import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skrobust.evaluation import ComparisonDisplay, compare_estimators, summarize_comparison


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
    scores, differences = display.scores["auc"], display.differences["auc"]
    assert list(scores) == ["svm", "forest", "net"]
    assert list(differences) == ["svm", "net"]
    for name in ("svm", "net"):
        for split in range(4):
            own, base = (score_of(results, n, split, "auc") for n in (name, "forest"))
            assert scores[name][split] == own
            assert differences[name][split] == own - base


def test_plot_with_baseline():
    display = ComparisonDisplay.from_results(table(), metric="auc", baseline="forest")
    assert display.plot() is display
    assert [len(dots.get_offsets()) for dots in display.dots_] == [4, 4, 4]
    for name, bars in zip(display.scores["auc"], display.errorbars_, strict=True):
        line, _, (stick,) = bars
        scores = display.scores["auc"][name]
        mean, sd = scores.mean(), np.std(scores, ddof=1)
        assert line.get_xdata()[0] == pytest.approx(mean)
        ends = stick.get_segments()[0][:, 0]
        assert ends == pytest.approx([max(mean - sd, 0), min(mean + sd, 1)])
    assert display.baseline_lines_[0].get_xdata()[0] == display.scores["auc"]["forest"].mean()
    change = display.differences["auc"]["svm"]
    assert display.difference_texts_[0].get_text() == f"{change.mean():+.3f}"
    assert "Numbers: mean difference to forest" in display.ax_.get_title(loc="left")
    labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert labels == ["svm", "forest", "net"]


def test_plot_without_baseline():
    display = ComparisonDisplay.from_results(table(), metric="accuracy").plot()
    assert display.baseline_lines_ == display.difference_texts_ == []
    assert display.differences["accuracy"].shape == (4, 0)


def test_bars_of_scores_that_are_no_rates_are_not_cut():
    results = table()
    results["score"] -= 0.9
    display = ComparisonDisplay.from_results(results, metric="auc").plot()
    values = display.scores["auc"]["svm"]
    ends = display.errorbars_[0][2][0].get_segments()[0][:, 0]
    assert np.ptp(ends) == pytest.approx(2 * values.std())
    assert ends[0] < 0


def test_failed_folds_are_told():
    results = table()
    results.loc[0, "score"] = np.nan
    display = ComparisonDisplay.from_results(results, metric="auc", baseline="forest").plot()
    assert display.ax_.get_yticklabels()[0].get_text() == "svm\n(3 of 4 folds)"
    assert len(display.dots_[0].get_offsets()) == 3
    results.loc[(results["estimator"] == "svm") & (results["split"] > 0), "score"] = np.nan
    results.loc[(results["estimator"] == "forest") & (results["split"] == 0), "score"] = np.nan
    results.loc[0, "score"] = 0.5
    display = ComparisonDisplay.from_results(results, metric="auc", baseline="forest").plot()
    assert display.difference_texts_[0].get_text() == "no fold in common"


def test_one_split():
    results = table().query("split == 0").assign(n_train=30, n_test=10)
    display = ComparisonDisplay.from_results(results, metric="auc", baseline="svm").plot()
    assert "p" not in display.difference_texts_[0].get_text()


def test_default_scores_of_compare_estimators_are_seven_panels():
    rng = np.random.default_rng(0)
    groups = np.arange(80) // 2
    y = np.array(["healthy", "tumour"])[groups % 2]
    X = rng.normal(size=(80, 3)) + (y == "tumour")[:, None]
    estimators = {"chance": DummyClassifier(), "linear": LogisticRegression()}
    results = compare_estimators(estimators, X, y, groups=groups, cv=3, pos_label="tumour")
    display = ComparisonDisplay.from_results(results, baseline="chance").plot()
    assert display.ax_.shape == (7,)
    assert len(display.figure_.axes) == 7  # in two lines, without an empty panel
    labels = [ax.get_xlabel() for ax in display.ax_]
    assert labels[2::2] == ["ROC AUC (rows)", "specificity (patients)", "accuracy (patients)"]
    assert "positive class: tumour" in display.ax_[0].get_title(loc="left")
    assert len(display.dots_) == 14
    summary = summarize_comparison(results, baseline="chance").query("estimator == 'linear'")
    for text, p in zip(display.difference_texts_, summary["p_value"], strict=True):
        shown = text.get_text()
        if p < 0.001:
            assert shown.endswith("(p < 0.001)")
        else:
            assert float(shown.split("p = ")[1][:-1]) == pytest.approx(p, rel=0.5)
    one = ComparisonDisplay.from_results(results, metric="roc_auc (rows)", baseline="chance").plot()
    assert one.ax_.get_xlabel() == "ROC AUC (rows)"
    assert one.scores["roc_auc (rows)"]["chance"].tolist() == [0.5] * 3


def test_errors():
    results = table()
    make = ComparisonDisplay.from_results
    with pytest.raises(ValueError, match=r"lacks the columns \['score'\]"):
        make(results.drop(columns="score"))
    with pytest.raises(ValueError, match=r"metric is 'f1', expected one of \['auc', 'accuracy'\]"):
        make(results, metric=["auc", "f1"])
    with pytest.raises(ValueError, match="baseline is 'lda'"):
        make(results, metric="auc", baseline="lda")
    with pytest.raises(ValueError, match="several scores of 'svm' for metric 'auc' on split 0"):
        make(pd.concat([results, results]), metric="auc")
    results.loc[results["estimator"] == "net", "score"] = np.nan
    with pytest.raises(ValueError, match=r"\['net'\] have no score 'auc' on any fold"):
        make(results, metric="auc")


@pytest.mark.parametrize("metric", ["auc", None])
def test_the_title_stays_inside_the_figure(metric):
    results = table().assign(n_train=30, n_test=10)
    results["estimator"] = results["estimator"].replace("svm", "a support vector machine, tuned")
    options = {"metric": metric, "baseline": "a support vector machine, tuned"}
    display = ComparisonDisplay.from_results(results, **options).plot()
    display.figure_.canvas.draw()
    ax = np.ravel(display.ax_)[0]
    assert "Holm's" in ax.get_title(loc="left")
    assert ax._left_title.get_window_extent().x1 < display.figure_.bbox.x1
