"""Distillers that watch the early epochs of a network."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..neural.net import is_skorch_net, raise_interrupt
from ..utils.sklearn_private import HasMethods, Interval
from .distillers import DistillationWarning, LabelDistiller, keep_best


def epoch_probabilities(
    estimator: BaseEstimator, X: NDArray, codes: NDArray, n_epochs: int, cached: Callable
) -> NDArray:
    """Train for some epochs and predict all training rows after each, in evaluation mode.

    Every epoch is cached by itself, so that more epochs, or fewer, train only what is new.

    Parameters
    ----------
    estimator : classifier
        Unfitted, with ``partial_fit`` (one call is one epoch) and ``predict_proba``. A skorch
        net is run with ``max_epochs=1``.
    X : ndarray of shape (n_samples, ...)
        Training rows.
    codes : ndarray of shape (n_samples,)
        Class of every row, from 0.
    n_epochs : int
        Number of epochs.
    cached : callable
        Wraps a function in a cache, given the names of arguments to ignore.

    Returns
    -------
    probabilities : ndarray of shape (n_epochs, n_samples, n_classes), float32
        Predicted class probabilities.
    """
    if is_skorch_net(estimator):
        estimator.set_params(max_epochs=1)
        X = X.astype(np.float32, copy=False)
    next_epoch = cached(_next_epoch, ignore=("fitted", "X", "codes"))
    key = joblib.hash((type(estimator), estimator.get_params(), X, codes))
    probabilities, fitted = [], estimator
    for epoch in range(n_epochs):
        fitted, proba = next_epoch(fitted, X, codes, key, epoch)
        probabilities.append(proba)
    return np.stack(probabilities)


def _next_epoch(fitted, X, codes, key, epoch):
    # key and epoch say all about the result; the other arguments are not hashed
    classes = np.arange(codes.max() + 1)
    if is_skorch_net(fitted):
        fitted.partial_fit(X, codes.astype(np.int64))
        raise_interrupt(fitted)
    else:
        fitted.partial_fit(X, codes, classes=classes)
    proba = np.asarray(fitted.predict_proba(X), dtype=np.float32)
    if proba.shape != (len(X), len(classes)):
        raise ValueError(
            f"{type(fitted).__name__}.predict_proba returned shape {proba.shape}, expected "
            f"{(len(X), len(classes))}: one column per class."
        )
    return fitted, proba


class CertainSamples(LabelDistiller):
    """Keep the rows that a classifier is certain of in its first epochs (Algorithm 1).

    The classifier is trained for a few epochs. After each, all training rows are predicted; a
    row is certain once its largest class probability reaches `threshold`. The kept set is the
    union over the epochs.

    On small or noisy data a high threshold finds a handful of rows, or none of a class; on easy
    data nearly all. Both are guarded, see `min_certain`, and warned of.

    Parameters
    ----------
    estimator : classifier
        With ``partial_fit``, one call of which is one epoch, and ``predict_proba``:
        :class:`~skrobust.NetClassifier`, ``MLPClassifier``, ``SGDClassifier(loss="log_loss")``,
        a skorch net. The paper uses the network of the final classifier.
    threshold : float in (0, 1], default=0.99
        Certainty from which on a row is kept (theta in the paper).
    max_epochs : int, default=5
        Epochs to train and watch (max_E in the paper).
    agreement : bool, default=False
        Count only certainty of the row's own label. The paper counts any class.
    min_certain : float in [0, 1], default=0.1
        A class of which fewer than this share is certain is topped up to it, and to one row at
        least, by the mean probability of the rows' own label. Not in the paper.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the training epoch by epoch, so that a search over `threshold`, `max_epochs`,
        `agreement` or `min_certain` trains once.
    random_state : int, RandomState instance or None, default=None
        Seeds the random states of `estimator` that are None. With a memory give an int: the first
        draw is kept otherwise.

    Attributes
    ----------
    kept_ : ndarray of shape (n_samples,), bool
        The distilled rows, C in the paper.
    certain_epoch_ : ndarray of shape (n_samples,), int
        First epoch, counted from 1, after which a row was certain; -1 if it never was.
    quality_ : ndarray of shape (n_samples,)
        Mean probability of the row's own label over the epochs.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        Rows whose own label is not the most probable one, the worst first.
    label_probabilities_ : ndarray of shape (n_samples, n_classes)
        Class probabilities, the mean over the epochs.
    epoch_probabilities_ : ndarray of shape (max_epochs, n_samples, n_classes)
        Class probabilities after each epoch.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.
    paper_params : dict
        Class attribute: the paper's settings, beside the estimator.

    Warns
    -----
    DistillationWarning
        If a class had to be topped up, or more than 95% of the rows are kept.

    References
    ----------
    Lu et al., "Human-expert-level brain tumor detection using deep learning with data
    distillation and augmentation", 2020, Algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.preprocessing import scale
    >>> from skrobust import CertainSamples
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> estimator = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=1e-4)
    >>> distiller = CertainSamples(estimator, threshold=0.7, random_state=0).fit(scale(X), y)
    >>> bool(0.1 < distiller.kept_.mean() < 0.95)
    True
    """

    _parameter_constraints: dict = {
        **LabelDistiller._parameter_constraints,
        "estimator": [HasMethods(["partial_fit", "predict_proba"])],
        "threshold": [Interval(Real, 0, 1, closed="right")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "agreement": ["boolean"],
        "min_certain": [Interval(Real, 0, 1, closed="both")],
    }

    paper_params = {"threshold": 0.99, "max_epochs": 5, "agreement": False, "min_certain": 0.0}

    def __init__(
        self,
        estimator,
        *,
        threshold=0.99,
        max_epochs=5,
        agreement=False,
        min_certain=0.1,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.threshold = threshold
        self.max_epochs = max_epochs
        self.agreement = agreement
        self.min_certain = min_certain
        self.memory = memory
        self.random_state = random_state

    def _score(self, X, codes, groups):
        self.epoch_probabilities_ = epoch_probabilities(
            self._seeded_estimator(), X, codes, self.max_epochs, self._cached
        )
        return self.epoch_probabilities_.mean(0)

    def _select(self, codes):
        probabilities = self.epoch_probabilities_
        certain = probabilities.max(2) >= self.threshold
        if self.agreement:
            certain &= probabilities.argmax(2) == codes
        kept = certain.any(0)
        self.certain_epoch_ = np.where(kept, certain.argmax(0) + 1, -1)
        kept = self._top_up(kept, codes)
        if kept.mean() > 0.95:
            warnings.warn(
                f"{kept.mean():.1%} of the rows reached certainty {self.threshold} within "
                f"{self.max_epochs} epochs, so that hardly any is left out. Raise threshold, lower "
                "max_epochs, or use OutOfFoldLabelQuality.",
                DistillationWarning,
                stacklevel=5,
            )
        return kept

    def _top_up(self, kept: NDArray, codes: NDArray) -> NDArray:
        kept, reports = kept.copy(), []
        for code, label in enumerate(self.classes_):
            rows = np.flatnonzero(codes == code)
            n_certain = int(kept[rows].sum())
            n_needed = max(1, int(np.ceil(self.min_certain * len(rows))))
            if n_certain < n_needed:
                others = rows[~kept[rows]]
                best = np.argsort(-self.quality_[others], kind="stable")
                kept[others[best[: n_needed - n_certain]]] = True
                reports.append(f"{n_certain} of {len(rows)} of class {label}, now {n_needed}")
        if reports:
            warnings.warn(
                f"too few rows reached certainty {self.threshold} within {self.max_epochs} epochs "
                f"({'; '.join(reports)}): the most probable rows of the class were added. Lower "
                "threshold, raise max_epochs or the learning rate, or use OutOfFoldLabelQuality.",
                DistillationWarning,
                stacklevel=6,
            )
        return kept


class EarlyLabelQuality(LabelDistiller):
    """Keep the rows whose own label is most probable in the first epochs of training.

    Networks learn right labels before wrong ones; a few epochs in, a wrong label is still
    improbable. Unlike :class:`CertainSamples` the share of kept rows is fixed, for every class.

    Parameters
    ----------
    estimator : classifier
        With ``partial_fit``, one call of which is one epoch, and ``predict_proba``.
    max_epochs : int, default=3
        Epochs over which the probability of the own label is averaged.
    keep : float in (0, 1], default=0.7
        Share of every class to keep.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the training epoch by epoch, so that a search over `keep` and `max_epochs`
        trains once.
    random_state : int, RandomState instance or None, default=None
        Seeds the random states of `estimator` that are None. With a memory give an int: the first
        draw is kept otherwise.

    Attributes
    ----------
    kept_ : ndarray of shape (n_samples,), bool
        The kept rows.
    quality_ : ndarray of shape (n_samples,)
        Mean probability of the row's own label over the epochs.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        Rows whose own label is not the most probable one, the worst first.
    label_probabilities_ : ndarray of shape (n_samples, n_classes)
        Class probabilities, the mean over the epochs.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.

    References
    ----------
    Beyond the paper; the observation is that of Arpit et al., "A closer look at memorization in
    deep networks", ICML 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from skrobust import EarlyLabelQuality
    >>> X, y = load_iris(return_X_y=True)
    >>> distiller = EarlyLabelQuality(MLPClassifier(), keep=0.8, random_state=0).fit(X, y)
    >>> int(distiller.kept_.sum())
    120
    """

    _parameter_constraints: dict = {
        **LabelDistiller._parameter_constraints,
        "estimator": [HasMethods(["partial_fit", "predict_proba"])],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "keep": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(self, estimator, *, max_epochs=3, keep=0.7, memory=None, random_state=None):
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.keep = keep
        self.memory = memory
        self.random_state = random_state

    def _score(self, X, codes, groups):
        return epoch_probabilities(
            self._seeded_estimator(), X, codes, self.max_epochs, self._cached
        ).mean(0)

    def _select(self, codes):
        return keep_best(self.quality_, codes, self.keep)
