"""The review page: an expert looks at patients, and the decisions come back as labels."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import os
from collections.abc import Sequence
from importlib.resources import files
from numbers import Integral
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_scalar

from ..utils.groups import check_groups
from ..utils.targets import check_class_labels
from .review_pictures import make_pictures

_COLUMNS = ("patient", "decision", "new_label", "data")
_DECISIONS = ("right", "wrong", "unsure", "")
_PATIENT_COLUMNS = ("label", "probability", "suggested")


def write_review(
    path: str | os.PathLike[str],
    X: Any,
    y: ArrayLike,
    groups: ArrayLike | None,
    patients: pd.DataFrame,
    rows: pd.DataFrame | None = None,
    *,
    pictures: str = "auto",
    input_shape: Sequence[int] | None = None,
    axis: ArrayLike | None = None,
    n_patients: int = 100,
    n_rows: int = 24,
    title: str = "Patients to look at again",
) -> Path:
    """Write a page on which an expert decides whether the labels of patients are right.

    One HTML file that needs no network and no other file. It shows the patients in the order of
    `patients`, each with its rows drawn and the reasons for doubt. For every patient the expert
    chooses "label right", "wrong, is ..." or "unsure", by mouse, touch or keyboard, and may add a
    note. The browser keeps the decisions under a fingerprint of the data set; they leave it as a
    CSV file, for :func:`apply_review` or for the page in another browser.

    Parameters
    ----------
    path : str or path-like
        The file to write.
    X : array-like of shape (n_samples, ...)
        The rows as an expert wants to see them, for example spectra with their baseline removed:
        they need not be those that a model was trained on.
    y : array-like of shape (n_samples,)
        The labels given. The texts of the labels name the classes on the page.
    groups : array-like of shape (n_samples,) or None
        Patient of every row. None makes every row a patient, named by its position.
    patients : DataFrame
        The patients to look at, in this order: index of patients, with the columns ``label``,
        ``probability`` of the label and ``suggested`` class (missing: not judged), such as
        ``LabelNoiseModel().fit(X, y, groups=groups).patients_``. A column ``reasons`` (a text or
        a list of texts for every patient) is shown; without it reasons are made from the numbers.
    rows : DataFrame of shape (n_samples, ...), default=None
        What is known of the rows, in the order of X: the ``probability`` of the label and
        optionally the ``suggested`` class, or a column of probabilities for each class, such as
        ``LabelNoiseModel.row_probabilities_``. The rows with the least probable labels are drawn
        first.
    pictures : {"auto", "curves", "images", "volumes", "table", "none"}, default="auto"
        How to draw rows. "auto" decides by the shape of X: curves over `axis`, images, the three
        middle slices of volumes, or values of a table beside the range of each class. A DataFrame
        of more than 100 numbers, an array of more than 63, and rows with an `axis` are drawn as
        curves.
    input_shape : tuple of int, default=None
        Shape (channels, ...) of a row, if X does not show it.
    axis : array-like of shape (n_points,), default=None
        Places of the points of curves, such as wave numbers. The name of a Series is written
        below the curves.
    n_patients : int, default=100
        Most patients on the page.
    n_rows : int, default=24
        Most rows drawn of a patient.
    title : str, default="Patients to look at again"
        Title of the page.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together, or the rows cannot be drawn.

    See Also
    --------
    apply_review : Brings the decisions back.

    Notes
    -----
    Pictures are made smaller so that a page of 100 patients stays below 15 MB. The ranges of the
    classes are those of the given labels, some of which are wrong.

    The page holds the data of the patients that it shows. Treat it like the data themselves.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skrobust import LabelNoiseModel, flip_labels, make_mr_spectra, write_review
    >>> data = make_mr_spectra(n_patients=40, n_voxels=6, impurity=0, random_state=0)
    >>> y, _ = flip_labels(data.target, 0.2, groups=data.groups, random_state=0)
    >>> model = LabelNoiseModel(random_state=0).fit(data.data, y, groups=data.groups)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_review(
    ...         Path(folder) / "review.html", data.data, y, data.groups, model.patients_,
    ...         model.row_probabilities_, axis=data.axis, n_patients=10)
    ...     "default-src 'none'" in page.read_text()
    True
    """
    check_scalar(n_patients, "n_patients", Integral, min_val=1)
    check_scalar(n_rows, "n_rows", Integral, min_val=1)
    labels, groups = _check_labels(y, groups)
    check_consistent_length(X, labels)
    data = _DataSet(labels, groups)
    if not isinstance(patients, pd.DataFrame):
        raise TypeError(f"patients is a {type(patients).__name__}, expected a DataFrame.")
    _check_columns(patients, data)
    probability, suggested = _opinions_of_rows(rows, data, labels)
    shown = patients.iloc[:n_patients]
    drawn = [_rows_to_draw(data.rows_of[_text(name)], probability, n_rows) for name in shown.index]
    drawing = make_pictures(
        X, pictures, input_shape=input_shape, axis=axis, codes=data.codes, classes=data.classes,
        n_drawn=sum(map(len, drawn)), n_patients=len(shown),
    )  # fmt: skip
    names = _names_of_rows(X, rows, len(labels))
    entries = [
        _entry(name, line, own, data, probability, suggested, drawing, names)
        for name, line, own in zip(shown.index, shown.to_dict("records"), drawn, strict=True)
    ]
    page = {
        "title": title,
        "fingerprint": data.fingerprint,
        "all_patients": len(data.patients),
        "all_rows": len(labels),
        "classes": data.classes,
        "kind": "none" if drawing is None else drawing.kind,
        "shared": {} if drawing is None else drawing.shared,
        "patients": entries,
    }
    path = Path(path)
    path.write_text(_assemble(page), encoding="utf-8")
    return path


def apply_review(
    y: ArrayLike, groups: ArrayLike | None, path: str | os.PathLike[str]
) -> tuple[ArrayLike, NDArray]:
    """Return the labels after a review, and which rows an expert has looked at.

    - "label right" keeps the labels of the patient. They are trusted.
    - "wrong, is C" gives all rows of the patient the label C, also if they had several labels.
      They are trusted.
    - "unsure", and no decision, keep the labels. They are not trusted.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The labels that the page was written with. The rows may be in another order.
    groups : array-like of shape (n_samples,) or None
        Patient of every row, or None, if the page was written without; then the rows must be in
        the same order.
    path : str or path-like
        CSV file from the review page, also after a spreadsheet program has saved it as "CSV
        UTF-8". It needs the columns ``patient``, ``decision``, ``new_label`` and ``data``, and
        may have others. The page writes an apostrophe before texts that a spreadsheet program
        would take for formulas; the first apostrophe of a text is removed here.

    Returns
    -------
    labels : list, Series or ndarray of shape (n_samples,)
        Labels of the same type as `y`; an ndarray if y is neither a list nor a Series of pandas.
    trusted : ndarray of shape (n_samples,), bool
        The rows of patients whose label was found right or was corrected.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not CSV in UTF-8, lacks columns, was made with other patients or labels,
        or names an unknown patient, class or decision, or a patient twice.

    See Also
    --------
    write_review : Writes the page.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skrobust import apply_review
    >>> from skrobust.audit import review_template
    >>> y, patient = ["ill", "ill", "well", "well"], ["P1", "P1", "P2", "P3"]
    >>> table = review_template(y, patient)  # as the page writes it
    >>> table["decision"] = ["wrong", "right", "unsure"]
    >>> table["new_label"] = ["well", "", ""]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "review.csv"
    ...     table.to_csv(path, index=False)
    ...     labels, trusted = apply_review(y, patient, path)
    >>> labels
    ['well', 'well', 'well', 'well']
    >>> trusted
    array([ True,  True,  True, False])
    """
    labels, groups = _check_labels(y, groups)
    data = _DataSet(labels, groups)
    new, trusted = np.array(labels), np.zeros(len(labels), bool)
    values = dict(zip(data.classes, data.labels, strict=True))
    seen: dict[str, int] = {}
    for number, line in _read_csv(Path(path)):
        where = f"{str(path)!r}, line {number}"
        patient = _check_patient(line, data, where)
        if patient in seen:
            raise ValueError(
                f"{where}: patient {patient!r} is in line {seen[patient]}, too. Keep one of them."
            )
        seen[patient] = number
        decision, label = line["decision"].strip().lower(), _unguarded(line["new_label"])
        if decision not in _DECISIONS:
            raise ValueError(
                f"{where}: the decision is {decision!r}, expected 'right', 'wrong', 'unsure' or "
                "nothing."
            )
        own = data.rows_of[patient]
        if decision == "wrong":
            given = {data.classes[code] for code in data.codes[own]}
            if label not in values or given == {label}:
                problem = "which is the label it has" if label in values else "not a class of y"
                raise ValueError(
                    f"{where}: patient {patient!r} is wrong and gets the new label {label!r}, "
                    f"{problem}. The classes are {data.classes}."
                )
            new[own] = values[label]
        elif label:
            raise ValueError(
                f"{where}: patient {patient!r} has the new label {label!r}, but the decision is "
                f"{decision!r}. Only 'wrong' goes with a new label."
            )
        trusted[own] = decision in ("right", "wrong")
    if isinstance(y, pd.Series):
        return pd.Series(new, index=y.index, name=y.name).astype(y.dtype), trusted
    return (new.tolist() if isinstance(y, list) else new), trusted


def review_template(y: ArrayLike, groups: ArrayLike | None) -> pd.DataFrame:
    """Return an empty review of all patients, to be filled in without the page.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,) or None
        Patient of every row; None makes every row one.

    Returns
    -------
    table : DataFrame
        One line per patient with the columns of the page's CSV file: ``patient``, ``label``,
        ``decision`` and ``new_label`` (empty), ``data`` (fingerprint and number of the patient).
        Save it with ``to_csv(path, index=False)``.

    Examples
    --------
    >>> from skrobust.audit import review_template
    >>> review_template([0, 0, 1], ["a", "a", "b"])[["patient", "label", "decision"]]
      patient label decision
    0       a     0
    1       b     1
    """
    data = _DataSet(*_check_labels(y, groups))
    lines = [
        {
            "patient": _guarded(name),
            "label": _guarded(data.classes[np.bincount(data.codes[data.rows_of[name]]).argmax()]),
            "decision": "",
            "new_label": "",
            "data": data.key_of(name),
        }
        for name in data.patients
    ]
    return pd.DataFrame(lines)


class _DataSet:
    """Labels and patients as texts, and the fingerprint that ties a review to them."""

    def __init__(self, labels: NDArray, groups: NDArray):
        self.labels, self.codes = np.unique(labels, return_inverse=True)
        self.classes = _texts(self.labels, "labels")
        self.text_of = dict(zip(self.labels.tolist(), self.classes, strict=True))
        names, unit = np.unique(groups, return_inverse=True)
        texts = _texts(names, "patients")
        order = np.argsort(unit, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(unit))[:-1])
        self.rows_of = dict(zip(texts, parts, strict=True))
        self.patients = sorted(texts)
        self.position = {name: i for i, name in enumerate(self.patients)}
        counted = [
            [name, [[self.classes[c], int(n)] for c, n in zip(*self._counts(name), strict=True)]]
            for name in self.patients
        ]
        found = hashlib.sha256(json.dumps(counted).encode()).hexdigest()
        self.fingerprint = f"skrobust-{found[:12]}"

    def class_of(self, label: Any) -> str | None:
        """Return a class as text, also of a number in another type; None if it is no class."""
        # 1.0, True and numpy's 1 are the same key as 1
        text = _text(label)
        return self.text_of.get(label, text if text in self.classes else None)

    def _counts(self, name: str) -> tuple[NDArray, NDArray]:
        return np.unique(self.codes[self.rows_of[name]], return_counts=True)

    def key_of(self, name: str) -> str:
        """Return the text that ties a line of a CSV file to this data set and patient."""
        return f"{self.fingerprint}-{self.position[name]}"

    def several_labels(self, name: str) -> dict[str, int] | None:
        """Return the rows of every label of a patient that has several."""
        codes, counts = self._counts(name)
        if len(codes) == 1:
            return None
        return {self.classes[c]: int(n) for c, n in zip(codes, counts, strict=True)}


def _check_labels(y: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray, NDArray]:
    labels = column_or_1d(check_class_labels(y))
    return labels, np.arange(len(labels)) if groups is None else check_groups(groups, len(labels))


def _text(value: Any) -> str:
    """Return a value as text; whole numbers are the same in every type."""
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _texts(values: NDArray, what: str) -> list[str]:
    """Return the texts of sorted values, or raise if two of them read the same."""
    texts = [_text(value) for value in values.tolist()]
    if "" in texts:
        raise ValueError(f"one of the {what} is an empty text, which a review cannot name.")
    if len(set(texts)) < len(texts):
        raise ValueError(
            f"two {what} read the same as text, of {values.tolist()[:10]}: a review cannot tell "
            "them apart. Rename one."
        )
    return texts


def _check_columns(patients: pd.DataFrame, data: _DataSet) -> None:
    missing = [name for name in _PATIENT_COLUMNS if name not in patients]
    if missing:
        raise ValueError(
            f"patients lacks the columns {missing}; it has {list(patients.columns)}. Give the "
            "patients_ of a fitted LabelNoiseModel, or the patients of an audit."
        )
    unknown = [name for name in patients.index if _text(name) not in data.rows_of]
    if unknown:
        raise ValueError(
            f"patients has the index {unknown[:5]}, not among groups. The index of patients holds "
            "the groups."
        )
    if not patients.index.is_unique:
        raise ValueError("patients has a patient in several lines. Give one line per patient.")
    _check_classes(patients, "patients", "label", data)
    _check_classes(patients, "patients", "suggested", data)


def _check_classes(table: pd.DataFrame, name: str, column: str, data: _DataSet) -> None:
    found = table[column].dropna().unique().tolist()
    wrong = [label for label in found if data.class_of(label) is None]
    if wrong:
        raise ValueError(
            f"{name} has the {column} class {wrong[:5]}, but the classes of y are {data.classes}."
        )


def _opinions_of_rows(
    rows: pd.DataFrame | None, data: _DataSet, labels: NDArray
) -> tuple[NDArray | None, NDArray | None]:
    """Return the probability of every row's label, and the class code that is suggested."""
    if rows is None:
        return None, None
    if not isinstance(rows, pd.DataFrame):
        raise TypeError(f"rows is a {type(rows).__name__}, expected a DataFrame.")
    if len(rows) != len(labels):
        raise ValueError(f"rows has {len(rows)} lines, but X has {len(labels)} rows.")
    names = {str(column): column for column in rows}
    if "probability" in names:
        probability = rows["probability"].to_numpy(dtype=float, na_value=np.nan)
        if "suggested" not in names:
            return probability, None
        _check_classes(rows, "rows", "suggested", data)
        # what is missing was not judged
        code_of = {name: code for code, name in enumerate(data.classes)} | {None: -1}
        texts = [None if pd.isna(label) else data.class_of(label) for label in rows["suggested"]]
        return probability, np.array([code_of[text] for text in texts])
    if not set(data.classes) <= set(names):
        raise ValueError(
            f"rows has the columns {list(rows.columns)}, expected 'probability' (and "
            f"'suggested'), or one for each of the classes {data.classes}."
        )
    P = rows[[names[name] for name in data.classes]].to_numpy(dtype=float)
    return P[np.arange(len(P)), data.codes], P.argmax(1)


def _rows_to_draw(own: NDArray, probability: NDArray | None, n_rows: int) -> NDArray:
    """Return the rows of a patient that are drawn: the least probable, or evenly spaced ones."""
    if probability is not None:
        return own[np.argsort(probability[own], kind="stable")][:n_rows]
    if len(own) <= n_rows:
        return own
    return own[np.linspace(0, len(own) - 1, n_rows).round().astype(int)]


def _names_of_rows(X: Any, rows: pd.DataFrame | None, n: int) -> list[str]:
    """Return the names of rows: an index that is not just numbered, or the positions."""
    for table in (X, rows):
        index = getattr(table, "index", None)
        if isinstance(index, pd.Index) and not isinstance(index, pd.RangeIndex):
            return [str(name) for name in index]
    return [str(i) for i in range(n)]


def _entry(name, line, own, data, probability, suggested, drawing, names) -> dict[str, Any]:
    """Return what the page needs of one patient."""
    name = _text(name)
    all_rows = data.rows_of[name]
    several = data.several_labels(name)
    extra, pictures = ({}, [None] * len(own)) if drawing is None else drawing.of_patient(own)
    drawn = []
    for row, picture in zip(own.tolist(), pictures, strict=True):
        entry: dict[str, Any] = {"name": names[row], "picture": picture}
        if several:
            entry["label"] = data.classes[data.codes[row]]
        if probability is not None and np.isfinite(probability[row]):
            entry["probability"] = float(probability[row])
        if suggested is not None and suggested[row] >= 0:
            entry["suggested"] = data.classes[suggested[row]]
        drawn.append(entry)
    label = data.class_of(line["label"])
    opinion = None if pd.isna(line["suggested"]) else data.class_of(line["suggested"])
    chance = float(line["probability"])
    if "reasons" in line:
        reasons = line["reasons"]
        reasons = [reasons] if isinstance(reasons, str) else [str(reason) for reason in reasons]
    else:
        look = None if suggested is None else suggested[all_rows]
        reasons = _reasons(label, opinion, look, data.classes)
    return {
        "id": name,
        "key": data.key_of(name),
        "label": label,
        "several": several,
        "rows": len(all_rows),
        "probability": chance if np.isfinite(chance) else None,
        "suggested": opinion,
        "reasons": reasons,
        "drawn": drawn,
        **extra,
    }


def _reasons(
    label: str, suggested: str | None, look: NDArray | None, classes: list[str]
) -> list[str]:
    """Say in words why a label is doubted, or that it is not."""
    if suggested is None:
        return ["The label could not be judged."]
    if label == suggested:
        return [f"The label {label} is the most probable one."]
    reasons = [f"Models that have not seen this patient find {suggested} more probable."]
    if look is not None:
        like = int((look == classes.index(suggested)).sum())
        reasons.insert(0, f"{like} of {len(look)} rows look like {suggested}.")
    return reasons


def _assemble(page: dict[str, Any]) -> str:
    """Return the page as one HTML text that loads nothing and runs no script but its own."""
    folder = files("skrobust.audit")
    parts = {
        name: (folder / f"review.{name}").read_text(encoding="utf-8")
        for name in ("html", "css", "js")
    }
    # without this sign no text can end the script element that holds the data
    data = json.dumps(page, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Template(parts["html"]).substitute(
        title=html.escape(page["title"]),
        css=parts["css"],
        js=parts["js"],
        data=data,
        css_hash=_hash_for_policy(parts["css"]),
        js_hash=_hash_for_policy(parts["js"]),
    )


def _hash_for_policy(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _guarded(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula."""
    return f"'{text}" if text[:1] and text[0] in "=+-@＝＋－＠\t\r\n'" else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") else text


def _read_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the lines of a review by their number in the file."""
    if not path.is_file():
        raise FileNotFoundError(f"No file {str(path)!r}. Export it from the review page.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not UTF-8 ({error}). In the spreadsheet program, save it as 'CSV "
            "UTF-8'."
        ) from error
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        missing = [name for name in _COLUMNS if name not in columns]
        if missing:
            raise ValueError(
                f"{str(path)!r} lacks the columns {missing}; it has {columns}. Give the CSV file "
                "that the review page exports, with its first line."
            )
        lines = []
        for cells in reader:
            if len(cells) != len(columns) and any(cells):
                raise ValueError(
                    f"{str(path)!r}, line {reader.line_num}: {len(cells)} cells, but there are "
                    f"{len(columns)} columns."
                )
            if any(cells):
                lines.append((reader.line_num, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise ValueError(f"{str(path)!r}, line {reader.line_num} is not CSV: {error}.") from error
    return lines


def _check_patient(line: dict[str, str], data: _DataSet, where: str) -> str:
    """Return the patient of a line, or raise if it belongs to other data."""
    patient = _unguarded(line["patient"])
    fingerprint, _, position = line["data"].strip().rpartition("-")
    if fingerprint != data.fingerprint:
        raise ValueError(
            f"{where}: the review belongs to other data ({fingerprint or line['data']!r}, here "
            f"{data.fingerprint!r}): to other patients, or to other labels. Give y and groups as "
            "they were when the page was written, before other corrections."
        )
    if patient in data.position and str(data.position[patient]) == position:
        return patient
    if position.isdigit() and int(position) < len(data.patients):
        raise ValueError(
            f"{where}: the patient is {patient!r}, but was {data.patients[int(position)]!r} when "
            "the file was written. A spreadsheet program may have changed it (007 to 7): import "
            "the column 'patient' as text."
        )
    raise ValueError(f"{where}: unknown patient {patient!r}.")
