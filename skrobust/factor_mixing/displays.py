"""Displays of factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ..evaluation.drawing import (
    check_names,
    color_of,
    draw_row,
    draw_scaled_row,
    given_axes,
    load_pyplot,
)

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
    >>> from skrobust.factor_mixing import FactorMixtureDisplay
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


class FactorSwapDisplay:
    """Rows decoded from the class code of one row and the residual code of another (Fig. 3 [1]_).

    The top line of panels shows the rows that give the class code, the left column those that
    give the residual code. Where the factors are apart, panels of one column look like one class,
    and panels of one line have one shape.

    Parameters
    ----------
    class_rows : ndarray of shape (n_class, *row_shape)
        The rows that give the class code.
    residual_rows : ndarray of shape (n_residual, *row_shape)
        The rows that give the residual code.
    swapped : ndarray of shape (n_residual, n_class, *row_shape)
        The decoded rows.
    class_names, residual_names : list of str
        Names of the rows.

    Attributes
    ----------
    ax_ : ndarray of shape (n_residual + 1, n_class + 1) of matplotlib.axes.Axes
        The panels; the one at the top left is empty.
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
    >>> from skrobust.factor_mixing import FactorSwapDisplay
    >>> X, y, groups = make_lesion_rois(40, size=12, random_state=0, return_X_y_groups=True)
    >>> sampler = FactorMixSampler(class_epochs=2, max_epochs=2, random_state=0)
    >>> X_new, target = sampler.fit_resample(X, y, groups=groups)
    >>> display = FactorSwapDisplay.from_estimator(sampler, X[:4], X[4:6]).plot()
    >>> display.ax_.shape
    (3, 5)
    """

    def __init__(
        self,
        class_rows: NDArray,
        residual_rows: NDArray,
        swapped: NDArray,
        *,
        class_names: list[str],
        residual_names: list[str],
    ):
        self.class_rows = class_rows
        self.residual_rows = residual_rows
        self.swapped = swapped
        self.class_names = class_names
        self.residual_names = residual_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_class: ArrayLike,
        X_residual: ArrayLike,
        *,
        class_names: Sequence[str] | None = None,
        residual_names: Sequence[str] | None = None,
    ) -> FactorSwapDisplay:
        """Decode all pairs.

        Parameters
        ----------
        estimator : FactorMixSampler
            After ``fit_resample``.
        X_class : array-like of shape (n_class, ...)
            The few rows that give the class code, as for ``estimator.swap``.
        X_residual : array-like of shape (n_residual, ...)
            The few rows that give the residual code.
        class_names, residual_names : sequence of str, default=None
            Names of the rows; by default c and r with their numbers.

        Returns
        -------
        display : FactorSwapDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the estimator is not fitted, or shapes or numbers of names do not fit.
        """
        check_is_fitted(estimator)
        X_class = check_array(X_class, allow_nd=True, input_name="X_class")
        X_residual = check_array(X_residual, allow_nd=True, input_name="X_residual")
        n_class, n_residual = len(X_class), len(X_residual)
        c = [f"c {i}" for i in range(n_class)] if class_names is None else class_names
        r = [f"r {i}" for i in range(n_residual)] if residual_names is None else residual_names
        class_names = check_names(c, n_class, "rows of X_class")
        residual_names = check_names(r, n_residual, "rows of X_residual")
        swapped = estimator.swap(
            np.tile(X_class, (n_residual, *[1] * (X_class.ndim - 1))),
            np.repeat(X_residual, n_class, axis=0),
        )
        shape = tuple(estimator.input_shape_)
        return cls(
            X_class.reshape(n_class, *shape),
            X_residual.reshape(n_residual, *shape),
            swapped.reshape(n_residual, n_class, *shape),
            class_names=class_names,
            residual_names=residual_names,
        )

    def plot(self, ax: Sequence[Axes] | None = None) -> FactorSwapDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of matplotlib.axes.Axes, default=None
            ``(n_residual + 1) * (n_class + 1)`` axes, line by line. None makes a figure.

        Returns
        -------
        self : FactorSwapDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes, or rows have more than 3 spatial axes.

        Notes
        -----
        All panels share one scale, that of the given rows.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        n_rows, n_columns = len(self.residual_rows) + 1, len(self.class_rows) + 1
        if ax is None:
            size = 1.3 * n_columns + 0.8, 1.3 * n_rows + 0.5
            ax = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained")[1]
        first = ["nothing", *self.class_names]
        panels = first + [
            f"{c} in {r}" if c else r for r in self.residual_names for c in ["", *self.class_names]
        ]
        axes = np.array(given_axes(ax, panels), dtype=object).reshape(n_rows, n_columns)
        self.ax_, self.figure_ = axes, axes[0, 0].figure
        given = [self.class_rows, self.residual_rows]
        low, high = min(float(v.min()) for v in given), max(float(v.max()) for v in given)
        axes[0, 0].set_axis_off()
        for j, (row, name) in enumerate(zip(self.class_rows, self.class_names, strict=True), 1):
            draw_scaled_row(axes[0, j], row, low, high)
            axes[0, j].set_title(name, fontsize="medium")
        for i, (row, name) in enumerate(
            zip(self.residual_rows, self.residual_names, strict=True), 1
        ):
            draw_scaled_row(axes[i, 0], row, low, high)
            axes[i, 0].set_ylabel(name, rotation=0, ha="right", va="center")
            for j in range(1, n_columns):
                draw_scaled_row(axes[i, j], self.swapped[i - 1, j - 1], low, high)
        for given_panel in [*axes[0, 1:], *axes[1:, 0]]:
            given_panel.patch.set_alpha(0)
            for side in given_panel.spines.values():
                side.set(color="#D55E00", linewidth=2)
        return self


class FactorTrainingDisplay:
    """Losses by epoch, and a fresh probe on the residual code beside chance.

    Parameters
    ----------
    history : list of dict
        Losses per epoch, as ``history_`` of :class:`~skrobust.FactorMixSampler`.
    diagnostics : dict
        As its ``diagnostics_``.

    Attributes
    ----------
    ax_ : ndarray of 3 matplotlib.axes.Axes
        Cross entropies of the classifier and of the adversary; error of reconstruction;
        accuracies.
    figure_ : matplotlib.figure.Figure
        The figure.
    bars_ : matplotlib.container.BarContainer
        Accuracy of the classifier on the class code, and of the probe on the residual code.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skrobust import FactorMixSampler, make_lesion_rois
    >>> from skrobust.factor_mixing import FactorTrainingDisplay
    >>> X, y, groups = make_lesion_rois(40, size=12, random_state=0, return_X_y_groups=True)
    >>> sampler = FactorMixSampler(class_epochs=2, max_epochs=2, random_state=0)
    >>> X_new, target = sampler.fit_resample(X, y, groups=groups)
    >>> display = FactorTrainingDisplay.from_estimator(sampler).plot()
    >>> len(display.ax_)
    3
    """

    def __init__(self, history: list[dict[str, float]], diagnostics: dict[str, float]):
        self.history = history
        self.diagnostics = diagnostics

    @classmethod
    def from_estimator(cls, estimator: Any) -> FactorTrainingDisplay:
        """Take losses and diagnostics from a sampler.

        Parameters
        ----------
        estimator : FactorMixSampler
            After ``fit_resample``.

        Returns
        -------
        display : FactorTrainingDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        NotFittedError
            If the sampler is not fitted.
        """
        check_is_fitted(estimator, "diagnostics_")
        return cls(estimator.history_, estimator.diagnostics_)

    def losses(self, name: str) -> NDArray:
        """Return a loss by epoch, such as ``"adversary_loss"``, of the step that has it."""
        return np.array([epoch[name] for epoch in self.history if name in epoch])

    def plot(self, ax: Sequence[Axes] | None = None) -> FactorTrainingDisplay:
        """Draw the losses and the accuracies.

        Parameters
        ----------
        ax : array-like of 3 matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        self : FactorTrainingDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes.

        Notes
        -----
        Where a class has too few rows for folds there is no probe, and its bar is missing.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = plt.subplots(1, 3, figsize=(9.5, 3), layout="constrained")
        axes = given_axes(ax, ["cross entropy", "reconstruction error", "accuracy"])
        self.ax_, self.figure_ = np.array(axes, dtype=object), axes[0].figure
        curves = {
            "classifier on c, step 1": "class_loss",
            "adversary on r, step 2": "adversary_loss",
        }
        for i, (label, name) in enumerate(curves.items()):
            losses = self.losses(name)
            axes[0].plot(np.arange(1, len(losses) + 1), losses, color=color_of(i), label=label)
        axes[0].set(xlabel="Epoch of the step", ylabel="Cross entropy", ylim=(0, None))
        axes[0].legend(frameon=False)
        errors = self.losses("reconstruction_loss")
        axes[1].plot(np.arange(1, len(errors) + 1), errors, color=color_of(2))
        axes[1].set(xlabel="Epoch of step 2", ylabel="Error / variance", ylim=(0, None))
        found = self.diagnostics
        self.bars_ = axes[2].bar(
            ["classifier\non c", "fresh probe\non r"],
            [found["class_accuracy"], found["probe_accuracy"]],
            color=[color_of(0), color_of(1)],
            width=0.6,
        )
        axes[2].bar_label(self.bars_, fmt="%.2f", label_type="center", color="white")
        chance = f"chance, {found['chance']:.2f}"
        axes[2].axhline(found["chance"], color="0.3", ls="--", lw=1.2, label=chance)
        axes[2].legend(loc="upper right", frameon=False)
        axes[2].set(ylabel="Accuracy", ylim=(0, 1.12), yticks=np.linspace(0, 1, 6))
        return self
