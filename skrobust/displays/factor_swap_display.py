"""Every class code with every residual code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .draw_row import draw_scaled_row
from .drawing import check_names, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class FactorSwapDisplay:
    """Rows decoded from the class code of one row and the residual code of another (Fig. 3 [1]_).

    The top line of panels shows the rows that give the class code, the left column those that
    give the residual code. Where the factors are apart, panels of one column look like one class,
    and panels of one line have one shape.

    Parameters
    ----------
    class_rows : ndarray of shape (n_class, *row_shape)
        The rows that give the class code.
    residual_rows : ndarray of shape (n_residual, *row_shape)
        The rows that give the residual code.
    swapped : ndarray of shape (n_residual, n_class, *row_shape)
        The decoded rows.
    class_names, residual_names : list of str
        Names of the rows.

    Attributes
    ----------
    ax_ : ndarray of shape (n_residual + 1, n_class + 1) of matplotlib.axes.Axes
        The panels; the one at the top left is empty.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    .. [1] A. Ben-Cohen et al., "Improving CNN training using disentanglement for liver lesion
       classification in CT", 2018.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skrobust import FactorMixSampler, make_lesion_rois
    >>> from skrobust.displays import FactorSwapDisplay
    >>> X, y, groups = make_lesion_rois(40, size=12, random_state=0, return_X_y_groups=True)
    >>> sampler = FactorMixSampler(class_epochs=2, max_epochs=2, random_state=0)
    >>> X_new, target = sampler.fit_resample(X, y, groups=groups)
    >>> display = FactorSwapDisplay.from_estimator(sampler, X[:4], X[4:6]).plot()
    >>> display.ax_.shape
    (3, 5)
    """

    def __init__(
        self,
        class_rows: NDArray,
        residual_rows: NDArray,
        swapped: NDArray,
        *,
        class_names: list[str],
        residual_names: list[str],
    ):
        self.class_rows = class_rows
        self.residual_rows = residual_rows
        self.swapped = swapped
        self.class_names = class_names
        self.residual_names = residual_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_class: ArrayLike,
        X_residual: ArrayLike,
        *,
        class_names: Sequence[str] | None = None,
        residual_names: Sequence[str] | None = None,
    ) -> FactorSwapDisplay:
        """Decode all pairs.

        Parameters
        ----------
        estimator : FactorMixSampler
            After ``fit_resample``.
        X_class : array-like of shape (n_class, ...)
            The few rows that give the class code, as for ``estimator.swap``.
        X_residual : array-like of shape (n_residual, ...)
            The few rows that give the residual code.
        class_names, residual_names : sequence of str, default=None
            Names of the rows; by default c and r with their numbers.

        Returns
        -------
        display : FactorSwapDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator is not fitted, or shapes or numbers of names do not fit.
        """
        check_is_fitted(estimator)
        X_class = check_array(X_class, allow_nd=True, input_name="X_class")
        X_residual = check_array(X_residual, allow_nd=True, input_name="X_residual")
        n_class, n_residual = len(X_class), len(X_residual)
        c = [f"c {i}" for i in range(n_class)] if class_names is None else class_names
        r = [f"r {i}" for i in range(n_residual)] if residual_names is None else residual_names
        class_names = check_names(c, n_class, "rows of X_class")
        residual_names = check_names(r, n_residual, "rows of X_residual")
        swapped = estimator.swap(
            np.tile(X_class, (n_residual, *[1] * (X_class.ndim - 1))),
            np.repeat(X_residual, n_class, axis=0),
        )
        shape = tuple(estimator.input_shape_)
        return cls(
            X_class.reshape(n_class, *shape),
            X_residual.reshape(n_residual, *shape),
            swapped.reshape(n_residual, n_class, *shape),
            class_names=class_names,
            residual_names=residual_names,
        )

    def plot(self, ax: Sequence[Axes] | None = None) -> FactorSwapDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            ``(n_residual + 1) * (n_class + 1)`` axes, line by line. None makes a figure.

        Returns
        -------
        self : FactorSwapDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes, or rows have more than 3 spatial axes.

        Notes
        -----
        All panels share one scale, that of the given rows.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        n_rows, n_columns = len(self.residual_rows) + 1, len(self.class_rows) + 1
        if ax is None:
            size = 1.3 * n_columns + 0.8, 1.3 * n_rows + 0.5
            ax = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained")[1]
        first = ["nothing", *self.class_names]
        panels = first + [
            f"{c} in {r}" if c else r for r in self.residual_names for c in ["", *self.class_names]
        ]
        axes = np.array(given_axes(ax, panels), dtype=object).reshape(n_rows, n_columns)
        self.ax_, self.figure_ = axes, axes[0, 0].figure
        given = [self.class_rows, self.residual_rows]
        low, high = min(float(v.min()) for v in given), max(float(v.max()) for v in given)
        axes[0, 0].set_axis_off()
        for j, (row, name) in enumerate(zip(self.class_rows, self.class_names, strict=True), 1):
            draw_scaled_row(axes[0, j], row, low, high)
            axes[0, j].set_title(name, fontsize="medium")
        for i, (row, name) in enumerate(
            zip(self.residual_rows, self.residual_names, strict=True), 1
        ):
            draw_scaled_row(axes[i, 0], row, low, high)
            axes[i, 0].set_ylabel(name, rotation=0, ha="right", va="center")
            for j in range(1, n_columns):
                draw_scaled_row(axes[i, j], self.swapped[i - 1, j - 1], low, high)
        for given_panel in [*axes[0, 1:], *axes[1:, 0]]:
            given_panel.patch.set_alpha(0)
            for side in given_panel.spines.values():
                side.set(color="#D55E00", linewidth=2)
        return self
