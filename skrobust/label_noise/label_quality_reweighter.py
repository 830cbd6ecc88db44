"""Training on all rows, in spite of labels that may be wrong."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import roc_auc_score
from sklearn.utils import get_tags
from sklearn.utils.parallel import Parallel, delayed

from ..base.fitted_inside import FittedInsideMixin
from ..base.state import fill_random_states, fit_context
from ..utils.caching import cached
from ..utils.scores import class_scores
from ..utils.sklearn_private import HasMethods, StrOptions, check_sample_weight
from ..utils.validation import check_trusted, warn
from .distillers import (
    CHECKED_COUNTS,
    DistillationWarning,
    check_kept,
    check_rows,
    fit_distiller,
    quality_weights,
    verdict,
)
from .folds import partitions
from .inner_fit import TrainingRows, check_takes_weights, fit_soft
from .label_noise_model import LabelNoiseModel

_N_FOLDS, _N_DRAWS = 4, 2
_MOST_COUNTS = 5  # of a trusted row


class Veto(NamedTuple):
    """Result of the trials of a veto.

    Parameters
    ----------
    stepped_in : bool
        Whether the classifier was fitted on the given labels instead.
    difference, standard_error : float
        Mean difference in AUC on the given labels of unseen patients, with the distiller minus
        without; NaN if the distiller changes nothing, or the data are too few for trials.
    n_trials : int
        Number of trials.
    """

    stepped_in: bool
    difference: float
    standard_error: float
    n_trials: int


class LabelQualityReweighter(FittedInsideMixin, BaseEstimator):
    """Fit a classifier on all rows, in spite of labels that may be wrong.

    A distiller scores how far the label of each row can be trusted. Then the classifier is fitted
    on soft labels, on weighted rows, or on the rows that the distiller keeps.

    Trials before that show whether the distiller hurts: in folds without common patients, the
    classifier is fitted with and without the distiller on the other patients, and both are scored
    by AUC on the *given* labels. If the result with the distiller is worse by more than one
    standard error, the classifier is fitted on the given labels, with a warning.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier whose ``fit`` takes ``sample_weight``, or a pipeline that ends
        in one; for ``use="select"`` any classifier. It gets X unchanged.
    distiller : estimator, default=None
        Any estimator that has ``quality_`` after ``fit(X, y)``; it gets groups and weights if its
        ``fit`` accepts them. None is :class:`~skrobust.LabelNoiseModel`.
    use : {"auto", "relabel", "weight", "select"}, default="auto"
        "relabel": soft labels, the ``row_probabilities_`` of the distiller.
        :class:`~skrobust.NetClassifier` gets them unchanged, other classifiers get every row once
        per class, weighted. "weight": all rows with their own label, weighted by quality
        (:func:`~skrobust.label_noise.quality_weights`). "select": the rows of ``kept_``. "auto" is
        "relabel" if the distiller has ``row_probabilities_``, otherwise "weight".
    veto : bool or classifier, default=True
        Whether to make the trials. A classifier replaces `estimator` in them, which saves time if
        that is slow: they fit it 16 times, and the distiller 8 times.
    n_jobs : int, default=None
        Number of trials at a time.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the trials and, if it has a parameter of that name, the distiller, so that a search
        over the parameters of `estimator` distils once.
    random_state : int, RandomState instance or None, default=None
        Draws the folds of the trials, and seeds random states inside that are None.

    Attributes
    ----------
    estimator_, distiller_ : classifier, estimator
        The fitted classifier and the fitted distiller.
    veto_ : Veto or None
        Result of the trials; None without trials.
    quality_ : ndarray of shape (n_samples,)
        Label quality of the training rows, as the distiller gives it.
    sample_weight_ : ndarray of shape (n_samples,)
        Weight of the given label of every training row, including the weights given to ``fit``.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        Rows whose label the distiller doubts, worst first.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.

    Warns
    -----
    DistillationWarning
        If the distiller is worse in the trials, or there are too few data for trials.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust import LabelQualityReweighter, flip_labels, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(
    ...     40, n_voxels=8, impurity=0, random_state=0, return_X_y_groups=True)
    >>> y, wrong = flip_labels(y, 0.3, random_state=0)
    >>> clf = LabelQualityReweighter(LogisticRegression(C=0.01), random_state=0)
    >>> clf = clf.fit(X, y, groups=patient)
    >>> clf.veto_.stepped_in
    False
    >>> bool(clf.quality_[wrong].mean() < 0.1 and clf.quality_[~wrong].mean() > 0.9)
    True
    """

    __metadata_request__fit = {"groups": True, "trusted": True}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "distiller": [HasMethods(["fit", "get_params"]), None],
        "use": [StrOptions({"auto", "relabel", "weight", "select"})],
        "veto": ["boolean", HasMethods(["fit", "predict"])],
        "n_jobs": [Integral, None],
        "memory": [str, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        distiller=None,
        *,
        use="auto",
        veto=True,
        n_jobs=None,
        memory=None,
        random_state=None,
    ):
        self._keep_params(locals())

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        trusted: ArrayLike | None = None,
    ) -> LabelQualityReweighter:
        """Score the labels, fit the classifier, and return the reweighter.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels, some of which may be wrong.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for the classifier and, if it accepts them, the distiller.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row, for the distiller, the trials and the parts of the
            classifier that accept them.
        trusted : array-like of bool of shape (n_samples,), default=None
            Rows whose label has been checked and is right. They keep their label, and teach the
            distiller, if it accepts them, to judge the other rows. If it estimates probabilities
            (``row_probabilities_``), they count more, the more of the other labels are wrong:
            :math:`1 / (1 - e K / (K - 1))` times with a share e of wrong labels, estimated as the
            mean of 1 - `quality_`, and K classes; at most 5 times.

        Raises
        ------
        ValueError
            If the classifier does not accept ``sample_weight``, the distiller does not have what
            `use` needs, or the input is malformed.
        """
        X, labels, groups = check_rows(self, X, y, groups)
        weight, trusted = sample_weight, check_trusted(trusted, y)
        if weight is not None:
            weight = check_sample_weight(weight, labels, ensure_non_negative=True)
        data = TrainingRows(X, labels, weight, groups, trusted)
        if self.use != "select" or weight is not None:
            check_takes_weights(self.estimator)
        distiller = LabelNoiseModel() if self.distiller is None else self.distiller
        distiller = fill_random_states(clone(distiller), self.random_state)
        if self.memory is not None and getattr(distiller, "memory", self) is None:
            distiller.set_params(memory=self.memory)
        estimator = fill_random_states(clone(self.estimator), self.random_state)
        unfitted = clone(distiller)
        distiller = _distil(distiller, data)
        said = verdict(distiller, len(labels), trusted)
        use = self._use(distiller)
        self.veto_ = self._trials(estimator, unfitted, use, distiller, data)
        if self.veto_ is not None and self.veto_.stepped_in:
            counted = _count_trusted(distiller, use, data)
            self.estimator_ = counted.fit(estimator)
            share = 1.0
        else:
            self.estimator_, share, counted = _fit(estimator, distiller, use, data)
        ones = np.ones(len(labels)) if counted.weight is None else counted.weight
        self.sample_weight_ = share * ones
        self.distiller_, self.quality_, self.noisy_indices_ = distiller, said.quality, said.noisy
        return self

    def _use(self, distiller) -> str:
        """Return how to use the results of the distiller."""
        has_shares = hasattr(distiller, "row_probabilities_")
        if self.use == "relabel" and not has_shares:
            raise ValueError(
                f"use='relabel' needs row_probabilities_, which {type(distiller).__name__} does "
                "not have after fit. Use LabelNoiseModel, or use='weight'."
            )
        return ("relabel" if has_shares else "weight") if self.use == "auto" else self.use

    def _trials(self, estimator, distiller, use, fitted, data) -> Veto | None:
        """Return the result of trials of the distiller, and warn if it is worse."""
        if self.veto is False:
            return None
        if use == "relabel" and (np.asarray(fitted.quality_) > 1 - 1e-9).all():
            return Veto(False, np.nan, np.nan, 0)
        if self.veto is not True:
            estimator = fill_random_states(clone(self.veto), self.random_state)
        if "n_repeats" in distiller.get_params(deep=False):
            distiller.set_params(n_repeats=1)
        differences = cached(self.memory, _differences, ignore=["n_jobs"])(
            estimator=estimator,
            distiller=distiller,
            use=use,
            data=data,
            splits=_trial_folds(data.X, data.y, data.groups, self.random_state),
            n_jobs=self.n_jobs,
        )
        if len(differences) < _N_FOLDS:
            warn(
                f"only {len(differences)} trials with rows of several classes in training and test "
                "could be made, too few to tell whether label quality helps: the given "
                "labels are used. More patients would help; veto=False skips the trials.",
                DistillationWarning,
            )
            return Veto(True, np.nan, np.nan, len(differences))
        mean = float(np.mean(differences))
        error = float(np.std(differences, ddof=1) / np.sqrt(_N_FOLDS))
        if stepped_in := mean < -error:
            warn(
                f"in {len(differences)} trials the AUC on the given labels of unseen patients is "
                f"{mean:+.3f} ± {error:.3f} with label quality, worse than without: the given "
                "labels are used (veto_).",
                DistillationWarning,
            )
        return Veto(bool(stepped_in), mean, error, len(differences))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.distiller is not None and hasattr(self.distiller, "__sklearn_tags__"):
            inside = get_tags(self.distiller).input_tags
            tags.input_tags.sparse &= inside.sparse
            tags.input_tags.allow_nan &= inside.allow_nan
        else:
            tags.input_tags.sparse = False
        return tags


def _distil(distiller, data):
    """Fit a distiller."""
    known = {"groups": data.groups, "sample_weight": data.weight, "trusted": data.trusted}
    return fit_distiller(distiller, data.X, data.y, **known)


def _count_trusted(distiller, use, data) -> TrainingRows:
    """Return the rows with weights that count the trusted ones more, the more others are wrong.

    A share e of wrong labels leaves 1 - e K / (K - 1) of the differences between K classes. Two
    samples estimate these with least error if they are weighted in proportion to that.
    """
    if data.trusted is None or use == "select" or not hasattr(distiller, "row_probabilities_"):
        return data
    quality = verdict(distiller, len(data.y), data.trusted).quality
    n_classes = len(np.unique(data.y))
    wrong = 1 - quality[~data.trusted].mean() if not data.trusted.all() else 0.0
    left = max(1 - wrong * n_classes / (n_classes - 1), 1 / _MOST_COUNTS)
    weight = np.where(data.trusted, 1 / left, 1.0)
    return data._replace(weight=weight if data.weight is None else weight * data.weight)


def _fit(estimator, distiller, use, data):
    """Fit with the results of a distiller; return the classifier, shares and weighted rows.

    The shares are those of the given labels in the weights of their rows.
    """
    data = _count_trusted(distiller, use, data)
    X, y, weight, groups, trusted = data
    said = verdict(distiller, len(y), trusted)
    if use == "relabel":
        shares = distiller.row_probabilities_
        classes, shares = np.asarray(shares.columns), shares.to_numpy()
        if trusted is not None:
            shares = np.where(trusted[:, None], y[:, None] == classes, shares)
        fitted = fit_soft(estimator, X, shares, classes, sample_weight=weight, groups=groups)
        return fitted, said.quality, data
    if use == "weight":
        share = quality_weights(said.quality, y, trusted)
        own = share if weight is None else share * weight
        return data._replace(weight=own).fit(estimator), share, data
    check_kept(distiller, said.kept, y)
    fitted = data.take(np.flatnonzero(said.kept)).fit(estimator)
    return fitted, said.kept.astype(float), data


def _trial_folds(X, y, groups, random_state) -> list[tuple[NDArray, NDArray]]:
    """Return the folds of the trials, without common patients."""
    codes = np.unique(y, return_inverse=True)[1]
    units = np.arange(len(y)) if groups is None else groups
    n_units = [len(np.unique(units[codes == code])) for code in np.unique(codes)]
    n_folds = min(_N_FOLDS, min(n_units))
    if n_folds < 2:
        return []
    repeats = partitions(n_folds, _N_DRAWS, X, codes, groups, random_state)
    return [split for splits in repeats for split in splits]


def _differences(estimator, distiller, use, data, splits, n_jobs) -> list[float]:
    """Return the differences in AUC of all trials that can be made."""
    y = data.y
    results = Parallel(n_jobs=n_jobs)(
        delayed(_trial)(estimator, distiller, use, data, train, test)
        for train, test in splits
        if len(np.unique(y[train])) == len(np.unique(y)) and len(np.unique(y[test])) > 1
    )
    return [difference for difference in results if np.isfinite(difference)]


def _trial(estimator, distiller, use, data, train, test) -> float:
    """Return AUC on given labels of the test rows, with the distiller minus without."""
    known, classes = data.take(train), np.unique(data.y)
    with warnings.catch_warnings():
        # one warning about the labels is given for all of them
        warnings.simplefilter("ignore", DistillationWarning)
        said, _, counted = _fit(clone(estimator), _distil(clone(distiller), known), use, known)
    given = counted.fit(clone(estimator))
    rows = data.take(test)
    return _auc(said, rows, classes) - _auc(given, rows, classes)


def _auc(fitted, rows, classes) -> float:
    """Return the AUC, with more than two classes the mean of one against the rest."""
    X, given = rows.X, rows.y[:, None] == classes
    weight = None if rows.trusted is None else np.where(rows.trusted, CHECKED_COUNTS, 1.0)
    if hasattr(fitted, "predict_proba") or hasattr(fitted, "decision_function"):
        scores = class_scores(fitted, X, classes)
    else:
        scores = np.asarray(fitted.predict(X))[:, None] == classes
    compared = given.any(0) & ~given.all(0)
    if len(classes) == 2:
        compared[0] = False
    return float(roc_auc_score(given[:, compared], scores[:, compared], sample_weight=weight))
