"""RowSampler: the base of samplers."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import numpy as np
import pandas as pd
from imblearn.base import BaseSampler
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, check_random_state, get_tags
from sklearn.utils.validation import validate_data

from ..utils.groups import RowOrigin, check_groups, with_origin
from ..utils.targets import check_class_labels, check_soft_labels, is_soft_labels, soft_labels
from ..utils.validation import check_trusted
from .columns import Columns
from .state import VersionedState, fit_context


class RowSampler(VersionedState, BaseSampler):
    """Base of samplers: checks before, types and containers restored after.

    Beyond imbalanced-learn's base it takes ``groups``, X of any number of axes, and soft labels.
    Subclasses write ``_fit_resample(columns, y, groups)``, which sets ``sample_indices_`` and
    returns new numbers and new labels: an array, or a DataFrame of soft labels.
    """

    __metadata_request__fit_resample = {"groups": True}
    _sampling_type = "bypass"
    _parameter_constraints: dict = {"random_state": ["random_state"]}
    # whether the method computes with every column
    _only_numbers = False

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None):
        """Check rows, labels and groups only; samplers do their work in ``fit_resample``."""
        self._check_rows(X, y, groups)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None):
        """Make the new training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of any type, one-hot integers, or soft labels (floats, one column per class).
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.

        Returns
        -------
        X_resampled : array of shape (n_samples_new, ...)
            New rows, in the container and dtypes of X.
        y_resampled : array of shape (n_samples_new,) or (n_samples_new, n_classes)
            Their labels in the container of y, or a DataFrame of soft labels.

        Raises
        ------
        ValueError
            If the arguments do not fit each other, or contain values that cannot be used.
        """
        return self._resample(X, y, groups)

    def _resample(self, X, y, groups, **known):
        """Make the new rows; what else is known of the old ones goes to ``_fit_resample``."""
        as_list, given_y = isinstance(X, list), y
        columns, y, groups, one_hot_classes = self._check_rows(X, y, groups)
        numbers, y_new = self._fit_resample(columns, y, groups, **known)
        rounding = check_random_state(self.random_state)
        X_new = columns.new_rows(self.sample_indices_, numbers, rounding)
        if one_hot_classes is not None:
            y_new = _as_one_hot(y_new, one_hot_classes, given_y)
        elif not isinstance(y_new, pd.DataFrame):
            y_new = _as_given(y_new, given_y)
        partners = getattr(self, "partner_indices_", None)
        y_new = with_origin(y_new, RowOrigin(groups, self.sample_indices_, partners))
        return X_new.tolist() if as_list else X_new, y_new

    def _check_rows(self, X: Any, y: Any, groups: Any):
        """Return columns, labels, groups, and the classes of one-hot y or None."""
        one_hot_classes, given_y = None, y
        if is_soft_labels(y):
            mass, classes = check_soft_labels(y)
            if (mass.sum(1) == 1).all() and check_array(y, dtype="numeric").dtype.kind in "iub":
                y, one_hot_classes = mass.argmax(1), classes
            else:
                y = soft_labels(mass, classes)
        elif y is not None:
            y = check_class_labels(y)
        if not isinstance(y, pd.DataFrame):  # before X, whose column names this forgets
            y = validate_data(self, X="no_validation", y=y)
        allow_nan = get_tags(self).input_tags.allow_nan
        if hasattr(X, "columns"):  # types of columns are checked one by one
            validate_data(self, X, reset=True, skip_check_array=True)
            check_array(np.empty(X.shape, dtype=bool), input_name="X")  # at least a row, a column
        else:
            finite = "allow-nan" if allow_nan else True
            X = validate_data(self, X, reset=True, allow_nd=True, ensure_all_finite=finite)
        check_consistent_length(X, y)
        name = type(self).__name__ if self._only_numbers else None
        columns = Columns(X, allow_nan=allow_nan, only_numbers=name)
        if groups is not None:
            groups = check_groups(groups, len(y), given_y)
        self.sampling_strategy_ = {}
        return columns, y, groups, one_hot_classes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        tags.sampler_tags.sample_indices = True
        return tags


class TrustingRowSampler(RowSampler):
    """Base of samplers that are told which rows an expert has checked.

    Subclasses write ``_fit_resample(columns, y, groups, trusted)``; `trusted` is None if no row is.
    """

    __metadata_request__fit_resample = {"groups": True, "trusted": True}

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        trusted: ArrayLike | None = None,
    ):
        """Make the new training rows; `trusted` are those that an expert has checked."""
        return self._resample(X, y, groups, trusted=check_trusted(trusted, y))

    # the same text with one parameter more
    fit_resample.__doc__ = cleandoc(RowSampler.fit_resample.__doc__ or "").replace(
        "\n\nReturns",
        "\ntrusted : array-like of bool of shape (n_samples,), default=None\n"
        "    Rows that an expert has checked.\n\nReturns",
    )


def _as_given(y: NDArray, given: Any) -> Any:
    """Return labels in the container that the labels were given in."""
    if isinstance(given, list):
        return y.tolist()
    if isinstance(given, pd.Series):
        return pd.Series(y, name=given.name, dtype=given.dtype)
    if isinstance(given, pd.DataFrame):
        return pd.DataFrame(y, columns=given.columns).astype(given.dtypes)
    if type(given).__module__.split(".")[0] == "polars":
        return type(given)(given.name, y, dtype=given.dtype)
    return y


def _as_one_hot(y: NDArray | pd.DataFrame, classes: NDArray, given: Any) -> Any:
    """Return one column per class, in the given order, for one-hot or soft labels."""
    if isinstance(y, pd.DataFrame):
        y = y.reindex(columns=np.arange(len(classes)), fill_value=0.0)
        y.columns = classes
    else:
        dtype = check_array(given, dtype="numeric").dtype
        y = pd.DataFrame(np.eye(len(classes), dtype=dtype)[y], columns=classes)
    if isinstance(given, pd.DataFrame):
        return y[list(given.columns)]
    return y if y.dtypes.iloc[0].kind == "f" else y.to_numpy()
