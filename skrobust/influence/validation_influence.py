"""What training rows are compared with: the validation gradient times the inverse Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cg_solver import cg_solver
from .exact_solver import exact_solver
from .head_features import head_outputs, probabilities
from .head_hessian import HeadHessian
from .head_targets import head_residuals, head_targets
from .lissa_solver import lissa_solver
from .temperature import calibrating_temperature

_SOLVERS: dict[str, Callable] = {"exact": exact_solver, "cg": cg_solver, "lissa": lissa_solver}

# below, one Cholesky decomposition is faster than the products of conjugate gradients
_EXACT_PARAMETERS = 1000


@dataclass(frozen=True)
class ValidationInfluence:
    """Result of :func:`validation_influence`.

    Parameters
    ----------
    solution : ndarray of shape (n_vectors, n_outputs, n_features)
        The validation gradients times the inverse Hessian: one of the mean loss, or one per row.
    features : ndarray of shape (n_samples, n_features)
        Inputs of the head for the training rows.
    residuals : ndarray of shape (n_samples, n_outputs)
        Gradients of the training rows' losses with respect to the head's outputs.
    target : ndarray of shape (n_samples, n_outputs)
        Mass per output of the training rows.
    weight : ndarray of shape (n_samples,)
        Mass of the training rows, with a mean of 1.
    temperature : float
        What the head's outputs were divided by.
    """

    solution: NDArray
    features: NDArray
    residuals: NDArray
    target: NDArray
    weight: NDArray
    temperature: float


def validation_influence(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    X_val: ArrayLike,
    y_val: ArrayLike,
    *,
    solver: str = "auto",
    damping: float = 0.1,
    smoothing: float | None = None,
    sample_weight: ArrayLike | None = None,
    aggregate: bool = True,
    batch_size: int | None = None,
    solver_params: dict[str, Any] | None = None,
) -> ValidationInfluence:
    """Compute all that the influence of a training row depends on.

    See :func:`influence_scores` for the parameters and errors.

    Returns
    -------
    influence : ValidationInfluence
        The solution, and the features, residuals, targets and weights of the training rows.
    """
    if solver not in {"auto", *_SOLVERS}:
        raise ValueError(f"solver must be 'auto', 'exact', 'cg' or 'lissa', got {solver!r}.")
    if smoothing is not None and not 0 < smoothing < np.inf:
        raise ValueError(f"smoothing must be a positive number or None, got {smoothing}.")
    features, scores = head_outputs(estimator, X, batch_size=batch_size)
    n_outputs = scores.shape[1]
    target, weight = head_targets(
        estimator, y, len(features), n_outputs, sample_weight=sample_weight
    )
    valid_features, valid_scores = head_outputs(
        estimator, X_val, batch_size=batch_size, name="X_val"
    )
    valid_target = head_targets(estimator, y_val, len(valid_features), n_outputs, name="y_val")
    temperature = 1.0
    if smoothing is not None:
        # never sharpened: where the validation rows are all right, the temperature falls to 0
        temperature = max(1.0, smoothing * calibrating_temperature(valid_scores, *valid_target))
    proba = probabilities(scores / temperature)
    valid_residuals = head_residuals(probabilities(valid_scores / temperature), *valid_target)
    if aggregate:
        gradients = (valid_residuals.T @ valid_features)[None] / len(valid_features)
    else:
        gradients = valid_residuals[:, :, None] * valid_features[:, None]
    hessian = HeadHessian(features, proba, weight)
    if solver == "auto":
        solver = "exact" if hessian.n_parameters <= _EXACT_PARAMETERS else "cg"
    solution = _SOLVERS[solver](hessian, gradients, damping, **(solver_params or {}))
    return ValidationInfluence(
        solution, features, head_residuals(proba, target, weight), target, weight, temperature
    )


def score_rows(influence: ValidationInfluence) -> NDArray:
    """Return the influence of every training row, without a gradient per row in memory.

    Parameters
    ----------
    influence : ValidationInfluence
        Result of :func:`validation_influence`.

    Returns
    -------
    scores : ndarray of shape (n_vectors, n_samples)
        Minus the products of the solutions and the rows' gradients.
    """
    features, residuals, solution = influence.features, influence.residuals, influence.solution
    n_vectors, n_outputs, n_features = solution.shape
    flat = solution.reshape(-1, n_features).T
    scores = np.empty((n_vectors, len(features)))
    # about 2**20 numbers at once, as in the Hessian's products
    size = max(1, 2**20 // (n_vectors * n_outputs))
    for start in range(0, len(features), size):
        part = slice(start, start + size)
        solved = (features[part] @ flat).reshape(-1, n_vectors, n_outputs)
        scores[:, part] = -np.einsum("svc,sc->vs", solved, residuals[part])
    return scores
