"""Scores of the same predictions over patients drawn with replacement."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import gen_batches
from sklearn.utils.metadata_routing import get_routing_for_object

from ..utils.sklearn_private import safe_indexing
from .scorers import ClassScorer, Responses, scored_classes

# numbers in a table of draws and rows
_MOST_NUMBERS = 10**7


class PatientDraws:
    """How often every patient comes in each draw, the same for all estimators and splits.

    Patients (without groups, rows) are drawn with replacement among those with the same label; of
    several labels of a patient, the first counts.
    """

    def __init__(self, n_draws: int, labels: NDArray, groups: NDArray | None, seed: int):
        units = np.arange(len(labels)) if groups is None else groups
        _, first, self.unit = np.unique(units, return_index=True, return_inverse=True)
        codes = np.unique(labels[first], return_inverse=True)[1]
        self.strata = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
        self.n_draws, self.seed = n_draws, seed

    def times(self, draw: int) -> NDArray:
        """Return how often every patient comes in a draw."""
        # drawn again where needed: a table of all draws can be larger than the data
        rng = np.random.default_rng([self.seed, draw])
        times = np.zeros(self.unit.max() + 1, dtype=int)
        for units in self.strata:
            drawn = rng.integers(len(units), size=len(units))
            times[units] = np.bincount(drawn, minlength=len(units))
        return times

    def copies(self, draw: int, test: NDArray) -> tuple[NDArray, NDArray]:
        """Return the drawn ones of some rows by position, and a group for every copy."""
        times = self.times(draw)
        own = times[self.unit[test]]
        # at least one line: no row at all may be drawn
        copy, rows = np.nonzero(own > np.arange(own.max(initial=1))[:, None])
        return rows, copy * len(times) + self.unit[test[rows]]


def bootstrap_scores(
    estimator: Any,
    scorers: Mapping[str, Callable],
    X: ArrayLike,
    labels: ArrayLike,
    test: NDArray,
    groups: NDArray | None,
    draws: PatientDraws,
) -> dict[str, NDArray]:
    """Score a fitted estimator on drawn test rows, at `test` in all rows; NaN: not defined."""

    @cache
    def of_all(method: str) -> NDArray:
        return np.asarray(getattr(estimator, method)(X))

    predictions = Responses(estimator, lambda method, rows: of_all(method)[rows])
    scores = {}
    for name, scorer in scorers.items():
        score = _of_all_draws if isinstance(scorer, ClassScorer) else _one_by_one
        scores[name] = score(name, scorer, predictions, labels, test, groups, draws)
    return scores


def _one_by_one(name, scorer, predictions, labels, test, groups, draws) -> NDArray:
    """Call a scorer for every draw, with drawn rows repeated."""
    routing = get_routing_for_object(scorer)
    needs_groups = groups is not None and routing.consumes("score", {"groups"})
    scores = np.full(draws.n_draws, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        for draw in range(draws.n_draws):
            rows, copies = draws.copies(draw, test)
            if not len(rows):
                continue
            options = {"groups": copies} if needs_groups else {}
            try:
                scores[draw] = scorer(predictions, rows, safe_indexing(labels, rows), **options)
            except Exception as error:
                raise TypeError(
                    f"the score {name!r} cannot be computed on drawn patients ({error}): there is "
                    "no interval for scorers that need more than the predictions of the test rows. "
                    "Set n_bootstrap=0, or leave the score out."
                ) from error
    return scores


def _of_all_draws(name, scorer, predictions, labels, test, groups, draws) -> NDArray:
    """Compute a score of this library with a weight for every row or patient and draw."""
    groups = None if scorer.level == "row" else groups
    everything = np.arange(len(test))
    y_true, response, classes = scorer.responses(predictions, everything, labels, groups)
    first = everything if groups is None else np.unique(groups, return_index=True)[1]
    unit = draws.unit[test[first]]
    scores = np.empty(draws.n_draws)
    for part in gen_batches(draws.n_draws, max(1, _MOST_NUMBERS // len(unit))):
        drawn = range(draws.n_draws)[part]
        weight = np.array([draws.times(draw)[unit] for draw in drawn], dtype=float)
        given = weight, y_true, response, classes, scorer.pos_label
        scores[part] = _WEIGHTED[scorer.metric](*given)
    return scores


def _share(weight: NDArray, hit: NDArray, among: NDArray) -> NDArray:
    """Return the weighted share of hits among some rows for every draw, NaN if there are none."""
    total = weight[:, among].sum(1)
    with np.errstate(invalid="ignore"):
        return weight[:, among] @ hit[among].astype(float) / total


def _mean_over(values: list[NDArray]) -> NDArray:
    """Average over classes, those that are not defined left out."""
    values = np.array(values)
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0).sum(0) / there.sum(0)


def _accuracy(weight, y_true, y_pred, classes, pos_label):
    return _share(weight, y_true == y_pred, np.ones(len(y_true), bool))


def _sensitivity(weight, y_true, y_pred, classes, pos_label):
    scored = scored_classes(y_true, classes, pos_label)
    return _mean_over([_share(weight, y_pred == c, y_true == c) for c in scored])


def _macro_recall(weight, y_true, y_pred, classes, pos_label):
    return _mean_over([_share(weight, y_pred == c, y_true == c) for c in np.unique(y_true)])


def _specificity(weight, y_true, y_pred, classes, pos_label):
    found = []
    for c in scored_classes(y_true, classes, pos_label):
        share = _share(weight, y_pred != c, y_true != c)
        # as in the score itself: of several classes only those that a draw has
        if len(classes) > 2 and pos_label is None:
            share = np.where(weight[:, y_true == c].any(1), share, np.nan)
        found.append(share)
    return _mean_over(found)


def _roc_auc(weight, y_true, scores, classes, pos_label):
    columns = [1] if len(classes) == 2 else range(len(classes))
    return _mean_over([_weighted_auc(weight, y_true == classes[k], scores[:, k]) for k in columns])


def _weighted_auc(weight, positive, score):
    """Return the share of pairs in the right order, ties half, for every draw."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    ups, downs = (
        np.add.reduceat((weight * own)[:, order], starts, axis=1) for own in (positive, ~positive)
    )
    below = np.cumsum(downs, axis=1) - downs / 2
    with np.errstate(invalid="ignore"):
        return (ups * below).sum(1) / (ups.sum(1) * downs.sum(1))


def _neg_brier(weight, y_true, scores, classes, pos_label):
    squares = ((y_true[:, None] == classes) - scores) ** 2
    return -_share(weight, squares.sum(1) / 2, np.ones(len(y_true), bool))


_WEIGHTED = {
    "accuracy": _accuracy,
    "macro_recall": _macro_recall,
    "roc_auc": _roc_auc,
    "neg_brier": _neg_brier,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
}
