"""Losses of factor mixing, and whether the codes came apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .drawing import color_of, given_axes, load_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    >>> from skrobust.displays import FactorTrainingDisplay
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
