import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skrobust import NetClassifier
from skrobust.neural import ClassActivationDisplay
from skrobust.neural.class_activation_display import spread

AXIS = np.linspace(4.3, 0.2, 32)


class Mapped:
    """Stands in for a network: the map of a class is the first channel times the class."""

    classes_ = np.array([1, 2])

    def __init__(self, *spatial):
        self.spatial = spatial

    def predict(self, X):
        return np.array([1, 2] * len(X))[: len(X)]

    def class_activation_map(self, X, target):
        X = np.asarray(X).reshape(len(X), -1, *self.spatial)
        return X[:, 0] * np.asarray(target).reshape(-1, *[1] * len(self.spatial))


def signals(n=3, channels=None):
    shape = (n, 32) if channels is None else (n, channels, 32)
    return np.random.default_rng(0).normal(size=shape)


def test_maps_are_the_networks_own():
    X = signals(20).astype("float32")
    clf = NetClassifier(max_epochs=1, module__width=4, input_shape=(1, 32), random_state=0)
    clf.fit(X, [0, 1] * 10)
    display = ClassActivationDisplay.from_estimator(clf, X[:3])
    np.testing.assert_array_equal(display.labels, clf.predict(X[:3]))
    np.testing.assert_allclose(display.maps, clf.class_activation_map(X[:3]))
    one = ClassActivationDisplay.from_estimator(clf, X[:3], target=1)
    np.testing.assert_allclose(one.maps, clf.class_activation_map(X[:3], [1, 1, 1]))


def test_target_for_each_row():
    X = signals()
    display = ClassActivationDisplay.from_estimator(Mapped(32), X, target=[2, 1, 2])
    np.testing.assert_array_equal(display.maps, X * [[2], [1], [2]])


@pytest.mark.parametrize("channels", [None, 2])
def test_plot_signals(channels):
    X = signals(channels=channels)
    display = ClassActivationDisplay.from_estimator(
        Mapped(32), X, axis=AXIS, axis_label="ppm", peaks={"NAA": 2.0, "Cho": 3.2}, names="abc"
    )
    assert display.plot() is display
    assert len(display.lines_) == 3 * (channels or 1)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), X.reshape(3, -1, 32)[0, 0])
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), AXIS)
    assert [text.get_text() for text in display.peak_texts_] == ["NAA", "Cho"]
    left, right = display.ax_[0].get_xlim()
    assert left > right
    assert display.ax_[-1].get_xlabel() == "ppm"
    assert display.ax_[1].get_title(loc="left") == "b\npredicted 2"
    scale = display.ax_[0].child_axes[0]
    assert scale.get_ylabel() == "Map (class score)"
    low, zero, top = sorted(scale.get_yticks())
    assert (low, zero, top) == pytest.approx((display.maps.min(), 0, display.maps.max()))


def test_titles_name_classes_patients_and_mispredicted_rows():
    class Judging(Mapped):
        def predict_proba(self, X):
            return np.array([[0.7, 0.3], [0.1, 0.9]] * len(X))[: len(X)]

    display = ClassActivationDisplay.from_estimator(
        Judging(32), signals(), [1, 1, 2], groups=["P1", "P1", "P7"],
        class_names=["glioma", "pituitary"], target=[1, 2, 2],
    ).plot()  # fmt: skip
    assert display.titles == [
        "row 0, patient P1\nlabelled glioma, predicted glioma (0.7)",
        "row 1, patient P1\nlabelled glioma, predicted pituitary (0.9)",
        "row 2, patient P7\nlabelled pituitary, predicted glioma (0.7); map for pituitary",
    ]
    assert display.is_wrong.tolist() == [False, True, True]
    colors = [ax._left_title.get_color() for ax in display.ax_]
    assert colors[0] == "black"
    assert colors[1] == colors[2] != "black"
    with pytest.raises(ValueError, match="y has 2 entries, but there are 3 rows"):
        ClassActivationDisplay.from_estimator(Mapped(32), signals(), [1, 2])


def test_fine_maps_of_images_point_where_the_class_is():
    rng = np.random.RandomState(0)
    X, y = 0.3 * rng.normal(size=(120, 1, 32, 32)).astype("float32"), np.arange(120) % 2
    corners = rng.randint(0, 24, size=(120, 2))
    inside = np.zeros((120, 32, 32), dtype=bool)
    for i, (a, b) in enumerate(corners):
        inside[i, a : a + 8, b : b + 8] = True
    X[:, 0][inside & (y == 1)[:, None, None]] += 2
    clf = NetClassifier(max_epochs=15, lr=1e-2, random_state=0).fit(X, y)
    ill = np.flatnonzero(y == 1)[:20]
    display = ClassActivationDisplay.from_estimator(clf, X[ill], y[ill])
    assert (display.maps >= 0).all()

    def share(maps):
        maps = maps.clip(min=0)
        return (maps * inside[ill]).sum() / maps.sum()

    coarse = clf.class_activation_map(X[ill], y[ill])
    assert share(display.maps) > 0.5
    assert share(display.maps) > 2 * share(coarse)
    overlay = display.plot().images_[0]
    alpha = overlay.get_alpha()
    strongest = np.unravel_index(display.maps[0].argmax(), (32, 32))
    assert alpha[strongest] == alpha.max() > 4 * alpha[display.maps[0] <= 0.01].mean()


def test_maps_share_a_scale_below_the_signals():
    X = signals()
    display = ClassActivationDisplay.from_estimator(Mapped(32), X).plot()
    heights = []
    for i, line in enumerate(display.map_lines_):
        strip = line.get_ydata()
        assert strip.max() < X[i].min()
        assert np.corrcoef(strip, display.maps[i])[0, 1] == pytest.approx(1)
        heights.append(np.ptp(strip) / np.ptp(X[i]))
    np.testing.assert_allclose(heights / heights[0], np.ptp(display.maps, 1) / np.ptp(X[0]))
    assert display.ax_[-1].get_xlabel() == "Point"


def test_constant_rows_and_maps():
    display = ClassActivationDisplay.from_estimator(Mapped(32), np.zeros((2, 32)))
    assert len(display.plot().map_lines_) == 2


def test_increasing_axis_is_not_turned():
    display = ClassActivationDisplay.from_estimator(Mapped(32), signals(), axis=AXIS[::-1]).plot()
    left, right = display.ax_[0].get_xlim()
    assert left < right


@pytest.mark.parametrize("flat", [True, False])
def test_plot_images(flat):
    X = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    display = ClassActivationDisplay.from_estimator(
        Mapped(5, 4), X.reshape(2, -1) if flat else X
    ).plot(channel=1)
    assert display.ax_.shape == (2, 2)
    np.testing.assert_array_equal(display.ax_[1, 0].images[0].get_array(), X[1, 1])
    np.testing.assert_array_equal(display.images_[1].get_array(), display.maps[1])
    assert display.images_[0].get_clim() == display.images_[1].get_clim()
    with pytest.raises(ValueError, match="channel is 3, but the rows have 3 channels"):
        display.plot(channel=3)


def test_plot_into_given_axes():
    display = ClassActivationDisplay.from_estimator(Mapped(32), signals(1))
    figure, ax = plt.subplots()
    assert display.plot(ax).figure_ is figure
    with pytest.raises(ValueError, match="ax holds 2 axes"):
        display.plot([ax, ax])


def test_fine_maps_of_volumes_and_of_networks_without_such_a_layer():
    X, y = np.random.RandomState(0).normal(size=(20, 1, 8, 8, 6)), np.tile([0, 1], 10)
    clf = NetClassifier(max_epochs=1, random_state=0).fit(X, y)
    maps = clf.class_activation_map(X[:3], fine=True)
    assert maps.shape == (3, 8, 8, 6)
    assert maps.max() > 0
    # rows do not depend on the others in their batch
    np.testing.assert_allclose(maps[:1], clf.class_activation_map(X[:1], fine=True), atol=1e-5)
    signals = NetClassifier(max_epochs=1, random_state=0).fit(X.reshape(20, 1, -1), y)
    with pytest.raises(ValueError, match="no layer of ResNet1d keeps half of the resolution"):
        signals.class_activation_map(X.reshape(20, 1, -1)[:1], fine=True)


def test_spread_keeps_order_gap_and_mean():
    positions = [0.9, 1.28, 1.33, 1.7, 2.0, 2.05, 2.06]
    places = spread(positions, 0.2)
    assert (np.diff(places) >= 0.2 - 1e-12).all()
    assert np.mean(places) == pytest.approx(np.mean(positions))
    np.testing.assert_array_equal(spread([1.0, 2.0], 0.2), [1, 2])


def test_errors():
    make = ClassActivationDisplay.from_estimator
    with pytest.raises(ValueError, match="LogisticRegression has no class_activation_map"):
        make(LogisticRegression(), signals())
    with pytest.raises(ValueError, match="but there are 3 rows"):
        make(Mapped(32), signals(), names=["a"])
    with pytest.raises(ValueError, match="expected 32 increasing or decreasing positions"):
        make(Mapped(32), signals(), axis=AXIS[1:])
    with pytest.raises(ValueError, match="expected 32 increasing or decreasing positions"):
        make(Mapped(32), signals(), axis=np.zeros(32))
    with pytest.raises(ValueError, match=r"Peak 'water' at 4.7 lies outside the axis"):
        make(Mapped(32), signals(), axis=AXIS, peaks={"water": 4.7})
    with pytest.raises(ValueError, match="the rows are images"):
        make(Mapped(8, 4), signals(), axis=AXIS)
    with pytest.raises(ValueError, match="Only signals and images are drawn"):
        make(Mapped(4, 4, 2), signals())
