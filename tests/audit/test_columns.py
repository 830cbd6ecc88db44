import numpy as np
import pandas as pd
from planted import make_patients

from skrobust.audit.columns import check_columns
from skrobust.audit.rows import AuditRows


def columns(X, y, groups=None):
    found = check_columns(AuditRows(X, y, groups), 5, np.random.RandomState(0))
    return {f.code: f for f in found}


def table_of(X):
    return pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])])


def test_nothing_in_clean_data():
    X, y, groups = make_patients()
    assert columns(X, y, groups) == {}
    assert columns(table_of(X), y, groups) == {}


def test_columns_that_tell_the_patient_or_number_the_rows():
    X, y, groups = make_patients()
    table = table_of(X)
    table["name"] = [f"P{g:03}" for g in groups]
    table["age"] = (20 + groups % 7).astype(float)  # constant, but shared by many
    table["file"] = [f"{i}.csv" for i in range(len(X))]
    table["number"] = np.arange(len(X)) + 1000
    found = columns(table, y, groups)
    assert found["SKR204"].table["column"].tolist() == ["name"]
    assert found["SKR205"].table["column"].tolist() == ["file", "number"]


def test_a_column_that_gives_the_answer_away():
    X, y, groups = make_patients(60)
    rng = np.random.default_rng(0)
    far = np.where(y == 1, rng.choice([-2.0, 2.0], len(y)), 0.0)  # told by no order
    table = table_of(X).assign(leak=far + 0.3 * rng.normal(size=len(y)))
    finding = columns(table, y, groups)["SKR206"]
    assert finding.severity == "severe"
    assert finding.table["column"].tolist() == ["leak"]
    assert finding.value > 0.95


def test_a_value_that_is_missing_gives_the_answer_away():
    X, y, groups = make_patients(60)
    table = table_of(X)
    table.loc[y == 1, "c5"] = np.nan
    assert columns(table, y, groups)["SKR206"].table["column"].tolist() == ["c5"]


def test_an_easy_task_is_no_leak():
    X, y, groups = make_patients(60, shift=8.0)
    X[:, 3:] += 5 * y[:, None]
    assert columns(X, y, groups)["SKR206"].severity == "note"


def test_one_of_three_classes_is_told():
    X, _, groups = make_patients(60)
    labels = np.array(["a", "b", "c"])[groups % 3]
    table = table_of(X).assign(score=np.where(labels == "c", 1, 0))
    finding = columns(table, labels, groups)["SKR206"]
    assert finding.table.loc[0, ["column", "class"]].tolist() == ["score", "c"]


def test_values_that_go_with_one_label():
    X, y, groups = make_patients(60)
    dead = (groups < 30) & (y == 0)
    table = table_of(X).assign(discharge=np.where(dead, "expired", "home"), ward=groups % 4)
    finding = columns(table, y, groups)["SKR207"]
    assert finding.table[["column", "value", "rows", "patients"]].to_numpy().tolist() == [
        ["discharge", "expired", 75, 15]
    ]


def test_a_value_of_few_patients_is_chance():
    X, y, groups = make_patients(60)
    rare = np.isin(groups, [0, 2, 4, 6, 8])  # 25 rows, of 5 patients with one label
    assert columns(table_of(X).assign(kind=np.where(rare, "x", "z")), y, groups) == {}
