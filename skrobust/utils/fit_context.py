"""What surrounds every fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch

from .sklearn_private import sklearn_fit_context


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable:
    """Decorate ``fit``: parameters are validated before, and a fit that fails is undone.

    An estimator whose fit raises, or is interrupted by the user, has the attributes that it had
    before: an unfitted one stays unfitted, a fitted one predicts as before.

    Parameters
    ----------
    prefer_skip_nested_validation : bool
        Whether estimators that are fitted inside need not validate their parameters.

    Returns
    -------
    decorate : callable
        The decorator.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from skrobust.utils.fit_context import fit_context
    >>> class Failing(BaseEstimator):
    ...     _parameter_constraints = {}
    ...     @fit_context(prefer_skip_nested_validation=True)
    ...     def fit(self, X):
    ...         self.fitted_ = X
    ...         raise KeyboardInterrupt
    >>> estimator = Failing()
    >>> try:
    ...     estimator.fit([1])
    ... except KeyboardInterrupt:
    ...     vars(estimator)
    {}
    """
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
