import runpy

import numpy as np
import pandas as pd
import pytest
from planted import make_patients

from skrobust.audit.command_line import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    X, y, groups = make_patients(16, 3, 4)
    table = pd.DataFrame(X, columns=list("abcd"))
    table["kind"] = np.where(np.arange(len(y)) % 3, "x", "z")
    table["patient"], table["diagnosis"] = groups, np.array(["well", "ill"])[y]
    table["hospital"] = groups // 2 % 2
    table.to_csv(folder / "visits.csv", index=False)
    table.to_csv(folder / "visits.csv.gz", index=False)
    table.to_csv(folder / "european.csv", index=False, sep=";")
    table.to_parquet(folder / "visits.parquet")
    table.assign(leak=y).to_csv(folder / "leak.csv", index=False)
    table.assign(diagnosis=table["diagnosis"].where(groups > 0)).to_csv(folder / "gaps.csv")
    np.savez(
        folder / "rows.npz",
        X=X,
        y=y,
        groups=groups,
        class_names=["well", "ill"],
        patient_id=[f"P{i}" for i in range(16)],
        hospital=groups // 2 % 2,
    )
    return folder


COLUMNS = ["--label", "diagnosis", "--group", "patient", "--folds", "2", "--quiet"]


def test_audit_of_a_table(folder, capsys):
    page, patients = folder / "audit.html", folder / "patients.csv"
    options = ["--site", "hospital", "--html", str(page), "--patients", str(patients)]
    assert main(["audit", str(folder / "visits.parquet"), *COLUMNS, *options]) == 0
    out, err = capsys.readouterr()
    assert "48 rows (5 columns) of 16 patients" in out
    assert "SKR208" in out
    assert err == ""
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert set(pd.read_csv(patients)["patient"]) == set(range(16))


def test_audit_of_an_npz_file_and_its_review_page(folder, capsys):
    page = folder / "review.html"
    options = ["--site", "hospital", "--folds", "2", "--quiet", "--review", str(page)]
    assert main(["audit", str(folder / "rows.npz"), *options]) == 0
    out, _ = capsys.readouterr()
    assert "by label: ill 24, well 24" in " ".join(out.split())
    assert "P13" in page.read_text()


def test_something_severe_has_its_own_exit_code(folder, capsys):
    assert main(["audit", str(folder / "leak.csv"), *COLUMNS]) == 1
    assert "SEVERE  SKR206" in capsys.readouterr().out
    assert main(["audit", str(folder / "leak.csv"), *COLUMNS, "--drop", "leak"]) == 0


def test_compare(folder, capsys):
    scores = folder / "scores.csv"
    options = ["--positive", "ill", "--csv", str(scores)]
    assert main(["compare", str(folder / "visits.csv.gz"), *COLUMNS, *options]) == 0
    out, err = capsys.readouterr()
    table = pd.read_csv(scores)
    names = ["logistic regression", "logistic regression, noise", "random forest", "SVC"]
    assert table["estimator"].unique().tolist() == names
    assert set(table["pos_label"]) == {"ill"}
    mean = table.groupby(["estimator", "metric"])["score"].mean()
    assert f"{mean['logistic regression', 'roc_auc (rows)']:.2f} [" in out
    assert out.count("(p ") == 3 * table["metric"].nunique()
    assert err.count("skrobust: warning: ") == len(err.splitlines()) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.csv", *COLUMNS], "there is no file"),
        (["visits.csv"], "which column holds the labels? --label C, of a, b"),
        (["visits.csv", "--label", "diagnose"], "no column 'diagnose'; did you mean 'diagnosis'?"),
        (["visits.csv", *COLUMNS, "--drop", "zzz"], "--drop zzz: no column 'zzz'; there are a, b"),
        (["european.csv", *COLUMNS], "--label: no column 'diagnosis'"),
        (["gaps.csv", *COLUMNS], "3 rows have no value in diagnosis or patient"),
        (["visits.csv", "--label", "hospital", "--group", "patient", "--folds", "1"], "at least 2"),
        (["rows.npz", "--label", "species"], "--label: no array 'species'"),
        (["rows.npz", "--drop", "a"], "--drop leaves out columns of tables"),
    ],
)
def test_errors_are_one_line(folder, arguments, message, capsys):
    name, *rest = arguments
    assert main(["audit", str(folder / name), *rest]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("skrobust audit: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_unknown_positive_label(folder, capsys):
    assert main(["compare", str(folder / "visits.csv"), *COLUMNS, "--positive", "sick"]) == 2
    assert "--positive sick: the labels are ill, well." in capsys.readouterr().err


def test_another_separator(folder):
    options = ["--separator", ";"]
    assert main(["audit", str(folder / "european.csv"), *COLUMNS, *options]) == 0


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["audit", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert "exit codes:" in shown


def test_usage_errors_have_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["skrobust", "audit"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("skrobust", run_name="__main__")  # python -m skrobust
    assert stop.value.code == 2
    assert "DATA" in capsys.readouterr().err
