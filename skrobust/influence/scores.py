"""Influence of training rows on the validation loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..neural.seeding import torch_defaults
from .head import (
    HeadHessian,
    NetworkRows,
    calibrating_temperature,
    check_trained_loss,
    head_outputs,
    head_residuals,
    head_targets,
    probabilities,
    row_blocks,
)
from .solvers import cg_solver, exact_solver, lissa_solver

_SOLVERS: dict[str, Callable] = {"exact": exact_solver, "cg": cg_solver, "lissa": lissa_solver}

# below, one Cholesky decomposition is faster than the products of conjugate gradients
_EXACT_PARAMETERS = 1000


class ValidationInfluence(NamedTuple):
    """What the influence of a training row depends on."""

    solution: NDArray  # gradients times the inverse Hessian, (n_vectors, n_outputs, n_features)
    features: NDArray  # of the training rows, as is all that follows: inputs of the head
    residuals: NDArray  # gradients of the losses with respect to its outputs
    target: NDArray  # weight per output
    weight: NDArray  # with a mean of 1
    temperature: float  # divisor of the head's outputs
    shift: NDArray | float  # added before the division: the logit adjustment of the trained loss


def validation_influence(
    estimator, X, y, X_val, y_val, solver="auto", damping=0.1, smoothing=None, sample_weight=None,
    batch_size=None, solver_params=None, aggregate=True,
) -> ValidationInfluence:  # fmt: skip
    """Compute everything that the influence of a training row depends on."""
    if solver not in {"auto", *_SOLVERS}:
        raise ValueError(f"solver must be 'auto', 'exact', 'cg' or 'lissa', got {solver!r}.")
    if smoothing is not None and not 0 < smoothing < np.inf:
        raise ValueError(f"smoothing must be a positive number or None, got {smoothing}.")
    shift = check_trained_loss(estimator)
    features, scores = head_outputs(estimator, X, batch_size)
    n_outputs = scores.shape[1]
    target, weight = head_targets(estimator, y, len(features), n_outputs, sample_weight)
    valid_features, valid_scores = head_outputs(estimator, X_val, batch_size, "X_val")
    scores, valid_scores = scores + shift, valid_scores + shift
    valid_target = head_targets(estimator, y_val, len(valid_features), n_outputs, name="y_val")
    temperature = 1.0
    if smoothing is not None:
        # never sharpened: if all validation rows are predicted right, the temperature falls to 0
        temperature = max(1.0, smoothing * calibrating_temperature(valid_scores, *valid_target))
    proba = probabilities(scores / temperature)
    valid_residuals = head_residuals(probabilities(valid_scores / temperature), *valid_target)
    valid_features = valid_features.astype(np.float64)
    if aggregate:
        gradients = (valid_residuals.T @ valid_features)[None] / len(valid_features)
    else:
        gradients = valid_residuals[:, :, None] * valid_features[:, None]
    hessian = HeadHessian(features, proba, weight)
    if solver == "auto":
        solver = "exact" if hessian.n_parameters <= _EXACT_PARAMETERS else "cg"
    solution = _SOLVERS[solver](hessian, gradients, damping, **(solver_params or {}))
    residuals = head_residuals(proba, target, weight)
    return ValidationInfluence(solution, features, residuals, target, weight, temperature, shift)


def score_rows(influence: ValidationInfluence) -> NDArray:
    """Return the influence of every training row, without a gradient per row in memory."""
    features, residuals, solution = influence.features, influence.residuals, influence.solution
    n_vectors, n_outputs, n_features = solution.shape
    flat = solution.reshape(-1, n_features).T
    scores = np.empty((n_vectors, len(features)))
    for part in row_blocks(len(features), n_vectors * n_outputs + n_features):
        block = np.asarray(features[part], dtype=np.float64)
        solved = (block @ flat).reshape(-1, n_vectors, n_outputs)
        scores[:, part] = -np.einsum("svc,sc->vs", solved, residuals[part])
    return scores


def influence_scores(
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
) -> NDArray:
    r"""Return the influence of every training row on the loss over validation rows.

    .. math::

        I(z, V) = - g_V^T \, (H + \lambda I)^{-1} \, \nabla_\theta L(z)

    (Eq. 7 of [1]_), the derivative of the mean validation loss with respect to the weight of row z
    in the mean training loss. Negative is helpful. Leaving the row out changes the validation loss
    by about ``-score / n_samples``.

    The parameters :math:`\theta` are those of the network's last linear layer, with the features
    that go into it frozen: the score is **not** the effect of retraining the whole network. The
    loss is the one that was trained, with the ``class_weight``, ``balanced_batches`` (as balanced
    weights) and ``logit_adjustment`` of a :class:`~skrobust.NetClassifier`, but without its
    ``augment``. A single output is read as the logit of the second class.

    Parameters
    ----------
    estimator : object
        A fitted :class:`~skrobust.NetClassifier`, an initialised skorch net, or a torch module that
        ends in a :class:`torch.nn.Linear`; it is run in evaluation mode.
    X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
        Training rows.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Their labels, or soft labels. Without ``estimator.classes_`` labels are output indices.
    X_val, y_val : array-like
        Validation rows and their labels, as X and y. Few patients make the scores useless.
    solver : {"auto", "exact", "cg", "lissa"}, default="auto"
        :func:`exact_solver`, :func:`cg_solver` or :func:`lissa_solver` (the paper's). "auto" is
        "exact" up to 1000 weights, "cg" above.
    damping : float, default=0.1
        The :math:`\lambda` above, as a multiple of the mean of the diagonal of H.
    smoothing : float, default=None
        Divide the head's outputs by `smoothing` times the temperature that calibrates them on the
        validation rows (by at least 1) first. Wrong labels lower the confidence of an overconfident
        network, and with it the loss; smoothed scores (use 2 to 5) find them far better.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the training rows in the training loss, scaled to a mean of 1.
    aggregate : bool, default=True
        Score by the mean loss of all validation rows. False returns a line of scores for each.
    batch_size : int, default=None
        Rows that go through the network at once; about 2**17 numbers when None.
    solver_params : dict, default=None
        More arguments for the solver, such as ``{"n_steps": 5000, "random_state": 0}``.

    Returns
    -------
    scores : ndarray of shape (n_samples,) or (n_val, n_samples), float64
        The influences.

    Raises
    ------
    ValueError
        If there is no fitted network, it was trained by another loss than cross entropy of the rows
        or does not end in a linear layer, or the input or the damping does not fit.

    References
    ----------
    .. [1] "Robust influence-based training methods for noisy brain MRI", Eq. 7.

    Examples
    --------
    >>> from skrobust import NetClassifier, influence_scores, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=24, random_state=0, return_X_y_groups=True)
    >>> held = patient < 12
    >>> clf = NetClassifier(max_epochs=3, random_state=0).fit(X[~held], y[~held])
    >>> scores = influence_scores(clf, X[~held], y[~held], X[held], y[held])
    """
    options = solver, damping, smoothing, sample_weight, batch_size, solver_params, aggregate
    with torch_defaults():
        scores = score_rows(validation_influence(estimator, X, y, X_val, y_val, *options))
    return scores[0] if aggregate else scores


def input_influence(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    X_val: ArrayLike,
    y_val: ArrayLike,
    *,
    rows: ArrayLike | None = None,
    solver: str = "auto",
    damping: float = 0.1,
    smoothing: float | None = None,
    sample_weight: ArrayLike | None = None,
    batch_size: int | None = None,
    solver_params: dict[str, Any] | None = None,
) -> NDArray:
    r"""Return the gradient of every training row's influence with respect to the row.

    .. math::

        I_\mathrm{pert}(z, V) = - g_V^T \, (H + \lambda I)^{-1} \, \nabla_x \nabla_\theta L(z)

    (Eq. 8 of [1]_). A small change of the row against this gradient lowers
    :func:`influence_scores`, that is, makes the row more helpful. The Hessian and the validation
    gradient are held fixed, as in the paper. The gradient passes through the feature layers.

    Parameters
    ----------
    estimator, X, y, X_val, y_val
        As in :func:`influence_scores`.
    rows : array-like of int or bool, default=None
        Training rows to return gradients for; all when None. The Hessian is over all rows.
    solver, damping, smoothing, sample_weight, batch_size, solver_params
        As in :func:`influence_scores`.

    Returns
    -------
    gradients : ndarray of shape (n_rows, *X.shape[1:])
        The gradients, in the network's dtype.

    Raises
    ------
    ValueError
        As in :func:`influence_scores`.

    References
    ----------
    .. [1] "Robust influence-based training methods for noisy brain MRI", Eq. 8.

    Examples
    --------
    >>> from skrobust import NetClassifier, input_influence, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=24, random_state=0, return_X_y_groups=True)
    >>> held = patient < 12
    >>> clf = NetClassifier(max_epochs=3, random_state=0).fit(X[~held], y[~held])
    >>> input_influence(clf, X[~held], y[~held], X[held], y[held], rows=[0, 1]).shape
    (2, 288)
    """
    options = solver, damping, smoothing, sample_weight, batch_size, solver_params
    with torch_defaults():
        influence = validation_influence(estimator, X, y, X_val, y_val, *options)
        X, target, weight = np.asarray(X), influence.target, influence.weight
        if rows is not None:
            rows = np.asarray(rows)
            rows = rows if len(rows) else rows.astype(int)
            X, target, weight = X[rows], target[rows], weight[rows]
        if len(X) == 0:
            return np.empty(X.shape, dtype=np.float32)
        batches = NetworkRows(estimator, X, batch_size)
        gradients = []
        # gradients of the rows only: those of the parameters are neither computed nor changed
        with batches.head() as (head, run), torch.enable_grad():
            like = {"dtype": head.weight.dtype, "device": head.weight.device}
            matrix = torch.tensor(influence.solution[0], **like)
            shift = torch.as_tensor(influence.shift, **like)
            for part, batch in batches:
                parts = torch.tensor(target[part], **like), torch.tensor(weight[part], **like)
                # pass a copy, since a network may begin with an in-place operation
                rows_in = batch.requires_grad_().clone()
                total = _total_influence(run, rows_in, *parts, matrix, influence.temperature, shift)
                gradients.append(torch.autograd.grad(total, batch)[0].cpu())
        return torch.cat(gradients).numpy().reshape(X.shape)


def _total_influence(run, batch, target, weight, matrix, temperature, shift) -> Tensor:
    """Return the sum of the rows' influences, each of which depends on its own row only."""
    features, scores = run(batch)
    scores = (scores + shift) / temperature
    proba = scores.sigmoid() if scores.shape[1] == 1 else scores.softmax(1)
    n_features = features.shape[1]
    solved = features @ matrix[:, :n_features].T
    if matrix.shape[1] > n_features:
        solved = solved + matrix[:, n_features]
    return -((weight[:, None] * proba - target) * solved).sum()
