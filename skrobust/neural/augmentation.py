"""Random changes of rows: augmentation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from numbers import Integral, Real
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class RandomAugmentation:
    """Rotate, scale, shift, crop and flip every row of a batch at random, and add noise.

    All geometric changes form one affine map, interpolated linearly once; beyond the edge the
    value at the edge is repeated. The number of spatial axes, 1 to 3, is read from the batch.
    Called with a batch, it returns a batch of the same shape. It draws from torch's
    generator; while an estimator is trained, from the generator of the estimator.

    Parameters
    ----------
    rotation : float, default=0.0
        Largest angle in degrees, either way. Signals are not rotated. Volumes are rotated in one
        plane, drawn for each row; axes less than half as long as the longest, as those across
        thick slices, are never rotated.
    scale : float in [0, 1), default=0.0
        Largest share by which the content grows or shrinks.
    shift : float, default=0.0
        Largest shift along each axis, as a share of its length.
    crop : float in (0, 1], default=1.0
        Smallest share of each axis's length that a random crop keeps before it is resized to
        the full length. One share for all axes of a row, drawn between this number and 1.
    flip : tuple of int, default=()
        Spatial axes that are reversed with probability one half, counted from 0, or from the
        back: ``(-1,)`` mirrors left and right. Use it only if mirrored rows are equally likely.
    noise : float, default=0.0
        Standard deviation of Gaussian noise, as a share of that of the values of the row.

    Attributes
    ----------
    paper_params : dict
        Class attribute: the sequence of the paper, rotation, horizontal and vertical flip,
        noise, and crop with resizing. The paper gives no strengths; those here are a choice.

    Raises
    ------
    ValueError
        If a number is out of its range, or a batch does not have the axes of `flip`, or has no or
        more than 3 spatial axes.

    References
    ----------
    T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification", 2021,
    section 3.

    Examples
    --------
    >>> import torch
    >>> from skrobust.neural import RandomAugmentation
    >>> augment = RandomAugmentation(rotation=10, shift=0.1, noise=0.05)
    >>> augment(torch.zeros(8, 1, 64, 64)).shape
    torch.Size([8, 1, 64, 64])
    >>> RandomAugmentation()(torch.arange(6.0).reshape(2, 3))
    tensor([[0., 1., 2.],
            [3., 4., 5.]])
    """

    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    crop: float = 1.0
    flip: tuple[int, ...] = ()
    noise: float = 0.0

    paper_params: ClassVar[dict] = {
        "rotation": 15.0,
        "flip": (-2, -1),
        "noise": 0.1,
        "crop": 0.8,
    }

    def __post_init__(self):
        ranges = {
            "rotation": (lambda v: v >= 0, "0 or more degrees"),
            "scale": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
            "shift": (lambda v: v >= 0, "0 or more"),
            "crop": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
            "noise": (lambda v: v >= 0, "0 or more"),
        }
        for name, (holds, wanted) in ranges.items():
            value = getattr(self, name)
            if not (isinstance(value, Real) and math.isfinite(value) and holds(value)):
                raise ValueError(f"{name} is {value!r}, expected a number, {wanted}.")
        if not (isinstance(self.flip, tuple) and all(isinstance(a, Integral) for a in self.flip)):
            raise ValueError(f"flip is {self.flip!r}, expected a tuple of axes, such as (-1,).")

    def __call__(self, x: Tensor) -> Tensor:
        """Return the changed batch."""
        rows = x[:, None] if x.ndim == 2 else x
        if not 3 <= rows.ndim <= 5:
            raise ValueError(
                f"a batch of shape {tuple(x.shape)} cannot be augmented: expected (batch, length) "
                "or (batch, channels, *spatial) with 1 to 3 spatial axes. Set input_shape."
            )
        if self._moves():
            rows = _resample(rows, *self._draw_maps(rows))
        if self.noise:
            spread = rows.flatten(1).std(1, correction=0)
            rows = rows + torch.randn_like(rows) * (self.noise * _per_row(spread, rows.ndim))
        return rows.reshape(x.shape)

    def _moves(self) -> bool:
        return bool(self.rotation or self.scale or self.shift or self.flip) or self.crop < 1

    def _draw_maps(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return a matrix and an offset per row: mapping positions in the result to the row.

        Positions run from -1 to 1 along every axis.
        """
        n_rows, sizes = len(rows), rows.shape[2:]
        n_axes = len(sizes)
        matrix = torch.eye(n_axes, device=rows.device).repeat(n_rows, 1, 1)

        def uniform(low: float, high: float, n_columns: int) -> Tensor:
            return low + (high - low) * torch.rand(n_rows, n_columns, device=rows.device)

        if self.rotation and n_axes > 1:
            matrix = self._draw_rotations(n_rows, sizes, rows.device)
        offset = uniform(-2 * self.shift, 2 * self.shift, n_axes)
        if self.scale:
            matrix = matrix * (1 + uniform(-self.scale, self.scale, 1))[:, :, None]
        if self.crop < 1:
            kept = uniform(self.crop, 1, 1)
            matrix = matrix * kept[:, :, None]
            offset = offset + (1 - kept) * uniform(-1, 1, n_axes)
        for axis in self.flip:
            if not -n_axes <= axis < n_axes:
                raise ValueError(
                    f"flip={self.flip} names the axis {axis}, but rows of shape "
                    f"{tuple(rows.shape[1:])} have {n_axes} spatial axes."
                )
            signs = 1 - 2 * (torch.rand(n_rows, device=rows.device) < 0.5).to(matrix.dtype)
            matrix[:, :, axis] = matrix[:, :, axis] * signs[:, None]
        return matrix, offset

    def _draw_rotations(self, n_rows: int, sizes, device) -> Tensor:
        angle = math.radians(self.rotation) * (2 * torch.rand(n_rows, device=device) - 1)
        longest = max(sizes)
        planes = [
            plane
            for plane in combinations(range(len(sizes)), 2)
            if len(sizes) == 2 or min(sizes[axis] for axis in plane) >= longest / 2
        ]
        matrix = torch.eye(len(sizes), device=device).repeat(n_rows, 1, 1)
        if not planes:
            return matrix
        drawn = torch.randint(len(planes), (n_rows,), device=device)
        for i, (a, b) in enumerate(planes):
            own = torch.where(drawn == i, angle, 0.0)
            # an angle in voxels is a shear in shares of unequal axes
            aspect = sizes[b] / sizes[a]
            turn = torch.eye(len(sizes), device=device).repeat(n_rows, 1, 1)
            turn[:, a, a] = turn[:, b, b] = own.cos()
            turn[:, a, b] = -own.sin() * aspect
            turn[:, b, a] = own.sin() / aspect
            matrix = turn @ matrix
        return matrix


def _per_row(values: Tensor, n_axes: int) -> Tensor:
    return values.reshape(-1, *[1] * (n_axes - 1))


def _resample(rows: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Read every row at mapped positions, linearly interpolated."""
    n_axes = rows.ndim - 2
    if n_axes == 1:  # torch resamples images and volumes: a signal is an image one point high
        flat = matrix.new_zeros(len(rows), 2, 2)
        flat[:, 0, 0], flat[:, 1, 1] = 1, matrix[:, 0, 0]
        zeros = torch.zeros_like(offset)
        return _resample(rows[:, :, None], flat, torch.cat([zeros, offset], 1))[:, :, 0]
    # affine_grid counts the axes from the last one
    theta = torch.cat([matrix.flip(1, 2), offset.flip(1)[:, :, None]], 2).to(rows.dtype)
    grid = F.affine_grid(theta, list(rows.shape), align_corners=False)
    return F.grid_sample(rows, grid, padding_mode="border", align_corners=False)


AUGMENTATIONS = {
    "affine": RandomAugmentation(rotation=15.0, scale=0.1, shift=0.1),
    "noise": RandomAugmentation(noise=0.1),
}


def find_augmentation(augment: str | Callable) -> Callable[[Tensor], Tensor]:
    """Return the augmentation that a name means; a callable is returned as it is."""
    return AUGMENTATIONS[augment] if isinstance(augment, str) else augment


def augment_batches(augment: str | Callable | None) -> Callable | None:
    """Return a transform ``(net, x, y) -> x, y`` of training batches, or None."""
    if augment is None:
        return None
    change = find_augmentation(augment)
    return lambda net, x, y: (change(x), y)
