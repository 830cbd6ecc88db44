"""Data sets from folders of files, one or more for every patient."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ..utils.validation import describe_layout, warn


def make_grouped(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    read: Callable[[Path], Any],
    pattern: str = "{label}/{patient}/*.csv",
    *,
    labels: Mapping[str, Any] | pd.Series | None = None,
) -> Bunch:
    """Make a data set of files that are sorted into folders by label and patient.

    Parameters
    ----------
    paths : str, path-like, or iterable of them
        A folder, whose files `pattern` chooses, or the files.
    read : callable
        Gets the path of a file (or folder) and returns its rows: an array or Series is one row; a
        list, tuple or generator of arrays is several; a DataFrame is several rows of a table.
    pattern : str, default ``"{label}/{patient}/*.csv"``
        Paths inside the folder, or the ends of the paths of files. ``{patient}``, ``{label}`` and
        other names in braces, such as ``{visit}``, say what to keep; a name that comes twice must
        read the same. ``*`` stands for anything but "/", ``?`` for one character, ``**`` for any
        folders.
    labels : dict or Series, default=None
        Label by patient, if the paths do not tell it.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As that of :func:`~skrobust.load_grouped_npz`, rows in the order of the sorted paths, with
        the attributes

        - ``data`` : ndarray of shape (n_samples, ...), or DataFrame if `read` returns tables;
        - ``target`` : ndarray of shape (n_samples,); label, a str unless `labels` are given;
        - ``groups`` : ndarray of shape (n_samples,), str; patient;
        - ``files`` : ndarray of shape (n_samples,), str; where the row is from;
        - ``layout`` : str; what the networks of this library take the rows for;
        - every other name in braces: ndarray of shape (n_samples,), str.

    Raises
    ------
    FileNotFoundError, ValueError
        If the pattern is malformed, no file fits it, a file cannot be read, rows differ in shape or
        columns, or `labels` lack a patient.

    Warns
    -----
    UserWarning
        If a patient has several labels: perhaps two people of the same name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skrobust import make_grouped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["ill/P1/a.csv", "well/P2/a.csv"]:
    ...         (Path(folder) / name).parent.mkdir(parents=True)
    ...         np.savetxt(Path(folder) / name, np.arange(4))
    ...     study = make_grouped(folder, np.loadtxt)
    >>> study.data.shape, study.target.tolist(), study.groups.tolist()
    ((2, 4), ['ill', 'well'], ['P1', 'P2'])
    """
    names, expression, glob = _compile(pattern)
    if "patient" not in names:
        raise ValueError(f"pattern={pattern!r} has no {{patient}}. Say where the patient stands.")
    if ("label" in names) == (labels is not None):
        both = "has {label}, and labels are given, too", "lacks {label}, and labels are not given"
        raise ValueError(
            f"pattern={pattern!r} {both[labels is None]}. Labels come from one of the two."
        )
    if clash := sorted({"data", "target", "groups", "files", "layout"} & set(names)):
        raise ValueError(
            f"pattern={pattern!r} names {clash}, which are attributes of the result. Choose other "
            "names."
        )
    found = _find(paths, expression, glob, pattern)
    parts, fields = [], {name: [] for name in ("files", *names)}
    for path, values in found:
        new = _read_rows(read, path)
        parts += [(str(path), part) for part in new]
        n_rows = sum(len(part) if isinstance(part, pd.DataFrame) else 1 for part in new)
        for name, value in (values | {"files": str(path)}).items():
            fields[name] += [value] * n_rows
    if not fields["files"]:
        raise ValueError(f"the {len(found)} files hold no rows.")
    data, fields = _together(parts), {name: np.array(values) for name, values in fields.items()}
    groups = fields.pop("patient")
    target = fields.pop("label") if labels is None else _labels_of(groups, labels)
    n_labels = pd.Series(target).groupby(groups).nunique()
    if several := n_labels.index[n_labels > 1].tolist():
        warn(
            f"{len(several)} patients have several labels, such as {several[:5]}. If they are "
            "different people with the same name, make the names differ: groups = [f'{label} "
            "{patient}' for label, patient in zip(data.target, data.groups)]."
        )
    layout = describe_layout(data.shape[1:])
    return Bunch(data=data, target=target, groups=groups, layout=layout, **fields)


def _compile(pattern: str) -> tuple[list[str], re.Pattern, str]:
    """Return the names in a pattern, a regular expression for paths, and a pattern to search by."""
    names: list[str] = []
    expression, glob = "", ""
    for part in re.findall(r"\{[^{}]*\}|\*\*/|\*|\?|[{}]|[^*?{}]+", pattern):
        if part.startswith("{") and part[1:-1].isidentifier():
            name = part[1:-1]
            expression += f"(?P={name})" if name in names else f"(?P<{name}>[^/]+)"
            names += [] if name in names else [name]
            glob += "*"
        elif part[0] in "{}":
            raise ValueError(
                f"pattern={pattern!r} has {part!r}, expected names in braces such as {{patient}}."
            )
        else:
            wild = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
            expression += wild.get(part, re.escape(part))
            # brackets are no wildcards here
            glob += part if part in wild else re.sub(r"\[", "[[]", part)
    return names, re.compile(expression), re.sub(r"\*{2,}(?!/)", "*", glob)


def _find(
    paths: Any, expression: re.Pattern, glob: str, pattern: str
) -> list[tuple[Path, dict[str, str]]]:
    """Return the paths that fit a pattern, sorted, with what its names stand for."""
    if isinstance(paths, (str, os.PathLike)):
        folder = Path(paths)
        if not folder.is_dir():
            raise FileNotFoundError(f"No folder {str(folder)!r}. Check the path.")
        candidates = {path: path.relative_to(folder) for path in folder.glob(glob)}
    else:
        candidates = {Path(path): Path(path) for path in paths}
        expression = re.compile(f"(?:.*/)?{expression.pattern}")
        if missing := [str(path) for path in candidates if not path.exists()]:
            raise FileNotFoundError(f"No file {missing[0]!r} ({len(missing)} are missing).")
    found = []
    for path, part in sorted(candidates.items()):
        # what operating systems leave in folders
        hidden = any(name.startswith(".") for name in part.parts[-pattern.count("/") - 1 :])
        if not hidden and (match := expression.fullmatch(part.as_posix())):
            found.append((path, match.groupdict()))
    if not found:
        raise FileNotFoundError(f"No file in {paths} fits the pattern {pattern!r}.")
    return found


def _read_rows(read: Callable, path: Path) -> list[Any]:
    """Return the rows of a file as arrays, or one DataFrame."""
    try:
        content = read(path)
        if isinstance(content, pd.DataFrame):
            return [content]
        if hasattr(content, "__array__"):
            return [np.asarray(content)]
        return [np.asarray(row) for row in content]
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} could not be read: {type(error).__name__}: {error}"
        ) from error


def _together(parts: list[tuple[str, Any]]) -> Any:
    """Return the rows of all files as one array, or as one table."""
    tables = [isinstance(part, pd.DataFrame) for _, part in parts]
    first_file, first = parts[0]
    if any(tables):
        if not all(tables):
            raise ValueError("read returns a DataFrame for some files, and arrays for others.")
        for file, table in parts:
            if list(table.columns) != list(first.columns):
                raise ValueError(
                    f"{file!r} has the columns {list(table.columns)}, but {first_file!r} has "
                    f"{list(first.columns)}."
                )
        return pd.concat([table for _, table in parts], ignore_index=True)
    for file, row in parts:
        if row.shape != first.shape or not row.ndim:
            raise ValueError(
                f"a row of {file!r} has shape {row.shape}, but the first of {first_file!r} has "
                f"{first.shape}. Rows need one shape: let read interpolate, crop or resize them; "
                "a list of arrays is several rows."
            )
    return np.stack([row for _, row in parts])


def _labels_of(groups: NDArray, labels: Mapping[str, Any] | pd.Series) -> NDArray:
    """Return the label of every row, by its patient."""
    by_patient = pd.Series(labels)
    if twice := by_patient.index[by_patient.index.duplicated()].tolist():
        raise ValueError(f"labels has several entries for {twice[:5]}. Give one per patient.")
    by_patient.index = by_patient.index.astype(str)
    if missing := sorted(set(groups.tolist()) - set(by_patient.dropna().index)):
        raise ValueError(
            f"labels lacks {len(missing)} of the patients, such as {missing[:5]}; it has "
            f"{by_patient.index[:5].tolist()}."
        )
    return by_patient.loc[groups].to_numpy()
