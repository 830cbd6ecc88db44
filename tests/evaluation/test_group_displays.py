import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.calibration import calibration_curve

from skrobust.evaluation import GroupCalibrationDisplay, GroupConfusionDisplay


def make_predictions(n_groups=30, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(n_groups), 4))
    y = groups % n_classes
    proba = rng.dirichlet(np.ones(n_classes), len(y)) + 0.15 * np.eye(n_classes)[y]
    names = np.array([f"P{g:02d}" for g in range(n_groups)])
    return y, proba / proba.sum(1, keepdims=True), names[groups]


def test_confusion_counts_patients():
    y, proba, groups = make_predictions()
    labels = np.array(["x", "y", "z"])
    display = GroupConfusionDisplay.from_predictions(
        labels[y], proba, groups, class_names=["healthy", "glioma", "other"]
    )
    matrix, wrong = np.zeros((3, 3), int), []
    for patient in np.unique(groups):
        own = groups == patient
        predicted = proba[own].mean(0).argmax()
        matrix[y[own][0], predicted] += 1
        if predicted != y[own][0]:
            wrong.append(patient)
    np.testing.assert_array_equal(display.matrix, matrix)
    assert len(wrong) > 2
    table = display.patients
    assert sorted(table.index[table["label"] != table["predicted"]]) == wrong
    assert table["probability"].is_monotonic_increasing
    display.plot()
    ticks = [tick.get_text() for tick in display.ax_.get_xticklabels()]
    assert ticks == ["healthy", "glioma", "other"]
    assert display.ax_.get_title(loc="left") == (
        f"{np.trace(matrix)} of 30 patients right; each counts once"
    )
    texts = display.display_.text_
    assert texts[0, 0].get_text() == f"{matrix[0, 0]} ({matrix[0, 0] / 10:.0%})"
    # every wrong patient is named where it was counted, up to four in a cell
    for i, j in zip(*np.nonzero(matrix * (1 - np.eye(3, dtype=int))), strict=True):
        named = [line for line in texts[i, j].get_text().split("\n")[1:] if line.startswith("P")]
        assert len(named) == min(4, matrix[i, j])
        assert all(table.loc[name, "label"] == labels[i] for name in named)
        assert all(table.loc[name, "predicted"] == labels[j] for name in named)


def test_confusion_of_rows_and_of_absent_classes():
    y, proba, groups = make_predictions()
    display = GroupConfusionDisplay.from_predictions(y, proba)
    assert display.matrix.sum() == 120
    np.testing.assert_array_equal(display.matrix.sum(1), [40, 40, 40])
    few = y < 2
    display = GroupConfusionDisplay.from_predictions(
        y[few], proba[few], groups[few], labels=[0, 1, 2]
    ).plot()
    assert display.matrix[2].tolist() == [0, 0, 0]
    assert display.display_.text_[2, 0].get_text() == "0"
    assert "of 20 patients" in display.ax_.get_title(loc="left")


def test_calibration_bins_by_hand():
    y, proba, groups = make_predictions(60, 2)
    display = GroupCalibrationDisplay.from_predictions(y, {"net": proba}, groups, n_bins=4)
    mean = pd.Series(proba[:, 1]).groupby(groups).mean()
    truth = pd.Series(y).groupby(groups).first()[mean.sort_values().index].to_numpy()
    mean = mean.sort_values().to_numpy()
    observed, predicted = calibration_curve(truth, mean, n_bins=4, strategy="quantile")
    curve = display.curves["net"]
    np.testing.assert_allclose(curve["observed"], observed)
    np.testing.assert_allclose(curve["predicted"], predicted)
    assert curve["n"].tolist() == [15] * 4
    # Wilson: |p - share| = z sqrt(p (1 - p) / n) at both ends
    z = norm.ppf(0.975)
    for end in ("lower", "upper"):
        p = curve[end]
        inside = (p > 0) & (p < 1)
        np.testing.assert_allclose(
            np.abs(p - curve["observed"])[inside], (z * np.sqrt(p * (1 - p) / 15))[inside]
        )
    display.plot()
    np.testing.assert_allclose(display.displays_[0].line_.get_ydata(), observed)
    label = display.displays_[0].line_.get_label()
    assert label == f"net (Brier {np.mean((mean - truth) ** 2):.3f})"


def test_calibration_of_the_other_class_and_names():
    y, proba, groups = make_predictions(40, 2)
    names = np.array(["healthy", "ill"])[y]
    ill = GroupCalibrationDisplay.from_predictions(names, {"a": proba}, groups, pos_label="ill")
    well = GroupCalibrationDisplay.from_predictions(
        names, {"a": proba, "b": proba[:, 0]}, groups, pos_label="healthy",
        class_names=["no tumour", "tumour"],
    )  # fmt: skip
    np.testing.assert_allclose(ill.probabilities["a"], 1 - well.probabilities["a"])
    np.testing.assert_allclose(well.probabilities["b"], well.probabilities["a"])
    assert len(ill.curves["a"]) == 4
    well.plot()
    assert well.ax_.get_title(loc="left").startswith("Positive class: no tumour\n20 of 40 patients")
    (ax,) = well.figure_.axes
    assert ax.get_legend().get_texts()[0].get_text().startswith("Perfectly")
    with pytest.warns(UserWarning, match="'ill' counts as the positive class"):
        GroupCalibrationDisplay.from_predictions(names, {"a": proba}, groups)


def test_given_axes():
    y, proba, groups = make_predictions(40, 2)
    ax = plt.subplots()[1]
    assert GroupCalibrationDisplay.from_predictions(y, {"a": proba}, groups).plot(ax).ax_ is ax
    ax = plt.subplots()[1]
    assert GroupConfusionDisplay.from_predictions(y, proba, groups).plot(ax).ax_ is ax


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y, p, g: GroupConfusionDisplay.from_predictions(y, p[:, 0], g), "1 dimension"),
        (lambda y, p, g: GroupConfusionDisplay.from_predictions(y, p, g[::-1]), "several labels"),
        (
            lambda y, p, g: GroupConfusionDisplay.from_predictions(y, p, g, class_names=["a"]),
            "1 names were given",
        ),
        (lambda y, p, g: GroupCalibrationDisplay.from_predictions(y, {}, g), "y_scores is empty"),
        (
            lambda y, p, g: GroupCalibrationDisplay.from_predictions(np.arange(len(y)), {"a": p}),
            "calibration needs 2",
        ),
        (
            lambda y, p, g: GroupCalibrationDisplay.from_predictions(y, {"a": 3 * p}, g),
            "expected probabilities from 0 to 1",
        ),
        (
            lambda y, p, g: GroupCalibrationDisplay.from_predictions(y, {"a": p}, g, n_bins=99),
            "n_bins == 99",
        ),
    ],
)
def test_errors(call, message):
    y, proba, groups = make_predictions(10, 2)
    with pytest.raises(ValueError, match=message):
        call(y, proba, groups)
