"""Training of an embedding: batches, criterion, choice of the epoch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin, recall_score
from torch import Tensor, nn
from torch.nn import functional

from ..neural.batches import Rows
from ..neural.net import TensorNet
from ..neural.net_classifier import LogitAdjustedLoss
from .losses import BatchAllTripletLoss, BatchHardTripletLoss, IntervalLoss, NTXentLoss


class TwoViews:
    """Every row twice, each time changed at random, with the number of the row as label.

    Parameters
    ----------
    change : callable
        From a batch to a changed batch.
    """

    def __init__(self, change: Callable[[Tensor], Tensor]):
        self.change = change

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the views and the number of the row of each."""
        views = torch.cat([self.change(x), self.change(x)])
        return views, torch.arange(len(x), device=x.device).repeat(2)


class ChangeRare:
    """Change rows of rare classes at random, and leave the others.

    Parameters
    ----------
    change : callable
        From a batch to a changed batch.
    is_rare : Tensor of shape (n_classes,), bool
        The rare classes.
    probability : float
        Probability with which a row of a rare class is changed.
    """

    def __init__(self, change: Callable[[Tensor], Tensor], is_rare: Tensor, probability: float):
        self.change = change
        self.is_rare = is_rare
        self.probability = probability

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch and its targets."""
        drawn = torch.rand(len(y), device=y.device) < self.probability
        chosen = self.is_rare.to(y.device)[y] & drawn
        if chosen.any():
            x = x.clone()
            x[chosen] = self.change(x[chosen])
        return x, y


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
        Whether the triplet losses use embeddings of length one.
    embedding_dim : int
        Numbers per embedding.
    n_classes : int
        Number of classes of the linear layer; not used by the other losses.
    cross_entropy_weight : float, default=0.0
        Add this many times the cross entropy behind a linear layer to a triplet loss.
    shares : sequence of float, default=None
        Class shares in the batches, by which its logits are adjusted; None if they are equal.
    """

    def __init__(
        self,
        loss: str,
        margin: float,
        unit_length: bool,
        embedding_dim: int,
        n_classes: int = 0,
        cross_entropy_weight: float = 0.0,
        shares: Sequence[float] | None = None,
    ):
        super().__init__()
        self.unit_length = unit_length
        self.cross_entropy_weight = cross_entropy_weight
        self.head = self.joint_head = None
        if cross_entropy_weight:
            self.joint_head = nn.Linear(embedding_dim, n_classes)
            self.cross_entropy = LogitAdjustedLoss(shares or [1.0] * n_classes)
        if loss in EMBEDDING_LOSSES:
            self.loss = EMBEDDING_LOSSES[loss](*[margin] if loss in TRIPLET_LOSSES else [])
        else:
            self.head = nn.Linear(embedding_dim, n_classes)
            self.loss = IntervalLoss(margin) if loss == "interval" else nn.CrossEntropyLoss()

    def forward(self, embeddings: Tensor, codes: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if self.head is not None:
            return self.loss(self.head(embeddings), codes)
        scaled = functional.normalize(embeddings) if self.unit_length else embeddings
        loss = self.loss(scaled, codes)
        if self.joint_head is None:
            return loss
        added = self.cross_entropy(self.joint_head(embeddings), codes)
        return loss + self.cross_entropy_weight * added


class BestEpoch:
    """After every epoch, score the embedding; at the end, restore the best weights.

    The score is the macro recall of nearest class centroids: the centroids are those of the
    training rows, the recall is averaged over the classes of the validation rows. It is
    recorded in the net's history as ``valid_macro_recall``.

    Parameters
    ----------
    train, valid : Rows
        The rows.
    train_codes, valid_codes : ndarray of int
        Their classes.
    embed : callable
        From a net and rows to embeddings, ndarray of shape (n_rows, n_dims).

    Attributes
    ----------
    best_epoch_ : int
        The best epoch, from 1.
    """

    def __init__(self, train: Rows, train_codes: NDArray, valid: Rows, valid_codes: NDArray, embed):
        self.train, self.train_codes = train, train_codes
        self.valid, self.valid_codes = valid, valid_codes
        self.embed = embed
        self.best_score = -np.inf

    def __call__(self, net: TensorNet) -> None:
        """Score the net, and keep its weights if they are better than all before."""
        score = centroid_recall(
            self.embed(net, self.train), self.train_codes,
            self.embed(net, self.valid), self.valid_codes,
        )  # fmt: skip
        better = score > self.best_score
        net.history.record("valid_macro_recall", score)
        net.history.record("valid_macro_recall_best", bool(better))
        if better:
            self.best_score, self.best_epoch_ = score, len(net.history)
            self.state = copy.deepcopy(net.module_.state_dict())

    def restore(self, net: TensorNet) -> None:
        """Restore the best weights of the net."""
        net.module_.load_state_dict(self.state)


def centroid_recall(
    train: NDArray, train_codes: NDArray, valid: NDArray, valid_codes: NDArray
) -> float:
    """Return the macro recall of the nearest class centroid."""
    # NearestCentroid refuses embeddings that are all equal
    codes = np.unique(train_codes)
    centroids = np.stack([train[train_codes == code].mean(0) for code in codes])
    predicted = codes[pairwise_distances_argmin(valid, centroids)]
    present = np.unique(valid_codes)
    return float(recall_score(valid_codes, predicted, labels=present, average="macro"))
