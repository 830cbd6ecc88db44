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

_BELOW_ONE = (lambda v: 0 <= v < 1, "at least 0 and below 1")
_SHARE = (lambda v: 0 < v <= 1, "above 0 and at most 1")
_HALF = (lambda v: 0 <= v <= 0.5, "at least 0 and at most 0.5")


def _check_strengths(augmentation, **ranges: tuple[Callable, str]) -> None:
    """Raise for a strength that is no number or out of its range, by default 0 or more."""
    for name, value in vars(augmentation).items():
        holds, wanted = ranges.get(name, (lambda v: v >= 0, "0 or more"))
        is_number = isinstance(value, Real) and math.isfinite(value)
        if name != "flip" and not (is_number and holds(value)):
            raise ValueError(f"{name} is {value!r}, expected a number, {wanted}.")


@dataclass(frozen=True)
class RandomAugmentation:
    """Change every image or volume of a batch at random: affine maps, grey values, blur, noise.

    Called with a batch of rows with 1 to 3 spatial axes, it returns a batch of the same shape. It
    draws from torch's generator; while an estimator is trained, from that of the estimator. Order:
    affine map (linear interpolation; beyond the edge its value is repeated), blur, gamma, gain,
    noise. 0 changes nothing.

    Parameters
    ----------
    rotation : float, default=0.0
        Largest angle in degrees, either way. Signals are not rotated; volumes in one plane, drawn
        for each row, of axes at least half as long as the longest (not across thick slices).
    scale : float in [0, 1), default=0.0
        Largest share by which the content grows or shrinks.
    shift : float, default=0.0
        Largest shift along each axis, as a share of its length.
    crop : float in (0, 1], default=1.0
        Smallest share of each axis's length that a random crop keeps before it is resized to
        the full length; the share is drawn for each row.
    flip : tuple of int, default=()
        Spatial axes that are reversed with probability one half: ``(-1,)`` mirrors left and right.
        Use it only if mirrored rows are equally likely.
    noise : float, default=0.0
        Standard deviation of Gaussian noise, as a share of that of the values of the row.
    gamma : float, default=0.0
        Grey values, scaled to 0 to 1, get a power between ``1 / (1 + gamma)`` and ``1 + gamma``.
    gain : float in [0, 1), default=0.0
        The row is multiplied by a number between ``1 - gain`` and ``1 + gain``.
    blur : float in [0, 0.5], default=0.0
        Largest standard deviation of a Gaussian blur, as a share of the length of each axis.

    Attributes
    ----------
    paper_params : dict
        Class attribute: the changes of the paper of :class:`~skrobust.TripletEmbedder` (section 3),
        which gives no strengths.

    Raises
    ------
    ValueError
        If a number is out of its range, or a batch has other axes than these.

    Examples
    --------
    >>> import torch
    >>> from skrobust.neural import RandomAugmentation
    >>> augment = RandomAugmentation(rotation=10, shift=0.1, noise=0.05)
    >>> augment(torch.zeros(8, 1, 64, 64)).shape
    torch.Size([8, 1, 64, 64])
    """

    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    crop: float = 1.0
    flip: tuple[int, ...] = ()
    noise: float = 0.0
    gamma: float = 0.0
    gain: float = 0.0
    blur: float = 0.0

    paper_params: ClassVar = {"rotation": 15.0, "flip": (-2, -1), "noise": 0.1, "crop": 0.8}

    def __post_init__(self):
        _check_strengths(self, scale=_BELOW_ONE, crop=_SHARE, gain=_BELOW_ONE, blur=_HALF)
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
        if self.rotation or self.scale or self.shift or self.flip or self.crop < 1:
            rows = _resample(rows, *self._draw_maps(rows))
        rows = _blurred(rows, self.blur)
        if self.gamma:
            flat = rows.flatten(1)
            low = _per_row(flat.amin(1), rows.ndim)
            size = _per_row(flat.amax(1), rows.ndim) - low
            power = _draw(rows, math.log1p(self.gamma)).exp()
            grey = (rows - low) / torch.where(size > 0, size, 1)
            rows = torch.where(size > 0, low + size * grey.clamp(0, 1) ** power, rows)
        if self.gain:
            rows = rows * (1 + _draw(rows, self.gain))
        return _noisy(rows, self.noise).reshape(x.shape)

    def _draw_maps(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return a matrix and an offset per row, from places in the result, -1 to 1, to the row."""
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
        """Return a matrix per row, which rotates it in one plane."""
        angle = math.radians(self.rotation) * (2 * torch.rand(n_rows, device=device) - 1)
        planes = [
            (a, b)
            for a, b in combinations(range(len(sizes)), 2)
            if len(sizes) == 2 or min(sizes[a], sizes[b]) >= max(sizes) / 2
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


@dataclass(frozen=True)
class SpectrumAugmentation:
    r"""Change every spectrum of a batch at random, as instruments and samples do.

    .. math::

        x'(t) = g \, (G_\sigma * x)(t - d) + s \, \big(o + a (2 t - 1)
        + \tfrac{1}{3} \sum_{k=1}^{3} b_k \cos(\pi k t)\big) + \text{noise}

    with the place t from 0 to 1, the standard deviation s of the values of the row, and a gain g, a
    shift d, a width :math:`\sigma`, an offset o, a slope a and a baseline b that are drawn for
    every row, the same for all its channels. Beyond its ends a spectrum is continued by the value
    at the end. It is called, and draws, as :class:`~skrobust.RandomAugmentation` does. What is
    added is in standard deviations of the row.

    Parameters
    ----------
    gain : float in [0, 1), default=0.0
        Largest distance of the gain from 1.
    offset, slope, baseline : float, default=0.0
        Largest offset, height of the ends of a line, and height of a smooth curve, either way.
    shift : float, default=0.0
        Largest shift, either way, as a share of the length of the axis; linear interpolation.
    broadening : float in [0, 0.5], default=0.0
        Largest standard deviation of the Gaussian that broadens the lines, as such a share.
    noise : float, default=0.0
        Standard deviation of Gaussian noise.

    Raises
    ------
    ValueError
        If a number is out of its range, or the rows of a batch are no signals.

    Examples
    --------
    >>> import torch
    >>> from skrobust import SpectrumAugmentation
    >>> augment = SpectrumAugmentation(gain=0.1, shift=0.01, noise=0.05)
    >>> augment(torch.zeros(8, 288)).shape
    torch.Size([8, 288])
    """

    gain: float = 0.0
    offset: float = 0.0
    slope: float = 0.0
    baseline: float = 0.0
    shift: float = 0.0
    broadening: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        _check_strengths(self, gain=_BELOW_ONE, broadening=_HALF)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the changed batch."""
        rows = x[:, None] if x.ndim == 2 else x
        if rows.ndim != 3:
            raise ValueError(
                f"a batch of shape {tuple(x.shape)} holds no signals: expected (batch, length) or "
                "(batch, channels, length). For images and volumes use 'image', 'affine' or a "
                "RandomAugmentation."
            )
        spread, added = _spread(rows), torch.zeros_like(rows[:, :1])
        place = torch.linspace(0, 1, rows.shape[-1], device=rows.device, dtype=rows.dtype)
        if self.offset:
            added = added + _draw(rows, self.offset)
        if self.slope:
            added = added + _draw(rows, self.slope) * (2 * place - 1)
        if self.baseline:
            for k in (1, 2, 3):
                added = added + _draw(rows, self.baseline / 3) * torch.cos(math.pi * k * place)
        if self.shift:
            still = torch.ones(len(rows), 1, 1, device=rows.device, dtype=rows.dtype)
            rows = _resample(rows, still, -2 * _draw(rows, self.shift)[:, :, 0])
        rows = _blurred(rows, self.broadening)
        if self.gain:
            rows = rows * (1 + _draw(rows, self.gain))
        return _noisy(rows + spread * added, self.noise, spread).reshape(x.shape)


def _per_row(values: Tensor, n_axes: int) -> Tensor:
    return values.reshape(-1, *[1] * (n_axes - 1))


def _draw(rows: Tensor, most: float) -> Tensor:
    """Return a number per row, uniform between plus and minus the largest one."""
    drawn = 2 * torch.rand(len(rows), device=rows.device, dtype=rows.dtype) - 1
    return _per_row(most * drawn, rows.ndim)


def _spread(rows: Tensor) -> Tensor:
    """Return the standard deviation of the values of every row."""
    return _per_row(rows.flatten(1).std(1, correction=0), rows.ndim)


def _noisy(rows: Tensor, noise: float, spread: Tensor | None = None) -> Tensor:
    """Return rows with Gaussian noise, in units of the spread: by default that of these rows."""
    if not noise:
        return rows
    spread = _spread(rows) if spread is None else spread
    return rows + torch.randn_like(rows) * (noise * spread)


def _blurred(rows: Tensor, most: float) -> Tensor:
    """Blur every row by a Gaussian of its own width, at most this share of each axis."""
    if not most:
        return rows
    share = most * torch.rand(len(rows), 1, device=rows.device, dtype=rows.dtype)
    for axis, size in enumerate(rows.shape[2:], start=2):
        reach = math.ceil(3 * most * size)
        steps = torch.arange(-reach, reach + 1, device=rows.device)
        # a width of zero is the row itself, not 0 / 0
        weights = torch.exp(-0.5 * (steps / (share * size).clamp(min=1e-3)) ** 2)
        weights = weights / weights.sum(1, keepdim=True)
        places = torch.arange(-reach, size + reach, device=rows.device).clamp(0, size - 1)
        windows = rows.index_select(axis, places).unfold(axis, 2 * reach + 1, 1)
        rows = torch.einsum("nc...k,nk->nc...", windows, weights)
    return rows


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
    "image": RandomAugmentation(
        rotation=15.0, scale=0.1, shift=0.1, gamma=0.2, gain=0.1, blur=0.02, noise=0.05
    ),
    "spectrum": SpectrumAugmentation(
        gain=0.1, offset=0.1, slope=0.1, baseline=0.1, shift=0.005, broadening=0.002, noise=0.05
    ),
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
