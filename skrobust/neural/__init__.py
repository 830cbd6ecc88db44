"""Networks as classifiers: training loop, architectures, augmentation; alone imports skorch."""

from .adversarial import AdversarialNetClassifier
from .architectures import (
    MLP,
    ConvNet,
    PooledHead,
    ResidualBlock1d,
    ResNet1d,
    SameConv1d,
    UNet,
    auto_module,
)
from .augmentation import RandomAugmentation, SpectrumAugmentation
from .class_activation_display import ClassActivationDisplay
from .net_classifier import LogitAdjustedLoss, NetClassifier

__all__ = [
    "MLP",
    "AdversarialNetClassifier",
    "ClassActivationDisplay",
    "ConvNet",
    "LogitAdjustedLoss",
    "NetClassifier",
    "PooledHead",
    "RandomAugmentation",
    "ResNet1d",
    "ResidualBlock1d",
    "SameConv1d",
    "SpectrumAugmentation",
    "UNet",
    "auto_module",
]
