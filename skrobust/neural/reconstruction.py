"""Rows that a network learns to reconstruct."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..utils.validation import check_finite_rows
from .batches import Batches, Rows, _take
from .net import TensorNet, prediction_batch_size
from .seeding import torch_defaults


class ReconstructionRows(Rows):
    """Rows that are their own target, on a common scale; some may be left out.

    Every batch is ``(x - center) / scale``. The code that removes rows sets `indices`, the
    positions of the others, in order.
    """

    def __init__(self, X: NDArray, input_shape, device="cpu", center=0.0, scale=1.0):
        super().__init__(X, None, input_shape, device)
        self.center, self.scale = center, scale

    def __getitem__(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        batch = _take(self.X, rows if self.indices is None else _take(self.indices, rows))
        if batch.dtype != torch.float64:
            batch = batch.to(self.device, torch.float32)
        # float64 is centred before it is rounded: small differences of large numbers survive
        batch = batch.sub(self.center).div_(self.scale).to(self.device, torch.float32)
        batch = batch.reshape(-1, *self.input_shape)
        return batch, batch

    def learn_scale(self) -> None:
        """Set `center` and `scale` to mean and standard deviation of X, read twice in batches."""
        self.center, self.scale = 0.0, 1.0
        n_numbers = math.prod(self.X.shape)
        batches = Batches(self, prediction_batch_size(self.input_shape, self.device))
        self.center = sum(float(x.sum(dtype=torch.float64)) for x, _ in batches) / n_numbers
        # around the first mean, which float32 has rounded
        total, squares = 0.0, 0.0
        for x, _ in batches:
            total += float(x.sum(dtype=torch.float64))
            # in float64, where squares of large float32 numbers do not overflow
            squares += float(torch.linalg.vector_norm(x, dtype=torch.float64)) ** 2
        shift = total / n_numbers
        self.center += shift
        spread = max(squares / n_numbers - shift**2, 0.0) ** 0.5
        self.scale = spread if spread > 1e-12 * abs(self.center) else 1.0


def reconstruction_errors(net: TensorNet, rows: ReconstructionRows) -> NDArray:
    """Return the mean absolute error of every row, in evaluation mode."""
    # filled in place: small results left between large batches keep their memory from being reused
    errors, start = np.empty(len(rows)), 0
    with torch_defaults(), torch.no_grad():
        net.module_.eval()
        for x, _ in net.get_iterator(rows):
            batch = (net.infer_rows(x) - x).abs_().flatten(1).mean(1, dtype=torch.float64)
            errors[start : start + len(x)] = batch.cpu().numpy()
            start += len(x)
    return check_finite_rows(errors * rows.scale, "the reconstruction errors")
