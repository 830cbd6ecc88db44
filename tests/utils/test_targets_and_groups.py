"""Class mass, groups and seeds."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.utils.class_weight import compute_sample_weight

from skrobust.base.state import fill_random_states
from skrobust.utils import ClassMass
from skrobust.utils.groups import check_groups, group_means
from skrobust.utils.targets import check_soft_labels, is_soft_labels, one_hot, weigh


def test_what_is_soft_labels():
    assert is_soft_labels(np.ones((3, 2)))
    assert is_soft_labels([[0.5, 0.5]])
    assert is_soft_labels(pd.DataFrame(np.ones((3, 2))))
    for y in (None, [1, 2], np.ones((3, 1)), "ab", np.ones((2, 2, 2))):
        assert not is_soft_labels(y)


def test_classes_come_from_the_array_the_columns_or_the_order():
    mass = np.ones((2, 3))
    assert_array_equal(check_soft_labels(ClassMass(mass, list("xyz")))[1], list("xyz"))
    assert_array_equal(check_soft_labels(pd.DataFrame(mass, columns=[7, 8, 9]))[1], [7, 8, 9])
    assert_array_equal(check_soft_labels(mass)[1], [0, 1, 2])
    with pytest.raises(ValueError, match="one column per class"):
        ClassMass(mass, ["x"])
    with pytest.raises(ValueError, match="2 rows of class mass but X has 5"):
        check_soft_labels(mass, 5)


def test_weights_of_hard_and_soft_targets_agree_with_sklearn():
    codes, classes = np.array([0, 0, 0, 1]), np.array(["a", "b"])
    expected = compute_sample_weight("balanced", classes[codes])
    assert_allclose(weigh(codes, classes, None, "balanced").sum(1), expected)
    soft = one_hot(codes, 2, np.array([1.0, 2, 3, 4]))
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


@pytest.mark.parametrize("bad", [[1.0, np.nan], ["a", None], [1]])
def test_groups_must_be_there(bad):
    with pytest.raises(ValueError, match="groups"):
        check_groups(bad, 2)


def test_only_missing_seeds_are_filled():
    bagging = BaggingClassifier(SGDClassifier(random_state=3))
    filled = fill_random_states(bagging, 0)
    assert filled.estimator.random_state == 3
    assert isinstance(filled.random_state, int)
    assert fill_random_states(SGDClassifier(), None).random_state is None
