"""Euclidean distances between all rows of a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# pairs nearer than this share of their squared lengths lose digits in |x|^2 + |y|^2 - 2 xy
CLOSE = 1e-3
PAIRS_PER_ROW = 8  # close pairs taken at a time, in batch sizes: memory stays at a few matrices


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor) -> Tensor:
        # distances do not change, rounding shrinks with the lengths
        rows = embeddings - embeddings.mean(dim=0)
        squares = rows.square().sum(dim=1)
        sums = squares[:, None] + squares
        distances = torch.addmm(sums, rows, rows.T, alpha=-2)
        pairs = (distances <= sums.mul_(CLOSE)).triu_(1).nonzero()
        distances.clamp_(min=0).sqrt_().fill_diagonal_(0)
        for first, second in _chunks(pairs, len(rows)):
            # these few from the differences: equal rows are at distance exactly zero
            near = torch.linalg.vector_norm(rows[first] - rows[second], dim=1)
            distances[first, second] = near
            distances[second, first] = near
        if not squares.sum().isfinite():  # no row may hide that another one has diverged
            distances.fill_(torch.nan)
        ctx.save_for_backward(rows, distances, pairs)
        return distances

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        rows, distances, pairs = ctx.saved_tensors
        # d D_ij / d x_i = (x_i - x_j) / D_ij
        weights = grad / distances
        weights.fill_diagonal_(0)
        if len(pairs):
            weights[pairs[:, 0], pairs[:, 1]] = 0
            weights[pairs[:, 1], pairs[:, 0]] = 0
        weights = weights + weights.T
        result = weights.sum(dim=1, keepdim=True) * rows - weights @ rows
        for first, second in _chunks(pairs, len(rows)):
            near = distances[first, second][:, None]
            # over infinity: the gradient of a zero distance is zero
            direction = (rows[first] - rows[second]) / near.masked_fill(near == 0, torch.inf)
            change = (grad[first, second] + grad[second, first])[:, None] * direction
            result.index_add_(0, first, change)
            result.index_add_(0, second, change, alpha=-1)
        return result


def _chunks(pairs: Tensor, n_rows: int) -> list[tuple[Tensor, Tensor]]:
    return [tuple(chunk.T) for chunk in pairs.split(PAIRS_PER_ROW * n_rows) if len(chunk)]


def euclidean_distances(embeddings: Tensor) -> Tensor:
    r"""Return the Euclidean distances between all rows.

    .. math:: D_{ij} = \lVert e_i - e_j \rVert_2

    The matrix product gives them, but for pairs so close that it loses digits: those are taken
    from the differences. Equal rows are at distance exactly zero and get a gradient of zero from
    it, where the square root alone would give infinity.

    Parameters
    ----------
    embeddings : Tensor of shape (n_rows, n_dims)
        float32 or float64.

    Returns
    -------
    Tensor of shape (n_rows, n_rows)
        Symmetric, zeros on the diagonal. It can be differentiated once. All NaN if any embedding
        is not finite.

    Examples
    --------
    >>> import torch
    >>> from skrobust.losses import euclidean_distances
    >>> rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]], requires_grad=True)
    >>> distances = euclidean_distances(rows)
    >>> distances.detach()
    tensor([[0., 5., 5.],
            [5., 0., 0.],
            [5., 0., 0.]])
    >>> distances[1, 2].backward()
    >>> rows.grad.abs().max()
    tensor(0.)
    """
    if embeddings.ndim != 2:
        raise ValueError(
            f"embeddings must have shape (n_rows, n_dims), got {tuple(embeddings.shape)}"
        )
    return _Distances.apply(embeddings)
