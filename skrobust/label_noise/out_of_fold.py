"""Label quality from classifiers that have not seen the row, nor its patient."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from ..neural.net import is_skorch_net, raise_interrupt
from ..utils.groups import group_means, require_groups
from ..utils.sklearn_private import HasMethods, Interval, StrOptions
from .distillers import LabelDistiller, keep_best, own_label_entries

# share of every class on which the classifiers of the next round are fitted
_KEEP_BETWEEN_ROUNDS = {"row": 0.7, "group": 0.5}


class OutOfFoldLabelQuality(LabelDistiller):
    """Keep the rows whose label agrees with classifiers that have not seen their patient.

    Every row gets class probabilities from a classifier fitted on other folds, which share no
    group with it. With ``level="group"`` the probability vectors are averaged over each group,
    which finds patients whose label is wrong as a whole; with ``level="row"`` every row speaks
    for itself, which finds wrong or impure rows inside rightly labelled patients. Then the
    classifiers are fitted again on the rows of best quality, and all rows are scored anew.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``, or ``decision_function`` whose softmax is taken. Cheap and well
        regularised ones do well, such as a pipeline of ``PCA(50)`` and
        ``LogisticRegression(C=0.1)``.
    cv : int or cross-validation splitter, default=5
        Folds. An int means :class:`~sklearn.model_selection.StratifiedGroupKFold` when groups
        are given, otherwise :class:`~sklearn.model_selection.StratifiedKFold`, shuffled.
    level : {"row", "group"}, default="row"
        Who votes on a label: the row alone, or all rows of its group. "group" needs groups.
    n_iter : int, default=3
        Rounds of scoring; 1 scores once. Each further round fits on the best 70% of the rows of
        every class, at group level on the best 50%, as the round before judged them.
    keep : float in (0, 1], default=0.7
        Share of every class to keep. 0.5 does better where 30% of the patients, or 40% of the
        rows, are mislabelled.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the out-of-fold probabilities, so that a search over `keep` fits once.
    random_state : int, RandomState instance or None, default=None
        Shuffles the folds of an int `cv`, and seeds the random states of `estimator` that are
        None. With a memory give an int: the first draw is kept otherwise.

    Attributes
    ----------
    kept_ : ndarray of shape (n_samples,), bool
        The kept rows.
    quality_ : ndarray of shape (n_samples,)
        Out-of-fold probability of the row's own label (group level: in its group's mean).
    noisy_indices_ : ndarray of shape (n_noisy,), int
        Rows whose own label is not the most probable one, the worst first.
    label_probabilities_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold class probabilities (group level: the group's mean). A class that the
        training folds lack has probability 0.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.

    Notes
    -----
    Beyond the paper. On clean labels, leaving rows out costs a little, and more with every round;
    weighting them (:class:`~skrobust.LabelQualityReweighter`) does not.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust import OutOfFoldLabelQuality, flip_labels, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=30, random_state=0, return_X_y_groups=True)
    >>> y_noisy, flipped = flip_labels(y, 0.2, groups=patient, random_state=0)
    >>> distiller = OutOfFoldLabelQuality(LogisticRegression(C=0.01), level="group", random_state=0)
    >>> distiller = distiller.fit(X, y_noisy, groups=patient)
    >>> bool(distiller.quality_[flipped].mean() < distiller.quality_[~flipped].mean())
    True
    """

    _parameter_constraints: dict = {
        **LabelDistiller._parameter_constraints,
        "estimator": [
            HasMethods(["fit", "predict_proba"]),
            HasMethods(["fit", "decision_function"]),
        ],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"])],
        "level": [StrOptions({"row", "group"})],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "keep": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        estimator,
        *,
        cv=5,
        level="row",
        n_iter=3,
        keep=0.7,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.cv = cv
        self.level = level
        self.n_iter = n_iter
        self.keep = keep
        self.memory = memory
        self.random_state = random_state

    def _score(self, X, codes, groups):
        if self.level == "group":
            require_groups(groups)
        splits = list(self._splitter(groups).split(X, codes, groups))
        return self._cached(_score_rounds)(
            self._seeded_estimator(), X, codes, groups, splits, self.level, self.n_iter
        )

    def _splitter(self, groups):
        if not isinstance(self.cv, Integral):
            return check_cv(self.cv)
        if groups is None:
            return StratifiedKFold(self.cv, shuffle=True, random_state=self.random_state)
        n_groups = len(np.unique(groups))
        if n_groups < self.cv:
            raise ValueError(
                f"cv={self.cv} folds without common groups need at least {self.cv} groups, but "
                f"there are {n_groups}. Lower cv."
            )
        return StratifiedGroupKFold(self.cv, shuffle=True, random_state=self.random_state)

    def _select(self, codes):
        return keep_best(self.quality_, codes, self.keep)


def _score_rounds(estimator, X, codes, groups, splits, level, n_iter) -> NDArray:
    """Return out-of-fold probabilities after some rounds, averaged over groups at their level."""
    fit_on = np.ones(len(X), dtype=bool)
    for _ in range(n_iter):
        probabilities = _out_of_fold(estimator, X, codes, splits, fit_on)
        if level == "group":
            _, means, group_codes = group_means(probabilities, groups)
            probabilities = means[group_codes]
        own = own_label_entries(probabilities, codes)
        fit_on = keep_best(own, codes, _KEEP_BETWEEN_ROUNDS[level])
    return probabilities


def _out_of_fold(estimator, X, codes, splits, fit_on) -> NDArray:
    """Return the class probabilities of every row from a classifier that has not seen it."""
    probabilities = np.zeros((len(X), codes.max() + 1))
    for train, test in splits:
        train = train[fit_on[train]]
        if len(np.unique(codes[train])) < 2:
            raise ValueError(
                "a training fold holds rows of one class only. Use fewer folds (cv), or data with "
                "more groups per class."
            )
        fitted = clone(estimator).fit(X[train], codes[train])
        if is_skorch_net(fitted):
            raise_interrupt(fitted)
        probabilities[np.ix_(test, fitted.classes_)] = _class_probabilities(fitted, X[test])
    return probabilities


def _class_probabilities(fitted, X) -> NDArray:
    if hasattr(fitted, "predict_proba"):
        return fitted.predict_proba(X)
    scores = fitted.decision_function(X)
    if scores.ndim == 1:
        scores = np.column_stack([np.zeros(len(scores)), scores])
    return softmax(scores, axis=1)
