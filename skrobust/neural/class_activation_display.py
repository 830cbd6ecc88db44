"""What a network looks at in single rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import isotonic_regression
from sklearn.utils import check_array

from ..evaluation.drawing import check_names, color_of, given_axes, lighten, load_pyplot

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
    """Draw one signal as solid lines and its map as a dashed line below."""
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
    """Draw a thin line at every peak, and its name over the axes."""
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
    """Move sorted positions apart to a least distance, with the least sum of squared moves."""
    steps = gap * np.arange(len(positions))
    return isotonic_regression(np.array(positions) - steps) + steps


def check_axis(
    axis: ArrayLike | None, length: int, peaks: Mapping[str, float] | None
) -> NDArray | None:
    """Check positions and peaks of a signal."""
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


def draw_image_map(
    plain: Axes,
    over: Axes,
    image: NDArray,
    activation: NDArray,
    limits: tuple[float, float],
    titles: tuple[str, str],
) -> Any:
    """Draw the image alone, and with its map."""
    plain.imshow(image, cmap="gray")
    # a paler image below leaves the colours of the map readable
    over.imshow(image, cmap="gray", alpha=0.5)
    low, high = limits
    overlay = over.imshow(activation, cmap="viridis", alpha=0.6, vmin=low, vmax=high)
    for ax, title in ((plain, titles[0]), (over, titles[1])):
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, loc="left", fontsize="medium")
    return overlay


class ClassActivationDisplay:
    """Rows and their class activation maps, as in the paper's Fig. 9 [1]_.

    A signal is drawn as a solid line with its map as a dashed line below; one scale serves the
    maps of all rows, so that they can be compared. An image is drawn beside itself with the map
    over it. High values speak for the class, whether the signal is high or low there.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, channels, *spatial)
        The rows; spatial is the length, or height and width.
    maps : ndarray of shape (n_rows, *spatial)
        Their class activation maps.
    labels : ndarray of shape (n_rows,)
        Class that each map speaks for.
    classes : ndarray of shape (n_classes,)
        All class labels; a class keeps its colour from picture to picture.
    names : list of str
        Names of the rows.
    axis : ndarray of shape (length,), default=None
        Position of every point of a signal; decreasing positions (ppm) are drawn with the
        highest on the left. None counts the points.
    axis_label : str, default=None
        What `axis` is, with its unit.
    peaks : dict of str to float, default=None
        Positions to mark, in units of `axis`.

    Attributes
    ----------
    ax_ : ndarray of shape (n_rows,) or (n_rows, 2) of matplotlib.axes.Axes
        The axes, for images those of the image and of the overlay.
    figure_ : matplotlib.figure.Figure
        The figure.
    lines_ : list of matplotlib.lines.Line2D
        Signals: one per row and channel.
    map_lines_ : list of matplotlib.lines.Line2D
        Signals: the map of every row.
    peak_texts_ : list of matplotlib.text.Annotation
        Signals: the names of the peaks.
    images_ : list of matplotlib.image.AxesImage
        Images: the overlaid map of every row.

    References
    ----------
    .. [1] D. Lu, N. Polomac, I. Gacheva, E. Hattingen and J. Triesch, "Human-expert-level brain
       tumor detection using deep learning with data distillation and augmentation", preprint,
       sections 4.4 and 5.6.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skrobust import NetClassifier
    >>> from skrobust.neural import ClassActivationDisplay
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 64)).astype("float32")
    >>> clf = NetClassifier(max_epochs=1, module__width=4, random_state=0).fit(X, [0, 1] * 10)
    >>> axis = np.linspace(4.3, 0.2, 64)
    >>> display = ClassActivationDisplay.from_estimator(
    ...     clf, X[:2], axis=axis, axis_label="Chemical shift (ppm)", peaks={"NAA": 2.01}
    ... )
    >>> display.maps.shape
    (2, 64)
    >>> display.plot().ax_[0].get_xlabel(), display.ax_[-1].get_xlabel()
    ('', 'Chemical shift (ppm)')
    """

    def __init__(
        self,
        rows: NDArray,
        maps: NDArray,
        labels: NDArray,
        classes: NDArray,
        names: list[str],
        *,
        axis: NDArray | None = None,
        axis_label: str | None = None,
        peaks: dict[str, float] | None = None,
    ):
        self.rows = rows
        self.maps = maps
        self.labels = labels
        self.classes = classes
        self.names = names
        self.axis = axis
        self.axis_label = axis_label
        self.peaks = peaks

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        target: Any = None,
        axis: ArrayLike | None = None,
        axis_label: str | None = None,
        names: Sequence[str] | None = None,
        peaks: Mapping[str, float] | None = None,
    ) -> ClassActivationDisplay:
        """Compute the maps of a few rows.

        Parameters
        ----------
        estimator : object
            A fitted classifier with ``class_activation_map``, such as
            :class:`~skrobust.NetClassifier`.
        X : array-like of shape (n_rows, n_features) or (n_rows, channels, *spatial)
            The rows.
        target : label or array-like of shape (n_rows,), default=None
            Class to explain, one for all rows or one for each; by default the predicted one.
        axis : array-like of shape (length,), default=None
            Signals: position of every point, such as the chemical shift in ppm.
        axis_label : str, default=None
            Signals: what `axis` is, with its unit.
        names : sequence of str of length n_rows, default=None
            Names of the rows; by default they are numbered from 0.
        peaks : dict of str to float, default=None
            Signals: positions to mark, in units of `axis`.

        Returns
        -------
        display : ClassActivationDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator has no class activation maps, a length is wrong, a peak lies outside
            the axis, or rows are volumes.
        """
        if not hasattr(estimator, "class_activation_map"):
            raise ValueError(
                f"{type(estimator).__name__} has no class_activation_map. Give a fitted "
                "NetClassifier; of a pipeline its last step, and X as that step gets it."
            )
        array = check_array(X, allow_nd=True, input_name="X")
        if target is None:
            labels = np.asarray(estimator.predict(X))
        else:
            labels = np.full(len(array), target) if np.ndim(target) == 0 else np.asarray(target)
        maps = np.asarray(estimator.class_activation_map(X, labels))
        if maps.ndim not in (2, 3):
            raise ValueError(
                f"The maps have shape {maps.shape}. Only signals and images are drawn; of a volume "
                "take class_activation_map and show slices of it."
            )
        numbered = [f"row {i}" for i in range(len(array))]
        names = check_names(numbered if names is None else names, len(array), "rows")
        signals = maps.ndim == 2
        if not signals and not (axis is None and peaks is None and axis_label is None):
            raise ValueError("axis, axis_label and peaks are for signals, but the rows are images.")
        axis = check_axis(axis, maps.shape[1], peaks) if signals else None
        return cls(
            array.reshape(len(array), -1, *maps.shape[1:]), maps, labels, estimator.classes_,
            names, axis=axis, axis_label=axis_label, peaks=None if peaks is None else dict(peaks),
        )  # fmt: skip

    def plot(self, ax: Any = None, *, channel: int = 0) -> ClassActivationDisplay:
        """Draw rows and maps.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of Axes, default=None
            One for each signal, or two for each image. None makes a figure.
        channel : int, default=0
            Channel of the images to show; all channels of a signal are drawn.

        Returns
        -------
        self : ClassActivationDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes, or there is no such channel.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        n_channels = self.rows.shape[1]
        if not 0 <= channel < n_channels:
            raise ValueError(f"channel is {channel}, but the rows have {n_channels} channels.")
        self.lines_, self.map_lines_, self.peak_texts_, self.images_ = [], [], [], []
        draw = self._plot_signals if self.maps.ndim == 2 else self._plot_images
        draw(plt, ax, channel)
        self.figure_ = self.ax_.flat[0].figure
        return self

    def _plot_signals(self, plt: Any, ax: Axes | Sequence[Axes] | None, channel: int) -> None:
        n = len(self.rows)
        own = ax is None
        if own:
            size = (7.5, 0.9 + 1.9 * n)
            _, ax = plt.subplots(n, sharex=True, figsize=size, layout="constrained")
        axes = given_axes(ax, self.names)
        self.ax_ = np.array(axes, dtype=object)
        axis = np.arange(self.maps.shape[1]) if self.axis is None else self.axis
        limits = min(0.0, self.maps.min()), max(0.0, self.maps.max())
        for i in range(n):
            color = color_of(int(np.searchsorted(self.classes, self.labels[i])))
            title = f"{self.names[i]}: map for class {self.labels[i]}"
            lines, map_line = draw_signal_map(
                axes[i], axis, self.rows[i], self.maps[i], limits, color, title
            )
            self.lines_ += lines
            self.map_lines_.append(map_line)
            if self.peaks:
                self.peak_texts_ += mark_peaks(axes[i], self.peaks, axis, named=i == 0)
        if own:
            handles, labels = axes[0].get_legend_handles_labels()
            place = {"loc": "outside lower center", "ncols": len(labels), "frameon": False}
            axes[0].figure.legend(handles, labels, **place)
        else:
            axes[0].legend(loc="upper right", fontsize="small")
        axes[-1].set_xlabel(self.axis_label or ("Point" if self.axis is None else "Position"))

    def _plot_images(self, plt: Any, ax: Sequence[Axes] | None, channel: int) -> None:
        n = len(self.rows)
        if ax is None:
            size = (6.2, 0.3 + 2.8 * n)
            _, ax = plt.subplots(n, 2, figsize=size, layout="constrained")
        axes = given_axes(ax, [f"{name}, {part}" for name in self.names for part in ("row", "map")])
        self.ax_ = np.array(axes, dtype=object).reshape(n, 2)
        limits = self.maps.min(), self.maps.max()
        for i, (plain, over) in enumerate(self.ax_):
            titles = self.names[i], f"map, class {self.labels[i]}"
            image = self.rows[i, channel]
            self.images_.append(draw_image_map(plain, over, image, self.maps[i], limits, titles))
        label = "Class activation (arbitrary units)"
        self.ax_[0, 0].figure.colorbar(self.images_[0], ax=self.ax_[:, 1].tolist(), label=label)
