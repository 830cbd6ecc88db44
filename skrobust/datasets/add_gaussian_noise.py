"""Additive Gaussian noise."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .noise_input import check_noise_input


def add_gaussian_noise(
    X: ArrayLike,
    scale: float,
    *,
    relative: bool = False,
    random_state: int | RandomState | None = None,
) -> NDArray:
    """Add independent Gaussian noise to every number of X.

    Parameters
    ----------
    X : array-like of any shape
        Spectra, images, volumes or table rows. NaN stays NaN.
    scale : float
        Standard deviation of the noise, at least 0, in the units of `X`; with
        ``relative=True`` as a share of the standard deviation of all numbers of `X`.
    relative : bool, default=False
        Whether `scale` is relative.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the noise.

    Returns
    -------
    X_noisy : ndarray of the same shape
        A new array of the dtype of `X` where that is floating, else float32.

    Raises
    ------
    TypeError
        If `X` is not of real numbers or `scale` is not a number.
    ValueError
        If `scale` is negative or not finite.

    See Also
    --------
    add_rician_noise : The noise of magnitude images.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.datasets import add_gaussian_noise
    >>> noisy = add_gaussian_noise(np.zeros((100, 50)), 0.5, random_state=0)
    >>> noisy.shape, round(float(noisy.std()), 1)
    ((100, 50), 0.5)
    """
    X = check_noise_input(X, scale)
    if relative:
        scale = scale * float(np.nanstd(X, dtype=np.float64))
    noise = check_random_state(random_state).normal(size=X.shape)
    return np.asarray(X + scale * noise).astype(X.dtype)
