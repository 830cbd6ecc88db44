import numpy as np
import pytest
from planted import make_patients
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skrobust.audit.rows import AuditRows
from skrobust.audit.scoring import auc_of, by_patient, disjoint_folds, out_of_fold


@pytest.mark.parametrize("n_classes", [2, 3])
def test_auc_is_that_of_scikit_learn(n_classes):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, n_classes, 200)
    P = rng.random((200, n_classes)).round(1)  # ties
    P += np.eye(n_classes)[codes] * 0.2
    weight = rng.integers(0, 4, 200).astype(float)
    own = np.eye(n_classes)[codes]
    classes = [1] if n_classes == 2 else range(3)
    for w in (None, weight):
        expected = np.mean([roc_auc_score(own[:, k], P[:, k], sample_weight=w) for k in classes])
        assert auc_of(codes, P)(w) == pytest.approx(expected)


def test_interval_counts_patients_not_rows():
    X, y, groups = make_patients(40, 5, shift=1.0)
    rows = AuditRows(X, y, groups)
    many = AuditRows(np.tile(X, (4, 1)), np.tile(y, 4), np.tile(groups, 4))
    widths = []
    for part, times in ((rows, 1), (many, 4)):
        P = np.tile(np.column_stack([-X[:, 0], X[:, 0]]), (times, 1))
        rng = np.random.RandomState(0)
        value, lower, upper = by_patient(auc_of(part.codes, P), part.unit, rng)
        assert lower < value < upper
        widths.append(upper - lower)
    assert widths[0] == pytest.approx(widths[1])


def test_interval_covers_the_truth():
    inside = 0
    for seed in range(60):
        X, y, groups = make_patients(40, 3, 3, shift=1.0, seed=seed)
        P = np.column_stack([-X[:, 0], X[:, 0]])
        rng = np.random.RandomState(seed)
        _, lower, upper = by_patient(auc_of(y, P), groups, rng, n_draws=100)
        # normal scores with shift 1 and variance 1 + 0.7 ** 2
        inside += lower < 0.7186 < upper
    assert inside >= 50


def test_rows_are_scored_by_models_of_other_patients():
    X, y, groups = make_patients(12, 3)
    rows = AuditRows(X, y, groups)
    folds = disjoint_folds(rows, 4, 0)
    P = out_of_fold(LogisticRegression(), X, rows, folds, None)
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        expected = LogisticRegression().fit(X[train], y[train]).predict_proba(X[test])
        np.testing.assert_allclose(P[test], expected)
