"""How often each pair of rows occurs in the active triplets of a batch."""

from __future__ import annotations

import torch
from torch import Tensor


def stable_argsort(values: Tensor) -> Tensor:
    """Return, per row, the order of non-negative numbers; equal ones keep their order."""
    if values.dtype != torch.float32 or values.device.type != "cpu":
        return torch.sort(values, dim=1, stable=True).indices
    # the bits of non-negative floats sort as integers do; with the column in the lower half of a
    # 64-bit integer one plain sort gives the order, several times faster than an argsort
    keys = values.view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
    keys += torch.arange(values.shape[1])
    sorted_keys = keys.numpy()
    sorted_keys.sort(axis=1)
    return keys.bitwise_and_(2**32 - 1)


def count_active_triplets(
    distances: Tensor, labels: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Return the signed count of active triplets per pair and their total.

    A triplet (a, p, n) is active if ``D_ap + margin > D_an``. An entry (a, p) is the number of
    active triplets with this anchor and positive, an entry (a, n) minus the number of those with
    this anchor and negative: the derivatives of the summed hinges by the distances.

    Parameters
    ----------
    distances : Tensor of shape (n_rows, n_rows)
    labels : Tensor of shape (n_rows,)
        Sorted.
    margin : float
        Not negative.

    Returns
    -------
    counts : Tensor of shape (n_rows, n_rows)
    n_active : Tensor, a float64 scalar
    """
    n_rows = len(labels)
    columns = torch.arange(n_rows, device=labels.device)
    _, inverse, sizes = labels.unique_consecutive(return_inverse=True, return_counts=True)
    starts = (sizes.cumsum(0) - sizes)[inverse][:, None]
    sizes = sizes[inverse][:, None]

    # Each row is turned so that the anchor's own class stands first. At equal values a stable
    # sort then puts positives before negatives, which leaves hinges of exactly zero inactive.
    values = distances.gather(1, _wrap(columns + starts, n_rows))
    values += margin * (columns < sizes)
    # the anchor itself: before all negatives, hence in no triplet
    values[columns, columns - starts[:, 0]] = 0

    order = stable_argsort(values)
    is_positive = order < sizes
    positives_so_far = is_positive.cumsum(1, dtype=torch.int32)
    counts = torch.where(
        is_positive,
        (columns + 1).to(torch.int32) - positives_so_far,  # negatives before
        positives_so_far - sizes.to(torch.int32),  # minus the positives after
    ).to(distances.dtype)
    n_active = counts.clamp(min=0).sum(dtype=torch.float64)
    return torch.empty_like(counts).scatter_(1, _wrap(order.add_(starts), n_rows), counts), n_active


def _wrap(columns: Tensor, n_columns: int) -> Tensor:
    """Take columns past the end from the beginning again, in place; a modulo is far slower."""
    return columns.sub_((columns >= n_columns) * n_columns)
