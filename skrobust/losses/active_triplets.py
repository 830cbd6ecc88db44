"""How often each pair of rows occurs in the active triplets of a batch."""

from __future__ import annotations

import torch
from torch import Tensor


def argsort_rows(values: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Return, per row, the order of non-negative numbers, positives first among equal ones.

    Also whether a positive stands at each place of that order.
    """
    if values.dtype != torch.float32 or values.device.type != "cpu":
        groups = positive.logical_not().byte().argsort(dim=1, stable=True)
        order = groups.gather(1, values.gather(1, groups).argsort(dim=1, stable=True))
        return order, positive.gather(1, order)
    # The bits of non-negative floats sort as integers do. With the kind of the pair and the column
    # in the lower half of a 64-bit integer one plain sort gives the order, several times faster
    # than an argsort.
    keys = values.view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
    keys += torch.arange(values.shape[1])
    keys.add_(positive.logical_not(), alpha=2**31)
    keys.numpy().sort(axis=1)
    is_positive = keys.bitwise_and(2**31) == 0
    return keys.bitwise_and_(2**31 - 1), is_positive


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
    margin : float
        Not negative.

    Returns
    -------
    counts : Tensor of shape (n_rows, n_rows)
    n_active : Tensor, a float64 scalar
    """
    same = labels[:, None] == labels
    values = torch.add(distances, same, alpha=margin)
    # the anchor counts as a positive before all negatives, hence in no active triplet
    values.fill_diagonal_(0)
    # positives first at equal values: a hinge of exactly zero is not active
    order, is_positive = argsort_rows(values, same)
    positives = is_positive.cumsum(1, dtype=torch.int32)
    place = torch.arange(1, len(labels) + 1, dtype=torch.int32, device=labels.device)
    sorted_counts = torch.where(
        is_positive,
        place - positives,  # the negatives before
        positives - positives[:, -1:],  # minus the positives after
    ).to(distances.dtype)
    n_active = sorted_counts.clamp(min=0).sum(dtype=torch.float64)
    return torch.empty_like(sorted_counts).scatter_(1, order, sorted_counts), n_active
