"""Displays of embeddings and of similar rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from ..evaluation.drawing import (
    Display,
    check_length,
    check_names,
    color_of,
    draw_row,
    lighten,
    marker_of,
    project_rows,
)
from .neighbors import retrieve_neighbors


@dataclass(eq=False, repr=False)
class EmbeddingDisplay(Display):
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
    scatters_ : list of matplotlib.collections.PathCollection
        One per class, the common ones first.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.embedding import EmbeddingDisplay
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat(["glioma", "meningioma", "neurinoma"], [60, 36, 4])
    >>> display = EmbeddingDisplay.from_embedding(rng.normal(size=(100, 6)), y, rare_classes=y[-1:])
    >>> display.is_rare
    array([False, False,  True])
    >>> len(display.plot().scatters_)
    3
    """

    projected: NDArray
    codes: NDArray
    is_rare: NDArray
    class_names: list[str]
    _: KW_ONLY
    projection_name: str = "projection"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> EmbeddingDisplay:
        """Embed rows, and return their display.

        Parameters
        ----------
        estimator : transformer
            A fitted :class:`~skrobust.TripletEmbedder`, or a pipeline such as ``pipe[:-1]``.
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        **kwargs : dict
            Arguments of `from_embedding`.
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
        """Return the display of embedded rows.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_features)
            Embedded rows.
        y : array-like of shape (n_samples,)
            Their labels.
        rare_classes : array-like of shape (n_rare,), default=()
            Labels of the classes to mark, such as ``embedder.rare_classes_``; others are ignored.
        projection : "pca" or transformer, default=None
            Anything with ``fit_transform`` to two dimensions; it is cloned. None is "pca".
        class_names : sequence of str, default=None
            Names of the classes, in sorted order of the labels; by default the labels.
        random_state : int, RandomState instance or None, default=None
            Seed of the projection, if it has a parameter of this name; None keeps its own.
        """
        embedding = check_array(embedding, input_name="embedding")
        y = column_or_1d(y)
        check_consistent_length(embedding, y)
        classes, codes = np.unique(y, return_inverse=True)
        names = check_names(class_names, classes, "classes")
        projected, name = project_rows(embedding, projection, random_state)
        is_rare = np.isin(classes, np.asarray(rare_classes))
        return cls(projected, codes, is_rare, names, projection_name=name)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return "map", {"figsize": (7.5, 5)}

    def _draw(self) -> None:
        self.scatters_ = []
        n_common = np.count_nonzero(~self.is_rare)
        crowded = n_common > 7  # more than there are colours: classes would be confused
        for place, code in enumerate(np.argsort(self.is_rare, kind="stable")):
            rows = self.projected[self.codes == code]
            label, color = f"{self.class_names[code]} ({len(rows)})", color_of(place)
            style = {"s": np.clip(6000 / len(self.codes), 8, 30), "marker": "o", "linewidths": 0}
            if self.is_rare[code]:
                nth = place - n_common
                color = color_of(nth) if crowded else color
                # the marker changes when the colours repeat
                style = {"s": 60, "marker": marker_of(nth + 1 + nth // 7), "zorder": 3}
                style |= {"edgecolors": "black", "linewidths": 0.8}
            elif crowded:
                label, color = f"{n_common} common classes" if place == 0 else None, "0.8"
            else:
                color = lighten(color, 0.55)
            self.scatters_.append(self.ax_.scatter(*rows.T, label=label, color=color, **style))
        self.ax_.set(xlabel=f"{self.projection_name} 1", ylabel=f"{self.projection_name} 2")
        self.ax_.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


@dataclass(eq=False, repr=False)
class RetrievalDisplay(Display):
    """Each query in a line with its nearest labelled rows, their labels and distances.

    Images are shown as they are, volumes by their middle slice along the first spatial axis,
    signals as lines; of several channels the first. If the label of a query is known, a row of
    the same class has a blue frame and "=", another one an orange frame and "≠".

    Parameters
    ----------
    queries : ndarray of shape (n_queries, *shape)
        Rows of the queries.
    neighbors : ndarray of shape (n_queries, n_neighbors, *shape)
        Rows found.
    labels, distances : ndarray of shape (n_queries, n_neighbors)
        Their labels and distances.
    y_query, query_names : ndarray of shape (n_queries,) or None, default=None
        Labels, if they are known, and names of the queries.
    neighbor_names : ndarray of shape (n_queries, n_neighbors), default=None
        Names of the rows found.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import RetrievalDisplay, TripletEmbedder
    >>> X, y = load_digits(return_X_y=True)
    >>> embedder = TripletEmbedder(input_shape=(1, 8, 8), max_epochs=1, random_state=0)
    >>> display = RetrievalDisplay.from_estimator(
    ...     embedder.fit(X[:300], y[:300]), X[300:302], X[:300], y[:300]
    ... )
    >>> display.plot().ax_.shape
    (2, 6)
    """

    queries: NDArray
    neighbors: NDArray
    labels: NDArray
    distances: NDArray
    _: KW_ONLY
    y_query: NDArray | None = None
    query_names: NDArray | None = None
    neighbor_names: NDArray | None = None

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
        groups_query: ArrayLike | None = None,
        groups_labelled: ArrayLike | None = None,
    ) -> RetrievalDisplay:
        """Embed queries and rows, find the nearest, and return their display.

        Parameters
        ----------
        estimator : transformer
            A fitted :class:`~skrobust.TripletEmbedder`, or a pipeline such as ``pipe[:-1]``.
        X_query, X_labelled : array-like of shape (n_queries, ...) and (n_labelled, ...)
            Queries, and rows to search.
        y_labelled : array-like of shape (n_labelled,)
            Their labels.
        n_neighbors : int, default=5
            Rows to find for each query.
        y_query : array-like of shape (n_queries,), default=None
            Labels of the queries, if they are known.
        input_shape : sequence of int, default=None
            ``(channels, *spatial)`` of a row; by default the estimator's ``input_shape_``, if any.
        names : dict of label to str, default=None
            Names of the labels; by default the labels.
        groups_query, groups_labelled : array-like, default=None
            Groups (patients), named in the titles; rows of the query's own are not shown.
        """
        X_query = check_array(X_query, allow_nd=True, input_name="X_query")
        X_labelled = check_array(X_labelled, allow_nd=True, input_name="X_labelled")
        found = retrieve_neighbors(
            estimator.transform(X_query),
            estimator.transform(X_labelled),
            y_labelled,
            n_neighbors,
            groups_query=groups_query,
            groups_labelled=groups_labelled,
        )
        shape = getattr(estimator, "input_shape_", None) if input_shape is None else input_shape
        shape = X_query.shape[1:] if shape is None else tuple(shape)
        labels = found.labels
        if y_query is not None:
            y_query = check_length(y_query, len(X_query), "y_query")
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
            query_names=_row_names(len(X_query), groups_query),
            neighbor_names=_row_names(len(X_labelled), groups_labelled)[found.indices],
        )

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        n_queries, n_columns = len(self.queries), 1 + self.labels.shape[1]
        panels = [[f"{i}, {j}" for j in range(n_columns)] for i in range(n_queries)]
        return panels, {"figsize": (1.6 * n_columns, 2.3 * n_queries)}

    def _draw(self) -> None:
        for i, (axes, query) in enumerate(zip(self.ax_, self.queries, strict=True)):
            known = None if self.y_query is None else self.y_query[i]
            title = ["query"] if known is None else ["query", str(known)]
            title += [] if self.query_names is None else [self.query_names[i]]
            _draw_framed(axes[0], query, title, "black")
            for j, ax in enumerate(axes[1:]):
                label, distance = self.labels[i, j], self.distances[i, j]
                color, sign = "0.6", ""
                if known is not None:
                    color, sign = (color_of(0), "= ") if label == known else (color_of(1), "≠ ")
                title = [f"{sign}{label}", f"distance {distance:.2g}"]
                title += [] if self.neighbor_names is None else [self.neighbor_names[i, j]]
                _draw_framed(ax, self.neighbors[i, j], title, color)


def _row_names(n_rows: int, groups: ArrayLike | None) -> NDArray:
    """Return the position of every row, and its patient if known."""
    rows = [f"row {i}" for i in range(n_rows)]
    if groups is not None:
        rows = [f"{row}\npatient {g}" for row, g in zip(rows, column_or_1d(groups), strict=True)]
    return np.array(rows)


def _draw_framed(ax: Any, row: NDArray, title: list[str], color: str) -> None:
    """Draw one row in a frame."""
    draw_row(ax, row, **({"lw": 0.8, "color": "black"} if row.ndim <= 2 else {}))
    ax.set(xticks=[], yticks=[])
    ax.set_title("\n".join(title), fontsize="small")
    for spine in ax.spines.values():
        spine.set(edgecolor=color, linewidth=2.5)
