"""What all displays share: colours, markers, and the axes to draw into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..utils.sklearn_private import check_matplotlib_support

# Okabe and Ito's colours, which colour-blind readers can tell apart, without the pale yellow
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


def color_of(index: int) -> str:
    """Return the colour of the class or method at a position.

    Parameters
    ----------
    index : int
        Position, from 0; colours repeat after 7.

    Returns
    -------
    color : str
        Hexadecimal colour.
    """
    return COLORS[index % len(COLORS)]


def marker_of(index: int) -> str:
    """Return the marker at a position; markers repeat after 7.

    Parameters
    ----------
    index : int
        Position, from 0.

    Returns
    -------
    marker : str
        Matplotlib's name of the marker.
    """
    return MARKERS[index % len(MARKERS)]


def line_of(index: int) -> str:
    """Return the line style at a position.

    Parameters
    ----------
    index : int
        Position, from 0.

    Returns
    -------
    linestyle : str
        Another one after every 7, so that with :func:`color_of` 28 lines differ.
    """
    return LINES[index // len(COLORS) % len(LINES)]


def lighten(color: str, share: float) -> tuple[float, ...]:
    """Mix a colour with white.

    Parameters
    ----------
    color : str
        Hexadecimal colour, such as ``"#0072B2"``.
    share : float in [0, 1]
        Share of white.

    Returns
    -------
    color : tuple of float
        Red, green and blue between 0 and 1.

    Examples
    --------
    >>> from skrobust.displays.drawing import lighten
    >>> lighten("#000000", 0.5)
    (0.5, 0.5, 0.5)
    """
    rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(share + (1 - share) * part for part in rgb)


def load_pyplot(caller: str) -> Any:
    """Import and return ``matplotlib.pyplot``.

    Parameters
    ----------
    caller : str
        Name for the error message.

    Returns
    -------
    pyplot : module
        The module.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_matplotlib_support(caller)
    import matplotlib.pyplot as plt

    return plt


def given_axes(ax: Any, panels: Sequence[str]) -> list[Any]:
    """Check the axes that a user gave to ``plot``.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or array-like of Axes
        What the user gave.
    panels : sequence of str
        What each of the axes will show.

    Returns
    -------
    axes : list of matplotlib.axes.Axes
        One per panel.

    Raises
    ------
    ValueError
        If their number is wrong.
    """
    axes = np.array(ax, dtype=object).ravel().tolist()
    if len(axes) != len(panels):
        raise ValueError(
            f"ax holds {len(axes)} axes, but {len(panels)} panels are drawn: {', '.join(panels)}. "
            "Give as many axes, or none to have them made."
        )
    return axes


def check_names(names: Iterable[Any], n_names: int, what: str) -> list[str]:
    """Return names as a list of strings.

    Parameters
    ----------
    names : iterable
        The names.
    n_names : int
        How many there must be.
    what : str
        What they name, in the plural, for the error message.

    Returns
    -------
    names : list of str
        The names.

    Raises
    ------
    ValueError
        If their number is wrong.
    """
    names = [str(name) for name in names]
    if len(names) != n_names:
        raise ValueError(f"{len(names)} names were given, {names}, but there are {n_names} {what}.")
    return names
