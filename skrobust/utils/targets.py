"""Labels, soft labels and weights as targets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets


class ClassMass(np.ndarray):
    """Float array ``(n_samples, n_classes)`` that remembers what its columns mean.

    Entry ``[i, c]`` is the weight with which row i belongs to class c; the sum of a row is its
    sample weight. It is an ordinary array everywhere else; slices keep `classes`.

    Parameters
    ----------
    mass : array-like of shape (n_samples, n_classes)
        The weights, not negative.
    classes : array-like of shape (n_classes,)
        Label of every column.

    Examples
    --------
    >>> from skrobust.utils import ClassMass
    >>> y = ClassMass([[0.9, 0.1], [0.0, 2.0]], classes=["healthy", "tumour"])
    >>> y[:1].classes
    array(['healthy', 'tumour'], dtype='<U7')
    """

    classes: NDArray | None

    def __new__(cls, mass: ArrayLike, classes: ArrayLike):
        """Make a view of `mass` that carries `classes`."""
        array = np.asarray(mass, dtype=np.float64).view(cls)
        array.classes = np.asarray(classes)
        if array.ndim != 2 or array.shape[1] != len(array.classes):
            raise ValueError(
                f"mass of shape {array.shape} needs one column per class, of which there are "
                f"{len(array.classes)}."
            )
        return array

    def __array_finalize__(self, parent):
        self.classes = getattr(parent, "classes", None)

    def __reduce__(self):
        return ClassMass, (np.asarray(self), self.classes)


def check_class_labels(y: ArrayLike) -> None:
    """Raise for labels that are no classes: numbers of a regression, missing or mixed ones.

    Parameters
    ----------
    y : array-like
        Labels.

    Raises
    ------
    ValueError
        If they are continuous, of several outputs, infinite or NaN.
    TypeError
        If they cannot be sorted: some are missing (None), or strings and numbers are mixed.

    Examples
    --------
    >>> from skrobust.utils.targets import check_class_labels
    >>> check_class_labels(["a", "b", "a"])
    """
    if getattr(y, "dtype", None) is not None and y.dtype.kind == "f":
        # before scikit-learn casts NaN to an integer, with numpy's warning
        assert_all_finite(y, input_name="y")
    try:
        check_classification_targets(y)
    except TypeError as error:
        raise TypeError(
            f"the labels in y cannot be sorted: {error}. Every row needs a label, and labels must "
            "be of one type, all strings or all numbers."
        ) from error


def is_class_mass(y) -> bool:
    """Tell whether `y` is two-dimensional with at least two columns."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def check_class_mass(y: ArrayLike, n_samples: int | None = None) -> tuple[NDArray, NDArray]:
    """Check class mass and find its classes.

    Parameters
    ----------
    y : array-like of shape (n_samples, n_classes)
        Class mass. The classes are its ``classes`` (:class:`ClassMass`), its columns
        (DataFrame), or ``0 .. n_classes - 1``. Integer columns must be one-hot.
    n_samples : int, default=None
        Rows that there must be; not checked when None.

    Returns
    -------
    mass : ndarray of shape (n_samples, n_classes), float64
        The checked mass.
    classes : ndarray of shape (n_classes,)
        Label of every column.

    Raises
    ------
    ValueError
        If entries are negative or not finite, all are zero, the length is wrong, or integer
        columns are not one-hot (multilabel targets).
    """
    classes = getattr(y, "classes", None)
    if classes is None:
        classes = getattr(y, "columns", None)
    mass = check_array(y, dtype="numeric", input_name="y")
    if mass.dtype.kind in "iub" and not (mass.sum(1) == 1).all():
        raise ValueError(
            "Multilabel and multioutput targets are not supported. Class mass, one column per "
            "class, is a float array, or one-hot integers."
        )
    mass = mass.astype(np.float64, copy=False)
    classes = np.arange(mass.shape[1]) if classes is None else np.asarray(classes)
    if n_samples is not None and len(mass) != n_samples:
        raise ValueError(f"y has {len(mass)} rows of class mass but X has {n_samples} rows.")
    if (mass < 0).any():
        raise ValueError(
            "class mass (two-dimensional y) must not be negative: entry [i, c] is the weight of "
            "row i in class c."
        )
    if not mass.any():
        raise ValueError("class mass (two-dimensional y) is zero everywhere: nothing to learn.")
    return mass, classes


def one_hot(codes: NDArray, n_classes: int, weight: NDArray | None = None) -> NDArray:
    """Return class mass of hard labels.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class of every row, from 0.
    n_classes : int
        Number of columns.
    weight : ndarray of shape (n_samples,), default=None
        Sample weight; 1 when None.

    Returns
    -------
    mass : ndarray of shape (n_samples, n_classes)
        The weight in the row's class, 0 elsewhere.
    """
    mass = np.zeros((len(codes), n_classes))
    mass[np.arange(len(codes)), codes] = 1.0 if weight is None else weight
    return mass


def encode_labels(labels: NDArray, classes: NDArray, name: str) -> NDArray:
    """Return the position of every label among the sorted classes.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Hard labels.
    classes : ndarray of shape (n_classes,)
        Known classes, sorted.
    name : str
        What to call the labels in an error.

    Returns
    -------
    codes : ndarray of shape (n_samples,), int64
        Positions.

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(f"{name} has labels {unknown} that are not among the classes {classes}.")
    return np.searchsorted(classes, labels).astype(np.int64)


def weigh(
    target: NDArray, classes: NDArray, sample_weight: NDArray | None, class_weight
) -> NDArray:
    """Return the target times its weights: as it is without weights, otherwise class mass.

    Parameters
    ----------
    target : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Class codes, or class mass.
    classes : ndarray of shape (n_classes,)
        Labels of the columns.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    class_weight : dict, "balanced" or None
        As in scikit-learn; "balanced" is total mass / (n_classes * mass of the class).

    Returns
    -------
    target : ndarray
        Class codes, or class mass.
    """
    if sample_weight is None and class_weight is None:
        return target
    mass = one_hot(target, len(classes)) if target.ndim == 1 else target
    if isinstance(class_weight, str):
        totals = mass.sum(0)
        present = totals > 0
        factors = np.divide(totals.sum(), len(classes) * totals, where=present, out=totals * 0)
        mass = mass * factors
    elif class_weight is not None:
        mass = mass * compute_class_weight(class_weight, classes=classes, y=classes)
    return mass if sample_weight is None else mass * sample_weight[:, None]
