"""Corruptions with known truth: noise, wrong labels, rows of another kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state, column_or_1d

from ..utils.groups import check_groups, group_labels
from .generated import check_real


def check_noise_input(X: ArrayLike, scale: float) -> NDArray:
    """Check data and noise scale, and bring the data to a floating type."""
    check_real(scale=scale)
    X = np.asarray(X)
    if X.dtype.kind not in "fiub":
        raise TypeError(
            f"X has dtype {X.dtype}, expected real numbers. Convert it, for complex data by "
            "numpy.abs or by adding noise to the real and imaginary parts."
        )
    return X if X.dtype.kind == "f" else X.astype(np.float32)


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
    TypeError, ValueError
        If `X` is not of real numbers, or `scale` is not a finite number of at least 0.

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


def add_rician_noise(
    X: ArrayLike, scale: float, *, random_state: int | RandomState | None = None
) -> NDArray:
    """Add Rician noise to every number of X: ``sqrt((x + n1)**2 + n2**2)``.

    An MR image is the magnitude of a complex signal whose two channels carry Gaussian noise [1]_.
    A signal of zero becomes ``scale * sqrt(pi / 2)`` on average.

    Parameters
    ----------
    X : array-like of any shape
        Magnitudes, at least 0, before any centring. NaN stays NaN.
    scale : float
        Standard deviation of the noise in each channel, at least 0, in the units of `X`.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the noise.

    Returns
    -------
    X_noisy : ndarray of the same shape
        As from :func:`add_gaussian_noise`.

    Raises
    ------
    TypeError, ValueError
        If `X` is not of real numbers of at least 0, or `scale` is not such a finite number.

    References
    ----------
    .. [1] H. Gudbjartsson and S. Patz, "The Rician distribution of noisy MRI data", Magnetic
       Resonance in Medicine 34(6), 910-914, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.datasets import add_rician_noise
    >>> noisy = add_rician_noise(np.zeros((100, 100)), 1.0, random_state=0)
    >>> bool(noisy.min() > 0)
    True
    """
    X = check_noise_input(X, scale)
    if (X < 0).any():
        raise ValueError(
            f"X has negative numbers, down to {np.nanmin(X)}; Rician noise is for magnitudes. "
            "Add it before centring or scaling, or use add_gaussian_noise."
        )
    real, imaginary = check_random_state(random_state).normal(scale=scale, size=(2, *X.shape))
    return np.asarray(np.hypot(X + real, imaginary)).astype(X.dtype)


def contaminate(
    X: ArrayLike,
    X_outliers: ArrayLike,
    fraction: float,
    *,
    random_state: int | RandomState | None = None,
) -> tuple[NDArray, NDArray, NDArray]:
    """Mix outliers into a set of inliers.

    All inliers are kept; outliers are drawn without replacement, and all rows are shuffled.

    Parameters
    ----------
    X : array-like of shape (n_inliers, ...)
        The inliers.
    X_outliers : array-like of shape (n_outliers, ...)
        Outliers to draw from, rows of the same shape.
    fraction : float in [0, 1)
        Share of outliers among the returned rows.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the draw and the order.

    Returns
    -------
    X_mixed : ndarray of shape (n_samples, ...)
        Inliers and outliers in random order.
    is_outlier : ndarray of shape (n_samples,), bool
        True for the outliers.
    indices : ndarray of shape (n_samples,), int
        Positions in inliers and outliers, one after the other:
        ``np.concatenate([groups, groups_outliers])[indices]`` are the groups of the rows.

    Raises
    ------
    TypeError, ValueError
        If `fraction` is not a number or out of range, there are too few outliers, or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.datasets import contaminate
    >>> X, is_outlier, indices = contaminate(np.zeros((9, 2)), np.ones((5, 2)), 0.1, random_state=0)
    >>> len(X), int(is_outlier.sum()), np.array_equal(X[:, 0], is_outlier)
    (10, 1, True)
    """
    check_real(below=1, fraction=fraction)
    X, X_outliers = np.asarray(X), np.asarray(X_outliers)
    if X.shape[1:] != X_outliers.shape[1:]:
        raise ValueError(
            f"rows of X have shape {X.shape[1:]}, rows of X_outliers {X_outliers.shape[1:]}."
        )
    n_drawn = round(fraction / (1 - fraction) * len(X))
    if n_drawn > len(X_outliers):
        raise ValueError(
            f"a share of {fraction} among {len(X)} inliers needs {n_drawn} outliers, but there are "
            f"{len(X_outliers)}. Give more outliers, fewer inliers or a smaller fraction."
        )
    rng = check_random_state(random_state)
    drawn = rng.permutation(len(X_outliers))[:n_drawn]
    order = rng.permutation(len(X) + n_drawn)
    indices = np.concatenate([np.arange(len(X)), len(X) + drawn])[order]
    return np.concatenate([X, X_outliers[drawn]])[order], indices >= len(X), indices


def flip_labels(
    y: ArrayLike,
    fraction: float,
    *,
    groups: ArrayLike | None = None,
    transition: Mapping[Any, Any] | None = None,
    random_state: int | RandomState | None = None,
) -> tuple[NDArray, NDArray]:
    """Give a known share of the labels another class.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any type, of at least two classes. A label that means "unlabelled" counts as a
        class: pass the labelled rows only.
    fraction : float
        Share of the candidates to flip, between 0 and 1: exactly ``round(fraction * n)`` of `n`.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of every row. If given, whole groups instead of rows are the candidates,
        of every class in proportion.
    transition : dict of class to class, default=None
        Asymmetric noise: the candidates are of the classes that are keys, and get the class that is
        the value. None is symmetric noise: the new class is drawn uniformly from the others.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the choice.

    Returns
    -------
    y_noisy : ndarray of shape (n_samples,)
        The labels with noise, of the dtype of `y`; `y` itself is not changed.
    flipped : ndarray of shape (n_samples,), bool
        True where the label was changed.

    Raises
    ------
    TypeError, ValueError
        If `fraction` is not a number or out of range, `y` has a single class, a group carries
        several labels, or `transition` is no dict of different classes of `y`.

    Examples
    --------
    >>> from skrobust.datasets import flip_labels
    >>> flip_labels(["a", "a", "b", "b"], 0.5, random_state=0)
    (array(['a', 'a', 'a', 'a'], dtype='<U1'), array([False, False,  True,  True]))
    >>> flip_labels([0, 0, 1, 1], 1.0, transition={1: 0})[0]
    array([0, 0, 0, 0])
    """
    check_real(fraction=fraction)
    if fraction > 1:
        raise ValueError(f"fraction is {fraction}, expected a number between 0 and 1.")
    y = column_or_1d(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(f"y has the classes {classes.tolist()}; flipping needs at least two.")
    if transition is not None:
        _check_transition(transition, classes)
    rng = check_random_state(random_state)
    kinds = classes if transition is None else list(transition)
    if groups is None:
        labels, codes = y, slice(None)
        chosen = np.flatnonzero(np.isin(labels, kinds))
        chosen = np.sort(rng.permutation(chosen)[: round(fraction * len(chosen))])
    else:
        _, labels, codes = group_labels(y, check_groups(groups, len(y)))
        chosen = _stratified_choice(labels, np.flatnonzero(np.isin(labels, kinds)), fraction, rng)
    noisy = labels.copy()
    if transition is None:
        new = np.searchsorted(classes, labels[chosen])
        new += rng.randint(1, len(classes), size=len(chosen))
        noisy[chosen] = classes[new % len(classes)]
    else:
        noisy[chosen] = [transition[old] for old in labels[chosen].tolist()]
    return noisy[codes], noisy[codes] != y


def _check_transition(transition: Mapping[Any, Any], classes: NDArray) -> None:
    if not isinstance(transition, Mapping):
        raise TypeError(f"transition is {transition!r}, expected a dict of class to class.")
    if not transition:
        raise ValueError("transition is empty; name at least one class, or leave it None.")
    known = classes.tolist()
    for old, new in transition.items():
        if old not in known or new not in known:
            raise ValueError(f"transition has {old!r}: {new!r}, but the classes of y are {known}.")
        if old == new:
            raise ValueError(f"transition maps {old!r} to itself; leave that class out.")


def _stratified_choice(labels, candidates, fraction, rng) -> NDArray:
    """Choose candidates of every class in proportion, by the largest remainders."""
    strata, codes, sizes = np.unique(labels[candidates], return_inverse=True, return_counts=True)
    quota = fraction * sizes
    counts = np.floor(quota).astype(int)
    # equal remainders are served in random order
    order = np.lexsort([rng.uniform(size=len(strata)), np.round(counts - quota, 9)])
    counts[order[: round(fraction * len(candidates)) - counts.sum()]] += 1
    chosen = [rng.permutation(candidates[codes == s])[:n] for s, n in enumerate(counts)]
    return np.sort(np.concatenate(chosen)) if chosen else candidates
