"""Where a network looks in single rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import isotonic_regression
from sklearn.utils import check_array

from ..evaluation.drawing import Display, check_length, check_names, color_of, lighten
from ..utils.groups import check_groups


def draw_signal_map(
    ax: Any, axis: NDArray, signal: NDArray, activation: NDArray, limits: NDArray, color: str
) -> tuple[list[Any], Any]:
    """Draw one signal as solid lines and its map, with a scale, as a dashed line below."""
    low, span = signal.min(), max(float(np.ptp(signal)), np.finfo(float).tiny)
    floor, height = low - 0.6 * span, 0.5 * span
    scale = height / max(np.ptp(limits), np.finfo(float).tiny)
    strip, zero = floor + (np.stack([activation, 0 * activation]) - limits[0]) * scale
    lines = []
    for channel, values in enumerate(signal):
        share = 0.5 * channel / len(signal)
        lines += ax.plot(axis, values, color=lighten(color, share), lw=1.3)
    (map_line,) = ax.plot(axis, strip, color="0.25", ls="--", lw=1.2)
    ax.fill_between(axis, zero, strip, color=color, alpha=0.25, lw=0)
    ax.plot(axis, zero, color="0.5", lw=0.8, ls=":")
    ax.set(xlim=axis[[0, -1]], ylim=(floor - 0.05 * span, low + 1.05 * span))
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= low + 1.05 * span])
    ax.set_ylabel("Signal\n(units of X)")
    right = ax.secondary_yaxis(
        "right",
        functions=(
            lambda y: limits[0] + (y - floor) / scale,
            lambda m: floor + (m - limits[0]) * scale,
        ),
    )
    # ticks far enough apart: the largest of either side, and 0
    right.set_yticks([0, *limits[np.abs(limits) > 0.2 * np.ptp(limits)]])
    right.yaxis.set_major_formatter("{x:.2g}")
    right.set_ylabel("Map (class score)", loc="bottom")
    return lines, map_line


def mark_peaks(
    ax: Any, peaks: Mapping[str, float], axis: NDArray, *, named: bool = True
) -> list[Any]:
    """Draw a thin line at every peak, and its name over the axes."""
    for position in peaks.values():
        ax.axvline(position, color="0.75", lw=0.7, zorder=0)
    if not named:
        return []
    names = sorted(peaks, key=peaks.get)
    places = spread([peaks[name] for name in names], 0.027 * np.ptp(axis))
    return [
        ax.annotate(
            name, (peaks[name], 1), (place, 1.32), xycoords=ax.get_xaxis_transform(),
            textcoords=ax.get_xaxis_transform(), rotation=90, ha="center", va="bottom",
            fontsize="small", arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.7},
        )
        for name, place in zip(names, places, strict=True)
    ]  # fmt: skip


def spread(positions: list[float], gap: float) -> NDArray:
    """Move sorted positions apart to a least distance, with the least sum of squared moves."""
    steps = gap * np.arange(len(positions))
    return isotonic_regression(np.array(positions) - steps) + steps


def check_axis(
    axis: ArrayLike | None, length: int, peaks: Mapping[str, float] | None
) -> NDArray | None:
    """Check positions and peaks of a signal."""
    positions = np.arange(length) if axis is None else np.asarray(axis, dtype=float)
    steps = np.diff(positions) if positions.shape == (length,) else np.zeros(1)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(
            f"axis of shape {positions.shape} does not fit: expected {length} increasing or "
            "decreasing positions, one per point of a row."
        )
    for name, position in (peaks or {}).items():
        if not positions.min() <= position <= positions.max():
            raise ValueError(
                f"Peak {name!r} at {position} lies outside the axis, which runs from "
                f"{positions[0]:g} to {positions[-1]:g}. Leave it out."
            )
    return None if axis is None else positions


@dataclass(eq=False, repr=False)
class ClassActivationDisplay(Display):
    """Rows and their class activation maps.

    As in Fig. 9 of the paper of :class:`~skrobust.NetClassifier`, a signal is drawn as a solid line
    with its map as a dashed line below; all maps have one scale. An image is drawn twice, the
    second time with the map over it, which is from an earlier layer than the paper's; strong values
    are less transparent. High values support the class, whether the signal is high or low there.
    Titles are red if the label is not the predicted one.

    Parameters
    ----------
    rows, maps : ndarray of shape (n_rows, channels, *spatial) and (n_rows, *spatial)
        The rows, signals or images, and their class activation maps.
    labels, names : ndarray and list of shape (n_rows,)
        Class that each map explains, and names of the rows.
    classes : ndarray of shape (n_classes,)
        All class labels, for the colours.
    axis : ndarray of shape (length,), default=None
        Position of every point of a signal, increasing or decreasing (ppm). None counts the points.
    axis_label : str, default=None
        What `axis` is, with its unit.
    peaks : dict of str to float, default=None
        Positions to mark, in units of `axis`.
    titles : list of str, default=None
        Title of every row; by default its name and the class that its map explains.
    is_wrong : ndarray of shape (n_rows,), bool, default=None
        Rows whose label is not the predicted one.

    Attributes
    ----------
    ax_ : ndarray of shape (n_rows,) or (n_rows, 2) of matplotlib.axes.Axes
        The axes, for images those of the image and of the overlay.
    lines_, map_lines_ : list of matplotlib.lines.Line2D
        Signals: one per row and channel, and the map of every row.
    peak_texts_ : list of matplotlib.text.Annotation
        Signals: the names of the peaks.
    images_ : list of matplotlib.image.AxesImage
        Images: the overlaid map of every row.

    Examples
    --------
    >>> from skrobust import NetClassifier
    >>> from skrobust.neural import ClassActivationDisplay
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 64)).astype("float32")
    >>> clf = NetClassifier(max_epochs=1, module__width=4, random_state=0).fit(X, [0, 1] * 10)
    >>> display = ClassActivationDisplay.from_estimator(clf, X[:2], peaks={"NAA": 20})
    >>> display.plot().maps.shape
    (2, 64)
    """

    rows: NDArray
    maps: NDArray
    labels: NDArray
    classes: NDArray
    names: list[str]
    _: KW_ONLY
    axis: NDArray | None = None
    axis_label: str | None = None
    peaks: dict[str, float] | None = None
    titles: list[str] | None = None
    is_wrong: NDArray | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        target: Any = None,
        groups: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        axis: ArrayLike | None = None,
        axis_label: str | None = None,
        names: Sequence[str] | None = None,
        peaks: Mapping[str, float] | None = None,
    ) -> ClassActivationDisplay:
        """Compute the maps of a few rows, and return their display.

        Parameters
        ----------
        estimator : object
            A fitted classifier with ``class_activation_map``: a :class:`~skrobust.NetClassifier`.
        X : array-like of shape (n_rows, n_features) or (n_rows, channels, *spatial)
            The rows.
        y : array-like of shape (n_rows,), default=None
            Their labels.
        target : label or array-like of shape (n_rows,), default=None
            Class to explain, one for all rows or one for each; by default the predicted one.
        groups : array-like of shape (n_rows,), default=None
            Group (patient) of every row, for the titles.
        class_names : sequence of str, default=None
            Names of the classes, in the order of ``classes_``; by default their labels.
        names : sequence of str of length n_rows, default=None
            Names of the rows; by default they are numbered from 0.
        axis, axis_label, peaks : array-like, str, and dict of str to float, default=None
            For signals, see the parameters of the display.
        """
        if not hasattr(estimator, "class_activation_map"):
            raise ValueError(
                f"{type(estimator).__name__} has no class_activation_map. Give a fitted "
                "NetClassifier; of a pipeline its last step, and X as that step gets it."
            )
        array = check_array(X, allow_nd=True, input_name="X")
        predicted = np.asarray(estimator.predict(X))
        labels = predicted
        if target is not None:
            labels = np.full(len(array), target) if np.ndim(target) == 0 else np.asarray(target)
        fine = {"fine": True} if len(getattr(estimator, "input_shape_", ())) == 3 else {}
        maps = np.asarray(estimator.class_activation_map(X, labels, **fine))
        signals = maps.ndim == 2
        if maps.ndim not in (2, 3):
            raise ValueError(
                f"The maps have shape {maps.shape}. Only signals and images are drawn; for "
                "a volume use class_activation_map and show slices of it."
            )
        names = check_names(names, [f"row {i}" for i in range(len(array))], "rows")
        if groups is not None:
            patients = check_groups(groups, len(array))
            names = [f"{name}, patient {g}" for name, g in zip(names, patients, strict=True)]
        if not signals and not (axis is None and peaks is None and axis_label is None):
            raise ValueError("axis, axis_label and peaks are for signals, but the rows are images.")
        axis = check_axis(axis, maps.shape[1], peaks) if signals else None
        given = None if y is None else check_length(y, len(array), "y")
        classes = estimator.classes_.tolist()
        named = dict(zip(classes, check_names(class_names, classes, "classes"), strict=True))
        proba = estimator.predict_proba(X).max(1) if hasattr(estimator, "predict_proba") else None
        titles = []
        for i, (name, found) in enumerate(zip(names, predicted.tolist(), strict=True)):
            title = f"predicted {named[found]}" + ("" if proba is None else f" ({proba[i]:.2g})")
            if given is not None:
                title = f"labelled {named.get(given[i].item(), given[i])}, {title}"
            if labels[i] != found:
                title += f"; map for {named[labels[i].item()]}"
            titles.append(f"{name}\n{title}")
        return cls(
            array.reshape(len(array), -1, *maps.shape[1:]), maps, labels, estimator.classes_,
            names, axis=axis, axis_label=axis_label, peaks=None if peaks is None else dict(peaks),
            titles=titles, is_wrong=None if given is None else given != predicted,
        )  # fmt: skip

    def plot(self, ax: Any = None, *, channel: int = 0) -> Self:
        """Draw rows and maps, of images one `channel`; `ax` as in the other displays."""
        if not 0 <= channel < self.rows.shape[1]:
            raise ValueError(
                f"channel is {channel}, but the rows have {self.rows.shape[1]} channels."
            )
        return self._plot(ax, channel=channel)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        n = len(self.rows)
        if self.maps.ndim == 2:
            return self.names, {"figsize": (8, 1.2 + 2.3 * n), "sharex": True}
        panels = [[f"{name}, {part}" for part in ("row", "map")] for name in self.names]
        return panels, {"figsize": (6.4, 0.3 + 3 * n)}

    def _draw(self, channel: int) -> None:
        self.lines_, self.map_lines_, self.peak_texts_, self.images_ = [], [], [], []
        if self.maps.ndim == 2:
            self._draw_signals()
        else:
            self._draw_images(channel)
        shown = zip(self.names, self.labels, strict=True)
        titles = self.titles or [f"{name}: map for {label}" for name, label in shown]
        for i, (axes, title) in enumerate(zip(self.ax_, titles, strict=True)):
            wrong = self.is_wrong is not None and self.is_wrong[i]
            style = {"loc": "left", "fontsize": "medium", "color": "#C00000" if wrong else "black"}
            np.atleast_1d(axes)[0].set_title(title, **style)

    def _draw_signals(self) -> None:
        from matplotlib.lines import Line2D

        axis = np.arange(self.maps.shape[1]) if self.axis is None else self.axis
        limits = np.array([min(0.0, self.maps.min()), max(0.0, self.maps.max())])
        for i, ax in enumerate(self.ax_):
            color = color_of(int(np.searchsorted(self.classes, self.labels[i])))
            lines, map_line = draw_signal_map(ax, axis, self.rows[i], self.maps[i], limits, color)
            self.lines_ += lines
            self.map_lines_.append(map_line)
            if self.peaks:
                self.peak_texts_ += mark_peaks(ax, self.peaks, axis, named=i == 0)
        ax.set_xlabel(self.axis_label or ("Point" if self.axis is None else "Position"))
        if self._made_figure:
            styles = {"signal": "-", "map: above 0 supports the class": "--"}
            lines = [Line2D([], [], color="0.25", ls=ls, label=name) for name, ls in styles.items()]
            self.figure_.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False)

    def _draw_images(self, channel: int) -> None:
        # one strong pixel must not hide all others
        top = max(float(np.quantile(self.maps, 0.995)), np.finfo(float).tiny)
        for (plain, over), row, activation in zip(self.ax_, self.rows, self.maps, strict=True):
            for ax in (plain, over):
                ax.imshow(row[channel], cmap="gray")
                ax.set(xticks=[], yticks=[])
            # weak values are transparent
            alpha = 0.85 * np.clip(activation / top, 0, 1)
            options = {"cmap": "plasma", "vmin": 0, "vmax": top}
            self.images_.append(over.imshow(activation, alpha=alpha, **options))
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        scale = ScalarMappable(Normalize(0, top), "plasma")
        label = "Supports the class (log odds)"
        self.figure_.colorbar(scale, ax=self.ax_[:, 1].tolist(), label=label, extend="max")
