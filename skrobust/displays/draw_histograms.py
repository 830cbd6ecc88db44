"""Histograms of all rows and of the kept ones, one over the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .drawing import lighten

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_histograms(
    ax: Axes, every: NDArray, kept: NDArray, edges: NDArray, color: str, density: bool
) -> tuple[list[Any], list[Any]]:
    """Draw all values light, the kept ones dark, and their medians as broken lines.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    every : ndarray of shape (n_values,)
        All values.
    kept : ndarray of shape (n_kept,)
        The kept ones, perhaps none.
    edges : ndarray of shape (n_bins + 1,)
        Edges of the bins.
    color : str
        Hexadecimal colour.
    density : bool
        Draw densities instead of counts.

    Returns
    -------
    bars : list of matplotlib.container.BarContainer
        Of all values, and of the kept ones.
    lines : list of matplotlib.lines.Line2D
        Their medians; of no values there is none.
    """
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
