"""Losses on a batch of embeddings: plain torch modules, no scikit-learn."""

from .batch_all_triplet_loss import BatchAllTripletLoss
from .batch_hard_triplet_loss import BatchHardTripletLoss
from .euclidean_distances import euclidean_distances
from .interval_loss import IntervalLoss
from .logit_adjusted_loss import LogitAdjustedLoss
from .nt_xent_loss import NTXentLoss

__all__ = [
    "BatchAllTripletLoss",
    "BatchHardTripletLoss",
    "IntervalLoss",
    "LogitAdjustedLoss",
    "NTXentLoss",
    "euclidean_distances",
]
