"""Class probabilities of the training rows after each of the first epochs."""

from __future__ import annotations

from collections.abc import Callable

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..training import is_skorch_net, raise_interrupt


def epoch_probabilities(
    estimator: BaseEstimator, X: NDArray, codes: NDArray, n_epochs: int, cached: Callable
) -> NDArray:
    """Train for some epochs and predict all training rows after each, in evaluation mode.

    Every epoch is cached by itself, so that more epochs, or fewer, train only what is new.

    Parameters
    ----------
    estimator : classifier
        Unfitted, with ``partial_fit`` (one call is one epoch) and ``predict_proba``. A skorch
        net is run with ``max_epochs=1``.
    X : ndarray of shape (n_samples, ...)
        Training rows.
    codes : ndarray of shape (n_samples,)
        Class of every row, from 0.
    n_epochs : int
        Number of epochs.
    cached : callable
        Wraps a function in a cache, given the names of arguments to ignore.

    Returns
    -------
    probabilities : ndarray of shape (n_epochs, n_samples, n_classes), float32
        Predicted class probabilities.
    """
    if is_skorch_net(estimator):
        estimator.set_params(max_epochs=1)
        X = X.astype(np.float32, copy=False)
    next_epoch = cached(_next_epoch, ignore=("fitted", "X", "codes"))
    key = joblib.hash((type(estimator), estimator.get_params(), X, codes))
    probabilities, fitted = [], estimator
    for epoch in range(n_epochs):
        fitted, proba = next_epoch(fitted, X, codes, key, epoch)
        probabilities.append(proba)
    return np.stack(probabilities)


def _next_epoch(fitted, X, codes, key, epoch):
    # key and epoch say all about the result; the other arguments are not hashed
    classes = np.arange(codes.max() + 1)
    if is_skorch_net(fitted):
        fitted.partial_fit(X, codes.astype(np.int64))
        raise_interrupt(fitted)
    else:
        fitted.partial_fit(X, codes, classes=classes)
    proba = np.asarray(fitted.predict_proba(X), dtype=np.float32)
    if proba.shape != (len(X), len(classes)):
        raise ValueError(
            f"{type(fitted).__name__}.predict_proba returned shape {proba.shape}, expected "
            f"{(len(X), len(classes))}: one column per class."
        )
    return fitted, proba
