"""Distillers that use the early epochs of a network."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from ..neural.net import is_skorch_net, raise_interrupt
from ..utils.caching import fingerprint
from ..utils.scores import class_scores
from ..utils.sklearn_private import HasMethods, Interval
from ..utils.validation import warn
from .distillers import KEEP_CONSTRAINTS, DistillationWarning, LabelDistiller


class _Training:
    """Trains epoch by epoch, as far as needed, and predicts all training rows after each."""

    def __init__(self, estimator, X, y):
        self.fitted, self.X, self.y = estimator, X, y
        self.classes, codes = np.unique(y, return_inverse=True)
        self.is_net = is_skorch_net(estimator)
        if self.is_net:  # a net of skorch itself: one call is max_epochs, y are codes
            estimator.set_params(max_epochs=1)
            self.X, self.y = np.asarray(X, dtype=np.float32), codes.astype(np.int64)
            self.classes = np.arange(len(self.classes))
        self.done: list[NDArray] = []

    def epoch(self, number: int) -> NDArray:
        """Return the class probabilities after an epoch, counted from 0."""
        while len(self.done) <= number:
            if self.is_net:
                self.fitted.partial_fit(self.X, self.y)
                raise_interrupt(self.fitted)
            else:
                self.fitted.partial_fit(self.X, self.y, classes=self.classes)
            probabilities = class_scores(self.fitted, self.X, self.classes)
            self.done.append(probabilities.astype(np.float32))
        return self.done[number]


def _epoch(training, key, epoch) -> NDArray:
    """Return the probabilities after an epoch; they depend on key and epoch only."""
    return training.epoch(epoch)


class _EarlyDistiller(LabelDistiller):
    """Base of both distillers: probabilities epoch by epoch, each cached separately."""

    def _epoch_probabilities(self, X, codes) -> NDArray:
        """Return class probabilities after every epoch, (max_epochs, n_samples, n_classes)."""
        training = _Training(self._seeded_estimator(), X, self.classes_[codes])
        start = (training.fitted, X, training.y)
        # the given estimator; once for all epochs
        key = None if self.memory is None else fingerprint(start)
        epoch = self._cached(_epoch, ignore=["training"])
        return np.stack(
            [epoch(training=training, key=key, epoch=e) for e in range(self.max_epochs)]
        )


class CertainSamples(_EarlyDistiller):
    """Keep the rows that a classifier is certain of in its first epochs (Algorithm 1).

    The classifier is trained for a few epochs. After each, all training rows are predicted; a
    row is certain once its largest class probability reaches `threshold`. The kept set is the
    union over the epochs.

    On small or noisy data a high threshold finds only a handful of rows, or none of a class; on
    easy data nearly all. In both cases there is a warning, and `min_certain` limits the first.

    Parameters
    ----------
    estimator : classifier
        With ``partial_fit``, one call of which is one epoch, and ``predict_proba``:
        :class:`~skrobust.NetClassifier`, ``MLPClassifier``, ``SGDClassifier(loss="log_loss")``,
        a skorch net. The paper uses the network of the final classifier.
    threshold : float in (0, 1], default=0.99
        Smallest certainty of a kept row (theta in the paper).
    max_epochs : int, default=5
        Epochs to train and watch (max_E in the paper).
    agreement : bool, default=False
        Count only certainty of the row's own label. The paper counts any class.
    min_certain : float in [0, 1], default=0.1
        Smallest share of every class to keep. If fewer rows are certain, the rows with the highest
        mean probability of their own label are added, at least one. Not in the paper.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the training epoch by epoch, so that a search over `threshold`, `max_epochs`,
        `agreement` or `min_certain` trains once.
    random_state : int, RandomState instance or None, default=None
        Seeds the random states of `estimator` that are None. With a memory use an int: otherwise
        the first draw is reused.

    Attributes
    ----------
    kept_ : ndarray of shape (n_samples,), bool
        The distilled rows, C in the paper.
    certain_epoch_ : ndarray of shape (n_samples,), int
        First epoch, counted from 1, after which a row was certain; -1 if it never was.
    quality_ : ndarray of shape (n_samples,)
        Mean probability of the row's own label over the epochs.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        Rows whose own label is less probable than it is on average in its class, and another at
        least as probable as on average in its class; the worst first.
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
        Class attribute: the paper's settings, without the estimator.

    Warns
    -----
    DistillationWarning
        If rows had to be added to a class, or more than 95% of the rows are kept.

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
        self.epoch_probabilities_ = self._epoch_probabilities(X, codes)
        return self.epoch_probabilities_.mean(0)

    def _select(self, codes, groups):
        probabilities = self.epoch_probabilities_
        certain = probabilities.max(2) >= self.threshold
        if self.agreement:
            certain &= probabilities.argmax(2) == codes
        kept = certain.any(0)
        self.certain_epoch_ = np.where(kept, certain.argmax(0) + 1, -1)
        kept = self._top_up(kept, codes)
        if kept.mean() > 0.95:
            warn(
                f"{kept.mean():.1%} of the rows reached certainty {self.threshold} within "
                f"{self.max_epochs} epochs, so that hardly any is left out. Raise threshold, lower "
                "max_epochs, or use OutOfFoldLabelQuality.",
                DistillationWarning,
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
            warn(
                f"too few rows reached certainty {self.threshold} within {self.max_epochs} epochs "
                f"({'; '.join(reports)}): the most probable rows of the class were added. Lower "
                "threshold, raise max_epochs or the learning rate, or use OutOfFoldLabelQuality.",
                DistillationWarning,
            )
        return kept


class EarlyLabelQuality(_EarlyDistiller):
    """Keep the rows whose own label is most probable in the first epochs of training.

    Networks learn right labels before wrong ones; after a few epochs a wrong label is still
    improbable. Unlike :class:`CertainSamples` the share of kept rows is fixed, for every class.

    Parameters
    ----------
    estimator : classifier
        With ``partial_fit``, one call of which is one epoch, and ``predict_proba``.
    max_epochs : int, default=3
        Epochs over which the probability of the own label is averaged.
    keep : float in (0, 1] or dict, default=0.7
        Share of every class to keep; a dict gives it by class, and keeps classes that it does not
        name whole.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the training epoch by epoch, so that a search over `keep` and `max_epochs`
        trains once.
    random_state : int, RandomState instance or None, default=None
        Seeds the random states of `estimator` that are None. With a memory use an int: otherwise
        the first draw is reused.

    Attributes
    ----------
    kept_ : ndarray of shape (n_samples,), bool
        The kept rows.
    quality_ : ndarray of shape (n_samples,)
        Mean probability of the row's own label over the epochs.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        Rows whose own label is less probable than it is on average in its class, and another at
        least as probable as on average in its class; the worst first.
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
        "keep": KEEP_CONSTRAINTS,
    }

    def __init__(self, estimator, *, max_epochs=3, keep=0.7, memory=None, random_state=None):
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.keep = keep
        self.memory = memory
        self.random_state = random_state

    def _score(self, X, codes, groups):
        self._keep_of_classes()
        return self._epoch_probabilities(X, codes).mean(0)
