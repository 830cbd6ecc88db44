"""Soft labels, groups and seeds."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.utils.class_weight import compute_sample_weight

from skrobust.base.state import fill_random_states
from skrobust.utils.groups import RowOrigin, check_groups, group_means, with_origin
from skrobust.utils.targets import (
    check_class_labels,
    check_soft_labels,
    is_soft_labels,
    one_hot,
    soft_labels,
    weigh,
)


def test_what_is_soft_labels():
    assert is_soft_labels(np.ones((3, 2)))
    assert is_soft_labels([[0.5, 0.5]])
    assert is_soft_labels(pd.DataFrame(np.ones((3, 2))))
    for y in (None, [1, 2], np.ones((3, 1)), "ab", np.ones((2, 2, 2))):
        assert not is_soft_labels(y)


def test_classes_come_from_the_array_the_columns_or_the_order():
    mass = np.ones((2, 3))
    assert_array_equal(check_soft_labels(soft_labels(mass, list("xyz")))[1], list("xyz"))
    assert_array_equal(check_soft_labels(pd.DataFrame(mass, columns=[7, 8, 9]))[1], [7, 8, 9])
    assert_array_equal(check_soft_labels(mass)[1], [0, 1, 2])
    with pytest.raises(ValueError, match="2 rows of soft labels but X has 5"):
        check_soft_labels(mass, 5)


@pytest.mark.parametrize("names", [["b", "a", "c"], [10, 2, 3], pd.Categorical(["z", "y", "x"])])
def test_columns_keep_their_classes_in_whatever_order(names):
    mass = np.random.RandomState(0).rand(4, 3)
    sorted_mass, classes = check_soft_labels(pd.DataFrame(mass, columns=names))
    assert sorted(classes.tolist()) == classes.tolist()
    for k, name in enumerate(classes):
        assert_array_equal(sorted_mass[:, k], mass[:, list(names).index(name)])
    turned = pd.DataFrame(mass, columns=names).iloc[:, ::-1]
    assert_array_equal(check_soft_labels(turned)[0], sorted_mass)


@pytest.mark.parametrize(
    ("names", "error"),
    [(["a", "a"], "more than once"), (["a", None], "missing"), (["a", 1], "cannot be sorted")],
)
def test_columns_that_name_no_classes(names, error):
    with pytest.raises((ValueError, TypeError), match=error):
        check_soft_labels(pd.DataFrame(np.ones((3, 2)), columns=names))


@pytest.mark.parametrize("bad", [[[1, 1], [0, 1]], [[2, -1], [0, 1]], [[0, 0], [0, 1]]])
def test_integers_must_be_one_hot(bad):
    with pytest.raises(ValueError, match="Multilabel"):
        check_soft_labels(bad)


def test_weights_of_hard_and_soft_targets_agree_with_sklearn():
    codes, classes = np.array([0, 0, 0, 1]), np.array(["a", "b"])
    expected = compute_sample_weight("balanced", classes[codes])
    assert_allclose(weigh(codes, classes, None, "balanced").sum(1), expected)
    soft = one_hot(codes, 2) * np.array([[1.0], [2], [3], [4]])
    assert_allclose(weigh(soft, classes, None, {"a": 2.0}).sum(1), [2, 4, 6, 4])
    assert weigh(codes, classes, None, None) is codes


def test_group_means_equal_pandas():
    rng = np.random.RandomState(0)
    values, groups = rng.normal(size=(50, 3)), rng.choice(["x", "y", "z"], 50)
    unique, means, codes = group_means(values, groups)
    expected = pd.DataFrame(values).groupby(groups).mean()
    assert_array_equal(unique, expected.index)
    assert_allclose(means, expected)
    assert_array_equal(unique[codes], groups)


MISSING = {
    "nan": [1.0, np.nan],
    "none": ["a", None],
    "nan among strings": ["a", float("nan")],
    "NA": ["a", pd.NA],
    "NaT": np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
    "masked": np.ma.array([1, 2], mask=[False, True]),
    "nullable": pd.Series([1, None], dtype="Int64"),
    "category": pd.Series(["a", None], dtype="category"),
    "string": pd.Series(["a", None], dtype="string"),
    "arrow": pd.Series(["a", None], dtype="string[pyarrow]"),
    "object": np.array(["a", None], dtype=object),
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_groups_and_labels_are_named(kind):
    if kind == "arrow":
        pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match="groups contains missing values: 1 of 2, first of row 1"):
        check_groups(MISSING[kind], 2)
    with pytest.raises(ValueError, match="y contains missing values: 1 of 2, first of row 1"):
        check_class_labels(MISSING[kind])


@pytest.mark.parametrize("text", ["nan", "<NA>", "NaT"])
def test_missing_groups_turned_into_strings(text):
    with pytest.raises(ValueError, match="turned into strings"):
        check_groups(np.array(["p1", text]), 2)


def test_groups_have_one_entry_per_row():
    with pytest.raises(ValueError, match="groups has 1 entries but X has 2 rows"):
        check_groups([1], 2)


def resampled(y, **origin):
    return with_origin(y, RowOrigin(**origin))


@pytest.mark.parametrize("container", [np.asarray, pd.Series, pd.DataFrame])
def test_groups_follow_the_rows_that_a_sampler_made(container):
    old, rows = np.array(["a", "b", "c"]), np.array([2, 0, 0])
    y = resampled(container([0, 1, 1]), groups=old, sample_indices=rows)
    assert_array_equal(check_groups(old, 3, y), old[rows])
    assert_array_equal(check_groups(old[rows], 3, y), old[rows])
    assert_array_equal(check_groups(["x", "y", "z"], 3, y), ["x", "y", "z"])
    with pytest.raises(ValueError, match="given no groups"):
        check_groups(old, 3, resampled(container([0, 1, 1])))
    mixed = resampled(
        container([0, 1, 1]), groups=old, sample_indices=rows, partner_indices=np.array([2, 0, 1])
    )
    with pytest.raises(ValueError, match="1 of 3 rows were mixed from rows of several groups"):
        check_groups(old, 3, mixed)


def test_origin_survives_a_cache_and_no_slice():
    y = resampled(np.array([0, 1, 1]), groups=np.arange(3), sample_indices=np.array([2, 1, 1]))
    assert_array_equal(check_groups(np.arange(3), 3, pickle.loads(pickle.dumps(y))), [2, 1, 1])
    for derived in (y[:2], y == 1, y + 1, np.unique(y), y.copy(), y.astype(float), np.asarray(y)):
        assert getattr(derived, "_row_origin", None) is None
    assert isinstance(y.sum(), np.integer)


def test_only_missing_seeds_are_filled():
    bagging = BaggingClassifier(SGDClassifier(random_state=3))
    filled = fill_random_states(bagging, 0)
    assert filled.estimator.random_state == 3
    assert isinstance(filled.random_state, int)
    assert fill_random_states(SGDClassifier(), None).random_state is None
