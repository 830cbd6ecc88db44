"""Whole-batch slices of the rows."""

import numpy as np
import pytest
import torch

from skrobust.neural.batches import Batches, Rows, as_tensor, is_memory_mapped


def batches_of(n_rows, batch_size, seed=0):
    X = np.arange(n_rows, dtype=np.float32)[:, None]
    rows = Rows(X, np.arange(n_rows), (1,))
    return list(Batches(rows, batch_size, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("n_rows", [1, 5, 8, 9, 10, 16, 17])
def test_a_pass_sees_every_row_once_and_no_lonely_last_row(n_rows):
    batches = batches_of(n_rows, 4)
    labels = torch.cat([y for _, y in batches])
    assert sorted(labels.tolist()) == list(range(n_rows))
    assert all(torch.equal(x[:, 0], y.float()) for x, y in batches)
    assert n_rows == 1 or min(len(x) for x, _ in batches) > 1
    assert max(len(x) for x, _ in batches) <= 5


def test_passes_differ_and_seeds_repeat():
    rows = Rows(np.zeros((50, 1), np.float32), np.arange(50), (1,))
    iterator = Batches(rows, 50, torch.Generator().manual_seed(0))
    (_, first), (_, second) = next(iter(iterator)), next(iter(iterator))
    assert not torch.equal(first, second)
    assert torch.equal(first, batches_of(50, 50)[0][1])


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "i8", "u2", "?"])
def test_every_dtype_becomes_float32_of_the_networks_shape(dtype):
    X = np.arange(24).reshape(4, 6).astype(dtype)
    rows = Rows(X, None, (1, 2, 3))
    x, _ = rows[torch.tensor([2, 0])]
    assert x.dtype == torch.float32
    np.testing.assert_array_equal(x.numpy(), X[[2, 0]].reshape(2, 1, 2, 3).astype("f4"))


def test_the_array_is_not_copied(tmp_path):
    X = np.zeros((4, 3), np.float32)
    assert np.shares_memory(as_tensor(X).numpy(), X)
    X.setflags(write=False)
    assert np.shares_memory(as_tensor(X).numpy(), X)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert is_memory_mapped(np.asarray(mapped)[1:])
    assert not is_memory_mapped(X)
    assert np.shares_memory(as_tensor(mapped).numpy(), mapped)
    np.testing.assert_array_equal(as_tensor(X[::-1]).numpy(), X[::-1])
