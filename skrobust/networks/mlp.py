"""The network for tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU and dropout; the input is flattened.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of one row.
    n_outputs : int
        Number of outputs.
    width : int, default=64
        Units of every hidden layer.
    n_layers : int, default=1
        Hidden layers; 0 is a linear model.
    dropout : float, default=0.0
        Dropout rate after every hidden layer.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import MLP
    >>> MLP(input_shape=(22,), n_outputs=2, width=8)(torch.zeros(4, 22)).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        width: int = 64,
        n_layers: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        size = math.prod(input_shape)
        for _ in range(n_layers):
            layers += [nn.Linear(size, width), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            size = width
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(size, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(x.flatten(1)))
