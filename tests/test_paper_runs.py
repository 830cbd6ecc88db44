"""The runs of the papers: resumed where they were stopped, and whole in the committed file."""

import sys
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def paper_runs():
    path = list(sys.path)
    sys.path.insert(0, str(ROOT / "examples/papers"))
    try:
        import paper_runs

        yield paper_runs
    finally:
        sys.path[:] = path


def test_a_run_that_was_cut_short_is_run_again(paper_runs, tmp_path, capsys):
    args = Namespace(csv=tmp_path / "runs.csv", figures=None)
    values = iter([0.25, 0.75, 0.5])

    def runs():
        found = paper_runs.PaperRuns("paper", args)
        found.run("Table 1", "arm", "9 rows", 0, lambda: {"AUC": next(values), "kept": 1})
        return found

    assert runs().lines("Table 1")["value"].iloc[0] == 0.25
    runs()  # done: the function is not called
    whole = args.csv.read_bytes().splitlines(keepends=True)
    args.csv.write_bytes(b"".join(whole[:-1]))  # without the time, which is written last
    again = runs().lines("Table 1").set_index("metric")["value"]
    assert again["AUC"] == 0.75
    assert again.index.tolist() == ["AUC", "kept", "seconds"]
    capsys.readouterr()
    runs().show("Table 1", ["AUC"], {"arm": {"AUC": "0.9"}})
    assert "0.750" in capsys.readouterr().out.splitlines()[-1]


def test_the_committed_runs_are_whole():
    lines = pd.read_csv(ROOT / "docs/results/papers.csv")
    key = ["paper", "part", "arm", "size", "seed"]
    assert not lines.duplicated([*key, "metric"]).any()
    assert lines.groupby(key)["metric"].agg(lambda names: "seconds" in set(names)).all()
    assert lines["value"].notna().all()
