"""What a check found, and how it is worded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

SEVERITIES = ("severe", "warning", "note")
TOPICS = {
    "1": "Shape",
    "2": "Leakage",
    "3": "Labels",
    "4": "Outliers",
    "5": "Classes and size",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    code : str
        Number of the check, such as "SKR101"; its section in the user guide has the same name.
    severity : {"severe", "warning", "note"}
        Severe: results would be wrong. Warning: to be looked at. Note: good to know.
    sentence : str
        What was found, with its number and interval.
    action : str
        What to do.
    snippet : str, default=""
        Code to paste, where X, y and groups are the data.
    value, lower, upper : float, default=None
        The number, and its 95% interval.
    table : DataFrame, default=None
        The rows, patients, pairs or columns in question.
    """

    code: str
    severity: str
    sentence: str
    action: str
    snippet: str = ""
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    table: pd.DataFrame | None = None

    @property
    def topic(self) -> str:
        """Part of the audit."""
        return TOPICS[self.code[3]]

    @property
    def page(self) -> str:
        """Place in the documentation, from its root."""
        return f"findings/{self.code.lower()}.html"


def percent(share: float) -> str:
    """Return a share in words: whole percents, with digits only where they are needed."""
    value = 100 * float(share)
    if 0 < value < 1 or 99 < value < 100:
        return f"{value:.2g}%" if value < 1 else f"{value:.1f}%"
    return f"{value:.0f}%"


def count(number: int, plural: str) -> str:
    """Return a number and a noun, as "1 row", "2 rows" or "no rows"."""
    singular = {"classes": "class"}.get(plural, plural.removesuffix("s"))
    return f"{f'{number:,}' if number else 'no'} {singular if number == 1 else plural}"


def listing(names: Iterable[Any], most: int = 5) -> str:
    """Return names in a row, cut after the first few."""
    names = [str(name) for name in names]
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
