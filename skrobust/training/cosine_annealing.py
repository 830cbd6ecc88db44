"""A learning rate that falls to zero."""

from __future__ import annotations

import math

from skorch.callbacks import Callback


class CosineAnnealing(Callback):
    """Lower the learning rate to zero over the epochs, along half a cosine.

    skorch's ``LRScheduler`` does the same, but asks to see every batch, which slows training.

    Parameters
    ----------
    n_epochs : int
        Epochs after which it would be zero.
    """

    def __init__(self, n_epochs: int):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        """Set the rate of the epoch."""
        done = min((len(net.history) - 1) / self.n_epochs, 1)
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * (1 + math.cos(math.pi * done)) / 2
