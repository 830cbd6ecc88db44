"""The Hessian of a linear head's mean loss, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class HeadHessian:
    r"""Hessian of the mean cross entropy with respect to the weights of a linear head.

    .. math::

        H = \frac{1}{n} \sum_i w_i \, (\mathrm{diag}(p_i) - p_i p_i^T) \otimes h_i h_i^T

    for features :math:`h_i` (with 1 appended where the head has a bias), class probabilities
    :math:`p_i` and row weights :math:`w_i`. With a single output, :math:`p_i` is the sigmoid of it
    and the same formula gives :math:`p_i (1 - p_i) \, h_i h_i^T`. It does not depend on the labels.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features), float64
        The head's inputs.
    proba : ndarray of shape (n_samples, n_outputs), float64
        Softmax of the head's outputs, or the sigmoid of a single one.
    weight : ndarray of shape (n_samples,), default=None
        Weights of the rows, not negative, with a mean of 1; all 1 when None.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.influence import HeadHessian
    >>> hessian = HeadHessian(np.array([[1.0, 2.0]]), np.array([[0.5, 0.5]]))
    >>> hessian.dense()
    array([[ 0.25,  0.5 , -0.25, -0.5 ],
           [ 0.5 ,  1.  , -0.5 , -1.  ],
           [-0.25, -0.5 ,  0.25,  0.5 ],
           [-0.5 , -1.  ,  0.5 ,  1.  ]])
    """

    features: NDArray
    proba: NDArray
    weight: NDArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Return ``(n_outputs, n_features)``, the shape of the head's weights."""
        return self.proba.shape[1], self.features.shape[1]

    @property
    def n_parameters(self) -> int:
        """Return the number of weights, the bias included."""
        return self.proba.shape[1] * self.features.shape[1]

    @cached_property
    def _share(self) -> NDArray:
        n_rows = len(self.features)
        return np.full(n_rows, 1 / n_rows) if self.weight is None else self.weight / n_rows

    @cached_property
    def diagonal(self) -> NDArray:
        """The diagonal, an ndarray of shape ``(n_outputs, n_features)``."""
        variance = self.proba * (1 - self.proba) * self._share[:, None]
        return variance.T @ self.features**2

    def dense(self) -> NDArray:
        """Return the matrix, ``(n_parameters, n_parameters)``, in the order of ``ravel()``."""
        n_outputs, n_features = self.shape
        blocks = np.zeros((n_outputs, n_features, n_outputs, n_features))
        if n_outputs == 1:
            blocks[0, :, 0] = self._gram(self.proba[:, 0] * (1 - self.proba[:, 0]))
            return blocks.reshape(n_features, n_features)
        # the covariances p_c p_d of a softmax sum to zero over d, so that the blocks on the
        # diagonal follow from the others
        for c in range(n_outputs):
            for d in range(c):
                block = self._gram(self.proba[:, c] * self.proba[:, d])
                blocks[c, :, d] = blocks[d, :, c] = -block
                blocks[c, :, c] += block
                blocks[d, :, d] += block
        return blocks.reshape(self.n_parameters, self.n_parameters)

    def product(self, vectors: NDArray, rows: NDArray | slice = slice(None)) -> NDArray:
        """Return the Hessian times vectors, without building it.

        Parameters
        ----------
        vectors : ndarray of shape (n_vectors, n_outputs, n_features)
            What to multiply.
        rows : ndarray of int or slice, default=slice(None)
            Take the mean loss over these rows only.

        Returns
        -------
        products : ndarray of shape (n_vectors, n_outputs, n_features)
            The products.
        """
        features, proba, share = self.features[rows], self.proba[rows], self._share[rows]
        share = share * (len(self.features) / len(features))
        products = np.zeros_like(vectors)
        # about 2**20 numbers at once: more would leave the caches
        size = max(1, 2**20 // (len(vectors) * self.shape[0] + self.shape[1]))
        for start in range(0, len(features), size):
            part = slice(start, start + size)
            products += _product(features[part], proba[part], share[part], vectors)
        return products

    def damping(self, relative: float) -> float:
        """Return the damping: a multiple of the mean of the Hessian's diagonal.

        Parameters
        ----------
        relative : float
            The multiple, not negative.

        Returns
        -------
        damping : float
            What to add to the diagonal.

        Raises
        ------
        ValueError
            If the multiple is negative, or 0 though the Hessian of a softmax is always singular,
            or if the Hessian is zero.
        """
        if not 0 <= relative < np.inf:
            raise ValueError(f"damping must be a finite number, not negative, got {relative}.")
        if relative == 0 and self.shape[0] > 1:
            raise ValueError(
                "damping=0, but the Hessian of a softmax head is singular: adding the same vector "
                "to the weights of all classes changes nothing. Use damping > 0, such as 0.1."
            )
        mean = float(self.diagonal.mean())
        if not mean > 0:
            raise ValueError(
                "the Hessian of the head is zero or not finite: the head is completely certain of "
                "every row (trained too long), or its features are zero or not finite."
            )
        return relative * mean

    def _gram(self, factor: NDArray) -> NDArray:
        # numpy computes A.T @ A at half the cost of a general product
        scaled = self.features * np.sqrt(factor * self._share)[:, None]
        return scaled.T @ scaled


def _product(features: NDArray, proba: NDArray, share: NDArray, vectors: NDArray) -> NDArray:
    """Return the share of some rows in the products."""
    n_vectors, n_outputs, n_features = vectors.shape
    logits = features @ vectors.reshape(-1, n_features).T
    logits = logits.reshape(len(features), n_vectors, n_outputs)
    weighted = logits * proba[:, None]
    weighted -= proba[:, None] * weighted.sum(2, keepdims=True)
    weighted *= share[:, None, None]
    return (weighted.reshape(len(features), -1).T @ features).reshape(vectors.shape)
