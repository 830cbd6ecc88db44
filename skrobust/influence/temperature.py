"""The temperature that makes the outputs of a head as certain as they are right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax


def calibrating_temperature(scores: NDArray, target: NDArray, weight: NDArray) -> float:
    """Return the divisor of the scores that minimises the cross entropy.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_outputs)
        Outputs of the head; a single one is the sigmoid of the second class.
    target : ndarray of shape (n_samples, n_outputs)
        Mass per output.
    weight : ndarray of shape (n_samples,)
        Row mass.

    Returns
    -------
    temperature : float
        Between 0.001 and 1000; above 1 where the head is more certain than right.
    """

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        if scores.shape[1] == 1:
            return (
                -(target * log_expit(scaled)).sum()
                - ((weight[:, None] - target) * log_expit(-scaled)).sum()
            )
        return -(target * log_softmax(scaled, axis=1)).sum()

    limit = np.log(1000)
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))
