"""Check of what a loss on a batch is given."""

from __future__ import annotations

import torch
from torch import Tensor


def check_batch(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings and int64 labels on one device, or raise with what is wrong with them."""
    for name, value in (("embeddings", embeddings), ("labels", labels)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch tensor, got {type(value).__name__}")
    if embeddings.ndim != 2 or len(embeddings) == 0:
        raise ValueError(
            "embeddings must have shape (n_rows, n_dims) with at least one row, "
            f"got {tuple(embeddings.shape)}"
        )
    if embeddings.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"embeddings must be float32 or float64, got {embeddings.dtype}; "
            "convert them with .float()"
        )
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"labels must have shape ({len(embeddings)},), one class per row of the embeddings, "
            f"got {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"labels must be integers, one class per row, got {labels.dtype}")
    return embeddings, labels.to(embeddings.device, torch.int64)


def check_number(name: str, value: float, *, zero: bool) -> float:
    """Return a finite number above zero, or from zero on if ``zero``."""
    number = float(value)
    if not (0 <= number < float("inf")) or (number == 0 and not zero):
        bound = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} must be finite and {bound}, got {value!r}")
    return number


def same_class(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mask of pairs of equal label, and that without the pairs of a row with itself."""
    same = labels[:, None] == labels
    return same, same.clone().fill_diagonal_(False)
