"""Triplet loss over all triplets of a batch."""

from __future__ import annotations

from torch import Tensor, nn

from .active_triplets import count_active_triplets
from .batch_input import check_batch, check_number
from .euclidean_distances import euclidean_distances


class BatchAllTripletLoss(nn.Module):
    r"""Triplet loss over all triplets of a batch, averaged over the active ones.

    Every row is an anchor a, with all others of its class as positives p and all rows of other
    classes as negatives n:

    .. math::

        L = \frac{1}{|A|} \sum_{(a, p, n) \in A}
            \left( \lVert e_a - e_p \rVert - \lVert e_a - e_n \rVert + \alpha \right),

    where A are the active triplets, those whose term is above zero.

    Parameters
    ----------
    margin : float, default=0.5
        The :math:`\alpha` above, not negative. The paper uses 1.0 in its supplement.

    Notes
    -----
    The loss is that of [1]_ (section 3, equation 2) and [2]_. The paper prints a plain sum without
    the hinge at zero; here the terms below zero are dropped and the sum is divided by the number
    of those above zero, as "batch all, non-zero" of [2]_, so that triplets already learnt do not
    dilute the rest.

    Time is :math:`O(B^2 \log B)` and memory :math:`O(B^2)` for B rows, though there are
    :math:`O(B^3)` triplets: one sort per anchor of the distances to the negatives and of those to
    the positives plus margin tells for each positive how many negatives are closer, and for each
    negative how many positives are farther. The loss is the sum of the distances weighted by
    these counts, and the counts are its exact derivatives.

    It is zero, with zero gradient, where no triplet is active, such as in a batch of one row, of
    one class, or of classes with one row each. A row alone in its class is a negative only. If
    all rows are equal the loss is the margin, its gradient zero. Embeddings that are not finite
    give NaN.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021.
    .. [2] A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person
       Re-Identification", arXiv:1703.07737, 2017.

    Examples
    --------
    >>> import torch
    >>> from skrobust import BatchAllTripletLoss
    >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]], requires_grad=True)
    >>> loss = BatchAllTripletLoss(margin=0.5)(embeddings, torch.tensor([0, 0, 1]))
    >>> round(loss.item(), 4)  # only the second row as anchor: 1.0 - 0.5 + 0.5
    1.0
    >>> loss.backward()
    >>> embeddings.grad.ravel()
    tensor([-1.,  2., -1.])
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
        counts, n_active = count_active_triplets(distances.detach(), labels, self.margin)
        mean = (counts * distances).sum() / n_active.clamp(min=1).to(distances.dtype)
        return mean + self.margin * (n_active > 0).to(distances.dtype)

    def extra_repr(self) -> str:
        """Name the margin."""
        return f"margin={self.margin}"
