"""Triplet loss over the hardest triplet of each row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .batch_input import check_batch, check_number, same_class
from .euclidean_distances import euclidean_distances


class BatchHardTripletLoss(nn.Module):
    r"""Triplet loss with the farthest positive and the nearest negative of each row.

    .. math::

        L = \frac{1}{|V|} \sum_{a \in V} \max\left(0,\;
            \max_{p} \lVert e_a - e_p \rVert - \min_{n} \lVert e_a - e_n \rVert + \alpha \right)

    with p over the other rows of the class of a, n over the rows of other classes, and V the rows
    that have both.

    Parameters
    ----------
    margin : float, default=0.5
        The :math:`\alpha` above, not negative. The paper uses 1.0 in its supplement.

    Notes
    -----
    The loss is that of [1]_ (section 3, equation 1) and [2]_. The paper prints a sum over the rows
    without the hinge at zero; here the hinge is that of [2]_, and the mean keeps the step length
    independent of the batch size. Rows whose hinge is zero count in the mean. Time and memory are
    :math:`O(B^2)` for B rows.

    It is zero, with zero gradient, where no row has both a positive and a negative, such as in a
    batch of one row or of one class. A row alone in its class is a negative only. If all rows are
    equal the loss is the margin, its gradient zero. Embeddings that are not finite give NaN.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021.
    .. [2] A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person
       Re-Identification", arXiv:1703.07737, 2017.

    Examples
    --------
    >>> import torch
    >>> from skrobust import BatchHardTripletLoss
    >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
    >>> BatchHardTripletLoss(margin=0.5)(embeddings, torch.tensor([0, 0, 1]))  # (0 + 1) / 2
    tensor(0.5000)
    """

    def __init__(self, margin: float = 0.5) -> None:
        super().__init__()
        self.margin = check_number("margin", margin, zero=True)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        embeddings : Tensor of shape (n_rows, n_dims)
            float32 or float64, normalised or not.
        labels : Tensor of shape (n_rows,)
            The class of each row, integers.

        Raises
        ------
        ValueError, TypeError
            If the shapes or types are others.
        """
        embeddings, labels = check_batch(embeddings, labels)
        distances = euclidean_distances(embeddings)
        same, positive = same_class(labels)
        farthest = distances.masked_fill(~positive, -torch.inf).max(dim=1).values
        nearest = distances.masked_fill(same, torch.inf).min(dim=1).values
        valid = positive.any(dim=1) & ~same.all(dim=1)
        hinges = (farthest[valid] - nearest[valid] + self.margin).relu()
        return hinges.sum() / max(len(hinges), 1)

    def extra_repr(self) -> str:
        """Name the margin."""
        return f"margin={self.margin}"
