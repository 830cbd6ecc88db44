"""The loss of an embedding network."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize

from ..losses import BatchAllTripletLoss, BatchHardTripletLoss, IntervalLoss, NTXentLoss

EMBEDDING_LOSSES = {
    "batch_all": BatchAllTripletLoss,
    "batch_hard": BatchHardTripletLoss,
    "nt_xent": NTXentLoss,
}
TRIPLET_LOSSES = ("batch_all", "batch_hard")


class EmbeddingCriterion(nn.Module):
    """Loss by name; losses of class scores get a linear layer from embedding to classes.

    Parameters
    ----------
    loss : {"batch_all", "batch_hard", "nt_xent", "cross_entropy", "interval"}
        The loss.
    margin : float
        Margin of the triplet losses and of "interval".
    unit_length : bool
        Whether the triplet losses see embeddings of length one.
    embedding_dim : int
        Numbers per embedding.
    n_classes : int
        Classes that the linear layer tells apart; not used by the other losses.
    """

    def __init__(
        self, loss: str, margin: float, unit_length: bool, embedding_dim: int, n_classes: int = 0
    ):
        super().__init__()
        self.unit_length = unit_length
        self.head = None
        if loss in EMBEDDING_LOSSES:
            self.loss = EMBEDDING_LOSSES[loss](*[margin] if loss in TRIPLET_LOSSES else [])
        else:
            self.head = nn.Linear(embedding_dim, n_classes)
            self.loss = IntervalLoss(margin) if loss == "interval" else nn.CrossEntropyLoss()

    def forward(self, embeddings: Tensor, codes: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if self.head is not None:
            return self.loss(self.head(embeddings), codes)
        if self.unit_length:
            embeddings = normalize(embeddings)
        return self.loss(embeddings, codes)
