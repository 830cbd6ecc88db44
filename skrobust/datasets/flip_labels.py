"""Label noise of a known amount, per row or per group."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state, column_or_1d

from ..utils.group_labels import group_labels
from ..utils.groups import check_groups


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
        Labels of any type, of at least two classes. A label that stands for "unlabelled" is a
        class like any other here: flip the labelled rows only.
    fraction : float
        Share of the candidates to flip, between 0 and 1. Exactly ``round(fraction * n)`` of the
        `n` candidates are flipped (Python's rounding: halves go to the even number).
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of every row. If given, groups instead of rows are the candidates: all
        rows of a flipped group get the same new label. The flipped groups are spread over the
        classes in proportion to the classes' numbers of groups, as well as whole numbers allow.
    transition : dict of class to class, default=None
        Asymmetric noise: only rows (groups) of the classes that are keys are candidates, and
        they get the class that is the value. By default all are candidates and the new class is
        drawn uniformly from the other classes (symmetric noise).
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
    TypeError
        If `fraction` is not a number or `transition` not a dict.
    ValueError
        If `fraction` is out of range, if `y` has a single class, if `transition` is empty, names
        a class that is not in `y` or maps a class to itself, or if a group carries several
        labels.

    Examples
    --------
    >>> from skrobust.datasets import flip_labels
    >>> y_noisy, flipped = flip_labels(["a", "a", "b", "b"], 0.5, random_state=0)
    >>> y_noisy, flipped
    (array(['a', 'a', 'a', 'a'], dtype='<U1'), array([False, False,  True,  True]))
    >>> flip_labels([0, 0, 1, 1], 1.0, transition={1: 0})[0]
    array([0, 0, 0, 0])
    """
    if not isinstance(fraction, Real) or isinstance(fraction, bool):
        raise TypeError(f"fraction is {fraction!r}, expected a number.")
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction is {fraction}, expected a number between 0 and 1.")
    y = column_or_1d(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(f"y has the classes {classes.tolist()}; flipping needs at least two.")
    _check_transition(transition, classes)
    rng = check_random_state(random_state)
    if groups is None:
        candidates = _candidates(y, transition)
        chosen = rng.permutation(candidates)[: round(fraction * len(candidates))]
        y_noisy = _relabel(y, np.sort(chosen), classes, transition, rng)
    else:
        _, labels, codes = group_labels(y, check_groups(groups, len(y)))
        chosen = _stratified_choice(labels, _candidates(labels, transition), fraction, rng)
        y_noisy = _relabel(labels, chosen, classes, transition, rng)[codes]
    return y_noisy, y_noisy != y


def _check_transition(transition: Mapping[Any, Any] | None, classes: NDArray) -> None:
    if transition is None:
        return
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


def _candidates(labels: NDArray, transition: Mapping[Any, Any] | None) -> NDArray:
    if transition is None:
        return np.arange(len(labels))
    return np.flatnonzero(np.isin(labels, list(transition)))


def _stratified_choice(
    labels: NDArray, candidates: NDArray, fraction: float, rng: RandomState
) -> NDArray:
    """Choose candidates of every class in proportion, by the largest remainders."""
    strata, codes, sizes = np.unique(labels[candidates], return_inverse=True, return_counts=True)
    quota = fraction * sizes
    counts = np.floor(quota).astype(int)
    # equal remainders are served in random order
    order = np.lexsort([rng.uniform(size=len(strata)), np.round(counts - quota, 9)])
    counts[order[: round(fraction * len(candidates)) - counts.sum()]] += 1
    chosen = [rng.permutation(candidates[codes == s])[:n] for s, n in enumerate(counts)]
    return np.sort(np.concatenate(chosen)) if chosen else candidates


def _relabel(
    labels: NDArray,
    chosen: NDArray,
    classes: NDArray,
    transition: Mapping[Any, Any] | None,
    rng: RandomState,
) -> NDArray:
    labels = labels.copy()
    codes = np.searchsorted(classes, labels[chosen])
    if transition is None:
        codes = (codes + rng.randint(1, len(classes), size=len(chosen))) % len(classes)
    else:
        target = {old: classes.tolist().index(new) for old, new in transition.items()}
        codes = np.array([target[old] for old in classes[codes].tolist()], dtype=int)
    labels[chosen] = classes[codes]
    return labels
