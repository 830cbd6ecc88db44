"""A CSV file of results that a stopped study goes on with."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd


class ResumableTable:
    """Lines of results, written as they come; in memory only without a path.

    Parameters
    ----------
    path : Path or None
        The file; lines that it holds already count as done.
    key : list of str
        Columns that tell one run from another.
    columns : list of str
        All columns.
    """

    def __init__(self, path: Path | None, key: list[str], columns: list[str]):
        self.path, self.key, self.columns = path, key, columns
        self.rows: list[dict[str, Any]] = []
        if path is not None and path.exists():
            self.rows = pd.read_csv(path).to_dict("records")
        elif path is not None:
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, columns).writeheader()
        self._done = {tuple(row[name] for name in key) for row in self.rows}

    def has(self, *key: Any) -> bool:
        """Tell whether a run is done."""
        return key in self._done

    def add(self, **row: Any) -> None:
        """Write a line."""
        self.rows.append(row)
        self._done.add(tuple(row[name] for name in self.key))
        if self.path is not None:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.columns).writerow(row)

    @property
    def frame(self) -> pd.DataFrame:
        """All lines."""
        return pd.DataFrame(self.rows, columns=self.columns)
