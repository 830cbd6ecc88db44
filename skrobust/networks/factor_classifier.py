"""The classifier of codes, and the adversary."""

from __future__ import annotations

from torch import Tensor, nn


class FactorClassifier(nn.Module):
    """Two dense layers with batch norm, and a linear one (Table 1 of the paper).

    Parameters
    ----------
    n_codes : int
        Numbers in a code.
    n_outputs : int
        Number of classes; one score for each, without softmax.
    width : int, default=256
        Units of the dense layers; the paper's 256.

    References
    ----------
    Ben-Cohen et al., "Improving CNN training using disentanglement for liver lesion
    classification in CT", 2018, Table 1.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import FactorClassifier
    >>> FactorClassifier(16, 4, width=8)(torch.zeros(2, 16)).shape
    torch.Size([2, 4])
    """

    def __init__(self, n_codes: int, n_outputs: int, width: int = 256):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_codes, width),
            nn.ReLU(),
            nn.BatchNorm1d(width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.BatchNorm1d(width),
            nn.Linear(width, n_outputs),
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes)
