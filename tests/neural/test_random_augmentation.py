"""Random changes against scipy's interpolation, exact cases and invariants."""

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from skrobust.neural import RandomAugmentation
from skrobust.neural.seeding import OwnRandomness

SHAPES = {"row": (9,), "signal": (2, 9), "image": (1, 8, 11), "volume": (2, 5, 8, 7)}
ALL = {"rotation": 20, "scale": 0.2, "shift": 0.1, "crop": 0.8, "flip": (-1,), "noise": 0.1}


def batch(shape, n_rows=6, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).normal(size=(n_rows, *shape))).float()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", [*ALL, "all"])
def test_shape_stays_and_each_row_has_its_own_draw(shape, name):
    if name == "rotation" and len(shape) < 3:
        pytest.skip("signals are not rotated")
    x = batch(shape)[:1].repeat(6, *[1] * len(shape))
    params = ALL if name == "all" else {name: ALL[name]}
    with OwnRandomness(1):
        out = RandomAugmentation(**params)(x)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert torch.isfinite(out).all()
    assert len({tuple(row.flatten().tolist()) for row in out}) > 1


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_change_is_none(shape):
    x = batch(shape)
    torch.testing.assert_close(RandomAugmentation()(x), x)
    # an affine map that is the identity
    tiny = RandomAugmentation(shift=1e-9)
    torch.testing.assert_close(tiny(x), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(8, 11), (5, 8, 7), (9,)])
def test_maps_are_those_of_scipy(shape):
    augment = RandomAugmentation(
        rotation=25, scale=0.2, shift=0.1, crop=0.8, flip=(-1,) if len(shape) > 1 else ()
    )
    x = batch((1, *shape))
    with OwnRandomness(0):
        out = augment(x)
    with OwnRandomness(0):
        matrices, offsets = augment._draw_maps(x)
    sizes = np.array(shape)
    for row, result, matrix, offset in zip(x, out, matrices, offsets, strict=True):
        # from places between -1 and 1 to voxels: voxel i lies at (2 i + 1) / size - 1
        scale = np.diag(sizes / 2)
        half = (sizes - 1) / 2
        in_voxels = scale @ matrix.numpy() @ np.linalg.inv(scale)
        moved = half + scale @ offset.numpy() - in_voxels @ half
        expected = affine_transform(row[0].numpy(), in_voxels, moved, order=1, mode="nearest")
        np.testing.assert_allclose(result[0].numpy(), expected, atol=2e-4)


def test_rotation_keeps_lengths_in_voxels_and_leaves_thick_slices():
    square = RandomAugmentation(rotation=180)
    x = batch((1, 8, 12), 200)
    with OwnRandomness(0):
        matrix, offset = square._draw_maps(x)
    scale = torch.diag(torch.tensor([8.0, 12.0]))
    turn = scale @ matrix @ torch.linalg.inv(scale)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(2).expand(200, 2, 2), atol=1e-5, rtol=0)
    assert not offset.any()
    with OwnRandomness(0):
        thick = square._draw_maps(batch((1, 3, 8, 8), 50))[0]
        cube = square._draw_maps(batch((1, 8, 8, 8), 50))[0]
    torch.testing.assert_close(thick[:, 0], torch.eye(3)[0].expand(50, 3))
    assert all((cube[:, axis, axis] != 1).any() for axis in range(3))


def test_flips_reverse_half_of_the_rows():
    x = batch((1, 4, 6), 400)
    with OwnRandomness(0):
        out = RandomAugmentation(flip=(1,))(x)
    same = (out - x).abs().amax((1, 2, 3)) < 1e-4
    reverse = (out - x.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert (same ^ reverse).all()
    assert 150 < same.sum() < 250


def test_a_crop_shows_a_part_of_the_row():
    ramp = torch.linspace(-1, 1, 101).expand(300, 1, 101)
    with OwnRandomness(0):
        out = RandomAugmentation(crop=0.5)(ramp)[:, 0]
    width = out[:, -1] - out[:, 0]
    assert out.min() >= -1
    assert out.max() <= 1
    assert 0.95 < width.min() < 1.1
    assert 1.8 < width.max() <= 2
    assert out[:, 50].abs().max() > 0.3


def test_noise_follows_the_spread_of_the_row():
    x = torch.cat([torch.zeros(1, 1, 5000), batch((1, 5000), 1), 10 * batch((1, 5000), 1)])
    with OwnRandomness(0):
        added = RandomAugmentation(noise=0.3)(x) - x
    assert not added[0].any()
    np.testing.assert_allclose(added[1:].std((1, 2)), [0.3, 3.0], rtol=0.05)


@pytest.mark.parametrize(
    "params",
    [
        {"rotation": -1},
        {"scale": 1.0},
        {"shift": "far"},
        {"crop": 0},
        {"noise": float("nan")},
        {"flip": True},
        {"flip": (0.5,)},
    ],
)
def test_bad_numbers_are_named(params):
    with pytest.raises(ValueError, match=f"{next(iter(params))} is"):
        RandomAugmentation(**params)


def test_batches_that_do_not_fit():
    with pytest.raises(ValueError, match="1 to 3 spatial axes"):
        RandomAugmentation(noise=1)(torch.zeros(2))
    with pytest.raises(ValueError, match="have 1 spatial axes"):
        RandomAugmentation(flip=(-2,))(torch.zeros(2, 1, 5))
