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
    """Return the activation map of one class for every row of a batch.

    Parameters
    ----------
    module : torch.nn.Module
        With ``feature_maps`` and a :class:`PooledHead` as ``head``.
    x : Tensor of shape (batch, *input_shape)
        Rows.
    codes : Tensor of shape (batch,) or None
        Class to explain, from 0; the predicted one when None.
    size : sequence of int
        Spatial size of the result; the maps are interpolated linearly to it.

    Returns
    -------
    maps : Tensor of shape (batch, *size)
        The maps.
    """
    features = module.feature_maps(x)
    if codes is None:
        codes = module.head(features).argmax(1)
    chosen = module.head.activation_maps(features)[range(len(x)), codes]
    return F.interpolate(chosen[:, None], size=tuple(size), mode=_INTERPOLATION[len(size)])[:, 0]
