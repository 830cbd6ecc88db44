"""Convolutional autoencoders for signals, images and volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .layers import CONV, NORM, channels_first_shape

_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MEMORY = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
}


class ConvAutoencoder(nn.Module):
    """Strided convolutions down to a dense latent code, transposed convolutions up again.

    The number of spatial axes is read from `input_shape`. Every convolution halves the axes,
    rounding up, as long as they are longer than 1; the transposed ones go back through the
    same sizes, so that any size, 64 x 77 x 66 too, is reconstructed to its own shape. ReLU
    after every layer but those that make the code and the reconstruction.

    The paper prints the numbers of filters in a figure only. The defaults follow what its text
    says: convolutions in three dimensions around a dense code of 512. The filters (32, 64, 128,
    128) are a choice.

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``.
    latent_dim : int, default=512
        Size of the code; the paper's.
    width : int, default=32
        Filters of the first convolution; the others have `width` times `multipliers`.
    multipliers : sequence of int, default=(1, 2, 4, 4)
        One entry per convolution.
    kernel_size : int, default=3
        Size of the filters along every axis; odd.
    batch_norm : bool, default=False
        Whether to normalise behind every convolution. Not needed at these depths, and it cannot
        train on a single row.

    References
    ----------
    Behrendt et al., "Unsupervised anomaly detection in 3D brain MRI using deep learning with
    impured training data", 2022, section 2.2.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import ConvAutoencoder
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
        self.input_shape = channels_first_shape(input_shape, n_spatial)
        self.memory_format = _MEMORY[n_spatial]
        channels, *sizes = self.input_shape
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i, multiplier in enumerate(multipliers):
            filters = width * multiplier
            stride = [2 if size > 1 else 1 for size in sizes]
            # what a transposed convolution needs to come back to an even size
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
