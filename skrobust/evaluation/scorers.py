"""Ready scorers, callable as ``scorer(estimator, X, y)`` and accepted as ``scoring=``.

- ``group_accuracy_scorer``, ``group_roc_auc_scorer``: :func:`~skrobust.group_accuracy_score` and
  :func:`~skrobust.group_roc_auc_score`; need ``groups``
- ``macro_recall_scorer``: mean recall of the classes in the test rows
- ``rank_5_accuracy_scorer``: :func:`~skrobust.rank_k_accuracy_score` of a pipeline that ends in a
  ``KNeighborsClassifier``, whatever its ``n_neighbors``
- ``roc_auc_scorer``: AUC over rows; mean one-vs-rest AUC with more than two classes
- ``sensitivity_scorer``: share of the rows of the positive class that are predicted positive
- ``specificity_scorer``: share of the other rows that are not predicted positive

:func:`make_class_scorer` makes others: with a positive class of your choice, and of groups
(patients) instead of rows.

The group scorers request ``groups`` by scikit-learn's metadata routing. AUC and group scorers use
``predict_proba``, else the softmax of ``decision_function``. With more than two classes sensitivity
and specificity are the unweighted mean over classes. A class absent from the test rows is left out
of every mean; where nothing is left the score is NaN, with an ``UndefinedMetricWarning``.

Examples
--------
>>> from sklearn.svm import SVC
>>> from skrobust.evaluation import group_accuracy_scorer
>>> X, y, groups = [[0.0], [0.2], [0.9], [1.0]], [0, 0, 1, 1], ["a", "a", "b", "b"]
>>> group_accuracy_scorer(SVC().fit(X, y), X, y, groups=groups)
1.0
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from imblearn.metrics import sensitivity_score, specificity_score
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from ..utils.scores import class_scores
from ..utils.sklearn_private import BaseScorer, training_labels
from ..utils.targets import check_class_labels
from ..utils.validation import warn
from .scores import (
    by_group,
    check_pos_label,
    class_recall_score,
    macro_roc_auc,
    rank_k_accuracy_score,
)


class Responses:
    """A fitted classifier whose predictions come from ``respond(method, X)``."""

    def __init__(self, estimator: Any, respond: Callable[[str, Any], NDArray]):
        self._estimator, self._respond = estimator, respond

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._estimator, name)
        if name not in ("predict", "predict_proba", "decision_function"):
            return value
        answer = partial(self._respond, name)
        answer.__name__ = name  # scikit-learn asks for it
        return answer


class ClassScorer(BaseScorer):
    """Scorer that knows every class: those of the estimator and those of the test rows.

    ``score_func`` gets the predicted labels, or one column of probabilities for each of `labels`; a
    class unknown to the estimator has probability 0.
    """

    def __init__(self, score_func, needs_proba: bool, level: str = "row", pos_label: Any = None):
        methods = ("predict_proba", "decision_function") if needs_proba else ("predict",)
        super().__init__(score_func, 1, {}, methods)
        self.metric, self.level, self.pos_label = score_func.__name__[1:], level, pos_label
        with config_context(enable_metadata_routing=True):
            self.set_score_request(**({"groups": True} if level == "group" else {}))

    def __call__(self, estimator: Any, X: ArrayLike, y_true: ArrayLike, **kwargs: Any) -> float:
        """Score `estimator` on `X`; needs no metadata routing, unlike other scorers."""
        return self._score(
            lambda model, method, X, **_: getattr(model, method)(X), estimator, X, y_true, **kwargs
        )

    def _score(self, method_caller, estimator, X, y_true, groups=None) -> float:
        if self.level == "group" and groups is None:
            raise ValueError(
                f"{self!r} needs groups, one per row. Call "
                "sklearn.set_config(enable_metadata_routing=True) and pass groups, as in "
                "search.fit(X, y, groups=groups) or scorer(estimator, X, y, groups=groups)."
            )
        self._pick_method(estimator)
        model = Responses(estimator, partial(method_caller, estimator, pos_label=None))
        y_true, response, labels = self.responses(model, X, y_true, groups)
        return self._score_func(y_true, response, labels=labels, pos_label=self.pos_label)

    def responses(
        self, estimator: Any, X: ArrayLike, y_true: ArrayLike, groups: ArrayLike | None
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Return true labels and predictions of rows or groups, and the classes."""
        method = self._pick_method(estimator)
        y_true = check_class_labels(y_true)
        labels = np.union1d(estimator.classes_, y_true)
        if method == "predict" and self.level == "row":
            response = estimator.predict(X)
        else:
            response = class_scores(estimator, X, labels)
        if self.level == "group":
            _, y_true, response = by_group(y_true, response, groups)
            if method == "predict":
                response = labels[response.argmax(axis=1)]
        return y_true, response, labels

    def _pick_method(self, estimator: Any) -> str:
        if not hasattr(estimator, "classes_"):
            raise TypeError(
                f"{self!r} scores fitted classifiers, with classes_; "
                f"{type(estimator).__name__} has none. Fit it first, or use a classifier."
            )
        own = self._response_method
        needed = ("predict_proba", "decision_function") if self.level == "group" else own
        for method in needed:
            if hasattr(estimator, method):
                return "predict" if own == ("predict",) else method
        raise TypeError(
            f"{type(estimator).__name__} has none of {list(needed)}, which {self!r} needs. Use a "
            "classifier that has one."
        )

    def __repr__(self) -> str:
        prefix = "group_" if self.level == "group" else ""
        return f"{prefix}{self.metric}_scorer"


def _accuracy(y_true: NDArray, y_pred: NDArray, *, labels: NDArray, pos_label: Any) -> float:
    return float(np.mean(y_true == y_pred))


def _macro_recall(y_true: NDArray, y_pred: NDArray, *, labels: NDArray, pos_label: Any) -> float:
    return class_recall_score(y_true, y_pred)


def _roc_auc(y_true: NDArray, y_score: NDArray, *, labels: NDArray, pos_label: Any) -> float:
    return macro_roc_auc(y_true, y_score, labels)


def _neg_brier(y_true: NDArray, y_score: NDArray, *, labels: NDArray, pos_label: Any) -> float:
    return -float(np.mean(((y_true[:, None] == labels) - y_score) ** 2) * len(labels) / 2)


def _undefined(name: str, reason: str) -> float:
    warn(f"{reason} in y_true: {name} is not defined, NaN is returned.", UndefinedMetricWarning)
    return float("nan")


def scored_classes(y_true: NDArray, labels: NDArray, pos_label: Any) -> NDArray:
    """Return the positive class of two or the chosen one, otherwise all classes of the rows."""
    if len(labels) <= 2 or pos_label is not None:
        return np.asarray([check_pos_label(labels, pos_label)])
    return np.unique(y_true)


def _sensitivity(y_true: NDArray, y_pred: NDArray, *, labels: NDArray, pos_label: Any) -> float:
    scored = scored_classes(y_true, labels, pos_label)
    if not np.isin(scored, y_true).all():
        return _undefined("sensitivity", f"No row of class {scored.tolist()[0]!r}")
    return float(np.mean(sensitivity_score(y_true, y_pred, labels=scored, average=None)))


def _specificity(y_true: NDArray, y_pred: NDArray, *, labels: NDArray, pos_label: Any) -> float:
    scored = scored_classes(y_true, labels, pos_label)
    if np.isin(y_true, scored).all() and len(scored) == 1:
        return _undefined("specificity", f"No row of a class other than {scored.tolist()[0]!r}")
    return float(np.mean(specificity_score(y_true, y_pred, labels=scored, average=None)))


# name: score function, and whether it needs probabilities
_METRICS = {
    "accuracy": (_accuracy, False),
    "macro_recall": (_macro_recall, False),
    "roc_auc": (_roc_auc, True),
    "neg_brier": (_neg_brier, True),
    "sensitivity": (_sensitivity, False),
    "specificity": (_specificity, False),
}


def make_class_scorer(metric: str, *, level: str = "row", pos_label: Any = None) -> BaseScorer:
    """Make a scorer of rows or of groups (patients).

    Parameters
    ----------
    metric : {"accuracy", "macro_recall", "roc_auc", "neg_brier", "sensitivity", "specificity"}
        What to compute. "neg_brier" is minus half the squared distance of the probabilities from
        the truth (for two classes, scikit-learn's Brier score with the sign turned).
    level : {"row", "group"}, default="row"
        Whether every row or every group counts once. "group" needs ``groups``.
    pos_label : object, default=None
        The positive class of sensitivity and specificity. None is the last of two sorted classes,
        with a warning unless it is 1 or True; with more classes the score is the mean over them.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, of groups with ``groups=groups``, accepted as ``scoring=``.

    Raises
    ------
    ValueError
        If `metric` or `level` is unknown.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust.evaluation import make_class_scorer
    >>> X, y = [[0.0], [0.2], [0.9], [1.0]], ["ill", "ill", "well", "well"]
    >>> scorer = make_class_scorer("sensitivity", level="group", pos_label="ill")
    >>> scorer(LogisticRegression().fit(X, y), X, y, groups=["a", "a", "b", "b"])
    1.0
    """
    if metric not in _METRICS:
        raise ValueError(f"metric is {metric!r}, expected one of {list(_METRICS)}.")
    if level not in ("row", "group"):
        raise ValueError(f"level is {level!r}, expected 'row' or 'group'.")
    return ClassScorer(*_METRICS[metric], level, pos_label)


group_accuracy_scorer = make_class_scorer("accuracy", level="group")
group_roc_auc_scorer = make_class_scorer("roc_auc", level="group")
macro_recall_scorer = make_class_scorer("macro_recall")
roc_auc_scorer = make_class_scorer("roc_auc")
sensitivity_scorer = make_class_scorer("sensitivity")
specificity_scorer = make_class_scorer("specificity")


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
        If the last step is not a classifier by neighbours.
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
