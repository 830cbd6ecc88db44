"""What the influence-based classifiers share: warm up, score, go on training."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_memory

from ..influence import influence_scores
from ..training import draw_seed, validation_split
from ..utils.fit_context import fit_context
from ..utils.groups import check_groups
from ..utils.random_states import fill_random_states
from ..utils.sklearn_private import HasMethods, Interval, StrOptions, safe_indexing
from ..utils.targets import encode_labels, is_class_mass, weigh
from .fitted_inside import FittedInsideMixin, check_labels
from .net_classifier import NetClassifier

# with fewer validation patients influence found mislabelled rows no better than chance
_FEW_GROUPS = 10


class InfluenceWarning(UserWarning):
    """The validation rows are too few or too one-sided for influence to mean much."""


@dataclass
class WarmStage:
    """Where the warm-up has led to.

    Parameters
    ----------
    network : NetClassifier
        The warmed-up classifier.
    influence : ndarray of shape (n_train,)
        Influence of the training rows.
    X : array-like of shape (n_train, ...)
        Training rows in their container.
    checked_X : ndarray of shape (n_train, ...)
        The same rows as an array.
    y : ndarray of shape (n_train,)
        Their labels.
    groups : ndarray of shape (n_train,) or None
        Their groups.
    X_val, y_val : ndarray
        Validation rows and labels.
    indices : ndarray of shape (n_train,)
        Positions of the training rows among the rows given to `fit`.
    n_samples : int
        Number of rows given to `fit`.
    """

    network: NetClassifier
    influence: NDArray
    X: ArrayLike
    checked_X: NDArray
    y: NDArray
    groups: NDArray | None
    X_val: NDArray
    y_val: NDArray
    indices: NDArray
    n_samples: int

    def over_all_rows(self, values: NDArray, fill: float) -> NDArray:
        """Return values of the training rows, and `fill` for the rows that were held out."""
        every = np.full(self.n_samples, fill, dtype=np.float64)
        every[self.indices] = values
        return every

    def go_on(self, epochs: int, X: NDArray, sample_weight: NDArray | None = None) -> NetClassifier:
        """Train the same network further, on `X` with the labels of the training rows."""
        network, net = self.network, self.network.net_
        codes = encode_labels(self.y, network.classes_, "y")
        target = weigh(codes, network.classes_, sample_weight, network.class_weight)
        codes_val = encode_labels(self.y_val, network.classes_, "y_val")
        valid = network._rows(net, self.X_val, codes_val)
        net.run_epochs(network._rows(net, X, target), epochs, valid)
        return network


class InfluenceClassifier(FittedInsideMixin, BaseEstimator):
    """Base of the classifiers that use the influence of training rows on a validation loss.

    Subclasses write `_use`, what to do after the warm-up.
    """

    __metadata_request__fit = {"groups": True, "X_val": True, "y_val": True}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "warmup_epochs": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"auto", "exact", "cg", "lissa"})],
        "damping": [Interval(Real, 0, None, closed="left")],
        "smoothing": [Interval(Real, 0, None, closed="neither"), None],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "memory": [str, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ):
        """Warm up, score the training rows, and go on training.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row. Rows held out for validation share no group with those
            that train.
        X_val, y_val : array-like, default=None
            Validation rows and labels, instead of `validation_fraction`; best with clean labels
            and of at least 10 patients. Inside a cross-validation prefer `validation_fraction`:
            scikit-learn cuts an X_val that has as many rows as X.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            If the input is malformed, `estimator` is no NetClassifier, `warmup_epochs` leaves no
            epoch to go on with, the network does not end in a linear layer, or its Hessian is
            singular without damping.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together, but only one of them was given.")
        if not isinstance(self._given(), NetClassifier):
            raise ValueError(
                f"estimator must be a NetClassifier, got {type(self.estimator).__name__}: its "
                "network is trained, scored and trained further. A network of your own goes in as "
                "NetClassifier(module=YourNetwork)."
            )
        network = fill_random_states(clone(self._given()), self.random_state)
        network.set_params(validation_fraction=None)
        y = check_labels(y)
        if y is not None and is_class_mass(y):
            raise ValueError(
                f"{type(self).__name__} takes one label per row, but y has shape {np.shape(y)}."
            )
        checked_X, classes, codes = (
            clone(network).set_params(class_weight=None)._check_targets(X, y, None)
        )
        y = classes[codes]
        # column names are for the fitted classifier; anything else goes in as an array
        X = X if hasattr(X, "iloc") else checked_X
        groups = None if groups is None else check_groups(groups, len(y))
        epochs = network.max_epochs - self.warmup_epochs
        self._check_before(checked_X, groups, epochs)
        n_samples, train, held = len(y), np.arange(len(y)), np.empty(0, dtype=int)
        if X_val is None:
            seed = draw_seed(self.random_state)
            train, held = validation_split(
                codes, self.validation_fraction, groups, seed, remedy="give X_val and y_val"
            )
            X_val, y_val = safe_indexing(X, held), y[held]
            X, checked_X, y = safe_indexing(X, train), checked_X[train], y[train]
            if groups is not None:
                _warn_of_few_groups(groups[held])
                groups = groups[train]
        y_val = column_or_1d(y_val)
        _warn_of_missing_classes(classes, y_val)
        warm, influence = check_memory(self.memory).cache(_warm_up)(
            network, X, y, X_val, y_val, self.warmup_epochs, self._solver_arguments(network)
        )
        X_val = warm._check_X(X_val, reset=False)
        stage = WarmStage(warm, influence, X, checked_X, y, groups, X_val, y_val, train, n_samples)
        self._use(stage, epochs)
        self.influence_ = stage.over_all_rows(influence, np.nan)
        self.validation_indices_ = held
        return self

    def _check_before(self, X: NDArray, groups: NDArray | None, epochs: int) -> None:
        """Raise for what would fail only after the warm-up."""
        if epochs < 1:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs} leaves no epoch to go on with: the estimator "
                f"has max_epochs={self._given().max_epochs}. Lower the one or raise the other."
            )

    @abstractmethod
    def _use(self, stage: WarmStage, epochs: int) -> None:
        """Go on for some epochs from the warm-up, and set the fitted attributes."""

    def _given(self) -> NetClassifier:
        return NetClassifier() if self.estimator is None else self.estimator

    def _inside(self):
        fitted = getattr(self, "estimator_", None)
        return self._given() if fitted is None else fitted

    def _solver_arguments(self, network: NetClassifier) -> dict[str, Any]:
        arguments = {
            "solver": self.solver,
            "damping": self.damping,
            "smoothing": self.smoothing,
        }
        if self.solver == "lissa":
            arguments["solver_params"] = {"random_state": network.random_state}
        return arguments

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = False
        tags.input_tags.three_d_array = True
        return tags


def _warm_up(network, X, y, X_val, y_val, epochs, solver_arguments):
    """Return a classifier after its first epochs, and the influence of its training rows."""
    warm = clone(network).set_params(max_epochs=epochs).fit(X, y, X_val=X_val, y_val=y_val)
    target = training_target(warm, y)
    checked = warm._check_X(X, reset=False), target, warm._check_X(X_val, reset=False), y_val
    return warm, influence_scores(warm, *checked, **solver_arguments)


def training_target(network: NetClassifier, y: NDArray) -> NDArray:
    """Return what a fitted classifier was trained on: its labels, or with weights class mass."""
    codes = encode_labels(y, network.classes_, "y")
    return (
        y
        if network.class_weight is None
        else weigh(codes, network.classes_, None, network.class_weight)
    )


def _warn_of_few_groups(groups: NDArray) -> None:
    n_groups = len(np.unique(groups))
    if n_groups < _FEW_GROUPS:
        warnings.warn(
            f"the validation rows are of {n_groups} groups. Below {_FEW_GROUPS} their loss says "
            "more about these patients than about the classes: raise validation_fraction, or give "
            "X_val and y_val of more patients.",
            InfluenceWarning,
            stacklevel=5,
        )


def _warn_of_missing_classes(classes: NDArray, y_val: NDArray) -> None:
    missing = np.setdiff1d(classes, y_val)
    if len(missing):
        warnings.warn(
            f"the validation rows lack {missing.tolist()}: rows of these classes can only look "
            "harmful. Give validation rows of every class.",
            InfluenceWarning,
            stacklevel=5,
        )
