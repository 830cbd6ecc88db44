"""What a new row contains in each column, by the type of the column."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import infer_dtype, is_object_dtype

# what pandas calls columns of numbers, and other object columns that hold one kind of thing
_NUMBERS = {
    "integer": "integer",
    "boolean": "yes or no",
    **dict.fromkeys(("floating", "mixed-integer-float", "decimal"), "float"),
}
_KEPT = {
    *("string", "categorical", "empty"),
    *("date", "datetime", "datetime64", "timedelta", "time", "period"),
}


class Columns:
    """Rows as numbers that can be mixed, and the way back into the container that they came in.

    Numbers are mixed: floats as they are, integers rounded up or down at random so that their mean
    is kept, and clipped to the range of their type. Everything else (booleans, integer columns with
    at most two values, categories, strings, dates) is copied from the row that a new row is made
    from, so that every combination of categories or indicators in a new row occurs in a given row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...), or pandas or polars DataFrame
        The rows.
    allow_nan : bool
        Whether values may be missing.
    only_numbers : str or None
        Name of an estimator that computes with every column, for the error if it cannot.

    Attributes
    ----------
    X : ndarray or DataFrame
        The rows as estimators take them.
    numbers : ndarray of shape (n_samples, ...) of float
        All columns of numbers and booleans.

    Raises
    ------
    ValueError
        If a column contains several types, complex numbers, or values that are not allowed.
    """

    def __init__(self, X: Any, *, allow_nan: bool, only_numbers: str | None = None):
        self._polars = None
        if type(X).__module__.split(".")[0] == "polars":
            self._polars = X
            try:
                X = X.to_pandas()
            except ModuleNotFoundError as error:
                raise ImportError(
                    f"reading a polars DataFrame needs pyarrow ({error}). Install pyarrow, or give "
                    "X.to_numpy()."
                ) from error
        if not isinstance(X, pd.DataFrame):
            self.X = X
            self._read_array(X)
            return
        types = {name: d for name, d in X.dtypes.items() if isinstance(d, np.dtype)}
        foreign = {name: d.newbyteorder("=") for name, d in types.items() if not d.isnative}
        # pandas cannot select from columns of another byte order
        self.X = X = X.astype(foreign) if foreign else X
        kinds = [_kind_of_column(X.iloc[:, j], name) for j, name in enumerate(X.columns)]
        if only_numbers is not None and "kept" in kinds:
            j = kinds.index("kept")
            raise ValueError(
                f"{only_numbers} computes with every column, but column {X.columns[j]!r} has "
                f"dtype {X.dtypes.iloc[j]}. Encode it as numbers first, or leave it out."
            )
        self._positions = [j for j, kind in enumerate(kinds) if kind != "kept"]
        small = [d for d in X.dtypes.iloc[self._positions] if d in (np.float32, np.float16)]
        dtype = np.float32 if len(small) == len(self._positions) > 0 else np.float64
        self.numbers = np.empty((len(X), len(self._positions)), dtype=dtype)
        for k, j in enumerate(self._positions):
            self.numbers[:, k] = X.iloc[:, j].to_numpy(dtype=np.float64, na_value=np.nan)
        self._kinds = [_kind_of_numbers(kinds[j], self.numbers[:, k]) for k, j in
                       enumerate(self._positions)]  # fmt: skip
        missing = X.isna().any().to_numpy()
        if missing.any() and not allow_nan:
            raise ValueError(
                f"Input X contains NaN (missing values) in column {X.columns[missing.argmax()]!r}. "
                "Impute them first, for example with SimpleImputer."
            )
        infinite = np.isinf(self.numbers).any(axis=0)
        if infinite.any():
            name = X.columns[self._positions[infinite.argmax()]]
            raise ValueError(f"Input X contains infinity in column {name!r}.")

    def _read_array(self, X: NDArray) -> None:
        """Read an array, whose values have one type."""
        if X.dtype.kind not in "fiub":
            raise ValueError(f"X has dtype {X.dtype}, but real numbers were expected.")
        if X.dtype.kind == "f":
            self.numbers = X
        else:
            self.numbers = X.astype(np.float32 if X.dtype.itemsize < 4 else np.float64)
        kind = {"f": "float", "b": "yes or no"}.get(X.dtype.kind, "integer")
        # the columns of rows with several axes are pixels or channels, not indicators
        self._kinds = (
            [_kind_of_numbers(kind, X[:, j]) for j in range(X.shape[1])] if X.ndim == 2 else [kind]
        )

    def new_rows(self, parents: NDArray, values: NDArray, rng: np.random.RandomState) -> Any:
        """Return new rows in the container and types of X.

        `parents` are the rows that they are made from, `values` their numbers, in the columns of
        `numbers`. Where a number equals its parent's, it is the parent's.
        """
        if not isinstance(self.X, pd.DataFrame):
            return self._new_array(parents, values, rng)
        X_new = self.X.iloc[parents].reset_index(drop=True)
        for k, (j, kind) in enumerate(zip(self._positions, self._kinds, strict=True)):
            old = self.numbers[parents, k]
            changed = (values[:, k] != old) & ~np.isnan(old)
            if kind == "yes or no" or not changed.any():
                continue
            name, dtype = self.X.columns[j], self.X.dtypes.iloc[j]
            column = X_new.iloc[:, j].copy()
            column[changed] = _cast(
                values[changed, k], kind, _numpy_dtype(dtype), rng, f"column {name!r}"
            )
            X_new.isetitem(j, column.astype(dtype))
        if self._polars is None:
            return X_new
        polars = sys.modules["polars"]
        return polars.from_pandas(X_new).cast(dict(self._polars.schema))

    def _new_array(self, parents, values, rng):
        X_new = self.X[parents]
        values = values.reshape(X_new.shape)
        changed = (values != self.numbers[parents]) & ~np.isnan(self.numbers[parents])
        kept = np.array([kind == "yes or no" for kind in self._kinds])
        changed &= ~kept if X_new.ndim == 2 else not kept[0]
        kind = "float" if X_new.dtype.kind == "f" else "integer"
        X_new[changed] = _cast(values[changed], kind, X_new.dtype, rng, "X")
        return X_new


def _kind_of_column(column: pd.Series, name: Any) -> str:
    """Return "float", "integer", "yes or no", or "kept" for what is not a number; or raise."""
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        raise ValueError(
            f"column {name!r} is sparse. Give dense columns, for example by X.sparse.to_dense()."
        )
    held = infer_dtype(column)
    if held == "complex":
        raise ValueError(f"Complex data not supported: column {name!r} has dtype {dtype}.")
    if is_object_dtype(dtype) and held not in {*_NUMBERS, *_KEPT}:
        raise ValueError(
            f"column {name!r} has dtype object and holds values of several kinds ({held}). "
            "Give it one type, for example by astype(str) or pandas.to_numeric."
        )
    return _NUMBERS.get(held, "kept")


def _kind_of_numbers(kind: str, values: NDArray) -> str:
    """Return "yes or no" for integers of at most two values."""
    if kind != "integer":
        return kind
    low, high = np.nanmin(values), np.nanmax(values)
    return "yes or no" if ((values == low) | (values == high) | (values != values)).all() else kind


def _numpy_dtype(dtype: Any) -> np.dtype:
    """Return the numpy type of the numbers in a column of any type."""
    if isinstance(dtype, np.dtype):
        return dtype if dtype.kind in "fiu" else np.dtype(np.float64)
    return np.dtype(getattr(dtype, "numpy_dtype", np.float64))


def _cast(
    values: NDArray, kind: str, dtype: np.dtype, rng: np.random.RandomState, what: str
) -> NDArray:
    """Return values in the type of their column, integers rounded up or down at random."""
    if kind == "integer":
        values = np.floor(values + rng.uniform(size=values.shape))
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            # the largest 64-bit integers have no float equal to them: use the next smaller float
            high = np.nextafter(float(limits.max), 0) if dtype.itemsize == 8 else limits.max
            values = values.clip(limits.min, high)
        return values.astype(dtype)
    with np.errstate(over="ignore"):  # checked instead
        cast = values.astype(dtype)
    if not np.isfinite(cast).all():
        raise ValueError(
            f"new rows of {what} hold values beyond the range of {dtype}. Scale X first, or make "
            "the changes smaller."
        )
    return cast
