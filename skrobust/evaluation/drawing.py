"""Shared by all displays: figure and axes, names, colours, drawing of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils import column_or_1d

from ..utils.sklearn_private import check_matplotlib_support

# Okabe and Ito's colours, which colour-blind readers can tell apart, without the pale yellow
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


class Display:
    """Base of all displays: ``plot``, and the figure and axes that it draws into.

    A display is computed in ``from_*`` and stores its data as attributes. ``_layout`` returns the
    names of the panels (one, a list, or a table) and arguments of ``subplots``, and ``_draw`` draws
    into ``ax_``.
    """

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of Axes, default=None
            Axes to draw into, one for each panel, line by line. None makes a figure.

        Returns
        -------
        self : object
            The display, with ``ax_`` (the axes, or an array of them), ``figure_`` and the other
            attributes that hold what was drawn.

        Raises
        ------
        ImportError, ValueError
            If matplotlib is not installed, or `ax` has the wrong number of axes.
        """
        return self._plot(ax)

    def _plot(self, ax: Any, **options: Any) -> Self:
        """Get the axes and draw; the options are those of ``_draw``."""
        check_matplotlib_support(f"{type(self).__name__}.plot")
        names, figure_options = self._layout()
        panels = np.array(names, dtype=object)
        self._made_figure = ax is None
        if ax is None:
            axes = self._make_axes(panels.shape, figure_options)
        else:
            axes = np.array(ax, dtype=object)
            if axes.size != panels.size:
                raise ValueError(
                    f"ax holds {axes.size} axes, but {panels.size} panels are drawn: "
                    f"{', '.join(panels.flat)}. Give as many axes, or none to create them."
                )
        axes = axes.reshape(panels.shape)
        self.ax_ = axes if axes.ndim else axes.item()
        self.figure_ = axes.flat[0].figure
        self._draw(**options)
        return self

    def _make_axes(self, shape: tuple[int, ...], options: dict[str, Any]) -> NDArray:
        """Make a figure with one panel below the other, or with a table of panels."""
        import matplotlib.pyplot as plt

        rows, columns = (*shape, 1, 1)[:2]
        options = {"nrows": rows, "ncols": columns, "squeeze": False, **options}
        axes = plt.subplots(layout="constrained", **options)[1].ravel()
        for spare in axes[math.prod(shape) :]:
            spare.remove()
        return axes[: math.prod(shape)]


def color_of(index: int) -> str:
    """Return the colour of the class or method at a position."""
    return COLORS[index % len(COLORS)]


def marker_of(index: int) -> str:
    """Return the marker at a position; markers repeat after 7."""
    return MARKERS[index % len(MARKERS)]


def line_of(index: int) -> str:
    """Return the line style at a position."""
    return LINES[index // len(COLORS) % len(LINES)]


def lighten(color: str, share: float) -> tuple[float, ...]:
    """Mix a colour with white."""
    rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(share + (1 - share) * part for part in rgb)


def check_names(names: Iterable[Any] | None, default: Iterable[Any], what: str) -> list[str]:
    """Return names as a list of strings; None returns the default."""
    default = list(map(str, default))
    names = default if names is None else list(map(str, names))
    if len(names) != len(default):
        raise ValueError(
            f"{len(names)} names were given, {names}, but there are {len(default)} {what}."
        )
    return names


def check_length(values: Any, n_rows: int, name: str) -> NDArray:
    """Return values as an array with one entry per row."""
    values = column_or_1d(values)
    if len(values) != n_rows:
        raise ValueError(f"{name} has {len(values)} entries, but there are {n_rows} rows.")
    return values


def metric_label(metric: str) -> str:
    """Return the name of a score as people write it."""
    return metric.replace("roc_auc", "ROC AUC").replace("_", " ")


def as_picture(row: NDArray, place: int | None = None) -> NDArray:
    """Return the drawn part of a row; of a volume the slice at a position, or the middle one."""
    if row.ndim > 4:
        raise ValueError(f"a row of shape {row.shape} cannot be drawn: it has too many axes.")
    if row.ndim == 4:
        return row[0, row.shape[1] // 2 if place is None else place]
    return row[0] if row.ndim == 3 else np.atleast_2d(row)


def draw_row(ax: Any, row: NDArray, place: int | None = None, **style: Any) -> Any:
    """Draw one row, without ticks for pictures."""
    picture = as_picture(row, place)
    if row.ndim <= 2:
        return ax.plot(picture.T, **style)
    ax.set(xticks=[], yticks=[])
    return ax.imshow(picture, **{"cmap": "gray", **style})


def project_rows(X: NDArray, projection: Any, random_state: Any) -> tuple[NDArray, str]:
    """Project rows to two dimensions."""
    if projection is None or (isinstance(projection, str) and projection == "pca"):
        if min(X.shape) < 2:
            raise ValueError(
                f"X has shape {X.shape} after flattening the rows; two principal components need "
                "at least 2 rows and 2 features."
            )
        projection = PCA(2)
    elif not hasattr(projection, "fit_transform"):
        raise ValueError(
            f"projection is {projection!r}, expected 'pca' or a transformer with fit_transform, "
            "such as sklearn.manifold.TSNE()."
        )
    projection = clone(projection)
    if random_state is not None and "random_state" in projection.get_params():
        projection.set_params(random_state=random_state)
    projected = np.asarray(projection.fit_transform(X))
    if projected.shape != (len(X), 2):
        raise ValueError(
            f"{type(projection).__name__} returns an array of shape {projected.shape}, expected "
            f"{(len(X), 2)}. Set its number of components to 2."
        )
    return projected, type(projection).__name__
