"""Distillers that use the early epochs of a network."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from ..neural.net import is_skorch_net, raise_interrupt
from ..neural.net_estimator import with_shared_docs
from ..utils.caching import fingerprint
from ..utils.scores import class_scores
from ..utils.sklearn_private import HasMethods, Interval
from ..utils.validation import warn
from .distillers import KEEP_CONSTRAINTS, DistillationWarning, LabelDistiller


def _train(estimator, X, y) -> Iterator[NDArray]:
    """Train epoch by epoch, and yield the class probabilities of all rows after each."""
    classes, codes = np.unique(y, return_inverse=True)
    known = {"classes": classes}
    is_net = is_skorch_net(estimator)
    if is_net:  # a net of skorch itself: one call is max_epochs, y are codes
        estimator.set_params(max_epochs=1)
        X, y = np.asarray(X, dtype=np.float32), codes.astype(np.int64)
        classes, known = np.arange(len(classes)), {}
    while True:
        estimator.partial_fit(X, y, **known)
        if is_net:
            raise_interrupt(estimator)
        yield class_scores(estimator, X, classes).astype(np.float32)


def _epoch(training, done, key, epoch) -> NDArray:
    """Return the probabilities after an epoch, for which it trains as far as needed."""
    while len(done) <= epoch:
        done.append(next(training))
    return done[epoch]


class _EarlyDistiller(LabelDistiller):
    """Base of both distillers: probabilities epoch by epoch, each cached separately."""

    _parameter_constraints: dict = {
        **LabelDistiller._parameter_constraints,
        "estimator": [HasMethods(["partial_fit", "predict_proba"])],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
    }

    def _epoch_probabilities(self, X, codes) -> NDArray:
        """Return class probabilities after every epoch, (max_epochs, n_samples, n_classes)."""
        start = (self._seeded_estimator(), X, self.classes_[codes])
        # of the given estimator, once for all epochs
        key = None if self.memory is None else fingerprint(start)
        look_up = self._cached(_epoch, ignore=["training", "done"])
        shared = {"training": _train(*start), "done": [], "key": key}
        return np.stack([look_up(**shared, epoch=epoch) for epoch in range(self.max_epochs)])


@with_shared_docs
class CertainSamples(_EarlyDistiller):
    """Keep the rows that a classifier is certain of in its first epochs.

    This is Algorithm 1 of the paper of :class:`~skrobust.DistillMixAugmenter`. A row is certain
    once its largest class probability after an epoch reaches `threshold`. The rows that were
    certain after any epoch are kept: on small or noisy data a handful, on easy data nearly all.

    Parameters
    ----------
    estimator : classifier
        With ``partial_fit``, one call of which is one epoch, and ``predict_proba``, such as
        :class:`~skrobust.NetClassifier`. The paper uses the network of the final classifier.
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
        Caches the training by epochs: a search over the above, save `estimator`, trains once.
    <random_state>

    Attributes
    ----------
    certain_epoch_ : ndarray of shape (n_samples,), int
        First epoch, counted from 1, after which a row was certain; -1 if it never was.
    quality_, label_probabilities_ : ndarray of shape (n_samples,) and (n_samples, n_classes)
        Probability of the row's own label, and of all classes: means over the epochs.
    epoch_probabilities_ : ndarray of shape (max_epochs, n_samples, n_classes)
        Class probabilities after each epoch.
    <shared attributes>
    paper_params : dict
        Class attribute: the paper's settings, without the estimator.

    Warns
    -----
    DistillationWarning
        If rows had to be added to a class, or more than 95% of the rows are kept.

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
        **_EarlyDistiller._parameter_constraints,
        "threshold": [Interval(Real, 0, 1, closed="right")],
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
        self._keep_params(locals())

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
        self._top_up(kept, codes)
        if kept.mean() > 0.95:
            warn(
                f"{kept.mean():.1%} of the rows reached certainty {self.threshold} within "
                f"{self.max_epochs} epochs, so that hardly any is left out. Raise threshold, lower "
                "max_epochs, or use OutOfFoldLabelQuality.",
                DistillationWarning,
            )
        return kept

    def _top_up(self, kept: NDArray, codes: NDArray) -> None:
        """Add the most probable rows of classes with too few certain ones, with a warning."""
        reports = []
        for code, label in enumerate(self.classes_):
            rows = np.flatnonzero(codes == code)
            n_certain = int(kept[rows].sum())
            n_needed = max(1, int(np.ceil(self.min_certain * len(rows))))
            if n_certain < n_needed:
                best = rows[np.lexsort((-self.quality_[rows], ~kept[rows]))]
                kept[best[:n_needed]] = True
                reports.append(f"{n_certain} of {len(rows)} of class {label}, now {n_needed}")
        if reports:
            warn(
                f"too few rows reached certainty {self.threshold} within {self.max_epochs} epochs "
                f"({'; '.join(reports)}): the most probable rows of the class were added. Lower "
                "threshold, raise max_epochs or the learning rate, or use OutOfFoldLabelQuality.",
                DistillationWarning,
            )


@with_shared_docs
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
    <keep>
    memory : str or object with the joblib.Memory interface, default=None
        Caches the training by epochs: a search over the above, save `estimator`, trains once.
    <random_state>

    Attributes
    ----------
    quality_, label_probabilities_ : ndarray of shape (n_samples,) and (n_samples, n_classes)
        Probability of the row's own label, and of all classes: means over the epochs.
    <shared attributes>

    References
    ----------
    Arpit et al., "A closer look at memorization in deep networks", ICML 2017.

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
        **_EarlyDistiller._parameter_constraints,
        "keep": KEEP_CONSTRAINTS,
    }

    def __init__(self, estimator, *, max_epochs=3, keep=0.7, memory=None, random_state=None):
        self._keep_params(locals())

    def _score(self, X, codes, groups):
        self._keep_of_classes()
        return self._epoch_probabilities(X, codes).mean(0)
