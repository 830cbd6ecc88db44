"""Base of distillers, which say how far each label can be trusted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_memory, validate_data

from ..base.state import VersionedState, fill_random_states, fit_context
from ..utils.groups import check_groups
from ..utils.sklearn_private import HasMethods
from ..utils.targets import check_class_labels


def keep_best(quality: NDArray, codes: NDArray, keep: float) -> NDArray:
    """Return a mask of the best share of every class, at least one row each.

    Parameters
    ----------
    quality : ndarray of shape (n_samples,)
        Larger is better.
    codes : ndarray of shape (n_samples,)
        Class of every row.
    keep : float in (0, 1]
        Share of the rows of a class to keep, rounded up.

    Returns
    -------
    kept : ndarray of shape (n_samples,), bool
        Chosen rows; of equal ones, the earlier.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.label_noise import keep_best
    >>> keep_best(np.array([0.9, 0.1, 0.5, 0.4]), np.array([0, 0, 1, 1]), 0.5)
    array([ True, False,  True, False])
    """
    kept = np.zeros(len(quality), dtype=bool)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        # round() keeps 0.7 * 10 from becoming 7.000000000000001, and so 8
        n_kept = max(1, int(np.ceil(round(keep * len(rows), 9))))
        best = np.argsort(-quality[rows], kind="stable")[:n_kept]
        kept[rows[best]] = True
    return kept


def quality_weights(quality: ArrayLike) -> NDArray:
    """Return sample weights from label quality: ``clip(quality, 0.02, 1)**2``, mean 1.

    Using all rows with these weights gains nearly what a selection gains under label noise,
    and loses less on clean labels.

    Parameters
    ----------
    quality : array-like of shape (n_samples,)
        Probability that the label of a row is right.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        Sample weights with mean 1.

    Examples
    --------
    >>> from skrobust.label_noise import quality_weights
    >>> quality_weights([1.0, 0.5]).round(2)
    array([1.6, 0.4])
    """
    weight = np.clip(quality, 0.02, 1) ** 2
    return weight / weight.mean()


class DistillationWarning(UserWarning):
    """A distiller kept nearly none of a class, or nearly all rows."""


class LabelDistiller(VersionedState, BaseEstimator):
    """Base of the distillers, which tell how far the label of every row can be trusted.

    Subclasses write `_score`, the expensive part, and `_select`, the cheap one.
    """

    __metadata_request__fit = {"groups": True}

    _parameter_constraints: dict = {
        "memory": [str, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None):
        """Score the label of every row and choose the rows to keep.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels, some of them perhaps wrong.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.

        Returns
        -------
        self : object
            The fitted distiller.

        Raises
        ------
        ValueError
            If the input is malformed, or y has one class only.
        """
        X, y = validate_data(self, X, y, allow_nd=True)
        check_class_labels(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least 2 classes, but y has one class: "
                f"{self.classes_}."
            )
        groups = None if groups is None else check_groups(groups, len(X))
        self.label_probabilities_ = self._score(X, codes, groups)
        own = own_label_entries(self.label_probabilities_, codes)
        self.quality_ = own
        self.kept_ = self._select(codes)
        doubtful = np.flatnonzero(self.label_probabilities_.argmax(1) != codes)
        self.noisy_indices_ = doubtful[np.argsort(own[doubtful], kind="stable")]
        return self

    @abstractmethod
    def _score(self, X: NDArray, codes: NDArray, groups: NDArray | None) -> NDArray:
        """Return class probabilities of every row, shape (n_samples, n_classes)."""

    @abstractmethod
    def _select(self, codes: NDArray) -> NDArray:
        """Return the mask of the kept rows."""

    def _seeded_estimator(self) -> BaseEstimator:
        return fill_random_states(clone(self.estimator), self.random_state)

    def _cached(self, function: Callable, ignore: tuple[str, ...] = ()) -> Callable:
        return check_memory(self.memory).cache(function, ignore=list(ignore))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags


def own_label_entries(probabilities: NDArray, codes: NDArray) -> NDArray:
    """Return the entry of every row's own label."""
    return probabilities[np.arange(len(codes)), codes]
