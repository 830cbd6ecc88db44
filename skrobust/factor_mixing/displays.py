"""Displays of factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ..evaluation.drawing import Display, check_names, color_of, draw_row


def draw_scaled_row(ax: Any, row: NDArray, low: float, high: float, cmap: str = "gray") -> None:
    """Draw one row on a given scale, without ticks."""
    if row.ndim <= 2:
        ax.set(ylim=(low, high), xticks=[], yticks=[])
        draw_row(ax, row)
    else:
        draw_row(ax, row, vmin=low, vmax=high, cmap=cmap)


@dataclass(eq=False, repr=False)
class FactorMixtureDisplay(Display):
    """New rows with the rows whose residual code they have, and their mixtures.

    As in Fig. 4 of the paper of :class:`~skrobust.FactorMixSampler`, a line of panels for each new
    row: the row that gave the residual code, the new row, the change from one to the other, and the
    class proportions. Rows share one scale, changes another one that is symmetric around 0.

    Parameters
    ----------
    rows, new_rows : ndarray of shape (n_new, *row_shape)
        The rows that gave the residual codes, and the new rows.
    mixture : ndarray of shape (n_new, n_classes)
        Their class proportions.
    class_names : list of str
        Names of the classes.

    Examples
    --------
    >>> from skrobust import FactorMixSampler, make_lesion_rois
    >>> from skrobust.factor_mixing import FactorMixtureDisplay
    >>> X, y = make_lesion_rois(40, size=12, random_state=0, return_X_y_groups=True)[:2]
    >>> sampler = FactorMixSampler(class_epochs=2, max_epochs=2, random_state=0)
    >>> X_new, target = sampler.fit_resample(X, y)
    >>> FactorMixtureDisplay.from_estimator(sampler, X_new, new_rows=[0, 3]).plot().ax_.shape
    (2, 4)
    """

    rows: NDArray
    new_rows: NDArray
    mixture: NDArray
    _: KW_ONLY
    class_names: list[str]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_resampled: ArrayLike,
        *,
        new_rows: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> FactorMixtureDisplay:
        """Return the display of new rows of a sampler.

        Parameters
        ----------
        estimator : FactorMixSampler
            After ``fit_resample``.
        X_resampled : array-like of shape (n_samples + n_new, ...)
            The X that ``fit_resample`` returned.
        new_rows : sequence of int, default=None
            Which new rows to show, counted from 0 after the original rows. By default one for
            every class: of the rows in which it has the largest share, the most mixed one.
        class_names : sequence of str, default=None
            Names of the classes, in the order of ``classes_``; by default their labels.
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
        chosen = np.asarray(_most_mixed(mixture) if new_rows is None else new_rows)
        if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
            raise ValueError(f"new_rows is {new_rows!r}, expected whole numbers.")
        if chosen.min() < 0 or chosen.max() >= n_new:
            raise ValueError(f"new_rows is {new_rows!r}, expected numbers from 0 to {n_new - 1}.")
        names = check_names(class_names, estimator.classes_, "classes")
        shape, places = (len(chosen), *estimator.input_shape_), len(X) - n_new + chosen
        return cls(
            X[source[places]].reshape(shape),
            X[places].reshape(shape),
            mixture[chosen],
            class_names=names,
        )

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        panels = [[f"{title} {i}" for title in _MIXTURE_TITLES] for i in range(len(self.rows))]
        return panels, {"figsize": (7.2, 1.35 * len(self.rows) + 0.5)}

    def _draw(self) -> None:
        both = np.stack([self.rows, self.new_rows]).astype(float)
        low, high = both.min(), both.max()
        change = both[1] - both[0]
        largest = abs(change).max() or 1.0
        for panel, title in zip(self.ax_[0], _MIXTURE_TITLES, strict=True):
            panel.set_title(title, fontsize="medium")
        places = np.arange(len(self.class_names))
        for i, (old, new, changed, shares) in enumerate(self.ax_):
            draw_scaled_row(old, both[0, i], low, high)
            draw_scaled_row(new, both[1, i], low, high)
            draw_scaled_row(changed, change[i], -largest, largest, "RdBu_r")
            shares.barh(places, self.mixture[i], color=[color_of(place) for place in places])
            shares.set(xlim=(0, 1), xticks=[0, 0.5, 1], yticks=places, yticklabels=self.class_names)
            shares.invert_yaxis()
            shares.tick_params(labelsize="small")
            shares.spines[["top", "right"]].set_visible(False)


_MIXTURE_TITLES = ("row", "new row", "change", "proportions")


def _most_mixed(mixture: NDArray) -> list[int]:
    """Return for every class, as the largest proportion, the new row that is most mixed."""
    is_largest = mixture.argmax(1)[:, None] == np.arange(mixture.shape[1])
    own = np.where(is_largest, mixture, np.inf)
    return [int(row) for code, row in enumerate(own.argmin(0)) if own[row, code] < np.inf]


@dataclass(eq=False, repr=False)
class FactorSwapDisplay(Display):
    """Rows decoded from the class code of one row and the residual code of another.

    As in Fig. 3 of the paper of :class:`~skrobust.FactorMixSampler`, the top line of panels shows
    the rows that give the class code, the left column those that give the residual code. If the
    factors are separated, panels of one column look like one class, and panels of one line have one
    shape. All panels share one scale, that of the given rows.

    Parameters
    ----------
    class_rows, residual_rows : ndarray of shape (n_class or n_residual, *row_shape)
        The rows that give the class code, and those that give the residual code.
    swapped : ndarray of shape (n_residual, n_class, *row_shape)
        The decoded rows.
    class_names, residual_names : list of str
        Names of the rows.

    Examples
    --------
    >>> from skrobust import FactorMixSampler, make_lesion_rois
    >>> from skrobust.factor_mixing import FactorSwapDisplay
    >>> X, y = make_lesion_rois(40, size=12, random_state=0, return_X_y_groups=True)[:2]
    >>> sampler = FactorMixSampler(class_epochs=2, max_epochs=2, random_state=0)
    >>> X_new, target = sampler.fit_resample(X, y)
    >>> FactorSwapDisplay.from_estimator(sampler, X[:4], X[4:6]).plot().ax_.shape
    (3, 5)
    """

    class_rows: NDArray
    residual_rows: NDArray
    swapped: NDArray
    _: KW_ONLY
    class_names: list[str]
    residual_names: list[str]

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
        """Decode all pairs, and return their display.

        Parameters
        ----------
        estimator : FactorMixSampler
            After ``fit_resample``.
        X_class, X_residual : array-like of shape (n_class, ...) and (n_residual, ...)
            The few rows that give the class code and the residual code, as for ``estimator.swap``.
        class_names, residual_names : sequence of str, default=None
            Names of the rows; by default c and r with their numbers.
        """
        check_is_fitted(estimator)
        X_class = check_array(X_class, allow_nd=True, input_name="X_class")
        X_residual = check_array(X_residual, allow_nd=True, input_name="X_residual")
        n_class, n_residual = len(X_class), len(X_residual)
        c, r = [f"c {i}" for i in range(n_class)], [f"r {i}" for i in range(n_residual)]
        swapped = estimator.swap(
            np.tile(X_class, (n_residual, *[1] * (X_class.ndim - 1))),
            np.repeat(X_residual, n_class, axis=0),
        )
        shape = tuple(estimator.input_shape_)
        return cls(
            X_class.reshape(n_class, *shape),
            X_residual.reshape(n_residual, *shape),
            swapped.reshape(n_residual, n_class, *shape),
            class_names=check_names(class_names, c, "rows of X_class"),
            residual_names=check_names(residual_names, r, "rows of X_residual"),
        )

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        panels = [["nothing", *self.class_names]]
        panels += [[r, *(f"{c} in {r}" for c in self.class_names)] for r in self.residual_names]
        return panels, {"figsize": (1.3 * len(panels[0]) + 0.8, 1.3 * len(panels) + 0.5)}

    def _draw(self) -> None:
        axes, given = self.ax_, [self.class_rows, self.residual_rows]
        low, high = min(float(v.min()) for v in given), max(float(v.max()) for v in given)
        axes[0, 0].set_axis_off()
        for ax, row, name in zip(axes[0, 1:], self.class_rows, self.class_names, strict=True):
            draw_scaled_row(ax, row, low, high)
            ax.set_title(name, fontsize="medium")
        for ax, row, name in zip(axes[1:, 0], self.residual_rows, self.residual_names, strict=True):
            draw_scaled_row(ax, row, low, high)
            ax.set_ylabel(name, rotation=0, ha="right", va="center")
        for place in np.ndindex(self.swapped.shape[:2]):
            draw_scaled_row(axes[1:, 1:][place], self.swapped[place], low, high)
        for panel in [*axes[0, 1:], *axes[1:, 0]]:
            panel.patch.set_alpha(0)
            for side in panel.spines.values():
                side.set(color=color_of(1), linewidth=2)


# a probe on codes without class information exceeds chance by less than this
_PROBE_MARGIN = 0.05


@dataclass(eq=False, repr=False)
class FactorTrainingDisplay(Display):
    """Losses by epoch, and a fresh probe on the residual code beside chance.

    If the probe is more than 0.05 above chance, the residual code still contains the class, and the
    picture says so. If a class has too few rows for folds there is no probe, and no bar.

    Parameters
    ----------
    history : list of dict
        Losses per epoch, as ``history_`` of :class:`~skrobust.FactorMixSampler`.
    diagnostics : dict
        As its ``diagnostics_``.

    Attributes
    ----------
    ax_ : ndarray of 3 matplotlib.axes.Axes
        Cross entropies of classifier and adversary; reconstruction error; accuracies.
    bars_ : matplotlib.container.BarContainer
        Accuracy of the classifier on the class code, and of the probe on the residual code.

    Examples
    --------
    >>> from skrobust.factor_mixing import FactorTrainingDisplay
    >>> history = [{"class_loss": 0.6}, {"reconstruction_loss": 0.3, "adversary_loss": 0.7}]
    >>> diagnostics = {"class_accuracy": 0.9, "probe_accuracy": 0.52, "chance": 0.5}
    >>> len(FactorTrainingDisplay(history, diagnostics).plot().ax_)
    3
    """

    history: list[dict[str, float]]
    diagnostics: dict[str, float]

    @classmethod
    def from_estimator(cls, estimator: Any) -> FactorTrainingDisplay:
        """Return the display of the losses and diagnostics of a sampler.

        Parameters
        ----------
        estimator : FactorMixSampler
            After ``fit_resample``.
        """
        check_is_fitted(estimator, "diagnostics_")
        return cls(estimator.history_, estimator.diagnostics_)

    def losses(self, name: str) -> NDArray:
        """Return a loss by epoch, such as ``"adversary_loss"``, of the step that has it."""
        return np.array([epoch[name] for epoch in self.history if name in epoch])

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        panels = ["cross entropy", "reconstruction error", "accuracy"]
        return panels, {"figsize": (10, 3.5), "nrows": 1, "ncols": 3}

    def _draw(self) -> None:
        entropy, error, accuracy = self.ax_
        curves = [
            (entropy, "class_loss", "classifier on class code c, step 1"),
            (entropy, "adversary_loss", "adversary on residual code r, step 2"),
            (error, "reconstruction_loss", None),
        ]
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "frameon": False, "fontsize": 9}
        for i, (ax, name, label) in enumerate(curves):
            losses = self.losses(name)
            ax.plot(np.arange(1, len(losses) + 1), losses, color=color_of(i), label=label)
        entropy.set(xlabel="Epoch of the step", ylabel="Cross entropy", ylim=(0, None))
        entropy.legend(**above)
        error.set(xlabel="Epoch of step 2", ylabel="Error / variance", ylim=(0, None))
        found = self.diagnostics
        probe, chance = found["probe_accuracy"], found["chance"]
        names = ["classifier\non c", "fresh probe\non r"]
        colors, heights = [color_of(0), color_of(1)], [found["class_accuracy"], probe]
        self.bars_ = accuracy.bar(names, heights, color=colors, width=0.6)
        accuracy.bar_label(self.bars_, fmt="%.2f", padding=2)
        accuracy.axhline(chance, color="0.3", ls="--", lw=1.2, label=f"chance: {chance:.2f}")
        accuracy.legend(**above)
        accuracy.set(ylabel="Accuracy", ylim=(0, 1.12), yticks=np.linspace(0, 1, 6))
        if probe > chance + _PROBE_MARGIN:
            accuracy.set_xlabel("Not separated: r still predicts the class", color=color_of(1))
