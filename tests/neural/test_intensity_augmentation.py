"""Random changes of values, line shapes and baselines: closed forms, scipy and numpy."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter
from sklearn.model_selection import GridSearchCV

from skrobust import MLP, NetClassifier, RandomAugmentation, SpectrumAugmentation, TripletEmbedder
from skrobust.neural.augmentation import AUGMENTATIONS
from skrobust.neural.seeding import OwnRandomness

N = 400
SPECTRUM = ["gain", "offset", "slope", "baseline", "shift", "broadening", "noise"]
IMAGE = ["gamma", "gain", "blur"]
CASES = [(SpectrumAugmentation, name, (N, 1, 60)) for name in SPECTRUM] + [
    (RandomAugmentation, name, (N, 1, 9, 12)) for name in IMAGE
]


def rows(shape, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).normal(2, 1, size=shape)).float()


def changed(augment, x, seed=0):
    with OwnRandomness(seed):
        return augment(x)


@pytest.mark.parametrize(("cls", "name", "shape"), CASES, ids=lambda v: getattr(v, "__name__", v))
def test_zero_is_nothing_and_small_is_little(cls, name, shape):
    x = rows(shape)
    assert_array_equal(cls(**{name: 0.0})(x), x)
    small, large = (changed(cls(**{name: s}), x) - x for s in (1e-6, 0.3))
    assert small.abs().max() < 1e-2
    assert large.abs().max() > 0.1
    assert (large.flatten(1).abs().amax(1) > 0).float().mean() > 0.95


@pytest.mark.parametrize(("cls", "name", "shape"), CASES, ids=lambda v: getattr(v, "__name__", v))
def test_same_seed_same_change_and_channels_move_together(cls, name, shape):
    x = rows(shape)
    augment = cls(**{name: 0.2})
    once = changed(augment, x)
    assert_array_equal(changed(augment, x), once)
    assert not torch.equal(changed(augment, x, seed=1), once)
    both = changed(augment, torch.cat([x, x], 1))
    if name != "noise":
        assert_allclose(both[:, :1], both[:, 1:], atol=1e-6)
    if cls is SpectrumAugmentation:  # a flat row is a signal of one channel
        assert_allclose(changed(augment, x[:, 0]), once[:, 0], atol=1e-6)


def uniform_within(values, most):
    """Check that values fill the interval between minus and plus the largest."""
    assert_allclose([values.min(), values.max()], [-most, most], rtol=0.03)
    assert abs(values.mean()) < 0.12 * most


@pytest.mark.parametrize(
    "augment", [SpectrumAugmentation(gain=0.3), RandomAugmentation(gain=0.3)], ids=str
)
def test_gain_multiplies_the_row(augment):
    x = rows((N, 2, 30))
    factor = (changed(augment, x) / x).flatten(1).numpy()
    assert_allclose(factor, np.broadcast_to(factor[:, :1], factor.shape), rtol=1e-4)
    uniform_within(factor[:, 0] - 1, 0.3)


@pytest.mark.parametrize("units", [1.0, 1e4])
def test_offset_slope_and_baseline_are_curves_in_units_of_the_row(units):
    x = rows((N, 2, 41)) * units
    spread = x.flatten(1).std(1, correction=0).numpy()[:, None]
    place = np.linspace(0, 1, 41)
    for name, basis in {
        "offset": [np.ones(41)],
        "slope": [2 * place - 1],
        "baseline": [np.cos(np.pi * k * place) / 3 for k in (1, 2, 3)],
    }.items():
        added = (changed(SpectrumAugmentation(**{name: 0.4}), x) - x).double().numpy()
        assert_allclose(added[:, 0], added[:, 1], atol=2e-6 * units)  # of both channels alike
        curves = added[:, 0] / spread
        weights, residuals, *_ = np.linalg.lstsq(np.array(basis).T, curves.T, rcond=None)
        assert np.sqrt(residuals).max() < 1e-4
        for weight in weights:
            uniform_within(weight, 0.4)


def test_a_shift_is_that_of_linear_interpolation():
    x = rows((N, 1, 50))
    with OwnRandomness(0):
        out = SpectrumAugmentation(shift=0.1)(x).numpy()
    with OwnRandomness(0):
        moved = 0.1 * 50 * (2 * torch.rand(N).numpy() - 1)  # to the right, in points
    points = np.arange(50)
    expected = [np.interp(points - m, points, row) for m, row in zip(moved, x[:, 0], strict=True)]
    assert_allclose(out[:, 0], expected, atol=2e-4)
    uniform_within(moved, 5)


@pytest.mark.parametrize("shape", [(60,), (9, 12), (6, 8, 7)])
def test_blur_and_broadening_are_scipys_gaussian_filter(shape):
    x, most = rows((30, 1, *shape)), 0.1
    augment = RandomAugmentation(blur=most)
    if len(shape) == 1:
        augment = SpectrumAugmentation(broadening=most)
    out = changed(augment, x)
    with OwnRandomness(0):
        share = most * torch.rand(30, 1)[:, 0].double().numpy()
    for row, result, own in zip(x[:, 0].double().numpy(), out[:, 0], share, strict=True):
        expected = row
        for axis, size in enumerate(shape):
            sigma = np.where(np.arange(len(shape)) == axis, own * size, 0)
            radius = int(np.ceil(3 * most * size))
            expected = gaussian_filter(expected, sigma, mode="nearest", radius=radius)
        assert_allclose(result, expected, atol=1e-5)


def test_gamma_is_a_power_of_scaled_values():
    x = rows((N, 1, 6, 7)) * 1000 - 300
    out = changed(RandomAugmentation(gamma=0.5), x).double().flatten(1).numpy()
    given = x.double().flatten(1).numpy()
    low, high = given.min(1, keepdims=True), given.max(1, keepdims=True)
    assert_allclose(out.min(1), low[:, 0], rtol=1e-5)  # the range stays
    assert_allclose(out.max(1), high[:, 0], rtol=1e-5)
    with OwnRandomness(0):
        power = np.exp(np.log(1.5) * (2 * torch.rand(N).double().numpy() - 1))
    expected = low + (high - low) * ((given - low) / (high - low)) ** power[:, None]
    assert_allclose(out, expected, rtol=1e-3, atol=0.1)
    uniform_within(np.log(power), np.log(1.5))


def test_constant_rows_stay_finite():
    flat = torch.full((5, 1, 8, 8), 3.0)
    assert_allclose(changed(RandomAugmentation(gamma=1, blur=0.2, noise=1), flat), flat, rtol=1e-6)
    everything = SpectrumAugmentation(**dict.fromkeys(SPECTRUM, 0.4))
    out = changed(replace(everything, gain=0), flat[:, :, 0])
    assert_allclose(out, flat[:, :, 0], rtol=1e-6)


def test_noise_is_in_units_of_the_row():
    x = torch.cat([rows((1, 1, 5000)), 10 * rows((1, 1, 5000))])
    added = changed(SpectrumAugmentation(noise=0.3), x) - x
    assert_allclose(added.std((1, 2)), [0.3, 3.0], rtol=0.05)


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        *[(SpectrumAugmentation, {f.name: -0.1}) for f in fields(SpectrumAugmentation)],
        (SpectrumAugmentation, {"gain": 1.0}),
        (SpectrumAugmentation, {"broadening": 0.6}),
        (SpectrumAugmentation, {"shift": "far"}),
        (RandomAugmentation, {"gamma": float("inf")}),
        (RandomAugmentation, {"gain": -0.1}),
        (RandomAugmentation, {"blur": 0.7}),
    ],
)
def test_bad_strengths_are_named(cls, params):
    with pytest.raises(ValueError, match=f"{next(iter(params))} is"):
        cls(**params)


def test_images_are_no_signals():
    with pytest.raises(ValueError, match="holds no signals"):
        SpectrumAugmentation(gain=0.1)(torch.zeros(2, 1, 8, 8))
    net = NetClassifier(max_epochs=1, augment="spectrum")
    with pytest.raises(ValueError, match="holds no signals"):
        net.fit(np.random.RandomState(0).normal(size=(8, 8, 8)), [0, 1] * 4)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_names_train_networks_and_leave_rows_to_predict_alone(name):
    shape = (1, 40) if name == "spectrum" else (1, 8, 8)
    X = rows((40, *shape)).numpy()
    y = np.arange(40) % 2
    for cls in (NetClassifier, TripletEmbedder):
        small = {"max_epochs": 1, "module__width": 4, "random_state": 0}
        fitted = cls(MLP, augment=name, **small).fit(X, y)
        plain = cls(MLP, augment=None, **small).fit(X, y)
        method = "predict_proba" if cls is NetClassifier else "transform"
        once = getattr(fitted, method)(X)
        assert_array_equal(getattr(fitted, method)(X), once)
        assert np.abs(once - getattr(plain, method)(X)).max() > 0


def test_strengths_can_be_searched():
    X, y = rows((40, 30)).numpy(), np.arange(40) % 2
    grid = {"augment": [None, SpectrumAugmentation(gain=0.1), SpectrumAugmentation(gain=0.3)]}
    search = GridSearchCV(NetClassifier(MLP, max_epochs=1, random_state=0), grid, cv=2).fit(X, y)
    assert len(set(map(str, search.cv_results_["param_augment"]))) == 3
