"""Which rows are removed from the training set, and after which epoch."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Real
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import validate_data

from ..base.row_sampler import RowSampler
from ..base.state import fit_context
from ..utils.groups import RowOrigin, check_groups, require_groups, with_origin
from ..utils.sklearn_private import Interval, StrOptions, safe_indexing
from ..utils.validation import warn

# errors closer than this, relative or in units of the scale, differ only by float32 rounding
_ROUNDING = 1e-5, 1e-6
# fewer rows than this are no more than the tail that any set of rows has
_TAIL = 0.05


class OutlierRemovalWarning(UserWarning):
    """The removed rows are doubtful: too many, or not set apart from the others."""


def removal_threshold(errors: NDArray, gamma: float | str) -> float:
    """Return the error above which rows are removed."""
    mean = float(errors.mean())
    return gamma * mean if gamma != "auto" else min(1.5 * mean, robust_threshold(errors, 2.5))


def robust_threshold(errors: NDArray, n_deviations: float) -> float:
    """Return the median plus some robust standard deviations."""
    median = float(np.median(errors))
    return median + n_deviations * 1.4826 * float(np.median(np.abs(errors - median)))


def are_of_two_kinds(errors: NDArray, class_codes: NDArray) -> bool:
    """Tell whether errors, relative to those of their class, look like those of two kinds.

    They do if two normal distributions fit the logarithms better than one, by the Bayesian
    information criterion.
    """
    logs = np.log(np.maximum(errors, np.finfo(np.float32).tiny))
    for code in np.unique(class_codes):
        logs[class_codes == code] -= np.median(logs[class_codes == code])
    if len(np.unique(logs)) < 4:
        return False
    column = logs[:, None]
    mixtures = (GaussianMixture(k, n_init=3, random_state=0).fit(column) for k in (1, 2))
    one, two = (mixture.bic(column) for mixture in mixtures)
    return bool(two < one)


class RowRemoval:
    """The remaining rows, and the rule that removes more of them.

    Rows are removed in units: single rows, or with `group_codes` the rows of one group and class.
    The error of a unit is the mean over its rows. Every class has its own `threshold` (a function
    of the errors) and its own limit, `max_removed_fraction` of its units.
    """

    def __init__(self, class_codes, group_codes, threshold, max_removed_fraction):
        n_samples = len(class_codes)
        self.units, self.unit_class = np.arange(n_samples), class_codes
        if group_codes is not None:
            pairs = np.stack([class_codes, group_codes], axis=1)
            pairs, self.units = np.unique(pairs, axis=0, return_inverse=True)
            self.units = self.units.ravel()  # numpy 2.0.0 returns a column
            self.unit_class = pairs[:, 0]
        self.class_codes, self.threshold = class_codes, threshold
        self.max_removed_fraction = max_removed_fraction
        self.limits = np.floor(max_removed_fraction * np.bincount(self.unit_class)).astype(int)
        self.unit_kept = np.ones(len(self.unit_class), dtype=bool)
        self.removed_epoch = np.full(n_samples, -1)  # -1: still there
        # units above the last threshold that the limit saved; removals; and how often the network
        # was not good enough for one, which is counted by the code that trains it
        self.n_spared = self.n_judged = self.n_skipped = 0

    @property
    def kept(self) -> NDArray:
        """Remaining rows."""
        return self.removed_epoch < 0

    def remove(self, errors: NDArray, scale: float, epoch: int) -> list[float]:
        """Remove the rows above the threshold of their class."""
        self.n_judged += 1
        units = self.units[self.kept]
        sums = np.bincount(units, errors, len(self.unit_kept))
        counts = np.bincount(units, minlength=len(self.unit_kept))
        unit_errors = np.divide(sums, counts, where=counts > 0, out=np.zeros(len(counts)))
        relative, absolute = _ROUNDING
        thresholds, self.n_spared = [], 0
        for code in range(len(self.limits)):
            mine = self.unit_class == code
            inside = np.flatnonzero(mine & self.unit_kept)
            threshold = self.threshold(unit_errors[inside])
            slack = relative * abs(threshold) + absolute * scale
            high = inside[unit_errors[inside] > threshold + slack]
            n_allowed = self.limits[code] - int((mine & ~self.unit_kept).sum())
            worst = high[np.argsort(-unit_errors[high], kind="stable")][:n_allowed]
            self.unit_kept[worst] = False
            self.n_spared += len(high) - len(worst)
            thresholds.append(threshold)
        self.removed_epoch[self.kept & ~self.unit_kept[self.units]] = epoch
        return thresholds

    def warn(self, what: str, name: str, value: float | str, errors: NDArray | None = None) -> None:
        """Warn if more was removed, or would have been, than outliers can be, or without evidence.

        `name` and `value` are those of the parameter that decides. `errors` are those of all rows,
        for a method that always finds some rows to remove.
        """
        n_removed, n_rows = int((~self.kept).sum()), len(self.kept)
        message = None
        if self.n_skipped and not self.n_judged and self.max_removed_fraction > 0:
            message = (
                "nothing was removed: each time, the network reconstructed the rows no better than "
                "their mean row would. Train longer, with a higher lr, or with a larger network."
            )
        elif n_removed > n_rows / 2:
            message = (
                f"{n_removed} of {n_rows} rows were removed, more than half: what is left may be "
                f"the outliers. Raise {name}, or lower max_removed_fraction."
            )
        elif self.n_spared and self.max_removed_fraction > 0:
            message = (
                f"max_removed_fraction={self.max_removed_fraction} is used up, and {self.n_spared} "
                f"more {what} are above the threshold of {name}={value!r}. Raise {name}, unless "
                "you expect that many outliers."
            )
        elif (
            errors is not None
            and n_removed > _TAIL * n_rows
            and not are_of_two_kinds(errors, self.class_codes)
        ):
            message = (
                f"{n_removed} of {n_rows} rows were removed, but their errors do not stand apart: "
                "one distribution describes all errors as well as two. They may be the worst of "
                f"one kind, and no outliers. Review them, raise {name}, or compare with another "
                "detector."
            )
        if message:
            warn(message, OutlierRemovalWarning)


class ScoringDetector(OutlierMixin):
    """What outlier detectors derive from ``score_samples`` and ``offset_``."""

    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return ``score_samples(X) - offset_``, negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray:
        """Return +1 for inliers and -1 for outliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)


class RowRemover(ScoringDetector, RowSampler):
    """Base of detectors that are samplers too: the rows that stay after ``fit``."""

    __metadata_request__fit = {"groups": True}

    _parameter_constraints: dict = {
        **RowSampler._parameter_constraints,
        "max_removed_fraction": [Interval(Real, 0, 1, closed="left")],
        "per_class": ["boolean"],
        "level": [StrOptions({"row", "group"})],
    }

    # least number of rows
    _fewest = 2

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ) -> Self:
        """Remove rows, with a detector that ends up fitted to the others, and return the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Training rows; more than two axes if the detector takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Class labels, or soft labels (the class with the largest share counts), for `per_class`.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row, needed for ``level="group"``.

        Raises
        ------
        ValueError
            If the input is malformed, groups are missing, or the detector cannot judge the rows.
        """
        if y is not None and self.per_class:
            columns, y, groups, _ = self._check_rows(X, y, groups)
            if isinstance(y, pd.DataFrame):
                y = y.columns.to_numpy()[y.to_numpy().argmax(1)]
            X, (classes, codes) = columns.numbers, np.unique(y, return_inverse=True)
        else:
            X = validate_data(self, X, allow_nd=True, ensure_min_samples=self._fewest)
            if y is not None:
                check_consistent_length(X, y)
            groups = None if groups is None else check_groups(groups, len(X), y)
            classes, codes = np.zeros(1, dtype=int), np.zeros(len(X), dtype=int)
        if self.level == "group":
            require_groups(groups)
        units = None if groups is None else np.unique(groups, return_inverse=True)[1]
        removal, errors = self._remove(X, classes, codes, units)
        self.scores_ = -errors
        self.sample_indices_ = np.flatnonzero(removal.kept)
        removed = np.flatnonzero(~removal.kept)
        self.removed_indices_ = removed[np.argsort(-errors[removed], kind="stable")]
        self.offset_ = -removal.threshold(errors[removal.kept])
        self.sampling_strategy_ = {}
        return self

    def _removal(self, codes, groups, threshold) -> RowRemoval:
        """Return the state before any removal, of single rows or of groups."""
        groups = groups if self.level == "group" else None
        return RowRemoval(codes, groups, threshold, self.max_removed_fraction)

    @abstractmethod
    def _remove(self, X, classes, codes, groups) -> tuple[RowRemoval, NDArray]:
        """Return which rows were removed, and the errors of all rows after that."""

    def fit_resample(
        self, X: ArrayLike, y: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ):
        """Fit, and return the rows that stay.

        Parameters
        ----------
        X, y, groups
            As for `fit`.

        Returns
        -------
        X_resampled : array of shape (n_kept, ...)
            The rows that stay, in order, in the container and dtype of X.
        y_resampled : array of shape (n_kept, ...) or None
            Their labels or soft labels, as given; None if y is None.
        """
        return self._fit_resample(X, y, groups)

    def _fit_resample(self, X, y, groups):
        rows = self.fit(X, y, groups=groups).sample_indices_
        X_new = safe_indexing(X, rows)
        if y is None:
            return X_new, None
        groups = None if groups is None else check_groups(groups, len(self.scores_), y)
        return X_new, with_origin(safe_indexing(y, rows), RowOrigin(groups, rows))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags
