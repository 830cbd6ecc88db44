"""The removal rule against a loop over rows, classes and groups."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrobust.outliers import OutlierRemovalWarning
from skrobust.outliers.row_removal import RowRemoval, removal_threshold


def test_threshold_is_eq_2_or_the_smaller_of_two_rules():
    errors = np.random.RandomState(0).gamma(2.0, size=101)
    assert removal_threshold(errors, 1.3) == pytest.approx(1.3 * errors.mean())
    median = np.median(errors)
    robust = median + 2.5 * 1.4826 * np.median(abs(errors - median))
    assert removal_threshold(errors, "auto") == pytest.approx(min(1.5 * errors.mean(), robust))
    # homogeneous rows: 1.5 times the mean would remove nothing, the robust rule finds the one
    errors = np.r_[np.linspace(0.9, 1.1, 50), 1.4]
    assert removal_threshold(errors, "auto") < 1.4 < 1.5 * errors.mean()


def by(gamma):
    """Return the rule of a factor on the mean."""
    return lambda errors: removal_threshold(errors, gamma)


def loop(errors, kept, classes, units, limits, gamma):
    """The same rule, written row by row and unit by unit."""
    kept = kept.copy()
    for c in sorted(set(classes)):
        mine = [u for u in sorted(set(units)) if any(classes[units == u] == c)]
        mean = {u: errors[(units == u) & kept].mean() for u in mine if kept[units == u].any()}
        threshold = gamma * np.mean(list(mean.values()))
        gone = sum(not kept[units == u].any() for u in mine)
        for u in sorted(mean, key=mean.get, reverse=True):
            if mean[u] > threshold and gone < limits[c]:
                kept[units == u] = False
                gone += 1
    return kept


@pytest.mark.parametrize("by_group", [False, True])
@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 0.9])
def test_removal_agrees_with_a_loop(by_group, fraction):
    rng = np.random.RandomState(1)
    classes = np.repeat([0, 1, 2], [60, 30, 10])
    groups = rng.randint(12, size=100)
    removal = RowRemoval(classes, groups if by_group else None, by(1.2), fraction)
    units = classes * 100 + groups if by_group else np.arange(100)
    n_units = [len(set(units[classes == c])) for c in range(3)]
    limits = [int(fraction * n) for n in n_units]
    kept = np.ones(100, dtype=bool)
    for epoch in (5, 10, 15):
        errors = rng.gamma(1.0, size=100) + (groups == 3)
        removal.remove(errors[kept], 1.0, epoch)
        kept = loop(errors, kept, classes, units, limits, 1.2)
        assert_array_equal(removal.kept, kept)
    assert set(removal.removed_epoch[kept]) == {-1}
    assert set(removal.removed_epoch[~kept]) <= {5, 10, 15}
    assert set(classes[kept]) == {0, 1, 2}
    if not by_group:
        assert all((~kept[classes == c]).sum() <= limits[c] for c in range(3))


def test_removal_is_for_good_and_by_the_rows_still_in():
    removal = RowRemoval(np.zeros(4, dtype=int), None, by(1.5), 0.75)
    assert removal.remove(np.array([1.0, 1, 1, 9]), 1.0, 5) == [4.5]
    assert removal.remove(np.array([1.0, 1, 4]), 1.0, 10) == [3.0]
    assert_array_equal(removal.removed_epoch, [-1, -1, 10, 5])


@pytest.mark.parametrize("gamma", [1.0, "auto"])
def test_rounding_is_no_difference(gamma):
    removal = RowRemoval(np.zeros(50, dtype=int), None, by(gamma), 0.5)
    errors = 0.3 * (1 + 1e-6 * np.random.RandomState(0).randn(50))
    removal.remove(errors, 1.0, 5)
    assert removal.kept.all()
    # errors that are nothing but rounding, of numbers around 1
    removal.remove(1e-8 * np.random.RandomState(0).rand(50), 1.0, 10)
    assert removal.kept.all()


def test_warnings_name_what_happened():
    errors = np.r_[np.ones(4), np.full(6, 10.0)]
    removal = RowRemoval(np.zeros(10, dtype=int), None, by(0.5), 0.5)
    removal.remove(errors, 1.0, 5)
    assert removal.kept.sum() == 5
    with pytest.warns(OutlierRemovalWarning, match=r"max_removed_fraction=0.5 is used up, and 1 "):
        removal.warn("rows", "gamma", 0.5)
    removal = RowRemoval(np.zeros(10, dtype=int), None, by(0.5), 0.9)
    removal.remove(errors, 1.0, 5)
    with pytest.warns(OutlierRemovalWarning, match="6 of 10 rows were removed, more than half"):
        removal.warn("rows", "gamma", 0.5)
    removal = RowRemoval(np.zeros(10, dtype=int), None, by(0.5), 0.0)
    removal.remove(errors, 1.0, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        removal.warn("rows", "gamma", 0.5)
