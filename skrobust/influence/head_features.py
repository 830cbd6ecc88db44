"""What goes into the final linear layer of a fitted network, for all rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from torch import Tensor, nn

from .linear_head import capture_features, evaluation_mode, find_head, find_module


class NetworkRows:
    """Rows in the shape, type and place in which a fitted network takes them, batch by batch.

    Parameters
    ----------
    estimator : object
        A fitted :class:`~skrobust.NetClassifier`, skorch net or torch module.
    X : array-like of shape (n_samples, ...)
        The rows; a memory-mapped array is read in batches.
    batch_size : int, default=None
        Rows per batch; about 2**17 numbers when None.
    name : str, default="X"
        What to call the rows in an error.
    """

    def __init__(
        self, estimator: Any, X: ArrayLike, batch_size: int | None = None, name: str = "X"
    ):
        self.X, self.name = np.asarray(X), name
        if self.X.ndim < 2 or self.X.size == 0 or self.X.dtype.kind not in "fiub":
            raise ValueError(
                f"{name} must be a numeric array with at least one row and two axes, got shape "
                f"{self.X.shape} and dtype {self.X.dtype}."
            )
        row_shape = self.X.shape[1:]
        self.input_shape = tuple(getattr(estimator, "input_shape_", row_shape))
        if math.prod(self.input_shape) != math.prod(row_shape):
            raise ValueError(
                f"{name} has rows of shape {row_shape} but {type(estimator).__name__} was fitted "
                f"on rows of shape {self.input_shape}."
            )
        weight = next(find_module(estimator).parameters(), torch.empty(0))
        self.device, self.dtype = weight.device, weight.dtype
        self.size = batch_size or max(16, 2**17 // math.prod(self.input_shape))

    def __len__(self) -> int:
        return len(self.X)

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        for start in range(0, len(self), self.size):
            part = slice(start, start + self.size)
            yield part, self[part]

    def __getitem__(self, part: slice) -> Tensor:
        rows = self.X[part]
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise ValueError(f"{self.name} contains NaN or infinity.")
        # always copied: torch takes no negative strides, and warns of read-only arrays
        rows = np.ascontiguousarray(rows).reshape(-1, *self.input_shape)
        return torch.tensor(rows, dtype=self.dtype, device=self.device)

    def find_head(self, estimator: Any) -> tuple[nn.Module, nn.Linear]:
        """Return the network and its final linear layer."""
        module = find_module(estimator)
        with evaluation_mode(module):
            return module, find_head(module, self[:2])


def head_features(
    estimator: Any, X: ArrayLike, *, batch_size: int | None = None, name: str = "X"
) -> tuple[NDArray, NDArray]:
    """Return the inputs of the final linear layer and the probabilities that it gives.

    The network is run in evaluation mode, in batches and without gradients. The probabilities are
    computed from the features in float64.

    Parameters
    ----------
    estimator : object
        A fitted :class:`~skrobust.NetClassifier`, an initialised skorch net, or a torch module.
        Its output must be that of a final :class:`torch.nn.Linear`.
    X : array-like of shape (n_samples, ...)
        Rows.
    batch_size : int, default=None
        Rows per batch; about 2**17 numbers when None.
    name : str, default="X"
        What to call the rows in an error.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features), float64
        The features, with a column of 1 at the end if the layer has a bias.
    proba : ndarray of shape (n_samples, n_outputs), float64
        Softmax of the outputs; the sigmoid of a single output.

    Raises
    ------
    ValueError
        If there is no fitted network, it does not end in a linear layer, or X does not fit it.

    Examples
    --------
    >>> import torch
    >>> from skrobust.influence import head_features
    >>> network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    >>> features, proba = head_features(network, torch.zeros(2, 5))
    >>> features.shape, proba.shape
    ((2, 5), (2, 3))
    """
    features, scores = head_outputs(estimator, X, batch_size=batch_size, name=name)
    return features, probabilities(scores)


def head_outputs(
    estimator: Any, X: ArrayLike, *, batch_size: int | None = None, name: str = "X"
) -> tuple[NDArray, NDArray]:
    """Return the inputs and the outputs of the final linear layer.

    See :func:`head_features` for the parameters and errors.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features), float64
        The inputs, with a column of 1 at the end if the layer has a bias.
    scores : ndarray of shape (n_samples, n_outputs), float64
        The outputs, computed from the features in float64.
    """
    rows = NetworkRows(estimator, X, batch_size, name)
    module, head = rows.find_head(estimator)
    weight = _as_float64(head.weight)
    n_features = weight.shape[1]
    if head.bias is not None:
        weight = np.hstack([weight, _as_float64(head.bias)[:, None]])
    features = np.ones((len(rows), weight.shape[1]))
    with capture_features(module, head) as run, torch.no_grad():
        for part, batch in rows:
            features[part, :n_features] = _as_float64(run(batch)[0])
    return features, features @ weight.T


def probabilities(scores: NDArray) -> NDArray:
    """Return the softmax of scores, or the sigmoid if there is one per row.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_outputs)
        The head's outputs.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_outputs)
        Probabilities.
    """
    return expit(scores) if scores.shape[1] == 1 else softmax(scores, axis=1)


def _as_float64(tensor: Tensor) -> NDArray:
    return tensor.detach().to("cpu", torch.float64).numpy()
