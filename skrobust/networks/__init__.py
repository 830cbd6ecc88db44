"""Plain torch modules: sizes in, no scikit-learn."""

from .auto import auto_module
from .conv_net import ConvNet
from .layers import PooledHead, SameConv1d
from .mlp import MLP
from .resnet1d import ResidualBlock1d, ResNet1d

__all__ = [
    "MLP",
    "ConvNet",
    "PooledHead",
    "ResNet1d",
    "ResidualBlock1d",
    "SameConv1d",
    "auto_module",
]
