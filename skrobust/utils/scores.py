"""Scores of a fitted classifier, one column per class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from .sklearn_private import num_samples


def class_scores(estimator: Any, X: ArrayLike, classes: ArrayLike) -> NDArray:
    """Return class probabilities of rows, one column for each of `classes`."""
    classes = np.asarray(classes)
    known = np.asarray(getattr(estimator, "classes_", classes))
    place = {label: column for column, label in enumerate(classes.tolist())}
    if unknown := [label for label in known.tolist() if label not in place]:
        raise ValueError(
            f"{type(estimator).__name__} was fitted on labels {unknown}, which are not among the "
            f"classes {classes.tolist()}."
        )
    result = np.zeros((num_samples(X), len(classes)))
    result[:, [place[label] for label in known.tolist()]] = _probabilities(estimator, X, known)
    return result


def _probabilities(estimator: Any, X: ArrayLike, known: NDArray) -> NDArray:
    """Return probabilities of the estimator's own classes."""
    name, n_known = type(estimator).__name__, len(known)
    if hasattr(estimator, "predict_proba"):
        scores = _one_array(estimator.predict_proba(X), f"{name}.predict_proba")
        if scores.ndim == 1:
            scores = np.column_stack([1 - scores, scores])
        if scores.shape[1] != n_known:
            raise ValueError(
                f"{name}.predict_proba returned shape {scores.shape}, expected "
                f"{(num_samples(X), n_known)}: one column per class."
            )
        return scores
    if not hasattr(estimator, "decision_function"):
        raise TypeError(f"{name} has neither predict_proba nor decision_function.")
    scores = _one_array(estimator.decision_function(X), f"{name}.decision_function")
    if scores.ndim == 1 or (scores.shape[1] == 1 and n_known == 2):
        scores = scores.reshape(len(scores), -1)
        scores = np.hstack([np.zeros_like(scores), scores])
    elif (
        n_known > 2
        and scores.shape[1] == n_known * (n_known - 1) // 2
        and (n_known > 3 or _are_of_pairs(estimator, X, scores, known))
    ):
        scores = _votes(scores, n_known)
    if scores.shape[1] != n_known:
        raise ValueError(
            f"{name}.decision_function returned shape {scores.shape} for {n_known} classes. Needed "
            "is one column per class; supported is also one column per pair of classes, as SVC "
            "gives with decision_function_shape='ovo'. Set decision_function_shape='ovr'."
        )
    return softmax(scores, axis=1)


def _one_array(scores: Any, what: str) -> NDArray:
    """Return scores as floats, or raise if they are several arrays or not numbers."""
    if isinstance(scores, list) and scores and np.ndim(scores[0]) == 2:
        raise ValueError(f"{what} returned a list of arrays, as for several outputs.")
    scores = np.asarray(scores, dtype=float)
    if scores.ndim not in (1, 2):
        raise ValueError(f"{what} returned shape {scores.shape}: one column per class is needed.")
    if np.isnan(scores).any():
        rows = np.isnan(scores.reshape(len(scores), -1)).any(1)
        raise ValueError(f"{what} returned NaN for {rows.sum()} of {len(rows)} rows.")
    return scores


def _are_of_pairs(estimator: Any, X: ArrayLike, scores: NDArray, known: NDArray) -> bool:
    """Tell whether three columns of scores belong to the three pairs, not to the three classes."""
    shape = _shape_setting(estimator)
    if shape is not None:
        return shape == "ovo"
    if not hasattr(estimator, "predict"):
        return False
    predicted = np.asarray(estimator.predict(X))
    by_class = (known[scores.argmax(1)] == predicted).mean()
    by_pair = (known[_votes(scores, 3).argmax(1)] == predicted).mean()
    return bool(by_pair > by_class)


def _shape_setting(estimator: Any) -> str | None:
    """Return ``decision_function_shape`` of the classifier inside pipelines and searches."""
    for _ in range(20):  # an estimator may name itself
        if hasattr(estimator, "decision_function_shape"):
            return estimator.decision_function_shape
        if steps := getattr(estimator, "steps", None):
            estimator = steps[-1][1]
        else:
            inside = getattr(estimator, "estimator_", None)
            estimator = getattr(estimator, "best_estimator_", inside)
    return None


def _votes(scores: NDArray, n_classes: int) -> NDArray:
    """Return scores of classes from scores of their pairs (0, 1), (0, 2), ...

    The number of votes (a score above 0 votes for the first class), plus the sum of confidences
    scaled to (-1/3, 1/3), which only breaks ties: scikit-learn's rule for the same purpose.
    """
    votes, confidence = np.zeros((2, len(scores), n_classes))
    for column, (i, j) in enumerate(zip(*np.triu_indices(n_classes, 1), strict=True)):
        first = scores[:, column] > 0
        votes[:, i] += first
        votes[:, j] += ~first
        confidence[:, i] += scores[:, column]
        confidence[:, j] -= scores[:, column]
    return votes + confidence / (3 * (np.abs(confidence) + 1))
