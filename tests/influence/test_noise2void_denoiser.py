"""Noise2VoidDenoiser: it removes noise it never saw the clean side of, and hides its points."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import MLP, Noise2VoidDenoiser, add_gaussian_noise
from skrobust.influence.noise2void import MaskedSquaredError, _draw_neighbours, _HidePoints
from skrobust.neural import UNet


def waves(n_rows, length=48):
    phase = np.linspace(0, 6, n_rows)[:, None]
    return np.sin(np.linspace(0, 8, length) + phase).astype(np.float32)


def small(**params):
    return Noise2VoidDenoiser(**{"module__width": 4, "max_epochs": 30, "random_state": 0, **params})


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_removes_noise_from_signals_on_any_scale(offset):
    clean = 10 * waves(150) + offset
    noisy = add_gaussian_noise(clean, 3.0, random_state=0)
    new = add_gaussian_noise(clean, 3.0, random_state=1)
    denoiser = small(lr=4e-3).fit(noisy)
    for X in (noisy, new):
        assert np.std(denoiser.transform(X) - clean) < 0.6 * np.std(X - clean)


def test_removes_noise_from_images():
    rng = np.random.RandomState(0)
    clean = np.zeros((60, 1, 12, 12), np.float32)
    for image in clean:
        r, c = rng.randint(0, 7, 2)
        image[0, r : r + 5, c : c + 5] = 1
    noisy = add_gaussian_noise(clean, 0.4, random_state=0)
    denoised = small(lr=4e-3, max_epochs=40).fit_transform(noisy)
    assert denoised.shape == noisy.shape
    assert np.mean((denoised - clean) ** 2) < 0.5 * np.mean((noisy - clean) ** 2)


@pytest.mark.parametrize("shape", [(200,), (3, 50), (2, 9, 11), (1, 5, 6, 4), (1, 1, 3)])
def test_hidden_points_hold_a_neighbours_value_and_others_their_own(shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(8, *shape, generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        changed, target = _HidePoints(0.2, radius=2)(None, x, None)
    old, hidden = target
    assert torch.equal(old, x)
    assert torch.equal(changed[hidden == 0], x[hidden == 0])
    assert 0.1 < hidden.mean() < 0.3
    # all values differ, so that every hidden one must have come from another place nearby
    assert (changed[hidden == 1] != x[hidden == 1]).all()
    channels = (x if x.ndim > 2 else x[:, None]).numpy()
    moved = (changed if x.ndim > 2 else changed[:, None]).numpy()
    mask = (hidden if x.ndim > 2 else hidden[:, None]).numpy().astype(bool)
    assert (mask == mask[:, :1]).all()
    for row, channel, *place in np.argwhere(mask)[:50]:
        window = tuple(slice(max(0, p - 2), p + 3) for p in place)
        assert moved[(row, channel, *place)] in channels[(row, channel, *window)]


@pytest.mark.parametrize(
    ("sizes", "point"),
    [((9,), (4,)), ((9,), (0,)), ((9, 11), (4, 5)), ((9, 11), (0, 10)), ((3, 9), (1, 8)),
     ((5, 6, 7), (2, 3, 3)), ((5, 1, 7), (4, 0, 1))],
)  # fmt: skip
def test_every_other_point_of_the_window_is_as_likely(sizes, point):
    n = 40_000
    with torch.random.fork_rng():
        torch.manual_seed(0)
        place = [torch.full((n,), p) for p in point]
        drawn = _draw_neighbours(place, sizes, 2).T.numpy()
    window = [range(max(0, p - 2), min(size, p + 3)) for p, size in zip(point, sizes, strict=True)]
    others = set(itertools.product(*window)) - {point}
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    assert {tuple(f) for f in found.tolist()} == others
    # chi squared over its degrees of freedom
    expected = n / len(others)
    assert ((counts - expected) ** 2 / expected).sum() / max(1, len(others) - 1) < 2


def test_a_row_of_one_point_has_only_itself():
    assert _draw_neighbours([torch.zeros(3, dtype=int)], (1,), 2)[0].tolist() == [0, 0, 0]


def test_the_loss_counts_hidden_points_only():
    outputs, old = torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 0.0]])
    target = torch.stack([old, torch.tensor([[1.0, 0.0]])])
    assert MaskedSquaredError()(outputs, target) == 4
    assert MaskedSquaredError()(outputs, torch.stack([old, torch.zeros(1, 2)])) == 0


def test_flat_rows_seen_as_images_come_back_flat_and_named():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(np.random.RandomState(0).rand(20, 36), columns=[f"p{i}" for i in range(36)])
    denoiser = small(input_shape=(1, 6, 6), max_epochs=2).set_output(transform="pandas")
    out = denoiser.fit_transform(X)
    assert list(out.columns) == list(X.columns)
    assert denoiser.input_shape_ == (1, 6, 6)
    pipe = make_pipeline(StandardScaler(), small(max_epochs=2))
    assert pipe.fit_transform(X.to_numpy()).shape == (20, 36)


def test_constant_rows_and_repeated_fits():
    X = np.full((6, 16), 7.0)
    assert np.isfinite(small(max_epochs=2).fit_transform(X)).all()
    X = waves(20)
    denoiser = small(max_epochs=3)
    before = torch.get_rng_state()
    assert np.array_equal(denoiser.fit_transform(X), denoiser.fit_transform(X))
    assert torch.equal(before, torch.get_rng_state())


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="reconstruction of its input"):
        small(module=MLP, module__n_outputs=3).fit(waves(10))


@pytest.mark.parametrize("shape", [(7,), (1, 1), (2, 64), (1, 33, 50), (3, 2, 9), (1, 5, 8, 3)])
def test_unet_returns_the_shape_of_its_input(shape):
    net = UNet(shape, width=2, depth=3).eval()
    assert net(torch.zeros(2, *shape)).shape == (2, *shape)


def test_unet_sees_its_neighbourhood_and_has_the_depth_asked_for():
    net = UNet((1, 64), width=2, depth=3)
    assert len(net.down) == 4
    assert len(net.up) == 3
    net.eval()
    x = torch.zeros(1, 1, 64)
    moved = x.clone()
    moved[0, 0, 32] = 1
    changed = (net(moved) != net(x)).flatten()
    assert changed[32 - 8 : 32 + 8].any()
    with pytest.raises(ValueError, match="odd"):
        UNet((1, 64), kernel_size=2)
