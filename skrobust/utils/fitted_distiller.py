"""The fitted distiller inside whatever carries it."""

from __future__ import annotations

from typing import Any

import numpy as np


def fitted_distiller(estimator: Any, n_samples: int) -> Any:
    """Return a fitted distiller, or the one that a sampler has fitted.

    Parameters
    ----------
    estimator : object
        A distiller with the fitted attribute ``kept_``, or anything with a fitted ``distiller_``
        that has it.
    n_samples : int
        Number of rows that the distiller must have seen.

    Returns
    -------
    distiller : object
        `estimator` or its ``distiller_``.

    Raises
    ------
    ValueError
        If there is no fitted distiller, or it was fitted on another number of rows.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from skrobust.utils.fitted_distiller import fitted_distiller
    >>> sampler = SimpleNamespace(distiller_=SimpleNamespace(kept_=[True, False]))
    >>> fitted_distiller(sampler, 2).kept_
    [True, False]
    """
    distiller = getattr(estimator, "distiller_", estimator)
    if not hasattr(distiller, "kept_"):
        raise ValueError(
            f"{type(estimator).__name__} has neither kept_ nor distiller_. Give a distiller after "
            "fit, or a sampler with a distiller after fit_resample; of a pipeline, that step."
        )
    n_seen = len(np.asarray(distiller.kept_))
    if n_seen != n_samples:
        raise ValueError(
            f"{type(distiller).__name__} was fitted on {n_seen} rows, but {n_samples} were given. "
            "Give the rows that it was fitted on, all of them and in the same order."
        )
    return distiller
