"""Ready scorers, callable as ``scorer(estimator, X, y)`` and accepted as ``scoring=``.

==========================  ====================================================================
``group_accuracy_scorer``   :func:`~skrobust.evaluation.scores`; needs ``groups``
``group_roc_auc_scorer``    :func:`~skrobust.evaluation.scores`; needs ``groups``
``macro_recall_scorer``     mean recall of the classes that the test rows have
``rank_5_accuracy_scorer``  :func:`~skrobust.evaluation.scores` of a pipeline that ends
                            in a ``KNeighborsClassifier``, whatever its ``n_neighbors``
``roc_auc_scorer``          AUC over rows; mean one-vs-rest AUC with more than two classes
``sensitivity_scorer``      share of the rows of ``classes_[1]`` that are predicted so
``specificity_scorer``      share of the other rows that are not predicted as ``classes_[1]``
==========================  ====================================================================

The group scorers get ``groups`` in ``GridSearchCV`` and ``cross_validate`` by scikit-learn's
metadata routing, which they request by default. AUC and group scorers use ``predict_proba``, else
the softmax of ``decision_function``. With more than two classes sensitivity and specificity are
the unweighted mean over classes. A class absent from the test rows is left out of every mean;
where nothing is left the score is NaN, with scikit-learn's ``UndefinedMetricWarning``.

Examples
--------
>>> from sklearn.svm import SVC
>>> from skrobust.evaluation import group_accuracy_scorer
>>> X, y, groups = [[0.0], [0.2], [0.9], [1.0]], [0, 0, 1, 1], ["a", "a", "b", "b"]
>>> group_accuracy_scorer(SVC().fit(X, y), X, y, groups=groups)
1.0
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from imblearn.metrics import sensitivity_score, specificity_score
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn import config_context
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d

from ..utils.sklearn_private import BaseScorer, training_labels
from .scores import (
    class_recall_score,
    group_accuracy_score,
    group_roc_auc_score,
    macro_roc_auc,
    rank_k_accuracy_score,
)

__all__ = [
    "group_accuracy_scorer",
    "group_roc_auc_scorer",
    "macro_recall_scorer",
    "rank_5_accuracy_scorer",
    "roc_auc_scorer",
    "sensitivity_scorer",
    "specificity_scorer",
]


def _call_method(estimator: Any, method: str, X: ArrayLike, **kwargs: Any) -> NDArray:
    return getattr(estimator, method)(X)


def _full_proba(response: NDArray, method: str, classes: NDArray) -> NDArray:
    """Bring a response, of whichever layout, to one column per class."""
    response = np.asarray(response, dtype=float)
    if response.ndim == 1 and method == "predict_proba":
        response = np.column_stack([1 - response, response])
    elif method == "decision_function":
        if response.ndim == 1:
            response = np.column_stack([np.zeros(len(response)), response])
        response = softmax(response, axis=1)
    if response.shape[1] != len(classes):
        raise ValueError(
            f"{method} gave {response.shape[1]} columns for {len(classes)} classes. The scorer "
            "needs one column per class; an SVC needs decision_function_shape='ovr'."
        )
    return response


class _ClassScorer(BaseScorer):
    """Scorer that sees every class: labels are the estimator's and those of the test rows.

    ``score_func(y_true, response, *, labels)`` gets the predicted labels, or one column of
    probabilities for each of `labels`; a class that the estimator never saw has probability 0.
    """

    def __init__(
        self,
        score_func: Callable[..., float],
        response_method: tuple[str, ...],
        needs_groups: bool = False,
    ) -> None:
        super().__init__(score_func, 1, {}, response_method)
        self._needs_groups = needs_groups
        with config_context(enable_metadata_routing=True):
            self.set_score_request(**({"groups": True} if needs_groups else {}))

    def __call__(self, estimator: Any, X: ArrayLike, y_true: ArrayLike, **kwargs: Any) -> float:
        """Score `estimator` on `X`; needs no metadata routing, unlike other scorers."""
        return self._score(_call_method, estimator, X, y_true, **kwargs)

    def _score(
        self,
        method_caller: Callable[..., NDArray],
        estimator: Any,
        X: ArrayLike,
        y_true: ArrayLike,
        **kwargs: Any,
    ) -> float:
        if self._needs_groups and kwargs.get("groups") is None:
            raise ValueError(
                f"{self!r} needs groups, one per row. Call "
                "sklearn.set_config(enable_metadata_routing=True) and pass groups: "
                "search.fit(X, y, groups=groups), cross_validate(..., params={'groups': "
                "groups}) or scorer(estimator, X, y, groups=groups)."
            )
        method = self._pick_method(estimator)
        y_true = column_or_1d(y_true)
        labels = np.union1d(estimator.classes_, y_true)
        response = method_caller(estimator, method, X, pos_label=None)
        if method != "predict":
            proba = np.zeros((len(y_true), len(labels)))
            seen = np.searchsorted(labels, estimator.classes_)
            proba[:, seen] = _full_proba(response, method, estimator.classes_)
            response = proba
        return self._score_func(y_true, response, labels=labels, **kwargs)

    def _pick_method(self, estimator: Any) -> str:
        if not hasattr(estimator, "classes_"):
            raise TypeError(
                f"{self!r} scores fitted classifiers, with classes_; "
                f"{type(estimator).__name__} has none. Fit it first, or use a classifier."
            )
        for method in self._response_method:
            if hasattr(estimator, method):
                return method
        raise TypeError(
            f"{type(estimator).__name__} has none of {list(self._response_method)}, which {self!r} "
            "needs. Use a classifier that has one."
        )

    def __repr__(self) -> str:
        return f"{self._score_func.__name__.strip('_')}_scorer"


def _undefined(name: str, reason: str) -> float:
    warnings.warn(
        f"{reason} in y_true: {name} is not defined, NaN is returned.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return float("nan")


def _group_accuracy(
    y_true: NDArray, y_score: NDArray, *, labels: NDArray, groups: ArrayLike
) -> float:
    return group_accuracy_score(y_true, y_score, groups, labels=labels)


def _group_roc_auc(
    y_true: NDArray, y_score: NDArray, *, labels: NDArray, groups: ArrayLike
) -> float:
    if len(np.unique(y_true)) < 2:
        return _undefined("the ROC AUC", "Only one class is present")
    return group_roc_auc_score(y_true, y_score, groups, labels=labels)


def _macro_recall(y_true: NDArray, y_pred: NDArray, *, labels: NDArray) -> float:
    return class_recall_score(y_true, y_pred)


def rank_5_accuracy_scorer(estimator: Any, X: ArrayLike, y_true: ArrayLike) -> float:
    """Score the five training rows that a pipeline's last step finds nearest.

    Parameters
    ----------
    estimator : estimator
        A fitted :class:`~sklearn.neighbors.KNeighborsClassifier`, or a pipeline that ends in one.
    X : array-like of shape (n_samples, ...)
        Test rows.
    y_true : array-like of shape (n_samples,)
        Their labels.

    Returns
    -------
    score : float
        Share of the test rows with a row of their class among the five.

    Raises
    ------
    TypeError
        If the last step has no neighbours.
    """
    last = estimator
    if isinstance(estimator, Pipeline):
        X, last = estimator[:-1].transform(X), estimator[-1]
    if not isinstance(last, KNeighborsClassifier):
        raise TypeError(
            f"rank_5_accuracy_scorer needs a KNeighborsClassifier as the last step, which "
            f"{type(last).__name__} is not."
        )
    nearest = last.kneighbors(X, n_neighbors=5, return_distance=False)
    return rank_k_accuracy_score(y_true, training_labels(last)[nearest], k=5)


def _roc_auc(y_true: NDArray, y_score: NDArray, *, labels: NDArray) -> float:
    return macro_roc_auc(y_true, y_score, labels)


def _sensitivity(y_true: NDArray, y_pred: NDArray, *, labels: NDArray) -> float:
    scored = labels[-1:] if len(labels) == 2 else np.unique(y_true)
    if not np.isin(scored, y_true).all():
        return _undefined("sensitivity", f"No row of class {scored.tolist()[0]!r}")
    return float(np.mean(sensitivity_score(y_true, y_pred, labels=scored, average=None)))


def _specificity(y_true: NDArray, y_pred: NDArray, *, labels: NDArray) -> float:
    scored = labels[-1:] if len(labels) == 2 else np.unique(y_true)
    if np.isin(y_true, scored).all() and len(scored) == 1:
        return _undefined("specificity", f"No row of a class other than {scored.tolist()[0]!r}")
    return float(np.mean(specificity_score(y_true, y_pred, labels=scored, average=None)))


_PROBA = ("predict_proba", "decision_function")

group_accuracy_scorer = _ClassScorer(_group_accuracy, _PROBA, needs_groups=True)
group_roc_auc_scorer = _ClassScorer(_group_roc_auc, _PROBA, needs_groups=True)
macro_recall_scorer = _ClassScorer(_macro_recall, ("predict",))
roc_auc_scorer = _ClassScorer(_roc_auc, _PROBA)
sensitivity_scorer = _ClassScorer(_sensitivity, ("predict",))
specificity_scorer = _ClassScorer(_specificity, ("predict",))
