"""A CSV file of results that a stopped study goes on with."""

from __future__ import annotations

import csv
import io
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
        if path is not None:
            self._read(path)
        self._done = {tuple(row[name] for name in key) for row in self.rows}

    def _read(self, path: Path) -> None:
        """Take the whole lines; a line that a kill or a full disk cut short is dropped."""
        text = path.read_bytes().decode("utf-8", "ignore") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if not whole:
            header = io.StringIO(newline="")
            csv.DictWriter(header, self.columns).writeheader()
            whole = header.getvalue()
        if whole != text:
            beside = path.with_name(path.name + ".part")
            beside.write_text(whole, encoding="utf-8", newline="")
            beside.replace(path)
        self.rows = pd.read_csv(io.StringIO(whole)).to_dict("records")

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
