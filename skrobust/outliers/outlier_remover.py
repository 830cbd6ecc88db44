"""Removal of outliers from a training set by any detector."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GroupKFold, KFold
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state, check_scalar, get_tags
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base.state import fill_random_states
from ..utils.sklearn_private import HasMethods, Interval
from .row_removal import RowRemover, ScoringDetector, robust_threshold

# squares of larger numbers, summed over columns, may overflow
_LARGEST = 1e150


class NeighborDistance(ScoringDetector, BaseEstimator):
    """Outlier detector: the mean distance to the nearest training rows.

    Rows of several axes are flattened; columns of different units should be scaled before.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of nearest rows, at most one less than there are training rows.

    Attributes
    ----------
    offset_ : float
        The median score of the training rows minus 2.5 robust standard deviations.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.outliers import NeighborDistance
    >>> X = np.random.RandomState(0).normal(size=(50, 3))
    >>> NeighborDistance().fit(X).predict([[0, 0, 0], [9, 9, 9]])
    array([ 1, -1])
    """

    def __init__(self, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def fit(self, X: ArrayLike, y: Any = None) -> NeighborDistance:
        """Fit to the training rows."""
        X = self._flat(X, reset=True)
        check_scalar(self.n_neighbors, "n_neighbors", Integral, min_val=1)
        self.neighbors_ = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(X) - 1)).fit(X)
        # the nearest training row of a training row is not the row itself
        self.offset_ = -robust_threshold(self.neighbors_.kneighbors()[0].mean(1), 2.5)
        return self

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Return minus the distances; the lower, the more unusual the row."""
        check_is_fitted(self)
        return -self.neighbors_.kneighbors(self._flat(X, reset=False))[0].mean(1)

    def _flat(self, X, *, reset):
        """Return rows with one axis of numbers."""
        X = validate_data(
            self, X, reset=reset, allow_nd=True, dtype=float, ensure_min_samples=2 if reset else 1
        )
        X = X.reshape(len(X), -1)
        if (largest := np.abs(X).max(initial=0)) > _LARGEST:
            raise ValueError(
                f"X has numbers of up to {largest:.0e}, whose squares are infinite in distances. "
                "Scale the columns."
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class OutlierRemover(RowRemover):
    """Drop the rows that outlier detectors call odd without having seen them.

    For training sets that should contain one kind of rows but also contain a few others. Detectors
    are fitted in folds without common groups (patients), each on the remaining rows of the other
    folds, and score the rows of their fold. The oddest leave, until none is odd enough; at the end
    the detector is fitted to the rows that stay. This goes beyond the papers.

    As an outlier detector and a sampler it is used like :class:`~skrobust.AEOutlierRemover`.
    Detectors that describe all rows, such as autoencoders, gain by it; neighbours hardly.

    Parameters
    ----------
    detector : outlier detector, default=None
        With ``score_samples`` or ``decision_function``: scikit-learn's, PyOD's (whose scores grow
        with oddness, which is taken into account), :class:`~skrobust.AEOutlierRemover`. None is
        :class:`~skrobust.outliers.NeighborDistance`, for which columns should be scaled before.
    cv : int, default=5
        Number of folds; lowered to the number of groups or rows.
    n_repeats : int, default=2
        How often the folds are drawn; scores are averaged.
    threshold : float > 0, default=2.5
        Robust standard deviations (1.4826 times the median absolute deviation) above the median
        from which rows leave. 2 is better if a fifth of the rows or more are outliers.
    max_rounds : int, default=4
        Largest number of rounds.
    max_removed_fraction : float in [0, 1), default=0.5
        Largest share of the rows (of each class, see `per_class`) that may be removed.
    per_class : bool, default=True
        If y is given: every class has its own threshold and limit. With False y is ignored.
    level : {"row", "group"}, default="row"
        "group" removes whole groups (patients), by the mean score of their rows (of one class).
    n_jobs : int, default=None
        Number of fits at a time.
    random_state : int, RandomState instance or None, default=None
        Draws the folds, and seeds the random states of `detector` that are None.

    Attributes
    ----------
    detector_ : outlier detector
        Fitted to the rows that stay.
    scores_ : ndarray of shape (n_samples,)
        Scores of the training rows by detectors that have not seen them, in the last round.
    removed_round_ : ndarray of shape (n_samples,), int
        Round in which the row was removed, from 1; -1 if it stays.
    sample_indices_, removed_indices_ : ndarray of shape (n_kept,) and (n_removed,), int
        The rows that stay, and those to review, the most unusual first.
    offset_ : float
        Scores below it are outliers.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.

    Warns
    -----
    OutlierRemovalWarning
        If more than half of the rows were removed, or rows above the threshold were kept because of
        `max_removed_fraction`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import OutlierRemover
    >>> X, y = load_digits(return_X_y=True)
    >>> X = np.concatenate([X[y == 3][:100], X[y == 0][:10]])
    >>> remover = OutlierRemover(random_state=0).fit(X)
    >>> bool(np.isin(np.arange(100, 110), remover.removed_indices_).mean() > 0.5)
    True
    """

    _parameter_constraints: dict = {
        **RowRemover._parameter_constraints,
        "detector": [
            HasMethods(["fit", "score_samples"]),
            HasMethods(["fit", "decision_function"]),
            None,
        ],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "threshold": [Interval(Real, 0, None, closed="neither")],
        "max_rounds": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        detector=None,
        *,
        cv=5,
        n_repeats=2,
        threshold=2.5,
        max_rounds=4,
        max_removed_fraction=0.5,
        per_class=True,
        level="row",
        n_jobs=None,
        random_state=None,
    ):
        super().__init__()
        self._keep_params(locals())

    def _remove(self, X, classes, codes, groups):
        units = np.arange(len(X)) if groups is None else groups
        n_units = units.max() + 1
        if n_units < 2:
            raise ValueError(
                f"n_samples={len(X)} rows are of one {'row' if groups is None else 'group'}: "
                "detectors judge rows of others, so that at least 2 are needed."
            )
        detector = NeighborDistance() if self.detector is None else clone(self.detector)
        detector = fill_random_states(detector, self.random_state)
        folds = self._folds(len(X), groups, min(self.cv, n_units))
        removal = self._removal(
            codes, groups, lambda scores: robust_threshold(scores, self.threshold)
        )
        for number in range(1, self.max_rounds + 1):
            oddness, before = self._oddness(detector, X, folds, removal.kept), removal.kept.sum()
            removal.remove(oddness[removal.kept], float(np.std(oddness)), number)
            if removal.kept.sum() == before:
                break
        self.detector_ = detector.fit(X[removal.kept])
        self.removed_round_ = removal.removed_epoch
        removal.warn(f"{self.level}s", "threshold", self.threshold)
        return removal, oddness

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Return the detector's scores; the lower, the more unusual the row."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True, dtype="numeric")
        return -_oddness(self.detector_, X)

    def _folds(self, n_samples, units, n_folds) -> list[NDArray]:
        """Return the test rows of all folds of all repeats."""
        rng, empty = check_random_state(self.random_state), np.empty((n_samples, 0))
        kind = KFold if units is None else GroupKFold
        seeds = rng.randint(np.iinfo(np.int32).max, size=self.n_repeats).tolist()
        splitters = [kind(n_folds, shuffle=True, random_state=seed) for seed in seeds]
        return [test for s in splitters for _, test in s.split(empty, groups=units)]

    def _oddness(self, detector, X, folds, kept) -> NDArray:
        """Return the mean oddness of every row to detectors that have not seen it."""
        results = Parallel(n_jobs=self.n_jobs)(
            delayed(_judge)(detector, X[np.setdiff1d(np.flatnonzero(kept), test)], X[test])
            for test in folds
        )
        total = np.zeros(len(X))
        for test, oddness in zip(folds, results, strict=True):
            total[test] += oddness
        return total / self.n_repeats

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inside = NeighborDistance() if self.detector is None else self.detector
        tags.input_tags.three_d_array = get_tags(inside).input_tags.three_d_array
        return tags


def _judge(detector, X, X_new) -> NDArray:
    """Fit a detector, and return the oddness of other rows."""
    return _oddness(clone(detector).fit(X), X_new)


def _oddness(detector, X) -> NDArray:
    """Return how odd rows are: large for outliers, whatever the sign of the detector's scores."""
    if hasattr(detector, "score_samples"):
        return -np.asarray(detector.score_samples(X), dtype=float)
    scores = np.asarray(detector.decision_function(X), dtype=float)
    is_pyod = any(base.__module__.split(".")[0] == "pyod" for base in type(detector).__mro__)
    return scores if is_pyod else -scores
