"""ROC curves of several methods, row by row or patient by patient."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d

from ..utils.groups import check_groups
from .drawing import color_of, given_axes, line_of, load_pyplot
from .mean_roc_curve import mean_roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RocComparisonDisplay:
    """Mean ROC curves of several methods beside human readers, as in the paper's Fig. 8 [1]_.

    With folds, the true positive rates of the folds are averaged at equal false positive rates
    and the band is one standard deviation. With groups, the rows of a patient are averaged first
    and each patient counts once.

    Parameters
    ----------
    curves : dict of str to dict
        For each method its arrays ``"fpr"``, ``"tpr"`` and ``"tpr_std"`` of one length, and
        ``"auc"``, the areas of the folds' own curves, shape (n_folds,).
    points : dict of str to ndarray of shape (n_points, 2), default=None
        Single points to mark: false and true positive rates.
    pos_label : object, default=None
        Label of the positive class, for the labels of the axes.
    unit : str, default="row"
        What is counted: "row" or "group".

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    lines_ : list of matplotlib.lines.Line2D
        One per method.
    bands_ : list of matplotlib.collections.PolyCollection
        One per method that has several folds.
    point_lines_ : list of matplotlib.lines.Line2D
        One per entry of `points`.
    chance_line_ : matplotlib.lines.Line2D
        The diagonal.

    References
    ----------
    .. [1] D. Lu, N. Polomac, I. Gacheva, E. Hattingen and J. Triesch, "Human-expert-level brain
       tumor detection using deep learning with data distillation and augmentation", preprint.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skrobust.displays import RocComparisonDisplay
    >>> display = RocComparisonDisplay.from_predictions(
    ...     [0, 0, 1, 1],
    ...     {"plain": [0.1, 0.6, 0.4, 0.9], "mixed": [0.1, 0.2, 0.8, 0.9]},
    ...     points={"readers": [(0.2, 0.6), (0.4, 0.7)]},
    ... )
    >>> display.curves["plain"]["auc"]
    array([0.75])
    >>> len(display.plot().lines_)
    2
    """

    def __init__(
        self,
        curves: dict[str, dict[str, NDArray]],
        *,
        points: dict[str, NDArray] | None = None,
        pos_label: Any = None,
        unit: str = "row",
    ):
        self.curves = curves
        self.points = points
        self.pos_label = pos_label
        self.unit = unit

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_scores: Mapping[str, ArrayLike],
        *,
        folds: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        pos_label: Any = None,
        points: Mapping[str, ArrayLike] | None = None,
    ) -> RocComparisonDisplay:
        """Compute the curves from scores of held-out rows.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, of two classes.
        y_scores : dict of str to array-like of shape (n_samples,) or (n_samples, 2)
            For each method the scores of the positive class, or ``predict_proba``, whose second
            column is taken (the first, if `pos_label` is the smaller label).
        folds : array-like of shape (n_samples,), default=None
            Test fold of every row. None takes all rows together. For a repeated
            cross-validation, give the rows again with other folds.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row. Scores are averaged over the rows of a group within a
            fold, and the rows of a group need the same label.
        pos_label : object, default=None
            Label of the positive class; by default the larger label.
        points : dict of str to array-like of shape (2,) or (n_points, 2), default=None
            Points to mark, such as human readers: (false positive rate, true positive rate).

        Returns
        -------
        display : RocComparisonDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If lengths differ, y_true has not two classes, a fold has only one, or a point lies
            outside the unit square.
        """
        y_true = column_or_1d(y_true)
        classes = np.unique(y_true)
        if len(classes) != 2:
            raise ValueError(
                f"y_true has {len(classes)} classes, {classes.tolist()}, but a ROC curve needs 2. "
                "For more classes, draw one class against the rest: y_true == label."
            )
        pos_label = classes[1] if pos_label is None else pos_label
        if pos_label not in classes:
            raise ValueError(f"pos_label is {pos_label!r}, expected one of {classes.tolist()}.")
        if not y_scores:
            raise ValueError("y_scores is empty. Give the scores of at least one method.")
        positive = y_true == pos_label
        column = classes.tolist().index(pos_label)
        n = len(y_true)
        folds = np.zeros(n) if folds is None else _checked_folds(folds, n)
        groups = None if groups is None else check_groups(groups, n)
        curves = {
            str(name): mean_roc_curve(positive, _score(name, score, n, column), folds, groups)
            for name, score in y_scores.items()
        }
        marked = {str(name): _point(name, value) for name, value in (points or {}).items()}
        unit = "row" if groups is None else "group"
        return cls(curves, points=marked, pos_label=pos_label, unit=unit)

    def plot(self, ax: Axes | None = None) -> RocComparisonDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. None makes a figure.

        Returns
        -------
        self : RocComparisonDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=(5.2, 5.2), layout="constrained")
        (self.ax_,) = given_axes(ax, ["ROC curves"])
        self.figure_ = self.ax_.figure
        (self.chance_line_,) = self.ax_.plot([0, 1], [0, 1], color="0.6", ls=":", lw=1)
        self.lines_, self.bands_, self.point_lines_ = [], [], []
        for i, (name, curve) in enumerate(self.curves.items()):
            fpr, tpr, std = curve["fpr"], curve["tpr"], curve["tpr_std"]
            several = len(curve["auc"]) > 1
            spread = f" ± {curve['auc'].std(ddof=1):.2f}" if several else ""
            label = f"{name} (AUC {curve['auc'].mean():.2f}{spread})"
            style = {"color": color_of(i), "ls": line_of(i)}
            self.lines_ += self.ax_.plot(fpr, tpr, label=label, lw=1.8, zorder=3, **style)
            if several:
                low, high = np.clip([tpr - std, tpr + std], 0, 1)
                band = self.ax_.fill_between(fpr, low, high, color=color_of(i), alpha=0.15, lw=0)
                self.bands_.append(band)
        singles = cycle("*^sD")
        for name, rates in (self.points or {}).items():
            marker, size = ("o", 6) if len(rates) > 1 else (next(singles), 11)
            self.point_lines_ += self.ax_.plot(
                *rates.T, ls="none", marker=marker, ms=size, color="0.15", mec="white", mew=0.7,
                label=name, zorder=4,
            )  # fmt: skip
        of = f"{self.unit}s; positive class: {self.pos_label}"
        self.ax_.set(
            xlabel=f"False positive rate (1 − specificity)\nof {of}",
            ylabel="True positive rate (sensitivity)",
            xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal",
        )  # fmt: skip
        self.ax_.legend(loc="lower right", fontsize="small")
        return self


def _checked_folds(folds: ArrayLike, n_samples: int) -> NDArray:
    folds = column_or_1d(folds)
    if len(folds) != n_samples:
        raise ValueError(
            f"folds has {len(folds)} entries but y_true has {n_samples}. Give one per row."
        )
    return folds


def _score(name: str, score: ArrayLike, n_samples: int, column: int) -> NDArray:
    score = check_array(score, ensure_2d=False, input_name=f"y_scores[{name!r}]")
    if score.shape == (n_samples, 2):
        score = score[:, column]
    if score.shape != (n_samples,):
        raise ValueError(
            f"The scores of {name!r} have shape {score.shape}, expected {(n_samples,)} or "
            f"{(n_samples, 2)}, one row per entry of y_true."
        )
    return score


def _point(name: str, value: ArrayLike) -> NDArray:
    rates = np.atleast_2d(np.asarray(value, dtype=float))
    if rates.ndim != 2 or rates.shape[1] != 2 or not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(
            f"points[{name!r}] is {value!r}, expected (false positive rate, true positive rate), "
            "or a list of such pairs, each rate between 0 and 1."
        )
    return rates
