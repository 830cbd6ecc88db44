"""The influence of training rows on the validation loss."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from .validation_influence import score_rows, validation_influence


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
    in the mean training loss. Negative is helpful: more of the row lowers the validation loss.
    Leaving the row out changes it by about ``-score / n_samples``.

    The parameters :math:`\theta` are those of the network's last linear layer, with the features
    that go into it frozen. For this layer the score is exact up to the first order and the
    damping. It is **not** the effect of retraining the whole network without the row.

    Parameters
    ----------
    estimator : object
        A fitted :class:`~skrobust.NetClassifier`, an initialised skorch net, or a torch module.
        Its output must be that of a final :class:`torch.nn.Linear`; it is run in evaluation mode.
    X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
        Training rows.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Their labels, or class mass. Without ``estimator.classes_`` labels are output indices.
    X_val : array-like of shape (n_val, n_features) or (n_val, channels, *spatial)
        Validation rows. Few patients among them make the scores useless.
    y_val : array-like of shape (n_val,) or (n_val, n_classes)
        Their labels, or class mass.
    solver : {"auto", "exact", "cg", "lissa"}, default="auto"
        How to solve with the Hessian: :func:`exact_solver` (Cholesky), :func:`cg_solver`
        (conjugate gradients; equally accurate, for wide layers) or :func:`lissa_solver` (the
        paper's, slower and approximate). "auto" is exact up to 1000 weights, "cg" above.
    damping : float, default=0.1
        The :math:`\lambda` above, as a multiple of the mean of the diagonal of H. It acts like
        weight decay; much below 0.1 the scores are dominated by directions that no row fixes.
    smoothing : float, default=None
        Divide the head's outputs by `smoothing` times the temperature that calibrates them on the
        validation rows (by at least 1) before anything is computed. Where a network is more
        certain than it is right, whatever makes it doubt lowers the validation loss, wrong labels
        first; smoothed scores are free of that, and found wrong labels far better (2 to 5; the
        user guide has numbers). They are those of the smoothed head. None takes the head as it
        is.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the training rows in the training loss, scaled to a mean of 1. A row of weight 2
        scores twice what it scores with weight 1.
    aggregate : bool, default=True
        Score against the mean loss of all validation rows; False gives one line for each of them,
        whose mean is the aggregate.
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
        If the estimator holds no fitted network, the network does not end in a linear layer,
        labels are unknown, shapes do not fit, X is not finite, `damping` leaves the Hessian
        singular (with a softmax, 0 always does), or a solver does not converge.

    See Also
    --------
    input_influence : Gradient of the influence with respect to the row.

    Notes
    -----
    The gradient of a row's cross entropy is :math:`(p - t) \otimes h` and the Hessian of the mean
    :math:`\frac{1}{n} \sum_i (\mathrm{diag}(p_i) - p_i p_i^T) \otimes h_i h_i^T`, for features h,
    probabilities p and targets t. Both are computed directly, in float64. A network with a single
    output is taken as the sigmoid of the second class.

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
    >>> scores.shape == y[~held].shape
    True
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
        aggregate=aggregate,
        batch_size=batch_size,
        solver_params=solver_params,
    )
    scores = score_rows(influence)
    return scores[0] if aggregate else scores
