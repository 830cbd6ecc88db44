"""What every estimator keeps: its version, its parameters' seeds, and itself when a fit fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import check_random_state

from ..utils.sklearn_private import sklearn_fit_context
from ..version import __version__

_KEY = "_skrobust_version"


class ModelVersionWarning(InconsistentVersionWarning):
    """An estimator was stored by another version of skrobust.

    Filters for scikit-learn's :class:`~sklearn.exceptions.InconsistentVersionWarning` apply.

    Parameters
    ----------
    estimator_name : str
        Class of the estimator.
    current_version : str
        The version that loads.
    original_version : str
        The version that stored.

    Examples
    --------
    >>> from skrobust import ModelVersionWarning
    >>> warning = ModelVersionWarning("NetClassifier", "0.2.0", "0.1.0")
    >>> warning.original_version
    '0.1.0'
    """

    def __init__(self, estimator_name: str, current_version: str, original_version: str):
        # the versions of scikit-learn, which the parent class asks for, are not known
        UserWarning.__init__(self)
        self.estimator_name = estimator_name
        self.current_version = current_version
        self.original_version = original_version

    def __str__(self) -> str:
        return (
            f"{self.estimator_name} was stored by skrobust {self.original_version} and is loaded "
            f"by {self.current_version}, which may fail or give other results. Install the "
            "version that stored it, or fit and store it again."
        )


class VersionedState:
    """Records the version when an estimator is stored, and compares it when it is loaded.

    scikit-learn does this for its own classes only. In the list of base classes it must precede
    :class:`~sklearn.base.BaseEstimator`.
    """

    def _keep_params(self, given: dict[str, Any]) -> None:
        """Set the arguments of ``__init__``, its ``locals()``, as attributes."""
        others = given.get("kwargs", {})
        named = {k: v for k, v in given.items() if k not in ("self", "kwargs", "__class__")}
        for name, value in {**named, **others}.items():
            setattr(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        stored_by = state.pop(_KEY, "of unknown version")
        if stored_by != __version__:
            name = type(self).__name__
            warnings.warn(ModelVersionWarning(name, __version__, stored_by), stacklevel=2)
        super().__setstate__(state)


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable:
    """Decorate ``fit``: parameters are validated before, and a fit that fails is undone."""
    validating = sklearn_fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)

    def decorate(fit: Callable) -> Callable:
        validated = validating(fit)

        @wraps(fit)
        def undone_on_failure(estimator, *args, **kwargs):
            before, with_gradients = dict(vars(estimator)), torch.is_grad_enabled()
            try:
                return validated(estimator, *args, **kwargs)
            except BaseException:
                estimator.__dict__ = before
                # an interrupt may have come just before the end of a torch.no_grad()
                torch.set_grad_enabled(with_gradients)
                raise

        return undone_on_failure

    return decorate


def fill_random_states(estimator: BaseEstimator, random_state) -> BaseEstimator:
    """Give an int to every nested ``random_state`` that is None; leave those that were set."""
    if random_state is None:
        return estimator
    rng = check_random_state(random_state)
    params = estimator.get_params(deep=True)
    seeds = {
        name: rng.randint(np.iinfo(np.int32).max)
        for name in sorted(params)
        if name.split("__")[-1] == "random_state" and params[name] is None
    }
    return estimator.set_params(**seeds)
