"""Rows as whole tensors, and batches of them as index slices."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

_TORCH_KINDS = {np.dtype(name) for name in ("f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8")}


def as_tensor(array: NDArray) -> Tensor:
    """Return a tensor that shares memory with a numpy array, read-only ones included."""
    if array.dtype not in _TORCH_KINDS:
        array = array.astype(np.float32)
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        # torch warns that writing would be undefined; nothing here writes
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def is_memory_mapped(array: NDArray | None) -> bool:
    """Tell whether an array, or the array that it is a view of, lies in a file."""
    while array is not None:
        if isinstance(array, np.memmap | mmap.mmap):
            return True
        array = getattr(array, "base", None)
    return False


class Rows(Dataset):
    """A dataset that is indexed by whole batches.

    The rows stay in the array they came in, a memory-mapped one too; each batch is copied out
    and turned into float32 of the shape that the network sees.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        The rows.
    y : ndarray or None
        Class codes (int64), class mass (float32 of shape (n_samples, n_classes)), or nothing.
    input_shape : sequence of int
        Shape of one row in a batch.
    device : str, default="cpu"
        Where the batches live. Off the CPU, the rows are moved there once, as a
        whole, unless they are memory-mapped.
    """

    def __init__(
        self, X: NDArray, y: NDArray | None, input_shape: Sequence[int], device: str = "cpu"
    ):
        self.X = as_tensor(X)
        if device != "cpu" and not is_memory_mapped(X):
            self.X = self.X.to(device)
        self.y = None if y is None else torch.from_numpy(y).to(self.X.device)
        self.input_shape = tuple(input_shape)
        self.device = device
        self._at_home = str(self.X.device) == device
        self._ready = (
            self._at_home and self.X.dtype == torch.float32 and self.X.shape[1:] == self.input_shape
        )

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        batch = _take(self.X, rows)
        if not self._ready:
            batch = batch.to(self.device, torch.float32).reshape(-1, *self.input_shape)
        if self.y is None:
            return batch, torch.empty(0)
        target = _take(self.y, rows)
        return batch, target if self._at_home else target.to(self.device)


def _take(tensor: Tensor, rows: slice | Tensor) -> Tensor:
    # index_select takes half the time of indexing
    return tensor[rows] if isinstance(rows, slice) else tensor.index_select(0, rows)


class Batches:
    """Iterate over the batches of :class:`Rows`, shuffled or in order.

    Parameters
    ----------
    rows : Rows
        The data.
    batch_size : int
        Rows per batch. A last batch of a single row joins the one before it when shuffling:
        batch norm cannot train on one row.
    generator : torch.Generator, default=None
        Shuffles the rows anew at each pass. In order when None.
    """

    def __init__(self, rows: Rows, batch_size: int, generator: torch.Generator | None = None):
        self.rows = rows
        self.batch_size = batch_size
        self.generator = generator

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n_rows, size = len(self.rows), self.batch_size
        if self.generator is None:
            for start in range(0, n_rows, size):
                yield self.rows[start : start + size]
            return
        order = torch.randperm(n_rows, generator=self.generator)
        order = order.to(self.rows.X.device)
        ends = [*range(size, n_rows, size), n_rows]
        if len(ends) > 1 and n_rows - ends[-2] == 1 and size > 1:
            del ends[-2]
        start = 0
        for end in ends:
            yield self.rows[order[start:end]]
            start = end
