"""Small pictures as SVG, which a page can hold without any other file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

_WIDTH, _HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 15, 14, 40
_BLUE, _RED, _GREY = "#0072B2", "#D55E00", "#8a8f98"
_COLORS = (_RED, _BLUE, "#009E73")
_MOST_POINTS = 300


def dots(
    values: ArrayLike, marked: ArrayLike, titles: Sequence[str], x_label: str, y_label: str
) -> str:
    """Draw probabilities in order, some of them marked; a title shows under the pointer."""
    values, marked = np.asarray(values, dtype=float), np.asarray(marked, dtype=bool)
    frame = _Frame((0.5, len(values) + 0.5), (-0.04, 1.04), x_label, y_label)
    for i, (value, mark) in enumerate(zip(values, marked, strict=True)):
        color, radius = (_RED, 4.5) if mark else (_BLUE, 3)
        circle = f'<circle cx="{frame.x(i + 1):.1f}" cy="{frame.y(value):.1f}" r="{radius}"'
        frame.add(f'{circle} fill="{color}"><title>{escape(titles[i])}</title></circle>')
    return frame.svg()


def line(x: ArrayLike, y: ArrayLike, x_label: str, y_label: str) -> str:
    """Draw a line with dots, and the value at every dot."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    frame = _Frame((0, 1.08 * x.max()), _range(y), x_label, y_label)
    places = [(frame.x(a), frame.y(b)) for a, b in zip(x, y, strict=True)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    frame.add(f'<polyline points="{path}" fill="none" stroke="{_BLUE}" stroke-width="2"/>')
    for (a, b), value in zip(places, y, strict=True):
        frame.add(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{_BLUE}"/>')
        frame.text(a, b - 9, f"{value:.2f}", anchor="middle")
    return frame.svg()


def pairs(names: Sequence[str], first: ArrayLike, second: ArrayLike, legend: Sequence[str]) -> str:
    """Draw two numbers of every name on one line, the first in grey."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    height = _TOP + _BOTTOM + 34 * len(names) + 18
    low = min(0.5, np.min([first, second]) - 0.02)
    frame = _Frame((low, 1.0), (-0.5, len(names)), "AUC", "", height=height, left=150, show_y=False)
    for i, name in enumerate(names):
        y = frame.y(len(names) - 1 - i)
        a, b = frame.x(first[i]), frame.x(second[i])
        frame.add(f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}" stroke="{_GREY}"/>')
        frame.add(f'<circle cx="{a:.1f}" cy="{y}" r="5" fill="{_GREY}"/>')
        frame.add(f'<circle cx="{b:.1f}" cy="{y}" r="5" fill="{_RED}"/>')
        frame.text(140, y + 4, name, anchor="end")
    for place, color, text in ((150, _GREY, legend[0]), (330, _RED, legend[1])):
        frame.add(f'<circle cx="{place + 6}" cy="12" r="5" fill="{color}"/>')
        frame.text(place + 16, 16, text)
    return frame.svg()


def curves(everyone: NDArray, marked: Sequence[NDArray], names: Sequence[str]) -> str:
    """Draw curves over the median and the middle 90% of everyone's."""
    step = -(-everyone.shape[1] // _MOST_POINTS)
    places = np.arange(0, everyone.shape[1], step)
    low, median, high = np.nanquantile(everyone[:, ::step], [0.05, 0.5, 0.95], axis=0)
    marked = [np.asarray(curve, dtype=float)[::step] for curve in marked]
    values = np.concatenate([low, high, *marked])
    bottom, top = _range(values[np.isfinite(values)])
    top += 0.12 * len(marked) * (top - bottom)  # room for the names
    frame = _Frame((0, places[-1]), (bottom, top), "position", "")

    def path(x: NDArray, y: NDArray) -> str:
        known = np.isfinite(y)
        points = zip(x[known], y[known], strict=True)
        return " ".join(f"{frame.x(a):.1f},{frame.y(b):.1f}" for a, b in points)

    around = path(np.append(places, places[::-1]), np.append(low, high[::-1]))
    frame.add(f'<polygon points="{around}" fill="#dfe3e8"/>')
    frame.add(f'<polyline points="{path(places, median)}" fill="none" stroke="{_GREY}"/>')
    for i, (curve, name, color) in enumerate(zip(marked, names, _COLORS, strict=False)):
        frame.add(f'<polyline points="{path(places, curve)}" fill="none" stroke="{color}"/>')
        frame.add(f'<path d="M{_LEFT + 10} {22 + 15 * i}h16" stroke="{color}" stroke-width="3"/>')
        frame.text(_LEFT + 31, 26 + 15 * i, name)
    return frame.svg()


class _Frame:
    """Axes with ticks, and what is drawn inside."""

    def __init__(self, x_range, y_range, x_label, y_label, height=_HEIGHT, left=_LEFT, show_y=True):
        self.x_range, self.y_range, self.height, self.left = x_range, y_range, height, left
        self.parts: list[str] = []
        self.label = f"{y_label or 'values'} by {x_label}"
        bottom = height - _BOTTOM
        self.add(
            f'<path d="M{left} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="{_GREY}"/>'
        )
        for tick in _ticks(x_range):
            self.text(self.x(tick), bottom + 16, f"{tick:.4g}", anchor="middle")
        self.text((left + _WIDTH - _RIGHT) / 2, height - 6, x_label, anchor="middle")
        for tick in _ticks(y_range) if show_y else ():
            self.text(left - 6, self.y(tick) + 4, f"{tick:,.6g}", anchor="end")
        if y_label:
            self.text(14, (_TOP + bottom) / 2, y_label, anchor="middle", turn=True)

    def x(self, value: float) -> float:
        """Return the place of a value from left to right."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (_WIDTH - _RIGHT - self.left)

    def y(self, value: float) -> float:
        """Return the place of a value from the top."""
        low, high = self.y_range
        return _TOP + (high - value) / (high - low) * (self.height - _TOP - _BOTTOM)

    def add(self, part: str) -> None:
        """Add an element."""
        self.parts.append(part)

    def text(self, x: float, y: float, text: str, anchor: str = "start", turn: bool = False):
        """Add a text."""
        around = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
        place = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{around}>'
        self.add(f"{place}{escape(str(text))}</text>")

    def svg(self) -> str:
        """Return the picture."""
        size = f'viewBox="0 0 {_WIDTH} {self.height}" width="{_WIDTH}"'
        inside = "".join(self.parts)
        return f'<svg {size} role="img" aria-label="{escape(self.label)}">{inside}</svg>'


def _range(values) -> tuple[float, float]:
    """Return a range with some space around values."""
    low, high = float(np.min(values)), float(np.max(values))
    space = 0.15 * (high - low) or 0.1
    return low - space, high + space


def _ticks(limits: tuple[float, float]) -> list[float]:
    """Return round numbers within limits."""
    low, high = limits
    step = 10 ** np.floor(np.log10((high - low) / 2))
    while (high - low) / step > 6:
        step *= 2 if (high - low) / step < 12 else 5
    first, last = np.ceil(low / step), np.floor(high / step)
    return [float(t) for t in np.arange(first, last + 1) * step + 0.0]
