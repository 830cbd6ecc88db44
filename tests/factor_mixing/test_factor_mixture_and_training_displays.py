"""Mixtures beside their rows, and the losses of the factors' training."""

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skrobust import FactorMixSampler
from skrobust.factor_mixing import FactorMixtureDisplay, FactorTrainingDisplay

mpl.use("Agg")


def fitted(shape, **params):
    X, y = np.random.RandomState(0).rand(20, *shape), np.array(["b", "a"] * 10)
    sampler = FactorMixSampler(
        width=2, n_codes=4, class_epochs=3, max_epochs=2, random_state=0, **params
    )
    return sampler, X, sampler.fit_resample(X, y)[0]


@pytest.mark.parametrize("shape", [(1, 6, 5), (1, 3, 4, 5), (2, 30), (30,)], ids=str)
def test_each_line_is_a_new_row_beside_its_own(shape):
    sampler, X, X_new = fitted(shape, input_shape=shape)
    display = FactorMixtureDisplay.from_estimator(sampler, X_new, new_rows=[7, 2])
    for i, row in enumerate([7, 2]):
        assert_array_equal(display.new_rows[i], X_new[20 + row])
        assert_array_equal(display.rows[i], X[sampler.sample_indices_[20 + row]])
        assert_array_equal(display.mixture[i], sampler.mixture_[row])
    display.plot()
    assert display.ax_.shape == (2, 4)
    change = X_new[22] - X[sampler.sample_indices_[22]]
    panel = display.ax_[1, 2]
    if panel.images:
        shown = change[0] if change.ndim == 3 else change[0, 1]
        assert_allclose(panel.images[0].get_array(), shown)
        low, high = panel.images[0].get_clim()
        assert low == -high
    else:
        drawn = [line.get_ydata() for line in panel.lines]
        assert_allclose(drawn, np.atleast_2d(change))
    widths = [bar.get_width() for bar in display.ax_[1, 3].patches]
    assert_allclose(widths, sampler.mixture_[2])
    assert [label.get_text() for label in display.ax_[0, 3].get_yticklabels()] == ["a", "b"]


def test_by_default_the_most_mixed_row_of_every_class_is_shown():
    sampler, _, X_new = fitted((30,), factor=3)
    display = FactorMixtureDisplay.from_estimator(sampler, X_new, class_names=["one", "two"])
    for code in (0, 1):
        own = sampler.mixture_[sampler.mixture_.argmax(1) == code, code]
        assert display.mixture[code, code] == own.min()
    assert display.class_names == ["one", "two"]


def test_bad_input_is_named():
    sampler, X, X_new = fitted((30,))
    with pytest.raises(ValueError, match="X_resampled has 20 rows but the sampler returned 40"):
        FactorMixtureDisplay.from_estimator(sampler, X)
    for wrong in ([20], [-1]):
        with pytest.raises(ValueError, match="expected numbers from 0 to 19"):
            FactorMixtureDisplay.from_estimator(sampler, X_new, new_rows=wrong)
    for wrong in ([0.5], [], 3):
        with pytest.raises(ValueError, match="expected whole numbers"):
            FactorMixtureDisplay.from_estimator(sampler, X_new, new_rows=wrong)
    with pytest.raises(ValueError, match="3 names were given"):
        FactorMixtureDisplay.from_estimator(sampler, X_new, class_names="xyz")
    none, X, X_new = fitted((30,), factor=0)
    with pytest.raises(ValueError, match="set its factor above 0"):
        FactorMixtureDisplay.from_estimator(none, X_new)
    for display in (FactorMixtureDisplay, FactorTrainingDisplay):
        with pytest.raises(ValueError, match="not fitted"):
            display.from_estimator(FactorMixSampler(), *[X][: display is FactorMixtureDisplay])


def test_the_losses_and_the_probe_are_drawn():
    sampler, *_ = fitted((30,))
    display = FactorTrainingDisplay.from_estimator(sampler).plot()
    for line, name in zip(display.ax_[0].lines, ["class_loss", "adversary_loss"], strict=True):
        expected = [row[name] for row in sampler.history_ if name in row]
        assert_array_equal(line.get_ydata(), expected)
    errors = [row["reconstruction_loss"] for row in sampler.history_[3:]]
    assert_array_equal(display.ax_[1].lines[0].get_ydata(), errors)
    found = sampler.diagnostics_
    heights = [bar.get_height() for bar in display.bars_]
    assert_array_equal(heights, [found["class_accuracy"], found["probe_accuracy"]])
    assert display.ax_[2].lines[0].get_ydata()[0] == found["chance"]
    with pytest.raises(ValueError, match="ax holds 1 axes, but 3 panels"):
        display.plot(display.ax_[:1])


@pytest.mark.parametrize(("probe", "told"), [(0.48, True), (0.36, False), (np.nan, False)])
def test_factors_that_are_not_separated_are_told(probe, told):
    history = [{"class_loss": 1.0}, {"adversary_loss": 1.0, "reconstruction_loss": 0.5}]
    found = {"class_accuracy": 0.9, "probe_accuracy": probe, "chance": 0.34}
    display = FactorTrainingDisplay(history, found).plot()
    assert ("Not separated" in display.ax_[2].get_xlabel()) == told
    (text,) = display.ax_[2].get_legend().get_texts()
    assert text.get_text() == "chance: 0.34"
    for ax in display.ax_[::2]:
        display.figure_.canvas.draw()
        box = ax.get_legend().get_window_extent()
        assert box.y0 >= ax.get_window_extent().y1 - 5
