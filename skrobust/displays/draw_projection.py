"""Rows in two dimensions, the kept ones dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .drawing import color_of, lighten, marker_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_projection(
    ax: Axes, projected: NDArray, codes: NDArray, kept: NDArray, class_names: list[str]
) -> list[Any]:
    """Draw all rows light and the kept ones dark, with a legend below the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    projected : ndarray of shape (n_samples, 2)
        The rows in two dimensions.
    codes : ndarray of shape (n_samples,), int
        Class of every row, as position in `class_names`.
    kept : ndarray of shape (n_samples,), bool
        The kept rows.
    class_names : list of str
        Names of the classes.

    Returns
    -------
    scatters : list of matplotlib.collections.PathCollection
        All rows of each class, then the kept rows of each class.
    """
    from matplotlib.transforms import ScaledTranslation

    style = {"s": np.clip(6000 / len(codes), 8, 30), "linewidths": 0, "rasterized": True}
    scatters = []
    for only_kept in (False, True):
        for code, name in enumerate(class_names):
            own = codes == code
            rows = own & kept if only_kept else own
            color = color_of(code) if only_kept else lighten(color_of(code), 0.65)
            label = f"{name}: {rows.sum()} of {own.sum()} kept" if only_kept else None
            points = ax.scatter(
                *projected[rows].T, color=color, label=label, marker=marker_of(code), **style
            )
            scatters.append(points)
    below = ax.transAxes + ScaledTranslation(0, -0.45, ax.figure.dpi_scale_trans)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": below}
    ax.legend(ncols=2, markerscale=1.5, frameon=False, **place)
    return scatters
