"""What happens to a training batch of an embedding network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class TwoViews:
    """Every row twice, each time changed at random, under a number of its own.

    Parameters
    ----------
    change : callable
        From a batch to a changed batch.
    """

    def __init__(self, change: Callable[[Tensor], Tensor]):
        self.change = change

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the views and the number of the row behind each."""
        views = torch.cat([self.change(x), self.change(x)])
        return views, torch.arange(len(x), device=x.device).repeat(2)


class ChangeRare:
    """Change rows of rare classes at random, and leave the others.

    Parameters
    ----------
    change : callable
        From a batch to a changed batch.
    is_rare : Tensor of shape (n_classes,), bool
        The rare classes.
    probability : float
        With which a row of a rare class is changed.
    """

    def __init__(self, change: Callable[[Tensor], Tensor], is_rare: Tensor, probability: float):
        self.change = change
        self.is_rare = is_rare
        self.probability = probability

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch and its targets."""
        drawn = torch.rand(len(y), device=y.device) < self.probability
        chosen = self.is_rare.to(y.device)[y] & drawn
        if chosen.any():
            x = x.clone()
            x[chosen] = self.change(x[chosen])
        return x, y
