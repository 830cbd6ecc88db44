"""Label quality from classifiers that have not seen the row, nor its patient."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from ..neural.net import is_skorch_net
from ..neural.net_estimator import with_shared_docs
from ..utils.groups import group_means, require_groups
from ..utils.scores import class_scores
from ..utils.sklearn_private import Interval, StrOptions
from .distillers import FOLD_CONSTRAINTS, KEEP_CONSTRAINTS, LabelDistiller, keep_best
from .folds import partitions
from .inner_fit import TrainingRows, take_rows


@with_shared_docs
class OutOfFoldLabelQuality(LabelDistiller):
    """Keep the rows whose label agrees with classifiers that have not seen their patient.

    Every row gets class probabilities from classifiers fitted on other folds, which share no group
    with it. ``level="group"`` averages them over each group, which finds patients with a wrong
    label; ``level="row"`` finds wrong rows of correctly labelled patients.
    :class:`~skrobust.LabelNoiseModel` does not need this choice.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``, or ``decision_function``, whose softmax is used. Well regularised
        ones are best, such as a pipeline of ``PCA(50)`` and ``LogisticRegression(C=0.1)``.
    cv : int, cross-validation splitter or iterable of splits, default=5
        Folds, whose test folds hold each row once. An int means shuffled ``StratifiedGroupKFold``
        when groups are given, otherwise ``StratifiedKFold``.
    level : {"row", "group"}, default="row"
        What is judged: the row alone, or all rows of its group. "group" needs groups.
    n_repeats : int, default=1
        How often the folds of an int `cv` are shuffled; probabilities are averaged.
    <keep>
        At group level whole groups are kept or left out. 0.5 is better if 30% of the patients, or
        40% of the rows, are mislabelled.
    trusted_weight : float > 0, default=3.0
        How often a trusted row counts in training the classifiers that judge. A value other than 1
        needs a classifier whose ``fit`` takes ``sample_weight``.
    n_jobs : int, default=None
        Number of fits at a time.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the out-of-fold probabilities, so that a search over `keep` fits once.
    <random_state>

    Attributes
    ----------
    quality_ : ndarray of shape (n_samples,)
        Probability of the row's own label; the mean of its class if it cannot be judged.
    label_probabilities_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold class probabilities (group level: the group's mean). A class that is missing in
        training folds has probability 0, or, where it is the row's own, 1: it cannot be judged.
    <shared attributes>

    Warns
    -----
    DistillationWarning
        If rows cannot be judged, since their class is missing in training folds, or if a splitter
        does not keep groups together.

    References
    ----------
    The rule for doubted labels is that of C. Northcutt, L. Jiang and I. Chuang, "Confident
    learning: estimating uncertainty in dataset labels", JAIR 70, 2021.

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
        **FOLD_CONSTRAINTS,
        "level": [StrOptions({"row", "group"})],
        "trusted_weight": [Interval(Real, 0, None, closed="neither")],
        "keep": KEEP_CONSTRAINTS,
    }

    def __init__(
        self,
        estimator,
        *,
        cv=5,
        level="row",
        n_repeats=1,
        keep=0.7,
        trusted_weight=3.0,
        n_jobs=None,
        memory=None,
        random_state=None,
    ):
        self._keep_params(locals())

    def _score(self, X, codes, groups, trusted=None):
        if self.level == "group":
            require_groups(groups)
        self._keep_of_classes()
        repeats = partitions(self.cv, self.n_repeats, X, codes, groups, self.random_state)
        weight = None
        if trusted is not None and self.trusted_weight != 1:
            weight = np.where(trusted, float(self.trusted_weight), 1.0)
        probabilities = self._cached(_out_of_fold, ignore=["n_jobs"])(
            estimator=self._seeded_estimator(),
            X=X,
            y=self.classes_[codes],
            groups=groups,
            weight=weight,
            repeats=repeats,
            n_jobs=self.n_jobs,
        )
        return probabilities if self.level == "row" else _group_means(probabilities, groups)

    def _select(self, codes, groups):
        groups = groups if self.level == "group" else None
        return keep_best(self.quality_, codes, self._keep_of_classes(), groups)


def _out_of_fold(estimator, X, y, groups, weight, repeats, n_jobs) -> NDArray:
    """Return probabilities from classifiers that have not seen the row, mean over repeats."""
    splits = [split for splits in repeats for split in splits]
    results = Parallel(n_jobs=n_jobs)(
        delayed(_score_fold)(estimator, X, y, groups, weight, train, test) for train, test in splits
    )
    total, times = np.zeros((len(y), len(np.unique(y)))), np.zeros(len(y))
    for (_, test), probabilities in zip(splits, results, strict=True):
        known = ~np.isnan(probabilities[:, 0])
        total[test[known]] += probabilities[known]
        times[test[known]] += 1
    with np.errstate(invalid="ignore"):
        return total / times[:, None]  # NaN if no repeat could judge


def _score_fold(estimator, X, y, groups, weight, train, test) -> NDArray:
    """Return the probabilities of one test fold, NaN for classes missing in the training fold."""
    classes, codes = np.unique(y, return_inverse=True)
    trained = np.unique(codes[train])
    if len(trained) < 2:
        return np.full((len(test), len(classes)), np.nan)
    if is_skorch_net(estimator):  # which read codes instead of labels
        y, classes = codes.astype(np.int64), np.arange(len(classes))
        if len(trained) < len(classes):
            raise ValueError(
                "a training fold lacks a class, which a net of skorch itself cannot leave out. Use "
                "NetClassifier, or fewer folds (cv)."
            )
    fitted = TrainingRows(X, y, weight, groups).take(train).fit(clone(estimator))
    probabilities = class_scores(fitted, take_rows(X, test), classes)
    probabilities[~np.isin(codes[test], trained)] = np.nan
    return probabilities


def _group_means(probabilities, groups) -> NDArray:
    """Return the mean of every group over its rows that could be judged, NaN if there are none."""
    known = ~np.isnan(probabilities[:, 0])
    _, means, codes = group_means(probabilities[known], groups[known])
    result = np.full(probabilities.shape, np.nan)
    result[known] = means[codes]
    return result
