"""Labels as class mass, and the gradients of a head's loss that follow from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils.targets import check_class_mass, encode_labels, is_class_mass, one_hot


def head_targets(
    estimator: Any,
    y: ArrayLike,
    n_samples: int,
    n_outputs: int,
    *,
    sample_weight: ArrayLike | None = None,
    name: str = "y",
) -> tuple[NDArray, NDArray]:
    """Return targets for a head's outputs, and the weights of the rows, with a mean of 1.

    Parameters
    ----------
    estimator : object
        Has ``classes_``; if not, the classes are ``0 .. n_classes - 1``.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels of any type, or class mass.
    n_samples : int
        Rows that there must be.
    n_outputs : int
        Outputs of the head; 1 means the sigmoid for the second of two classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, not negative.
    name : str, default="y"
        What to call the labels in an error.

    Returns
    -------
    target : ndarray of shape (n_samples, n_outputs), float64
        Mass per output; rows sum to `weight` if there are several.
    weight : ndarray of shape (n_samples,), float64
        Row mass, divided by its mean.

    Raises
    ------
    ValueError
        If labels are unknown, or shapes, classes or weights do not fit.
    """
    n_classes = max(n_outputs, 2)
    classes = getattr(estimator, "classes_", None)
    classes = np.arange(n_classes) if classes is None else np.asarray(classes)
    if len(classes) != n_classes:
        raise ValueError(
            f"the network has {n_outputs} outputs, which does not fit {len(classes)} classes: "
            f"{classes}."
        )
    if is_class_mass(y):
        named = hasattr(y, "columns") or getattr(y, "classes", None) is not None
        mass, columns = check_class_mass(y, n_samples)
        if mass.shape[1] != n_classes or (named and not np.array_equal(columns, classes)):
            raise ValueError(
                f"the columns of {name} are the classes {columns}, but the estimator's are "
                f"{classes}."
            )
    else:
        labels = np.asarray(y)
        if labels.shape != (n_samples,):
            raise ValueError(
                f"{name} must have shape ({n_samples},), one label per row, got {labels.shape}."
            )
        mass = one_hot(encode_labels(labels, classes, name), n_classes)
    if sample_weight is not None:
        factor = np.asarray(sample_weight, dtype=np.float64)
        if factor.shape != (n_samples,) or not np.isfinite(factor).all() or (factor < 0).any():
            raise ValueError(
                f"sample_weight must hold {n_samples} finite numbers, none of them negative."
            )
        mass = mass * factor[:, None]
    weight = mass.sum(1)
    mean = weight.mean()
    if not mean > 0:
        raise ValueError(f"the weights of the rows of {name} are zero everywhere.")
    target = mass[:, 1:] if n_outputs == 1 else mass
    return np.asarray(target) / mean, np.asarray(weight) / mean


def head_residuals(proba: NDArray, target: NDArray, weight: NDArray) -> NDArray:
    r"""Return the gradients of the rows' losses with respect to the head's outputs.

    The gradient with respect to the weights of the head is their outer product with the features,
    :math:`(w_i p_i - t_i) \otimes h_i`: no automatic differentiation, and no matrix of gradients.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_outputs)
        Probabilities.
    target : ndarray of shape (n_samples, n_outputs)
        Mass per output.
    weight : ndarray of shape (n_samples,)
        Row mass.

    Returns
    -------
    residuals : ndarray of shape (n_samples, n_outputs)
        The gradients.
    """
    return weight[:, None] * proba - target
