"""What an audit found: tables, text and an HTML page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .findings import SEVERITIES, Finding, count
from .report_page import fragment, page
from .review import write_review

_WIDTH = 88


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
        return fragment(self)

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
        path.write_text(page(self), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return f"<AuditReport: {self.summary()}>"
