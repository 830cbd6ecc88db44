"""The gradient of the influence with respect to the training rows themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from .head_features import NetworkRows
from .linear_head import Run, capture_features
from .validation_influence import validation_influence


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
    gradient are held fixed, as in the paper. The gradient goes back through the feature layers,
    but :math:`\theta` is still the last linear layer only.

    Parameters
    ----------
    estimator : object
        A fitted :class:`~skrobust.NetClassifier`, an initialised skorch net, or a torch module.
    X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
        Training rows.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Their labels, or class mass.
    X_val : array-like of shape (n_val, n_features) or (n_val, channels, *spatial)
        Validation rows.
    y_val : array-like of shape (n_val,) or (n_val, n_classes)
        Their labels, or class mass.
    rows : array-like of int or bool, default=None
        Training rows to return gradients for; all when None. The Hessian is over all rows.
    solver, damping, smoothing, sample_weight, solver_params
        As in :func:`influence_scores`.
    batch_size : int, default=None
        Rows that go through the network at once; about 2**17 numbers when None.

    Returns
    -------
    gradients : ndarray of shape (n_rows, *X.shape[1:])
        The gradients, in the network's dtype.

    Raises
    ------
    ValueError
        As in :func:`influence_scores`.

    See Also
    --------
    influence_scores : The influence itself.

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
    influence = validation_influence(
        estimator,
        X,
        y,
        X_val,
        y_val,
        solver=solver,
        damping=damping,
        smoothing=smoothing,
        sample_weight=sample_weight,
        batch_size=batch_size,
        solver_params=solver_params,
    )
    X, target, weight = np.asarray(X), influence.target, influence.weight
    if rows is not None:
        rows = np.asarray(rows)
        rows = rows if len(rows) else rows.astype(int)
        X, target, weight = X[rows], target[rows], weight[rows]
    if len(X) == 0:
        return np.empty(X.shape, dtype=np.float32)
    batches = NetworkRows(estimator, X, batch_size)
    module, head = batches.find_head(estimator)
    like = {"dtype": head.weight.dtype, "device": head.weight.device}
    matrix = torch.tensor(influence.solution[0], **like)
    gradients = []
    # gradients of the rows only: the parameters' are neither computed nor touched
    with capture_features(module, head) as run, torch.enable_grad():
        for part, batch in batches:
            parts = torch.tensor(target[part], **like), torch.tensor(weight[part], **like)
            # a copy goes in, since a network may begin with an operation in place
            rows_in = batch.requires_grad_().clone()
            total = _total_influence(run, rows_in, *parts, matrix, influence.temperature)
            gradients.append(torch.autograd.grad(total, batch)[0].cpu())
    return torch.cat(gradients).numpy().reshape(X.shape)


def _total_influence(
    run: Run, batch: Tensor, target: Tensor, weight: Tensor, matrix: Tensor, temperature: float
) -> Tensor:
    """Return the sum of the rows' influences, each of which depends on its own row only."""
    features, scores = run(batch)
    scores = scores / temperature
    proba = scores.sigmoid() if scores.shape[1] == 1 else scores.softmax(1)
    n_features = features.shape[1]
    solved = features @ matrix[:, :n_features].T
    if matrix.shape[1] > n_features:
        solved = solved + matrix[:, n_features]
    return -((weight[:, None] * proba - target) * solved).sum()
