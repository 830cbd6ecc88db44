"""Labels, soft labels and weights as targets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from .validation import check_none_missing


def check_class_labels(y: ArrayLike) -> NDArray:
    """Return labels as an array; raise if they are not classes, or if some are missing."""
    y = check_none_missing(y, "y", "label")
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y")
    try:
        check_classification_targets(y)
    except TypeError as error:
        raise TypeError(
            f"the labels in y cannot be sorted: {error}. Labels must be of one type, all strings "
            "or all numbers."
        ) from error
    return y


def require_two_classes(classes: NDArray, estimator) -> None:
    """Raise if there is only one class to learn from."""
    if len(classes) == 1:
        raise ValueError(
            f"{type(estimator).__name__} needs rows of at least 2 classes, but y has one class: "
            f"{classes[0]}."
        )


def is_soft_labels(y) -> bool:
    """Tell whether `y` has one column per class: two dimensions and at least two columns."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y, dtype=object).shape
    return len(shape) == 2 and shape[1] > 1


def check_soft_labels(y: ArrayLike, n_samples: int | None = None) -> tuple[NDArray, NDArray]:
    """Check soft labels, one column per class, and find the classes."""
    columns = getattr(y, "columns", None)
    if columns is not None:
        classes = check_class_labels(np.asarray(columns))
        named, times = np.unique(classes, return_counts=True)
        if (times > 1).any():
            raise ValueError(
                f"the columns of y name the class {named[times.argmax()]!r} more than once; soft "
                "labels need one column per class."
            )
    mass = check_array(y, dtype="numeric", input_name="y")
    if mass.dtype.kind in "iub" and not ((mass.sum(1) == 1).all() and (mass >= 0).all()):
        raise ValueError(
            "Multilabel and multioutput targets are not supported. Soft labels, one column per "
            "class, are floats, or one-hot integers."
        )
    mass = mass.astype(np.float64, copy=False)
    if n_samples is not None and len(mass) != n_samples:
        raise ValueError(f"y has {len(mass)} rows of soft labels but X has {n_samples} rows.")
    if (mass < 0).any():
        raise ValueError(
            "soft labels (two-dimensional y) must not be negative: entry [i, c] is the weight of "
            "row i in class c."
        )
    if not mass.any():
        raise ValueError("soft labels (two-dimensional y) are zero everywhere: nothing to learn.")
    if columns is None:
        return mass, np.arange(mass.shape[1])
    order = np.argsort(classes, kind="stable")
    return mass[:, order], classes[order]


def soft_labels(mass: NDArray, classes: NDArray) -> pd.DataFrame:
    """Return soft labels as a DataFrame with the classes as columns."""
    return pd.DataFrame(np.asarray(mass, dtype=np.float64), columns=classes)


def take(y: NDArray | pd.DataFrame, rows: NDArray) -> NDArray | pd.DataFrame:
    """Return some rows of labels or soft labels, numbered from 0."""
    return y.iloc[rows].reset_index(drop=True) if isinstance(y, pd.DataFrame) else y[rows]


def one_hot(codes: NDArray, n_classes: int) -> NDArray:
    """Return soft labels of class codes: 1 in the row's class, 0 elsewhere."""
    return np.eye(n_classes)[codes]


def encode_labels(labels: NDArray, classes: NDArray, name: str) -> NDArray:
    """Return the position of every label among the sorted classes."""
    if len(unknown := np.setdiff1d(labels, classes)):
        raise ValueError(f"{name} has labels {unknown} that are not among the classes {classes}.")
    return np.searchsorted(classes, labels).astype(np.int64)


def weigh(
    target: NDArray, classes: NDArray, sample_weight: NDArray | None, class_weight
) -> NDArray:
    """Return the target times its weights, as soft labels; without weights return it unchanged."""
    if sample_weight is None and class_weight is None:
        return target
    mass = one_hot(target, len(classes)) if target.ndim == 1 else target
    if class_weight is not None:
        mass = mass * class_factors(mass, classes, class_weight)
    return mass if sample_weight is None else mass * sample_weight[:, None]


def class_factors(mass: NDArray, classes: NDArray, class_weight) -> NDArray:
    """Return the factor of every class that ``class_weight`` means for some labels."""
    if class_weight is None:
        return np.ones(len(classes))
    if not isinstance(class_weight, str):
        return compute_class_weight(class_weight, classes=classes, y=classes)
    totals = mass.sum(0)
    out = np.zeros(len(classes))
    return np.divide(totals.sum(), len(classes) * totals, where=totals > 0, out=out)
