"""The autoencoder for tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn


class DenseAutoencoder(nn.Module):
    """Linear layers down to a latent code, and the same sizes up again.

    ReLU after every hidden layer; the code and the reconstruction are linear. The input is
    flattened, and the reconstruction has its shape.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of one row.
    latent_dim : int, default=8
        Size of the code.
    widths : sequence of int, default=(64,)
        Units of the encoder's hidden layers; the decoder has them in reverse. Without any, the
        code is that of a linear model.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import DenseAutoencoder
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
