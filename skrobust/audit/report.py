"""What an audit found: tables, text and an HTML page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .findings import SEVERITIES, TOPICS, Finding, count
from .report_pictures import curves, dots, line, pairs
from .review import write_review
from .rows import FEWEST_OF_A_CURVE

_WIDTH = 88
_MOST_LINES = 20
_MOST_PATIENTS = 30

_STYLE = """
.skr-audit{font:16px/1.5 system-ui,sans-serif;color:#1c2430;background:#fff;max-width:980px;
 margin:0 auto;padding:0 16px 40px;overflow-wrap:anywhere}
.skr-audit h1{font-size:1.7em;margin:.8em 0 .2em}
.skr-audit h2{font-size:1.25em;margin:1.6em 0 .4em;border-bottom:1px solid #d8dde4}
.skr-audit .counts{display:flex;gap:10px;flex-wrap:wrap;margin:14px 0}
.skr-audit .counts b{display:block;font-size:1.6em;line-height:1.1}
.skr-audit .counts span{border-radius:8px;padding:8px 16px;min-width:84px;color:#333c48}
.skr-audit .severe{background:#fbe3dc;border-color:#d55e00}
.skr-audit .warning{background:#fdf1d6;border-color:#e69f00}
.skr-audit .note{background:#eaf1f7;border-color:#7fa8c9}
.skr-audit article{background:#fff;border:1px solid #e1e5ea;border-left:6px solid;
 border-radius:6px;padding:8px 14px;margin:10px 0}
.skr-audit article.severe,.skr-audit article.warning,.skr-audit article.note{background:#fff}
.skr-audit article.note{border-width:0 0 0 3px;border-radius:0;padding:0 12px}
.skr-audit article p{margin:.35em 0}
.skr-audit .badge{border-radius:4px;padding:1px 8px;font-size:.8em;margin-right:6px}
.skr-audit code,.skr-audit pre{font:13px/1.45 ui-monospace,monospace}
.skr-audit pre{background:#f4f6f8;padding:8px 10px;overflow-x:auto;border-radius:4px;margin:.4em 0}
.skr-audit summary{cursor:pointer;color:#005b94;font-size:.92em}
.skr-audit .scroll{overflow-x:auto}
.skr-audit table{border-collapse:collapse;font-size:14px;margin:.5em 0}
.skr-audit th,.skr-audit td{padding:3px 10px;text-align:left;border-bottom:1px solid #e8ebef;
 vertical-align:top;overflow-wrap:normal;color:inherit;background:none}
.skr-audit td.long{min-width:220px}
.skr-audit th{background:#f4f6f8;font-weight:600}
.skr-audit svg{max-width:100%;height:auto;display:block;margin:.6em 0}
.skr-audit svg text{font:12px system-ui,sans-serif;fill:#333c48}
.skr-audit .quiet{color:#5b6572;font-size:.9em}
"""


class AuditReport:
    """What :func:`~skrobust.audit` found.

    ``print(report)`` shows it as text, a notebook as a page, and :meth:`to_html` writes that page.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, ...)
        The rows.
    y : array-like of shape (n_samples,)
        Their labels.
    groups : array-like of shape (n_samples,) or None
        Their patients.
    found : sequence of Finding
        What the checks found.
    patients : DataFrame
        A line for every patient, the most suspicious first.
    rows : DataFrame
        A line for every row of X, in order.

    Attributes
    ----------
    findings : DataFrame
        A line for every finding, the severe ones first: ``code``, ``severity`` ("severe",
        "warning" or "note"), ``topic``, ``finding`` (a sentence), ``value``, ``lower`` and
        ``upper`` end of its 95% interval (NaN if there is none), ``action``, ``snippet`` (code to
        paste) and ``page`` (of the documentation).
    patients : DataFrame
        A line for every patient, named by the index, the one with the least probable label first:
        ``label`` (that of most rows), ``rows``, ``probability`` of the label, ``suggested`` (the
        most probable class), ``outlier`` (how unlike the others it is; see ``rows``) and
        ``reasons`` in words. Without groups, patients are rows. NaN was not judged.
    rows : DataFrame
        A line for every row of X, in order: ``group``, ``label``, ``probability`` of the label,
        ``suggested``, ``looks_like`` (the class that models which have not seen the patient take
        the row for, all classes being equally frequent) and ``outlier`` (the score that two of
        three detectors reach, in robust standard deviations above the median row).
    tables : dict of str to DataFrame
        By code, the rows, patients, pairs or columns that a finding is about.
    X, y, groups : array-like
        As given.

    See Also
    --------
    skrobust.audit : Makes it.
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None,
        *,
        found: Sequence[Finding],
        patients: pd.DataFrame,
        rows: pd.DataFrame,
    ):
        self.X, self.y, self.groups = X, y, groups
        self.patients, self.rows = patients, rows
        self.found = sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.code))

    @property
    def findings(self) -> pd.DataFrame:
        """A line for every finding."""
        lines = [
            {
                "code": f.code,
                "severity": f.severity,
                "topic": f.topic,
                "finding": f.sentence,
                "value": np.nan if f.value is None else f.value,
                "lower": np.nan if f.lower is None else f.lower,
                "upper": np.nan if f.upper is None else f.upper,
                "action": f.action,
                "snippet": f.snippet,
                "page": f.page,
            }
            for f in self.found
        ]
        return pd.DataFrame(lines)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """What the findings are about, by code."""
        return {f.code: f.table for f in self.found if f.table is not None}

    def summary(self) -> str:
        """Return in one sentence how many findings there are of each severity.

        Returns
        -------
        summary : str
            Such as "1 severe finding, 3 warnings, 9 notes".
        """
        n = [sum(f.severity == severity for f in self.found) for severity in SEVERITIES]
        what = ("severe findings", "warnings", "notes")
        return ", ".join(count(number, name) for number, name in zip(n, what, strict=True))

    def to_review(
        self,
        path: str | os.PathLike[str],
        pictures: str = "auto",
        n_patients: int = 100,
        **options: Any,
    ) -> Path:
        """Write a page on which an expert decides about the most suspicious patients.

        Parameters
        ----------
        path : str or path-like
            The HTML file to write.
        pictures : {"auto", "curves", "images", "volumes", "table", "none"}, default="auto"
            How to draw the rows.
        n_patients : int, default=100
            Most patients on the page.
        **options : dict
            ``axis``, ``input_shape``, ``n_rows`` and ``title`` of :func:`~skrobust.write_review`.

        Returns
        -------
        path : pathlib.Path
            The file.

        See Also
        --------
        skrobust.write_review : The same with other rows to look at, such as smoothed spectra.
        skrobust.apply_review : Brings the decisions back.
        """
        options |= {"pictures": pictures, "n_patients": n_patients}
        return write_review(path, self.X, self.y, self.groups, self.patients, self.rows, **options)

    def __str__(self) -> str:
        lines = [f"Audit: {self.summary()}"]
        for severity in SEVERITIES:
            for f in self.found:
                if f.severity != severity:
                    continue
                head = f"{severity.upper():8}{f.code} "
                wrap = {"width": _WIDTH, "subsequent_indent": " " * 15}
                lines.append(textwrap.fill(f.sentence, initial_indent=head, **wrap))
                if severity != "note":
                    wrap["initial_indent"] = " " * 12 + "-> "
                    lines.append(textwrap.fill(f.action, **wrap))
        doubted = self.patients[self.patients["label"] != self.patients["suggested"]]
        if len(doubted):
            shown = doubted.head(10)[["label", "rows", "probability", "suggested", "reasons"]]
            lines.append("\nThe first to look at again:")
            lines.append(shown.to_string(float_format="{:.2f}".format))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _fragment(self)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as one HTML page, which needs no other file and no network.

        Parameters
        ----------
        path : str or path-like
            The HTML file to write.

        Returns
        -------
        path : pathlib.Path
            The file.
        """
        path = Path(path)
        path.write_text(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Audit</title></head><body>{_fragment(self)}</body></html>\n",
            encoding="utf-8",
        )
        return path

    def __repr__(self) -> str:
        return f"<AuditReport: {self.summary()}>"


def _fragment(report: AuditReport) -> str:
    """Return the report as a part of an HTML page."""
    found = {
        severity: [f for f in report.found if f.severity == severity] for severity in SEVERITIES
    }
    counts = "".join(
        f'<span class="{severity}"><b>{len(found[severity])}</b>{name}</span>'
        for severity, name in zip(SEVERITIES, ("severe", "warnings", "notes"), strict=True)
    )
    size = next((f.sentence for f in report.found if f.code == "SKR101"), "")
    urgent = found["severe"] + found["warning"]
    parts = [
        f"<h1>Audit of the data</h1><p>{escape(size)}</p>",
        f'<div class="counts">{counts}</div>',
        '<p class="quiet">The user guide has a section on every finding, named by its code.</p>',
        "<h2>To look at</h2>" if urgent else "",
        *(_card(f, report) for f in urgent),
        _patients(report),
    ]
    for topic in TOPICS.values():
        notes = [f for f in found["note"] if f.topic == topic]
        parts += [f"<h2>Notes: {topic.lower()}</h2>"] if notes else []
        parts += [_card(f, report) for f in notes]
    return f'<div class="skr-audit"><style>{_STYLE}</style>{"".join(parts)}</div>'


def _card(f: Finding, report: AuditReport) -> str:
    """Return one finding."""
    note = f.severity == "note"
    badge = "" if note else f'<span class="badge {f.severity}">{f.severity}</span>'
    parts = [f"<p>{badge}<b>{f.code}</b> {escape(f.sentence)}</p>"]
    if not note:
        parts.append(f"<p>{escape(f.action)}</p>")
    parts.append(_picture(f, report))
    if f.snippet and not note:
        code = f"<pre>{escape(f.snippet)}</pre>"
        parts.append(f"<details><summary>Code</summary>{code}</details>")
    if f.table is not None and len(f.table):
        lines = count(len(f.table), "lines")
        parts.append(f"<details><summary>Table ({lines})</summary>{_table(f)}</details>")
    return f'<article class="{f.severity}" id="{f.code}">{"".join(parts)}</article>'


def _picture(f: Finding, report: AuditReport) -> str:
    """Return the picture of a finding, if it has one."""
    if f.code == "SKR201":
        names, (first, second) = f.table.index.tolist(), f.table.columns[:2]
        return pairs(names, f.table[first], f.table[second], [first, second])
    if f.code == "SKR503":
        return line(f.table["patients"], f.table["AUC"], "patients in training", "AUC")
    X = report.X
    if f.code not in ("SKR401", "SKR402") or not isinstance(X, np.ndarray) or not len(f.table):
        return ""
    if X.ndim != 2 or X.shape[1] < FEWEST_OF_A_CURVE:
        return ""
    if f.code == "SKR401":
        rows = f.table["row"].to_numpy()[:3]
        return curves(X, X[rows], [f"row {row}" for row in rows])
    names = f.table.index[:3]
    groups = np.asarray(report.groups)
    means = [np.nanmean(X[groups == name], axis=0) for name in names]
    return curves(X, means, [f"mean of {name}" for name in names])


def _table(f: Finding) -> str:
    """Return the first lines of the table of a finding."""
    more = len(f.table) - _MOST_LINES
    rest = f"<p class='quiet'>and {more:,} more: report.tables['{f.code}']</p>" if more > 0 else ""
    shown = f.table.head(_MOST_LINES)
    if isinstance(shown.index, pd.RangeIndex):
        return _html(shown, index=False) + rest
    return _html(shown.reset_index(), index=False) + rest


def _html(table: pd.DataFrame, index: bool) -> str:
    """Return a table; all texts are escaped."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    lines = []
    for values in table.itertuples(index=index, name=None):
        cells = [escape(_cell(value)) for value in values]
        long = [' class="long"' if len(cell) > 40 else "" for cell in cells]
        lines.append("".join(f"<td{c}>{t}</td>" for t, c in zip(cells, long, strict=True)))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: object) -> str:
    """Return a value as text."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.3g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return str(value)


def _patients(report: AuditReport) -> str:
    """Return the picture and the table of the patients to look at again."""
    patients = report.patients
    doubted = (patients["label"] != patients["suggested"]).to_numpy()
    odd = patients["reasons"].str.contains("unlike all others", regex=False).to_numpy()
    shown = patients[doubted | odd].head(_MOST_PATIENTS)
    what = "patients" if report.groups is not None else "rows"
    if not len(shown):
        return ""
    first = patients.dropna(subset="probability").head(200)  # which come before the others
    titles = [
        f"{name}: {label}, probability {p:.2f}"
        for name, label, p in zip(first.index, first["label"], first["probability"], strict=True)
    ]
    picture = dots(
        first["probability"],
        doubted[: len(first)],
        titles,
        f"{what}, the most doubtful first",
        "P(label is right)",
    )
    columns = ["label", "suggested", "probability", "reasons", "rows", "outlier"]
    table = shown[columns].rename_axis(what.removesuffix("s")).reset_index()
    text = (
        f"Orange: {what} whose label is more probably wrong than right, as judged by models that "
        f"have not seen them. The table also has {what} unlike all others."
    )
    table = _html(table, index=False)
    return f'<h2>Look at these {what} again</h2><p class="quiet">{text}</p>{picture}{table}'
