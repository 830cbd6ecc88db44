"""The paper's distiller: rows that an early network is certain of."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from ..utils.sklearn_private import HasMethods, Interval
from .epoch_probabilities import epoch_probabilities
from .label_distiller import DistillationWarning, LabelDistiller


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
