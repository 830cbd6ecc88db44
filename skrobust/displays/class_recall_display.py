"""Recall of every class, the frequent ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from ..metrics import class_recall_score, rare_classes
from .drawing import check_names, color_of, given_axes, load_pyplot, marker_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ClassRecallDisplay:
    """Recall of every class for one or more methods, classes ordered by their training rows.

    A method that serves the frequent classes only falls to the right. The legend tells the mean
    over all classes and over the rare ones.

    Parameters
    ----------
    recalls : dict of str to ndarray of shape (n_classes,)
        Recall of every class by method; NaN for a class without a test row.
    n_train : ndarray of shape (n_classes,), int
        Training rows of every class.
    is_rare : ndarray of shape (n_classes,), bool
        The rare classes.
    class_names : list of str
        Names of the classes.

    Attributes
    ----------
    order : ndarray of shape (n_classes,), int
        The classes from left to right, most training rows first.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    lines_ : list of matplotlib.lines.Line2D
        One per method.
    rare_span_ : matplotlib.patches.Rectangle or None
        The shade behind the rare classes.

    See Also
    --------
    skrobust.class_recall_score : The numbers.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skrobust.displays import ClassRecallDisplay
    >>> display = ClassRecallDisplay.from_predictions(
    ...     ["a", "a", "b", "b"],
    ...     {"net": ["a", "a", "a", "b"]},
    ...     y_train=["a"] * 9 + ["b"],
    ...     rare_threshold=0.1,
    ... )
    >>> display.recalls["net"]
    array([1. , 0.5])
    >>> len(display.plot().lines_)
    1
    """

    def __init__(
        self,
        recalls: Mapping[str, NDArray],
        n_train: NDArray,
        is_rare: NDArray,
        class_names: list[str],
    ):
        self.recalls = dict(recalls)
        self.n_train = n_train
        self.is_rare = is_rare
        self.class_names = class_names

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: Mapping[str, ArrayLike],
        *,
        y_train: ArrayLike,
        rare_threshold: float = 0.01,
        class_names: Sequence[str] | None = None,
    ) -> ClassRecallDisplay:
        """Compute the display from predicted labels.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels of the test rows.
        y_pred : dict of str to array-like of shape (n_samples,)
            Predicted labels by method.
        y_train : array-like of shape (n_train,)
            Labels of the training rows, which order the classes.
        rare_threshold : float in [0, 1], default=0.01
            Largest share of the training rows of a rare class.
        class_names : sequence of str, default=None
            Names of the classes of training and test rows together, in sorted order of the
            labels; by default the labels.

        Returns
        -------
        display : ClassRecallDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If lengths differ, or no method was given.
        """
        if not y_pred:
            raise ValueError("y_pred is empty. Give the predictions of at least one method.")
        y_true, y_train = column_or_1d(y_true), column_or_1d(y_train)
        classes = np.union1d(y_true, y_train)
        names = check_names(
            classes if class_names is None else class_names, len(classes), "classes"
        )
        recalls = {
            name: class_recall_score(y_true, labels, classes=classes, average=None)
            for name, labels in y_pred.items()
        }
        n_train = np.array([(y_train == label).sum() for label in classes])
        is_rare = np.isin(classes, rare_classes(y_train, rare_threshold)) | (n_train == 0)
        return cls(recalls, n_train, is_rare, names)

    @property
    def order(self) -> NDArray:
        """The classes from left to right: rare ones last, most training rows first."""
        return np.lexsort([-self.n_train, self.is_rare])

    def plot(self, ax: Axes | None = None) -> ClassRecallDisplay:
        """Draw the recalls.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. None makes a figure.

        Returns
        -------
        self : ClassRecallDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        n_classes = len(self.class_names)
        if ax is None:
            size = (max(6, 2.5 + 0.4 * n_classes), 4.2)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        (self.ax_,) = given_axes(ax, ["recalls"])
        self.figure_ = self.ax_.figure
        places, order = np.arange(n_classes), self.order
        self.lines_ = []
        for i, (name, recall) in enumerate(self.recalls.items()):
            # side by side, so that equal recalls do not hide each other
            beside = 0.14 * (i - (len(self.recalls) - 1) / 2)
            label = f"{name} (mean {np.nanmean(recall):.2f}{self._rare_mean(recall)})"
            (line,) = self.ax_.plot(
                places + beside, recall[order], ls=":", lw=1, color=color_of(i), label=label,
                marker=marker_of(i), ms=6,
            )  # fmt: skip
            self.lines_.append(line)
        self.rare_span_, n_rare = None, int(self.is_rare.sum())
        if n_rare:
            self.rare_span_ = self.ax_.axvspan(
                n_classes - n_rare - 0.5, n_classes - 0.5, color="0.92", lw=0, zorder=0
            )
        labels = [f"{self.class_names[code]}\n{self.n_train[code]}" for code in order]
        self.ax_.set_xticks(places, labels, fontsize="small")
        self.ax_.set(xlim=(-0.5, n_classes - 0.5), ylim=(-0.03, 1.03), ylabel="Recall")
        shade = " (rare: shaded)" if n_rare else ""
        self.ax_.set_xlabel(f"Class and its number of training rows{shade}")
        self.ax_.grid(axis="y", color="0.9")
        self.ax_.set_axisbelow(True)
        self.ax_.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
        return self

    def _rare_mean(self, recall: NDArray) -> str:
        rare = recall[self.is_rare]
        return f", rare {np.nanmean(rare):.2f}" if np.isfinite(rare).any() else ""
