"""The data that is looked at, in the forms that the checks need."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import column_or_1d

from ..label_noise.inner_fit import take_rows
from ..label_noise.judge_features import numeric_features
from ..utils.groups import check_groups
from ..utils.targets import check_class_labels
from ..utils.validation import check_numbers, check_trusted

# texts that stand for "no value" in tables, in lower case
MISSING_TEXTS = ("", "?", "-", "--", "n/a", "na", "nan", "null", "unknown", "missing")
# arrays with fewer numbers per row are taken for tables, as by NetClassifier
FEWEST_OF_A_CURVE = 64


class AuditRows:
    """Rows with their labels, patients and sites.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Rows: a table, or an array of any number of axes.
    y : array-like of shape (n_samples,)
        Labels.
    groups, site : array-like of shape (n_samples,), default=None
        Patient and site of every row; without groups every row is a patient of its own.
    trusted : array-like of bool of shape (n_samples,), default=None
        Rows whose label has been checked.

    Attributes
    ----------
    X : ndarray or DataFrame
        Rows as given, or as an array if they were a list.
    table : DataFrame or None
        Rows of a table, with :data:`MISSING_TEXTS` replaced by NaN.
    codes, classes : ndarray
        Class of every row as a position among the sorted classes.
    unit, names : ndarray
        Patient of every row as a position among the sorted patients.
    label_of_unit : ndarray of shape (n_patients,)
        Code of the class of most rows of a patient.
    columns : list
        Names of the columns, or their positions.
    noun, people : str
        What rows and groups are called in sentences, in the plural.
    """

    def __init__(self, X, y, groups=None, site=None, trusted=None):
        self.X = _as_rows(X)
        self.y = column_or_1d(check_class_labels(y))
        if len(self.y) != len(self.X):
            raise ValueError(f"y has {len(self.y)} entries but X has {len(self.X)} rows.")
        self.classes, self.codes = np.unique(self.y, return_inverse=True)
        if len(self.classes) < 2:
            raise ValueError(
                f"y has one class only, {self.classes.tolist()}: an audit needs labels of at least "
                "2 classes."
            )
        self.groups = None if groups is None else check_groups(groups, len(self.X), y)
        self.site = None if site is None else _check_site(site, len(self.X))
        self.trusted = check_trusted(trusted, y)
        self.table = as_table(self.X)
        everyone = np.arange(len(self.X)) if groups is None else self.groups
        self.names, self.unit = np.unique(everyone, return_inverse=True)
        counts = np.zeros((len(self.names), len(self.classes)), dtype=int)
        np.add.at(counts, (self.unit, self.codes), 1)
        self.label_of_unit, self.labels_of_units = counts.argmax(1), counts
        shape = np.shape(self.X)[1:]
        self.columns = list(range(int(np.prod(shape))))
        if isinstance(self.X, pd.DataFrame):
            self.columns = self.X.columns.tolist()
        if len(self.names) < 2 or np.bincount(self.codes).max() < 2:
            raise ValueError(
                f"X has {len(self)} rows of {len(self.names)} patients: an audit needs at least 2 "
                "patients, and 2 rows of some class."
            )
        is_curve = len(shape) == 1 and self.table is None and shape[0] >= FEWEST_OF_A_CURVE
        nouns = {1: "curves" if is_curve else "rows", 2: "images", 3: "volumes"}
        self.noun = nouns.get(len(shape), "rows")
        self.people = "rows" if groups is None else "patients"

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray) -> AuditRows:
        """Return some of the rows; all classes must be among them."""
        known = self.groups, self.site, self.trusted
        part = [None if v is None else v[rows] for v in known]
        return AuditRows(take_rows(self.X, rows), self.y[rows], *part)

    def sample(self, limit: int, random_state: RandomState) -> tuple[AuditRows, NDArray, str]:
        """Return about `limit` rows, of patients drawn at random, their positions, and words."""
        if len(self) <= limit:
            return self, np.arange(len(self)), ""
        order = random_state.permutation(len(self.names))
        size = np.bincount(self.unit)
        drawn = order[: max(2, np.searchsorted(np.cumsum(size[order]), limit))]
        # the first patients of every class, so that none is lost
        firsts = [np.flatnonzero(self.label_of_unit[order] == k)[:2] for k in range(self.n_classes)]
        chosen = np.union1d(drawn, order[np.concatenate(firsts)])
        rows = np.flatnonzero(np.isin(self.unit, chosen))
        if len(np.unique(self.codes[rows])) < self.n_classes:
            rows = np.union1d(rows, np.unique(self.codes, return_index=True)[1])
        part = self.take(rows)
        of = "" if self.groups is None else f" of {part.n_patients:,} patients"
        return part, rows, f" (measured on {len(rows):,} rows{of}, drawn at random)"

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def n_patients(self) -> int:
        """Number of patients, or of rows without groups."""
        return len(self.names)

    @property
    def patients_of_class(self) -> NDArray:
        """Number of patients with rows of every class."""
        return (self.labels_of_units > 0).sum(axis=0)

    @property
    def patients_of_others(self) -> NDArray:
        """Number of patients with rows of another class, for every class."""
        counts = self.labels_of_units
        return (counts.sum(axis=1, keepdims=True) > counts).sum(axis=0)

    @cached_property
    def numbers(self) -> NDArray:
        """One column of floats per column of X; texts as codes, most frequent first; NaN stays."""
        if self.table is None:
            X = np.asarray(self.X).reshape(len(self), -1)
            return X if X.dtype.kind == "f" else X.astype(np.float32)
        return np.column_stack([_as_numbers(self.table[name]) for name in self.table])

    @cached_property
    def is_text(self) -> NDArray:
        """Tells which columns hold texts or categories."""
        if self.table is None:
            return np.zeros(len(self.columns), dtype=bool)
        return np.array([_is_text(dtype) for dtype in self.table.dtypes])

    @cached_property
    def numbers_rows(self) -> NDArray:
        """Tells which columns of a table hold another text or whole number in every row."""
        if self.table is None or len(self) < 10:
            return np.zeros(len(self.columns), dtype=bool)
        kinds = [_is_text(dtype) or dtype.kind in "iu" for dtype in self.table.dtypes]
        return np.array(
            [
                kind and self.table[name].is_unique
                for kind, name in zip(kinds, self.table, strict=True)
            ]
        )

    def value(self, row: int, column: int) -> Any:
        """Return one value of a column, as in X."""
        return self.numbers[row, column] if self.table is None else self.table.iat[row, column]

    @cached_property
    def features(self) -> NDArray:
        """At most 100 scaled numbers per row, as the label noise model sees them."""
        return numeric_features(self.X if self.table is None else self.table, needed=True)


def _as_rows(X: Any) -> NDArray | pd.DataFrame:
    """Return X as a DataFrame or an array of at least two axes."""
    if issparse(X):
        raise TypeError(
            "X is sparse, which an audit cannot read. Give X.toarray(), or fewer columns."
        )
    if type(X).__module__.split(".")[0] == "polars":
        X = X.to_pandas()
    if isinstance(X, pd.DataFrame):
        names = X.columns.map(str)
        if not names.is_unique:
            twice = names[names.duplicated()].tolist()
            raise ValueError(f"X has several columns named {twice}: give every column its name.")
    else:
        X = np.asarray(X)
        if X.ndim < 2:
            raise ValueError(
                f"X has shape {X.shape}, expected one row per sample: at least 2 axes."
            )
        if X.dtype.kind not in "OUS":
            check_numbers(X)
    if not len(X) or not np.prod(X.shape[1:]):
        raise ValueError(f"X has shape {X.shape}: there is nothing to look at.")
    return X


def _check_site(site: ArrayLike, n_rows: int) -> NDArray:
    """Return the site of every row, or raise with the name of the argument."""
    try:
        return check_groups(site, n_rows)
    except (TypeError, ValueError) as error:
        raise type(error)(f"site: {error}") from error


def as_table(X: Any) -> pd.DataFrame | None:
    """Return a table with all ways of writing "no value" as NaN, or None for arrays of numbers."""
    if isinstance(X, np.ndarray):
        if X.dtype.kind not in "OUS":
            if X.dtype.kind == "f":
                _check_size_of_numbers(X, "X")
            return None
        X = pd.DataFrame(X.reshape(len(X), -1)).infer_objects()
    table = X.reset_index(drop=True).set_axis(X.columns.map(str), axis=1)
    for name in table:
        column = table[name]
        if _is_text(column.dtype):
            text = column.astype(object).where(column.notna()).map(str, na_action="ignore")
            as_written = text.map(lambda value: value.strip().lower(), na_action="ignore")
            text = text.mask(as_written.isin(MISSING_TEXTS))
            number = pd.to_numeric(text, errors="coerce")
            all_numbers = text.notna().any() and (number.notna() == text.notna()).all()
            table[name] = number if all_numbers else text
        elif column.dtype.kind == "f":
            _check_size_of_numbers(
                column.to_numpy(dtype=float, na_value=np.nan), f"column {name!r}"
            )
    return table


def _check_size_of_numbers(values: NDArray, where: str) -> None:
    """Raise if numbers are infinite, or so large that their squares are."""
    if np.isinf(values).any():
        raise ValueError(f"{where} contains infinity. Replace it, for example by NaN.")
    limit = np.finfo(np.float32).max
    if (np.abs(values) > limit).any():
        raise ValueError(f"{where} contains numbers beyond {limit:.2g}: scale it first.")


def _is_text(dtype: Any) -> bool:
    """Tell whether a column holds texts or categories."""
    types = pd.api.types
    dates = types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)
    return not (types.is_numeric_dtype(dtype) or dates)


def _as_numbers(column: pd.Series) -> NDArray:
    """Return a column as floats."""
    if _is_text(column.dtype):
        texts = column.astype(object)
        order = {value: float(place) for place, value in enumerate(texts.value_counts().index)}
        return texts.map(order).to_numpy(dtype=float)
    if column.dtype.kind in "mM":
        return column.astype("int64").where(column.notna()).to_numpy(dtype=float)
    return column.to_numpy(dtype=float, na_value=np.nan)
