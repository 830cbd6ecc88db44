import numpy as np
import pytest
from planted import make_patients

from skrobust.audit.rows import AuditRows
from skrobust.audit.sites import check_site
from skrobust.audit.size import check_size, twice_the_patients


def sites(X, y, groups, site):
    found = check_site(AuditRows(X, y, groups, site), 5, None, np.random.RandomState(0))
    return {f.code: f for f in found}


def test_sites_that_differ_in_nothing():
    X, y, groups = make_patients()
    found = sites(X, y, groups, np.array(["n", "s"])[groups // 2 % 2])
    assert {f.severity for f in found.values()} == {"note"}


def test_a_site_that_is_told():
    X, y, groups = make_patients()
    site = groups // 2 % 2
    X[:, -1] += 4 * site
    assert sites(X, y, groups, site)["SKR208"].severity == "warning"


def test_a_site_that_goes_with_the_label():
    X, y, groups = make_patients(shift=0.0)
    site = np.where(groups < 8, 1 - y, y)  # 80% of the patients
    X[:, -1] += 6 * site
    found = sites(X, y, groups, site)
    assert found["SKR208"].severity == "severe"
    assert found["SKR208"].value > 0.95
    # the site told the label; inside sites there is nothing to tell
    assert found["SKR209"].table["site left out"].between(0.3, 0.7).all()


def test_one_site_is_an_error():
    X, y, groups = make_patients(10)
    with pytest.raises(ValueError, match="site has one value only"):
        sites(X, y, groups, np.zeros(len(X), int))


def test_twice_the_patients_by_closed_form():
    sizes = np.array([10.0, 20, 30, 40])
    assert twice_the_patients(sizes, 0.9 - 0.8 / np.sqrt(sizes)) == pytest.approx(
        0.8 / np.sqrt(40) - 0.8 / np.sqrt(80)
    )


def test_learning_curve_rises_where_there_is_much_to_learn():
    X, y, groups = make_patients(60, 3, 40, shift=1.2)
    found = {
        f.code: f for f in check_size(AuditRows(X, y, groups), 5, None, np.random.RandomState(0))
    }
    curve = found["SKR503"].table
    assert curve["patients"].tolist() == [12, 24, 36, 48]
    assert curve["AUC"].iloc[-1] > curve["AUC"].iloc[0]
    assert found["SKR503"].value > 0


def test_rare_classes():
    X, y, groups = make_patients(60, 2)
    y = np.where(groups < 2, 2, y)
    found = {
        f.code: f for f in check_size(AuditRows(X, y, groups), 5, None, np.random.RandomState(0))
    }
    assert found["SKR501"].value == pytest.approx(2 / 60)
    assert found["SKR502"].value == 2
    assert "SKR503" not in found
