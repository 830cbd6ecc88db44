"""Batches by class, rows by index, and rows of several arrays."""

import numpy as np
import pytest
import torch

from skrobust.neural.batches import BalancedBatches, Batches, JoinedRows, Rows

COUNTS = [60, 25, 9, 3, 1]


def make(counts=COUNTS, mass=False):
    codes = np.repeat(np.arange(len(counts)), counts)
    target = np.eye(len(counts), dtype=np.float32)[codes] * 2 if mass else codes
    return Rows(np.arange(len(codes), dtype=np.float32)[:, None], target, (1,)), codes


def drawn(rows, size, per_class, seed=0):
    return list(BalancedBatches(rows, size, per_class, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("mass", [False, True])
@pytest.mark.parametrize(("size", "per_class"), [(12, 4), (8, 1), (16, 8), (20, 4)])
def test_classes_per_batch_and_rows_per_class(mass, size, per_class):
    rows, codes = make(mass=mass)
    batches = drawn(rows, size, per_class)
    assert len(batches) == -(-len(codes) // size)
    for x, y in batches:
        of_batch = codes[x[:, 0].long().numpy()]
        if mass:
            np.testing.assert_array_equal(y.argmax(1), of_batch)
        counts = np.bincount(of_batch, minlength=5)
        n_slots = size // per_class
        assert counts.sum() == n_slots * per_class
        assert set(counts) <= {n_slots // 5 * per_class, -(-n_slots // 5) * per_class}
        for code in np.flatnonzero(counts == per_class):
            seen = x[of_batch == code, 0]
            assert len(seen.unique()) == min(per_class, COUNTS[code])


def test_every_class_and_row_gets_its_share():
    rows, codes = make()
    seen = torch.cat([x[:, 0] for seed in range(60) for x, _ in drawn(rows, 8, 2, seed)]).long()
    by_class = np.bincount(codes[seen.numpy()])
    np.testing.assert_allclose(by_class / by_class.sum(), 0.2, atol=0.02)
    by_row = np.bincount(seen.numpy())
    assert by_row.min() > 0
    assert by_row[60:85].std() / by_row[60:85].mean() < 0.35


def test_seeds_repeat():
    rows, _ = make()
    first, again, other = drawn(rows, 8, 2), drawn(rows, 8, 2), drawn(rows, 8, 2, seed=1)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


def test_a_missing_code_is_no_class():
    rows = Rows(np.zeros((4, 1)), np.array([0, 0, 5, 5]), (1,))
    assert {tuple(y.tolist()) for _, y in drawn(rows, 4, 2)} <= {(0, 0, 5, 5), (5, 5, 0, 0)}


def test_rows_by_index_repeat_and_leave_out():
    X = np.arange(10.0)[:, None]
    indices = np.array([7, 7, 2])
    whole = Rows(X, None, (1,))
    rows = whole.select(indices, np.array([1, 1, 0]))
    assert len(whole) == 10
    assert not len(whole.select(indices)[0:2][1])
    assert len(rows) == 3
    x, y = rows[torch.tensor([2, 0])]
    assert x[:, 0].tolist() == [2, 7]
    assert y.tolist() == [0, 1]
    assert rows[1:][0][:, 0].tolist() == [7, 2]
    assert np.shares_memory(rows.X.numpy(), X)


def test_joined_rows_are_the_rows_of_all(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(6).reshape(3, 2))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    parts = [
        Rows(np.arange(8.0).reshape(4, 2) + 100, None, (2,)).select(np.array([3, 1])),
        Rows(mapped, None, (2,)),
    ]
    rows = JoinedRows(parts)
    assert len(rows) == 5
    x, y = rows[torch.tensor([4, 0, 2, 1])]
    assert x.dtype == torch.float32
    assert x.tolist() == [[4, 5], [106, 107], [0, 1], [102, 103]]
    assert not len(y)
    passes = torch.cat([x for x, _ in Batches(rows, 2, torch.Generator().manual_seed(0))])
    assert sorted(passes[:, 0].tolist()) == [0, 2, 4, 102, 106]
