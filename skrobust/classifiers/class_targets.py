"""Targets of a classifier around a network: labels, soft labels, weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..training import Rows
from ..utils.sklearn_private import check_sample_weight
from ..utils.targets import (
    check_class_labels,
    check_class_mass,
    encode_labels,
    is_class_mass,
    weigh,
)


class ClassTargetsMixin:
    """Turns labels, class mass and weights into what a network is trained on."""

    def _check_targets(self, X, y, sample_weight, classes=None, *, reset=True):
        """Return X, the classes, and class codes or (for weights and soft labels) class mass."""
        if is_class_mass(y):
            X = self._check_X(X, reset=reset)
            target, mass_classes = check_class_mass(y, len(X))
            classes = mass_classes if classes is None else classes
            if len(classes) != target.shape[1]:
                raise ValueError(
                    f"y has {target.shape[1]} columns of class mass, but there are {len(classes)} "
                    f"classes: {classes}."
                )
        else:
            X, y = self._check_X(X, y, reset=reset)
            check_class_labels(y)
            classes = np.unique(y) if classes is None else classes
            target = encode_labels(y, classes, "y")
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least 2 classes, but y has one class: "
                f"{classes}."
            )
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return X, classes, weigh(target, classes, sample_weight, self.class_weight)

    def _rows(self, net, X: NDArray, target: NDArray) -> Rows:
        """Return training rows; mass is scaled to a mean of 1 and rows without any left out."""
        if target.ndim == 2:
            row_mass = target.sum(1)
            if not row_mass.all():
                X, target, row_mass = X[row_mass > 0], target[row_mass > 0], row_mass[row_mass > 0]
            target = (target / row_mass.mean()).astype(np.float32)
        return Rows(X, target, self.input_shape_, net.device)


def class_shares(target: NDArray, n_classes: int) -> NDArray:
    """Return the share of every class.

    Parameters
    ----------
    target : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Class codes, or class mass.
    n_classes : int
        Number of classes.

    Returns
    -------
    shares : ndarray of shape (n_classes,)
        They sum to one.
    """
    totals = np.bincount(target, minlength=n_classes) if target.ndim == 1 else target.sum(0)
    return totals / totals.sum()
