"""A small U-Net for signals, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .layers import CONV, NORM, POOL, channels_first_shape


class UNet(nn.Module):
    """U-Net that returns the shape of its input, whatever the sizes of its axes.

    On the way down there are `depth` halvings, on the way up as many enlargements to the sizes
    of before, each joined with the maps of its level. Every level has two convolutions, each with
    batch norm and ReLU.

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``.
    width : int, default=16
        Filters of the first level; each level below has twice as many.
    depth : int, default=2
        Number of halvings. It stops earlier where an axis would fall below 2.
    kernel_size : int, default=3
        Size of the filters along every axis; odd.

    References
    ----------
    Ronneberger et al., "U-Net: Convolutional networks for biomedical image segmentation", 2015.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import UNet
    >>> UNet(input_shape=(1, 33, 50))(torch.zeros(2, 1, 33, 50)).shape
    torch.Size([2, 1, 33, 50])
    """

    def __init__(
        self, input_shape: Sequence[int], width: int = 16, depth: int = 2, kernel_size: int = 3
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        n_spatial = max(len(input_shape) - 1, 1)
        self.input_shape = channels_first_shape(input_shape, n_spatial)
        channels, *sizes = self.input_shape
        smallest = min(sizes)
        depth = min(depth, max(smallest.bit_length() - 2, 0))
        widths = [width * 2**level for level in range(depth + 1)]

        def level(n_in: int, n_out: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for n in (n_in, n_out):
                conv = CONV[n_spatial](n, n_out, kernel_size, padding=kernel_size // 2, bias=False)
                layers += [conv, NORM[n_spatial](n_out), nn.ReLU()]
            return nn.Sequential(*layers)

        self.pool = POOL[n_spatial](2)
        self.down = nn.ModuleList(
            level(n_in, n_out) for n_in, n_out in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            level(n_below + n_here, n_here)
            for n_below, n_here in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = CONV[n_spatial](width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = x.reshape(len(x), *self.input_shape)
        passed = []
        for i, level in enumerate(self.down):
            maps = level(maps if i == 0 else self.pool(maps))
            passed.append(maps)
        for level in self.up:
            passed.pop()
            enlarged = interpolate(maps, passed[-1].shape[2:], mode="nearest")
            maps = level(torch.cat([enlarged, passed[-1]], dim=1))
        return self.head(maps).reshape(x.shape)
