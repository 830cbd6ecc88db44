"""Checks of numbers, shapes and results."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .sklearn_private import num_samples


def check_none_missing(values: ArrayLike, name: str, what: str) -> NDArray:
    """Return labels or groups as an array, or raise if some are missing."""
    if isinstance(values, np.ma.MaskedArray):
        missing, array = np.ma.getmaskarray(values), np.asarray(values)
    else:
        array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
        # a list of strings and NaN would become an array of strings, one of them "nan"
        missing = pd.isna(array if hasattr(values, "dtype") else np.asarray(values, dtype=object))
    if np.any(missing):
        rows = np.reshape(missing, (len(array), -1)).any(1)
        raise ValueError(
            f"{name} contains missing values: {rows.sum()} of {len(rows)}, first of row "
            f"{rows.argmax()}. Every row needs a {what} (None, NaN, NaT and masked entries are "
            "none); drop these rows, or fill them in."
        )
    return array


def check_trusted(trusted: ArrayLike | None, y: ArrayLike) -> NDArray | None:
    """Return which rows have a checked label, as booleans; None if no row has one."""
    if trusted is None:
        return None
    n_samples = num_samples(y)
    if getattr(y, "_row_origin", None) is not None:
        raise ValueError(
            "the rows come from a sampler, but trusted belongs to the rows before it. Give it to "
            "the sampler, or put the step that needs it first."
        )
    trusted = check_none_missing(trusted, "trusted", "True or False")
    if trusted.shape != (n_samples,):
        raise ValueError(
            f"trusted has shape {trusted.shape} but X has {n_samples} rows. Give True or False for "
            "every row; in a pipeline, put samplers after the step that needs it."
        )
    if trusted.dtype.kind != "b" and not np.isin(trusted, [False, True]).all():
        raise ValueError(
            f"trusted holds {np.unique(trusted.astype(str))[:3].tolist()}, expected True for rows "
            "whose label has been checked and False for the others, not their indices or labels."
        )
    trusted = trusted.astype(bool)
    return trusted if trusted.any() else None


def check_finite_rows(values: NDArray, what: str) -> NDArray:
    """Return results for rows, or raise if some of them are infinite or NaN."""
    if not np.isfinite(values).all():
        finite = np.isfinite(values.reshape(len(values), -1)).all(1)
        raise ValueError(
            f"{what} of {(~finite).sum()} of {len(values)} rows, first of row {finite.argmin()}, "
            "are infinite or NaN: these rows hold numbers too large to compute with in float32, or "
            "the training diverged. Scale X, for example with StandardScaler, or lower lr."
        )
    return values


def layout_of_rows(X: NDArray, input_shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape ``(channels, *spatial)`` or ``(n_features,)`` of rows for a network."""
    row_shape = X.shape[1:]
    shape = row_shape if input_shape is None else tuple(input_shape)
    if not all(isinstance(size, Integral) and size > 0 for size in shape):
        raise ValueError(
            f"rows of shape {shape} (input_shape={input_shape}) cannot be learned "
            "from: expected whole numbers of at least 1."
        )
    if math.prod(shape) != math.prod(row_shape):
        raise ValueError(
            f"input_shape={shape} holds {math.prod(shape)} values per row but the rows of "
            f"X have shape {row_shape}, {math.prod(row_shape)} values."
        )
    shape = tuple(int(size) for size in shape)
    return shape if input_shape is not None else _read_axes(shape)


def describe_layout(row_shape: Sequence[int]) -> str:
    """Return in words what the axes of a row are, or the error that asks for it."""
    try:
        shape = _read_axes(tuple(row_shape))
    except ValueError as error:
        return str(error)
    return _in_words(shape) if len(shape) > 1 else f"rows of {math.prod(shape)} numbers"


# images and volumes with more channels need input_shape
_MOST_CHANNELS = 4


def _read_axes(row: tuple[int, ...]) -> tuple[int, ...]:
    """Return the only sensible reading of a row's axes as ``(channels, *spatial)``, or raise."""
    if len(row) == 1 or len(row) > 4 or row[0] == 1:
        return row
    if row[-1] == 1:  # one channel that comes last lies in memory as one that comes first
        return (1, *row[:-1])
    channels_first, channels_last = _is_channels(row[0], row[1:]), _is_channels(row[-1], row[:-1])
    if not channels_last and (len(row) == 4 or (len(row) == 3 and channels_first)):
        return row
    if min(row) > _MOST_CHANNELS and (len(row) == 3 or (len(row) == 2 and max(row) < 4 * min(row))):
        return (1, *row)
    raise ValueError(
        f"the rows of X have shape {row}, which can be read in several ways. Settle it by one of:\n"
        + "\n".join(_readings(row))
    )


def _is_channels(size: int, others: tuple[int, ...]) -> bool:
    """Tell whether an axis contains channels: it is short, and the others are much longer."""
    return size <= _MOST_CHANNELS and 2 * size <= min(others)


def _in_words(shape: tuple[int, ...]) -> str:
    """Return what rows of shape ``(channels, *spatial)`` are."""
    kind = {1: "signals", 2: "images", 3: "volumes"}.get(len(shape) - 1, "arrays")
    channels = "one channel" if shape[0] == 1 else f"{shape[0]} channels"
    return f"{kind} of {' x '.join(map(str, shape[1:]))}, {channels}"


def _readings(row: tuple[int, ...]) -> list[str]:
    """Return the ways to read a row's axes, each with the line of code that chooses it."""
    shapes = [(1, *row), row] if len(row) < 4 else [row]
    ways = [(shape, f"input_shape={shape}") for shape in shapes]
    if row[-1] < row[0]:
        ways.append(((row[-1], *row[:-1]), "X = np.moveaxis(X, -1, 1)"))
    return [f"  {line}  # {_in_words(shape)}" for shape, line in ways]


def check_layout(X: NDArray, input_shape: Sequence[int], name: str, fitted: str) -> None:
    """Raise if rows do not have the number of values of those that an estimator was fitted on."""
    if math.prod(X.shape[1:]) != math.prod(input_shape):
        raise ValueError(
            f"{name} has rows of shape {X.shape[1:]} but {fitted} was fitted on rows of "
            f"shape {tuple(input_shape)}."
        )


def check_numbers(X: NDArray) -> None:
    """Raise if X contains anything but real numbers, for example dates."""
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {X.dtype}, but real numbers were expected.")


def check_float32_range(X: NDArray) -> None:
    """Raise if X has no numbers, or values beyond the range of float32 that networks use."""
    check_numbers(X)
    if X.dtype.kind == "f" and X.dtype.itemsize <= 4:
        return
    limit = np.finfo(np.float32).max
    if X.size and (X.max() > limit or X.min() < -limit):
        raise ValueError(
            f"X contains values beyond {limit:.3g}, the range of float32 in which networks compute."
            " Scale X first, for example with StandardScaler."
        )


def check_number(name: str, value: float, *, zero: bool) -> float:
    """Return a finite number above zero, or at least zero if ``zero``."""
    if not 0 <= float(value) < float("inf") or (value == 0 and not zero):
        bound = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} must be finite and {bound}, got {value!r}")
    return float(value)


# modules between a user's line and the warning: this library, and what calls it
_LIBRARIES = {"skrobust", "sklearn", "imblearn", "joblib", "skorch", "torch", "tqdm", "contextlib"}


def warn(message: str | Warning, category: type[Warning] | None = None) -> None:
    """Warn with the location of the user's line, whatever called this library in between."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
