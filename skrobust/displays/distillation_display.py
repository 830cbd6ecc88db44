"""Which rows a distiller keeps, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d

from ..utils.fitted_distiller import fitted_distiller
from .draw_histograms import draw_histograms
from .draw_projection import draw_projection
from .drawing import check_names, color_of, given_axes, load_pyplot
from .project_rows import project_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    skrobust.inspection.distillation_report : The same in numbers.

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
    >>> from skrobust.displays import DistillationDisplay
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
