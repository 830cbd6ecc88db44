import itertools

import pytest
import torch

from skrobust.embedding.losses import argsort_rows, count_active_triplets


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0, 1, 2.5])
@pytest.mark.parametrize("labels", [[3, 0, 5] + [0, 3] * 4 + [3], [1, 1], [2], list(range(5))])
def test_counts_with_many_equal_distances(labels, margin, dtype):
    # whole numbers: many hinges are exactly zero, which makes no triplet active
    n_rows = len(labels)
    generator = torch.Generator().manual_seed(0)
    distances = torch.randint(0, 5, (n_rows, n_rows), generator=generator)
    distances = (distances + distances.T).fill_diagonal_(0).to(dtype)
    expected = torch.zeros_like(distances)
    n_active = 0
    for a, p, n in itertools.product(range(n_rows), repeat=3):
        is_triplet = a != p and labels[a] == labels[p] and labels[a] != labels[n]
        if is_triplet and distances[a, p] + margin > distances[a, n]:
            expected[a, p] += 1
            expected[a, n] -= 1
            n_active += 1
    counts, total = count_active_triplets(distances, torch.tensor(labels), margin)
    torch.testing.assert_close(counts, expected)
    assert total == n_active


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_order_of_equal_values(dtype):
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(30, 50, generator=generator, dtype=dtype)
    values *= 10 ** torch.linspace(-35, 35, 50).to(dtype)
    values[:, ::3] = values[:, :1]
    values[:, 1::7] = 0
    positive = torch.rand(30, 50, generator=generator) < 0.4
    order, is_positive = argsort_rows(values, positive)
    for row in range(30):
        keys = [(values[row, i].item(), not positive[row, i]) for i in range(50)]
        assert order[row].tolist() == sorted(range(50), key=keys.__getitem__)
        assert (is_positive[row] == positive[row][order[row]]).all()
