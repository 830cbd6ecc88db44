"""Cross entropy of scores shifted by the logarithm of the class shares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .batch_input import check_number


class LogitAdjustedLoss(nn.Module):
    r"""Cross entropy after adding the logarithm of the class shares to the scores.

    .. math::

        L = \frac{1}{B} \sum_i - \log \mathrm{softmax}(z_i + \tau \log \pi)_{y_i}

    with the scores :math:`z_i` and the share :math:`\pi_c` of every class among the training rows.
    Trained so, the scores alone, without the shift, favour no class for being frequent: with
    :math:`\tau = 1` they are those of equally frequent classes.

    Parameters
    ----------
    shares : sequence of float
        :math:`\pi`, one per class, not negative. A share of zero counts as one millionth.
    tau : float, default=1.0
        Strength of the shift, not negative; 0 is the cross entropy.

    References
    ----------
    A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10.

    Examples
    --------
    >>> import torch
    >>> from skrobust import LogitAdjustedLoss
    >>> scores, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    >>> LogitAdjustedLoss([0.9, 0.1])(scores, labels)  # -(log 0.9 + log 0.1) / 2
    tensor(1.2040)
    """

    def __init__(self, shares: Sequence[float], tau: float = 1.0) -> None:
        super().__init__()
        self.tau = check_number("tau", tau, zero=True)
        values = torch.tensor([check_number("shares", share, zero=True) for share in shares])
        self.register_buffer("shift", self.tau * values.clamp(min=1e-6).log(), persistent=False)

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        scores : Tensor of shape (n_rows, n_classes)
            The scores of the classes before softmax.
        target : Tensor of shape (n_rows,) or (n_rows, n_classes)
            The column of the true class of each row, or class mass.
        """
        return cross_entropy(scores + self.shift, target)

    def extra_repr(self) -> str:
        """Name the strength."""
        return f"tau={self.tau}"
