"""Which rows have a label, and which of them train an embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..training import validation_split
from ..utils.groups import check_groups
from ..utils.targets import check_class_labels, encode_labels


def label_codes(y: NDArray, unlabeled: Any) -> tuple[NDArray, NDArray]:
    """Return the classes, and the position of every row's class among them.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels of any type.
    unlabeled : object
        The label that marks a row without label; no mark when None.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The labels but for the mark, sorted.
    codes : ndarray of shape (n_samples,), int64
        Positions; -1 for rows without label.
    """
    check_class_labels(y)
    if unlabeled is None:
        labelled = np.ones(len(y), dtype=bool)
    else:
        # in Python: numpy does not compare strings with numbers
        labelled = np.array([label != unlabeled for label in y.tolist()])
    classes = np.unique(y[labelled])
    codes = np.full(len(y), -1, dtype=np.int64)
    codes[labelled] = encode_labels(y[labelled], classes, "y")
    return classes, codes


def split_rows(
    codes: NDArray, fraction: float | None, groups, seed: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the rows to train on, to validate on, and those without label.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,), int
        Class of every row, -1 without label.
    fraction : float or None
        Share of the labelled rows to validate on.
    groups : array-like of shape (n_samples,) or None
        Group of every row; looked at only where rows are held out. Rows without label of groups
        that are held out are left out.
    seed : int
        Seed of the draw.

    Returns
    -------
    train, valid, others : ndarray of int
        Row indices.
    """
    labelled, others = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    if fraction is None or not len(labelled):
        return labelled, labelled[:0], others
    if groups is not None:
        groups = check_groups(groups, len(codes))
    own = None if groups is None else groups[labelled]
    remedy = "set validation_fraction=None"
    train, valid = validation_split(
        codes[labelled], fraction, own, seed, keep_rare=True, remedy=remedy
    )
    train, valid = labelled[train], labelled[valid]
    if groups is not None:
        others = others[~np.isin(groups[others], groups[valid])]
    return train, valid, others
