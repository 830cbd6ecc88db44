"""The encoder that gives a row a class code or a residual code."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from .layers import CONV, channels_first_shape


class FactorEncoder(nn.Module):
    """Three convolutions of stride 2 and a linear layer, with ReLU (Table 1 of the paper).

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``.
    n_codes : int, default=256
        Numbers in a code; the paper's 256.
    width : int, default=64
        Filters of the first convolution; the others have 4 and 16 times as many. The paper's is
        64.
    standardize : bool, default=False
        End in batch norm without weights, instead of the paper's ReLU: codes of mean 0 and
        variance 1.

    References
    ----------
    Ben-Cohen et al., "Improving CNN training using disentanglement for liver lesion
    classification in CT", 2018, Table 1.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import FactorEncoder
    >>> FactorEncoder((1, 32, 32), n_codes=16, width=4)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_codes: int = 256,
        width: int = 64,
        standardize: bool = False,
    ):
        super().__init__()
        n_spatial = max(len(input_shape) - 1, 1)
        self.input_shape = channels_first_shape(input_shape, n_spatial)
        channels, *sizes = self.input_shape
        layers: list[nn.Module] = []
        for multiplier in (1, 4, 16):
            filters = width * multiplier
            layers += [CONV[n_spatial](channels, filters, 3, stride=2, padding=1), nn.ReLU()]
            sizes = [-(-size // 2) for size in sizes]
            channels = filters
        last = nn.BatchNorm1d(n_codes, affine=False) if standardize else nn.ReLU()
        layers += [nn.Flatten(), nn.Linear(channels * math.prod(sizes), n_codes), last]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.reshape(len(x), *self.input_shape))
