"""Autoencoders for images, volumes, signals and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..neural.architectures import CONV, NORM, channels_first_shape

_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MEMORY = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}


class ConvAutoencoder(nn.Module):
    """Strided convolutions down to a dense latent code, transposed convolutions up again.

    Every convolution halves the spatial axes, rounding up; the transposed ones pass through the
    same sizes in reverse, so that any shape is possible. ReLU follows every layer except those that
    produce the code and the reconstruction. The outlier paper (section 2.2) shows the numbers of
    filters in a figure only: (32, 64, 128, 128) are a choice.

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``.
    latent_dim : int, default=512
        Size of the code; the paper's.
    width, multipliers : int, default=32, and sequence of int, default=(1, 2, 4, 4)
        The convolutions have `width` times `multipliers` filters.
    kernel_size : int, default=3
        Size of the filters along every axis; odd.
    batch_norm : bool, default=False
        Whether to normalise after every convolution; needs batches of several rows.

    Examples
    --------
    >>> import torch
    >>> from skrobust.outliers import ConvAutoencoder
    >>> net = ConvAutoencoder(input_shape=(1, 16, 19, 17), latent_dim=8, width=4)
    >>> net(torch.zeros(2, 1, 16, 19, 17)).shape
    torch.Size([2, 1, 16, 19, 17])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        latent_dim: int = 512,
        width: int = 32,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        kernel_size: int = 3,
        batch_norm: bool = False,
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        n_spatial = max(len(input_shape) - 1, 1)
        if n_spatial > 3:
            raise ValueError(
                f"input_shape={tuple(input_shape)} has {n_spatial} spatial axes; ConvAutoencoder "
                "takes 1 (signals), 2 (images) or 3 (volumes)"
            )
        self.input_shape = channels_first_shape(input_shape)
        self.memory_format = _MEMORY[n_spatial]
        channels, *sizes = self.input_shape
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i, multiplier in enumerate(multipliers):
            filters = width * multiplier
            stride = [2 if size > 1 else 1 for size in sizes]
            # what a transposed convolution needs to return to an even size
            extra = [1 - size % 2 if size > 1 else 0 for size in sizes]
            options = {"stride": stride, "padding": kernel_size // 2}
            norm = NORM[n_spatial] if batch_norm else lambda _: nn.Identity()
            down += [CONV[n_spatial](channels, filters, kernel_size, **options)]
            down += [norm(filters), nn.ReLU()]
            back = _TRANSPOSED[n_spatial](
                filters, channels, kernel_size, output_padding=extra, **options
            )
            up = [back, *([norm(channels), nn.ReLU()] if i else []), *up]
            sizes = [-(-size // 2) for size in sizes]
            channels = filters
        n_features = channels * math.prod(sizes)
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(n_features, latent_dim))
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, n_features), nn.ReLU(), nn.Unflatten(1, (channels, *sizes)), *up
        )
        self.to(memory_format=self.memory_format)

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes, ``(batch, latent_dim)``."""
        x = x.reshape(len(x), *self.input_shape)
        return self.encoder(x.contiguous(memory_format=self.memory_format))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encode(x)).reshape(x.shape)


class DenseAutoencoder(nn.Module):
    """Linear layers down to a latent code, and back through the same sizes.

    ReLU after every hidden layer; the code and the reconstruction are linear.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of one row.
    latent_dim : int, default=8
        Size of the code.
    widths : sequence of int, default=(64,)
        Units of the encoder's hidden layers; the decoder has them in reverse.

    Examples
    --------
    >>> import torch
    >>> from skrobust.outliers import DenseAutoencoder
    >>> net = DenseAutoencoder(input_shape=(30,), latent_dim=4)
    >>> net.encode(torch.zeros(5, 30)).shape, net(torch.zeros(5, 30)).shape
    (torch.Size([5, 4]), torch.Size([5, 30]))
    """

    def __init__(
        self, input_shape: Sequence[int], latent_dim: int = 8, widths: Sequence[int] = (64,)
    ):
        super().__init__()
        n_inputs = math.prod(input_shape)
        self.encoder = _layers([n_inputs, *widths, latent_dim])
        self.decoder = _layers([latent_dim, *reversed(widths), n_inputs])

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes, ``(batch, latent_dim)``."""
        return self.encoder(x.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encode(x)).reshape(x.shape)


def _layers(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(len(sizes) - 1):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


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
        Arguments for it, in addition to ``input_shape``.

    Examples
    --------
    >>> from skrobust.outliers import auto_autoencoder
    >>> auto_autoencoder((1, 64, 77, 66))[1]
    {'latent_dim': 32, 'width': 8, 'multipliers': (1, 2, 4)}
    """
    if len(input_shape) == 1:
        latent_dim = min(32, max(2, math.prod(input_shape) // 8))
        return DenseAutoencoder, {"latent_dim": latent_dim, "widths": (64,)}
    width = 8 if len(input_shape) > 3 else 16
    return ConvAutoencoder, {"latent_dim": 32, "width": width, "multipliers": (1, 2, 4)}
