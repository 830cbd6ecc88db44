"""Data with groups from an npz file."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ..utils.groups import check_groups

_REQUIRED = ("X", "y", "groups")


def load_grouped_npz(
    path: str | os.PathLike[str], *, return_X_y_groups: bool = False
) -> Bunch | tuple[NDArray, NDArray, NDArray]:
    """Load an npz file that holds the arrays ``X``, ``y`` and ``groups``.

    Such a file is written by ``numpy.savez_compressed(path, X=X, y=y, groups=groups)``, with
    ``class_names`` and further arrays at will. Values are taken as they are: types are kept, and
    NaN stays NaN.

    Parameters
    ----------
    path : str or path-like
        The file.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_samples, ...); the array ``X``;
        - ``target`` : ndarray of shape (n_samples,) or, for class mass, (n_samples, n_classes);
          the array ``y``;
        - ``groups`` : ndarray of shape (n_samples,); group (patient) of every row;
        - ``target_names`` : list of str; only if the file holds ``class_names``;
        - ``filename`` : str; the path;
        - every other array of the file under its own name.
    (data, target, groups) : tuple of ndarray
        If ``return_X_y_groups=True``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not an npz file, lacks an array, holds pickled objects, has an array
        named like an attribute above, or if the lengths differ or a group is missing.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skrobust.datasets import load_grouped_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "study.npz"
    ...     np.savez(path, X=np.eye(3), y=[0, 1, 1], groups=["p1", "p2", "p2"], age=[50, 61, 61])
    ...     study = load_grouped_npz(path)
    >>> study.data.shape, study.groups.tolist(), study.age.tolist()
    ((3, 3), ['p1', 'p2', 'p2'], [50, 61, 61])
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No file {str(path)!r}. Check the path; it is relative to the "
            f"current folder unless absolute."
        )
    arrays = _read_arrays(path)
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise ValueError(
            f"{str(path)!r} has no array named {' or '.join(missing)}; it holds {sorted(arrays)}. "
            "Save the file with the names X, y and groups."
        )
    X, y, groups = (arrays.pop(name) for name in _REQUIRED)
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y):
        raise ValueError(
            f"{str(path)!r}: X has shape {X.shape} and y has shape {y.shape}. Both need one entry "
            "per row."
        )
    bunch = Bunch(data=X, target=y, groups=check_groups(groups, len(X)), filename=str(path))
    if "class_names" in arrays:
        bunch.target_names = [str(name) for name in arrays.pop("class_names")]
    clash = sorted(set(bunch) & set(arrays))
    if clash:
        raise ValueError(
            f"{str(path)!r} holds arrays named {clash}, which are attributes of the result. Save "
            "them under other names."
        )
    bunch.update(arrays)
    if return_X_y_groups:
        return bunch.data, bunch.target, bunch.groups
    return bunch


def _read_arrays(path: Path) -> dict[str, NDArray]:
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{str(path)!r} is not an npz file. Write one with numpy.savez_compressed(path, X=X, "
            "y=y, groups=groups)."
        )
    arrays = {}
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            try:
                arrays[name] = file[name]
            except (ValueError, zipfile.BadZipFile, EOFError) as error:
                raise ValueError(
                    f"{str(path)!r}: the array {name!r} cannot be read ({error}). Pickled "
                    "objects are refused, since loading them can run code: save strings as a "
                    "string array, as in numpy.asarray(names, dtype=str); otherwise the file is "
                    "damaged."
                ) from error
    return arrays
