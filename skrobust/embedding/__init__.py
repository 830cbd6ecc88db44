"""Embeddings by triplet losses, for classes with few rows and for retrieval."""

from .displays import EmbeddingDisplay, RetrievalDisplay
from .logit_adjusted_classifier import LogitAdjustedClassifier
from .losses import (
    BatchAllTripletLoss,
    BatchHardTripletLoss,
    IntervalLoss,
    NTXentLoss,
    euclidean_distances,
)
from .neighbors import ClassWeightedKNeighborsClassifier, retrieve_neighbors
from .triplet_embedder import TripletEmbedder

__all__ = [
    "BatchAllTripletLoss",
    "BatchHardTripletLoss",
    "ClassWeightedKNeighborsClassifier",
    "EmbeddingDisplay",
    "IntervalLoss",
    "LogitAdjustedClassifier",
    "NTXentLoss",
    "RetrievalDisplay",
    "TripletEmbedder",
    "euclidean_distances",
    "retrieve_neighbors",
]
