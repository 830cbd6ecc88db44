"""One row as a curve, a picture, or the middle slice of a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def as_picture(row: NDArray) -> NDArray:
    """Return what is drawn of a row.

    Parameters
    ----------
    row : ndarray of shape (length,), or (channels, *spatial) with 1 to 3 spatial axes
        The row.

    Returns
    -------
    picture : ndarray of shape (n_curves, length) or (height, width)
        All channels of a signal; the first channel of an image, and of the middle slice of a
        volume.

    Raises
    ------
    ValueError
        If the row has more axes.
    """
    if row.ndim <= 2:
        return np.atleast_2d(row)
    if row.ndim == 3:
        return row[0]
    if row.ndim == 4:
        return row[0, row.shape[1] // 2]
    raise ValueError(f"a row of shape {row.shape} cannot be drawn: it has too many axes.")


def draw_row(ax: Axes, row: NDArray, **style: Any) -> Any:
    """Draw one row, without ticks for pictures.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    row : ndarray of shape (length,), or (channels, *spatial)
        The row.
    **style : dict
        Arguments for ``plot`` (signals) or ``imshow`` (pictures).

    Returns
    -------
    drawn : list of matplotlib.lines.Line2D, or matplotlib.image.AxesImage
        What was drawn.
    """
    picture = as_picture(row)
    if row.ndim <= 2:
        return ax.plot(picture.T, **style)
    ax.set(xticks=[], yticks=[])
    return ax.imshow(picture, **{"cmap": "gray", **style})


def draw_scaled_row(ax: Axes, row: NDArray, low: float, high: float) -> Any:
    """Draw one row on a given scale, without ticks.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    row : ndarray of shape (length,), or (channels, *spatial)
        The row.
    low, high : float
        Ends of the scale.

    Returns
    -------
    drawn : list of matplotlib.lines.Line2D, or matplotlib.image.AxesImage
        What was drawn.
    """
    if row.ndim <= 2:
        ax.set(ylim=(low, high), xticks=[], yticks=[])
        return draw_row(ax, row)
    return draw_row(ax, row, vmin=low, vmax=high)
