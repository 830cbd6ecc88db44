"""Displays of embeddings and of similar rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from ..evaluation.drawing import (
    check_names,
    color_of,
    draw_row,
    given_axes,
    lighten,
    load_pyplot,
    marker_of,
    project_rows,
)
from .neighbors import retrieve_neighbors

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class EmbeddingDisplay:
    """Rows of an embedding in two dimensions: rare classes dark and large, the others light.

    Parameters
    ----------
    projected : ndarray of shape (n_samples, 2)
        The rows in two dimensions.
    codes : ndarray of shape (n_samples,), int
        Class of every row, as position in `class_names`.
    is_rare : ndarray of shape (n_classes,), bool
        The classes to mark.
    class_names : list of str
        Names of the classes.
    projection_name : str, default="projection"
        Name of the projection, for the labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    scatters_ : list of matplotlib.collections.PathCollection
        One per class, the common ones first.

    See Also
    --------
    skrobust.TripletEmbedder : Learns embeddings.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from skrobust.embedding import EmbeddingDisplay
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat(["glioma", "meningioma", "neurinoma"], [60, 36, 4])
    >>> display = EmbeddingDisplay.from_embedding(
    ...     rng.normal(size=(100, 6)), y, rare_classes=["neurinoma"]
    ... )
    >>> display.is_rare
    array([False, False,  True])
    >>> len(display.plot().scatters_)
    3
    """

    def __init__(
        self,
        projected: NDArray,
        codes: NDArray,
        is_rare: NDArray,
        class_names: list[str],
        *,
        projection_name: str = "projection",
    ):
        self.projected = projected
        self.codes = codes
        self.is_rare = is_rare
        self.class_names = class_names
        self.projection_name = projection_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> EmbeddingDisplay:
        """Embed rows, and compute the display.

        Parameters
        ----------
        estimator : transformer
            A fitted :class:`~skrobust.TripletEmbedder`, or a pipeline with ``transform``, such as
            ``pipe[:-1]``.
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        **kwargs : dict
            Arguments of `from_embedding`.

        Returns
        -------
        display : EmbeddingDisplay
            The computed display; ``plot`` draws it.
        """
        return cls.from_embedding(estimator.transform(X), y, **kwargs)

    @classmethod
    def from_embedding(
        cls,
        embedding: ArrayLike,
        y: ArrayLike,
        *,
        rare_classes: ArrayLike = (),
        projection: Any = None,
        class_names: Sequence[str] | None = None,
        random_state: int | RandomState | None = None,
    ) -> EmbeddingDisplay:
        """Compute the display from embedded rows.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_features)
            Embedded rows.
        y : array-like of shape (n_samples,)
            Their labels.
        rare_classes : array-like of shape (n_rare,), default=()
            Labels of the classes to mark, such as ``embedder.rare_classes_``. Those without a
            row are passed over.
        projection : "pca" or transformer, default=None
            Anything with ``fit_transform`` to two dimensions, such as
            ``sklearn.manifold.TSNE()``. It is cloned. "pca" and None take the first two
            principal components.
        class_names : sequence of str, default=None
            Names of the classes, in sorted order of the labels; by default the labels.
        random_state : int, RandomState instance or None, default=None
            Seed of the projection, if it has a parameter of this name; None leaves the
            projection's own.

        Returns
        -------
        display : EmbeddingDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the lengths differ, or the projection does not lead to two dimensions.
        """
        embedding = check_array(embedding, input_name="embedding")
        y = column_or_1d(y)
        check_consistent_length(embedding, y)
        classes, codes = np.unique(y, return_inverse=True)
        names = check_names(
            classes if class_names is None else class_names, len(classes), "classes"
        )
        projected, name = project_rows(embedding, projection, random_state)
        is_rare = np.isin(classes, np.asarray(rare_classes))
        return cls(projected, codes, is_rare, names, projection_name=name)

    def plot(self, ax: Axes | None = None) -> EmbeddingDisplay:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. None makes a figure.

        Returns
        -------
        self : EmbeddingDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=(7.5, 5), layout="constrained")
        (self.ax_,) = given_axes(ax, ["map"])
        self.figure_ = self.ax_.figure
        self.scatters_ = []
        common, rare = np.flatnonzero(~self.is_rare), np.flatnonzero(self.is_rare)
        small = np.clip(6000 / len(self.codes), 8, 30)
        for place, code in enumerate(common):
            label, color = self._label(code), lighten(color_of(place), 0.55)
            if len(common) > 7:  # more than colours: they would be taken for one another
                label, color = f"{len(common)} common classes" if place == 0 else None, "0.8"
            self._scatter(code, label, color=color, s=small, marker="o", linewidths=0)
        for place, code in enumerate(rare):
            color = color_of(place) if len(common) > 7 else color_of(len(common) + place)
            # markers move on with every round of the colours
            marker = marker_of(place + 1 + place // 7)
            self._scatter(
                code, self._label(code), color=color, s=60, marker=marker,
                edgecolors="black", linewidths=0.8, zorder=3,
            )  # fmt: skip
        self.ax_.set(xlabel=f"{self.projection_name} 1", ylabel=f"{self.projection_name} 2")
        self.ax_.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        return self

    def _label(self, code: int) -> str:
        return f"{self.class_names[code]} ({np.count_nonzero(self.codes == code)})"

    def _scatter(self, code: int, label: str | None, **style: Any) -> None:
        rows = self.projected[self.codes == code]
        self.scatters_.append(self.ax_.scatter(*rows.T, label=label, **style))


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
