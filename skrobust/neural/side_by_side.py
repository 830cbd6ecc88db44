"""Training several small networks in one loop."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .architectures import MLP
from .batches import Rows
from .net import TensorNet
from .seeding import OwnDropout, torch_defaults


class StackedMLP:
    """Several networks of linear layers as one, with stacked weights.

    Small networks take most of their time to start operations: this starts one for all.
    """

    def __init__(self, networks: Sequence[MLP]):
        self.layers = list(zip(*([*net.hidden, net.head] for net in networks), strict=True))
        own = zip(*(net.parameters() for net in networks), strict=True)
        self.parameters = [torch.stack([p.detach() for p in same]).requires_grad_() for same in own]

    def __call__(self, x: Tensor) -> Tensor:
        """Return outputs (n_networks, batch, n_outputs) of rows (n_networks, batch, ...)."""
        x, parameters = x.flatten(2), iter(self.parameters)
        for layers in self.layers:
            if isinstance(layers[0], nn.Linear):
                weight, bias = next(parameters), next(parameters)
                x = torch.baddbmm(bias[:, None], x, weight.mT)
            elif isinstance(layers[0], OwnDropout) and layers[0].p < 1:
                x = x * self._dropout_mask(layers, x)
            else:
                x = layers[0](x)
        return x

    @staticmethod
    def _dropout_mask(layers: Sequence[OwnDropout], x: Tensor) -> Tensor:
        """Return what the networks would multiply their activations by, each drawing its own."""
        keep, mask = 1 - layers[0].p, torch.empty_like(x)
        for layer, own in zip(layers, mask, strict=True):
            own.bernoulli_(keep, generator=layer.randomness.generator(x.device))
        return mask.div_(keep)


def train_side_by_side(nets: Sequence[TensorNet], rows: Sequence[Rows], epochs: int) -> None:
    """Train networks as :meth:`TensorNet.run_epochs` would, each on its own rows in its own order.

    They are initialised, have :class:`MLP` as module, a loss that is a mean over rows, an optimizer
    that treats every weight alike, no callbacks, and as many rows as each other.
    """
    with torch_defaults():
        stacked, criterion = StackedMLP([net.module_ for net in nets]), nets[0].criterion_
        named = [(str(i), parameter) for i, parameter in enumerate(stacked.parameters)]
        args, kwargs = nets[0].get_params_for_optimizer("optimizer", named)
        optimizer = nets[0].optimizer(*args, **kwargs)
        batches = [
            net.get_iterator(own, training=True) for net, own in zip(nets, rows, strict=True)
        ]
        for net in nets:
            net.max_epochs = epochs
            net.module_.train()
            net.notify("on_train_begin")
        for _ in range(epochs):
            for net in nets:
                net.notify("on_epoch_begin")
            totals, n_rows, n_batches = 0, 0, 0
            for parts in zip(*batches, strict=True):
                x, y = (torch.stack(part) for part in zip(*parts, strict=True))
                optimizer.zero_grad()
                outputs = stacked(x)
                # the sum of the networks' means
                loss = criterion(outputs.flatten(0, 1), y.flatten(0, 1)) * len(nets)
                loss.backward()
                optimizer.step()
                with torch.no_grad():
                    losses = [criterion(*own) for own in zip(outputs, y, strict=True)]
                totals = totals + torch.stack(losses) * x.shape[1]
                n_rows += x.shape[1]
                n_batches += 1
            for net, total in zip(nets, totals.tolist(), strict=True):
                net.record_epoch("train", total / n_rows, n_rows, n_batches)
                net.notify("on_epoch_end")
        _give_back(nets, stacked.parameters, optimizer)
        for net in nets:
            net.notify("on_train_end")
            net.check_weights()


def _give_back(nets, parameters: list[Tensor], optimizer) -> None:
    """Copy the weights and the state of the optimizer into each network."""
    for i, net in enumerate(nets):
        for own, together in zip(net.module_.parameters(), parameters, strict=True):
            own.data.copy_(together[i].detach())
            net.optimizer_.state[own] = {
                name: value[i].clone()
                if getattr(value, "shape", None) == together.shape
                else copy.deepcopy(value)
                for name, value in optimizer.state[together].items()
            }
