"""Checks shared by the functions that add noise."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_noise_input(X: ArrayLike, scale: float) -> NDArray:
    """Check data and noise scale, and bring the data to a floating type.

    Parameters
    ----------
    X : array-like of any shape
        Real numbers. Integers and booleans become float32, floating types are kept.
    scale : float
        Scale of the noise, at least 0.

    Returns
    -------
    X : ndarray of the same shape
        The data, not copied where the type was floating.

    Raises
    ------
    TypeError
        If `X` is not of real numbers or `scale` is not a number.
    ValueError
        If `scale` is negative or not finite.

    Examples
    --------
    >>> from skrobust.datasets.noise_input import check_noise_input
    >>> check_noise_input([1, 2], 0.5).dtype
    dtype('float32')
    """
    if not isinstance(scale, Real) or isinstance(scale, bool):
        raise TypeError(f"scale is {scale!r}, expected a number.")
    if not 0 <= scale < np.inf:
        raise ValueError(f"scale is {scale}, expected a finite number of at least 0.")
    X = np.asarray(X)
    if X.dtype.kind not in "fiub":
        raise TypeError(
            f"X has dtype {X.dtype}, expected real numbers. Convert it, for complex data by "
            "numpy.abs or by adding noise to the real and imaginary parts."
        )
    return X if X.dtype.kind == "f" else X.astype(np.float32)
