"""The residual network for signals."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import PooledHead, SameConv1d, channels_first_shape


class ResidualBlock1d(nn.Module):
    """Two convolutions beside a shortcut without weights.

    Main branch: convolution, batch norm, ReLU, dropout, convolution, batch norm. Shortcut:
    identity, max-pooled where the block subsamples, with zero channels appended where the
    number of filters grows. ReLU after the sum.

    Parameters
    ----------
    in_channels, out_channels : int
        Numbers of filters before and after.
    kernel_size : int
        Length of the filters, in points.
    stride : {1, 2}
        Subsampling.
    dropout : float
        Share of activations dropped between the convolutions.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, dropout: float
    ):
        super().__init__()
        self.stride = stride
        self.conv1 = SameConv1d(in_channels, out_channels, kernel_size, stride)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = SameConv1d(out_channels, out_channels, kernel_size)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        main = self.dropout(F.relu(self.norm1(self.conv1(x))))
        main = self.norm2(self.conv2(main))
        if self.stride > 1:
            x = F.max_pool2d(x, (1, self.stride), ceil_mode=True)
        if self.new_channels:
            x = F.pad(x, (0, 0, 0, 0, 0, self.new_channels))
        return F.relu(main + x)


class ResNet1d(nn.Module):
    """Residual convolutional network for signals.

    The defaults are Table 1 of the paper: 8 blocks of two convolutions behind a first one (17
    convolutions), kernels of 32 points, 16 filters that double at blocks 3, 5 and 7,
    subsampling by 2 at blocks 1, 3, 5 and 7, dropout 0.55, global average pooling and one
    dense layer; 288 points leave as 18. The table prints stride 1 for block 1 but halves the
    length there; the lengths, and the text ("every other block subsamples"), are followed.

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, length)``, or ``(length,)`` for one channel.
    n_outputs : int
        Number of outputs.
    width : int, default=16
        Filters of the first convolution.
    n_blocks : int, default=8
        Residual blocks. Odd ones subsample by 2; every second one from the third doubles
        the filters.
    kernel_size : int, default=32
        Length of the filters, in points.
    dropout : float, default=0.55
        Dropout rate in every block.

    References
    ----------
    Lu et al., "Human-expert-level brain tumor detection using deep learning with data
    distillation and augmentation", 2020, Table 1.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import ResNet1d
    >>> net = ResNet1d(input_shape=(1, 288), n_outputs=2)
    >>> net.feature_maps(torch.zeros(5, 1, 288)).shape
    torch.Size([5, 128, 18])
    >>> net(torch.zeros(5, 1, 288)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        width: int = 16,
        n_blocks: int = 8,
        kernel_size: int = 32,
        dropout: float = 0.55,
    ):
        super().__init__()
        self.input_shape = channels_first_shape(input_shape, 1)
        self.conv = SameConv1d(self.input_shape[0], width, kernel_size)
        self.norm = nn.BatchNorm2d(width)
        blocks, channels = [], width
        for i in range(n_blocks):
            subsamples = i % 2 == 0
            out_channels = channels * 2 if subsamples and i > 0 else channels
            blocks.append(
                ResidualBlock1d(channels, out_channels, kernel_size, 1 + subsamples, dropout)
            )
            channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.head = PooledHead(channels, n_outputs)
        self.to(memory_format=torch.channels_last)

    def feature_maps(self, x: Tensor) -> Tensor:
        """Return the maps before pooling, ``(batch, filters, points)``."""
        x = x.reshape(len(x), self.input_shape[0], 1, self.input_shape[1])
        x = x.contiguous(memory_format=torch.channels_last)
        return self.blocks(F.relu(self.norm(self.conv(x)))).squeeze(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.feature_maps(x))
