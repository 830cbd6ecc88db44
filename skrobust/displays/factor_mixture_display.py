"""New rows of factor mixing beside the rows that they come from, and their class proportions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .draw_row import draw_row, draw_scaled_row
from .drawing import check_names, color_of, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class FactorMixtureDisplay:
    """New rows with the rows whose residual code they have, and their mixtures (Fig. 4 [1]_).

    A line of panels for each new row: the row that gave the residual code, the new row, the change
    from one to the other, and the proportions of the classes, which are its target.

    Parameters
    ----------
    rows : ndarray of shape (n_new, *row_shape)
        The rows that gave the residual codes.
    new_rows : ndarray of shape (n_new, *row_shape)
        The new rows.
    mixture : ndarray of shape (n_new, n_classes)
        Their class proportions.
    class_names : list of str
        Names of the classes.

    Attributes
    ----------
    ax_ : ndarray of shape (n_new, 4) of matplotlib.axes.Axes
        The panels.
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
    >>> from skrobust.displays import FactorMixtureDisplay
    >>> X, y, groups = make_lesion_rois(40, size=12, random_state=0, return_X_y_groups=True)
    >>> sampler = FactorMixSampler(class_epochs=2, max_epochs=2, random_state=0)
    >>> X_new, target = sampler.fit_resample(X, y, groups=groups)
    >>> display = FactorMixtureDisplay.from_estimator(sampler, X_new, new_rows=[0, 3]).plot()
    >>> display.ax_.shape
    (2, 4)
    """

    def __init__(
        self, rows: NDArray, new_rows: NDArray, mixture: NDArray, *, class_names: list[str]
    ):
        self.rows = rows
        self.new_rows = new_rows
        self.mixture = mixture
        self.class_names = class_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_resampled: ArrayLike,
        *,
        new_rows: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> FactorMixtureDisplay:
        """Take new rows from what a sampler returned.

        Parameters
        ----------
        estimator : FactorMixSampler
            After ``fit_resample``.
        X_resampled : array-like of shape (n_samples + n_new, ...)
            What ``fit_resample`` returned as X.
        new_rows : sequence of int, default=None
            Which new rows to show, counted from 0 after the original rows. By default one for
            every class: of the new rows that have most of it, the one that has least.
        class_names : sequence of str, default=None
            Names of the classes, in the order of ``classes_``; by default their labels.

        Returns
        -------
        display : FactorMixtureDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the sampler is not fitted or made no new rows, if it did not return `X_resampled`,
            a new row does not exist, or the number of names is wrong.
        """
        check_is_fitted(estimator)
        X = check_array(X_resampled, allow_nd=True, input_name="X_resampled")
        source, mixture = estimator.sample_indices_, estimator.mixture_
        if len(X) != len(source):
            raise ValueError(
                f"X_resampled has {len(X)} rows but the sampler returned {len(source)}: give what "
                "fit_resample returned."
            )
        n_new = len(mixture)
        if not n_new:
            raise ValueError("the sampler made no new rows: set its factor above 0.")
        n_samples = len(X) - n_new
        if new_rows is None:
            new_rows = _most_mixed(estimator, mixture)
        chosen = np.asarray(new_rows)
        if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
            raise ValueError(f"new_rows is {new_rows!r}, expected whole numbers.")
        if chosen.min() < 0 or chosen.max() >= n_new:
            raise ValueError(f"new_rows is {new_rows!r}, expected numbers from 0 to {n_new - 1}.")
        labels = [str(label) for label in estimator.classes_]
        names = check_names(labels if class_names is None else class_names, len(labels), "classes")
        shape = (len(chosen), *estimator.input_shape_)
        return cls(
            X[source[n_samples + chosen]].reshape(shape),
            X[n_samples + chosen].reshape(shape),
            mixture[chosen],
            class_names=names,
        )

    def plot(self, ax: Sequence[Axes] | None = None) -> FactorMixtureDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            ``4 * n_new`` axes, line by line. None makes a figure.

        Returns
        -------
        self : FactorMixtureDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes, or rows have more than 3 spatial axes.

        Notes
        -----
        Rows share one scale, changes another one that is symmetric about 0.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        titles = ["row", "new row", "change", "proportions"]
        n_new = len(self.rows)
        if ax is None:
            size = 7.2, 1.35 * n_new + 0.5
            ax = plt.subplots(n_new, 4, figsize=size, layout="constrained")[1]
        panels = [f"{title} {i}" for i in range(n_new) for title in titles]
        axes = np.array(given_axes(ax, panels), dtype=object).reshape(n_new, 4)
        self.ax_, self.figure_ = axes, axes[0, 0].figure
        both = np.stack([self.rows, self.new_rows]).astype(float)
        low, high = both.min(), both.max()
        change = both[1] - both[0]
        largest = abs(change).max() or 1.0
        for panel, title in zip(axes[0], titles, strict=True):
            panel.set_title(title, fontsize="medium")
        for i, line in enumerate(axes):
            draw_scaled_row(line[0], both[0, i], low, high)
            draw_scaled_row(line[1], both[1, i], low, high)
            if change[i].ndim > 2:
                draw_row(line[2], change[i], cmap="RdBu_r", vmin=-largest, vmax=largest)
            else:
                draw_scaled_row(line[2], change[i], -largest, largest)
            self._draw_mixture(line[3], self.mixture[i])
        return self

    def _draw_mixture(self, ax: Axes, shares: NDArray) -> None:
        places = np.arange(len(shares))
        ax.barh(places, shares, color=[color_of(place) for place in places])
        ax.set(xlim=(0, 1), xticks=[0, 0.5, 1], yticks=places, yticklabels=self.class_names)
        ax.invert_yaxis()
        ax.tick_params(labelsize="small")
        ax.spines[["top", "right"]].set_visible(False)


def _most_mixed(estimator: Any, mixture: NDArray) -> list[int]:
    """Return for every class, as the largest proportion, the new row that is most mixed."""
    largest, chosen = mixture.argmax(1), []
    for code in range(mixture.shape[1]):
        rows = np.flatnonzero(largest == code)
        if rows.size:
            chosen.append(int(rows[mixture[rows, code].argmin()]))
    return chosen
