"""The base class of the distillers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_memory, validate_data

from ..utils.fit_context import fit_context
from ..utils.groups import check_groups
from ..utils.random_states import fill_random_states
from ..utils.sklearn_private import HasMethods
from ..utils.targets import check_class_labels
from ..utils.versioned_state import VersionedState


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
