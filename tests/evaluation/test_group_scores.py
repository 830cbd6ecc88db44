import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.utils.extmath import softmax

from skrobust.evaluation import group_accuracy_score, group_predict_proba, group_roc_auc_score


def grouped(n_classes, seed=0, n_groups=25, n=300):
    rng = np.random.default_rng(seed)
    groups = np.r_[np.arange(n_groups), rng.integers(0, n_groups, n - n_groups)]
    y = groups % n_classes
    prob = softmax(rng.normal(size=(n, n_classes)) + 0.3 * np.eye(n_classes)[y])
    return y, prob, groups


def table(y, prob, groups):
    frame = pd.DataFrame(prob)
    frame["y"] = y
    return frame.groupby(groups).agg({**dict.fromkeys(range(prob.shape[1]), "mean"), "y": "first"})


@pytest.mark.parametrize("n_classes", [2, 4])
def test_group_predict_proba_is_a_groupby_mean(n_classes):
    y, prob, groups = grouped(n_classes)
    unique_groups, mean = group_predict_proba(prob, groups)
    expected = table(y, prob, groups)
    np.testing.assert_array_equal(unique_groups, expected.index)
    np.testing.assert_allclose(mean, expected[list(range(n_classes))])
    np.testing.assert_allclose(mean.sum(axis=1), 1)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_group_accuracy_against_pandas(n_classes):
    y, prob, groups = grouped(n_classes)
    expected = table(y, prob, groups)
    share = (expected[list(range(n_classes))].idxmax(axis=1) == expected["y"]).mean()
    assert group_accuracy_score(y, prob, groups) == pytest.approx(share)
    assert 0.3 < share < 1


def test_group_roc_auc_binary_against_sklearn():
    y, prob, groups = grouped(2)
    expected = table(y, prob, groups)
    assert group_roc_auc_score(y, prob, groups) == pytest.approx(
        roc_auc_score(expected["y"], expected[1])
    )


def test_group_roc_auc_multiclass_against_sklearn():
    y, prob, groups = grouped(4)
    expected = table(y, prob, groups)
    assert group_roc_auc_score(y, prob, groups) == pytest.approx(
        roc_auc_score(expected["y"], expected[[0, 1, 2, 3]], multi_class="ovr", average="macro")
    )


@pytest.mark.parametrize("score", [group_accuracy_score, group_roc_auc_score])
def test_invariances(score):
    y, prob, groups = grouped(3)
    value = score(y, prob, groups)
    order = np.random.default_rng(1).permutation(len(y))
    assert score(y[order], prob[order], groups[order]) == pytest.approx(value)
    names = np.array(["z", "a", "m"])
    assert score(names[y], prob, groups, labels=names) == pytest.approx(value)
    assert score(y, prob[:, ::-1], groups, labels=[2, 1, 0]) == pytest.approx(value)
    assert score(y, prob, [f"p{g}" for g in groups]) == pytest.approx(value)
    # a patient's weight does not grow with the number of rows
    again = np.r_[np.arange(len(y)), np.flatnonzero(groups == 3)]
    assert score(y[again], prob[again], groups[again]) == pytest.approx(value)


def test_auc_leaves_out_absent_class():
    y, prob, groups = grouped(3)
    keep = y != 1
    expected = table(y[keep], prob[keep], groups[keep])
    aucs = [roc_auc_score(expected["y"] == c, expected[c]) for c in (0, 2)]
    value = group_roc_auc_score(y[keep], prob[keep], groups[keep], labels=[0, 1, 2])
    assert value == pytest.approx(np.mean(aucs))


@pytest.mark.parametrize("score", [group_accuracy_score, group_roc_auc_score])
@pytest.mark.parametrize(
    ("y", "prob", "groups", "labels", "message"),
    [
        ([0, 1, 0], np.eye(2)[[0, 1, 0]], ["a", "a", "b"], None, "'a' carries several labels"),
        ([0, 1], np.eye(3)[:2], [0, 1], None, "3 columns but there are 2 classes"),
        ([0, 1, 2], [0.2, 0.8, 0.1], [0, 1, 2], None, "1 dimension"),
        ([0, 1], [[np.nan, 1], [0, 1]], [0, 1], None, "NaN"),
        ([0, 1], np.eye(2), [0], None, "groups has 1 entries"),
        ([0, 1, 1], np.eye(2), [0, 1], None, "inconsistent numbers of samples"),
        ([0, 2], np.eye(2), [0, 1], [0, 1], r"y_true holds \[2\]"),
        ([0, 1], np.eye(2), [0, 1], [0, 0], "duplicates"),
    ],
)
def test_errors(score, y, prob, groups, labels, message):
    with pytest.raises(ValueError, match=message):
        score(y, prob, groups, labels=labels)


def test_one_class_has_no_auc():
    with pytest.raises(ValueError, match="All groups have the label 1"):
        group_roc_auc_score([1, 1], np.eye(2), [0, 1])


def test_scores_of_the_positive_class_alone():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 3)
    y = np.where(groups % 2, "ill", "well")
    score = rng.random(36) + (y == "ill")
    both = np.column_stack([score, -score])
    expected = group_roc_auc_score(y, both, groups)
    assert group_roc_auc_score(y, score, groups, pos_label="ill") == expected
    assert group_roc_auc_score(y, -score, groups, pos_label="well") == expected
    with pytest.warns(UserWarning, match="'well' counts as the positive class"):
        assert group_roc_auc_score(y, -score, groups) == expected
    assert group_roc_auc_score(y == "ill", score, groups) == expected
    with pytest.raises(ValueError, match="expected one of"):
        group_roc_auc_score(y, score, groups, pos_label="dead")
