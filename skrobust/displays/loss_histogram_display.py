"""Reconstruction errors of the training rows, and the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .drawing import color_of, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LossHistogramDisplay:
    """Histogram of reconstruction errors with the threshold after training.

    Rows that stay and removed rows are stacked. Where it is known which rows are outliers, these
    are hatched: hatched bars on the left are outliers that were missed, plain removed ones are
    inliers that were lost.

    Parameters
    ----------
    errors : ndarray of shape (n_samples,)
        Reconstruction error of every row.
    removed : ndarray of shape (n_samples,), bool
        Rows that were removed.
    threshold : float
        Error above which a row is an outlier.
    is_outlier : ndarray of shape (n_samples,), bool, default=None
        True outliers, where they are known.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    histograms_ : list of matplotlib.container.BarContainer
        One for each kind of rows, those that stay first.
    threshold_line_ : matplotlib.lines.Line2D
        The threshold.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from skrobust.displays import LossHistogramDisplay
    >>> errors = np.array([0.1, 0.2, 0.15, 0.9])
    >>> display = LossHistogramDisplay(errors, errors > 0.5, threshold=0.4).plot()
    >>> [len(bars) for bars in display.histograms_]
    [30, 30]
    """

    def __init__(
        self,
        errors: NDArray,
        removed: NDArray,
        threshold: float,
        *,
        is_outlier: NDArray | None = None,
    ):
        self.errors = errors
        self.removed = removed
        self.threshold = threshold
        self.is_outlier = is_outlier

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, is_outlier: ArrayLike | None = None
    ) -> LossHistogramDisplay:
        """Read the errors of the training rows.

        Parameters
        ----------
        estimator : AEOutlierRemover
            After fit, with ``scores_``, ``removed_epoch_`` and ``offset_``.
        is_outlier : array-like of shape (n_samples,), bool, default=None
            Which of the training rows are outliers, where it is known.

        Returns
        -------
        display : LossHistogramDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator is not fitted, or the lengths differ.
        """
        check_is_fitted(estimator, ["scores_", "removed_epoch_", "offset_"])
        errors = -np.asarray(estimator.scores_)
        if is_outlier is not None:
            is_outlier = np.asarray(is_outlier, dtype=bool)
            if is_outlier.shape != errors.shape:
                raise ValueError(
                    f"is_outlier has shape {is_outlier.shape}, but the estimator was fitted on "
                    f"{len(errors)} rows. Give one entry for each."
                )
        removed = np.asarray(estimator.removed_epoch_) > 0
        return cls(errors, removed, -float(estimator.offset_), is_outlier=is_outlier)

    def plot(self, ax: Axes | None = None, *, bins: int = 30) -> LossHistogramDisplay:
        """Draw the histogram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. None makes a figure.
        bins : int, default=30
            Number of bins.

        Returns
        -------
        self : LossHistogramDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
        (self.ax_,) = given_axes(ax, ["histogram"])
        self.figure_ = self.ax_.figure
        kinds = [("stays", ~self.removed, color_of(0)), ("removed", self.removed, color_of(1))]
        if self.is_outlier is not None:
            kinds = [
                (f"{name}, {truth}", rows & (self.is_outlier == (truth == "outlier")), color)
                for name, rows, color in kinds
                for truth in ("inlier", "outlier")
            ]
        edges = np.histogram_bin_edges(self.errors, bins)
        below = np.zeros(len(edges) - 1)
        self.histograms_ = []
        for name, rows, color in kinds:
            counts = np.histogram(self.errors[rows], edges)[0]
            hatch = "////" if name.endswith("outlier") else None
            bars = self.ax_.bar(
                edges[:-1], counts, np.diff(edges), bottom=below, align="edge", color=color,
                edgecolor="white", lw=0.4, hatch=hatch, label=f"{name} ({rows.sum()})",
            )  # fmt: skip
            self.histograms_.append(bars)
            below = below + counts
        self.ax_.set_ylim(0, 1.08 * below.max())
        label = f"threshold: {self.threshold:.3g}"
        self.threshold_line_ = self.ax_.axvline(
            self.threshold, color="black", ls="--", lw=1.6, label=label
        )
        self.ax_.set(xlabel="Mean absolute reconstruction error (units of X)", ylabel="Rows")
        self.ax_.legend(frameon=False, fontsize="small")
        return self
