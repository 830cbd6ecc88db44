"""Rows before and after the perturbation by influence, beside their masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from .draw_row import as_picture, draw_row
from .drawing import check_names, color_of, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PerturbationDisplay:
    """Rows, their masks, what was added to them, and the result (the paper's Figs. 1 and 2).

    The perturbation is drawn on a scale of its own that is symmetric around zero: red was
    raised, blue was lowered. Signals are drawn as curves, volumes by their middle slice.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, ...)
        The rows as they were.
    perturbation : ndarray of shape (n_rows, ...)
        What was added.
    names : list of str
        Names of the rows.
    masks : ndarray of shape (n_rows, ...), default=None
        Where the object of interest is, such as the tumour.

    Attributes
    ----------
    share_inside : ndarray of shape (n_rows,)
        Share of the perturbation (sum of absolute values) that lies inside the mask; only with
        masks.
    ax_ : ndarray of shape (n_rows, 3 or 4) of matplotlib.axes.Axes
        Row, mask (if there are any), perturbation and result.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", Figs. 1 and 2.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from skrobust.displays import PerturbationDisplay
    >>> X, masks = np.zeros((5, 1, 4, 4)), np.zeros((5, 1, 4, 4))
    >>> masks[:, :, :2] = 1
    >>> fitted = SimpleNamespace(perturbed_indices_=np.array([3]), perturbation_=X[:1] + 0.1)
    >>> display = PerturbationDisplay.from_estimator(fitted, X, masks=masks)
    >>> display.share_inside
    array([0.5])
    >>> display.plot().ax_.shape
    (1, 4)
    """

    def __init__(
        self,
        rows: NDArray,
        perturbation: NDArray,
        names: list[str],
        *,
        masks: NDArray | None = None,
    ):
        self.rows = rows
        self.perturbation = perturbation
        self.names = names
        self.masks = masks

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        masks: ArrayLike | None = None,
        n_rows: int = 3,
        input_shape: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
    ) -> PerturbationDisplay:
        """Take the perturbation from a fitted classifier.

        Parameters
        ----------
        estimator : InfluencePerturber
            Fitted; anything with ``perturbed_indices_`` and ``perturbation_``.
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            The rows that it was fitted on.
        masks : array-like of the shape of X, default=None
            Masks of all rows.
        n_rows : int, default=3
            Rows to show, the most harmful first; fewer if fewer were changed.
        input_shape : sequence of int, default=None
            ``(channels, *spatial)`` of rows of a two-dimensional X.
        names : sequence of str, default=None
            Names of the rows that are shown; by default their positions.

        Returns
        -------
        display : PerturbationDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator has no perturbation, or X or the masks do not fit it.
        """
        if not hasattr(estimator, "perturbation_"):
            raise ValueError(
                f"{type(estimator).__name__} has no perturbation_. Give a fitted "
                "InfluencePerturber."
            )
        X = check_array(X, allow_nd=True, input_name="X")
        rows = estimator.perturbed_indices_[:n_rows]
        perturbation = estimator.perturbation_[:n_rows]
        if X.shape[1:] != perturbation.shape[1:] or len(X) <= rows.max():
            raise ValueError(
                f"X of shape {X.shape} is not what the estimator was fitted on: it changed rows "
                f"of shape {perturbation.shape[1:]}, up to row {rows.max()}."
            )
        if masks is not None:
            masks = check_array(masks, allow_nd=True, input_name="masks")
            if masks.shape != X.shape:
                raise ValueError(f"masks have shape {masks.shape} but X has shape {X.shape}.")
        names = check_names(
            [f"row {i}" for i in rows] if names is None else names, len(rows), "rows"
        )
        shape = X.shape[1:] if input_shape is None else tuple(input_shape)
        parts = [X[rows], perturbation, None if masks is None else masks[rows]]
        rows, perturbation, masks = (
            None if part is None else part.reshape(len(rows), *shape) for part in parts
        )
        return cls(rows, perturbation, names, masks=masks)

    @property
    def share_inside(self) -> NDArray:
        """Share of the perturbation that lies inside the mask, shape (n_rows,)."""
        if self.masks is None:
            raise AttributeError("share_inside needs masks; there are none.")
        size = np.abs(self.perturbation).reshape(len(self.rows), -1)
        inside = (self.masks > 0).reshape(len(self.rows), -1)
        return (size * inside).sum(1) / size.sum(1)

    def plot(self, ax: Sequence[Axes] | None = None) -> PerturbationDisplay:
        """Draw the rows.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            3 (with masks 4) axes for each row. None makes a figure.

        Returns
        -------
        self : PerturbationDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        columns = ["Row", "Mask", "Perturbation", "Changed row"]
        if self.masks is None:
            del columns[1]
        shape = len(self.rows), len(columns)
        if ax is None:
            size = (2.3 * shape[1] + 0.4, 2.3 * shape[0] + 0.3)
            _, ax = plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False)
        panels = [f"{name}, {column}" for name in self.names for column in columns]
        self.ax_ = np.array(given_axes(ax, panels), dtype=object).reshape(shape)
        self.figure_ = self.ax_[0, 0].figure
        for i, panels in enumerate(self.ax_):
            self._plot_row(i, dict(zip(columns, panels, strict=True)))
        for panel, column in zip(self.ax_[0], columns, strict=True):
            panel.set_title(column, fontsize="medium")
        return self

    def _plot_row(self, i: int, panels: dict[str, Axes]) -> None:
        row, change = self.rows[i], self.perturbation[i]
        is_signal = row.ndim <= 2
        panels["Row"].set_ylabel(self.names[i])
        if is_signal:
            style = scale = {"color": color_of(0), "lw": 1}
            signed = {"color": color_of(1), "lw": 1}
        else:
            # the row and the changed row share one scale
            style, shown = {}, as_picture(row)
            scale = {"vmin": shown.min(), "vmax": shown.max()}
            limit = np.abs(as_picture(change)).max()
            signed = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
        draw_row(panels["Row"], row, **style, **({} if is_signal else scale))
        if "Mask" in panels:
            draw_row(panels["Mask"], self.masks[i], **style)
        draw_row(panels["Perturbation"], change, **signed)
        draw_row(panels["Changed row"], row + change, **scale)
