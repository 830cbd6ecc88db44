import numpy as np
import pytest
from planted import make_patients

from skrobust import audit, flip_labels
from skrobust.audit.labels import check_labels
from skrobust.audit.rows import AuditRows


def labels(X, y, groups=None):
    found, patients, rows = check_labels(
        AuditRows(X, y, groups), None, 5, None, np.random.RandomState(0)
    )
    return {f.code: f for f in found}, patients, rows


@pytest.fixture(scope="module")
def flipped():
    X, y, groups = make_patients(60, 5, shift=3.0)
    y, wrong = flip_labels(y, 0.2, groups=groups, random_state=0)
    return X, y, groups, set(groups[wrong])


def test_flipped_patients_come_first(flipped):
    X, y, groups, wrong = flipped
    found, patients, _ = labels(X, y, groups)
    assert len(wrong & set(patients.index[: len(wrong)])) >= len(wrong) - 1
    assert found["SKR304"].severity == "warning"
    assert found["SKR302"].lower < 0.2 < found["SKR302"].upper
    doubted = found["SKR304"].table.index.tolist()
    assert doubted == patients.index[: len(doubted)].tolist()
    assert len(wrong & set(doubted)) >= len(doubted) - 1 >= 5
    assert found["SKR301"].value > 0.8


def test_tables_agree_with_the_data(flipped):
    X, y, groups, _ = flipped
    names = np.array(["healthy", "ill"])[y]
    _, patients, rows = labels(X, names, groups)
    assert rows["group"].tolist() == groups.tolist()
    assert rows["label"].tolist() == names.tolist()
    assert patients["probability"].is_monotonic_increasing
    assert sorted(patients.index) == list(range(60))
    for patient, line in patients.iterrows():
        own = rows[rows["group"] == patient]
        assert (line["rows"], {line["label"]}) == (len(own), set(own["label"]))
        assert line["probability"] == pytest.approx(own["probability"].mean())
        number = (own["looks_like"] == line["reasons"].split()[-1]).sum()
        assert line["reasons"].startswith(f"{number} of {len(own)} rows look like ")


def test_labels_that_nothing_tells_are_not_judged():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    found, patients, _ = labels(rng.normal(size=(120, 5)), groups % 2, groups)
    assert set(found) == {"SKR301"}
    assert found["SKR301"].severity == "warning"
    assert (patients["probability"] == 1).all()


def test_without_groups_rows_are_judged():
    X, y, _ = make_patients(80, 1, shift=4.0)
    y = y.copy()
    y[[5, 8]] = 1 - y[[5, 8]]
    found, patients, rows = labels(X, y)
    doubted = np.flatnonzero(rows["label"] != rows["suggested"])
    assert set(found["SKR304"].table.index) == set(doubted)
    assert {5, 8} <= set(patients.index[:4])
    assert set(doubted) & {5, 8}


def test_labels_of_rows_that_differ_by_right():
    X, y, groups = make_patients(40, 4, shift=0.0)
    y = np.arange(len(X)) % 2
    X[:, 0] += 5 * y
    y[[3, 70]] = 1 - y[[3, 70]]
    found, patients, rows = labels(X, y, groups)
    assert "itself" in found["SKR303"].sentence
    assert "SKR302" not in found
    assert set(found["SKR304"].table.index[:2]) == {3, 70}
    assert rows.loc[[3, 70], "probability"].max() < 0.01
    own = rows.groupby("group")["probability"].mean()
    assert patients["probability"].to_dict() == pytest.approx(own.to_dict())
    # one wrong row of four, and two labels by right: no patient has another label
    assert (patients["label"] == patients["suggested"]).mean() > 0.9


def test_trusted_patients_are_not_doubted(flipped):
    X, y, groups, wrong = flipped
    worst = labels(X, y, groups)[1].index[0]
    report = audit(X, y, groups, trusted=groups == worst, random_state=0)
    assert report.patients.loc[worst, "probability"] == 1
    assert (report.rows.loc[groups == worst, "probability"] == 1).all()
    assert report.patients["probability"].drop(worst).idxmin() in wrong
    with pytest.raises(ValueError, match="trusted has shape"):
        audit(X, y, groups, trusted=[True])
