"""Displays of influence, perturbation and weights."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skrobust import (
    MLP,
    InfluenceDisplay,
    InfluencePerturber,
    InfluenceReweighter,
    NetClassifier,
    PerturbationDisplay,
    SampleWeightDisplay,
)

SHAPES = [(7,), (2, 7), (1, 4, 5), (1, 3, 4, 5)]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def rows(shape, n=20):
    return np.random.RandomState(0).randn(n, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_extreme_rows_are_chosen_and_drawn(shape):
    X, y = rows(shape), np.tile(["a", "b"], 10)
    influence = np.random.RandomState(1).randn(20)
    influence[3] = np.nan
    groups = np.repeat(["Ann", "Bob"], 10)
    display = InfluenceDisplay.from_influence(influence, X, y, groups=groups, n_rows=3)
    by_hand = sorted((value, i) for i, value in enumerate(influence) if value == value)
    assert display.indices[0].tolist() == [i for _, i in by_hand[:3]]
    assert display.indices[1].tolist() == [i for _, i in by_hand[:-4:-1]]
    value, i = by_hand[-1]
    expected = f"harmful: {value:+.2g}\nlabelled {y[i]}\nrow {i}, patient {groups[i]}"
    assert display.titles[3] == expected
    assert display.titles[0].startswith("helpful: -")
    display.plot()
    assert [panel.get_title() for panel in display.ax_.ravel()] == display.titles
    assert "raise the loss" in display.ax_[1, 0].get_ylabel()
    drawn = display.rows_[3]
    worst = X[by_hand[-1][1]]
    if len(shape) <= 2:
        shown = np.array([line.get_ydata() for line in drawn])
        np.testing.assert_array_equal(shown, np.atleast_2d(worst))
    else:
        shown = worst[0] if len(shape) == 3 else worst[0, 1]
        np.testing.assert_array_equal(drawn.get_array(), shown)


def test_flat_rows_as_images_and_fewer_rows_than_asked_for():
    display = InfluenceDisplay.from_influence(
        [1.0, np.nan], rows((6,), 2), n_rows=4, input_shape=(1, 2, 3)
    )
    assert display.indices.tolist() == [[0], [0]]
    assert display.helpful.shape == (1, 1, 2, 3)
    # the only row is the most helpful one as well, but it harms
    assert display.titles == ["harmful: +1\nrow 0"] * 2


@pytest.mark.parametrize(
    ("influence", "X", "message"),
    [
        (np.zeros(3), rows((4,)), "influence has 3 entries, but there are 20 rows"),
        (np.full(20, np.nan), rows((4,)), "no row has an influence"),
    ],
)
def test_influence_that_does_not_fit_is_refused(influence, X, message):
    with pytest.raises(ValueError, match=message):
        InfluenceDisplay.from_influence(influence, X)


@pytest.mark.parametrize("n_labels", [3, 21])
def test_labels_of_other_rows_are_refused(n_labels):
    with pytest.raises(ValueError, match=f"y has {n_labels} entries, but there are 20 rows"):
        InfluenceDisplay.from_influence(np.arange(20.0), rows((4,)), np.zeros(n_labels))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("with_masks", [True, False])
def test_perturbation_panels(shape, with_masks):
    X = rows(shape)
    masks = (X > 0).astype(float) if with_masks else None
    changed = np.array([5, 2, 9, 1])
    fitted = SimpleNamespace(perturbed_indices_=changed, perturbation_=0.1 * X[changed])
    display = PerturbationDisplay.from_estimator(fitted, X, masks=masks, n_rows=2)
    assert display.names == ["row 5", "row 2"]
    display.plot()
    assert display.ax_.shape == (2, 3 + with_masks)
    if with_masks:
        inside = [abs(X[i][X[i] > 0]).sum() / abs(X[i]).sum() for i in (5, 2)]
        np.testing.assert_allclose(display.share_inside, inside)
    else:
        with pytest.raises(AttributeError, match="needs masks"):
            display.share_inside  # noqa: B018
    last = display.ax_[0, -1]
    if len(shape) <= 2:
        np.testing.assert_allclose(last.lines[0].get_ydata(), 1.1 * np.atleast_2d(X[5])[0])
    else:
        # the row and the changed row share a scale; the perturbation's is symmetric
        scales = [panel.images[0].get_clim() for panel in display.ax_[0]]
        assert scales[0] == scales[-1]
        assert scales[-2][0] == -scales[-2][1] < 0


def test_perturbed_rows_are_named_by_class_and_patient():
    X = rows((1, 4, 5))
    fitted = SimpleNamespace(perturbed_indices_=np.array([5, 2]), perturbation_=X[[5, 2]])
    y, groups = np.array(["cyst", "tumour"])[np.arange(len(X)) % 2], np.arange(len(X)) + 100
    options = {"n_rows": 1, "y": y, "groups": groups}
    display = PerturbationDisplay.from_estimator(fitted, X, **options)
    assert display.names == ["row 5, tumour\npatient 105"]
    assert PerturbationDisplay.from_estimator(fitted, X, names=["a"], **options).names == ["a"]
    with pytest.raises(ValueError, match="y has 2 entries"):
        PerturbationDisplay.from_estimator(fitted, X, y=[0, 1])


def test_volumes_are_cut_where_they_changed_most():
    X, change = rows((1, 6, 4, 5)), np.zeros((1, 1, 6, 4, 5))
    change[0, 0, 4, 1, 2] = -3
    change[0, 0, 1, 1, 2] = 2
    masks = np.zeros(X.shape)
    masks[7] = change[0] != 0
    fitted = SimpleNamespace(perturbed_indices_=np.array([7]), perturbation_=change)
    display = PerturbationDisplay.from_estimator(fitted, X, masks=masks).plot()
    for panel, shown in zip(display.ax_[0], (X[7], masks[7], change[0]), strict=False):
        np.testing.assert_array_equal(panel.images[0].get_array(), shown[0, 4])
    assert display.ax_[0, 0].get_ylabel() == "row 7\nslice 4"


def test_perturbation_that_does_not_fit_is_refused():
    fitted = SimpleNamespace(perturbed_indices_=np.array([9]), perturbation_=np.zeros((1, 4)))
    with pytest.raises(ValueError, match="not what the estimator was fitted on"):
        PerturbationDisplay.from_estimator(fitted, rows((4,), 5))
    with pytest.raises(ValueError, match="masks have shape"):
        PerturbationDisplay.from_estimator(fitted, rows((4,)), masks=rows((3,)))


def test_weights_of_right_and_wrong_rows():
    weight = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    wrong = np.array([True, True, False, True, False])
    fitted = SimpleNamespace(sample_weight_=weight)
    display = SampleWeightDisplay.from_estimator(fitted, wrong=wrong)
    assert display.means == (3.5, 2.5)
    display.plot(bins=4)
    assert [len(bars) for bars in display.histograms_] == [4, 4]
    assert SampleWeightDisplay.from_estimator(fitted).means == (3.0,)
    assert np.isnan(SampleWeightDisplay.from_estimator(fitted, wrong=wrong & False).means[1])
    with pytest.raises(ValueError, match="wrong has 2 entries"):
        SampleWeightDisplay.from_estimator(fitted, wrong=[True, False])


@pytest.mark.parametrize(
    ("display", "name"),
    [
        (InfluenceDisplay, "influence_"),
        (PerturbationDisplay, "perturbation_"),
        (SampleWeightDisplay, "sample_weight_"),
    ],
)
def test_other_estimators_are_refused(display, name):
    args = () if display is SampleWeightDisplay else (rows((4,)),)
    with pytest.raises(ValueError, match=f"NetClassifier has no {name}"):
        display.from_estimator(NetClassifier(), *args)


def test_from_fitted_classifiers():
    X, y = rows((6,), 60), np.tile([0, 1], 30)
    net = NetClassifier(MLP, max_epochs=2, random_state=0)
    weighted = InfluenceReweighter(net, warmup_epochs=1, cv=None, random_state=0).fit(X, y)
    assert len(SampleWeightDisplay.from_estimator(weighted).weight) == 48
    shown = InfluenceDisplay.from_estimator(weighted, X, y, n_rows=2).indices
    assert not set(shown.ravel()) & set(weighted.validation_indices_)
    changed = InfluencePerturber(net, warmup_epochs=1, random_state=0).fit(X, y)
    assert PerturbationDisplay.from_estimator(changed, X).plot().ax_.shape == (3, 3)
