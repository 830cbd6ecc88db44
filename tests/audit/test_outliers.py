import numpy as np
from planted import make_patients

from skrobust import make_mr_spectra
from skrobust.audit.outliers import check_outliers, robust_z
from skrobust.audit.rows import AuditRows


def outliers(X, y, groups):
    found, score, of_patient = check_outliers(AuditRows(X, y, groups), 5, np.random.RandomState(0))
    return {f.code: f for f in found}, score, of_patient


def test_rows_of_another_kind():
    X, y, groups = make_patients()
    rows = [3, 50, 77, 120, 199]
    X[rows] = 10 + 0.1 * np.random.default_rng(0).normal(size=(5, X.shape[1]))
    found, score, _ = outliers(X, y, groups)
    assert set(found["SKR401"].table["row"]) == set(rows)
    assert set(np.argsort(-score)[:5]) == set(rows)


def test_one_odd_patient():
    X, y, groups = make_patients()
    X[groups == 17, -1] += 8
    found, _, of_patient = outliers(X, y, groups)
    assert found["SKR402"].table.index.tolist() == [17]
    assert of_patient.argmax() == 17


def test_curves_of_another_shape_and_the_same_size():
    X, y, groups = make_mr_spectra(
        30, n_voxels=6, impurity=0, random_state=0, return_X_y_groups=True
    )
    odd = groups == 4
    X[odd] = X[odd][:, ::-1]
    assert outliers(X, y, groups)[0]["SKR402"].table.index.tolist() == [4]


def test_gaussian_rows_hold_few_outliers():
    X, y, groups = make_patients(60, 6)
    found, _, _ = outliers(X, y, groups)
    assert found["SKR401"].value <= 2
    assert "SKR402" not in found


def test_robust_z_is_that_of_a_normal_distribution():
    values = np.random.default_rng(0).normal(3, 2, 100_000)
    np.testing.assert_allclose(robust_z(values)[:5], (values[:5] - 3) / 2, atol=0.05)
    assert (robust_z(np.ones(4)) == 0).all()
