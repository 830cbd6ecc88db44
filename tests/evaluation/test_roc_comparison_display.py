import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score, roc_curve

from skrobust.evaluation import RocComparisonDisplay


def scored(n=240, n_groups=24, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % n_groups
    y = groups % 2
    return y, y + rng.normal(size=n), groups, groups // 2 % 3


def test_one_fold_is_sklearns_curve():
    y, score, *_ = scored()
    display = RocComparisonDisplay.from_predictions(y, {"net": score})
    fpr, tpr, _ = roc_curve(y, score)
    curve = display.curves["net"]
    np.testing.assert_array_equal(curve["fpr"], fpr)
    np.testing.assert_array_equal(curve["tpr"], tpr)
    assert curve["auc"] == pytest.approx([roc_auc_score(y, score)])


def test_mean_over_folds_by_loops():
    y, score, _, folds = scored()
    curve = RocComparisonDisplay.from_predictions(y, {"net": score}, folds=folds).curves["net"]
    fold_curves = [roc_curve(y[folds == k], score[folds == k]) for k in range(3)]
    assert curve["auc"] == pytest.approx([auc(fpr, tpr) for fpr, tpr, _ in fold_curves])
    for i in (1, 40, 101, 160, 201):
        # a step function: at a given rate take the highest point reached, or go along the slope
        values = []
        for fpr, tpr, _ in fold_curves:
            at = max(np.flatnonzero(fpr <= curve["fpr"][i]))
            step = 0.0
            if at + 1 < len(fpr):
                slope = (tpr[at + 1] - tpr[at]) / (fpr[at + 1] - fpr[at])
                step = slope * (curve["fpr"][i] - fpr[at])
            values.append(tpr[at] + step)
        assert curve["tpr"][i] == pytest.approx(np.mean(values))
        assert curve["tpr_std"][i] == pytest.approx(np.std(values, ddof=1))
    assert (curve["fpr"][0], curve["tpr"][0]) == (0, 0)
    assert (curve["fpr"][-1], curve["tpr"][-1]) == (1, 1)
    assert auc(curve["fpr"], curve["tpr"]) == pytest.approx(curve["auc"].mean(), abs=0.01)


def test_groups_are_averaged_first():
    y, score, groups, _ = scored()
    display = RocComparisonDisplay.from_predictions(y, {"net": score}, groups=groups)
    table = pd.DataFrame({"y": y, "score": score}).groupby(groups).mean()
    assert display.curves["net"]["auc"] == pytest.approx([roc_auc_score(table.y, table.score)])
    display.plot()
    title = display.ax_.get_title(loc="left")
    assert title == "Positive class: 1\n12 of 24 patients; each patient counts once"
    assert display.ax_.get_xlabel() == "False positive rate of patients (1 − specificity)"


def test_groups_within_folds():
    y, score, groups, folds = scored()
    display = RocComparisonDisplay.from_predictions(y, {"net": score}, groups=groups, folds=folds)
    expected = []
    for k in range(3):
        part = pd.DataFrame({"y": y, "score": score})[folds == k].groupby(groups[folds == k]).mean()
        expected.append(roc_auc_score(part.y, part.score))
    assert display.curves["net"]["auc"] == pytest.approx(expected)


def test_predict_proba_and_pos_label():
    y, score, *_ = scored()
    labels = np.array(["healthy", "tumour"])[y]
    proba = np.c_[-score, score]
    with pytest.warns(UserWarning, match="'tumour' counts as the positive class"):
        second = RocComparisonDisplay.from_predictions(labels, {"net": proba})
    assert second.curves["net"]["auc"] == pytest.approx([roc_auc_score(y, score)])
    assert second.pos_label == "tumour"
    first = RocComparisonDisplay.from_predictions(labels, {"net": proba}, pos_label="healthy")
    assert first.curves["net"]["auc"] == pytest.approx([roc_auc_score(1 - y, -score)])
    named = RocComparisonDisplay.from_predictions(y, {"net": score}, class_names=["no", "glioma"])
    title = named.plot().ax_.get_title(loc="left")
    assert title == f"Positive class: glioma\n{y.sum()} of {len(y)} rows"


def test_few_patients_per_fold_are_averaged_by_rank():
    y, score, groups, _ = scored()
    folds = groups // 2 % 6
    shift = 10 * folds  # scores of folds need not be on one scale
    display = RocComparisonDisplay.from_predictions(
        y, {"net": score + shift}, folds=folds, groups=groups
    )
    curve = display.curves["net"]
    assert np.isnan(curve["tpr_std"]).all()
    assert display.plot(bands=True).bands_ == []
    # at every share of patients called positive: the mean rates of the folds, counted by hand
    points = {(0.0, 0.0)}
    table = pd.DataFrame({"y": y, "score": score, "fold": folds}).groupby(groups).mean()
    for n_positive in range(1, 5):
        called = table.groupby("fold")["score"].rank(ascending=False) <= n_positive
        points.add((called[table.y == 0].mean(), called[table.y == 1].mean()))
    drawn = set(zip(curve["fpr"].round(9), curve["tpr"].round(9), strict=True))
    # points on a straight line are left out
    assert drawn <= {(round(a, 9), round(b, 9)) for a, b in points}
    assert (1.0, 1.0) in drawn


def test_bands_of_many_methods_are_off():
    y, score, _, folds = scored()
    scores = dict.fromkeys("abc", score)
    display = RocComparisonDisplay.from_predictions(y, scores, folds=folds)
    assert display.plot().bands_ == []
    assert len(display.plot(bands=True).bands_) == 3


def test_plot_draws_lines_bands_and_points():
    y, score, _, folds = scored()
    points = {"readers": [(0.1, 0.5), (0.2, 0.6)], "mean": (0.15, 0.55)}
    display = RocComparisonDisplay.from_predictions(
        y, {"net": score, "coin": score[::-1]}, folds=folds, points=points
    )
    assert display.plot() is display
    assert len(display.lines_) == len(display.bands_) == 2
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), display.curves["net"]["tpr"])
    assert [len(line.get_xdata()) for line in display.point_lines_] == [2, 1]
    areas = display.curves["net"]["auc"]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[0] == f"net (AUC {areas.mean():.2f} ± {areas.std(ddof=1):.2f})"
    assert texts[2:] == ["readers", "mean"]


def test_one_fold_has_no_band():
    y, score, *_ = scored()
    figure, ax = plt.subplots()
    display = RocComparisonDisplay.from_predictions(y, {"net": score}).plot(ax)
    assert display.figure_ is figure
    assert display.bands_ == []
    assert "±" not in display.lines_[0].get_label()


def test_errors():
    y, score, groups, folds = scored()
    make = RocComparisonDisplay.from_predictions
    with pytest.raises(ValueError, match="y_true has 3 classes"):
        make(np.arange(240) % 3, {"net": score})
    with pytest.raises(ValueError, match=r"pos_label is 2, expected one of \[0, 1\]"):
        make(y, {"net": score}, pos_label=2)
    with pytest.raises(ValueError, match="y_scores is empty"):
        make(y, {})
    with pytest.raises(ValueError, match=r"scores of 'net' have shape \(239,\)"):
        make(y, {"net": score[1:]})
    with pytest.raises(ValueError, match="contains NaN"):
        make(y, {"net": np.where(y, np.nan, score)})
    with pytest.raises(ValueError, match="folds has 239 entries, but there are 240 rows"):
        make(y, {"net": score}, folds=folds[1:])
    with pytest.raises(ValueError, match="Fold 0 has rows of one class only"):
        make(y, {"net": score}, folds=y)
    with pytest.raises(ValueError, match="carries several labels"):
        make(y, {"net": score}, groups=groups // 2)
    with pytest.raises(ValueError, match="points\\['reader'\\]"):
        make(y, {"net": score}, points={"reader": (20, 60)})
