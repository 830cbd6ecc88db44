"""Rows as their own targets: scale, subsets, errors."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skrobust.neural.reconstruction import ReconstructionRows


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int32"])
def test_scale_is_mean_and_standard_deviation(dtype):
    X = (50 * np.random.RandomState(0).rand(70, 6, 11)).astype(dtype)
    rows = ReconstructionRows(X, (66,))
    rows.learn_scale()
    assert rows.center == pytest.approx(X.mean(dtype=np.float64))
    assert rows.scale == pytest.approx(X.std(dtype=np.float64))
    x, target = rows[10:20]
    assert x is target
    assert x.dtype == torch.float32
    assert_allclose(
        x, ((X[10:20] - rows.center) / rows.scale).reshape(10, 66), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("value", [0.0, -3.3, 1e30])
def test_a_constant_has_scale_one(value):
    rows = ReconstructionRows(np.full((40, 5), value, dtype="float32"), (5,))
    rows.learn_scale()
    assert rows.scale == 1.0
    assert rows.center == pytest.approx(value)


def test_large_and_shifted_numbers_keep_their_differences():
    X = 1e8 + np.random.RandomState(0).randn(50, 4)
    rows = ReconstructionRows(X, (4,))
    rows.learn_scale()
    assert rows.scale == pytest.approx(X.std(), rel=1e-6)
    assert_allclose(rows[:][0], (X - X.mean()) / X.std(), atol=1e-5)
    rows = ReconstructionRows(np.array([[-3e38, 3e38]], dtype="float32"), (2,))
    rows.learn_scale()
    assert_allclose(rows[:][0], [[-1, 1]])


def test_a_subset_is_seen_in_order():
    X = np.arange(12.0).reshape(6, 2)
    rows = ReconstructionRows(X, (2,))
    rows.indices = torch.tensor([1, 2, 5])
    assert len(rows) == 3
    assert_array_equal(rows[1:][0], X[[2, 5]])
    assert_array_equal(rows[torch.tensor([2, 0])][0], X[[5, 1]])
