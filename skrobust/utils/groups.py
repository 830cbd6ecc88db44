"""Groups (patients) of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from .validation import check_none_missing

_MISSING_AS_STRING = ("nan", "NaN", "<NA>", "NaT")


def check_groups(groups: ArrayLike, n_samples: int, y: ArrayLike | None = None) -> NDArray:
    """Return groups as an array with one per row; `y` from a sampler corrects or refuses them."""
    groups = column_or_1d(check_none_missing(groups, "groups", "group"))
    if groups.dtype.kind in "OU" and np.isin(groups.astype(str), _MISSING_AS_STRING).any():
        raise ValueError(
            "groups contains missing values that were turned into strings ('nan', '<NA>' or "
            "'NaT'). Every row needs a group; drop these rows, or name their groups."
        )
    origin = getattr(y, "_row_origin", None)
    if origin is not None:
        groups = origin.groups_of_new_rows(groups)
    if len(groups) != n_samples:
        raise ValueError(
            f"groups has {len(groups)} entries but X has {n_samples} rows. Give one group per row "
            "of X. In a pipeline this happens when a sampler earlier in the pipeline changed the "
            "rows: put the step that needs groups before that sampler."
        )
    if groups.dtype.kind == "O":
        try:
            np.unique(groups)
        except TypeError as error:
            raise TypeError(
                f"groups cannot be sorted: {error}. Name all groups by strings, or all by numbers."
            ) from error
    return groups


class RowOrigin:
    """The groups of rows that a sampler made, carried by their labels.

    A pipeline passes the groups of the old rows to the steps after a sampler. Only y passes every
    step unchanged, so it carries the old groups, and those of the rows that every new row was made
    from and mixed with.
    """

    def __init__(self, groups=None, sample_indices=None, partner_indices=None):
        self.before = groups
        self.after = None if groups is None else groups[sample_indices]
        self.n_mixed = 0
        if groups is not None and partner_indices is not None:
            others = groups[partner_indices].reshape(len(self.after), -1)
            self.n_mixed = int((others != self.after[:, None]).any(1).sum())

    def groups_of_new_rows(self, groups: NDArray) -> NDArray:
        """Return the groups of the new rows, given those or the groups of the old rows."""
        if self.after is None:
            raise ValueError(
                "the rows come from a sampler that was given no groups, or that does not say in "
                "sample_indices_ which row each new row was made from, so that the groups of the "
                "new rows are not known. Give groups to the sampler too (in a pipeline: with "
                "sklearn.set_config(enable_metadata_routing=True)), or put the step that needs "
                "groups before the sampler."
            )
        is_old = np.array_equal(groups, self.before)
        if not is_old and not np.array_equal(groups, self.after):
            return groups
        if self.n_mixed:
            raise ValueError(
                f"{self.n_mixed} of {len(self.after)} rows were mixed from rows of several groups "
                "by a sampler, so that no group is theirs alone and rows held out by group would "
                "share patients with the training rows. Hold rows out before that sampler: give "
                "X_val and y_val, or put the step that needs groups first."
            )
        return self.after


class ResampledLabels(np.ndarray):
    """Labels of rows that a sampler made; slices and results of arithmetic are plain arrays."""

    _row_origin: RowOrigin | None = None

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, index):
        return np.asarray(self)[index]

    def __reduce__(self):
        return with_origin, (np.asarray(self), self._row_origin)


def with_origin(y: ArrayLike, origin: RowOrigin | None) -> ArrayLike:
    """Return labels that tell :func:`check_groups` where their rows come from."""
    if isinstance(y, np.ndarray):
        y = y.view(ResampledLabels)
    elif isinstance(y, list):
        return y
    y._row_origin = origin
    return y


def require_groups(groups: NDArray | None, parameter: str = "level") -> None:
    """Raise an error that says how to pass groups, if there are none for a choice of "group"."""
    if groups is None:
        raise ValueError(
            f"{parameter}='group' needs groups, the patient of every row. Pass groups, in a "
            "pipeline with sklearn.set_config(enable_metadata_routing=True), or choose another "
            f"{parameter}."
        )


def group_means(values: NDArray, groups: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Average rows of ``values`` over each group."""
    unique_groups, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.zeros((len(unique_groups), values.shape[1]))
    np.add.at(sums, codes, values)
    return unique_groups, sums / counts[:, None], codes


def group_labels(y: NDArray, groups: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Return the common label of all rows of each group."""
    unique_groups, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    labels = y[first]
    wrong = y != labels[codes]
    if wrong.any():
        code = codes[wrong.argmax()]
        group, found = unique_groups.tolist()[code], np.unique(y[codes == code]).tolist()
        raise ValueError(
            f"Group {group!r} carries several labels: {found}. All rows of a group need the same "
            "label here; correct the labels, or split the group."
        )
    return unique_groups, labels, codes
