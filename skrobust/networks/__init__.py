"""Plain torch modules: sizes in, no scikit-learn."""

from .auto import auto_autoencoder, auto_module
from .conv_autoencoder import ConvAutoencoder
from .conv_net import ConvNet
from .dense_autoencoder import DenseAutoencoder
from .factor_classifier import FactorClassifier
from .factor_decoder import FactorDecoder
from .factor_encoder import FactorEncoder
from .layers import PooledHead, SameConv1d
from .mlp import MLP
from .random_augmentation import RandomAugmentation
from .resnet1d import ResidualBlock1d, ResNet1d
from .unet import UNet

__all__ = [
    "MLP",
    "ConvAutoencoder",
    "ConvNet",
    "DenseAutoencoder",
    "FactorClassifier",
    "FactorDecoder",
    "FactorEncoder",
    "PooledHead",
    "RandomAugmentation",
    "ResNet1d",
    "ResidualBlock1d",
    "SameConv1d",
    "UNet",
    "auto_autoencoder",
    "auto_module",
]
