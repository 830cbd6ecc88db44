import pytest
import torch

from skrobust.embedding import euclidean_distances


def by_differences(rows):
    # one under the root on the diagonal, where its slope would be infinite
    return ((rows[:, None] - rows).square().sum(dim=2) + torch.eye(len(rows))).sqrt()


def test_gradcheck():
    rows = torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    upper = torch.triu(torch.ones(7, 7), 1) == 1
    rows.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: euclidean_distances(x)[upper], (rows,))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_tight_clusters_far_from_the_origin_keep_their_digits(spread, dtype, tolerance):
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(4, 6, generator=generator, dtype=dtype)
    rows = centres.repeat(5, 1) + spread * torch.randn(20, 6, generator=generator, dtype=dtype)
    weights = torch.rand(20, 20, generator=generator, dtype=dtype)
    rows.requires_grad_()
    distances = euclidean_distances(rows)
    exact_rows = rows.detach().double().requires_grad_()
    off_diagonal = ~torch.eye(20, dtype=torch.bool)
    exact = by_differences(exact_rows)
    # subtracting the mean rounds the rows once more, to the digits of the largest
    scale = 1 + 1 / spread
    torch.testing.assert_close(
        distances.double()[off_diagonal], exact[off_diagonal], rtol=tolerance * scale, atol=0
    )
    (distances * weights).sum().backward()
    (exact[off_diagonal] * weights.double()[off_diagonal]).sum().backward()
    torch.testing.assert_close(
        rows.grad.double(), exact_rows.grad, rtol=0, atol=20 * tolerance * scale
    )


@pytest.mark.parametrize("n_rows", [1, 2, 40])
def test_equal_rows_are_at_zero_with_gradient_zero(n_rows):
    rows = torch.tensor([[0.1, 0.2, 0.3]]).repeat(n_rows, 1).requires_grad_()
    distances = euclidean_distances(rows)
    assert (distances == 0).all()
    distances.sum().backward()
    assert (rows.grad == 0).all()


def test_only_the_equal_pair_gives_no_gradient():
    rows = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 3.0]]).requires_grad_()
    euclidean_distances(rows).sum().backward()
    torch.testing.assert_close(rows.grad, torch.tensor([[0.0, -2.0], [0.0, -2.0], [0.0, 4.0]]))


def test_shape():
    with pytest.raises(ValueError, match=r"got \(3, 2, 2\)"):
        euclidean_distances(torch.zeros(3, 2, 2))
