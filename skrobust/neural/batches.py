"""Rows as tensors, and batches of them."""

from __future__ import annotations

import copy
import mmap
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

_TORCH_KINDS = {np.dtype(name) for name in ("f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8")}


def as_tensor(array: NDArray) -> Tensor | NDArray:
    """Return a tensor, which shares memory with the array if torch knows its type.

    Arrays of other types in a file are returned as they are, to be read in batches.
    """
    if not (array.dtype in _TORCH_KINDS and all(stride >= 0 for stride in array.strides)):
        if is_memory_mapped(array):
            return array
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        if array.dtype not in _TORCH_KINDS:
            array = array.astype(np.float32)
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

    The rows stay in the given array, which may be memory-mapped; each batch is copied and
    converted to float32 in the shape of the network's input. On another device than the CPU all
    rows are moved there once, unless they are memory-mapped. `y` are class codes (int64), soft
    labels (float32 of shape (n_samples, n_classes)), or None.
    """

    def __init__(
        self, X: NDArray, y: NDArray | None, input_shape: Sequence[int], device: str = "cpu"
    ):
        self.X = as_tensor(X)
        if device != "cpu" and not is_memory_mapped(X):
            self.X = self.X.to(device)
        # where batches are indexed
        self.home = self.X.device if isinstance(self.X, Tensor) else torch.device("cpu")
        self.input_shape, self.device = tuple(input_shape), device
        self._at_home = str(self.home) == device
        as_read = isinstance(self.X, Tensor) and self.X.dtype == torch.float32
        self._ready = self._at_home and as_read and self.X.shape[1:] == self.input_shape
        self.y = None if y is None else torch.from_numpy(y).to(self.home)
        self.indices: Tensor | None = None

    def select(self, indices: NDArray | None, y: NDArray | None = None) -> Rows:
        """Return a dataset of some of the rows, which shares them."""
        rows = copy.copy(self)
        rows.indices = None if indices is None else torch.from_numpy(indices).to(self.home)
        rows.y = None if y is None else torch.from_numpy(y).to(self.home)
        return rows

    def __len__(self) -> int:
        return len(self.X if self.indices is None else self.indices)

    def __getitem__(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        batch = _take(self.X, rows if self.indices is None else self.indices[rows])
        if not self._ready:
            batch = batch.to(self.device, torch.float32).reshape(-1, *self.input_shape)
        if self.y is None:
            return batch, torch.empty(0)
        target = _take(self.y, rows)
        return batch, target if self._at_home else target.to(self.device)


class JoinedRows(Dataset):
    """The rows of several datasets, one after the other, without a copy of them all."""

    home, y = torch.device("cpu"), None

    def __init__(self, parts: Sequence[Rows]):
        self.parts = list(parts)
        self.input_shape, self.device = parts[0].input_shape, parts[0].device

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        batch = torch.empty(len(rows), *self.input_shape, device=self.device)
        start = 0
        for part in self.parts:
            own = (rows >= start) & (rows < start + len(part))
            if own.any():
                local = (rows[own] - start).to(part.home)
                batch[own.to(self.device)] = part[local][0]
            start += len(part)
        return batch, torch.empty(0)


def _take(values: Tensor | NDArray, rows: slice | Tensor) -> Tensor:
    """Return some rows as a tensor."""
    if isinstance(values, np.ndarray):
        rows = rows.numpy() if isinstance(rows, Tensor) else rows
        batch = torch.from_numpy(np.ascontiguousarray(values[rows]).astype(np.float64, copy=False))
        # whole numbers beyond float32, and long floats, are centred before they are rounded
        return batch.to(torch.float32 if values.dtype.itemsize <= 2 else torch.float64)
    # index_select takes half the time of indexing
    return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)


class Batches:
    """Iterate over the batches of :class:`Rows`, in order, or shuffled by a generator."""

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
        chunks = list(order.to(self.rows.home).split(size))
        # batch norm cannot train on one row
        if len(chunks) > 1 and len(chunks[-1]) == 1 and size > 1:
            chunks[-2:] = [torch.cat(chunks[-2:])]
        for chunk in chunks:
            yield self.rows[chunk]


class BalancedBatches:
    """Iterate over batches in which all classes are equally likely.

    A batch holds `samples_per_class` rows of each of ``batch_size // samples_per_class`` classes,
    drawn for every batch; if there are fewer classes, some of them more than once. The rows of a
    class are used in shuffled order, and again when all have been used. One pass has as many
    batches as one over all rows. With soft labels the largest entry tells the class.
    """

    def __init__(
        self, rows: Rows, batch_size: int, samples_per_class: int, generator: torch.Generator
    ):
        self.rows = rows
        self.batch_size = batch_size
        self.samples_per_class = samples_per_class
        self.generator = generator
        codes = (rows.y if rows.y.ndim == 1 else rows.y.argmax(1)).cpu()
        self.members = [torch.nonzero(codes == code)[:, 0] for code in codes.unique()]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        decks: list[list[int]] = [[] for _ in self.members]
        for _ in range(-(-len(self.rows) // self.batch_size)):
            chosen = [row for code in self._draw_classes() for row in self._draw(decks[code], code)]
            yield self.rows[torch.tensor(chosen, device=self.rows.home)]

    def _draw_classes(self) -> list[int]:
        n_drawn, n_classes = self.batch_size // self.samples_per_class, len(self.members)
        drawn: list[int] = []
        while len(drawn) < n_drawn:
            drawn += torch.randperm(n_classes, generator=self.generator).tolist()
        return drawn[:n_drawn]

    def _draw(self, deck: list[int], code: int) -> list[int]:
        members = self.members[code]
        n_distinct = min(self.samples_per_class, len(members))
        if len(deck) < n_distinct:
            deck[:] = members[torch.randperm(len(members), generator=self.generator)].tolist()
        drawn = [deck.pop() for _ in range(n_distinct)]
        return [drawn[i % n_distinct] for i in range(self.samples_per_class)]
