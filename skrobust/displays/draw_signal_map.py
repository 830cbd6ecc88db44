"""A signal with its class activation map below, and names over its peaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import isotonic_regression

from .drawing import lighten

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_signal_map(
    ax: Axes,
    axis: NDArray,
    signal: NDArray,
    activation: NDArray,
    limits: tuple[float, float],
    color: str,
    title: str,
) -> tuple[list[Any], Any]:
    """Draw one signal as solid lines and its map as a dashed line below.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    axis : ndarray of shape (length,)
        Positions; a decreasing axis is drawn from high to low.
    signal : ndarray of shape (channels, length)
        The signal.
    activation : ndarray of shape (length,)
        The map.
    limits : tuple of (float, float)
        Values of the map at the lower and upper edge of its strip; 0 lies between them.
    color : str
        Hexadecimal colour of the class.
    title : str
        Title, written inside the axes.

    Returns
    -------
    lines : list of matplotlib.lines.Line2D
        One per channel.
    map_line : matplotlib.lines.Line2D
        The map.
    """
    low, span = signal.min(), max(float(np.ptp(signal)), np.finfo(float).tiny)
    floor, height = low - 0.55 * span, 0.45 * span
    width = limits[1] - limits[0]
    scale = height / width if width > 0 else 0.0
    strip = floor + (activation - limits[0]) * scale
    lines = []
    for channel, values in enumerate(signal):
        share = 0.5 * channel / len(signal)
        lines += ax.plot(axis, values, color=lighten(color, share), lw=1.3)
    lines[0].set_label("signal")
    (map_line,) = ax.plot(axis, strip, color="0.25", ls="--", lw=1.2, label="map (scaled)")
    zero = floor - limits[0] * scale
    ax.fill_between(axis, zero, strip, color=color, alpha=0.25, lw=0)
    ax.axhline(zero, color="0.5", lw=0.8, ls=":", label="map = 0")
    ax.set_xlim(axis[0], axis[-1])
    ax.set_ylim(floor - 0.05 * span, low + 1.35 * span)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= low + 1.05 * span])
    ax.set_ylabel("Signal\n(units of X)")
    box = {"color": "white", "alpha": 0.8, "pad": 1}
    ax.text(0.01, 0.97, title, color=color, va="top", bbox=box, transform=ax.transAxes)
    return lines, map_line


def mark_peaks(
    ax: Axes, peaks: Mapping[str, float], axis: NDArray, *, named: bool = True
) -> list[Any]:
    """Draw a thin line at every peak, and its name over the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    peaks : dict of str to float
        Positions.
    axis : ndarray of shape (length,)
        Positions of the points.
    named : bool, default=True
        Write the names; close ones are moved apart.

    Returns
    -------
    texts : list of matplotlib.text.Annotation
        The names, if written.
    """
    for position in peaks.values():
        ax.axvline(position, color="0.75", lw=0.7, zorder=0)
    if not named:
        return []
    names = sorted(peaks, key=peaks.get)
    places = spread([peaks[name] for name in names], 0.027 * np.ptp(axis))
    return [
        ax.annotate(
            name, (peaks[name], 1), (place, 1.08), xycoords=ax.get_xaxis_transform(),
            textcoords=ax.get_xaxis_transform(), rotation=90, ha="center", va="bottom",
            fontsize="small", arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.7},
        )
        for name, place in zip(names, places, strict=True)
    ]  # fmt: skip


def spread(positions: list[float], gap: float) -> NDArray:
    """Move sorted positions apart to a least distance, with the least sum of squared moves.

    Parameters
    ----------
    positions : list of float
        Increasing positions.
    gap : float
        Least distance.

    Returns
    -------
    places : ndarray of shape (n_positions,)
        Increasing places.

    Examples
    --------
    >>> from skrobust.displays.draw_signal_map import spread
    >>> spread([1.0, 1.0, 5.0], 0.5)
    array([0.75, 1.25, 5.  ])
    """
    steps = gap * np.arange(len(positions))
    return isotonic_regression(np.array(positions) - steps) + steps


def check_axis(
    axis: ArrayLike | None, length: int, peaks: Mapping[str, float] | None
) -> NDArray | None:
    """Check positions and peaks of a signal.

    Parameters
    ----------
    axis : array-like of shape (length,) or None
        Position of every point; None counts them.
    length : int
        Number of points.
    peaks : dict of str to float or None
        Positions that must lie on the axis.

    Returns
    -------
    axis : ndarray of shape (length,) or None
        The axis as an array.

    Raises
    ------
    ValueError
        If the axis does not fit or a peak lies outside.
    """
    if axis is None:
        positions = np.arange(length)
    else:
        axis = positions = np.asarray(axis, dtype=float)
        steps = np.diff(axis) if axis.shape == (length,) else np.zeros(1)
        if not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError(
                f"axis of shape {axis.shape} does not fit: expected {length} increasing or "
                "decreasing positions, one per point of a row."
            )
    for name, position in (peaks or {}).items():
        if not positions.min() <= position <= positions.max():
            raise ValueError(
                f"Peak {name!r} at {position} lies outside the axis, which runs from "
                f"{positions[0]:g} to {positions[-1]:g}. Leave it out."
            )
    return axis
