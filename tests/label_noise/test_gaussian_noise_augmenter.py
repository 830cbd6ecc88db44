"""Noisy copies behind the rows themselves."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrobust import GaussianNoiseAugmenter


@pytest.mark.parametrize("relative", [True, False])
def test_rows_first_then_copies_with_noise_of_the_scale(relative):
    rng = np.random.RandomState(0)
    X, y = 3 * rng.normal(size=(400, 50)), np.tile(["a", "b"], 200)
    s = GaussianNoiseAugmenter(0.2, factor=2.5, relative=relative, random_state=0)
    X_new, y_new = s.fit_resample(X, y)
    assert len(X_new) == 1000
    assert_array_equal(X_new[:400], X)
    assert_array_equal(y_new, y[s.sample_indices_])
    noise = X_new[400:] - X[s.sample_indices_[400:]]
    expected = 0.2 * X.std() if relative else 0.2
    assert noise.std() == pytest.approx(expected, rel=0.01)
    assert set(np.bincount(s.sample_indices_)) == {2, 3}


def test_integers_are_rounded_within_their_range():
    X = np.random.RandomState(0).randint(245, 256, size=(40, 100)).astype(np.uint8)
    X_new, _ = GaussianNoiseAugmenter(20.0, relative=False, factor=2, random_state=0).fit_resample(
        X, np.tile([0, 1], 20)
    )
    assert X_new.dtype == np.uint8
    assert X_new[40:].max() == 255
    assert X_new[40:].min() > 150


def test_factor_one_returns_the_rows():
    X, y = np.random.RandomState(0).normal(size=(10, 2)), np.tile([0, 1], 5)
    X_new, y_new = GaussianNoiseAugmenter(factor=1).fit_resample(X, y)
    assert_array_equal(X_new, X)
    assert_array_equal(y_new, y)


def test_soft_labels_are_copied_with_their_rows():
    rng = np.random.RandomState(0)
    X, mass = rng.normal(size=(10, 2)), rng.dirichlet(np.ones(3), size=10)
    s = GaussianNoiseAugmenter(factor=3, random_state=0)
    _, new = s.fit_resample(X, mass)
    assert_array_equal(new, mass[s.sample_indices_])
    assert_array_equal(new.columns, [0, 1, 2])
