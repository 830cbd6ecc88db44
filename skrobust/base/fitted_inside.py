"""Fitting and using an estimator inside another."""

from __future__ import annotations

from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import column_or_1d, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from ..utils.targets import check_class_labels, is_soft_labels
from .state import VersionedState


def _estimator_has(method: str):
    def check(self):
        getattr(self._inside(), method)
        return True

    return check


def check_labels(y: ArrayLike) -> ArrayLike:
    """Return `y` as given, or flattened with scikit-learn's warning; refuse missing labels."""
    if y is None or is_soft_labels(y):
        return y
    values = check_class_labels(y)
    if values.ndim == 2:
        return column_or_1d(values, warn=True)
    return values if type(y).__module__.split(".")[0] == "polars" else y


def require_sample_weight(estimator) -> None:
    """Raise if a classifier cannot be weighted."""
    if not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"{type(estimator).__name__}.fit takes no sample_weight, so that rows cannot be "
            "weighted. Use another classifier, or select rows with "
            "DistillMixAugmenter(strategy=None)."
        )


def fit_weighted(estimator, X: ArrayLike, y: ArrayLike, weight: NDArray, groups):
    """Fit a classifier with weights, and with groups if there are any and it takes them."""
    passed = {}
    if groups is not None and has_fit_parameter(estimator, "groups"):
        passed["groups"] = groups
    return estimator.fit(X, y, sample_weight=weight, **passed)


class FittedInsideMixin(VersionedState, MetaEstimatorMixin, ClassifierMixin):
    """Adds the prediction methods of ``estimator_`` to a meta-classifier."""

    @property
    def classes_(self) -> NDArray:
        """Class labels."""
        return self.estimator_.classes_

    @property
    def n_features_in_(self) -> int:
        """Size of the second axis of X."""
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> NDArray:
        """Column names, when X had them."""
        return self.estimator_.feature_names_in_

    def _inside(self):
        """Return the classifier that predicts: fitted, or as it was given."""
        return getattr(self, "estimator_", self.estimator)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the predicted class of every row."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return class probabilities."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return decision scores."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inside = get_tags(self._inside())
        tags.classifier_tags = inside.classifier_tags
        tags.input_tags = inside.input_tags
        return tags
