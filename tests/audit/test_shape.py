import numpy as np
import pandas as pd
import pytest
from planted import make_patients

from skrobust.audit.rows import AuditRows
from skrobust.audit.shape import auc_half_width, check_shape


def shape(X, y, groups=None):
    return {f.code: f for f in check_shape(AuditRows(X, y, groups))}


def test_counts():
    X, y, groups = make_patients(10, 3)
    y = y.copy()
    y[[0, 5]] = 1 - y[[0, 5]]
    found = shape(X, y, groups)
    assert found["SKR101"].value == 30
    assert found["SKR101"].table["patients"].tolist() == [6, 6]  # two patients count for both
    assert found["SKR102"].table.index.tolist() == [0, 1]
    assert found["SKR102"].table.to_numpy().tolist() == [[2, 1], [1, 2]]
    assert found["SKR106"].value == 6


def test_without_groups_is_a_warning():
    X, y, _ = make_patients(10, 1)
    assert shape(X, y)["SKR101"].severity == "warning"


def test_a_class_of_one_patient_is_severe():
    X, y, groups = make_patients(10, 3)
    y = np.where(groups == 3, "rare", y.astype(str))
    assert shape(X, y, groups)["SKR106"].severity == "severe"


def test_missing_constant_and_equal_columns():
    X, y, groups = make_patients(10, 4, 3)
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    table["weight"] = ["?"] * 36 + ["80", " - ", "90", "Unknown"]
    table["copy"] = table["b"]
    table["same"] = "x"
    table["nothing"] = None
    found = shape(table, y, groups)
    missing = found["SKR103"].table["missing"]
    assert missing.to_dict() == {"nothing": 1.0, "weight": 38 / 40}
    assert found["SKR103"].severity == "warning"
    assert found["SKR104"].table["column"].tolist() == ["same", "nothing"]
    assert found["SKR105"].table.to_numpy().tolist() == [["b", "copy"]]


def test_nothing_is_missing_in_whole_data():
    X, y, groups = make_patients(10, 4)
    assert not {"SKR102", "SKR103", "SKR104", "SKR105"} & set(shape(X, y, groups))


@pytest.mark.parametrize(("n_own", "n_rest"), [(10, 10), (5, 40)])
def test_width_of_the_interval(n_own, n_rest):
    # at 0.5 the formula is the variance of the rank sum test
    by_rank_sum = np.sqrt((n_own + n_rest + 1) / (12 * n_own * n_rest))
    assert auc_half_width(0.5, n_own, n_rest) == pytest.approx(1.959964 * by_rank_sum)
    # two exponential distributions, for which the formula is exact
    rng = np.random.default_rng(0)
    own = rng.exponential(4.0, (4000, n_own, 1))
    rest = rng.exponential(1.0, (4000, 1, n_rest))
    spread = (own > rest).mean(axis=(1, 2)).std()
    assert auc_half_width(0.8, n_own, n_rest) == pytest.approx(1.96 * spread, rel=0.05)


def test_columns_of_all_kinds_become_numbers():
    table = pd.DataFrame(
        {
            "mixed": ["x", 1, None, "x"],
            "numbers as text": ["?", "1.5", "2", "3"],
            "category": pd.Categorical(["u", "v", "v", "v"]),
            "day": pd.to_datetime(["2020-01-02", None, "2020-01-01", "2020-01-01"]),
            "yes": [True, False, True, True],
            "nullable": pd.array([1, None, 3, 4], dtype="Int64"),
            7: [None] * 4,
        }
    )
    rows = AuditRows(table, [0, 1, 0, 1], [0, 0, 1, 1])
    assert rows.columns == list(table.columns)
    assert rows.is_text.tolist() == [True, False, True, False, False, False, False]
    nan = np.nan
    expected = [[0, 1, nan, 0], [nan, 1.5, 2, 3], [1, 0, 0, 0], [1, nan, 0, 0], [1, 0, 1, 1],
                [1, nan, 3, 4], [nan] * 4]  # fmt: skip
    numbers = rows.numbers.copy()
    day = numbers[:, 3]
    numbers[:, 3] = (day - np.nanmin(day)) / (np.nanmax(day) - np.nanmin(day))
    np.testing.assert_array_equal(numbers.T, expected)
