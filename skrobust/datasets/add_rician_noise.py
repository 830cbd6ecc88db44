"""Rician noise, the noise of magnitude MR images."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .noise_input import check_noise_input


def add_rician_noise(
    X: ArrayLike, scale: float, *, random_state: int | RandomState | None = None
) -> NDArray:
    """Add Rician noise to every number of X: ``sqrt((x + n1)**2 + n2**2)``.

    An MR image is the magnitude of a complex signal whose two channels carry independent
    Gaussian noise `n1` and `n2` of equal standard deviation [1]_. Where the signal is zero the
    mean of the result is ``scale * sqrt(pi / 2)``, not zero; where the signal is far above
    `scale` the noise is nearly Gaussian.

    Parameters
    ----------
    X : array-like of any shape
        Magnitudes, at least 0: images, volumes or magnitude spectra, before any centring. NaN
        stays NaN.
    scale : float
        Standard deviation of the noise in each channel, at least 0, in the units of `X`.
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
        If `X` has negative numbers, or `scale` is negative or not finite.

    See Also
    --------
    add_gaussian_noise : Noise for data that are no magnitudes.

    References
    ----------
    .. [1] H. Gudbjartsson and S. Patz, "The Rician distribution of noisy MRI data", Magnetic
       Resonance in Medicine 34(6), 910-914, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.datasets import add_rician_noise
    >>> noisy = add_rician_noise(np.zeros((100, 100)), 1.0, random_state=0)
    >>> bool(noisy.min() > 0), abs(noisy.mean() - np.sqrt(np.pi / 2)) < 0.02
    (True, np.True_)
    """
    X = check_noise_input(X, scale)
    if (X < 0).any():
        raise ValueError(
            f"X has negative numbers, down to {np.nanmin(X)}; Rician noise is that of magnitudes. "
            "Add it before centring or scaling, or use add_gaussian_noise."
        )
    real, imaginary = check_random_state(random_state).normal(scale=scale, size=(2, *X.shape))
    return np.asarray(np.hypot(X + real, imaginary)).astype(X.dtype)
