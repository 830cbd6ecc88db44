"""Base of distillers, which score how far each label can be trusted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from inspect import signature
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_array, check_consistent_length, column_or_1d, get_tags
from sklearn.utils.validation import has_fit_parameter, validate_data

from ..base.state import VersionedState, fill_random_states, fit_context
from ..utils.caching import cached
from ..utils.groups import check_groups
from ..utils.sklearn_private import HasMethods, Interval
from ..utils.targets import check_class_labels, require_two_classes
from ..utils.validation import check_trusted, warn

# how often a checked label counts where predictions are compared with given labels
CHECKED_COUNTS = 3.0

FOLD_CONSTRAINTS = {
    "estimator": [HasMethods(["fit", name]) for name in ("predict_proba", "decision_function")],
    "cv": ["cv_object", Interval(Integral, 2, None, closed="left")],
    "n_repeats": [Interval(Integral, 1, None, closed="left")],
    "n_jobs": [Integral, None],
}
KEEP_CONSTRAINTS = [Interval(Real, 0, 1, closed="right"), dict]


class DistillationWarning(UserWarning):
    """A distiller could not judge some labels, or kept nearly none of a class, or nearly all."""


def keep_best(
    quality: NDArray, codes: NDArray, keep: float | NDArray, groups: NDArray | None = None
) -> NDArray:
    """Return a mask of the best share of every class, at least one row each.

    Parameters
    ----------
    quality : ndarray of shape (n_samples,)
        Larger is better.
    codes : ndarray of shape (n_samples,)
        Class of every row, from 0.
    keep : float in (0, 1] or ndarray of shape (n_classes,)
        Share of the rows of a class to keep, rounded up.
    groups : ndarray of shape (n_samples,), default=None
        Groups that are kept or left out as a whole. A group belongs to the class of most of its
        rows; the best groups of a class are kept until its share is reached.

    Returns
    -------
    kept : ndarray of shape (n_samples,), bool
        Chosen rows; of equal ones, the first.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.label_noise import keep_best
    >>> keep_best(np.array([0.9, 0.1, 0.5, 0.4]), np.array([0, 0, 1, 1]), 0.5)
    array([ True, False,  True, False])
    """
    rows = np.arange(len(quality))
    group = rows if groups is None else np.unique(groups, return_inverse=True)[1]
    size = np.bincount(group)
    share = np.broadcast_to(np.asarray(keep, dtype=float), (int(codes.max()) + 1,))
    n_cells = len(size) * len(share)
    counts = np.bincount(group * len(share) + codes, minlength=n_cells).reshape(len(size), -1)
    mean, group_code = np.bincount(group, quality) / size, counts.argmax(1)
    chosen = np.zeros(len(size), dtype=bool)
    for code in np.unique(group_code):
        own = np.flatnonzero(group_code == code)
        best = own[np.argsort(-mean[own], kind="stable")]
        before = np.cumsum(size[best]) - size[best]
        # round() keeps 0.7 * 10 from becoming 7.000000000000001, and so 8
        chosen[best[before < max(1, np.ceil(round(share[code] * size[own].sum(), 9)))]] = True
    for code in np.unique(codes):  # a class that only occurs together with others
        has = np.flatnonzero(counts[:, code])
        if not chosen[has].any():
            chosen[has[mean[has].argmax()]] = True
    return chosen[group]


def quality_weights(
    quality: ArrayLike, y: ArrayLike | None = None, trusted: ArrayLike | None = None
) -> NDArray:
    """Return sample weights from label quality, with mean 1 in every class.

    It keeps the balance of the classes, and loses less on clean labels than leaving rows out.

    Parameters
    ----------
    quality : array-like of shape (n_samples,)
        Probability that the label of a row is right. It is clipped to at least 0.02.
    y : array-like of shape (n_samples,), default=None
        Labels; without them the mean over all rows is 1.
    trusted : array-like of bool of shape (n_samples,), default=None
        Rows whose label has been checked: their weight is 1, and the others have mean 1.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        Sample weights.

    Examples
    --------
    >>> from skrobust.label_noise import quality_weights
    >>> quality_weights([0.9, 0.3, 0.4, 0.4], ["a", "a", "b", "b"])
    array([1.5, 0.5, 1. , 1. ])
    """
    weight = np.clip(np.asarray(quality, dtype=float), 0.02, 1)
    codes = np.zeros(len(weight), int) if y is None else np.unique(y, return_inverse=True)[1]
    others = np.full(len(weight), True) if trusted is None else ~np.asarray(trusted)
    return np.where(others, weight / _class_means(weight, codes, others)[codes], 1.0)


def _class_means(values: NDArray, codes: NDArray, rows: NDArray) -> NDArray:
    """Return the mean of some rows in every class, 1 where there are none."""
    n_classes = codes.max() + 1
    n_rows = np.bincount(codes[rows], minlength=n_classes)
    total = np.bincount(codes[rows], values[rows], n_classes)
    return np.where(n_rows > 0, total / np.maximum(n_rows, 1), 1.0)


class LabelDistiller(VersionedState, BaseEstimator):
    """Base of the distillers, which score how far the label of every row can be trusted.

    A distiller has nothing to do with knowledge distillation. A subclass implements
    ``_score(X, codes, groups)``, which returns class probabilities of every row, NaN if unknown,
    and gets trusted rows if it has such a parameter; and, if it does not keep the best share `keep`
    of every class, ``_select(codes, groups)``.
    """

    _shared_docs = {
        "<keep>": """\
keep : float in (0, 1] or dict, default=0.7
    Share of every class to keep; a dict gives it by class, and keeps classes that it does not
    name whole, for noise that occurs in one class only.""",
        "<random_state>": """\
random_state : int, RandomState instance or None, default=None
    Seeds the random states of `estimator` that are None, and the folds, if there are any. With a
    memory use an int: otherwise the first draw is reused.""",
        "<shared attributes>": """\
kept_ : ndarray of shape (n_samples,), bool
    The kept rows.
noisy_indices_ : ndarray of shape (n_noisy,), int
    Rows whose own label is less probable than it is on average in its class, and another at
    least as probable as on average in its class; the worst first.
<input attributes>""",
        "<input attributes>": """\
classes_ : ndarray of shape (n_classes,)
    Class labels.
n_features_in_, feature_names_in_ : int, and ndarray of str
    Size of the second axis of X, and column names, when X has them.""",
    }

    __metadata_request__fit = {"groups": True, "trusted": True}

    _parameter_constraints: dict = {
        "memory": [str, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        trusted: ArrayLike | None = None,
    ):
        """Score the label of every row, choose the rows to keep, and return the distiller.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows, which the classifiers inside get unchanged, text and missing values too.
        y : array-like of shape (n_samples,)
            Labels, some of which may be wrong.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.
        trusted : array-like of bool of shape (n_samples,), default=None
            Rows whose label has been checked and is right: their quality is 1, and they are kept.

        Raises
        ------
        ValueError
            If the input is malformed, or y has one class only.
        """
        X, codes, groups = self._check_rows(X, y, groups)
        trusted = check_trusted(trusted, y)
        passed = {"trusted": trusted} if "trusted" in signature(self._score).parameters else {}
        probabilities = self._score(X, codes, groups, **passed)
        own = probabilities[np.arange(len(codes)), codes]
        known = ~np.isnan(own)
        if not known.any():
            raise ValueError(
                "no label could be judged: every training fold holds rows of one class only. Use "
                "fewer folds (cv), or data with more groups per class."
            )
        if not known.all():
            warn_of_unjudged(self.classes_, codes[~known])
        usual = _class_means(own, codes, known)
        # rows of which nothing is known get the mean of the others of their class
        own = np.where(known, own, usual[codes])
        neutral = np.eye(len(usual))[codes]
        self.label_probabilities_ = np.where(known[:, None], probabilities, neutral)
        self.quality_ = own
        self.kept_ = self._select(codes, groups)
        self.noisy_indices_ = _doubtful(self.label_probabilities_, codes, usual, known)
        if trusted is not None:
            self.label_probabilities_[trusted] = neutral[trusted]
            self.quality_ = np.where(trusted, 1.0, own)
            self.kept_ = self.kept_ | trusted
            self.noisy_indices_ = self.noisy_indices_[~trusted[self.noisy_indices_]]
        return self

    @abstractmethod
    def _score(self, X: Any, codes: NDArray, groups: NDArray | None) -> NDArray:
        """Return class probabilities of every row, shape (n_samples, n_classes)."""

    def _select(self, codes: NDArray, groups: NDArray | None) -> NDArray:
        """Return the mask of the kept rows."""
        return keep_best(self.quality_, codes, self._keep_of_classes())

    def _check_rows(self, X, y, groups):
        """Return X unchanged, class codes and groups; set ``classes_``."""
        rows, labels, groups = check_rows(self, X, y, groups)
        if hasattr(X, "columns"):
            validate_data(self, X, skip_check_array=True)
        elif len(getattr(X, "shape", (0, 0))) != 1:  # one axis: texts, or an error of the estimator
            validate_data(
                self, X, allow_nd=True, dtype=None, accept_sparse=True, ensure_all_finite=False
            )
        self.classes_, codes = np.unique(labels, return_inverse=True)
        require_two_classes(self.classes_, self)
        return rows, codes, groups

    def _keep_of_classes(self) -> NDArray:
        """Return the share of every class to keep."""
        classes = self.classes_.tolist()
        keep = self.keep if isinstance(self.keep, Mapping) else dict.fromkeys(classes, self.keep)
        for label, share in keep.items():
            if label not in classes or not (isinstance(share, Real) and 0 < share <= 1):
                raise ValueError(
                    f"keep={self.keep!r} needs a share above 0 and up to 1 for some of the classes "
                    f"{classes}; classes that it does not name are kept whole."
                )
        return np.array([float(keep.get(label, 1)) for label in classes])

    def _seeded_estimator(self) -> BaseEstimator:
        return fill_random_states(clone(self.estimator), self.random_state)

    def _cached(self, function, *, ignore=()):
        return cached(self.memory, function, ignore=ignore)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        inside = getattr(self, "estimator", None)
        if hasattr(inside, "__sklearn_tags__"):
            tags.input_tags = get_tags(inside).input_tags
        tags.input_tags.three_d_array = True
        return tags


def warn_of_unjudged(classes: NDArray, codes: NDArray) -> None:
    """Warn of rows, given by their class codes, whose labels could not be judged."""
    counts = np.bincount(codes, minlength=len(classes))
    parts = [f"{n} of class {label}" for n, label in zip(counts, classes, strict=True) if n]
    warn(
        f"{' and '.join(parts)} cannot be judged: their class is missing in the training folds, "
        "for example since all its rows are of one patient. They count as rows with a right label. "
        "More patients, or fewer folds, would help.",
        DistillationWarning,
    )


def check_rows(estimator: Any, X: Any, y: Any, groups: Any) -> tuple[Any, NDArray, NDArray | None]:
    """Return X, unchanged if its rows can be chosen, with the labels, and the groups or None."""
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    labels = column_or_1d(check_class_labels(y), warn=True)
    if not hasattr(X, "shape"):
        X = check_array(
            X, dtype=None, ensure_2d=False, allow_nd=True, ensure_all_finite=False, input_name="X"
        )
    check_consistent_length(X, labels)
    groups = None if groups is None else check_groups(groups, len(labels), y)
    return X.tocsr() if issparse(X) else X, labels, groups


def _doubtful(probabilities, codes, usual, known):
    """Return the rows whose label is doubted, the worst first."""
    # as in confident learning (Northcutt et al., JAIR 2021), below the threshold of the own class
    # and at or above that of another; the threshold is the mean over rows with its label
    above = probabilities >= usual
    rows = np.arange(len(codes))
    own = probabilities[rows, codes]
    above[rows, codes] = False
    doubtful = np.flatnonzero(known & (own < usual[codes]) & above.any(1))
    return doubtful[np.argsort(own[doubtful] - usual[codes[doubtful]], kind="stable")]


class Verdict(NamedTuple):
    """Results of a distiller for the training rows."""

    quality: NDArray
    kept: NDArray
    noisy: NDArray


def fit_distiller(distiller: Any, X: Any, y: Any, **given: Any) -> Any:
    """Fit a distiller, of the user or of the library, with the arguments that it accepts."""
    passed = {
        name: value
        for name, value in given.items()
        if value is not None and has_fit_parameter(distiller, name)
    }
    return distiller.fit(X, y, **passed)


def verdict(distiller: Any, n_samples: int, trusted: NDArray | None = None) -> Verdict:
    """Return the results; by default rows of quality below 0.5 are doubted, and left out."""
    name = type(distiller).__name__
    if not hasattr(distiller, "quality_"):
        raise ValueError(f"{name} has no quality_ after fit: it is not a distiller.")
    quality = np.asarray(distiller.quality_, dtype=float)
    if quality.shape != (n_samples,):
        raise ValueError(
            f"{name}.quality_ has shape {quality.shape}, expected ({n_samples},): one per row."
        )
    if not ((quality >= 0) & (quality <= 1)).all():
        raise ValueError(f"{name}.quality_ holds values that are not between 0 and 1.")
    kept = np.asarray(getattr(distiller, "kept_", quality >= 0.5))
    if kept.shape != (n_samples,) or kept.dtype != bool:
        raise ValueError(
            f"{name}.kept_ has shape {kept.shape} and dtype {kept.dtype}, expected a boolean per "
            "row."
        )
    doubted = np.argsort(quality, kind="stable")[: (quality < 0.5).sum()]
    doubted = np.asarray(getattr(distiller, "noisy_indices_", doubted))
    if trusted is not None:  # of which the user's distiller may know nothing
        quality, kept = np.where(trusted, 1.0, quality), kept | trusted
        doubted = doubted[~trusted[doubted]]
    return Verdict(quality, kept, doubted)


def check_kept(distiller: Any, kept: NDArray, y: NDArray) -> None:
    """Raise if a distiller keeps no row, or none of a class."""
    lost = np.setdiff1d(y, y[kept]).tolist()
    if lost:
        what = "no row" if not kept.any() else f"no row of {lost}"
        raise ValueError(
            f"{type(distiller).__name__} keeps {what} of {len(y)}: nothing can be learned "
            "about these classes. Let it keep more."
        )
