"""The share is exact, the truth is told, and indices lead back."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrobust import contaminate


@pytest.mark.parametrize("fraction", [0, 0.03, 0.12, 0.3, 0.5])
@pytest.mark.parametrize("shape", [(4,), (1, 3, 2)])
def test_share_truth_and_indices(fraction, shape):
    rng = np.random.RandomState(0)
    inliers = rng.randn(100, *shape).astype("float32")
    outliers = rng.randn(120, *shape).astype("float32")
    X, is_outlier, indices = contaminate(inliers, outliers, fraction, random_state=1)
    assert abs(is_outlier.mean() - fraction) < 0.5 / 100
    assert (~is_outlier).sum() == 100
    assert X.dtype == np.float32
    assert len(set(indices)) == len(X)
    assert_array_equal(X, np.concatenate([inliers, outliers])[indices])
    assert_array_equal(is_outlier, indices >= 100)
    again = contaminate(inliers, outliers, fraction, random_state=1)
    assert_array_equal(again[2], indices)
    assert not np.array_equal(contaminate(inliers, outliers, fraction)[2], indices)


def test_what_cannot_be_mixed_is_refused():
    X = np.zeros((10, 2))
    with pytest.raises(TypeError, match="fraction is 'a', expected a number"):
        contaminate(X, X, "a")
    for fraction in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"expected a number in \[0, 1\)"):
            contaminate(X, X, fraction)
    with pytest.raises(ValueError, match="needs 15 outliers, but there are 10"):
        contaminate(X, X, 0.6)
    with pytest.raises(ValueError, match=r"shape \(2,\), rows of X_outliers \(3,\)"):
        contaminate(X, np.zeros((10, 3)), 0.1)
