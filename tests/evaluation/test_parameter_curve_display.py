from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from skrobust.evaluation import ParameterCurveDisplay

GRID = {"knn__n_neighbors": [9, 1, 5], "knn__weights": ["uniform", "distance"], "knn__p": [1, 2]}


@pytest.fixture(scope="module")
def search():
    pipeline = Pipeline([("knn", KNeighborsClassifier())])
    search = GridSearchCV(pipeline, GRID, scoring=["accuracy", "f1_macro"], refit="accuracy", cv=3)
    return search.fit(*load_iris(return_X_y=True))


def fake(params, mean, std=None):
    std = np.full(len(mean), 0.1) if std is None else np.asarray(std)
    mean = np.asarray(mean, dtype=float)
    table = {"params": params, "mean_test_score": mean, "std_test_score": std}
    return SimpleNamespace(cv_results_=table)


@pytest.mark.parametrize("metric", [None, "accuracy", "f1_macro"])
def test_curves_against_loops_over_the_table(search, metric):
    display = ParameterCurveDisplay.from_search(
        search, "knn__n_neighbors", hue="knn__weights", metric=metric
    )
    table = search.cv_results_
    assert list(display.curves) == ["uniform", "distance"]
    for weights, curve in display.curves.items():
        assert curve["x"].tolist() == [1, 5, 9]
        for x, mean, std in zip(*curve.values(), strict=True):
            rows = [
                i
                for i, params in enumerate(table["params"])
                if params["knn__n_neighbors"] == x and params["knn__weights"] == weights
            ]
            best = max(rows, key=lambda i: table[f"mean_test_{metric or 'accuracy'}"][i])
            folds = [table[f"split{k}_test_{metric or 'accuracy'}"][best] for k in range(3)]
            assert mean == pytest.approx(np.mean(folds))
            assert std == pytest.approx(np.std(folds))


def test_plot_shows_the_table(search):
    display = ParameterCurveDisplay.from_search(
        search, "knn__n_neighbors", hue="knn__weights", baselines={"SVM": 0.9, "RF": (0.8, 0.05)}
    )
    assert display.plot() is display
    assert len(display.errorbars_) == 2
    for bars, curve in zip(display.errorbars_, display.curves.values(), strict=True):
        line, _, (sticks,) = bars
        np.testing.assert_array_equal(line.get_xdata(), curve["x"])
        np.testing.assert_array_equal(line.get_ydata(), curve["mean"])
        ends = np.array([segment[:, 1] for segment in sticks.get_segments()])
        expected = np.c_[curve["mean"] - curve["std"], curve["mean"] + curve["std"]]
        np.testing.assert_allclose(ends, expected)
        low, high = display.ax_.get_ylim()
        assert low < expected.min() < expected.max() < high
    assert display.ax_.get_xlim()[0] < 1 < 9 < display.ax_.get_xlim()[1]
    assert [line.get_ydata()[0] for line in display.baseline_lines_] == [0.9, 0.8]
    # spreads of baselines are bars, not bands that hide each other
    assert [bar.get_ydata() for bar in display.baseline_bars_] == [pytest.approx([0.75, 0.85])]
    assert not display.ax_.patches
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["uniform", "distance", "SVM", "RF"]
    assert display.ax_.get_legend().get_title().get_text() == "weights"
    assert display.ax_.get_xlabel() == "n_neighbors"
    assert display.ax_.get_ylabel() == "accuracy (mean ± sd)"


def test_two_baselines_with_spreads_stand_apart(search):
    display = ParameterCurveDisplay.from_search(
        search, "knn__n_neighbors", baselines={"SVM": (0.9, 0.05), "RF": (0.88, 0.06)}
    ).plot()
    places = [bar.get_xdata()[0] for bar in display.baseline_bars_]
    assert len(set(places)) == 2
    assert len({line.get_linestyle() for line in display.baseline_lines_}) == 2
    assert display.ax_.get_ylim()[1] > 0.95


def test_one_line_without_hue(search):
    display = ParameterCurveDisplay.from_search(search, "knn__n_neighbors")
    (curve,) = display.curves.values()
    assert curve["mean"].max() == search.best_score_
    assert display.plot(xscale="log").ax_.get_xscale() == "log"
    assert display.ax_.get_legend() is None


def test_numeric_hue_is_sorted(search):
    display = ParameterCurveDisplay.from_search(search, "knn__p", hue="knn__n_neighbors")
    assert list(display.curves) == ["1", "5", "9"]


def test_failed_candidates():
    params = [{"a": value} for value in (1, 1, 2, 3, 3)]
    search = fake(params, [np.nan, 0.5, np.nan, 0.1, 0.2], [np.nan, 0, 1, 2, 3])
    (curve,) = ParameterCurveDisplay.from_search(search, "a").curves.values()
    np.testing.assert_array_equal(curve["mean"], [0.5, np.nan, 0.2])
    np.testing.assert_array_equal(curve["std"], [0, 1, 3])


def test_list_of_grids():
    params = [{"a": 1, "s": "x"}, {"a": 2, "s": "y"}, {"a": 3}, {"s": "x"}]
    display = ParameterCurveDisplay.from_search(fake(params, [1, 2, 3, 4]), "a", hue="s")
    assert {name: curve["x"].tolist() for name, curve in display.curves.items()} == {
        "x": [1],
        "y": [2],
    }


def test_none_is_a_value():
    params = [{"a": 1, "s": None}, {"a": 1, "s": "both"}]
    display = ParameterCurveDisplay.from_search(fake(params, [1, 2]), "a", hue="s")
    assert list(display.curves) == ["None", "both"]


def test_errors(search):
    make = ParameterCurveDisplay.from_search
    with pytest.raises(ValueError, match="has no cv_results_"):
        make(GridSearchCV(KNeighborsClassifier(), {}), "p")
    with pytest.raises(ValueError, match=r"no parameter 'p'. It searched: \['knn__n_neighbors'"):
        make(search, "p")
    with pytest.raises(ValueError, match="value 'uniform', but the x axis needs numbers"):
        make(search, "knn__weights")
    with pytest.raises(ValueError, match=r"metric is 'auc', expected .*'f1_macro'"):
        make(search, "knn__p", metric="auc")
    with pytest.raises(ValueError, match="baseline 'SVM' is"):
        make(search, "knn__p", baselines={"SVM": (1, 2, 3)})
    with pytest.raises(ValueError, match="No candidate"):
        make(fake([{"a": 1}, {"s": "x"}], [1, 2]), "a", hue="s")
    several = SimpleNamespace(cv_results_=search.cv_results_, refit=False)
    with pytest.raises(ValueError, match="metric is False"):
        make(several, "knn__p")


def test_score_is_named_after_scoring():
    search = fake([{"a": 1}, {"a": 2}], [1, 2])
    search.scoring = "roc_auc"
    assert ParameterCurveDisplay.from_search(search, "a").score_name == "roc_auc"
