"""Inverse-Hessian-vector products: exact, conjugate gradients, LiSSA."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from .head import HeadHessian


def exact_solver(hessian: HeadHessian, vectors: NDArray, damping: float = 0.1) -> NDArray:
    r"""Return :math:`(H + \lambda I)^{-1} v` by a Cholesky decomposition in float64.

    Parameters
    ----------
    hessian : HeadHessian
        The Hessian H, of P parameters. Time grows with P³, memory with P².
    vectors : ndarray of shape (n_vectors, n_outputs, n_features)
        The vectors v.
    damping : float, default=0.1
        The :math:`\lambda` above as a multiple of the mean of the diagonal of H.

    Returns
    -------
    solutions : ndarray of shape (n_vectors, n_outputs, n_features), float64
        The solutions.

    Raises
    ------
    ValueError
        If `damping` is negative or not finite, or 0 while the Hessian is singular.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.influence import HeadHessian, exact_solver
    >>> hessian = HeadHessian(np.array([[1.0], [2.0]]), np.array([[0.5], [0.5]]))
    >>> exact_solver(hessian, np.ones((1, 1, 1)), damping=0)  # 1 / (0.25 * (1 + 4) / 2)
    array([[[1.6]]])
    """
    shift = hessian.damping(damping)
    matrix = hessian.dense()
    matrix.flat[:: len(matrix) + 1] += shift
    try:
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        pivots = np.diagonal(factor[0]) ** 2
        # rounding may let a singular matrix pass with tiny pivots
        singular = pivots.min() <= len(pivots) * np.finfo(float).eps * pivots.max()
    except LinAlgError:
        singular = True
    if singular:
        raise ValueError(
            f"the Hessian of the head is singular with damping={damping}: there are more weights "
            "than rows, or features that depend on each other. Use a larger damping, such as 0.1."
        )
    flat = vectors.reshape(len(vectors), -1).T
    return cho_solve(factor, flat, check_finite=False).T.reshape(vectors.shape)


def cg_solver(
    hessian: HeadHessian,
    vectors: NDArray,
    damping: float = 0.1,
    *,
    tol: float = 1e-8,
    max_iter: int | None = None,
) -> NDArray:
    r"""Return :math:`(H + \lambda I)^{-1} v` by conjugate gradients, without building H.

    The preconditioner is the diagonal (Jacobi). All vectors are solved at the same time.

    Parameters
    ----------
    hessian, vectors, damping
        As for :func:`exact_solver`.
    tol : float, default=1e-8
        Stop once every residual is below this share of its vector's length.
    max_iter : int, default=None
        Largest number of products; ten times the number of parameters when None.

    Returns
    -------
    solutions : ndarray of shape (n_vectors, n_outputs, n_features), float64
        The solutions.

    Raises
    ------
    ValueError
        As :func:`exact_solver`, or if the tolerance is not reached.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.influence import HeadHessian, cg_solver
    >>> hessian = HeadHessian(np.array([[1.0], [2.0]]), np.array([[0.5], [0.5]]))
    >>> cg_solver(hessian, np.ones((1, 1, 1)), damping=0)
    array([[[1.6]]])
    """
    shift = hessian.damping(damping)
    diagonal = hessian.diagonal + shift
    if not (diagonal > 0).all():
        raise ValueError(
            f"the Hessian of the head is singular with damping={damping}: some of the features are "
            "zero in all rows. Use a larger damping, such as 0.1."
        )
    goal = tol * np.sqrt(_dot(vectors, vectors))
    solution, direction = np.zeros_like(vectors), np.zeros_like(vectors)
    residual, product = vectors.copy(), np.zeros((len(vectors), 1, 1))
    max_iter = 10 * hessian.n_parameters if max_iter is None else max_iter
    for iteration in range(max_iter + 1):
        if (np.sqrt(_dot(residual, residual)) <= goal).all():
            return solution
        if iteration == max_iter:
            break
        scaled = residual / diagonal
        previous, product = product, _dot(residual, scaled)
        direction = scaled + _divide(product, previous) * direction
        image = hessian.product(direction) + shift * direction
        step = _divide(product, _dot(direction, image))
        solution += step * direction
        residual -= step * image
    raise ValueError(
        f"conjugate gradients did not reach tol={tol} with damping={damping}: the Hessian of the "
        "head is singular or nearly so. Use a larger damping, such as 0.1, or solver='exact'."
    )


def _dot(a: NDArray, b: NDArray) -> NDArray:
    return np.einsum("vcf,vcf->v", a, b)[:, None, None]


def _divide(a: NDArray, b: NDArray) -> NDArray:
    # a vector that is solved exactly has a residual of 0 and does not change
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


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

    where :math:`H_t` is the Hessian over a random batch of rows. This is the paper's solver; for
    heads, the others are faster and more accurate.

    Parameters
    ----------
    hessian, vectors, damping
        As for :func:`exact_solver`.
    n_steps, batch_size, n_repeats : int, default=1000, 128 and 1
        The number of steps T, rows per step, and recursions whose results are averaged.
    scale : float, default=None
        The s above: small ones diverge, large ones need more steps. None chooses by the
        eigenvalues of H.
    random_state : int, RandomState instance or None, default=None
        Draws the batches. None draws other batches each time.

    Returns
    -------
    solutions : ndarray of shape (n_vectors, n_outputs, n_features), float64
        The estimates.

    Raises
    ------
    ValueError
        As :func:`exact_solver`, or if the recursion diverges because `scale` is too small.

    References
    ----------
    Agarwal, Bullins, Hazan, "Second-order stochastic optimization for machine learning in linear
    time", 2017. "Robust influence-based training methods for noisy brain MRI", section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.influence import HeadHessian, lissa_solver
    >>> hessian = HeadHessian(np.array([[1.0], [1.0]]), np.array([[0.5], [0.5]]))
    >>> lissa_solver(hessian, np.ones((1, 1, 1)), damping=0).round(3)  # 1 / 0.25
    array([[[4.]]])
    """
    shift = hessian.damping(damping)
    rng = random_state
    if not isinstance(rng, np.random.RandomState):  # None is not numpy's global generator
        rng = np.random.RandomState(rng)
    if scale is None:
        # the average direction converges to exp(-10)
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
    # a separate start, so that the batches do not depend on whether `scale` is given
    vector = np.random.RandomState(0).normal(size=(1, *hessian.shape))
    for _ in range(20):
        vector = hessian.product(vector / np.linalg.norm(vector))
    return float(np.linalg.norm(vector))
