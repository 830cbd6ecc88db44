"""The whole audit, its report and its page."""

import ast
import importlib
import os
import pickle
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted import make_patients
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold

import skrobust
from skrobust import audit, load_grouped_npz
from skrobust.audit import AuditReport

ROOT = Path(skrobust.__file__).parents[1]
HOSTILE = "<script>alert(1)</script> & \"'"


@pytest.fixture(scope="module")
def table():
    """A table with texts, dates, gaps and hostile names."""
    X, y, groups = make_patients(24, 4)
    table = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])])
    table[HOSTILE] = np.where(y == 1, HOSTILE, "b")  # gives the answer away
    table["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(groups, "D")
    table.loc[::5, "c3"] = np.nan
    names = np.array([f"{HOSTILE}{g}" for g in groups], dtype=object)
    label = np.where(np.arange(len(y)) == 0, "ill<b>", np.where(y == 1, "ill<b>", "well"))
    return table, label, names


@pytest.fixture(scope="module")
def report(table):
    site = np.where(np.arange(len(table[1])) % 16 < 8, HOSTILE, "south")
    return audit(*table, site=site, random_state=0)


def test_findings(report):
    findings = report.findings
    order = findings["severity"].map({"severe": 0, "warning": 1, "note": 2})
    assert order.is_monotonic_increasing
    assert (findings["code"].str.match(r"SKR\d{3}$")).all()
    severe = findings[findings["severity"] == "severe"]
    assert severe["code"].tolist() == ["SKR206"]
    assert HOSTILE in severe["finding"].iloc[0]
    assert (findings["lower"] <= findings["upper"])[findings["lower"].notna()].all()
    for snippet in findings["snippet"]:
        ast.parse(snippet)


def test_patients_and_rows(report, table):
    assert len(report.rows) == len(table[0])
    assert set(report.patients.index) == set(table[2])
    columns = ["label", "rows", "probability", "suggested", "outlier", "reasons"]
    assert report.patients.columns.tolist() == columns
    assert report.patients.loc[table[2][0], "label"] == "well"
    assert "several labels: ill<b> (1), well (3)" in report.patients.loc[table[2][0], "reasons"]


def test_text_names_every_finding(report):
    text = str(report)
    for code, severity in report.findings[["code", "severity"]].to_numpy():
        assert f"{severity.upper():8}{code} " in text
    assert repr(report) == f"<AuditReport: {report.summary()}>"


class Page(HTMLParser):
    """The tags of a page that closes what it opens."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_needs_nothing_and_escapes_all(report, tmp_path):
    path = report.to_html(tmp_path / "audit.html")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "b<"} & set(page.tags)
    assert not {"src", "href", "onclick"} & {name for name, _ in page.attributes}
    assert "http" not in text
    assert "url(" not in text
    assert page.tags.count("article") == len(report.findings)
    assert page.tags.count("svg") >= 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;&#x27;" in text
    assert report._repr_html_() in text


def test_every_finding_has_a_page_in_the_documentation():
    pages = sorted((ROOT / "docs/findings").glob("*.rst"))
    sections = [
        (page.stem, re.match(rf"\.\. _{page.stem}:\n\n(SKR\d{{3}}): ", page.read_text())[1])
        for page in pages
    ]
    source = "".join(path.read_text() for path in (ROOT / "skrobust/audit").glob("*.py"))
    codes = sorted(set(re.findall(r'"(SKR\d{3})"', source)))
    assert sections == [(code.lower(), code) for code in codes]


def test_an_int_fixes_everything(report, table):
    X, y, groups = make_patients(12, 3)
    first, second = (audit(X, y, groups, cv=2, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.findings, second.findings)
    pd.testing.assert_frame_equal(first.patients, second.patients)
    pd.testing.assert_frame_equal(first.rows, second.rows)


def test_pickle(report):
    again = pickle.loads(pickle.dumps(report))
    pd.testing.assert_frame_equal(again.findings, report.findings)
    assert pickle.loads(pickle.dumps(audit)) is audit


@pytest.mark.parametrize("shape", [(64,), (8, 8), (4, 4, 4)])
def test_arrays_and_given_folds(shape):
    X, y, groups = make_patients(12, 3, 64)
    X = X.reshape(-1, *shape).astype(np.float32)
    cv = KFold(3, shuffle=True, random_state=0)
    report = audit(X, y, groups, cv=cv, estimator=None, random_state=0)
    nouns = {1: "curves", 2: "images", 3: "volumes"}
    assert nouns[len(shape)] in report.findings.set_index("code").loc["SKR101", "finding"]
    assert report.findings.set_index("code").loc["SKR210", "severity"] == "severe"
    assert "<svg" in report._repr_html_()


def test_folds_that_keep_patients_whole_and_an_estimator(capsys):
    X, y, groups = make_patients(12, 3)
    report = audit(
        X, y, groups, cv=GroupKFold(3), estimator=LogisticRegression(), random_state=0, verbose=1
    )
    assert report.findings.set_index("code").loc["SKR210", "severity"] == "note"
    assert "your estimator" in report.tables["SKR201"].index
    assert "audit: done: 100%" in capsys.readouterr().err


def test_large_data_are_sampled_by_patient(monkeypatch):
    for room in ("labels", "outliers", "leakage", "size"):
        monkeypatch.setattr(sys.modules[f"skrobust.audit.{room}"], "_MOST_ROWS", 60)
    X, y, groups = make_patients(40, 4)
    report = audit(X, y, groups, random_state=0)
    finding = report.findings.set_index("code")["finding"]
    for code in ("SKR201", "SKR301", "SKR401"):
        assert "drawn at random" in finding[code]
    judged = report.rows["probability"].notna()
    assert 48 <= judged.sum() <= 64
    # whole patients
    assert judged.groupby(groups).nunique().max() == 1
    assert report.patients["probability"].notna().sum() == len(set(groups[judged]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(36, int)}, "one class only"),
        ({"y": np.zeros(3, int)}, "y has 3 entries but X has 36 rows"),
        ({"groups": [1, 2]}, "groups has 2 entries"),
        ({"site": [1, 2]}, "site: groups has 2 entries"),
        ({"X": np.full((36, 2), np.inf)}, "contains infinity"),
        ({"X": np.zeros(36)}, "at least 2 axes"),
        ({"X": pd.DataFrame(np.zeros((36, 2)), columns=["a", "a"])}, "several columns named"),
        ({"cv": 1}, "at least 2 are needed"),
    ],
)
def test_wrong_input(change, message):
    X, y, groups = make_patients(12, 3)
    with pytest.raises(ValueError, match=message):
        audit(**{"X": X, "y": y, "groups": groups} | change)


def test_the_function_and_its_room_share_a_name():
    import skrobust.audit

    assert skrobust.audit is audit
    room = importlib.import_module("skrobust.audit")
    assert (room.audit, room.AuditReport) == (audit, AuditReport)


@pytest.fixture(scope="module")
def real_data():
    folder = os.environ.get("SKROBUST_DATA")
    if not folder:
        pytest.skip("SKROBUST_DATA does not name a folder with real data")
    return Path(folder)


def test_the_dementia_rating_gives_the_answer_away(real_data):
    visits = pd.read_csv(real_data / "oasis_longitudinal.csv")
    y, groups = visits.pop("Group"), visits.pop("Subject ID")
    report = audit(visits, y, groups, random_state=0)
    assert report.tables["SKR206"]["column"].tolist() == ["CDR"]


def test_the_odd_patient_of_the_saliva_set(real_data):
    data = load_grouped_npz(real_data / "raman_saliva_covid.npz")
    label = np.array(data.target_names)[data.target]
    kept = np.isin(label, ["CTRL", "COV+"])
    patient = data.patient_id[data.groups][kept]
    report = audit(data.data[kept], label[kept], patient, random_state=0)
    assert "CTRL_26" in report.tables["SKR402"].index
    assert report.findings.set_index("code").loc["SKR201", "severity"] == "warning"
