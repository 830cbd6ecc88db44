"""Seeds for contained estimators."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state


def fill_random_states(estimator: BaseEstimator, random_state) -> BaseEstimator:
    """Give an int to every nested ``random_state`` that is None; leave those that were set.

    Parameters
    ----------
    estimator : estimator
        Changed in place.
    random_state : int, RandomState instance or None
        Source of the seeds. None leaves all as it is.

    Returns
    -------
    estimator : estimator
        The same object.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skrobust.utils.random_states import fill_random_states
    >>> fill_random_states(SGDClassifier(random_state=5), 0).random_state
    5
    """
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
