"""Losses on a batch of embeddings: plain torch modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy, softplus

from ..utils.validation import check_number

# pairs nearer than this share of their squared lengths lose digits in |x|^2 + |y|^2 - 2 xy
CLOSE = 1e-3
PAIRS_PER_ROW = 8  # close pairs per step, in batch sizes: memory stays at a few matrices


class _Distances(torch.autograd.Function):
    """Distances by a matrix product, except for pairs so close that it loses digits."""

    @staticmethod
    def forward(ctx: Any, embeddings: Tensor) -> Tensor:
        # distances do not change, rounding shrinks with the lengths
        rows = embeddings - embeddings.mean(dim=0)
        squares = rows.square().sum(dim=1)
        sums = squares[:, None] + squares
        distances = torch.addmm(sums, rows, rows.T, alpha=-2)
        pairs = (distances <= sums.mul_(CLOSE)).triu_(1).nonzero()
        distances.clamp_(min=0).sqrt_().fill_diagonal_(0)
        for first, second in _chunks(pairs, len(rows)):
            # these few from the differences
            near = torch.linalg.vector_norm(rows[first] - rows[second], dim=1)
            distances[first, second] = near
            distances[second, first] = near
        if not squares.sum().isfinite():  # a row must not hide that another one has diverged
            distances.fill_(torch.nan)
        ctx.save_for_backward(rows, distances, pairs)
        return distances

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        rows, distances, pairs = ctx.saved_tensors
        # d D_ij / d x_i = (x_i - x_j) / D_ij
        weights = grad / distances
        weights.fill_diagonal_(0)
        if len(pairs):
            weights[pairs[:, 0], pairs[:, 1]] = 0
            weights[pairs[:, 1], pairs[:, 0]] = 0
        weights = weights + weights.T
        result = weights.sum(dim=1, keepdim=True) * rows - weights @ rows
        for first, second in _chunks(pairs, len(rows)):
            near = distances[first, second][:, None]
            # over infinity: the gradient of a zero distance is zero
            direction = (rows[first] - rows[second]) / near.masked_fill(near == 0, torch.inf)
            change = (grad[first, second] + grad[second, first])[:, None] * direction
            result.index_add_(0, first, change)
            result.index_add_(0, second, change, alpha=-1)
        return result


def _chunks(pairs: Tensor, n_rows: int) -> list[tuple[Tensor, Tensor]]:
    return [tuple(chunk.T) for chunk in pairs.split(PAIRS_PER_ROW * n_rows) if len(chunk)]


def euclidean_distances(embeddings: Tensor) -> Tensor:
    r"""Return the Euclidean distances between all rows.

    .. math:: D_{ij} = \lVert e_i - e_j \rVert_2

    Equal rows have a distance of exactly zero, with a gradient of zero.

    Parameters
    ----------
    embeddings : Tensor of shape (n_rows, n_dims)
        float32 or float64.

    Returns
    -------
    distances : Tensor of shape (n_rows, n_rows)
        It can be differentiated once. All NaN if any embedding is not finite.

    Examples
    --------
    >>> import torch
    >>> from skrobust.embedding import euclidean_distances
    >>> rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]], requires_grad=True)
    >>> distances = euclidean_distances(rows)
    >>> distances[0].detach()
    tensor([0., 5., 5.])
    >>> distances[1, 2].backward()
    >>> rows.grad.abs().max()
    tensor(0.)
    """
    if embeddings.ndim != 2:
        raise ValueError(
            f"embeddings must have shape (n_rows, n_dims), got {tuple(embeddings.shape)}"
        )
    return _Distances.apply(embeddings)


def argsort_rows(values: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Return, per row, the order of non-negative numbers, positives first among equal ones."""
    if values.dtype != torch.float32 or values.device.type != "cpu":
        groups = positive.logical_not().byte().argsort(dim=1, stable=True)
        order = groups.gather(1, values.gather(1, groups).argsort(dim=1, stable=True))
        return order, positive.gather(1, order)
    # The bits of non-negative floats sort as integers do. With the kind of the pair and the column
    # in the lower half of a 64-bit integer one plain sort gives the order, several times faster.
    keys = values.view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
    keys += torch.arange(values.shape[1])
    keys.add_(positive.logical_not(), alpha=2**31)
    keys.numpy().sort(axis=1)
    is_positive = keys.bitwise_and(2**31) == 0
    return keys.bitwise_and_(2**31 - 1), is_positive


def count_active_triplets(
    distances: Tensor, labels: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Return the signed count of active triplets per pair and their total."""
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


class _BatchLoss(nn.Module):
    """A loss on a batch: numbers as parameters, and checks of the batch."""

    def __init__(self, **numbers: float) -> None:
        super().__init__()
        for name, value in numbers.items():
            setattr(self, name, check_number(name, value, zero=name != "temperature"))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        embeddings : Tensor of shape (n_rows, n_dims)
            float32 or float64, normalised or not; for `IntervalLoss` the class scores.
        labels : Tensor of shape (n_rows,)
            The class of each row, integers; for `IntervalLoss` its column.

        Raises
        ------
        ValueError, TypeError
            If shapes or types are wrong, or a label has no column.
        """
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
                f"labels must have shape ({len(embeddings)},), one class per row of the "
                f"embeddings, got {tuple(labels.shape)}"
            )
        if labels.is_floating_point() or labels.is_complex():
            raise TypeError(f"labels must be integers, one class per row, got {labels.dtype}")
        return self._loss(embeddings, labels.to(embeddings.device, torch.int64))

    def _loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Name the parameters."""
        numbers = {name: value for name, value in vars(self).items() if type(value) is float}
        return ", ".join(f"{name}={value}" for name, value in numbers.items())


def same_class(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mask of pairs with equal labels, with and without pairs of a row and itself."""
    same = labels[:, None] == labels
    return same, same.clone().fill_diagonal_(False)


class BatchAllTripletLoss(_BatchLoss):
    r"""Triplet loss over all triplets of a batch, averaged over the active ones.

    Every row is an anchor a, with all others of its class as positives p and all rows of other
    classes as negatives n:

    .. math::

        L = \frac{1}{|A|} \sum_{(a, p, n) \in A}
            \left( \lVert e_a - e_p \rVert - \lVert e_a - e_n \rVert + \alpha \right),

    where A are the active triplets, those whose term is above zero.

    Parameters
    ----------
    margin : float, default=0.5
        The :math:`\alpha` above, not negative. The paper uses 1.0 in its supplement.

    Notes
    -----
    The loss is that of the paper of :class:`~skrobust.TripletEmbedder` (section 3, equation 2),
    which prints a plain sum; the mean over the terms above zero is "batch all, non-zero" of [1]_,
    in which triplets already learned do not dilute the rest.

    Time is :math:`O(B^2 \log B)` and memory :math:`O(B^2)` for B rows: one sort per anchor tells in
    how many active triplets each positive and each negative is, which are the exact derivatives.

    Without active triplets, as in a batch of one class, the loss and its gradient are zero. If all
    rows are equal the loss is the margin, its gradient zero. Embeddings that are not finite give
    NaN.

    References
    ----------
    .. [1] A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person
       Re-Identification", arXiv:1703.07737, 2017.

    Examples
    --------
    >>> import torch
    >>> from skrobust.embedding import BatchAllTripletLoss
    >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
    >>> loss = BatchAllTripletLoss(margin=0.5)
    >>> loss(embeddings, torch.tensor([0, 0, 1]))  # only the second row as anchor: 1.0 - 0.5 + 0.5
    tensor(1.)
    """

    def __init__(self, margin: float = 0.5) -> None:
        super().__init__(margin=margin)

    def _loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distances = euclidean_distances(embeddings)
        counts, n_active = count_active_triplets(distances.detach(), labels, self.margin)
        mean = (counts * distances).sum() / n_active.clamp(min=1).to(distances.dtype)
        return mean + self.margin * (n_active > 0).to(distances.dtype)


class BatchHardTripletLoss(_BatchLoss):
    r"""Triplet loss with the farthest positive and the nearest negative of each row.

    .. math::

        L = \frac{1}{|V|} \sum_{a \in V} \max\left(0,\;
            \max_{p} \lVert e_a - e_p \rVert - \min_{n} \lVert e_a - e_n \rVert + \alpha \right)

    with p over the other rows of the class of a, n over the rows of other classes, and V the rows
    that have both.

    Parameters
    ----------
    margin : float, default=0.5
        The :math:`\alpha` above, not negative. The paper uses 1.0 in its supplement.

    Notes
    -----
    The loss is that of the papers named in :class:`~skrobust.embedding.BatchAllTripletLoss`
    (section 3, equation 1, which prints a sum without the hinge at zero). Time and memory are
    :math:`O(B^2)` for B rows. Special cases give what they give there.

    Examples
    --------
    >>> import torch
    >>> from skrobust.embedding import BatchHardTripletLoss
    >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
    >>> BatchHardTripletLoss(margin=0.5)(embeddings, torch.tensor([0, 0, 1]))  # (0 + 1) / 2
    tensor(0.5000)
    """

    def __init__(self, margin: float = 0.5) -> None:
        super().__init__(margin=margin)

    def _loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distances = euclidean_distances(embeddings)
        same, positive = same_class(labels)
        farthest = distances.masked_fill(~positive, -torch.inf).max(dim=1).values
        nearest = distances.masked_fill(same, torch.inf).min(dim=1).values
        valid = positive.any(dim=1) & ~same.all(dim=1)
        hinges = (farthest[valid] - nearest[valid] + self.margin).relu()
        return hinges.sum() / max(len(hinges), 1)


class IntervalLoss(_BatchLoss):
    r"""Cross entropy plus a hinge on the interval between the true class and the best other.

    .. math::

        L = \frac{1}{B} \sum_i \left[ - \log \mathrm{softmax}(z_i)_{y_i}
            + \lambda \max\left(0,\; \alpha - \left(z_{i, y_i} - \max_{c \neq y_i} z_{i, c}\right)
            \right) \right]

    Parameters
    ----------
    margin : float, default=1.0
        The :math:`\alpha` above, the interval to reach; not negative.
    weight : float, default=1.0
        The :math:`\lambda` above, not negative; 0 leaves the cross entropy.

    Notes
    -----
    The triplet paper (section 4.3) compares with this loss of [1]_, described without a formula as
    "to increase the penalty upon misclassification"; the formula here is a choice. It takes class
    scores, not embeddings; those that are not finite give NaN.

    References
    ----------
    .. [1] D. Liu, Y. Liu, L. Dong, "G-ResNet: Improved ResNet for Brain Tumor Classification",
       ICONIP 2019.

    Examples
    --------
    >>> import torch
    >>> from skrobust.embedding import IntervalLoss
    >>> scores = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    >>> loss = IntervalLoss()  # the second row leads by 0.5 only: 0.5 / 2 above the cross entropy
    >>> loss(scores, torch.tensor([0, 1]))
    tensor(0.5113)
    """

    def __init__(self, margin: float = 1.0, weight: float = 1.0) -> None:
        super().__init__(margin=margin, weight=weight)

    def _loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        n_classes = scores.shape[1]
        if n_classes < 2:
            raise ValueError("the scores need at least two columns, one per class")
        columns = labels[:, None]
        if columns.min() < 0 or columns.max() >= n_classes:
            raise ValueError(
                f"labels must lie in 0..{n_classes - 1}, the columns of the scores, "
                f"got {columns.min().item()}..{columns.max().item()}"
            )
        true = scores.gather(1, columns)[:, 0]
        others = scores.scatter(1, columns, -float("inf")).max(dim=1).values
        hinges = (self.margin - (true - others)).relu()
        return cross_entropy(scores, columns[:, 0]) + self.weight * hinges.mean()


class _NTXent(torch.autograd.Function):
    """The loss of normalised rows; its gradient by hand needs far fewer passes over the pairs."""

    @staticmethod
    def forward(
        ctx: Any, directions: Tensor, same: Tensor, positive: Tensor, temperature: float
    ) -> Tensor:
        similarities = (directions / temperature) @ directions.T
        # a finite number: rows without negatives give zeros, not NaN
        negatives = similarities.masked_fill(same, torch.finfo(similarities.dtype).min)
        highest = negatives.amax(dim=1, keepdim=True)
        shares = negatives.sub_(highest).exp_()
        sums = shares.sum(dim=1, keepdim=True)
        gaps = similarities.neg_().add_(highest + sums.log())
        chosen = gaps.masked_select(positive)
        n_pairs = max(len(chosen), 1)
        # each positive is pulled, and the negatives are pushed in proportion to their shares
        pull = gaps.sigmoid_().mul_(positive)
        grad = shares.mul_(pull.sum(dim=1, keepdim=True) / sums).sub_(pull)
        ctx.save_for_backward(directions, grad)
        ctx.scale = 1 / (temperature * n_pairs)
        # with the default threshold of 20 the rounding is visible in float64
        return softplus(chosen, threshold=40).sum() / n_pairs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        directions, grad = ctx.saved_tensors
        return (grad + grad.T) @ directions * (grad_loss * ctx.scale), None, None, None


class NTXentLoss(_BatchLoss):
    r"""Cross entropy of finding a positive among the negatives by cosine similarity.

    With the cosine similarity :math:`s_{ij}` of the rows i and j and the temperature
    :math:`\tau`, the mean over all ordered pairs (a, p) of different rows with equal label of

    .. math::

        \ell_{ap} = - \log \frac{\exp(s_{ap} / \tau)}
            {\exp(s_{ap} / \tau) + \sum_{n:\, y_n \neq y_a} \exp(s_{an} / \tau)}.

    For unlabelled data give the two views of a row the same label and every row another one. Other
    positives of a row than p stay out of the denominator.

    Parameters
    ----------
    temperature : float, default=0.5
        Above 0. The paper does not name its own; 0.5 is what [1]_ found best on small images.

    Notes
    -----
    The loss of the contrastive pretraining of the triplet paper (section 3), from [1]_ (section
    2.1). Time and memory are :math:`O(B^2)` for B rows.

    Without positive pairs or negatives the loss and its gradient are zero. A row of zeros has
    similarity 0 to all others and gets no gradient. Embeddings that are not finite give NaN.

    References
    ----------
    .. [1] T. Chen, S. Kornblith, M. Norouzi, G. Hinton, "A Simple Framework for Contrastive
       Learning of Visual Representations", arXiv:2002.05709, 2020.

    Examples
    --------
    >>> import torch
    >>> from skrobust.embedding import NTXentLoss
    >>> views = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> pair = torch.arange(2).repeat(2)
    >>> NTXentLoss()(torch.cat([views, views]), pair)  # log(1 + 2 exp(-2))
    tensor(0.2395)
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__(temperature=temperature)

    def _loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True)
        directions = embeddings / lengths.masked_fill(lengths == 0, torch.inf)
        return _NTXent.apply(directions, *same_class(labels), self.temperature)
