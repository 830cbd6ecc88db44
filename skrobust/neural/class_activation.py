"""Class activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .architectures import PooledHead

_INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}


def has_activation_maps(module: nn.Module) -> bool:
    """Tell whether a network ends in global average pooling and one linear layer."""
    return hasattr(module, "feature_maps") and isinstance(module.head, PooledHead)


def class_activation(
    module: nn.Module, x: Tensor, codes: Tensor, size: Sequence[int], fine: bool
) -> Tensor:
    """Return the activation map of one class for every row of a batch."""
    if fine:
        chosen = _layer_cam(module, x, codes, size)
    else:
        maps = module.head.activation_maps(module.feature_maps(x))
        chosen = maps[range(len(x)), codes]
    return F.interpolate(chosen[:, None], size=tuple(size), mode=_INTERPOLATION[len(size)])[:, 0]


def _layer_cam(module: nn.Module, x: Tensor, codes: Tensor, size: Sequence[int]) -> Tensor:
    """Return the map (LayerCAM) of the last layer that keeps half of the resolution.

    It is the sum over the layer's outputs a of ``max(d log-odds / d a, 0) * a``, above its median:
    what all positions have in common, such as an empty background, is removed.
    """
    kept = []

    def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
        sizes = getattr(output, "shape", ())[2:]  # recurrent layers return tuples
        if len(sizes) == len(size) and all(2 * n >= m for n, m in zip(sizes, size, strict=True)):
            kept[:] = [output]

    leaves = [layer for layer in module.modules() if not list(layer.children())]
    hooks = []
    with torch.enable_grad():
        try:
            for layer in leaves:
                hooks.append(layer.register_forward_hook(keep))
            outputs = module(x)
        finally:
            for hook in hooks:
                hook.remove()
        if not kept:
            raise ValueError(
                f"no layer of {type(module).__name__} keeps half of the resolution of its input; "
                "pass fine=False for the map of its last layer."
            )
        own = F.one_hot(codes, outputs.shape[1]).bool()
        others = outputs.masked_fill(own, -torch.inf).logsumexp(1)
        (gradient,) = torch.autograd.grad((outputs[own] - others).sum(), kept[0])
    chosen = (gradient.clamp(min=0) * kept[0].detach()).sum(1)
    common = chosen.flatten(1).median(1).values.reshape(-1, *[1] * len(size))
    return (chosen - common).clamp(min=0)
