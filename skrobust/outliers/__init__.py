"""Outliers: found, and removed from the training set."""

from .ae_outlier_remover import AEOutlierRemover
from .autoencoders import ConvAutoencoder, DenseAutoencoder, auto_autoencoder
from .displays import GammaCurveDisplay, LossHistogramDisplay, ReconstructionDisplay
from .outlier_remover import NeighborDistance, OutlierRemover
from .row_removal import OutlierRemovalWarning

__all__ = [
    "AEOutlierRemover",
    "ConvAutoencoder",
    "DenseAutoencoder",
    "GammaCurveDisplay",
    "LossHistogramDisplay",
    "NeighborDistance",
    "OutlierRemovalWarning",
    "OutlierRemover",
    "ReconstructionDisplay",
    "auto_autoencoder",
]
