"""The page of results and the README's table are what the report makes of the committed CSV."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "examples/benchmarks"


@pytest.fixture(scope="module")
def report():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import study_report

        yield study_report
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def study(report):
    return report.Study(pd.read_csv(ROOT / "docs/results/study.csv"))


def test_page_follows_from_csv(report, study):
    assert (ROOT / "docs/results.md").read_text("utf-8") == report.page(study)


def test_readme_follows_from_csv(report, study):
    readme = (ROOT / "README.md").read_text("utf-8")
    assert report.MARKS[0] in readme
    assert readme == report.write_readme(study, readme)


def test_every_part_has_its_figure(report, study):
    for part in study.lines:
        assert (ROOT / f"docs/_static/results_{part}.png").exists()


def lines_of(scores):
    """Return lines of one learner and corruption from {(set, arm): scores of the splits}."""
    return pd.DataFrame(
        [
            {"set": name, "corruption": "clean", "learner": "svc", "arm": arm, "seed": i // 2,
             "fold": i % 2, "auc": value}
            for (name, arm), values in scores.items()
            for i, value in enumerate(values)
        ]
    )  # fmt: skip


def test_gain_is_the_corrected_test_of_the_mean_over_sets(report):
    rng = np.random.RandomState(0)
    scores = {(name, arm): rng.rand(4) for name in "ab" for arm in ("plain", "method")}
    found = report.gains(lines_of(scores), "auc", ["corruption"]).iloc[0]
    d = np.mean([scores[name, "method"] - scores[name, "plain"] for name in "ab"], axis=0)
    error = d.std(ddof=1) * np.sqrt(1 / 4 + 0.5)
    assert found["arm"] == "method"
    assert found["n_splits"] == 4
    assert found["mean"] == pytest.approx(d.mean())
    assert found["base"] == pytest.approx(np.mean([scores[name, "plain"] for name in "ab"]))
    assert found["p"] == pytest.approx(2 * stats.t.sf(abs(d.mean()) / error, 3))
    low, high = stats.t.interval(0.95, 3, d.mean(), error)
    assert found["half_width"] == pytest.approx((high - low) / 2)


def test_arm_is_compared_where_it_was_run_and_on_complete_splits(report):
    scores = {
        ("a", "plain"): [0.5, 0.5, 0.5, 0.5],
        ("b", "plain"): [0.1, 0.1, 0.1],
        ("a", "only a"): [0.6, 0.7, 0.8, 0.9],
        ("a", "both"): [0.6, 0.7, 0.8, 0.9],
        ("b", "both"): [0.2, 0.3, 0.4],
    }
    found = report.gains(lines_of(scores), "auc", ["corruption"]).set_index("arm")
    assert found["n_splits"].to_dict() == {"only a": 4, "both": 3}
    assert found.loc["only a", "mean"] == pytest.approx(0.25)
    assert found.loc["both", "mean"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("mean", "p", "half_width", "word"),
    [
        (0.02, 0.01, 0.01, "helps"),
        (-0.02, 0.01, 0.01, "hurts"),
        (0.02, 0.20, 0.03, "no difference beyond chance"),
        (0.02, 0.20, 0.04, "too few data to tell"),
        (0.02, np.nan, np.nan, "too few data to tell"),
    ],
)
def test_verdict_follows_from_the_numbers(report, mean, p, half_width, word):
    from study_gains import verdict

    assert verdict({"mean": mean, "p": p, "half_width": half_width}) == word
