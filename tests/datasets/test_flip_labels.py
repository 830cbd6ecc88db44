import numpy as np
import pytest

from skrobust.datasets import flip_labels


@pytest.mark.parametrize("fraction", [0, 0.1, 0.25, 0.333, 0.5, 1])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_exact_number_of_rows(fraction, n_classes):
    y = np.random.default_rng(0).integers(0, n_classes, 103)
    y_noisy, flipped = flip_labels(y, fraction, random_state=0)
    assert flipped.sum() == round(fraction * 103)
    np.testing.assert_array_equal(flipped, y_noisy != y)
    assert set(y_noisy) <= set(y)


def test_symmetric_noise_is_uniform_over_the_other_classes():
    y = np.repeat([0, 1, 2, 3], 6000)
    y_noisy, flipped = flip_labels(y, 0.5, random_state=0)
    counts = np.zeros((4, 4))
    np.add.at(counts, (y[flipped], y_noisy[flipped]), 1)
    np.testing.assert_array_equal(counts.diagonal(), 0)
    np.testing.assert_allclose(counts[~np.eye(4, dtype=bool)], 1000, rtol=0.12)


def test_transition():
    y = np.array(["cat", "dog", "bird"])[np.arange(90) % 3]
    y_noisy, flipped = flip_labels(y, 0.4, transition={"cat": "dog"}, random_state=0)
    assert flipped.sum() == 12
    assert set(y[flipped]) == {"cat"}
    assert set(y_noisy[flipped]) == {"dog"}
    swapped, _ = flip_labels(y, 1, transition={"cat": "dog", "dog": "cat"})
    np.testing.assert_array_equal(swapped == "dog", y == "cat")
    np.testing.assert_array_equal(swapped == "bird", y == "bird")


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.35, 0.5])
def test_groups_are_whole_and_stratified(fraction):
    rng = np.random.default_rng(0)
    n_groups = 40
    groups = np.r_[np.arange(n_groups), rng.integers(0, n_groups, 200)]
    of_group = np.repeat([0, 1, 2], [20, 12, 8])
    y = of_group[groups]
    for seed in range(5):
        y_noisy, flipped = flip_labels(y, fraction, groups=groups, random_state=seed)
        new = np.array([np.unique(y_noisy[groups == g]) for g in range(n_groups)])
        assert new.shape == (n_groups, 1)
        changed = new[:, 0] != of_group
        np.testing.assert_array_equal(flipped, changed[groups])
        assert changed.sum() == round(fraction * n_groups)
        for c, size in enumerate([20, 12, 8]):
            assert abs(changed[of_group == c].sum() - fraction * size) < 1


def test_groups_with_transition():
    groups = np.repeat(np.arange(20), 3)
    y = groups % 2
    y_noisy, flipped = flip_labels(y, 0.3, groups=groups, transition={1: 0}, random_state=0)
    assert len(set(groups[flipped])) == 3
    assert flipped.sum() == 9
    assert (y_noisy[y == 0] == 0).all()


@pytest.mark.parametrize(
    "y",
    [
        np.array([True, False, True, False]),
        np.array([-1, 1, -1, 1], dtype=np.int8),
        np.array([0.5, 1.5, 0.5, 1.5], dtype=np.float32),
        np.array(["x", "longer name", "x", "x"]),
        np.array(["x", "yy", "x", "x"], dtype=object),
    ],
    ids=lambda y: str(y.dtype),
)
def test_dtype_kept_and_input_untouched(y):
    before = y.copy()
    for kwargs in ({}, {"groups": np.arange(4)}):
        y_noisy, flipped = flip_labels(y, 0.5, random_state=0, **kwargs)
        assert y_noisy.dtype == y.dtype
        assert flipped.dtype == bool
        assert flipped.sum() == 2
        assert set(y_noisy) <= set(y)
    np.testing.assert_array_equal(y, before)


def test_repeatable():
    y = np.arange(50) % 3
    first, again, other = (flip_labels(y, 0.4, random_state=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("y", "fraction", "kwargs", "error", "message"),
    [
        ([0, 1], 1.2, {}, ValueError, "between 0 and 1"),
        ([0, 1], "half", {}, TypeError, "fraction"),
        ([1, 1], 0.5, {}, ValueError, "at least two"),
        ([0, 1], 0.5, {"transition": {0: 2}}, ValueError, "0: 2"),
        ([0, 1], 0.5, {"transition": {0: 0}}, ValueError, "itself"),
        ([0, 1], 0.5, {"transition": {}}, ValueError, "empty"),
        ([0, 1], 0.5, {"transition": [0, 1]}, TypeError, "dict"),
        ([0, 1], 0.5, {"groups": ["a", "a"]}, ValueError, "'a' carries several"),
        ([0, 1], 0.5, {"groups": ["a"]}, ValueError, "groups has 1 entries"),
    ],
)
def test_errors(y, fraction, kwargs, error, message):
    with pytest.raises(error, match=message):
        flip_labels(y, fraction, **kwargs)
