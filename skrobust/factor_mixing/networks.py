"""The networks of factor mixing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..neural.architectures import CONV, channels_first_shape


class FactorEncoder(nn.Module):
    """Three convolutions of stride 2 and a linear layer (Table 1 of `FactorMixSampler`'s paper).

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``.
    n_codes : int, default=256
        Numbers in a code; default as in the paper.
    width : int, default=64
        Filters of the first convolution, as in the paper; the others have 4 and 16 times as many.
    standardize : bool, default=False
        End in batch norm without weights, for codes of mean 0 and variance 1, instead of ReLU.

    Examples
    --------
    >>> import torch
    >>> from skrobust.factor_mixing import FactorEncoder
    >>> FactorEncoder((1, 32, 32), n_codes=16, width=4)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self, input_shape: Sequence[int], n_codes: int = 256, width: int = 64, standardize=False
    ):
        super().__init__()
        self.input_shape = channels_first_shape(input_shape)
        channels, *sizes = self.input_shape
        layers: list[nn.Module] = []
        for filters in (width, 4 * width, 16 * width):
            layers += [CONV[len(sizes)](channels, filters, 3, stride=2, padding=1), nn.ReLU()]
            sizes = [-(-size // 2) for size in sizes]
            channels = filters
        last = nn.BatchNorm1d(n_codes, affine=False) if standardize else nn.ReLU()
        layers += [nn.Flatten(), nn.Linear(channels * math.prod(sizes), n_codes), last]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.reshape(len(x), *self.input_shape))


class FactorDecoder(nn.Module):
    """A linear layer, dropout and five convolutions (Table 1 of the paper).

    Each of the first three convolutions is followed by an enlargement, through the sizes of
    :class:`FactorEncoder` in reverse (in the paper's table each of the five, which would exceed its
    images). The sigmoid at the end gives values between 0 and 1.

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``: shape of the output.
    n_codes : int, default=512
        Numbers in both codes together; default as in the paper.
    width : int, default=64
        Filters of the last but one convolution, as in the paper; the first has 16 times as many.
    dropout : float in [0, 1), default=0.5
        Share of the linear layer's outputs that are dropped in training.

    Examples
    --------
    >>> import torch
    >>> from skrobust.factor_mixing import FactorDecoder
    >>> FactorDecoder((1, 33, 20), n_codes=8, width=4)(torch.zeros(2, 8)).shape
    torch.Size([2, 1, 33, 20])
    """

    def __init__(
        self, input_shape: Sequence[int], n_codes: int = 512, width: int = 64, dropout: float = 0.5
    ):
        super().__init__()
        self.output_shape = tuple(input_shape)
        channels, *sizes = channels_first_shape(input_shape)
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
            CONV[len(sizes)](n_in, n_out, 3, padding=1) for n_in, n_out in pairwise(filters)
        )

    def forward(self, codes: Tensor) -> Tensor:
        maps = self.start(codes)
        for i, conv in enumerate(self.convs[:-1]):
            maps = conv(maps).relu()
            if i < 3:
                maps = interpolate(maps, self.sizes[i + 1], mode="nearest")
        return torch.sigmoid(self.convs[-1](maps)).reshape(-1, *self.output_shape)


class FactorClassifier(nn.Module):
    """Two dense layers with batch norm, and a linear one (Table 1 of the paper).

    Parameters
    ----------
    n_codes : int
        Numbers in a code.
    n_outputs : int
        Number of classes; one score for each, without softmax.
    width : int, default=256
        Units of the dense layers; default as in the paper.

    Examples
    --------
    >>> import torch
    >>> from skrobust.factor_mixing import FactorClassifier
    >>> FactorClassifier(16, 4, width=8)(torch.zeros(2, 16)).shape
    torch.Size([2, 4])
    """

    def __init__(self, n_codes: int, n_outputs: int, width: int = 256):
        super().__init__()
        layers: list[nn.Module] = []
        for size in (n_codes, width):
            layers += [nn.Linear(size, width), nn.ReLU(), nn.BatchNorm1d(width)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_outputs))

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes)
