"""Cross entropy with a penalty on scores too close to, or below, those of other classes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .batch_input import check_batch, check_number


class IntervalLoss(nn.Module):
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
    [1]_ (section 4.3, table 2) compares with a network trained by the interval loss of [2]_, which
    it describes (section 2) as a combination "to increase the penalty upon misclassification",
    without a formula. The formula here is a choice in that sense: the hinge grows with the
    interval by which a wrong class is ahead, and vanishes once the true class leads by the margin.

    Unlike the other losses this one takes class scores, not embeddings of any size. It is defined
    for any batch; scores that are not finite give NaN.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021.
    .. [2] D. Liu, Y. Liu, L. Dong, "G-ResNet: Improved ResNet for Brain Tumor Classification",
       ICONIP 2019.

    Examples
    --------
    >>> import torch
    >>> from skrobust import IntervalLoss
    >>> scores = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    >>> labels = torch.tensor([0, 1])
    >>> IntervalLoss(weight=0)(scores, labels)
    tensor(0.2613)
    >>> IntervalLoss()(scores, labels)  # the second row leads by 0.5 only: 0.5 / 2 more
    tensor(0.5113)
    """

    def __init__(self, margin: float = 1.0, weight: float = 1.0) -> None:
        super().__init__()
        self.margin = check_number("margin", margin, zero=True)
        self.weight = check_number("weight", weight, zero=True)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        embeddings : Tensor of shape (n_rows, n_classes)
            The scores of the classes before softmax, float32 or float64.
        labels : Tensor of shape (n_rows,)
            The column of the true class of each row, integers.

        Raises
        ------
        ValueError, TypeError
            If the shapes or types are others, or a label has no column.
        """
        scores, labels = check_batch(embeddings, labels)
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

    def extra_repr(self) -> str:
        """Name the parameters."""
        return f"margin={self.margin}, weight={self.weight}"
