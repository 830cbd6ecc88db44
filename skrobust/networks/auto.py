"""The networks that suit the shape of the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import nn

from .conv_autoencoder import ConvAutoencoder
from .conv_net import ConvNet
from .dense_autoencoder import DenseAutoencoder
from .resnet1d import ResNet1d


def auto_module(input_shape: Sequence[int]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Return a small network class and its sizes for rows of a shape.

    Signals get a :class:`ResNet1d` of width 8 with 4 blocks, dropout 0.2 and kernels of at most 16
    points and a quarter of the signal, less than a hundredth of the paper's weights; images a
    :class:`ConvNet` of width 16, volumes one of width 8. The full networks of the papers are had
    by parameters.

    Parameters
    ----------
    input_shape : sequence of int
        ``(n_features,)`` or ``(channels, *spatial)``.

    Returns
    -------
    module : type
        Subclass of :class:`torch.nn.Module`.
    params : dict
        Arguments for it, beside ``input_shape`` and ``n_outputs``.

    Examples
    --------
    >>> from skrobust.networks import auto_module
    >>> auto_module((288,))[1]
    {'width': 8, 'n_blocks': 4, 'kernel_size': 16, 'dropout': 0.2}
    """
    n_spatial = max(len(input_shape) - 1, 1)
    if n_spatial == 1:
        kernel_size = min(16, max(3, input_shape[-1] // 4))
        return ResNet1d, {"width": 8, "n_blocks": 4, "kernel_size": kernel_size, "dropout": 0.2}
    return ConvNet, {"width": 16 if n_spatial == 2 else 8}


def auto_autoencoder(input_shape: Sequence[int]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Return a small autoencoder class and its sizes for rows of a shape.

    Flat rows get a :class:`DenseAutoencoder` with one hidden layer of 64 units and a code of an
    eighth of the features, 2 to 32. Signals, images and volumes with a channel axis get a
    :class:`ConvAutoencoder` of 3 convolutions with a code of 32, of width 16 (volumes 8).

    Parameters
    ----------
    input_shape : sequence of int
        ``(n_features,)`` or ``(channels, *spatial)``.

    Returns
    -------
    module : type
        Subclass of :class:`torch.nn.Module`.
    params : dict
        Arguments for it, beside ``input_shape``.

    Examples
    --------
    >>> from skrobust.networks import auto_autoencoder
    >>> auto_autoencoder((30,))[1]
    {'latent_dim': 3, 'widths': (64,)}
    >>> auto_autoencoder((1, 64, 77, 66))[1]
    {'latent_dim': 32, 'width': 8, 'multipliers': (1, 2, 4)}
    """
    if len(input_shape) == 1:
        latent_dim = min(32, max(2, math.prod(input_shape) // 8))
        return DenseAutoencoder, {"latent_dim": latent_dim, "widths": (64,)}
    width = 8 if len(input_shape) > 3 else 16
    return ConvAutoencoder, {"latent_dim": 32, "width": width, "multipliers": (1, 2, 4)}
