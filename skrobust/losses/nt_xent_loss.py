"""Normalised temperature-scaled cross entropy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from .batch_input import check_batch, check_number, same_class


class _NTXent(torch.autograd.Function):
    """The loss of normalised rows; its gradient by hand needs far fewer passes over the pairs."""

    @staticmethod
    def forward(
        ctx: Any, directions: Tensor, same: Tensor, positive: Tensor, temperature: float
    ) -> Tensor:
        similarities = (directions / temperature) @ directions.T
        # a finite number: rows without negatives give zeros, not NaN
        negatives = similarities.masked_fill(same, torch.finfo(similarities.dtype).min)
        highest = negatives.amax(dim=1, keepdim=True)
        shares = negatives.sub_(highest).exp_()
        sums = shares.sum(dim=1, keepdim=True)
        gaps = similarities.neg_().add_(highest + sums.log())
        chosen = gaps.masked_select(positive)
        n_pairs = max(len(chosen), 1)
        # each positive is pulled, and the negatives are pushed in proportion to their shares
        pull = gaps.sigmoid_().mul_(positive)
        grad = shares.mul_(pull.sum(dim=1, keepdim=True) / sums).sub_(pull)
        ctx.save_for_backward(directions, grad)
        ctx.scale = 1 / (temperature * n_pairs)
        # the default threshold of 20 shows in float64
        return softplus(chosen, threshold=40).sum() / n_pairs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        directions, grad = ctx.saved_tensors
        return (grad + grad.T) @ directions * (grad_loss * ctx.scale), None, None, None


class NTXentLoss(nn.Module):
    r"""Cross entropy of finding a positive among the negatives by cosine similarity.

    With the cosine similarity :math:`s_{ij}` of the rows i and j and the temperature
    :math:`\tau`, the mean over all ordered pairs (a, p) of different rows with equal label of

    .. math::

        \ell_{ap} = - \log \frac{\exp(s_{ap} / \tau)}
            {\exp(s_{ap} / \tau) + \sum_{n:\, y_n \neq y_a} \exp(s_{an} / \tau)}.

    For unlabelled data give the two views of a row the same label and every row another one. With
    class labels each row has many positives; those other than p stay out of the denominator of
    :math:`\ell_{ap}`.

    Parameters
    ----------
    temperature : float, default=0.5
        Above 0. The paper does not name its own; 0.5 is what [2]_ found best on small images.
        Lower values look harder at the most similar negatives.

    Notes
    -----
    The loss of the contrastive pretraining of [1]_ (section 3), which takes it from [2]_ (section
    2.1). It is computed on the B x B similarities: time and memory are :math:`O(B^2)` for B rows,
    whatever the number of positives.

    It is zero, with zero gradient, where there are no positive pairs or no negatives, such as in a
    batch of one row or of one class. A row alone in its class is a negative only. A row of zeros
    has similarity 0 to all others and gets no gradient. Embeddings that are not finite give NaN.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021.
    .. [2] T. Chen, S. Kornblith, M. Norouzi, G. Hinton, "A Simple Framework for Contrastive
       Learning of Visual Representations", arXiv:2002.05709, 2020.

    Examples
    --------
    >>> import torch
    >>> from skrobust import NTXentLoss
    >>> views = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> pair = torch.arange(2).repeat(2)
    >>> NTXentLoss()(torch.cat([views, views]), pair)  # log(1 + 2 exp(-2))
    tensor(0.2395)
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = check_number("temperature", temperature, zero=False)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        embeddings : Tensor of shape (n_rows, n_dims)
            float32 or float64; they are normalised here.
        labels : Tensor of shape (n_rows,)
            The class of each row, or the number of the row it is a view of; integers.

        Raises
        ------
        ValueError, TypeError
            If the shapes or types are others.
        """
        embeddings, labels = check_batch(embeddings, labels)
        lengths = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True)
        directions = embeddings / lengths.masked_fill(lengths == 0, torch.inf)
        return _NTXent.apply(directions, *same_class(labels), self.temperature)

    def extra_repr(self) -> str:
        """Name the temperature."""
        return f"temperature={self.temperature}"
