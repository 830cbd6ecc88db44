"""Label quality from the first epochs of training."""

from __future__ import annotations

from numbers import Integral, Real

from ..utils.sklearn_private import HasMethods, Interval
from .epoch_probabilities import epoch_probabilities
from .label_distiller import LabelDistiller
from .selection import keep_best


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
