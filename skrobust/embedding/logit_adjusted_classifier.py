"""Any classifier with its preference for frequent classes taken away."""

from __future__ import annotations

from numbers import Real

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, clone
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from ..base.fitted_inside import FittedInsideMixin, check_labels
from ..base.state import fit_context
from ..utils.scores import class_scores
from ..utils.sklearn_private import HasMethods, Interval, check_sample_weight
from ..utils.targets import check_soft_labels, encode_labels, is_soft_labels, one_hot


class LogitAdjustedClassifier(FittedInsideMixin, BaseEstimator):
    r"""Divide the probabilities of a classifier by the class shares, for rare classes.

    .. math::

        p'(c \mid x) = \frac{p(c \mid x) \, \pi_c^{-\tau}}{\sum_k p(k \mid x) \, \pi_k^{-\tau}}

    with the shares :math:`\pi` of the classes among the training rows. With :math:`\tau = 1` these
    are the probabilities for equally frequent classes, and the predicted class is the best for the
    mean recall, if the probabilities of the classifier are right.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``. Its probabilities should follow the class shares: do not set
        ``class_weight``, `balanced_batches` or `logit_adjustment`, which would count twice.
    tau : float >= 0, default=1.0
        Strength; 0 changes nothing.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    prior_ : ndarray of shape (n_classes,)
        :math:`\pi`, weighted by the ``sample_weight`` that the classifier got.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.

    References
    ----------
    A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 9.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust import LogitAdjustedClassifier, class_recall_score
    >>> X, y = load_digits(return_X_y=True)
    >>> train = [i for i in range(900) if y[i] or i < 60]  # few zeros
    >>> clf = LogitAdjustedClassifier(LogisticRegression(C=5e-4, max_iter=1000))
    >>> labels = clf.fit(X[train], y[train]).predict(X[900:])
    >>> round(class_recall_score(y[900:], labels, classes=[0]), 2)  # 0.12 if not adjusted
    0.98
    """

    # the weights are those of the classifier, which requests them
    __metadata_request__fit = {"sample_weight": UNUSED}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "tau": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, estimator, tau=1.0):
        self.estimator = estimator
        self.tau = tau

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **fit_params
    ) -> LogitAdjustedClassifier:
        """Fit the classifier, count the classes, and return the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or soft labels if the classifier takes them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for the classifier and the class shares.
        **fit_params : dict
            Passed to ``fit`` of the classifier; with metadata routing what it has requested.

        Raises
        ------
        ValueError
            If the input is malformed, or a class has no weight.
        """
        passed = {} if sample_weight is None else {"sample_weight": sample_weight}
        passed |= fit_params
        if sklearn.get_config()["enable_metadata_routing"]:
            passed = process_routing(self, "fit", **passed).estimator.fit
        y = check_labels(y)
        estimator = clone(self.estimator).fit(X, y, **passed)
        self.prior_ = _class_shares(y, estimator.classes_, passed.get("sample_weight"))
        self.estimator_ = estimator
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return adjusted class probabilities of shape (n_samples, n_classes)."""
        check_is_fitted(self)
        proba = class_scores(self.estimator_, X, self.classes_)
        with np.errstate(divide="ignore"):  # the logarithm of zero
            return softmax(np.log(proba) - self.tau * np.log(self.prior_), axis=1)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the class with the largest adjusted probability for every row."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    @property
    def decision_function(self):
        """Missing: that of the classifier is not adjusted."""
        raise AttributeError(
            "LogitAdjustedClassifier has no decision_function, since that of the classifier inside "
            "is not adjusted. Use predict_proba."
        )

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata from ``fit`` to ``fit`` of the classifier."""
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)


def _class_shares(y: ArrayLike, classes: NDArray, sample_weight: ArrayLike | None) -> NDArray:
    """Return the share of every class in the weight of the rows."""
    if is_soft_labels(y):
        mass = check_soft_labels(y)[0]
    else:
        mass = one_hot(encode_labels(np.asarray(y), classes, "y"), len(classes))
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, mass, ensure_non_negative=True)
        mass = mass * weight[:, None]
    totals = mass.sum(0)
    if (totals == 0).any():
        raise ValueError(
            f"the class {classes[totals.argmin()]!r} has no weight in y, so that its share is zero "
            "and nothing can be divided by it. Leave it out of y, or give it weight."
        )
    return totals / totals.sum()
