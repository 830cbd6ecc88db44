"""Class activation maps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from .architectures import PooledHead

_INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}


def has_activation_maps(module: nn.Module) -> bool:
    """Tell whether a network ends in global average pooling and one linear layer."""
    return hasattr(module, "feature_maps") and isinstance(module.head, PooledHead)


def class_activation(
    module: nn.Module, x: Tensor, codes: Tensor | None, size: Sequence[int]
) -> Tensor:
    """Return the activation map of one class for every row of a batch."""
    features = module.feature_maps(x)
    if codes is None:
        codes = module.head(features).argmax(1)
    chosen = module.head.activation_maps(features)[range(len(x)), codes]
    return F.interpolate(chosen[:, None], size=tuple(size), mode=_INTERPOLATION[len(size)])[:, 0]
