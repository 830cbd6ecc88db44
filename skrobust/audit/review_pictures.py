"""What the review page shows of every row: curves, images, slices, values beside class ranges.

Every kind of picture has ``shared``, what all patients have in common, and ``of_patient``, which
returns what is drawn for some rows of one patient, as objects that can be written as JSON.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import column_or_1d
from torch.nn.functional import interpolate

from ..utils.validation import layout_of_rows

KINDS = ("auto", "curves", "images", "volumes", "table", "none")

# a page of 100 patients stays below 15 MB
_BYTES_OF_PICTURES = 10e6
_MOST_POINTS = 500
_MOST_PIXELS = 160
_MOST_CHANNELS = 6
# rows of a class that its range is computed from
_MOST_ROWS = 2000
# flat rows are a table up to this length: that of an array, and that of a DataFrame of numbers
_LONGEST_ARRAY, _LONGEST_TABLE = 63, 100


def make_pictures(
    X: Any,
    kind: str,
    *,
    input_shape: Sequence[int] | None,
    axis: ArrayLike | None,
    codes: NDArray,
    classes: list[str],
    n_drawn: int,
    n_patients: int,
) -> Any:
    """Return the pictures of a kind, "auto" for the one that fits the shape of X."""
    if kind not in KINDS:
        raise ValueError(f"pictures is {kind!r}, expected one of {list(KINDS)}.")
    if kind == "none":
        return None
    if issparse(X):
        raise ValueError("X is sparse and cannot be drawn: give it dense, or set pictures='none'.")
    if type(X).__module__.split(".")[0] == "polars":
        X = X.to_pandas()
    if not isinstance(X, pd.DataFrame):
        X = np.asanyarray(X)
        if X.ndim < 2:
            raise ValueError(f"X has shape {X.shape}, but needs one row per line and its values.")
        if X.dtype.kind not in "fiub":
            X = pd.DataFrame(X).infer_objects() if X.ndim == 2 else X
    # an axis says that flat rows are curves
    wanted = "curves" if kind == "auto" and axis is not None else kind
    fitting, shape = _fitting_kind(X, input_shape, wanted)
    if kind not in ("auto", fitting):
        raise ValueError(
            f"pictures={kind!r}, but the rows of X are {fitting} of shape {shape}. Set "
            "pictures='auto', or input_shape=(channels, ...) to say what the values of a row are."
        )
    if fitting == "table":
        if axis is not None:
            raise ValueError("axis is the axis of curves, but the rows of X are drawn as a table.")
        return Table(pd.DataFrame(X), codes, classes)
    values = X.to_numpy() if isinstance(X, pd.DataFrame) else X
    budget = _BYTES_OF_PICTURES * max(1.0, n_patients / 100) / max(n_drawn, 1)
    if fitting == "curves":
        return Curves(values, shape, codes, axis, budget)
    if axis is not None:
        raise ValueError(f"axis is the axis of curves, but the rows of X are {fitting}.")
    return Images(values, shape, budget)


def _fitting_kind(X: Any, input_shape: Any, kind: str) -> tuple[str, tuple[int, ...]]:
    """Return what the rows of X are, and their shape ``(channels, ...)`` or ``(n_values,)``."""
    if isinstance(X, pd.DataFrame):
        numbers = all(pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes)
        if not numbers:
            return "table", (X.shape[1],)
    elif X.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {X.dtype} and cannot be drawn. Set pictures='none'.")
    shape = layout_of_rows(X, input_shape)
    if len(shape) == 1:
        longest = _LONGEST_TABLE if isinstance(X, pd.DataFrame) else _LONGEST_ARRAY
        table = kind == "table" or (kind != "curves" and shape[0] <= longest)
        return "table" if table else "curves", shape if table else (1, *shape)
    found = {2: "curves", 3: "images", 4: "volumes"}.get(len(shape))
    if found is None:
        raise ValueError(f"rows of shape {shape} cannot be drawn. Set pictures='none'.")
    return found, shape


def _rounded(values: ArrayLike) -> list[Any]:
    """Return numbers with four digits, and None for what is missing or infinite."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in np.ravel(values).tolist()]


def _of_each_class(codes: NDArray, n_classes: int) -> list[NDArray]:
    """Return some evenly spaced rows of every class."""
    rows = [np.flatnonzero(codes == code) for code in range(n_classes)]
    return [
        r[np.linspace(0, len(r) - 1, _MOST_ROWS).astype(int)] if len(r) > _MOST_ROWS else r
        for r in rows
    ]


class Curves:
    """Rows of a patient over an axis, in front of the range of the classes.

    Long curves are averaged over neighbouring points. Values far beyond the others of their row
    are cut, which the page says.
    """

    kind = "curves"

    def __init__(self, X, shape, codes, axis, budget):
        self.X, self.shape = X, (min(shape[0], _MOST_CHANNELS), shape[1])
        self.all_channels = shape[0]
        # four bytes for a point
        n_points = int(np.clip(budget / 4 / self.shape[0], 60, _MOST_POINTS))
        self.edges = np.unique(np.linspace(0, shape[1], min(shape[1], n_points) + 1).astype(int))
        places, label = _check_axis(axis, shape[1])
        ranges = []
        for rows in _of_each_class(codes, codes.max() + 1):
            curves = np.stack([self._curves(row) for row in rows])
            ranges.append([_ranges(curves[:, c]) for c in range(self.shape[0])])
        self.shared = {
            "axis": _rounded(self._averaged(places)),
            "axis_label": label,
            "channels": self.shape[0],
            "hidden_channels": self.all_channels - self.shape[0],
            "points": shape[1],
            "ranges": ranges,
        }

    def _curves(self, row: int) -> NDArray:
        """Return the curves of a row, one per channel, averaged to the points drawn."""
        values = np.asarray(self.X[row], dtype=float).reshape(self.all_channels, -1)
        return self._averaged(values[: self.shape[0]])

    def _averaged(self, values: NDArray) -> NDArray:
        sums = np.add.reduceat(values, self.edges[:-1], axis=-1)
        return sums / np.diff(self.edges)

    def of_patient(self, rows: NDArray) -> tuple[dict, list[Any]]:
        """Return the curves of some rows."""
        return {}, [[_quantised(curve) for curve in self._curves(row)] for row in rows]


def _check_axis(axis: ArrayLike | None, n_points: int) -> tuple[NDArray, str]:
    """Return the places of the points, and the name of the axis."""
    if axis is None:
        return np.arange(n_points, dtype=float), "Point"
    places = column_or_1d(axis).astype(float)
    if len(places) != n_points:
        raise ValueError(f"axis has {len(places)} entries, but the curves have {n_points} points.")
    steps = np.diff(places)
    if not np.isfinite(places).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError("axis must hold finite numbers that all rise, or all fall.")
    return places, str(getattr(axis, "name", None) or "Axis")


def _limits(curves: NDArray) -> tuple[NDArray, NDArray]:
    """Return between which values nearly all points of every curve lie."""
    finite = np.where(np.isfinite(curves), curves, np.nan)
    empty = np.isnan(finite).all(-1, keepdims=True)
    low, high = np.nanquantile(np.where(empty, 0.0, finite), [0.01, 0.99], axis=-1)
    return low, high


def _quantised(curve: NDArray) -> dict[str, Any]:
    """Return a curve as whole numbers from 0 to 999 between its ends."""
    finite = np.isfinite(curve)
    low, high = (float(limit) for limit in _limits(curve))
    span = high - low
    inside = curve[finite] if finite.any() else np.zeros(1)
    start, end = max(inside.min(), low - 2 * span), min(inside.max(), high + 2 * span)
    step = (end - start) / 999 or 1.0
    places = np.rint((np.clip(np.where(finite, curve, start), start, end) - start) / step)
    return {
        "start": _rounded([start])[0],
        "end": _rounded([start + 999 * step])[0],
        "low": _rounded([low])[0],
        "high": _rounded([high])[0],
        "cut": bool(inside.min() < start or inside.max() > end),
        "y": [int(p) if known else None for p, known in zip(places, finite, strict=True)],
    }


def _ranges(curves: NDArray) -> dict[str, list]:
    """Return the 10, 50 and 90% quantiles of curves, as they are and scaled to equal height."""
    low, high = _limits(curves)
    scaled = (curves - low[:, None]) / np.where(high > low, high - low, 1.0)[:, None]
    found = {}
    for name, values in [("given", curves), ("scaled", scaled)]:
        values = np.where(np.isfinite(values), values, np.nan)
        unknown = np.isnan(values).all(0)
        quantiles = np.nanquantile(np.where(unknown, 0.0, values), [0.1, 0.5, 0.9], axis=0)
        found[name] = [_rounded(np.where(unknown, np.nan, q)) for q in quantiles]
    return found


class Images:
    """Rows as PNG: images, the channels side by side, and the three middle slices of volumes.

    Bytes are drawn as they are, three channels of bytes as colours. Other numbers are drawn from
    black, the lowest, to white, the highest of a row, leaving out half a per cent at both ends.
    """

    def __init__(self, X, shape, budget):
        self.X, self.shape = X, shape
        self.kind = "images" if len(shape) == 3 else "volumes"
        self.colours = len(shape) == 3 and shape[0] == 3 and X.dtype == np.uint8
        n_channels = 1 if self.colours else min(shape[0], _MOST_CHANNELS)
        self.n_tiles = n_channels * (1 if self.kind == "images" else 3)
        # base64 needs four bytes for three
        pixels = budget * 3 / 4 / (self.n_tiles * (3 if self.colours else 1))
        self.side = int(np.clip(np.sqrt(pixels), 16, _MOST_PIXELS))
        self.shared = {"tiles": self.n_tiles, "hidden_channels": 0 if self.colours else (
            shape[0] - n_channels)}  # fmt: skip

    def of_patient(self, rows: NDArray) -> tuple[dict, list[Any]]:
        """Return the pictures of some rows."""
        return {}, [self._picture(np.asarray(self.X[row]).reshape(self.shape)) for row in rows]

    def _picture(self, row: NDArray) -> str:
        row = _as_bytes(row)
        if self.colours:
            pixels = np.stack([self._fitted(channel) for channel in row], axis=-1)
            return _png(pixels)
        tiles = []
        for channel in row[:_MOST_CHANNELS]:
            if channel.ndim == 2:
                tiles.append(channel)
            else:
                middle = [size // 2 for size in channel.shape]
                tiles += [np.take(channel, middle[a], axis=a) for a in range(3)]
        tiles = [self._fitted(tile) for tile in tiles]
        height = max(tile.shape[0] for tile in tiles)
        padded = [np.pad(t, ((0, height - t.shape[0]), (0, 2))) for t in tiles]
        return _png(np.hstack(padded)[:, :-2])

    def _fitted(self, tile: NDArray) -> NDArray:
        """Return a tile that is no longer than the longest side allowed."""
        shrink = max(tile.shape) / self.side
        if shrink <= 1:
            return tile
        size = [max(1, round(length / shrink)) for length in tile.shape]
        tensor = torch.from_numpy(tile.astype(np.float32))[None, None]
        return interpolate(tensor, size, mode="area")[0, 0].round().numpy().astype(np.uint8)


def _as_bytes(row: NDArray) -> NDArray:
    if row.dtype == np.uint8:
        return row
    values = row.astype(float)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(row.shape, np.uint8)
    low, high = np.quantile(values[finite], [0.005, 0.995])
    if high <= low:
        low, high = values[finite].min(), values[finite].max()
    values = np.where(finite, values, low)
    shares = (values - low) / (high - low) if high > low else np.zeros(row.shape)
    return np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)


def _png(pixels: NDArray) -> str:
    """Return bytes, grey or with three colours, as an address that a browser draws."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = pixels.shape[:2]
    colour_type = 2 if pixels.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    # every line starts with its filter: none
    lines = np.insert(pixels.reshape(height, -1), 0, 0, axis=1).astype(np.uint8).tobytes()
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    image += chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(image).decode()


class Table:
    """Values of a table beside the ranges of the classes; columns that differ most come first."""

    kind = "table"

    def __init__(self, X, codes, classes):
        self.X, self.codes = X.reset_index(drop=True), codes
        self.columns, self.shares = [], {}
        for place, name in enumerate(X.columns):
            values = self.X.iloc[:, place]
            number = pd.api.types.is_numeric_dtype(values) and values.dtype.kind != "b"
            column = {"name": _text(name), "number": number, "classes": []}
            shares = []
            for code in range(len(classes)):
                own = values[codes == code]
                there = own.dropna()
                entry = {"missing": float(own.isna().mean())}
                if number:
                    there = there.to_numpy(dtype=float)
                    there = there[np.isfinite(there)]
                    if len(there):
                        entry["range"] = _rounded(np.quantile(there, [0.05, 0.25, 0.5, 0.75, 0.95]))
                else:
                    shares.append(there.astype(str).value_counts() / max(len(own), 1))
                column["classes"].append(entry)
            self.columns.append(column)
            self.shares[place] = shares
        self.shared = {"columns": self.columns}

    def of_patient(self, rows: NDArray) -> tuple[dict, list[Any]]:
        """Return the values of some rows, the columns in order, and the texts with their shares."""
        values, order, texts_of = [], [], {}
        own = int(np.bincount(self.codes[rows]).argmax())
        for place, column in enumerate(self.columns):
            cells = self.X.iloc[rows, place]
            if column["number"]:
                found = cells.to_numpy(dtype=float, na_value=np.nan)
                infinite = np.isinf(found)
                drawn = zip(_rounded(found), found, infinite, strict=True)
                values.append([str(v) if inf else r for r, v, inf in drawn])
                order.append(_distance(found, column["classes"][own].get("range")))
            else:
                texts = [None if pd.isna(cell) else str(cell) for cell in cells]
                known = sorted({text for text in texts if text is not None})
                values.append([None if text is None else known.index(text) for text in texts])
                of_class = self.shares[place]
                texts_of[place] = [
                    [_text(text), [round(float(s.get(text, 0)), 4) for s in of_class]]
                    for text in known
                ]
                rare = [1 - of_class[own].get(text, 0) for text in texts if text is not None]
                order.append(float(np.mean(rare)) if rare else 0.0)
        patient = {
            "order": np.argsort(-np.array(order), kind="stable").tolist(),
            "texts": texts_of,
        }
        pictures = [[column[i] for column in values] for i in range(len(rows))]
        return patient, pictures


def _distance(values: NDArray, quantiles: list | None) -> float:
    """Return how far the median of values is from that of their class, in widths of its range."""
    values = values[np.isfinite(values)]
    if quantiles is None or not len(values):
        return 0.0
    width = quantiles[4] - quantiles[0] or abs(quantiles[2]) or 1.0
    return abs(float(np.median(values)) - quantiles[2]) / width


def _text(value: Any) -> str:
    """Return a text, cut if it is long."""
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"
