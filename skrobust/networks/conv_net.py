"""Plain convolutional networks for signals, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .layers import CONV, NORM, POOL, PooledHead, channels_first_shape


class ConvNet(nn.Module):
    """Convolution, batch norm, ReLU and max pooling, some times over, then one linear layer.

    The number of spatial axes is read from `input_shape`. The default filters are those of the
    influence paper's network (32, 32, 64, 64, 64); the kernel size, which that paper leaves
    open, is 3. Pooling by 2 stops where an axis would fall below 1; the feature maps are
    averaged over space before the linear layer, so that class activation maps exist. With `hidden`
    there is a dense layer more, as in the encoder of the triplet paper.

    Parameters
    ----------
    input_shape : sequence of int
        ``(channels, *spatial)`` with 1 to 3 spatial axes, or ``(length,)``.
    n_outputs : int
        Number of outputs.
    width : int, default=32
        Filters of the first layer; the others have `width` times `multipliers`.
    multipliers : sequence of int, default=(1, 1, 2, 2, 2)
        One entry per convolution.
    kernel_size : int, default=3
        Size of the filters along every axis; odd.
    hidden : int, default=None
        Units of a dense layer between the averaged maps and the outputs. None: no such layer;
        class activation maps exist only then.

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", section 6.1.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import ConvNet
    >>> ConvNet(input_shape=(1, 64, 64), n_outputs=3)(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        width: int = 32,
        multipliers: Sequence[int] = (1, 1, 2, 2, 2),
        kernel_size: int = 3,
        hidden: int | None = None,
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        n_spatial = max(len(input_shape) - 1, 1)
        if n_spatial > 3:
            raise ValueError(
                f"input_shape={tuple(input_shape)} has {n_spatial} spatial axes; ConvNet takes "
                "1 (signals), 2 (images) or 3 (volumes)"
            )
        self.input_shape = channels_first_shape(input_shape, n_spatial)
        channels, *sizes = self.input_shape
        layers: list[nn.Module] = []
        for multiplier in multipliers:
            layers += [
                CONV[n_spatial](
                    channels, width * multiplier, kernel_size, padding=kernel_size // 2, bias=False
                ),
                NORM[n_spatial](width * multiplier),
                nn.ReLU(),
            ]
            pool = [2 if size >= 2 else 1 for size in sizes]
            if max(pool) == 2:
                layers.append(POOL[n_spatial](pool))
            sizes = [size // factor for size, factor in zip(sizes, pool, strict=True)]
            channels = width * multiplier
        self.features = nn.Sequential(*layers)
        self.head = PooledHead(channels, hidden or n_outputs)
        if hidden:
            self.head = nn.Sequential(self.head, nn.ReLU(), nn.Linear(hidden, n_outputs))

    def feature_maps(self, x: Tensor) -> Tensor:
        """Return the maps before pooling, ``(batch, filters, *spatial)``."""
        return self.features(x.reshape(len(x), *self.input_shape))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.feature_maps(x))
