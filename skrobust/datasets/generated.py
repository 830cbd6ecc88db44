"""Shared by generated data: checks of numbers, patients, smooth noise, the form of the result."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils import Bunch

_SCANS = 3  # most rows of a patient


def check_whole(least: int, **numbers: Any) -> None:
    """Raise if some of the named numbers are not integers, or too small."""
    for name, value in numbers.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, expected an integer.")
        if value < least:
            raise ValueError(f"{name} is {value}, expected at least {least}.")


def check_real(least: float = 0, below: float = np.inf, **numbers: Any) -> None:
    """Raise if a named value is not a number, or is outside [least, below)."""
    for name, value in numbers.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, expected a number.")
        if not least <= value < below:
            raise ValueError(f"{name} is {value}, expected a number in [{least}, {below}).")


def draw_patients(target: NDArray, rng: RandomState) -> Iterator[slice]:
    """Yield the rows of one patient after the other; of sorted classes, at least two of each."""
    start = 0
    while start < len(target):
        first, end = (np.searchsorted(target, target[start], side) for side in ("left", "right"))
        most = min(_SCANS, end - start, max(end - first - 1, 1))
        stop = start + rng.randint(1, most + 1)
        yield slice(start, stop)
        start = stop


def smooth_noise(size: tuple[int, ...], width: float, rng: RandomState) -> NDArray:
    """Return noise of a correlation length in voxels, with standard deviation one."""
    noise = gaussian_filter(rng.normal(size=size), width)
    return noise / noise.std()


def as_asked(return_X_y_groups: bool, **parts: Any) -> Bunch | tuple[NDArray, NDArray, NDArray]:
    """Return the parts of a data set as a Bunch, or the three that were asked for."""
    if return_X_y_groups:
        return parts["data"], parts["target"], parts["groups"]
    return Bunch(**parts)
