"""Folds in which every row is scored once, by classifiers that have not seen it."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import get_routing_for_object

from ..utils.validation import warn
from .distillers import DistillationWarning


def partitions(
    cv: Any, n_repeats: int, X: Any, codes: NDArray, groups: NDArray | None, random_state: Any
) -> list[list[tuple[NDArray, NDArray]]]:
    """Return the folds of every repeat; each repeat tests every row exactly once."""
    if not isinstance(cv, Integral):
        splitter = check_cv(cv)
        # splitters of scikit-learn that do not split by group warn about groups
        passed = groups if splits_by_group(splitter) else None
        splits = list(splitter.split(X, codes, passed))
        name = repr(cv) if hasattr(cv, "split") else "the iterable of splits"
        _check_partition(splits, len(codes), f"cv={name}")
        if groups is not None:
            _warn_of_shared_groups(splits, groups, f"cv={name}")
        return [splits]
    if groups is not None and len(np.unique(groups)) < cv:
        raise ValueError(
            f"cv={cv} folds without common groups need at least {cv} groups, but there are "
            f"{len(np.unique(groups))}. Lower cv."
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    if not isinstance(random_state, Integral):
        random_state = check_random_state(random_state).randint(np.iinfo(np.int32).max // 2)
    empty = np.empty((len(codes), 0))  # the folds do not depend on X, which can have any type
    passed = () if groups is None else (groups,)
    with warnings.catch_warnings():
        # a later warning names the rows of rare classes that cannot be judged
        warnings.filterwarnings("ignore", message="The least populated class")
        return [
            list(kind(cv, shuffle=True, random_state=random_state + r).split(empty, codes, *passed))
            for r in range(n_repeats)
        ]


def splits_by_group(splitter: Any) -> bool:
    """Tell whether a splitter uses groups; one without metadata routing may use them."""
    if not hasattr(splitter, "get_metadata_routing"):
        return hasattr(splitter, "split")
    return bool(get_routing_for_object(splitter).consumes("split", ["groups"]))


def _check_partition(splits, n_samples, cv):
    """Raise unless the test folds contain every row once."""
    times = np.zeros(n_samples, dtype=int)
    for _, test in splits:
        np.add.at(times, test, 1)
    if (times != 1).any():
        raise ValueError(
            f"{cv} is not a partition: {(times == 0).sum()} of {n_samples} rows are in no test "
            f"fold, {(times > 1).sum()} in several. Every row must be tested exactly once, as by "
            "KFold, StratifiedKFold, GroupKFold or StratifiedGroupKFold; repeats are made by "
            "n_repeats."
        )


def _warn_of_shared_groups(splits, groups, cv):
    """Warn if a judge sees other rows of the patients that it judges."""
    shared = {g for train, test in splits for g in np.intersect1d(groups[train], groups[test])}
    if shared:
        warn(
            f"{cv} puts rows of {len(shared)} groups into training and test folds: labels are "
            "judged by classifiers that have seen the patient. Use a splitter that keeps groups "
            "together, such as StratifiedGroupKFold.",
            DistillationWarning,
        )
