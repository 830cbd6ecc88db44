import pytest
import torch
from torch.nn.functional import cross_entropy

from skrobust.embedding import IntervalLoss


def test_hinge_on_the_best_other_class():
    scores = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0], [0.0, 3.0, 1.0]])
    labels = torch.tensor([0, 1, 2])
    hinges = [0.0, 1.0 - 0.5, 1.0 + 2.0]
    expected = cross_entropy(scores, labels) + 0.3 * sum(hinges) / 3
    torch.testing.assert_close(IntervalLoss(margin=1.0, weight=0.3)(scores, labels), expected)


def test_errors_name_the_columns():
    with pytest.raises(ValueError, match=r"0\.\.2, the columns of the scores, got -1\.\.3"):
        IntervalLoss()(torch.zeros(2, 3), torch.tensor([-1, 3]))
    with pytest.raises(ValueError, match="two columns"):
        IntervalLoss()(torch.zeros(2, 1), torch.tensor([0, 0]))


def test_one_row():
    assert IntervalLoss(weight=0.5)(torch.zeros(1, 4), torch.tensor([2])) == pytest.approx(
        torch.log(torch.tensor(4.0)).item() + 0.5
    )
