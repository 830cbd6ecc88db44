"""What a distiller found: a table and a display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Index
from sklearn.utils import check_array, column_or_1d

from ..evaluation.drawing import (
    check_names,
    color_of,
    draw_histograms,
    given_axes,
    lighten,
    load_pyplot,
    marker_of,
    project_rows,
)
from ..utils.groups import check_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def fitted_distiller(estimator: Any, n_samples: int) -> Any:
    """Return a fitted distiller, or the one that a sampler has fitted.

    Parameters
    ----------
    estimator : object
        A distiller with the fitted attribute ``kept_``, or anything with a fitted ``distiller_``
        that has it.
    n_samples : int
        Number of rows that the distiller must have seen.

    Returns
    -------
    distiller : object
        `estimator` or its ``distiller_``.

    Raises
    ------
    ValueError
        If there is no fitted distiller, or it was fitted on another number of rows.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from skrobust.label_noise.report import fitted_distiller
    >>> sampler = SimpleNamespace(distiller_=SimpleNamespace(kept_=[True, False]))
    >>> fitted_distiller(sampler, 2).kept_
    [True, False]
    """
    distiller = getattr(estimator, "distiller_", estimator)
    if not hasattr(distiller, "kept_"):
        raise ValueError(
            f"{type(estimator).__name__} has neither kept_ nor distiller_. Give a distiller after "
            "fit, or a sampler with a distiller after fit_resample; of a pipeline, that step."
        )
    n_seen = len(np.asarray(distiller.kept_))
    if n_seen != n_samples:
        raise ValueError(
            f"{type(distiller).__name__} was fitted on {n_seen} rows, but {n_samples} were given. "
            "Give the rows that it was fitted on, all of them and in the same order."
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

    With the true labels, known for synthetic data and where experts have looked again, it also
    tells how well the wrong labels were found.

    Parameters
    ----------
    estimator : object
        A fitted distiller, with ``quality_``, ``kept_`` and ``noisy_indices_``, or a sampler with
        a fitted ``distiller_``.
    y : array-like of shape (n_samples,)
        The labels that it was fitted on.
    y_true : array-like of shape (n_samples,), default=None
        The true labels.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of every row.

    Returns
    -------
    report : DataFrame of shape (n_classes + 1, n_columns)
        One row for each given label and one named "total". The columns are

        - ``n_rows`` and ``n_kept``: rows, and rows kept;
        - ``share_kept``: their ratio;
        - ``mean_quality``: mean of ``quality_`` over all rows;
        - ``n_noisy``: rows whose label is doubted, those of ``noisy_indices_``;

        with `y_true`

        - ``label_noise`` and ``label_noise_kept``: share of wrong labels among all rows, and
          among the rows kept;
        - ``noisy_precision``: share of wrong labels among the doubted rows;
        - ``noisy_recall``: share of doubted rows among the wrong labels;
        - ``dropped_recall``: share of rows not kept among the wrong labels;

        with `groups`

        - ``n_groups``, ``n_groups_kept`` and ``n_groups_noisy``: groups with any row, any row
          kept, and any doubted row of this class.

        A share of nothing is NaN.

    Raises
    ------
    ValueError
        If the distiller is not fitted or was fitted on other rows, or lengths differ.

    See Also
    --------
    skrobust.label_noise.DistillationDisplay : The same in pictures.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from skrobust.label_noise import distillation_report
    >>> distiller = SimpleNamespace(
    ...     quality_=np.array([0.9, 0.8, 0.2, 0.7]),
    ...     kept_=np.array([True, True, False, True]),
    ...     noisy_indices_=np.array([2]),
    ... )
    >>> report = distillation_report(distiller, ["a", "a", "b", "b"], y_true=["a", "a", "a", "b"])
    >>> report[["n_rows", "n_kept", "label_noise", "label_noise_kept", "noisy_recall"]]
           n_rows  n_kept  label_noise  label_noise_kept  noisy_recall
    class
    a           2       2         0.00               0.0           NaN
    b           2       1         0.50               0.0           1.0
    total       4       3         0.25               0.0           1.0
    """
    y = column_or_1d(y)
    distiller = fitted_distiller(estimator, len(y))
    for name in ("quality_", "noisy_indices_"):
        if not hasattr(distiller, name):
            raise ValueError(
                f"{type(distiller).__name__} has no {name}. The report needs quality_, kept_ and "
                "noisy_indices_, which the distillers of skrobust.label_noise have after fit."
            )
    kept = np.asarray(distiller.kept_, dtype=bool)
    noisy = np.zeros(len(y), dtype=bool)
    noisy[np.asarray(distiller.noisy_indices_, dtype=int)] = True
    wrong = None if y_true is None else y != _checked_truth(y_true, len(y))
    groups = None if groups is None else check_groups(groups, len(y))
    quality = np.asarray(distiller.quality_, dtype=float)

    classes = np.unique(y)
    report = []
    for rows in [*(y == label for label in classes), np.ones(len(y), dtype=bool)]:
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
            line |= {
                "n_groups": len(np.unique(groups[rows])),
                "n_groups_kept": len(np.unique(groups[rows & kept])),
                "n_groups_noisy": len(np.unique(groups[rows & noisy])),
            }
        report.append(line)
    return DataFrame(report, index=Index([*classes.tolist(), "total"], dtype=object, name="class"))


def _share(what: NDArray, among: NDArray) -> float:
    return float(what[among].mean()) if among.any() else float("nan")


def _checked_truth(y_true: ArrayLike, n_samples: int) -> NDArray:
    y_true = column_or_1d(y_true)
    if len(y_true) != n_samples:
        raise ValueError(
            f"y_true has {len(y_true)} labels but y has {n_samples}. Give one per row."
        )
    return y_true


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


class DistillationDisplay:
    """Where the kept rows lie among all rows, as in the paper's Fig. 4 [1]_.

    Panel A projects all rows to two dimensions (light) and marks the kept ones (dark). One
    panel B for each class shows how far its rows lie from the centre of the other classes, all
    rows against kept rows; a distiller that finds typical rows moves the distances up.

    Parameters
    ----------
    projected : ndarray of shape (n_samples, 2)
        The rows in two dimensions.
    distances : ndarray of shape (n_samples,)
        Euclidean distance of every row to the mean of all rows of the other classes, in the
        units of X.
    codes : ndarray of shape (n_samples,), int
        Class of every row, as position in `class_names`.
    kept : ndarray of shape (n_samples,), bool
        Rows that the distiller keeps.
    class_names : list of str
        Names of the classes.
    projection_name : str, default="projection"
        Name of the projection, for the labels of panel A.

    Attributes
    ----------
    medians : ndarray of shape (n_classes, 2)
        Median distance of each class: over all rows, over the kept rows (NaN if none is kept).
    ax_ : ndarray of shape (1 + n_classes,) of matplotlib.axes.Axes
        Panel A, then panel B of each class.
    figure_ : matplotlib.figure.Figure
        The figure.
    scatters_ : list of matplotlib.collections.PathCollection
        All rows of each class, then the kept rows of each class.
    histograms_ : list of matplotlib.container.BarContainer
        For each class the histogram of all rows and that of the kept rows.
    median_lines_ : list of matplotlib.lines.Line2D
        The medians that are not NaN, in the order of `medians`.

    See Also
    --------
    skrobust.label_noise.report : The same in numbers.

    References
    ----------
    .. [1] D. Lu, N. Polomac, I. Gacheva, E. Hattingen and J. Triesch, "Human-expert-level brain
       tumor detection using deep learning with data distillation and augmentation", preprint.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from skrobust.label_noise import DistillationDisplay
    >>> X = np.array([[0.0, 0], [0, 2], [3, 0], [5, 0]])
    >>> distiller = SimpleNamespace(kept_=np.array([True, True, False, True]))
    >>> display = DistillationDisplay.from_estimator(distiller, X, ["a", "a", "b", "b"])
    >>> display.medians.round(2)
    array([[4.24, 4.24],
           [4.13, 5.1 ]])
    >>> len(display.plot().ax_)
    3
    """

    def __init__(
        self,
        projected: NDArray,
        distances: NDArray,
        codes: NDArray,
        kept: NDArray,
        class_names: list[str],
        *,
        projection_name: str = "projection",
    ):
        self.projected = projected
        self.distances = distances
        self.codes = codes
        self.kept = kept
        self.class_names = class_names
        self.projection_name = projection_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        projection: Any = None,
        class_names: Sequence[str] | None = None,
        random_state: int | RandomState | None = None,
    ) -> DistillationDisplay:
        """Compute the display from a fitted distiller.

        Parameters
        ----------
        estimator : object
            A fitted distiller, with ``kept_``, or a sampler with a fitted ``distiller_``.
        X : array-like of shape (n_samples, ...)
            The rows that it was fitted on; each is flattened.
        y : array-like of shape (n_samples,)
            The labels that it was fitted on.
        projection : "pca" or transformer, default=None
            Anything with ``fit_transform`` to two dimensions, such as
            ``sklearn.manifold.TSNE()``, the paper's. It is cloned. "pca" and None take the
            first two principal components, which are fast and always the same.
        class_names : sequence of str, default=None
            Names of the classes, in sorted order of the labels; by default the labels.
        random_state : int, RandomState instance or None, default=None
            Seed of the projection, if it has a parameter of this name; None leaves the
            projection's own.

        Returns
        -------
        display : DistillationDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the distiller is not fitted or was fitted on other rows, y has one class only, or
            the projection does not lead to two dimensions.
        """
        X = check_array(X, allow_nd=True, input_name="X")
        X = X.reshape(len(X), -1)
        y = column_or_1d(y)
        if len(y) != len(X):
            raise ValueError(f"y has {len(y)} labels but X has {len(X)} rows. Give one per row.")
        kept = np.asarray(fitted_distiller(estimator, len(X)).kept_, dtype=bool)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y has one class only, {classes.tolist()}, and distances are taken to the centre "
                "of the others. Give rows of at least 2 classes."
            )
        names = check_names(
            classes if class_names is None else class_names, len(classes), "classes"
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
        return np.array(
            [
                [np.median(d) if len(d) else np.nan for d in self._class_distances(code)]
                for code in range(len(self.class_names))
            ]
        )

    def _class_distances(self, code: int) -> tuple[NDArray, NDArray]:
        own = self.codes == code
        return self.distances[own], self.distances[own & self.kept]

    def plot(
        self, ax: Sequence[Axes] | None = None, *, bins: int = 30, density: bool = False
    ) -> DistillationDisplay:
        """Draw the projection and the histograms.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            1 + n_classes axes to draw into, the projection first. None makes a figure.
        bins : int, default=30
            Number of bins, shared by all classes.
        density : bool, default=False
            Draw densities, which compare shapes also where few rows are kept, instead of counts.

        Returns
        -------
        self : DistillationDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        n_classes = len(self.class_names)
        if ax is None:
            figure = plt.figure(figsize=(9.5, max(4.2, 1.7 * n_classes)), layout="constrained")
            grid = figure.add_gridspec(n_classes, 2, width_ratios=[1.15, 1])
            axes = [figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])]
            axes += [figure.add_subplot(grid[i, 1], sharex=axes[1]) for i in range(1, n_classes)]
        else:
            axes = given_axes(ax, ["projection", *(f"class {n}" for n in self.class_names)])
        self.ax_ = np.array(axes, dtype=object)
        self.figure_ = axes[0].figure
        self._plot_projection(axes[0])
        self._plot_histograms(axes[1:], bins, density)
        return self

    def _plot_projection(self, ax: Axes) -> None:
        self.scatters_ = draw_projection(
            ax, self.projected, self.codes, self.kept, self.class_names
        )
        ax.set(xlabel=f"{self.projection_name} 1", ylabel=f"{self.projection_name} 2")
        ax.set_title("A  All rows (light), kept rows (dark)", loc="left")

    def _plot_histograms(self, axes: list[Axes], bins: int, density: bool) -> None:
        edges = np.histogram_bin_edges(self.distances, bins)
        self.histograms_, self.median_lines_ = [], []
        for code, (ax, name) in enumerate(zip(axes, self.class_names, strict=True)):
            bars, lines = draw_histograms(
                ax, *self._class_distances(code), edges, color_of(code), density
            )
            self.histograms_ += bars
            self.median_lines_ += lines
            ax.set_title(f"{'B  ' if code == 0 else ''}{name}", loc="left")
            if ax is not axes[-1]:
                ax.tick_params(labelbottom=False)
        other = "class" if len(axes) == 2 else "classes"
        axes[-1].set_xlabel(f"Distance to the centre of the other {other} (units of X)")
