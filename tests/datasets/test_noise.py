import numpy as np
import pytest
from scipy.stats import kstest, rice

from skrobust.datasets import add_gaussian_noise, add_rician_noise

NOISE = [add_gaussian_noise, add_rician_noise]


def test_gaussian_moments_and_law():
    X = np.full((200, 100), 7.0)
    noise = (add_gaussian_noise(X, 0.5, random_state=0) - X).ravel()
    assert kstest(noise / 0.5, "norm").pvalue > 0.01


def test_gaussian_relative_scale():
    X = np.random.default_rng(0).normal(3, 20, size=(100, 100))
    X[0, 0] = np.nan
    noise = add_gaussian_noise(X, 0.1, relative=True, random_state=0) - X
    assert np.nanstd(noise) == pytest.approx(0.1 * np.nanstd(X), rel=0.02)
    assert np.isnan(noise[0, 0])
    assert np.isnan(noise).sum() == 1


@pytest.mark.parametrize("signal", [0.0, 1.0, 10.0])
def test_rician_against_scipy(signal):
    scale = 0.8
    noisy = add_rician_noise(np.full(40_000, signal), scale, random_state=0)
    law = rice(signal / scale, scale=scale)
    assert noisy.mean() == pytest.approx(law.mean(), rel=0.01)
    assert noisy.std() == pytest.approx(law.std(), rel=0.02)
    assert kstest(noisy, law.cdf).pvalue > 0.01


@pytest.mark.parametrize("add", NOISE)
@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (2, 1, 4, 4, 3)])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("f8", "f8"), ("f4", "f4"), ("f2", "f2"), ("u1", "f4"), ("i8", "f4"), ("?", "f4")],
)
def test_shape_dtype_and_input_kept(add, shape, dtype, expected):
    X = np.ones(shape, dtype=dtype)
    noisy = add(X, 0.1, random_state=0)
    assert isinstance(noisy, np.ndarray)
    assert noisy.shape == shape
    assert noisy.dtype == expected
    assert (X == 1).all()
    np.testing.assert_array_equal(add(X, 0.1, random_state=0), noisy)
    np.testing.assert_array_equal(add(X, 0, random_state=0), X)
    assert not np.shares_memory(add(X, 0), X)


@pytest.mark.parametrize("add", NOISE)
@pytest.mark.parametrize(
    ("X", "scale", "error", "message"),
    [
        ([1.0], -1, ValueError, "scale is -1"),
        ([1.0], np.nan, ValueError, "scale is nan"),
        ([1.0], "big", TypeError, "scale"),
        ([1j], 1, TypeError, "complex"),
        (["a"], 1, TypeError, "real numbers"),
    ],
)
def test_errors(add, X, scale, error, message):
    with pytest.raises(error, match=message):
        add(X, scale)


def test_rician_refuses_negative():
    with pytest.raises(ValueError, match="down to -2"):
        add_rician_noise([1.0, -2.0, np.nan], 1.0)
    with pytest.raises(ValueError, match="down to -2"):
        add_rician_noise([1, -2], 1.0)
