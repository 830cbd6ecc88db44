"""Solving with the Hessian by LiSSA, the stochastic recursion of the paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .head_hessian import HeadHessian


def lissa_solver(
    hessian: HeadHessian,
    vectors: NDArray,
    damping: float = 0.1,
    *,
    n_steps: int = 1000,
    batch_size: int = 128,
    n_repeats: int = 1,
    scale: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    r"""Return an estimate of :math:`(H + \lambda I)^{-1} v` by LiSSA.

    .. math::

        u_0 = v, \qquad u_t = v + u_{t-1} - \frac{1}{s} (H_t + \lambda I) \, u_{t-1}, \qquad
        (H + \lambda I)^{-1} v \approx u_T / s

    where :math:`H_t` is the Hessian over a random batch of rows. For heads, the other solvers are
    faster and accurate; this is the one of the paper.

    Parameters
    ----------
    hessian : HeadHessian
        The Hessian H.
    vectors : ndarray of shape (n_vectors, n_outputs, n_features)
        The vectors v.
    damping : float, default=0.1
        The :math:`\lambda` above as a multiple of the mean of the diagonal of H.
    n_steps : int, default=1000
        The number of steps T.
    batch_size : int, default=128
        Rows per step.
    n_repeats : int, default=1
        Independent recursions, whose results are averaged.
    scale : float, default=None
        The s above. A small one lets the batches' noise through, or diverges; a large one needs
        more steps. None takes the value at which the average direction converges to exp(-10),
        and at least twice the largest eigenvalue of H.
    random_state : int, RandomState instance or None, default=None
        Draws the batches. None draws anew each time.

    Returns
    -------
    solutions : ndarray of shape (n_vectors, n_outputs, n_features), float64
        The estimates.

    Raises
    ------
    ValueError
        If `damping` is negative or not finite, or 0 while the Hessian is singular, or if the
        recursion diverges because `scale` is too small.

    References
    ----------
    Agarwal, Bullins, Hazan, "Second-order stochastic optimization for machine learning in linear
    time", 2017. "Robust influence-based training methods for noisy brain MRI", section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.influence import HeadHessian, lissa_solver
    >>> hessian = HeadHessian(np.array([[1.0], [2.0]]), np.array([[0.5], [0.5]]))
    >>> lissa_solver(hessian, np.ones((1, 1, 1)), damping=0, batch_size=2, random_state=0).shape
    (1, 1, 1)
    """
    shift = hessian.damping(damping)
    if isinstance(random_state, np.random.RandomState):
        rng = random_state
    else:
        rng = np.random.RandomState(random_state)
    if scale is None:
        average = float(hessian.diagonal.mean()) + shift
        scale = max(2 * (_largest_eigenvalue(hessian) + shift), n_steps * average / 10)
    n_rows = len(hessian.features)
    size = min(batch_size, n_rows)
    total = np.zeros_like(vectors)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(n_repeats):
            estimate = vectors.copy()
            for _ in range(n_steps):
                image = hessian.product(estimate, rng.randint(n_rows, size=size))
                estimate = vectors + estimate - (image + shift * estimate) / scale
            # a recursion that contracts stays below n_steps + 1 times the vector
            if not np.linalg.norm(estimate) <= (n_steps + 1) * np.linalg.norm(vectors):
                raise ValueError(
                    f"LiSSA diverged with scale={scale:.3g}: give a larger scale, or use the "
                    "solver 'exact' or 'cg'."
                )
            total += estimate / scale
    return total / n_repeats


def _largest_eigenvalue(hessian: HeadHessian) -> float:
    """Return the largest eigenvalue of H, by twenty steps of the power method."""
    # a start of its own, so that the batches do not depend on whether `scale` is given
    vector = np.random.RandomState(0).normal(size=(1, *hessian.shape))
    length = 1.0
    for _ in range(20):
        vector = hessian.product(vector / np.linalg.norm(vector))
        length = float(np.linalg.norm(vector))
    return length
