"""The version of the library in the state of every estimator."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from ..version import __version__

_KEY = "_skrobust_version"


class ModelVersionWarning(InconsistentVersionWarning):
    """An estimator was stored by another version of skrobust.

    A filter of scikit-learn's :class:`~sklearn.exceptions.InconsistentVersionWarning` holds for
    it too.

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
            "version that stored it, or fit and store it anew."
        )


class VersionedState:
    """Records the version when an estimator is stored, and compares it when it is loaded.

    scikit-learn does this for its own classes only. To stand left of
    :class:`~sklearn.base.BaseEstimator`.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        stored_by = state.pop(_KEY, "of unknown version")
        if stored_by != __version__:
            name = type(self).__name__
            warnings.warn(ModelVersionWarning(name, __version__, stored_by), stacklevel=2)
        super().__setstate__(state)
