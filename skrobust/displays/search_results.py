"""Reading the table of a grid search."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSET = object()


def search_values(results: Mapping[str, Any], name: str) -> list[Any]:
    """Return the value of a parameter for every candidate.

    Parameters
    ----------
    results : dict of str to array
        ``cv_results_`` of a search.
    name : str
        Name of the parameter.

    Returns
    -------
    values : list
        The values; ``UNSET`` for candidates of another grid, without this parameter.

    Raises
    ------
    ValueError
        If no candidate has the parameter.
    """
    known = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    if name not in known:
        raise ValueError(f"The search has no parameter {name!r}. It searched: {known}.")
    column = np.ma.asarray(results[f"param_{name}"])
    unset = np.ma.getmaskarray(column)
    return [UNSET if unset[i] else value for i, value in enumerate(column.data.tolist())]


def search_scores(
    results: Mapping[str, Any], metric: str | None, refit: Any
) -> tuple[NDArray, NDArray, str]:
    """Return the test scores of every candidate.

    Parameters
    ----------
    results : dict of str to array
        ``cv_results_`` of a search.
    metric : str or None
        Name of the score; None takes the only one, or the one that `refit` names.
    refit : bool, str or callable
        The search's parameter.

    Returns
    -------
    mean, std : ndarray of shape (n_candidates,)
        Mean and standard deviation over the folds.
    metric : str
        Name of the score.

    Raises
    ------
    ValueError
        If the search has no such score, or several and none is named.
    """
    known = [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]
    if metric is None:
        metric = "score" if "score" in known else refit
    if metric not in known:
        raise ValueError(f"metric is {metric!r}, expected one of the search's scores: {known}.")
    return results[f"mean_test_{metric}"], results[f"std_test_{metric}"], metric


def ordered_values(values: list[Any]) -> list[Any]:
    """Return the distinct values of a parameter.

    Parameters
    ----------
    values : list
        The values; equal ones have the same ``str``.

    Returns
    -------
    distinct : list
        Numbers increasing, others as they first appear.
    """
    distinct = list({str(value): value for value in values}.values())
    numbers = all(isinstance(v, Real) and not isinstance(v, bool) for v in distinct)
    return sorted(distinct) if numbers else distinct
