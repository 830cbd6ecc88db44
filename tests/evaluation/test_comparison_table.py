import html
import io

import numpy as np
import pandas as pd
import pytest

from skrobust.evaluation import comparison_table, summarize_comparison


def results(names=("svm", "net"), **columns):
    rng = np.random.default_rng(0)
    lines = [
        {"estimator": name, "split": split, "metric": metric, "score": rng.normal(0.8, 0.03),
         "n_train": 80, "n_test": 20}
        for name in names for split in range(4) for metric in ("roc_auc (rows)", "f1")
    ]  # fmt: skip
    return pd.DataFrame(lines).assign(**columns)


def test_markdown_holds_the_numbers_of_the_summary():
    summary = summarize_comparison(results(pos_label="ill"), baseline="svm")
    head, rule, *lines, empty, note = comparison_table(summary).splitlines()
    assert head == "| estimator | ROC AUC (rows) | f1 |"
    assert rule == "| --- | --- | --- |"
    by_name = summary.set_index(["estimator", "metric"])
    svm, net = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    row = by_name.loc[("svm", "f1")]
    assert svm == ["svm", svm[1], f"{row['mean']:.3f} ± {row['sd']:.3f}"]
    row = by_name.loc[("net", "f1")]
    p = f"{row['p_value']:.2f}"
    assert net[2] == f"{row['mean']:.3f} ± {row['sd']:.3f} (p = {p})"
    assert empty == ""
    assert note == (
        "Mean ± standard deviation over 4 splits. p: corrected resampled t-test against svm. "
        "Positive class: ill."
    )


def test_corrected_p_values_and_intervals():
    table = results(["svm", "net", "knn"])
    table["bootstrap"] = [np.linspace(s - 0.1, s + 0.1, 101) for s in table["score"]]
    summary = summarize_comparison(table, baseline="svm")
    text = comparison_table(summary, digits=2)
    row = summary.query("estimator == 'net' and metric == 'f1'").iloc[0]
    assert row["upper"] - row["lower"] == pytest.approx(0.19)
    assert f"{row['mean']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}] (p = " in text
    assert f"(p = {row['p_holm']:.2f})" in text
    assert "[interval over patients drawn with replacement]" in text
    assert "against svm, Holm's method over 2 estimators." in text


def test_formats_hold_the_same_cells():
    names = ["a_b & 50% {x}", "<script> | ~^\\ $#"]
    summary = summarize_comparison(results(names), baseline=names[0])
    want = [
        [cell.replace(r"\|", "|").strip() for cell in line[2:-2].split(" | ")]
        for line in comparison_table(summary).splitlines()[2:4]
    ]
    text = comparison_table(summary, "html")
    assert "<script>" not in text
    (read,) = pd.read_html(io.StringIO(text)) if _has_lxml() else (None,)
    if read is not None:
        assert read.to_numpy().astype(str).tolist() == want
    for cell in want[0] + want[1]:
        assert html.escape(cell, quote=False) in text
    latex = comparison_table(summary, "latex")
    assert r"a\_b \& 50\% \{x\} & " in latex
    assert r"$<$script$>$ | \textasciitilde{}\textasciicircum{}\textbackslash{} \$\#" in latex
    assert latex.startswith(
        "\\begin{tabular}{lll}\n\\toprule\nestimator & ROC AUC (rows) & f1 \\\\"
    )
    assert latex.count(r"\\") == 3


def _has_lxml():
    try:
        import lxml  # noqa: F401
    except ImportError:
        return False
    return True


def test_missing_and_undefined_scores():
    table = results()
    table.loc[table["metric"] == "f1", "score"] = np.nan
    table = table.drop(index=table.index[(table["estimator"] == "net") & (table["metric"] == "f1")])
    lines = comparison_table(summarize_comparison(table)).splitlines()
    assert lines[2].endswith("| not defined |")
    assert lines[3].endswith("|  |")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "word"}, "format is 'word', expected one of"),
        ({"digits": -1}, "digits == -1"),
        ({"summary": pd.DataFrame({"estimator": []})}, r"lacks the columns \['mean'"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        comparison_table(**{"summary": summarize_comparison(results()), **options})
