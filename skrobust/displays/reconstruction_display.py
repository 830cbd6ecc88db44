"""Rows beside their reconstructions and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .drawing import check_names, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ReconstructionDisplay:
    """Input, reconstruction, error and truth of images or volumes, as in the paper's Fig. 3 [1]_.

    One line of panels for each row. Volumes are shown as one slice across their last axis.

    Parameters
    ----------
    inputs, reconstructions, errors : ndarray of shape (n_rows, height, width)
        What the panels show.
    truth : ndarray of shape (n_rows, height, width), default=None
        Lesion masks, say, for the last panel.
    names : list of str
        Name of every row.

    Attributes
    ----------
    ax_ : ndarray of shape (n_rows, 3 or 4) of matplotlib.axes.Axes
        The panels.
    figure_ : matplotlib.figure.Figure
        The figure.
    images_ : ndarray of shape (n_rows, 3 or 4) of matplotlib.image.AxesImage
        What is in them.

    References
    ----------
    .. [1] F. Behrendt et al., "Unsupervised anomaly detection in 3D brain MRI using deep learning
       with impured training data", 2022.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import AEOutlierRemover
    >>> from skrobust.displays import ReconstructionDisplay
    >>> X = load_digits().images[:60, None]
    >>> model = AEOutlierRemover(restarts=(), max_epochs=5, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(model, X[:2]).plot()
    >>> display.ax_.shape
    (2, 3)
    """

    def __init__(
        self,
        inputs: NDArray,
        reconstructions: NDArray,
        errors: NDArray,
        *,
        truth: NDArray | None = None,
        names: list[str],
    ):
        self.inputs = inputs
        self.reconstructions = reconstructions
        self.errors = errors
        self.truth = truth
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        truth: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ) -> ReconstructionDisplay:
        """Reconstruct a few rows.

        Parameters
        ----------
        estimator : AEOutlierRemover
            After fit, on images or volumes.
        X : array-like of shape (n_rows, ...)
            The rows, as for ``estimator.reconstruct``. Of several channels the first is shown.
        truth : array-like of shape (n_rows, *spatial), default=None
            Masks. A volume is cut where its mask has the largest area, without a mask where its
            error is largest.
        names : sequence of str, default=None
            Names of the rows; by default their numbers and errors.

        Returns
        -------
        display : ReconstructionDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator is not fitted, the rows are neither images nor volumes, or shapes do
            not fit.
        """
        check_is_fitted(estimator)
        shape = tuple(estimator.input_shape_)
        if len(shape) not in (3, 4):
            raise ValueError(
                f"rows of shape {shape} are neither images nor volumes. Fit the estimator with "
                "input_shape=(channels, height, width) or (channels, depth, height, width)."
            )
        X = check_array(X, allow_nd=True, input_name="X")
        parts = [X, estimator.reconstruct(X), estimator.error_map(X)]
        parts = [part.reshape(-1, *shape)[:, 0] for part in parts]
        if truth is not None:
            truth = np.asarray(truth)
            if truth.shape != parts[0].shape:
                raise ValueError(
                    f"truth has shape {truth.shape}, but the rows shown have shape "
                    f"{parts[0].shape}. Give one mask for each, without the channel axis."
                )
        if names is None:
            scores = parts[2].reshape(len(X), -1).mean(1)
            names = [f"row {i}\nerror {score:.3g}" for i, score in enumerate(scores)]
        names = check_names(names, len(X), "rows")
        if len(shape) == 4:
            masks = (
                parts[2]
                if truth is None
                else np.where(truth.any((1, 2, 3), keepdims=True), truth, parts[2])
            )
            places = masks.sum((1, 2)).argmax(1)
            rows = np.arange(len(X))
            parts = [part[rows, :, :, places] for part in parts]
            truth = None if truth is None else truth[rows, :, :, places]
        return cls(*parts, truth=truth, names=names)

    def plot(self, ax: Sequence[Axes] | None = None) -> ReconstructionDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            3 axes for each row, 4 with truth, row by row. None makes a figure.

        Returns
        -------
        self : ReconstructionDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes.

        Notes
        -----
        Input and reconstruction of a row share one scale of grey, the errors of all rows one
        scale of colour.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        titles = ["input", "reconstruction", "error"]
        titles += [] if self.truth is None else ["truth"]
        n_rows = len(self.inputs)
        if ax is None:
            size = 1.7 * len(titles) + 1.6, 1.8 * n_rows + 0.4
            ax = plt.subplots(n_rows, len(titles), figsize=size, layout="constrained")[1]
        panels = [f"{title} of {name}" for name in self.names for title in titles]
        axes = np.array(given_axes(ax, panels), dtype=object).reshape(n_rows, len(titles))
        self.ax_, self.figure_ = axes, axes[0, 0].figure
        self.images_ = np.empty(axes.shape, dtype=object)
        top = float(self.errors.max()) or 1.0
        for i in range(n_rows):
            low, high = float(self.inputs[i].min()), float(self.inputs[i].max())
            grey = {"cmap": "gray", "vmin": low, "vmax": high}
            shown = [(self.inputs[i], grey), (self.reconstructions[i], grey)]
            shown.append((self.errors[i], {"cmap": "inferno", "vmin": 0, "vmax": top}))
            if self.truth is not None:
                shown.append((self.truth[i], {"cmap": "gray", "vmin": 0, "vmax": 1}))
            for j, (image, options) in enumerate(shown):
                self.images_[i, j] = axes[i, j].imshow(image, interpolation="nearest", **options)
                axes[i, j].set(xticks=[], yticks=[])
                if i == 0:
                    axes[i, j].set_title(titles[j], fontsize="medium")
            axes[i, 0].set_ylabel(self.names[i], rotation=0, ha="right", va="center")
        bar = self.figure_.colorbar(self.images_[0, 2], ax=axes[:, 2].tolist(), fraction=0.06)
        bar.ax.tick_params(labelsize="small")
        return self
