"""The decoder that makes a row from a class code and a residual code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .layers import CONV, channels_first_shape


class FactorDecoder(nn.Module):
    """A linear layer, dropout and five convolutions (Table 1 of the paper).

    The first three convolutions are each followed by an enlargement, back through the sizes of
    :class:`FactorEncoder`. (The paper's table has one after every convolution, which would end
    beyond the size of its images.) The sigmoid at the end gives values between 0 and 1.

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``: what to return.
    n_codes : int, default=512
        Numbers in both codes together; the paper's 512.
    width : int, default=64
        Filters of the last but one convolution; the first has 16 times as many. The paper's 64
        makes the linear layer 262,144 wide for images of 128 by 128.
    dropout : float in [0, 1), default=0.5
        Share of the linear layer's outputs that are dropped in training.

    References
    ----------
    Ben-Cohen et al., "Improving CNN training using disentanglement for liver lesion
    classification in CT", 2018, Table 1.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import FactorDecoder
    >>> FactorDecoder((1, 33, 20), n_codes=8, width=4)(torch.zeros(2, 8)).shape
    torch.Size([2, 1, 33, 20])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_codes: int = 512,
        width: int = 64,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.output_shape = tuple(input_shape)
        n_spatial = max(len(input_shape) - 1, 1)
        channels, *sizes = channels_first_shape(input_shape, n_spatial)
        self.sizes = [sizes]
        for _ in range(3):
            self.sizes.insert(0, [-(-size // 2) for size in self.sizes[0]])
        first = (16 * width, *self.sizes[0])
        self.start = nn.Sequential(
            nn.Linear(n_codes, math.prod(first)),
            nn.ReLU(),
            nn.Unflatten(1, first),
            nn.Dropout(dropout),
        )
        filters = [16 * width, 16 * width, 4 * width, width, width, channels]
        self.convs = nn.ModuleList(
            CONV[n_spatial](n_in, n_out, 3, padding=1) for n_in, n_out in pairwise(filters)
        )

    def forward(self, codes: Tensor) -> Tensor:
        maps = self.start(codes)
        for i, conv in enumerate(self.convs[:-1]):
            maps = conv(maps).relu()
            if i < 3:
                maps = interpolate(maps, self.sizes[i + 1], mode="nearest")
        return torch.sigmoid(self.convs[-1](maps)).reshape(-1, *self.output_shape)
