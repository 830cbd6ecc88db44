"""Solving with the Hessian by one Cholesky decomposition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from .head_hessian import HeadHessian


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
