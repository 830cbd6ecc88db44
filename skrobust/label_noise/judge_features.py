"""Columns for the default judges of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

# wider tables are reduced to principal components
_MOST_COLUMNS = 100
_N_COMPONENTS = 50


def _refuse_mixed(X: pd.DataFrame) -> None:
    """Raise if a column of objects contains anything but texts or categories."""
    for name in X.columns[[pd.api.types.is_object_dtype(dtype) for dtype in X.dtypes]]:
        if pd.api.types.infer_dtype(X[name], skipna=True).startswith("mixed"):
            raise TypeError(
                f"column {name!r} holds objects of several types, or of a type that the "
                "default judges do not know: every argument must be a string or a number."
            )


def numeric_features(X: Any, *, needed: bool) -> NDArray | None:
    """Return rows as numbers for the default judges, or None if they cannot read X.

    Numbers are imputed and scaled, other columns of a table one-hot encoded; images and wide tables
    are reduced to principal components. No label is used.
    """
    if type(X).__module__.split(".")[0] == "polars":
        X = X.to_pandas()
    if issparse(X) or not isinstance(X, (np.ndarray, pd.DataFrame)) or X.ndim < 2:
        if needed:
            what = "sparse" if issparse(X) else type(X).__name__
            raise ValueError(
                f"X is {what}, which the default judges cannot read: give dense numbers or a "
                "table, or an estimator that reads X."
            )
        return None
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS":
        X = pd.DataFrame(X).infer_objects()
    parts = []
    if isinstance(X, pd.DataFrame):
        numeric = np.array([pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes])
        if not numeric.all():
            _refuse_mixed(X.loc[:, ~numeric])
            encode = OneHotEncoder(min_frequency=10, max_categories=20, sparse_output=False)
            parts.append(encode.fit_transform(X.loc[:, ~numeric].astype(str)))
        X = X.loc[:, numeric].to_numpy(dtype=float, na_value=np.nan)
    numbers = X.reshape(len(X), -1).astype(float)
    if np.isinf(numbers).any():
        if needed:
            raise ValueError("X contains infinity, which the default judges cannot read.")
        return None
    # the squares of such numbers are infinite or 0 in scaling; others are left as they are
    largest = np.fmax.reduce(np.abs(numbers), axis=0, initial=0)
    extreme = (largest > 1e150) | ((largest > 0) & (largest < 1e-150))
    numbers /= np.where(extreme, largest, 1)
    if np.isnan(numbers).any():
        numbers = SimpleImputer(keep_empty_features=True).fit_transform(numbers)
    if numbers.shape[1]:
        parts.append(StandardScaler().fit_transform(numbers))
    features = np.hstack(parts)
    if features.shape[1] > min(_MOST_COLUMNS, len(features)) and np.ptp(features, axis=0).any():
        n_components = min(_N_COMPONENTS, *features.shape)
        features = PCA(n_components, random_state=0).fit_transform(features)
    return features
