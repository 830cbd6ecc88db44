"""A map of an embedding with the rare classes marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from .drawing import check_names, color_of, given_axes, lighten, load_pyplot, marker_of
from .project_rows import project_rows

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
    >>> from skrobust.displays import EmbeddingDisplay
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
