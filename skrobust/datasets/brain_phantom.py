"""The brain and the lesion behind make_brain_volumes, in coordinates from -1 to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

# intensities of a T1-weighted scan
_FLUID, _GREY, _WHITE = 0.15, 0.6, 0.85
_HALF_AXES = np.array([0.8, 0.88, 0.8])  # of the brain, as shares of half the volume


def draw_anatomy(rng: RandomState) -> dict:
    """Draw what is a subject's own, but for the age.

    Parameters
    ----------
    rng : RandomState
        Source of the draw.

    Returns
    -------
    anatomy : dict
        For :func:`render_brain`.
    """
    return {
        "half_axes": _HALF_AXES * np.exp(0.02 * rng.normal(size=3)),
        "shift": 0.015 * rng.normal(size=3),
        "tilt": 0.03 * rng.normal(size=3),
        "bend": 0.02 * rng.normal(size=(3, 3)),
        "fold_waves": 7 * rng.normal(size=(6, 3)),
        "fold_phases": rng.uniform(0, 2 * np.pi, size=6),
        "cortex": np.exp(0.08 * rng.normal()),
        "ventricles": np.exp(0.12 * rng.normal()),
        "atrophy": np.exp(0.3 * rng.normal()),
    }


def draw_lesion(anatomy: dict, contrast: float, rng: RandomState) -> dict:
    """Draw a lesion that lies inside the brain.

    Parameters
    ----------
    anatomy : dict
        From :func:`draw_anatomy`.
    contrast : float
        Strength of the lesion.
    rng : RandomState
        Source of the draw.

    Returns
    -------
    lesion : dict
        For :func:`render_lesion`.
    """
    direction = rng.normal(size=3)
    place = direction / np.linalg.norm(direction) * rng.uniform(0.25, 0.65)
    return {
        "centre": place * anatomy["half_axes"],
        "half_axes": rng.uniform(0.25, 0.4) * np.exp(0.15 * rng.normal(size=3)),
        "core": -contrast * rng.uniform(0.3, 0.5),
        "rim": contrast * rng.uniform(0.2, 0.4) * (rng.uniform() < 0.7),
        "around": -contrast * rng.uniform(0.15, 0.3),
    }


def render_brain(anatomy: dict, age: float, shape: Sequence[int]) -> NDArray:
    """Return the volume of a healthy brain, without scanner and noise.

    Parameters
    ----------
    anatomy : dict
        From :func:`draw_anatomy`.
    age : float
        Years.
    shape : sequence of 3 int
        Voxels.

    Returns
    -------
    brain : ndarray of the given shape, float32
        Intensities from 0 (outside) to about 0.85 (white matter).
    """
    p = _brain_coordinates(anatomy, shape)
    # tissues fade into each other over about a voxel
    width = 1.0 / min(shape)
    atrophy = anatomy["atrophy"] * max(age - 30, 0) / 50
    radius = np.sqrt((p**2).sum(0))
    waves = np.tensordot(anatomy["fold_waves"], p / radius.clip(0.2), axes=1)
    folds = np.cos(waves + anatomy["fold_phases"][:, None, None, None]).mean(0)
    surface = 1 - 0.03 * atrophy + (0.02 + 0.01 * atrophy) * folds
    thickness = anatomy["cortex"] * (0.24 - 0.05 * atrophy) - 0.04 * folds
    brain = _inside(radius - surface, width) * _GREY
    brain = _blend(brain, _inside(radius - surface + thickness, width), _WHITE)
    across = np.abs(p[0])
    for centre, half_axes, value in (
        ((0.2, -0.05, -0.12), (0.13, 0.2, 0.13), _GREY),
        (
            (0.17, -0.02, 0.12),
            np.multiply((0.08, 0.34, 0.12), anatomy["ventricles"] + 0.5 * atrophy),
            _FLUID,
        ),
    ):
        # both sides at once: distances are from the nearer one
        offsets = (across - centre[0], p[1] - centre[1], p[2] - centre[2])
        distance = np.sqrt(sum((o / h) ** 2 for o, h in zip(offsets, half_axes, strict=True)))
        brain = _blend(brain, _inside((distance - 1) * min(half_axes), width), value)
    cleft = _inside(across - 0.03 - 0.02 * atrophy, width) * _inside(0.35 - p[2], width)
    return _blend(brain, cleft * (brain > 0.5 * _GREY), _FLUID).astype(np.float32)


def render_lesion(brain: NDArray, lesion: dict, anatomy: dict) -> tuple[NDArray, NDArray]:
    """Put a lesion into a brain.

    Parameters
    ----------
    brain : ndarray of shape (n_x, n_y, n_z)
        From :func:`render_brain`; not changed.
    lesion : dict
        From :func:`draw_lesion`.
    anatomy : dict
        From :func:`draw_anatomy`.

    Returns
    -------
    brain : ndarray of the same shape
        With the lesion.
    mask : ndarray of the same shape, bool
        Core, rim and surrounding, as far as they lie inside the brain.
    """
    grid = _grid(brain.shape) - anatomy["shift"][:, None, None, None]
    offsets = grid - lesion["centre"][:, None, None, None]
    distance = np.sqrt(((offsets / lesion["half_axes"][:, None, None, None]) ** 2).sum(0))
    width = 1.0 / (min(brain.shape) * lesion["half_axes"].min())
    inner, outer = _inside(distance - 0.65, width), _inside(distance - 1, width)
    around = _inside(distance - 1.5, 2 * width)
    change = inner * lesion["core"] + (outer - inner) * lesion["rim"]
    change += (around - outer) * lesion["around"]
    tissue = brain > 0.5 * _GREY
    changed = np.where(tissue, (brain + change).clip(0.05, 1.2), brain)
    return changed.astype(brain.dtype), tissue & (distance < 1.5)


def _grid(shape: Sequence[int]) -> NDArray:
    """Return the coordinates of all voxels, ``(3, *shape)``."""
    axes = [(np.arange(size) + 0.5) / size * 2 - 1 for size in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def _brain_coordinates(anatomy: dict, shape: Sequence[int]) -> NDArray:
    """Return coordinates in which the brain is about the unit sphere."""
    grid = _grid(shape) - anatomy["shift"][:, None, None, None]
    a, b, c = anatomy["tilt"]
    rotation = np.array([[1, -a, b], [a, 1, -c], [-b, c, 1]])
    p = np.tensordot(rotation, grid, axes=1) / anatomy["half_axes"][:, None, None, None]
    return p + np.tensordot(anatomy["bend"], np.sin(np.pi * p[[1, 2, 0]]), axes=1)


def _inside(distance: NDArray, width: float) -> NDArray:
    """Return 1 where a distance is negative, 0 where it is positive, and a soft edge between."""
    return 0.5 - 0.5 * np.tanh(distance / width)


def _blend(image: NDArray, share: NDArray, value: float) -> NDArray:
    return image + share * (value - image)
