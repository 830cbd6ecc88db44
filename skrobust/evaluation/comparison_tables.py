"""A comparison as a table for a paper: Markdown, LaTeX or HTML."""

from __future__ import annotations

import html
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_scalar

from .drawing import metric_label

_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "<": "$<$", ">": "$>$",
})  # fmt: skip


def comparison_table(summary: pd.DataFrame, format: str = "markdown", *, digits: int = 3) -> str:
    """Write a summary of a comparison as a table for a paper, and a sentence on its numbers.

    One line per estimator and one column per score, with mean and interval (standard deviation, if
    no patients were drawn), and p-value.

    Parameters
    ----------
    summary : DataFrame
        From :func:`~skrobust.summarize_comparison`.
    format : {"markdown", "latex", "html"}, default="markdown"
        What to write. LaTeX needs the package booktabs.
    digits : int, default=3
        Decimal places of the scores.

    Returns
    -------
    table : str
        The table and the sentence.

    Raises
    ------
    ValueError
        If the format is unknown, or `summary` lacks columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrobust.evaluation import comparison_table
    >>> summary = pd.DataFrame({
    ...     "estimator": ["svm"], "metric": "roc_auc", "mean": 0.75, "sd": 0.05, "n_splits": 3})
    >>> print(comparison_table(summary))
    | estimator | ROC AUC |
    | --- | --- |
    | svm | 0.750 ± 0.050 |
    <BLANKLINE>
    Mean ± standard deviation over 3 splits.
    """
    writers = {"markdown": _markdown, "latex": _latex, "html": _html}
    if format not in writers:
        raise ValueError(f"format is {format!r}, expected one of {list(writers)}.")
    check_scalar(digits, "digits", Integral, min_val=0)
    if missing := {"estimator", "metric", "mean", "sd", "n_splits"} - set(summary):
        raise ValueError(
            f"summary lacks the columns {sorted(missing)}. Give the table of summarize_comparison."
        )
    metrics = summary["metric"].unique().tolist()
    lines = [["estimator", *map(metric_label, metrics)]]
    for name, own in summary.set_index("metric").groupby("estimator", sort=False):
        cells = [_cell(own.loc[m], digits) if m in own.index else "" for m in metrics]
        lines.append([str(name), *cells])
    return writers[format](lines, _note(summary))


def p_text(p: float) -> str:
    """Return a p-value as people write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.{2 if p >= 0.01 else 3}f}"


def _cell(line: pd.Series, digits: int) -> str:
    if np.isnan(line["mean"]):
        return "not defined"
    text = f"{line['mean']:.{digits}f}"
    if np.isfinite(line.get("lower", np.nan)):
        text += f" [{line['lower']:.{digits}f}, {line['upper']:.{digits}f}]"
    elif "lower" not in line and np.isfinite(line["sd"]):
        text += f" ± {line['sd']:.{digits}f}"
    p = line.get("p_holm", line.get("p_value", np.nan))
    return text if np.isnan(p) else f"{text} ({p_text(p)})"


def _note(summary: pd.DataFrame) -> str:
    """Say what the numbers are."""
    n_splits = sorted(set(summary["n_splits"]))
    splits = str(n_splits[0]) if len(n_splits) == 1 else f"{n_splits[0]} to {n_splits[-1]}"
    if "lower" in summary and summary["lower"].notna().any():
        parts = [f"Mean over {splits} splits [interval over patients drawn with replacement]."]
    else:
        parts = [f"Mean ± standard deviation over {splits} splits."]
    if "p_value" in summary and summary["p_value"].notna().any():
        unpaired = summary.groupby("estimator", sort=False)["mean_difference"].count() == 0
        test = f"p: corrected resampled t-test against {' or '.join(unpaired.index[unpaired])}"
        n_compared = int((~unpaired).sum())
        holm = "p_holm" in summary and n_compared > 1
        parts.append(f"{test}, Holm's method over {n_compared} estimators." if holm else f"{test}.")
    if "pos_label" in summary:
        parts.append(f"Positive class: {summary['pos_label'].dropna().iloc[0]}.")
    return " ".join(parts)


def _markdown(lines: list[list[str]], note: str) -> str:
    head, *rest = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    table = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in table) + f"\n\n{note}"


def _latex(lines: list[list[str]], note: str) -> str:
    head, *rest = [" & ".join(cell.translate(_LATEX) for cell in line) + r" \\" for line in lines]
    columns = "l" * len(lines[0])
    table = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *rest]
    return "\n".join([*table, r"\bottomrule", r"\end{tabular}", "", note.translate(_LATEX)])


def _html(lines: list[list[str]], note: str) -> str:
    head, *rest = lines
    table = pd.DataFrame(rest, columns=head).to_html(index=False, border=0)
    return f"{table}\n<p>{html.escape(note)}</p>"
