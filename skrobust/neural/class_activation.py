"""Class activation maps, computed and drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ..utils.targets import encode_labels
from .architectures import PooledHead
from .batches import Rows

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


class ActivationMapsMixin:
    """Adds ``class_activation_map`` to a classifier with ``net_`` and ``classes_``."""

    def class_activation_map(self, X: ArrayLike, target: ArrayLike | None = None) -> NDArray:
        """Return how much every position speaks for a class (section 4.4 of the paper).

        The map is the sum of the last feature maps, weighted by the linear layer's weights for
        the class, interpolated linearly to the length (height, width, depth) of the input. Its
        mean before the interpolation, plus the class's bias, is the class's score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.
        target : array-like of shape (n_samples,), default=None
            Class label to explain for every row; by default the predicted one.

        Returns
        -------
        maps : ndarray of shape (n_samples, *spatial), float32
            Class activation maps.

        Raises
        ------
        ValueError
            If the network has no global average pooling before one linear layer.
        """
        check_is_fitted(self)
        module = self.net_.module_
        if not has_activation_maps(module):
            raise ValueError(
                f"{type(module).__name__} has no class activation maps: they need feature_maps() "
                "and a PooledHead, as ResNet1d and ConvNet have."
            )
        X = self._check_X(X, reset=False)
        codes = None
        if target is not None:
            codes = encode_labels(column_or_1d(target), self.classes_, "target")
        rows = Rows(X, codes, self.input_shape_, self.net_.device)
        size = self.input_shape_[1:] or self.input_shape_
        module.eval()
        with torch.no_grad():
            maps = [
                class_activation(module, x, None if codes is None else chosen, size).cpu()
                for x, chosen in self.net_.get_iterator(rows)
            ]
        return torch.cat(maps).numpy()
