"""Checks of numbers, shapes and results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def check_none_missing(values: ArrayLike, name: str, what: str) -> NDArray:
    """Return labels or groups as an array, or raise if some are missing.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Labels or groups in any container: list, array, masked array, pandas or polars Series.
    name : str
        The argument that they were given as.
    what : str
        What one of them is, for the error.

    Returns
    -------
    values : ndarray
        The same values.

    Raises
    ------
    ValueError
        If some are missing: None, NaN, NA, NaT, null or masked.

    Examples
    --------
    >>> from skrobust.utils.validation import check_none_missing
    >>> check_none_missing(["p1", None], "groups", "group")
    Traceback (most recent call last):
        ...
    ValueError: groups contains missing values: 1 of 2, first of row 1. Every row needs a group...
    """
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


def check_finite_rows(values: NDArray, what: str) -> NDArray:
    """Return results for rows, or raise if some of them are infinite or NaN.

    Parameters
    ----------
    values : ndarray of shape (n_rows, ...)
        The results.
    what : str
        What they are, for the error.

    Returns
    -------
    values : ndarray of shape (n_rows, ...)
        The same array.

    Raises
    ------
    ValueError
        If a result is infinite or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.utils.validation import check_finite_rows
    >>> check_finite_rows(np.array([[1.0], [np.inf]]), "the scores")
    Traceback (most recent call last):
        ...
    ValueError: the scores of 1 of 2 rows, first of row 1, are infinite or NaN: ...
    """
    if not np.isfinite(values).all():
        finite = np.isfinite(values.reshape(len(values), -1)).all(1)
        raise ValueError(
            f"{what} of {(~finite).sum()} of {len(values)} rows, first of row {finite.argmin()}, "
            "are infinite or NaN: these rows hold numbers too large to compute with in float32, or "
            "the training diverged. Scale X, for example with StandardScaler, or lower lr."
        )
    return values


def layout_of_rows(X: NDArray, input_shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape in which a network sees rows; raise if `input_shape` does not fit them."""
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
    return tuple(int(size) for size in shape)


def check_layout(X: NDArray, input_shape: Sequence[int], name: str, fitted: str) -> None:
    """Raise if rows have another number of values than those that an estimator was fitted on."""
    if math.prod(X.shape[1:]) != math.prod(input_shape):
        raise ValueError(
            f"{name} has rows of shape {X.shape[1:]} but {fitted} was fitted on rows of "
            f"shape {tuple(input_shape)}."
        )


def check_numbers(X: NDArray) -> None:
    """Raise if X holds something else than real numbers, dates say."""
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {X.dtype}, but real numbers were expected.")


def check_float32_range(X: NDArray) -> None:
    """Raise if X has no numbers, or values beyond the range of float32, of networks."""
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
    """Return a finite number above zero, or from zero on if ``zero``."""
    number = float(value)
    if not (0 <= number < float("inf")) or (number == 0 and not zero):
        bound = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} must be finite and {bound}, got {value!r}")
    return number
