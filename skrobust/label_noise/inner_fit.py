"""Fitting classifiers inside others: unchanged rows, with weights, groups and soft labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object, process_routing
from sklearn.utils.validation import has_fit_parameter

from ..base.fitted_inside import require_sample_weight
from ..base.resampling_classifier import ResamplingClassifier
from ..neural.net import is_skorch_net, raise_interrupt
from ..neural.net_classifier import NetClassifier
from ..utils.sklearn_private import BaseSearchCV, safe_indexing
from ..utils.targets import soft_labels
from .folds import splits_by_group

# class shares below this do not get a separate row
_LEAST_SHARE = 1e-3


def take_rows(X: Any, rows: NDArray) -> Any:
    """Return some rows of X in X's own container."""
    return X[rows] if isinstance(X, np.ndarray) else safe_indexing(X, rows)


def fit_inside(estimator, X, y, *, sample_weight=None, groups=None) -> Any:
    """Fit a classifier, and pass weights and groups to the parts that accept them.

    If metadata routing is enabled and the classifier requests ``sample_weight``, scikit-learn
    routes both. Otherwise weights go to the last step of a pipeline, also inside a search, groups
    to every step that has such a parameter and to the splitter of a search.
    """
    given = {"sample_weight": sample_weight, "groups": groups}
    wanted = {name: value for name, value in given.items() if value is not None}
    routed = _routed(estimator, wanted)
    if sample_weight is not None and "sample_weight" not in routed:
        check_takes_weights(estimator)
        routed = set()
    if routed or not wanted:
        estimator.fit(X, y, **{name: wanted[name] for name in routed})
    else:
        by_path = {path: wanted[name] for name in wanted for path in _paths(estimator, name)}
        with config_context(enable_metadata_routing=False):
            estimator.fit(X, y, **by_path)
    if is_skorch_net(estimator):
        raise_interrupt(estimator)
    return estimator


class TrainingRows(NamedTuple):
    """Training rows, and what is known of them."""

    X: Any
    y: NDArray
    weight: NDArray | None
    groups: NDArray | None
    trusted: NDArray | None = None

    def take(self, rows: NDArray) -> TrainingRows:
        """Return some of the rows."""
        rest = [None if values is None else values[rows] for values in self[1:]]
        return TrainingRows(take_rows(self.X, rows), *rest)

    def fit(self, estimator: Any) -> Any:
        """Fit a classifier on the labels."""
        return fit_inside(estimator, self.X, self.y, sample_weight=self.weight, groups=self.groups)


def fit_soft(estimator, X, shares, classes, *, sample_weight=None, groups=None) -> Any:
    """Fit a classifier on soft labels: every row once per class, weighted by its share."""
    weighted = shares if sample_weight is None else shares * sample_weight[:, None]
    if isinstance(_last(estimator, Pipeline), NetClassifier):
        return fit_inside(estimator, X, soft_labels(weighted, classes), groups=groups)
    row, code = np.nonzero(shares > _LEAST_SHARE)
    return fit_inside(
        estimator,
        take_rows(X, row),
        classes[code],
        sample_weight=weighted[row, code],
        groups=None if groups is None else groups[row],
    )


def check_takes_weights(estimator: Any) -> None:
    """Raise if nothing in a classifier takes weights, or if a sampler inside loses them."""
    for name, step in estimator.steps if isinstance(estimator, Pipeline) else ():
        if hasattr(step, "fit_resample"):
            raise ValueError(
                f"step {name!r} of the pipeline is a sampler: it changes the rows, and their "
                "weights do not follow. Put the sampler before, or use DistillMixAugmenter instead."
            )
    if "sample_weight" not in _routed(estimator, {"sample_weight": 1}):
        require_sample_weight(_last(estimator, (Pipeline, BaseSearchCV)))


def _last(estimator: Any, around: Any) -> Any:
    """Return the classifier inside pipelines, or inside searches too."""
    while isinstance(estimator, around):
        is_pipeline = isinstance(estimator, Pipeline)
        estimator = estimator.steps[-1][1] if is_pipeline else estimator.estimator
    return estimator


def _routed(estimator: Any, wanted: dict) -> set:
    """Return the names that scikit-learn's metadata routing passes to a fit."""
    if not wanted or not get_config()["enable_metadata_routing"]:
        return set()
    routing = get_routing_for_object(estimator)
    names = set(routing.consumes("fit", list(wanted)))
    if names and isinstance(routing, MetadataRouter):
        try:
            process_routing(estimator, "fit", **{name: wanted[name] for name in names})
        except UnsetMetadataPassedError:  # a step has no request: as without routing
            return set()
    return names


def _paths(estimator: Any, name: str) -> list[str]:
    """Return the arguments of ``fit`` that pass on weights or groups."""
    if isinstance(estimator, Pipeline):
        steps = estimator.steps[-1:] if name == "sample_weight" else estimator.steps
        return [f"{step}__{path}" for step, inner in steps for path in _paths(inner, name)]
    if isinstance(estimator, BaseSearchCV):
        if name == "groups":
            return ["groups"] if splits_by_group(estimator.cv) else []
        return _paths(estimator.estimator, name)
    takes = hasattr(estimator, "fit") and has_fit_parameter(estimator, name)
    if isinstance(estimator, ResamplingClassifier):
        takes = name == "groups" and (
            "groups" in get_routing_for_object(estimator.sampler).consumes("fit_resample", [name])
            or has_fit_parameter(estimator.estimator, name)
        )
    return [name] if takes else []
