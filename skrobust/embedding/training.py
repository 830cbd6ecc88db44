"""Training of an embedding: batches, criterion, choice of the epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin, recall_score
from torch import Tensor, nn
from torch.nn import functional

from ..neural.net_classifier import LogitAdjustedLoss
from .losses import BatchAllTripletLoss, BatchHardTripletLoss, IntervalLoss, NTXentLoss


def two_views(change: Callable) -> Callable:
    """Return a transform that changes every row twice at random; its number becomes the label."""

    def transform(net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        views = torch.cat([change(x), change(x)])
        return views, torch.arange(len(x), device=x.device).repeat(2)

    return transform


def change_rare(change: Callable, is_rare: Tensor, probability: float) -> Callable:
    """Return a transform that changes rows of rare classes at random, with some probability."""

    def transform(net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        drawn = torch.rand(len(y), device=y.device) < probability
        chosen = is_rare.to(y.device)[y] & drawn
        if chosen.any():
            x = x.clone()
            x[chosen] = change(x[chosen])
        return x, y

    return transform


TRIPLET_LOSSES = {"batch_all": BatchAllTripletLoss, "batch_hard": BatchHardTripletLoss}


class EmbeddingCriterion(nn.Module):
    """Loss by name; losses of class scores get a linear layer from embedding to classes.

    A triplet loss may be given embeddings of length one, and `cross_entropy_weight` times the cross
    entropy behind a linear layer, with logits adjusted by the class shares in the batches.
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
        if loss in TRIPLET_LOSSES:
            self.loss = TRIPLET_LOSSES[loss](margin)
        elif loss == "nt_xent":
            self.loss = NTXentLoss()
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


def centroid_recall(
    train: NDArray, train_codes: NDArray, valid: NDArray, valid_codes: NDArray
) -> float:
    """Return the recall of the nearest class centroid, averaged over the classes to validate."""
    # NearestCentroid refuses embeddings that are all equal
    codes = np.unique(train_codes)
    centroids = np.stack([train[train_codes == code].mean(0) for code in codes])
    predicted = codes[pairwise_distances_argmin(valid, centroids)]
    present = np.unique(valid_codes)
    return float(recall_score(valid_codes, predicted, labels=present, average="macro"))
