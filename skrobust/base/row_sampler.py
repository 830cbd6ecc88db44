"""RowSampler: the base of samplers."""

from __future__ import annotations

import numpy as np
from imblearn.base import BaseSampler
from imblearn.utils import check_target_type
from numpy.typing import ArrayLike
from sklearn.preprocessing import label_binarize
from sklearn.utils.validation import validate_data

from ..utils.groups import check_groups
from ..utils.sklearn_private import ArraysTransformer
from ..utils.targets import ClassMass, check_class_labels, check_class_mass, is_class_mass
from ..utils.validation import check_numbers
from .state import VersionedState, fit_context


class RowSampler(VersionedState, BaseSampler):
    """Base of samplers: checks before, containers restored after, `_fit_resample` in between.

    Beyond :class:`imblearn.base.BaseSampler` it takes ``groups``, X of any number of axes, and
    may return class mass.
    """

    __metadata_request__fit_resample = {"groups": True}
    _sampling_type = "bypass"
    _parameter_constraints: dict = {"random_state": ["random_state"]}

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None):
        """Check the input only; samplers do their work in ``fit_resample``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.

        Returns
        -------
        self : object
            This sampler.
        """
        self._check_rows(X, y, groups)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None):
        """Make the new training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of any type, or class mass (floats).
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.

        Returns
        -------
        X_resampled : array of shape (n_samples_new, ...)
            New rows, in the container and dtype of X.
        y_resampled : array of shape (n_samples_new,) or (n_samples_new, n_classes)
            Their labels in the container of y, or class mass.

        Raises
        ------
        ValueError
            If X, y or groups do not fit each other, or hold what cannot be computed with.
        """
        containers, only_X = ArraysTransformer(X, y), ArraysTransformer(X, X)
        integer_columns = [
            i for i, dtype in enumerate(getattr(X, "dtypes", ())) if dtype.kind in "iu"
        ]
        X, y, groups, one_vs_all = self._check_rows(X, y, groups)
        X_new, y_new = self._fit_resample(X, y, groups)
        if integer_columns and X_new.dtype.kind == "f":
            X_new[:, integer_columns] = np.rint(X_new[:, integer_columns])
        if isinstance(y_new, ClassMass):
            # the container of y would cast the mass to the dtype of the labels
            return only_X.transform(X_new, X_new)[0], y_new
        if one_vs_all:
            y_new = label_binarize(y_new, classes=np.unique(y))
        return containers.transform(X_new, y_new)

    def _check_rows(self, X, y, groups):
        one_vs_all = False
        if is_class_mass(y) and np.asarray(y).dtype.kind == "f":
            X = validate_data(self, X, reset=True, allow_nd=True)
            y = ClassMass(*check_class_mass(y, len(X)))
        else:
            check_class_labels(y)
            y, one_vs_all = check_target_type(y, indicate_one_vs_all=True)
            X, y = validate_data(self, X, y, reset=True, allow_nd=True)
        check_numbers(X)
        if groups is not None:
            groups = check_groups(groups, len(X))
        self.sampling_strategy_ = {}
        return X, y, groups, one_vs_all

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags
