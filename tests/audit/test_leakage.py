import numpy as np
import pandas as pd
import pytest
from planted import make_patients
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

from skrobust import audit_splits
from skrobust.audit.leakage import check_leakage, check_splits, equal_rows, nearly_equal_rows
from skrobust.audit.rows import AuditRows


def gap(X, y, groups, estimator=None):
    found = check_leakage(AuditRows(X, y, groups), estimator, 5, None, np.random.RandomState(0))
    return next(f for f in found if f.code == "SKR201")


def near(X, y, groups):
    return nearly_equal_rows(AuditRows(X, y, groups), np.arange(len(X)), "")


def test_labels_that_only_the_patient_tells():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 6)
    X = 3 * rng.normal(size=(40, 5))[groups] + rng.normal(size=(240, 5))
    y = rng.permutation(np.arange(40) % 2)[groups]
    finding = gap(X, y, groups, LogisticRegression())
    assert finding.severity == "warning"
    assert finding.table.index.tolist()[2] == "your estimator"
    assert (finding.table["ordinary folds"][:2] > 0.85).all()
    assert finding.table["patient-disjoint folds"].between(0.2, 0.7).all()
    assert finding.lower > 0.2


def test_rows_that_share_nothing_inside_patients():
    rng = np.random.default_rng(0)
    groups, y = np.repeat(np.arange(40), 6), np.arange(240) % 2
    X = rng.normal(size=(240, 5))
    X[:, 0] += y
    finding = gap(X, y, groups)
    assert finding.severity == "note"
    assert abs(finding.value) < 0.1


def test_equal_rows_of_different_patients():
    X, y, groups = make_patients()
    X[7], X[150] = X[100], X[60]
    X[11] = X[10]  # of one patient
    X[[20, 90]] = 0  # empty rows are alike without being copies
    (finding,) = equal_rows(AuditRows(X, y, groups))
    assert finding.severity == "severe"
    assert finding.table[["row", "other_row"]].to_numpy().tolist() == [[7, 100], [60, 150]]
    assert finding.table["other_group"].tolist() == groups[[100, 150]].tolist()
    assert "same patient: 1" in finding.sentence


def test_equal_rows_by_chance_are_no_fault():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 3, (200, 4)), columns=list("abcd"))
    X["number"] = np.arange(200)  # would hide equal rows
    _, y, groups = make_patients()
    (finding,) = equal_rows(AuditRows(X, y, groups))
    assert finding.severity == "warning"


def test_nearly_equal_rows_of_different_patients():
    X, y, groups = make_patients()
    assert near(X, y, groups) == []
    rng = np.random.default_rng(0)
    X[3] = X[103] + 0.01 * rng.normal(size=X.shape[1])
    X[4] = X[100]  # equal, and reported as that
    (finding,) = near(X, y, groups)
    assert finding.table[["row", "other_row"]].to_numpy().tolist() == [[3, 103]]


def test_a_patient_with_two_names():
    X, y, groups = make_patients()
    X[groups == 12] = X[groups == 30] + 1e-3
    (finding,) = near(X, y, groups)
    assert set(map(tuple, finding.table[["group", "other_group"]].to_numpy())) == {(12, 30)}
    assert len(finding.table) == 5


@pytest.mark.parametrize("cv", [KFold(4), ShuffleSplit(3, random_state=0), GroupKFold(5)])
def test_splits_against_a_loop(cv):
    _, _, groups = make_patients(17, 3)
    names = np.array([f"p{g}" for g in groups])
    splits = list(cv.split(groups, None, groups if isinstance(cv, GroupKFold) else None))
    table = audit_splits(iter(splits), names)
    for (train, test), line in zip(splits, table.itertuples(), strict=True):
        shared = set(groups[train]) & set(groups[test])
        assert line.shared_patients == len(shared)
        assert line.leaking_rows == sum(g in shared for g in groups[test])
        assert (line.train_rows, line.test_rows, line.shared_rows) == (len(train), len(test), 0)
    rows = AuditRows(groups[:, None], groups % 2, names)
    finding = check_splits(splits, rows)
    assert (finding.severity == "severe") == bool(table["shared_patients"].any())


def test_splits_as_masks_and_twice_the_same_row():
    groups = np.array([0, 0, 1, 1])
    mask = groups == 0
    assert audit_splits([(mask, ~mask)], groups)["leaking_rows"].tolist() == [0]
    assert audit_splits([([0, 1, 2], [2, 3])], groups)["shared_rows"].tolist() == [1]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ([], "splits is empty"),
        ([(1, 2, 3)], "not a pair"),
        ([([0, 9], [1])], "positions of the 4 rows"),
        ([([0.5], [1])], "positions of the 4 rows"),
    ],
)
def test_wrong_splits(splits, message):
    with pytest.raises(ValueError, match=message):
        audit_splits(splits, [0, 0, 1, 1])
