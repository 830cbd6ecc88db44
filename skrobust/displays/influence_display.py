"""The rows that help most and those that harm most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d

from .draw_row import draw_row
from .drawing import check_names, color_of, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class InfluenceDisplay:
    """The most helpful and the most harmful training rows, with their labels.

    Rows are ordered by their influence on the validation loss: the first line of panels shows
    those of the smallest (negative: helpful), the second those of the largest. Signals are drawn
    as curves, images as pictures, volumes by their middle slice.

    Parameters
    ----------
    helpful, harmful : ndarray of shape (n_rows, ...)
        The rows, the most extreme first.
    titles : list of str
        Titles of the helpful rows, then of the harmful ones.
    indices : ndarray of shape (2, n_rows), int
        Positions of the helpful and of the harmful rows in X.

    Attributes
    ----------
    ax_ : ndarray of shape (2, n_rows) of matplotlib.axes.Axes
        The panels.
    figure_ : matplotlib.figure.Figure
        The figure.
    rows_ : list
        What was drawn in each panel: lines, or an image.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from skrobust.displays import InfluenceDisplay
    >>> X = np.arange(12.0).reshape(4, 3)
    >>> display = InfluenceDisplay.from_influence([0.2, -0.5, np.nan, 0.1], X, n_rows=1)
    >>> display.indices.tolist()
    [[1], [0]]
    >>> display.plot().ax_.shape
    (2, 1)
    """

    def __init__(self, helpful: NDArray, harmful: NDArray, titles: list[str], indices: NDArray):
        self.helpful = helpful
        self.harmful = harmful
        self.titles = titles
        self.indices = indices

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        n_rows: int = 4,
        input_shape: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> InfluenceDisplay:
        """Take the influence from a fitted classifier.

        Parameters
        ----------
        estimator : InfluenceReweighter or InfluencePerturber
            Fitted; anything with ``influence_``.
        X, y, n_rows, input_shape, class_names
            As in :meth:`from_influence`; the rows that it was fitted on.

        Returns
        -------
        display : InfluenceDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator has no ``influence_``, or as in :meth:`from_influence`.
        """
        if not hasattr(estimator, "influence_"):
            raise ValueError(
                f"{type(estimator).__name__} has no influence_. Give a fitted InfluenceReweighter "
                "or InfluencePerturber, or call from_influence with influence_scores."
            )
        return cls.from_influence(
            estimator.influence_,
            X,
            y,
            n_rows=n_rows,
            input_shape=input_shape,
            class_names=class_names,
        )

    @classmethod
    def from_influence(
        cls,
        influence: ArrayLike,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        n_rows: int = 4,
        input_shape: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> InfluenceDisplay:
        """Choose the rows.

        Parameters
        ----------
        influence : array-like of shape (n_samples,)
            Influence of every row (:func:`~skrobust.influence_scores`); NaN leaves a row out.
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            The rows.
        y : array-like of shape (n_samples,), default=None
            Labels, for the titles.
        n_rows : int, default=4
            Rows to show of either kind; fewer if there are fewer.
        input_shape : sequence of int, default=None
            ``(channels, *spatial)`` of rows of a two-dimensional X.
        class_names : sequence of str, default=None
            Names of the classes, in sorted order of the labels; by default the labels.

        Returns
        -------
        display : InfluenceDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If lengths differ, no influence is a number, or rows cannot be drawn.
        """
        X = check_array(X, allow_nd=True, input_name="X")
        influence = column_or_1d(influence)
        if len(influence) != len(X):
            raise ValueError(
                f"there are {len(influence)} influences but X has {len(X)} rows. Give the rows "
                "that the estimator was fitted on."
            )
        scored = np.flatnonzero(np.isfinite(influence))
        if len(scored) == 0:
            raise ValueError("no row has an influence: all are NaN or infinite.")
        ordered = scored[np.argsort(influence[scored], kind="stable")]
        n_rows = min(n_rows, len(ordered))
        indices = np.stack([ordered[:n_rows], ordered[::-1][:n_rows]])
        titles = [f"{influence[i]:.2g}" for i in indices.ravel()]
        if y is not None:
            classes, codes = np.unique(column_or_1d(y), return_inverse=True)
            given = classes if class_names is None else class_names
            names = check_names(given, len(classes), "classes")
            shown = zip(titles, codes[indices.ravel()], strict=True)
            titles = [f"{names[code]}: {title}" for title, code in shown]
        shape = X.shape[1:] if input_shape is None else tuple(input_shape)
        helpful, harmful = (X[part].reshape(n_rows, *shape) for part in indices)
        return cls(helpful, harmful, titles, indices)

    def plot(self, ax: Sequence[Axes] | None = None) -> InfluenceDisplay:
        """Draw the rows.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            2 * n_rows axes to draw into, those of the helpful rows first. None makes a figure.

        Returns
        -------
        self : InfluenceDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        n_rows = len(self.helpful)
        if ax is None:
            size = (2.2 * n_rows + 0.6, 5.2)
            _, ax = plt.subplots(2, n_rows, figsize=size, layout="constrained", squeeze=False)
        self.ax_ = np.array(given_axes(ax, self.titles), dtype=object).reshape(2, n_rows)
        self.figure_ = self.ax_[0, 0].figure
        rows = [*self.helpful, *self.harmful]
        is_signal = rows[0].ndim <= 2
        self.rows_ = []
        for i, (panel, row, title) in enumerate(
            zip(self.ax_.ravel(), rows, self.titles, strict=True)
        ):
            style = {"color": color_of(i // n_rows), "lw": 1} if is_signal else {}
            self.rows_.append(draw_row(panel, row, **style))
            panel.set_title(title, fontsize="small")
        for panel, kind in zip(self.ax_[:, 0], ("helpful", "harmful"), strict=True):
            panel.set_ylabel(f"Most {kind}")
        return self
