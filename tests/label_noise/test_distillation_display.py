from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.random_projection import GaussianRandomProjection

from skrobust import make_mr_spectra
from skrobust.label_noise import DistillationDisplay, LabelNoiseModel


def rows(n_classes=2, n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.normal(size=(n, 2, 3)) + y[:, None, None]
    return X, y, SimpleNamespace(kept_=rng.random(n) < 0.4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_distances_and_medians_by_loops(n_classes):
    X, y, distiller = rows(n_classes)
    display = DistillationDisplay.from_estimator(distiller, X, y)
    for i in range(len(y)):
        others = [X[j].ravel() for j in range(len(y)) if y[j] != y[i]]
        centre = sum(others) / len(others)
        assert display.distances[i] == pytest.approx(np.sqrt(((X[i].ravel() - centre) ** 2).sum()))
    for c in range(n_classes):
        every = [display.distances[i] for i in range(len(y)) if y[i] == c]
        kept = [display.distances[i] for i in range(len(y)) if y[i] == c and distiller.kept_[i]]
        assert display.medians[c].tolist() == [np.median(every), np.median(kept)]


def test_default_projection_is_pca():
    X, y, distiller = rows()
    display = DistillationDisplay.from_estimator(distiller, X, y)
    np.testing.assert_allclose(display.projected, PCA(2).fit_transform(X.reshape(len(X), -1)))
    same = DistillationDisplay.from_estimator(distiller, X, y, projection="pca")
    np.testing.assert_array_equal(display.projected, same.projected)


def test_projection_is_cloned_and_seeded():
    X, y, distiller = rows()
    given = GaussianRandomProjection(2)
    first, second = (
        DistillationDisplay.from_estimator(distiller, X, y, projection=given, random_state=3)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.projected, second.projected)
    assert given.random_state is None
    assert not hasattr(given, "components_")


def test_tsne_takes_part():
    X, y, distiller = rows(n=20)
    tsne = TSNE(perplexity=5, max_iter=250, init="random", method="exact")
    display = DistillationDisplay.from_estimator(distiller, X, y, projection=tsne, random_state=0)
    assert display.plot().ax_[0].get_xlabel() == "TSNE 1"


def test_spikes_do_not_rule_the_picture():
    X, y, distiller = rows(n=200)
    spiky = X.copy()
    spiky[::20, 0, 0] += 1000
    plain = DistillationDisplay.from_estimator(distiller, X, y)
    display = DistillationDisplay.from_estimator(distiller, spiky, y).plot()
    assert display.distances.max() < 3 * plain.distances.max()
    left, right = display.ax_[0].get_xlim()
    assert right - left < 4 * np.ptp(plain.projected[:, 0])
    counts = [bar.get_height() for bar in display.histograms_[0]]
    assert np.count_nonzero(counts) > 10


def test_rows_far_outside_stand_at_the_edge():
    X, y, distiller = rows(n=200)
    display = DistillationDisplay.from_estimator(distiller, X, y)
    display.projected = np.c_[np.arange(200.0), np.arange(200.0)]
    display.projected[7] = 1e6
    display.distances[7] = 1e6
    display.plot(bins=9)
    assert display.ax_[0].get_xlim()[1] < 1000
    assert "1 rows far outside are drawn at the edge" in display.ax_[0].get_title(loc="left")
    assert "last bar: all above" in display.ax_[-1].get_xlabel()
    heights = [sum(bar.get_height() for bar in bars) for bars in display.histograms_]
    assert heights[::2] == [100, 100]


def test_patients_the_worst_first():
    rng = np.random.default_rng(0)
    groups, y = np.repeat(["P1", "P2", "P3", "P4"], 5), np.repeat(["ill", "well"], 10)
    proba = rng.dirichlet([1, 1], size=20)
    quality = np.where(y == "ill", proba[:, 0], proba[:, 1])
    distiller = SimpleNamespace(
        kept_=quality > 0.5, quality_=quality, label_probabilities_=proba,
        classes_=np.array(["ill", "well"]),
    )  # fmt: skip
    display = DistillationDisplay.from_estimator(distiller, y, y, groups=groups, level="group")
    patients = display.patients
    assert patients["quality"].is_monotonic_increasing
    for name, line in patients.iterrows():
        own = groups == name
        assert line["quality"] == pytest.approx(np.mean(quality[own]))
        assert line["rows"] == 5
        mean = proba[own].mean(0)
        assert line["suggested"] == ("ill" if mean[0] > mean[1] else "well")
        assert line["label"] == y[own][0]
    display.plot(n_groups=3)
    shown = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert shown == [f"{name} (5 rows)" for name in patients.index[:3]]
    doubted = patients.iloc[:3].query("label != suggested")
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts == [f"rather {other}?" for other in doubted["suggested"]]
    assert len(texts) > 0
    assert "The 3 of 4 patients" in display.ax_.get_title()


def test_patients_of_the_noise_model():
    data = make_mr_spectra(40, n_voxels=6, impurity=0, random_state=0)
    model = LabelNoiseModel(random_state=0).fit(data.data, data.target, groups=data.groups)
    display = DistillationDisplay.from_estimator(
        model, data.data, data.target, groups=data.groups, level="group"
    )
    expected = model.patients_["probability"].loc[display.patients.index]
    np.testing.assert_allclose(display.patients["quality"], expected)
    assert display.patients["suggested"].tolist() == [
        str(label) for label in model.patients_.loc[display.patients.index, "suggested"]
    ]


def test_sampler_with_distiller():
    X, y, distiller = rows()
    display = DistillationDisplay.from_estimator(SimpleNamespace(distiller_=distiller), X, y)
    np.testing.assert_array_equal(display.kept, distiller.kept_)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_plot_draws_all_and_kept(n_classes):
    X, y, distiller = rows(n_classes)
    names = [f"tissue {c}" for c in range(n_classes)]
    display = DistillationDisplay.from_estimator(distiller, X, y, class_names=names)
    assert display.plot(bins=7) is display
    assert len(display.ax_) == 1 + n_classes
    shown = [len(points.get_offsets()) for points in display.scatters_]
    kept = np.bincount(y[distiller.kept_], minlength=n_classes)
    assert shown == [*np.bincount(y), *kept]
    heights = [sum(bar.get_height() for bar in bars) for bars in display.histograms_]
    assert heights[::2] == np.bincount(y).tolist()
    assert heights[1::2] == kept.tolist()
    places = [line.get_xdata()[0] for line in display.median_lines_]
    assert places == display.medians.ravel().tolist()
    legend = [text.get_text() for text in display.ax_[0].get_legend().get_texts()]
    assert legend[0] == f"tissue 0: {kept[0]} of {(y == 0).sum()} kept"
    assert display.ax_[2].get_title(loc="left") == "tissue 1"


@pytest.mark.parametrize("density", [True, False])
def test_class_without_kept_rows(density):
    X, y, distiller = rows()
    distiller.kept_[y == 1] = False
    display = DistillationDisplay.from_estimator(distiller, X, y)
    assert np.isnan(display.medians[1, 1])
    assert len(display.plot(density=density).median_lines_) == 3


def test_plot_into_given_axes():
    X, y, distiller = rows()
    display = DistillationDisplay.from_estimator(distiller, X, y)
    figure, axes = plt.subplots(1, 3)
    assert display.plot(ax=axes).figure_ is figure
    with pytest.raises(ValueError, match="ax holds 1 axes, but 3 panels are drawn: projection"):
        display.plot(ax=axes[0])


def test_errors():
    X, y, distiller = rows()
    make = DistillationDisplay.from_estimator
    with pytest.raises(ValueError, match="neither kept_ nor quality_ nor distiller_"):
        make(SimpleNamespace(), X, y)
    with pytest.raises(ValueError, match="fitted on 60 rows, but 59 were given"):
        make(distiller, X[1:], y[1:])
    with pytest.raises(ValueError, match="y has 59 entries, but there are 60 rows"):
        make(distiller, X, y[1:])
    with pytest.raises(ValueError, match="level is 'patient'"):
        make(distiller, X, y, level="patient")
    with pytest.raises(ValueError, match="level='group' needs groups"):
        make(distiller, X, y, level="group")
    with pytest.raises(ValueError, match="has no quality_"):
        make(distiller, X, y, level="group", groups=y)
    with pytest.raises(ValueError, match=r"one class only, \[0\]"):
        make(distiller, X, np.zeros(60, dtype=int))
    with pytest.raises(ValueError, match="but there are 2 classes"):
        make(distiller, X, y, class_names=["a"])
    with pytest.raises(ValueError, match="expected 'pca' or a transformer"):
        make(distiller, X, y, projection="umap")
    with pytest.raises(ValueError, match="Set its number of components to 2"):
        make(distiller, X, y, projection=PCA(3))
    with pytest.raises(ValueError, match="at least 2 rows and 2 features"):
        make(distiller, X[:, :1, :1], y)
