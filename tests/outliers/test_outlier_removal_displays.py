"""The displays of AEOutlierRemover: numbers recomputed by hand, artists that hold them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skrobust import (
    AEOutlierRemover,
    GammaCurveDisplay,
    LossHistogramDisplay,
    OutlierRemover,
    ReconstructionDisplay,
)

# barely trained networks
pytestmark = pytest.mark.filterwarnings("ignore:.*do not stand apart")


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = rng.randn(90, 2) @ rng.randn(2, 16) + 0.1 * rng.randn(90, 16)
    is_outlier = np.arange(90) % 10 == 3
    X[is_outlier] = 2 * rng.randn(9, 16)
    return X.reshape(-1, 1, 4, 4), is_outlier


@pytest.fixture(scope="module")
def model(data):
    return AEOutlierRemover(gamma=2.5, restarts=(10,), max_epochs=20, lr=4e-3, random_state=0).fit(
        data[0]
    )


def test_loss_histogram(data, model):
    _, is_outlier = data
    display = LossHistogramDisplay.from_estimator(model, is_outlier=is_outlier).plot(bins=12)
    removed = model.removed_epoch_ > 0
    kinds = [~removed & ~is_outlier, ~removed & is_outlier, removed & ~is_outlier]
    kinds.append(removed & is_outlier)
    heights = [sum(bar.get_height() for bar in bars) for bars in display.histograms_]
    assert heights == [kind.sum() for kind in kinds]
    tops = [bar.get_y() + bar.get_height() for bar in display.histograms_[-1]]
    assert_array_equal(tops, np.histogram(-model.scores_, 12)[0])
    assert display.threshold_line_.get_xdata()[0] == -model.offset_
    assert len(LossHistogramDisplay.from_estimator(model).plot().histograms_) == 2
    with pytest.raises(ValueError, match="is_outlier has 3 entries, but there are 90 rows"):
        LossHistogramDisplay.from_estimator(model, is_outlier=[True] * 3)


def test_loss_histogram_of_any_detector(data):
    X, is_outlier = data
    remover = OutlierRemover(random_state=0).fit(X)
    display = LossHistogramDisplay.from_estimator(remover, is_outlier=is_outlier).plot()
    assert_array_equal(np.flatnonzero(display.removed), np.sort(remover.removed_indices_))
    assert_array_equal(display.errors, -remover.scores_)
    assert display.ax_.get_xlabel() == "Score out of folds"


def test_reconstruction_of_images(data, model):
    X, _ = data
    truth = np.zeros((3, 4, 4), dtype=bool)
    display = ReconstructionDisplay.from_estimator(model, X[:3], truth=truth, names="abc").plot()
    assert display.images_.shape == (3, 4)
    for i in range(3):
        assert_allclose(display.images_[i, 0].get_array(), X[i, 0])
        reconstruction, error = model.reconstruct(X[:3])[i, 0], model.error_map(X[:3])[i, 0]
        assert_allclose(display.images_[i, 1].get_array(), reconstruction)
        assert_allclose(display.images_[i, 2].get_array(), error)
        assert display.images_[i, 2].get_clim() == (0, display.errors.max())
    assert [ax.get_ylabel() for ax in display.ax_[:, 0]] == list("abc")
    with pytest.raises(ValueError, match=r"truth has shape \(3, 1, 4, 4\)"):
        ReconstructionDisplay.from_estimator(model, X[:3], truth=truth[:, None])
    with pytest.raises(ValueError, match="ax holds 2 axes, but 6 panels"):
        ReconstructionDisplay.from_estimator(model, X[:2]).plot(display.ax_[0, :2])


def test_volumes_are_cut_where_the_lesion_or_the_error_is_largest():
    rng = np.random.RandomState(0)
    X = rng.rand(20, 1 * 4 * 5 * 6)
    model = AEOutlierRemover(
        restarts=(), max_epochs=1, gamma=9.0, input_shape=(1, 4, 5, 6), random_state=0
    ).fit(X)
    truth = np.zeros((2, 4, 5, 6), dtype=bool)
    truth[0, 1, 2, 4] = True
    display = ReconstructionDisplay.from_estimator(model, X[:2], truth=truth)
    volumes = X[:2].reshape(2, 4, 5, 6)
    assert_allclose(display.inputs[0], volumes[0][:, :, 4])
    worst = model.error_map(X[1:2]).reshape(4, 5, 6).sum((0, 1)).argmax()
    assert_allclose(display.inputs[1], volumes[1][:, :, worst])
    flat = AEOutlierRemover(restarts=(), max_epochs=1, gamma=9.0, random_state=0).fit(X)
    with pytest.raises(ValueError, match="neither images nor volumes"):
        ReconstructionDisplay.from_estimator(flat, X[:2])


def test_gamma_curve_is_what_separate_fits_give(data):
    X, is_outlier = data
    settings = AEOutlierRemover(restarts=(10,), max_epochs=10, lr=4e-3, random_state=0)
    display = GammaCurveDisplay.from_estimator(
        settings, X, is_outlier, X, is_outlier, gammas=[3.0, 2.0]
    )
    assert_array_equal(display.gammas, [2.0, 3.0])
    for i, gamma in enumerate((2.0, 3.0)):
        one = clone(settings).set_params(gamma=gamma).fit(X)
        assert display.aurocs[i] == roc_auc_score(is_outlier, -one.score_samples(X))
        removed = one.removed_epoch_ > 0
        assert_allclose(
            display.removed[:, i], [removed[~is_outlier].mean(), removed[is_outlier].mean()]
        )
    plain = clone(settings).set_params(max_removed_fraction=0.0, restarts=()).fit(X)
    assert display.baseline == roc_auc_score(is_outlier, -plain.score_samples(X))
    display.plot()
    assert_array_equal(display.lines_[0].get_ydata(), display.aurocs)
    assert_array_equal(display.lines_[3].get_ydata(), display.removed[1])
    with pytest.raises(ValueError, match="needs inliers and outliers"):
        GammaCurveDisplay.from_estimator(settings, X, is_outlier, X, np.zeros(90))
    with pytest.raises(ValueError, match="is_outlier has 3 entries, but there are 90 rows"):
        GammaCurveDisplay.from_estimator(settings, X, [0, 1, 0], X, is_outlier)


def test_repeats_of_the_gamma_curve_and_its_axis(data):
    X, is_outlier = data
    settings = AEOutlierRemover(restarts=(), max_epochs=10, lr=4e-3, random_state=0)
    once, twice = (
        GammaCurveDisplay.from_estimator(
            settings, X, is_outlier, X, is_outlier, gammas=[2.0], n_repeats=n
        )
        for n in (1, 2)
    )
    second = 2 * twice.aurocs[0] - once.aurocs[0]
    assert twice.spread[0] == pytest.approx(np.std([once.aurocs[0], second], ddof=1))
    assert once.spread is None
    assert once.plot().band_ is None
    assert twice.plot().band_ is not None
    close = GammaCurveDisplay(
        np.array([1.3, 1.5]), np.array([0.92, 0.927]), np.zeros((2, 2)), 0.925
    ).plot()
    low, high = close.ax_[0].get_ylim()
    assert high - low == pytest.approx(0.1)
    assert low < 0.92 < 0.927 < high
