"""The weights that a classifier gave its training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from .drawing import color_of, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class SampleWeightDisplay:
    """Histogram of the training weights, where known with the wrong rows apart.

    Parameters
    ----------
    weight : ndarray of shape (n_rows,)
        Weights of the rows that trained.
    wrong : ndarray of shape (n_rows,), bool, default=None
        Rows that are known to be mislabelled or otherwise wrong.

    Attributes
    ----------
    means : tuple of float
        Mean weight of all rows or, with `wrong`, of the right and of the wrong rows.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    histograms_ : list of matplotlib.container.BarContainer
        One for all rows, or one for the right and one for the wrong ones.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from types import SimpleNamespace
    >>> from skrobust.displays import SampleWeightDisplay
    >>> fitted = SimpleNamespace(sample_weight_=[1.5, 0.5, 1.0, 0.0])
    >>> display = SampleWeightDisplay.from_estimator(fitted, wrong=[False, True, False, False])
    >>> display.means
    (1.25, 0.5)
    >>> len(display.plot().histograms_)
    2
    """

    def __init__(self, weight: NDArray, wrong: NDArray | None = None):
        self.weight = weight
        self.wrong = wrong

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, wrong: ArrayLike | None = None
    ) -> SampleWeightDisplay:
        """Take the weights from a fitted classifier.

        Parameters
        ----------
        estimator : InfluenceReweighter or LabelQualityReweighter
            Fitted; anything with ``sample_weight_``. Rows of weight 0 did not train and are
            left out.
        wrong : array-like of shape (n_samples,), bool, default=None
            Rows that are known to be wrong, such as those of :func:`~skrobust.flip_labels`.

        Returns
        -------
        display : SampleWeightDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator has no ``sample_weight_``, or the lengths differ.
        """
        if not hasattr(estimator, "sample_weight_"):
            raise ValueError(
                f"{type(estimator).__name__} has no sample_weight_. Give a fitted "
                "InfluenceReweighter or LabelQualityReweighter."
            )
        weight = np.asarray(estimator.sample_weight_)
        trained = weight > 0
        if wrong is not None:
            wrong = column_or_1d(wrong).astype(bool)
            if len(wrong) != len(weight):
                raise ValueError(
                    f"wrong has {len(wrong)} entries but there are weights of {len(weight)} rows."
                )
            wrong = wrong[trained]
        return cls(weight[trained], wrong)

    @property
    def means(self) -> tuple[float, ...]:
        """Mean weight of all rows, or of the right and of the wrong rows; NaN of no rows."""
        return tuple(float(part.mean()) if len(part) else np.nan for part in self._parts())

    def _parts(self) -> list[NDArray]:
        if self.wrong is None:
            return [self.weight]
        return [self.weight[~self.wrong], self.weight[self.wrong]]

    def plot(self, ax: Axes | None = None, *, bins: int = 30) -> SampleWeightDisplay:
        """Draw the histogram; with known wrong rows, densities of either kind.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure.
        bins : int, default=30
            Number of bins.

        Returns
        -------
        self : SampleWeightDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
        self.ax_ = given_axes(ax, ["weights"])[0]
        self.figure_ = self.ax_.figure
        edges = np.histogram_bin_edges(self.weight, bins)
        names = ["all rows"] if self.wrong is None else ["right rows", "wrong rows"]
        self.histograms_ = []
        shown = zip(self._parts(), names, self.means, strict=True)
        for i, (part, name, mean) in enumerate(shown):
            density = self.wrong is not None and len(part) > 0
            label = f"{name}, mean {mean:.2f}"
            color = color_of(i)
            bars = self.ax_.hist(part, edges, density=density, color=color, alpha=0.6, label=label)[
                2
            ]
            self.histograms_.append(bars)
            if len(part):
                self.ax_.axvline(mean, color=color, ls="--", lw=1.5)
        self.ax_.set(xlabel="Weight", ylabel="Rows" if self.wrong is None else "Density")
        self.ax_.legend(frameon=False)
        return self
