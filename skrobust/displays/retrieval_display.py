"""Queries beside the labelled rows most similar to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d

from ..metrics import retrieve_neighbors
from .draw_row import draw_row
from .drawing import color_of, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RetrievalDisplay:
    """Each query in a line with its nearest labelled rows, their labels and distances.

    Images are shown as they are, volumes by their middle slice along the first spatial axis,
    signals as lines; of several channels the first. Where the label of a query is known, a row of
    the same class has a blue frame and "=", another one an orange frame and "≠".

    Parameters
    ----------
    queries : ndarray of shape (n_queries, *shape)
        Rows of the queries.
    neighbors : ndarray of shape (n_queries, n_neighbors, *shape)
        Rows found.
    labels : ndarray of shape (n_queries, n_neighbors)
        Labels of the rows found.
    distances : ndarray of shape (n_queries, n_neighbors)
        Their distances.
    y_query : ndarray of shape (n_queries,) or None, default=None
        Labels of the queries, if they are known.

    Attributes
    ----------
    ax_ : ndarray of shape (n_queries, 1 + n_neighbors) of matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skrobust.retrieve_neighbors : Finds the rows.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import RetrievalDisplay, TripletEmbedder
    >>> X, y = load_digits(return_X_y=True)
    >>> embedder = TripletEmbedder(input_shape=(1, 8, 8), max_epochs=1, random_state=0)
    >>> display = RetrievalDisplay.from_estimator(
    ...     embedder.fit(X[:300], y[:300]), X[300:302], X[:300], y[:300], y_query=y[300:302]
    ... )
    >>> display.plot().ax_.shape
    (2, 6)
    """

    def __init__(
        self,
        queries: NDArray,
        neighbors: NDArray,
        labels: NDArray,
        distances: NDArray,
        *,
        y_query: NDArray | None = None,
    ):
        self.queries = queries
        self.neighbors = neighbors
        self.labels = labels
        self.distances = distances
        self.y_query = y_query

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_query: ArrayLike,
        X_labelled: ArrayLike,
        y_labelled: ArrayLike,
        *,
        n_neighbors: int = 5,
        y_query: ArrayLike | None = None,
        input_shape: Sequence[int] | None = None,
        names: Mapping[Any, str] | None = None,
    ) -> RetrievalDisplay:
        """Embed queries and rows, and find the nearest.

        Parameters
        ----------
        estimator : transformer
            A fitted :class:`~skrobust.TripletEmbedder`, or a pipeline with ``transform``, such as
            ``pipe[:-1]``.
        X_query : array-like of shape (n_queries, n_features) or (n_queries, channels, *spatial)
            Queries.
        X_labelled : array-like of shape (n_labelled, ...)
            Rows to search.
        y_labelled : array-like of shape (n_labelled,)
            Their labels.
        n_neighbors : int, default=5
            Rows to find for each query.
        y_query : array-like of shape (n_queries,), default=None
            Labels of the queries, if they are known.
        input_shape : sequence of int, default=None
            ``(channels, *spatial)`` of rows of a two-dimensional X; by default the estimator's
            ``input_shape_``, where it has one, else the rows as they are.
        names : dict of label to str, default=None
            Names of the labels; by default the labels.

        Returns
        -------
        display : RetrievalDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the shapes do not fit, or there are fewer than n_neighbors rows.
        """
        X_query = check_array(X_query, allow_nd=True, input_name="X_query")
        X_labelled = check_array(X_labelled, allow_nd=True, input_name="X_labelled")
        found = retrieve_neighbors(
            estimator.transform(X_query), estimator.transform(X_labelled), y_labelled, n_neighbors
        )
        shape = getattr(estimator, "input_shape_", None) if input_shape is None else input_shape
        shape = X_query.shape[1:] if shape is None else tuple(shape)
        labels = found.labels
        if y_query is not None:
            y_query = column_or_1d(y_query)
            if len(y_query) != len(X_query):
                raise ValueError(f"y_query has {len(y_query)} labels for {len(X_query)} queries.")
        if names is not None:
            labels = np.array([[str(names[one]) for one in row] for row in labels.tolist()])
            if y_query is not None:
                y_query = np.array([str(names[one]) for one in y_query.tolist()])
        return cls(
            X_query.reshape(-1, *shape),
            X_labelled[found.indices].reshape(*found.indices.shape, *shape),
            labels,
            found.distances,
            y_query=y_query,
        )

    def plot(self, ax: Sequence[Axes] | None = None) -> RetrievalDisplay:
        """Draw the queries and what was found.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            ``n_queries * (1 + n_neighbors)`` axes to draw into, query by query. None makes a
            figure.

        Returns
        -------
        self : RetrievalDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        n_queries, n_columns = len(self.queries), 1 + self.labels.shape[1]
        if ax is None:
            size = (1.5 * n_columns, 1.8 * n_queries)
            _, ax = plt.subplots(n_queries, n_columns, figsize=size, layout="constrained")
        panels = [f"{i}, {j}" for i in range(n_queries) for j in range(n_columns)]
        self.ax_ = np.array(given_axes(ax, panels), dtype=object).reshape(n_queries, n_columns)
        self.figure_ = self.ax_[0, 0].figure
        for i, (axes, query) in enumerate(zip(self.ax_, self.queries, strict=True)):
            known = None if self.y_query is None else self.y_query[i]
            _draw(axes[0], query, "query" if known is None else f"query: {known}", "black")
            for j, one in enumerate(axes[1:]):
                label, distance = self.labels[i, j], self.distances[i, j]
                color, sign = "0.6", ""
                if known is not None:
                    color, sign = (color_of(0), "= ") if label == known else (color_of(1), "≠ ")
                _draw(one, self.neighbors[i, j], f"{sign}{label}\nat {distance:.2f}", color)
        return self


def _draw(ax: Axes, row: NDArray, title: str, color: str) -> None:
    draw_row(ax, row, **({"lw": 0.8, "color": "black"} if row.ndim <= 2 else {}))
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize="small")
    for spine in ax.spines.values():
        spine.set(edgecolor=color, linewidth=2.5)
