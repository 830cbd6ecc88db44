"""Solving with the Hessian by preconditioned conjugate gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .head_hessian import HeadHessian


def cg_solver(
    hessian: HeadHessian,
    vectors: NDArray,
    damping: float = 0.1,
    *,
    tol: float = 1e-8,
    max_iter: int | None = None,
) -> NDArray:
    r"""Return :math:`(H + \lambda I)^{-1} v` by conjugate gradients, without building H.

    The preconditioner is the diagonal (Jacobi). All vectors are solved for side by side, each with
    its own step sizes.

    Parameters
    ----------
    hessian : HeadHessian
        The Hessian H. One product costs ``4 n_samples * n_parameters`` operations per vector.
    vectors : ndarray of shape (n_vectors, n_outputs, n_features)
        The vectors v.
    damping : float, default=0.1
        The :math:`\lambda` above as a multiple of the mean of the diagonal of H.
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
        If `damping` is negative or not finite, or 0 while the Hessian is singular, or if the
        tolerance is not reached.

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
    solution = np.zeros_like(vectors)
    residual = vectors.copy()
    scaled = residual / diagonal
    direction = scaled.copy()
    product = _dot(residual, scaled)
    max_iter = 10 * hessian.n_parameters if max_iter is None else max_iter
    for iteration in range(max_iter + 1):
        if (np.sqrt(_dot(residual, residual)) <= goal).all():
            return solution
        if iteration == max_iter:
            break
        image = hessian.product(direction) + shift * direction
        step = _divide(product, _dot(direction, image))
        solution += step * direction
        residual -= step * image
        scaled = residual / diagonal
        previous, product = product, _dot(residual, scaled)
        direction = scaled + _divide(product, previous) * direction
    raise ValueError(
        f"conjugate gradients did not reach tol={tol} with damping={damping}: the Hessian of the "
        "head is singular or nearly so. Use a larger damping, such as 0.1, or solver='exact'."
    )


def _dot(a: NDArray, b: NDArray) -> NDArray:
    return np.einsum("vcf,vcf->v", a, b)[:, None, None]


def _divide(a: NDArray, b: NDArray) -> NDArray:
    # a vector that is solved for exactly has a residual of 0 and stays where it is
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
