"""What displays share: figure, axes, colours, rows drawn by their kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA

from ..utils.sklearn_private import check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Okabe and Ito's colours, which colour-blind readers can tell apart, without the pale yellow
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


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


def load_pyplot(caller: str) -> Any:
    """Import and return ``matplotlib.pyplot``."""
    check_matplotlib_support(caller)
    import matplotlib.pyplot as plt

    return plt


def given_axes(ax: Any, panels: Sequence[str]) -> list[Any]:
    """Check the axes that a user gave to ``plot``."""
    axes = np.array(ax, dtype=object).ravel().tolist()
    if len(axes) != len(panels):
        raise ValueError(
            f"ax holds {len(axes)} axes, but {len(panels)} panels are drawn: {', '.join(panels)}. "
            "Give as many axes, or none to have them made."
        )
    return axes


def check_names(names: Iterable[Any], n_names: int, what: str) -> list[str]:
    """Return names as a list of strings."""
    names = [str(name) for name in names]
    if len(names) != n_names:
        raise ValueError(f"{len(names)} names were given, {names}, but there are {n_names} {what}.")
    return names


def as_picture(row: NDArray) -> NDArray:
    """Return what is drawn of a row."""
    if row.ndim <= 2:
        return np.atleast_2d(row)
    if row.ndim == 3:
        return row[0]
    if row.ndim == 4:
        return row[0, row.shape[1] // 2]
    raise ValueError(f"a row of shape {row.shape} cannot be drawn: it has too many axes.")


def draw_row(ax: Axes, row: NDArray, **style: Any) -> Any:
    """Draw one row, without ticks for pictures."""
    picture = as_picture(row)
    if row.ndim <= 2:
        return ax.plot(picture.T, **style)
    ax.set(xticks=[], yticks=[])
    return ax.imshow(picture, **{"cmap": "gray", **style})


def draw_scaled_row(ax: Axes, row: NDArray, low: float, high: float) -> Any:
    """Draw one row on a given scale, without ticks."""
    if row.ndim <= 2:
        ax.set(ylim=(low, high), xticks=[], yticks=[])
        return draw_row(ax, row)
    return draw_row(ax, row, vmin=low, vmax=high)


def draw_histograms(
    ax: Axes, every: NDArray, kept: NDArray, edges: NDArray, color: str, density: bool
) -> tuple[list[Any], list[Any]]:
    """Draw all values light, the kept ones dark, and their medians as broken lines."""
    bars, lines = [], []
    for values, shade, style, name in (
        (every, lighten(color, 0.65), ":", "all"),
        (kept, color, "--", "kept"),
    ):
        # the density of no values is not defined, their count is 0
        as_density = density and len(values) > 0
        bars.append(ax.hist(values, edges, color=shade, density=as_density, alpha=0.85)[2])
        if len(values):
            median = np.median(values)
            label = f"median, {name}: {median:.3g}"
            lines.append(ax.axvline(median, color="black", ls=style, lw=1.6, label=label))
    ax.set_ylabel("Density" if density else "Rows")
    ax.legend(frameon=False, fontsize="small")
    return bars, lines


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
            f"{type(projection).__name__} leads to an array of shape {projected.shape}, expected "
            f"{(len(X), 2)}. Set its number of components to 2."
        )
    return projected, type(projection).__name__
