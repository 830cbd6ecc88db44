"""Results of a distiller: a table and a display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Index
from sklearn.utils import check_array, column_or_1d

from ..evaluation.drawing import (
    Display,
    check_length,
    check_names,
    color_of,
    lighten,
    marker_of,
    project_rows,
)
from ..utils.groups import check_groups, require_groups
from ..utils.targets import check_class_labels
from .distillers import verdict


def fitted_distiller(estimator: Any, n_samples: int) -> Any:
    """Return a fitted distiller, or the one that a sampler has fitted, if it has seen the rows."""
    distiller = getattr(estimator, "distiller_", estimator)
    seen = getattr(distiller, "kept_", getattr(distiller, "quality_", None))
    if seen is None:
        raise ValueError(
            f"{type(estimator).__name__} has neither kept_ nor quality_ nor distiller_. Give a "
            "fitted distiller, or what has fitted one; of a pipeline, that step."
        )
    if len(seen) != n_samples:
        raise ValueError(
            f"{type(distiller).__name__} was fitted on {len(seen)} rows, but {n_samples} were "
            "given. Give the rows that it was fitted on, all of them and in the same order."
        )
    return distiller


def distillation_report(
    estimator: Any,
    y: ArrayLike,
    *,
    y_true: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> DataFrame:
    """Count, per class, which rows a distiller keeps and which labels it doubts.

    Parameters
    ----------
    estimator : object
        A fitted distiller, or what holds one as ``distiller_``, with ``quality_`` and optionally
        ``kept_`` and ``noisy_indices_`` (by default rows of quality below 0.5 are doubted).
    y : array-like of shape (n_samples,)
        The labels that it was fitted on.
    y_true : array-like of shape (n_samples,), default=None
        The true labels, which show how well the wrong ones were found.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of every row.

    Returns
    -------
    report : DataFrame of shape (n_classes + 1, n_columns)
        One row for each given label and one named "total". A share of no rows is NaN. Columns:

        - ``n_rows``, ``n_kept``, ``share_kept``: rows, rows kept and their ratio;
        - ``mean_quality``: mean of ``quality_`` over all rows;
        - ``n_noisy``: rows whose label is doubted, those of ``noisy_indices_``;
        - ``label_noise``, ``label_noise_kept``: with `y_true`, share of wrong labels among all rows
          and among the rows kept;
        - ``noisy_precision``: with `y_true`, share of wrong labels among the doubted rows;
        - ``noisy_recall``, ``dropped_recall``: with `y_true`, share of doubted rows and of rows not
          kept among the wrong labels;
        - ``n_groups``, ``n_groups_kept``, ``n_groups_noisy``: with `groups`, groups with any row,
          any row kept and any doubted row.

    Raises
    ------
    ValueError
        If the distiller is not fitted or was fitted on other rows, or lengths differ.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from skrobust.label_noise import distillation_report
    >>> distiller = SimpleNamespace(quality_=[0.9, 0.8, 0.2, 0.7])
    >>> report = distillation_report(distiller, ["a", "a", "b", "b"], y_true=["a", "a", "a", "b"])
    >>> report[["n_rows", "n_kept", "label_noise", "label_noise_kept", "noisy_recall"]]
           n_rows  n_kept  label_noise  label_noise_kept  noisy_recall
    class
    a           2       2         0.00               0.0           NaN
    b           2       1         0.50               0.0           1.0
    total       4       3         0.25               0.0           1.0
    """
    given_y, y = y, column_or_1d(check_class_labels(y))
    quality, kept, doubted = verdict(fitted_distiller(estimator, len(y)), len(y))
    noisy = np.isin(np.arange(len(y)), doubted)
    wrong = None if y_true is None else y != check_length(y_true, len(y), "y_true")
    groups = None if groups is None else check_groups(groups, len(y), given_y)

    classes = np.unique(y)
    report = []
    for rows in [*(y == label for label in classes), np.ones(len(y), dtype=bool)]:
        parts = {"n_groups": rows, "n_groups_kept": rows & kept, "n_groups_noisy": rows & noisy}
        line = {
            "n_rows": rows.sum(),
            "n_kept": (rows & kept).sum(),
            "share_kept": _share(kept, rows),
            "mean_quality": quality[rows].mean(),
            "n_noisy": (rows & noisy).sum(),
        }
        if wrong is not None:
            line |= {
                "label_noise": _share(wrong, rows),
                "label_noise_kept": _share(wrong, rows & kept),
                "noisy_precision": _share(wrong, rows & noisy),
                "noisy_recall": _share(noisy, rows & wrong),
                "dropped_recall": _share(~kept, rows & wrong),
            }
        if groups is not None:
            line |= {name: len(np.unique(groups[part])) for name, part in parts.items()}
        report.append(line)
    return DataFrame(report, index=Index([*classes.tolist(), "total"], dtype=object, name="class"))


def _share(what: NDArray, among: NDArray) -> float:
    """Return the share of some rows among others, NaN among none."""
    return float(what[among].mean()) if among.any() else float("nan")


def within_fences(values: NDArray) -> NDArray:
    """Clip every column to three interquartile ranges around its middle half."""
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    reach = 3 * (high - low)
    return np.where(reach > 0, np.clip(values, low - reach, high + reach), values)


@dataclass(eq=False, repr=False)
class DistillationDisplay(Display):
    """Where the kept rows lie among all rows.

    As in Fig. 4 of the paper of :class:`~skrobust.DistillMixAugmenter`, panel A shows all rows in
    two dimensions (light) and the kept ones (dark). One panel B for each class shows how far its
    rows lie from the centre of the other classes, all rows against kept rows. Before, every column
    is clipped to three interquartile ranges beyond its quartiles, for the sake of single spikes.

    With ``level="group"`` there is one panel instead: the patients with the worst labels, the mean
    quality of their rows as a dot, the range of 90% of them as a line, and the suggested label.

    Parameters
    ----------
    projected : ndarray of shape (n_samples, 2)
        The rows in two dimensions.
    distances : ndarray of shape (n_samples,)
        Euclidean distance of every row to the mean of all rows of the other classes.
    codes : ndarray of shape (n_samples,), int
        Class of every row, as position in `class_names`.
    kept : ndarray of shape (n_samples,), bool
        Rows that the distiller keeps.
    class_names : list of str
        Names of the classes.
    projection_name : str, default="projection"
        Name of the projection, for the labels of panel A.
    patients : DataFrame, default=None
        For ``level="group"``: ``label``, ``rows``, ``quality``, ``lower`` and ``upper`` end of the
        range, and ``suggested`` label of every patient, the worst first.

    Attributes
    ----------
    medians : ndarray of shape (n_classes, 2)
        Median distance of each class: over all rows, over the kept rows (NaN if none is kept).
    ax_ : ndarray of shape (1 + n_classes,) of matplotlib.axes.Axes
        Panel A, then panel B of each class; with ``level="group"`` one axes.
    scatters_ : list of matplotlib.collections.PathCollection
        All rows of each class, then the kept rows of each class.
    histograms_ : list of matplotlib.container.BarContainer
        For each class the histogram of all rows and that of the kept rows.
    median_lines_ : list of matplotlib.lines.Line2D
        The medians that are not NaN, in the order of `medians`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from skrobust.label_noise import DistillationDisplay
    >>> X = [[0.0, 0], [0, 2], [3, 0], [5, 0]]
    >>> distiller = SimpleNamespace(kept_=[True, True, False, True])
    >>> display = DistillationDisplay.from_estimator(distiller, X, ["a", "a", "b", "b"])
    >>> display.medians.round(2)
    array([[4.24, 4.24],
           [4.13, 5.1 ]])
    >>> axes = display.plot().ax_
    """

    projected: NDArray | None
    distances: NDArray | None
    codes: NDArray
    kept: NDArray
    class_names: list[str]
    _: KW_ONLY
    projection_name: str = "projection"
    patients: DataFrame | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        level: str = "row",
        projection: Any = None,
        class_names: Sequence[str] | None = None,
        random_state: int | RandomState | None = None,
    ) -> DistillationDisplay:
        """Return the display of a fitted distiller.

        Parameters
        ----------
        estimator : object
            As for `distillation_report`; for the level of rows ``kept_`` is enough.
        X : array-like of shape (n_samples, ...)
            The rows that it was fitted on, of which the level of groups needs only the number.
        y : array-like of shape (n_samples,)
            The labels that it was fitted on.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row, for the level of groups.
        level : {"row", "group"}, default="row"
            Whether to show rows or patients.
        projection : "pca" or transformer, default=None
            Anything with ``fit_transform`` to two dimensions, such as ``sklearn.manifold.TSNE()``,
            as in the paper. None and "pca" use the first two principal components.
        class_names : sequence of str, default=None
            Names of the classes, in sorted order of the labels; by default the labels.
        random_state : int, RandomState instance or None, default=None
            Seed of the projection, if it has this parameter; None keeps its own.
        """
        if level not in ("row", "group"):
            raise ValueError(f"level is {level!r}, expected 'row' or 'group'.")
        if level == "row":
            X = check_array(X, allow_nd=True, input_name="X")
            X = within_fences(X.reshape(len(X), -1))
        y = check_length(check_class_labels(y), len(X), "y")
        distiller = fitted_distiller(estimator, len(y))
        kept = getattr(distiller, "kept_", None)
        kept = verdict(distiller, len(y)).kept if kept is None else np.asarray(kept, dtype=bool)
        classes, codes = np.unique(y, return_inverse=True)
        names = check_names(class_names, classes, "classes")
        if level == "group":
            patients = _patients(distiller, codes, groups, classes.tolist(), names)
            return cls(None, None, codes, kept, names, patients=patients)
        if len(classes) < 2:
            raise ValueError(
                f"y has one class only, {classes.tolist()}, and distances are taken to the centre "
                "of the others. Give rows of at least 2 classes."
            )
        distances = np.empty(len(X))
        for code in range(len(classes)):
            own = codes == code
            distances[own] = np.linalg.norm(X[own] - X[~own].mean(axis=0), axis=1)
        projected, name = project_rows(X, projection, random_state)
        return cls(projected, distances, codes, kept, names, projection_name=name)

    @property
    def medians(self) -> NDArray:
        """Median distances, shape (n_classes, 2): over all rows, over the kept rows."""
        codes = range(len(self.class_names))
        parts = [[self.distances[rows] for rows in self._rows_of(code)] for code in codes]
        return np.array([[np.median(d) if len(d) else np.nan for d in pair] for pair in parts])

    def _rows_of(self, code: int) -> tuple[NDArray, NDArray]:
        """Return masks of all rows of a class, and of its kept rows."""
        own = self.codes == code
        return own, own & self.kept

    def plot(
        self, ax: Any = None, *, bins: int = 30, density: bool = False, n_groups: int = 20
    ) -> Self:
        """Draw the projection and the histograms, or the patients, and return the display.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            As in the other displays: the projection first, then one for every class.
        bins : int, default=30
            Number of bins, shared by all classes.
        density : bool, default=False
            Draw densities instead of counts, to compare shapes even if few rows are kept.
        n_groups : int, default=20
            Largest number of patients to show.
        """
        self._n_shown = 0 if self.patients is None else min(n_groups, len(self.patients))
        return self._plot(ax, bins=bins, density=density)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        if self.patients is not None:
            return "patients", {"figsize": (8, 1.6 + 0.27 * self._n_shown)}
        size = (9.5, max(4.4, 1.7 * len(self.class_names)))
        return ["projection", *(f"class {n}" for n in self.class_names)], {"figsize": size}

    def _make_axes(self, shape: tuple[int, ...], options: dict[str, Any]) -> NDArray:
        """Put the histograms of the classes next to the projection."""
        if self.patients is not None:
            return super()._make_axes(shape, options)
        import matplotlib.pyplot as plt

        figure = plt.figure(layout="constrained", **options)
        cells = [["A", code] for code in range(len(self.class_names))]
        axes = list(figure.subplot_mosaic(cells, width_ratios=[1.15, 1]).values())
        for ax in axes[2:]:
            ax.sharex(axes[1])
        return np.array(axes, dtype=object)

    def _draw(self, bins: int, density: bool) -> None:
        if self.patients is not None:
            self._draw_patients(self.ax_)
        else:
            self._draw_projection(self.ax_[0])
            self._draw_histograms(self.ax_[1:], bins, density)

    def _draw_projection(self, ax: Any) -> None:
        """Draw all rows light and the kept ones dark, with a legend below the axes."""
        shown = within_fences(self.projected)
        style = {"s": np.clip(6000 / len(self.codes), 8, 30), "linewidths": 0, "rasterized": True}
        light, dark = [], []
        for code, name in enumerate(self.class_names):
            (own, kept), color = self._rows_of(code), color_of(code)
            style["marker"] = marker_of(code)
            light.append(ax.scatter(*shown[own].T, color=lighten(color, 0.55), **style))
            label = f"{name}: {kept.sum()} of {own.sum()} kept"
            dark.append(ax.scatter(*shown[kept].T, color=color, label=label, zorder=1.1, **style))
        self.scatters_ = light + dark
        n_outside = (shown != self.projected).any(axis=1).sum()
        ax.set(xlabel=f"{self.projection_name} 1", ylabel=f"{self.projection_name} 2")
        outside = f"\n{n_outside} rows far outside are drawn at the edge" if n_outside else ""
        ax.set_title(f"A  All rows (light), kept rows (dark){outside}", loc="left")
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13)}
        ax.legend(ncols=2, markerscale=1.8, frameon=False, **place)

    def _draw_histograms(self, axes: NDArray, bins: int, density: bool) -> None:
        """Draw all distances light, those of kept rows dark, and their medians as lines."""
        far = within_fences(self.distances).max()
        edges = np.histogram_bin_edges(np.minimum(self.distances, far), bins)
        self.histograms_, self.median_lines_ = [], []
        for code, (ax, name) in enumerate(zip(axes, self.class_names, strict=True)):
            shades = (lighten(color_of(code), 0.65), ":", "all"), (color_of(code), "--", "kept")
            for rows, (color, style, kind) in zip(self._rows_of(code), shades, strict=True):
                values = np.minimum(self.distances[rows], far)
                # the density of no values is not defined, their count is 0
                scale = {"density": density and rows.any()}
                self.histograms_.append(ax.hist(values, edges, color=color, alpha=0.85, **scale)[2])
                if rows.any():
                    median = np.median(self.distances[rows])
                    label = f"median, {kind}: {median:.3g}"
                    line = ax.axvline(median, color="black", ls=style, lw=1.6, label=label)
                    self.median_lines_.append(line)
            ax.set_ylabel("Density" if density else "Rows")
            ax.legend(frameon=False)
            ax.set_title(f"{'B  ' if code == 0 else ''}{name}", loc="left")
            if ax is not axes[-1]:
                ax.tick_params(labelbottom=False)
        other = "class" if len(axes) == 2 else "classes"
        beyond = "; last bar: all above" if self.distances.max() > far else ""
        axes[-1].set_xlabel(f"Distance to the centre of the other {other}\n(units of X{beyond})")

    def _draw_patients(self, ax: Any) -> None:
        """Draw the patients with the worst labels, the worst first."""
        shown = self.patients.iloc[: self._n_shown]
        self.scatters_ = []
        for code, name in enumerate(self.class_names):
            places = np.flatnonzero(shown["label"] == name)
            own, color = shown.iloc[places], color_of(code)
            ax.hlines(places, own["lower"], own["upper"], color=lighten(color, 0.55), lw=2)
            style = {"color": color, "marker": marker_of(code), "s": 45, "zorder": 3}
            dots = ax.scatter(own["quality"], places, label=f"labelled {name}", **style)
            self.scatters_.append(dots)
        beside = {"transform": ax.get_yaxis_transform(), "va": "center"}
        for place in np.flatnonzero(shown["label"] != shown["suggested"]):
            ax.text(1.02, place, f"rather {shown['suggested'].iloc[place]}?", **beside)
        ids = [f"{name} ({n} rows)" for name, n in shown["rows"].items()]
        ax.set_yticks(range(len(shown)), ids)
        ax.set(ylim=(len(shown) - 0.4, -0.6), xlim=(-0.02, 1.02))
        ax.set_xlabel("Quality of the label (dot: mean of the patient's rows; line: 90% of them)")
        ax.set_title(f"The {len(shown)} of {len(self.patients)} patients with the worst labels")
        ax.grid(axis="x", color="0.9")
        ax.set_axisbelow(True)
        # below the axis label, where it hides no patient
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 3.6}
        ax.legend(ncols=2, frameon=False, **below)


def _patients(
    distiller: Any, codes: NDArray, groups: ArrayLike | None, classes: list, names: list[str]
) -> DataFrame:
    """Return a line for every patient, the one with the worst label first."""
    require_groups(groups)
    if not hasattr(distiller, "quality_"):
        raise ValueError(f"{type(distiller).__name__} has no quality_, which level='group' shows.")
    groups = check_groups(groups, len(codes))
    quality = np.asarray(distiller.quality_, dtype=float)
    proba = getattr(distiller, "label_probabilities_", None)
    lines = {}
    for group in np.unique(groups):
        rows = groups == group
        label = other = np.bincount(codes[rows]).argmax()
        if proba is not None:
            other = classes.index(distiller.classes_[np.asarray(proba)[rows].mean(axis=0).argmax()])
        ends = np.quantile(quality[rows], [0.05, 0.95])
        lines[group] = (names[label], rows.sum(), quality[rows].mean(), *ends, names[other])
    columns = ["label", "rows", "quality", "lower", "upper", "suggested"]
    table = DataFrame.from_dict(lines, orient="index", columns=columns)
    return table.sort_values("quality", kind="stable")
