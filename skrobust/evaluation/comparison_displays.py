"""Displays of a comparison: scores, ROC curves by patient, recall by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Series
from sklearn.metrics import auc, roc_curve
from sklearn.utils import check_array, column_or_1d

from ..utils.groups import check_groups, group_labels
from .drawing import check_names, color_of, given_axes, line_of, load_pyplot, marker_of
from .scores import check_pos_label, class_recall_score, group_predict_proba, rare_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ComparisonDisplay:
    """Scores per fold of several estimators, and what each gains over a baseline.

    A dot per fold, mean and standard deviation per estimator. With a baseline, its mean and
    standard deviation go through the picture, and the paired differences, fold by fold, stand on
    the right: folds differ more than methods, so that overlapping bars can hide a steady gain.

    Parameters
    ----------
    scores : DataFrame of shape (n_splits, n_estimators)
        The score of every estimator (columns) on every fold (index); NaN where it failed.
    metric : str
        Name of the score.
    baseline : str, default=None
        Estimator, a column of `scores`, that the others are compared with.

    Attributes
    ----------
    differences : DataFrame of shape (n_splits, n_estimators - 1)
        Scores minus the baseline's on the same fold; without a baseline, no columns.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    dots_ : list of matplotlib.collections.PathCollection
        One per estimator.
    errorbars_ : list of matplotlib.container.ErrorbarContainer
        One per estimator.
    baseline_line_ : matplotlib.lines.Line2D or None
        Mean of the baseline.
    difference_texts_ : list of matplotlib.text.Text
        One per column of `differences`.

    See Also
    --------
    skrobust.evaluation.comparison : Makes the table.
    skrobust.evaluation.comparison : Tests the paired differences.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import pandas as pd
    >>> from skrobust.evaluation import ComparisonDisplay
    >>> results = pd.DataFrame(
    ...     {
    ...         "estimator": ["svm", "svm", "net", "net"],
    ...         "split": [0, 1, 0, 1],
    ...         "metric": "roc_auc",
    ...         "score": [0.70, 0.80, 0.75, 0.83],
    ...     }
    ... )
    >>> display = ComparisonDisplay.from_results(results, metric="roc_auc", baseline="svm")
    >>> display.differences["net"].round(2).tolist()
    [0.05, 0.03]
    >>> len(display.plot().dots_)
    2
    """

    def __init__(self, scores: DataFrame, metric: str, *, baseline: str | None = None):
        self.scores = scores
        self.metric = metric
        self.baseline = baseline

    @classmethod
    def from_results(
        cls, results: DataFrame, *, metric: str | None = None, baseline: str | None = None
    ) -> ComparisonDisplay:
        """Read the scores from a table of results.

        Parameters
        ----------
        results : DataFrame
            One row per estimator, fold and score, with the columns ``estimator``, ``split``,
            ``metric`` and ``score``.
        metric : str, default=None
            The score to draw; may be left out if there is only one.
        baseline : str, default=None
            Estimator to compare the others with, fold by fold.

        Returns
        -------
        display : ComparisonDisplay
            The computed display; ``plot`` draws it. Estimators keep the order of the table.

        Raises
        ------
        ValueError
            If columns are missing, a name is unknown, a fold stands twice, or an estimator has
            no score at all.
        """
        missing = {"estimator", "split", "metric", "score"} - set(results.columns)
        if missing:
            raise ValueError(
                f"results lacks the columns {sorted(missing)}. Give a table with one row per "
                "estimator, split and metric."
            )
        metrics = results["metric"].unique().tolist()
        if metric is None and len(metrics) == 1:
            metric = metrics[0]
        if metric not in metrics:
            raise ValueError(f"metric is {metric!r}, expected one of {metrics}.")
        rows = results[results["metric"] == metric]
        twice = rows[rows.duplicated(["estimator", "split"])]
        if len(twice):
            raise ValueError(
                f"{twice['estimator'].iloc[0]!r} has several scores {metric!r} for split "
                f"{twice['split'].iloc[0]}. Give every fold of a repetition its own split."
            )
        names = rows["estimator"].unique().tolist()
        if baseline is not None and baseline not in names:
            raise ValueError(f"baseline is {baseline!r}, expected one of {names}.")
        scores = rows.pivot(index="split", columns="estimator", values="score")[names]
        empty = scores.columns[scores.isna().all()].tolist()
        if empty:
            raise ValueError(f"{empty} have no score {metric!r} on any fold. Leave them out.")
        return cls(scores, metric, baseline=baseline)

    @property
    def differences(self) -> DataFrame:
        """Scores minus the baseline's on the same fold."""
        if self.baseline is None:
            return self.scores.iloc[:, :0]
        others = self.scores.drop(columns=self.baseline)
        return others.sub(self.scores[self.baseline], axis=0)

    def plot(self, ax: Axes | None = None) -> ComparisonDisplay:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. None makes a figure.

        Returns
        -------
        self : ComparisonDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        names = self.scores.columns.tolist()
        if ax is None:
            size = (8 if self.baseline else 6.4, 1.3 + 0.45 * len(names))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        (self.ax_,) = given_axes(ax, ["scores"])
        self.figure_ = self.ax_.figure
        self.dots_, self.errorbars_ = [], []
        for place, name in enumerate(names):
            color = "0.35" if name == self.baseline else color_of(0)
            values = self.scores[name].dropna()
            # folds at the same height in every row, so that equal scores do not hide each other
            heights = place + 0.26 + 0.03 * (np.arange(len(self.scores)) % 3 - 1)
            heights = heights[self.scores[name].notna()]
            dots = self.ax_.scatter(values, heights, s=18, color=color, alpha=0.55, linewidths=0)
            bars = self.ax_.errorbar(
                values.mean(), place, xerr=_sd(values), fmt="o", ms=7, color=color,
                capsize=4, lw=1.8,
            )  # fmt: skip
            self.dots_.append(dots)
            self.errorbars_.append(bars)
        self._label(names)
        self._plot_baseline(names)
        return self

    def _label(self, names: list[str]) -> None:
        n_splits = len(self.scores)
        counts = self.scores.notna().sum()
        labels = [
            str(name) if counts[name] == n_splits else f"{name}\n({counts[name]} of {n_splits})"
            for name in names
        ]
        self.ax_.set_yticks(range(len(names)), labels)
        self.ax_.set_ylim(len(names) - 0.4, -0.6)
        self.ax_.locator_params(axis="x", nbins=6)
        self.ax_.grid(axis="x", color="0.9")
        self.ax_.set_axisbelow(True)
        self.ax_.set_xlabel(f"{self.metric} ({n_splits} folds as dots, mean ± sd)")

    def _plot_baseline(self, names: list[str]) -> None:
        self.baseline_line_, self.difference_texts_ = None, []
        if self.baseline is None:
            return
        values = self.scores[self.baseline].dropna()
        mean, std = values.mean(), _sd(values)
        self.baseline_line_ = self.ax_.axvline(mean, color="0.35", ls="--", lw=1, zorder=0.5)
        self.ax_.axvspan(mean - std, mean + std, color="0.35", alpha=0.1, lw=0, zorder=0.4)
        aside = {"transform": self.ax_.get_yaxis_transform(), "va": "center", "fontsize": "small"}
        for name, change in self.differences.items():
            paired = change.dropna()
            text = (
                f"{paired.mean():+.3f} ± {_sd(paired):.3f},  "
                f"higher on {(paired > 0).sum()} of {len(paired)}"
                if len(paired)
                else "no fold in common"
            )
            self.difference_texts_.append(self.ax_.text(1.02, names.index(name), text, **aside))
        self.ax_.text(1.02, names.index(self.baseline), "baseline", color="0.35", **aside)
        head = f"paired difference to {self.baseline}"
        self.ax_.text(1.02, 1.02, head, transform=self.ax_.transAxes, va="bottom", fontsize="small")


def _sd(values: Series) -> float:
    return values.std(ddof=1) if len(values) > 1 else 0.0


_GRID = np.linspace(0, 1, 201)


def mean_roc_curve(
    positive: NDArray, score: NDArray, folds: NDArray, groups: NDArray | None
) -> dict[str, NDArray]:
    """Average the ROC curves of the folds at equal false positive rates."""
    rates, areas = [], []
    for fold in np.unique(folds):
        rows = folds == fold
        truth, values = positive[rows], score[rows]
        if groups is not None:
            truth = group_labels(truth, groups[rows])[1]
            values = group_predict_proba(values[:, None], groups[rows])[1][:, 0]
        if len(np.unique(truth)) < 2:
            raise ValueError(
                f"Fold {fold} has rows of one class only, so that it has no ROC curve. Use folds "
                "with both classes, as StratifiedGroupKFold makes, or folds=None."
            )
        fpr, tpr, _ = roc_curve(truth, values)
        areas.append(auc(fpr, tpr))
        rates.append((fpr, tpr))
    if len(rates) == 1:
        return {"fpr": fpr, "tpr": tpr, "tpr_std": np.zeros_like(tpr), "auc": np.array(areas)}
    # where a curve rises straight up, np.interp takes its upper end; so (0, 0) comes first
    at_grid = np.array([np.r_[0, np.interp(_GRID, *fold_rates)] for fold_rates in rates])
    return {
        "fpr": np.r_[0, _GRID],
        "tpr": at_grid.mean(axis=0),
        "tpr_std": at_grid.std(axis=0, ddof=1),
        "auc": np.array(areas),
    }


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
    >>> from skrobust.evaluation import RocComparisonDisplay
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
            Label of the positive class. None takes the last of the sorted labels, with a
            warning that names it unless it is 1 or True.
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
        pos_label = check_pos_label(classes, pos_label)
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
    >>> from skrobust.evaluation import ClassRecallDisplay
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
