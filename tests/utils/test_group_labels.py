import numpy as np
import pytest

from skrobust.utils.groups import group_labels


def test_labels_and_codes_match_a_loop():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 12, 80)
    y = np.array(["x", "y", "z"])[groups % 3]
    unique_groups, labels, codes = group_labels(y, groups)
    assert unique_groups.tolist() == sorted(set(groups.tolist()))
    for group, label in zip(unique_groups, labels, strict=True):
        assert set(y[groups == group]) == {label}
    np.testing.assert_array_equal(unique_groups[codes], groups)
    assert labels.dtype == y.dtype


def test_group_with_several_labels_is_named():
    with pytest.raises(ValueError, match=r"'p2' carries several labels: \[0, 1\]"):
        group_labels(np.array([0, 1, 0]), np.array(["p1", "p2", "p2"]))
