"""Displays of a comparison: scores, ROC curves by patient, recall by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import cycle
from textwrap import fill
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Series
from scipy.stats import rankdata
from sklearn.metrics import auc, roc_curve
from sklearn.utils import check_array, column_or_1d

from ..utils.groups import check_groups
from .comparison import check_columns, check_results, summarize_comparison
from .comparison_tables import p_text
from .drawing import Display, check_length, check_names, color_of, line_of, marker_of, metric_label
from .scores import by_group, check_pos_label, class_recall_score, rare_classes

# panels side by side
_MOST_COLUMNS = 4
UNITS = {"row": "rows", "group": "patients"}


@dataclass(eq=False, repr=False)
class ComparisonDisplay(Display):
    """Scores per fold of several estimators, and the gain of each over a baseline.

    One panel for each score, with a dot per fold, mean and standard deviation per estimator, the
    baseline's mean as a dashed line, and the means of the paired differences: folds differ more
    than methods, so that overlapping bars can hide a consistent gain.

    Parameters
    ----------
    scores : dict of str to DataFrame of shape (n_splits, n_estimators)
        For each score the values of estimators (columns) on folds (index); NaN where one failed.
    baseline : str, default=None
        Estimator that the others are compared with.
    p_values : dict of str to Series, default=None
        For each score the p-values by estimator, corrected by Holm's method.
    pos_label : object, default=None
        The positive class of the scores, for the caption.
    intervals : dict of str to DataFrame, default=None
        For each score ``lower`` and ``upper`` ends of the mean's interval, in place of the sd.

    Attributes
    ----------
    differences : dict of str to DataFrame of shape (n_splits, n_estimators - 1)
        Scores minus the baseline's on the same fold; without a baseline, no columns.
    dots_, errorbars_ : list
        Of matplotlib artists, one per score and estimator.
    baseline_lines_, difference_texts_ : list
        One per score, and one per score and column of `differences`.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrobust.evaluation import ComparisonDisplay
    >>> results = pd.DataFrame({
    ...     "estimator": ["svm"] * 3 + ["net"] * 3, "split": [0, 1, 2] * 2, "metric": "roc_auc",
    ...     "score": [0.70, 0.80, 0.75, 0.76, 0.84, 0.83], "n_train": 80, "n_test": 40})
    >>> display = ComparisonDisplay.from_results(results, baseline="svm").plot()
    >>> display.difference_texts_[0].get_text()
    '+0.060 (p = 0.08)'
    """

    scores: dict[str, DataFrame]
    _: KW_ONLY
    baseline: str | None = None
    p_values: dict[str, Series] | None = None
    pos_label: Any = None
    intervals: dict[str, DataFrame] | None = None

    @classmethod
    def from_results(
        cls,
        results: DataFrame,
        *,
        metric: str | Sequence[str] | None = None,
        baseline: str | None = None,
    ) -> ComparisonDisplay:
        """Read the scores from a table of results.

        Parameters
        ----------
        results : DataFrame
            From :func:`~skrobust.compare_estimators`, or any with its columns ``estimator``,
            ``split``, ``metric`` and ``score``, and for tests ``n_train`` and ``n_test``.
        metric : str or sequence of str, default=None
            The scores to draw, a panel for each; None draws all.
        baseline : str, default=None
            Estimator to compare the others with, fold by fold.
        """
        check_columns(results, ["estimator", "split", "metric", "score"])
        known = results["metric"].unique().tolist()
        metrics = known if metric is None else np.atleast_1d(metric).tolist()
        for metric in metrics:
            if metric not in known:
                raise ValueError(f"metric is {metric!r}, expected one of {known}.")
        results = results[results["metric"].isin(metrics)]
        check_results(results, baseline)
        names, scores = results["estimator"].unique().tolist(), {}
        for metric in metrics:
            rows = results[results["metric"] == metric]
            table = rows.pivot(index="split", columns="estimator", values="score")
            scores[metric] = table.reindex(columns=names)
            if empty := [name for name in names if scores[metric][name].isna().all()]:
                raise ValueError(f"{empty} have no score {metric!r} on any fold. Leave them out.")
        p_values = intervals = None
        if {"n_train", "n_test"} <= set(results.columns):
            summary = summarize_comparison(results, baseline=baseline).set_index("estimator")
            by_metric = dict(iter(summary.groupby("metric")))
            if baseline is not None:
                p_values = {metric: by_metric[metric]["p_holm"] for metric in metrics}
            if "lower" in summary:
                intervals = {metric: by_metric[metric][["lower", "upper"]] for metric in metrics}
        labels = results["pos_label"].dropna().unique() if "pos_label" in results else []
        pos_label = labels[0] if len(labels) == 1 else None
        return cls(
            scores, baseline=baseline, p_values=p_values, pos_label=pos_label, intervals=intervals
        )

    @property
    def differences(self) -> dict[str, DataFrame]:
        """Scores minus the baseline's on the same fold."""
        return {
            metric: table.iloc[:, :0]
            if self.baseline is None
            else table.drop(columns=self.baseline).sub(table[self.baseline], axis=0)
            for metric, table in self.scores.items()
        }

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        metrics = list(self.scores)
        n_names = self.scores[metrics[0]].shape[1]
        n_lines = -(-len(metrics) // _MOST_COLUMNS)
        n_columns = -(-len(metrics) // n_lines)
        width = 2.2 + 3.4 * n_columns + (len(metrics) == 1)
        size = (width, 0.6 + n_lines * (1.0 + 0.62 * n_names))
        options = {"figsize": size, "nrows": n_lines, "ncols": n_columns, "sharey": True}
        return metrics if len(metrics) > 1 else metrics[0], options

    def _draw(self) -> None:
        self.dots_, self.errorbars_, self.baseline_lines_, self.difference_texts_ = [], [], [], []
        axes = np.ravel(self.ax_)
        for ax, metric in zip(axes, self.scores, strict=True):
            self._draw_scores(ax, metric)
        folds = " or ".join(map(str, sorted({len(table) for table in self.scores.values()})))
        bars = "mean ± sd" if self.intervals is None else "mean and 95% interval over patients"
        positive = "" if self.pos_label is None else f"; positive class: {self.pos_label}"
        lines = [f"Dots: {folds} folds; bars: {bars}{positive}"]
        if self.baseline is not None:
            holm = ", Holm's method" if self.scores[metric].shape[1] > 2 else ""
            test = "" if self.p_values is None else f" (p of the corrected paired t-test{holm})"
            lines.append(f"Numbers: mean difference to {self.baseline}{test}")
        # titles are not clipped to the figure: as many characters as fit above the panels
        n_fit = 52 + 40 * (min(len(axes), _MOST_COLUMNS) - 1)
        title = "\n".join(fill(line, n_fit) for line in lines)
        axes[0].set_title(title, loc="left", fontsize="medium")

    def _draw_scores(self, ax: Any, metric: str) -> None:
        """Draw one score of all estimators."""
        scores = self.scores[metric]
        names, n_splits = scores.columns.tolist(), len(scores)
        limits = (0, 1) if scores.stack().between(0, 1).all() else (-np.inf, np.inf)
        # each fold at the same height in every row, so that equal scores do not hide each other
        heights = 0.24 + 0.03 * (np.arange(n_splits) % 3 - 1)
        labels = []
        for place, name in enumerate(names):
            color = "0.35" if name == self.baseline else color_of(0)
            there = scores[name].notna()
            values = scores[name][there]
            style = {"s": 18, "color": color, "alpha": 0.55, "linewidths": 0, "zorder": 3}
            self.dots_.append(ax.scatter(values, place + heights[there], **style))
            mean, sd = values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0
            low, high = np.clip([mean - sd, mean + sd], *limits)
            if self.intervals is not None and np.isfinite(self.intervals[metric].loc[name]).all():
                low, high = self.intervals[metric].loc[name]
            # the interval of a skewed score can lie beside its mean
            sides = [[max(mean - low, 0)], [max(high - mean, 0)]]
            style = {"fmt": "o", "ms": 7, "color": color, "capsize": 4, "lw": 1.8}
            self.errorbars_.append(ax.errorbar(mean, place, xerr=sides, **style))
            some = "" if len(values) == n_splits else f"\n({len(values)} of {n_splits} folds)"
            labels.append(f"{name}{some}")
        ax.set_yticks(range(len(names)), labels)
        ax.set_ylim(len(names) - 0.5, -0.65)
        ax.locator_params(axis="x", nbins=5)
        ax.grid(axis="x", color="0.9")
        ax.set_axisbelow(True)
        ax.set_xlabel(metric_label(metric))
        if self.baseline is not None:
            mean = scores[self.baseline].mean()
            self.baseline_lines_.append(ax.axvline(mean, color="0.35", ls="--", lw=1, zorder=0.5))
        middle = np.mean(ax.get_xlim())
        for name, change in self.differences[metric].items():
            text = f"{change.mean():+.3f}" if change.notna().any() else "no fold in common"
            p = np.nan if self.p_values is None else self.p_values[metric][name]
            if not np.isnan(p):
                text += f" ({p_text(p)})"
            mean = scores[name].mean()
            style = {"ha": "left" if mean < middle else "right", "fontsize": "small"}
            box = {"color": "white", "alpha": 0.8, "pad": 0.5}
            text = ax.text(mean, names.index(name) - 0.18, text, bbox=box, **style)
            self.difference_texts_.append(text)


_GRID = np.linspace(0, 1, 201)
# with fewer rows or patients of a class in a fold, its curve has only a few steps
_FEW = 20


def mean_roc_curve(
    positive: NDArray, score: NDArray, folds: NDArray, groups: NDArray | None
) -> dict[str, NDArray]:
    """Average the ROC curves of the folds."""
    parts = []
    for fold in np.unique(folds):
        rows = folds == fold
        own = None if groups is None else groups[rows]
        _, truth, values = by_group(positive[rows], score[rows, None], own)
        if len(np.unique(truth)) < 2:
            raise ValueError(
                f"Fold {fold} has rows of one class only, so that it has no ROC curve. Use folds "
                "with both classes, as StratifiedGroupKFold makes, or folds=None."
            )
        parts.append((truth, values[:, 0]))
    rates = [roc_curve(*part)[:2] for part in parts]
    n_units = np.array([np.bincount(truth, minlength=2) for truth, _ in parts])
    found = {"auc": np.array([auc(*pair) for pair in rates]), "n_units": n_units.sum(0)}
    if len(rates) == 1 or n_units.min() < _FEW:
        ranks = np.concatenate([rankdata(values) / len(values) for _, values in parts])
        fpr, tpr, _ = roc_curve(np.concatenate([truth for truth, _ in parts]), ranks)
        return {"fpr": fpr, "tpr": tpr, "tpr_std": np.full_like(tpr, np.nan), **found}
    # where a curve rises vertically, np.interp returns its upper end; so (0, 0) comes first
    at_grid = np.array([np.r_[0, np.interp(_GRID, *fold_rates)] for fold_rates in rates])
    tpr, tpr_std = at_grid.mean(axis=0), at_grid.std(axis=0, ddof=1)
    return {"fpr": np.r_[0, _GRID], "tpr": tpr, "tpr_std": tpr_std, **found}


@dataclass(eq=False, repr=False)
class RocComparisonDisplay(Display):
    """Mean ROC curves of methods beside human readers, as in the distillation paper's Fig. 8.

    The true positive rates of the folds are averaged at equal false positive rates; the band is one
    standard deviation. If a fold has fewer than 20 rows (with groups, patients) of a class, they
    are averaged at equal shares of rows called positive instead, without a band. With groups, the
    rows of a patient are averaged first.

    Parameters
    ----------
    curves : dict of str to dict
        For each method ``"fpr"``, ``"tpr"`` and ``"tpr_std"`` (NaN: no band), ``"auc"`` of every
        fold, and ``"n_units"``, the numbers of negative and positive rows or patients.
    points : dict of str to ndarray of shape (n_points, 2), default=None
        Single points to mark: false and true positive rates.
    pos_label, unit : object and {"row", "group"}, default=None and "row"
        Label or name of the positive class, and what is counted.

    Attributes
    ----------
    lines_, bands_, point_lines_ : list
        Of matplotlib artists, one per method, method that has a band, and entry of `points`.
    chance_line_ : matplotlib.lines.Line2D
        The diagonal.

    Examples
    --------
    >>> from skrobust.evaluation import RocComparisonDisplay
    >>> display = RocComparisonDisplay.from_predictions(
    ...     [0, 0, 1, 1], {"net": [0.1, 0.6, 0.4, 0.9]}, points={"readers": [(0.2, 0.6)]}
    ... )
    >>> display.curves["net"]["auc"]
    array([0.75])
    """

    curves: dict[str, dict[str, NDArray]]
    _: KW_ONLY
    points: dict[str, NDArray] | None = None
    pos_label: Any = None
    unit: str = "row"

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
        class_names: Sequence[str] | None = None,
    ) -> RocComparisonDisplay:
        """Compute the curves from scores of held-out rows.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, of two classes.
        y_scores : dict of str to array-like of shape (n_samples,) or (n_samples, 2)
            For each method the scores of the positive class, or ``predict_proba``.
        folds : array-like of shape (n_samples,), default=None
            Test fold of every row; for repeated folds, give the rows again. None is one fold.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row, whose rows need the same label.
        pos_label : object, default=None
            The positive class. None is the last one, with a warning unless it is 1 or True.
        points : dict of str to array-like of shape (2,) or (n_points, 2), default=None
            Points to mark, such as human readers: (false positive rate, true positive rate).
        class_names : sequence of str, default=None
            Names of the two classes, in sorted order of the labels; by default the labels.
        """
        positive, scores, pos_label = check_two_classes(
            "a ROC curve", y_true, y_scores, pos_label, class_names
        )
        n = len(positive)
        folds = np.zeros(n) if folds is None else check_length(folds, n, "folds")
        groups = None if groups is None else check_groups(groups, n)
        curves = {
            name: mean_roc_curve(positive, score, folds, groups) for name, score in scores.items()
        }
        marked = {str(name): _point(name, value) for name, value in (points or {}).items()}
        unit = "row" if groups is None else "group"
        return cls(curves, points=marked, pos_label=pos_label, unit=unit)

    def plot(self, ax: Any = None, *, bands: bool | None = None) -> Self:
        """Draw the curves, with `bands` (None: of one or two methods); `ax` as elsewhere."""
        return self._plot(ax, bands=len(self.curves) <= 2 if bands is None else bands)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return "ROC curves", {"figsize": (5.4, 5.6)}

    def _draw(self, bands: bool) -> None:
        ax = self.ax_
        (self.chance_line_,) = ax.plot([0, 1], [0, 1], color="0.6", ls=":", lw=1)
        self.lines_, self.bands_, self.point_lines_ = [], [], []
        for i, (name, curve) in enumerate(self.curves.items()):
            fpr, tpr, std, areas = (curve[key] for key in ("fpr", "tpr", "tpr_std", "auc"))
            spread = f" ± {areas.std(ddof=1):.2f}" if len(areas) > 1 else ""
            label = f"{name} (AUC {areas.mean():.2f}{spread})"
            style = {"color": color_of(i), "ls": line_of(i)}
            self.lines_ += ax.plot(fpr, tpr, label=label, lw=1.8, zorder=3, **style)
            if bands and not np.isnan(std).all():
                low, high = np.clip([tpr - std, tpr + std], 0, 1)
                band = ax.fill_between(fpr, low, high, color=color_of(i), alpha=0.15, lw=0)
                self.bands_.append(band)
        singles = cycle("*^sD")
        for name, rates in (self.points or {}).items():
            marker, size = ("o", 6) if len(rates) > 1 else (next(singles), 11)
            self.point_lines_ += ax.plot(
                *rates.T, ls="none", marker=marker, ms=size, color="0.15", mec="white", mew=0.7,
                label=name, zorder=4,
            )  # fmt: skip
        negative, positive = next(iter(self.curves.values()))["n_units"]
        unit = UNITS[self.unit]
        once = "; each patient counts once" if self.unit == "group" else ""
        title = (
            f"Positive class: {self.pos_label}\n{positive} of {negative + positive} {unit}{once}"
        )
        ax.set_title(title, loc="left", fontsize="medium")
        ax.set(
            xlabel=f"False positive rate of {unit} (1 − specificity)",
            ylabel=f"True positive rate of {unit} (sensitivity)",
            xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal",
        )  # fmt: skip
        ax.legend(loc="lower right", fontsize="small")


def check_two_classes(what, y_true, y_scores, pos_label, class_names) -> tuple[NDArray, dict, Any]:
    """Return which rows are positive, the scores of that class by method, and its name."""
    y_true = column_or_1d(y_true)
    classes, n = np.unique(y_true), len(y_true)
    if len(classes) != 2:
        raise ValueError(
            f"y_true has {len(classes)} classes, {classes.tolist()}, but {what} needs 2. "
            "For more classes, draw one class against the rest: y_true == label."
        )
    if not y_scores:
        raise ValueError("y_scores is empty. Give the scores of at least one method.")
    pos_label = check_pos_label(classes, pos_label)
    positive, column, scores = y_true == pos_label, classes.tolist().index(pos_label), {}
    for name, score in y_scores.items():
        score = check_array(score, ensure_2d=False, input_name=f"y_scores[{name!r}]")
        if score.shape not in [(n,), (n, 2)]:
            raise ValueError(
                f"The scores of {name!r} have shape {score.shape}, expected {(n,)} or {(n, 2)}, "
                "one row per entry of y_true."
            )
        scores[str(name)] = score if score.ndim == 1 else score[:, column]
    if class_names is not None:
        pos_label = check_names(class_names, classes, "classes")[column]
    return positive, scores, pos_label


def _point(name: str, value: ArrayLike) -> NDArray:
    rates = np.atleast_2d(np.asarray(value, dtype=float))
    if rates.ndim != 2 or rates.shape[1] != 2 or not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(
            f"points[{name!r}] is {value!r}, expected (false positive rate, true positive rate), "
            "or a list of such pairs, each rate between 0 and 1."
        )
    return rates


@dataclass(eq=False, repr=False)
class ClassRecallDisplay(Display):
    """Recall of every class for one or more methods, classes ordered by their training rows.

    The legend gives the mean over all classes and over the rare ones.

    Parameters
    ----------
    recalls : dict of str to ndarray of shape (n_classes,)
        Recall of every class by method; NaN for a class without a test row.
    n_train, is_rare, class_names : array-like of shape (n_classes,), int, bool and str
        Training rows of every class, which are rare, and names.

    Attributes
    ----------
    order : ndarray of shape (n_classes,), int
        The classes from left to right, most training rows first.
    lines_, rare_span_ : list of matplotlib.lines.Line2D, and Rectangle or None
        The markers of every method, and the shade behind the rare classes.

    Examples
    --------
    >>> from skrobust.evaluation import ClassRecallDisplay
    >>> display = ClassRecallDisplay.from_predictions(
    ...     list("aabb"), {"net": list("aaab")}, y_train=["a"] * 9 + ["b"], rare_threshold=0.1
    ... )
    >>> display.recalls["net"]
    array([1. , 0.5])
    """

    recalls: Mapping[str, NDArray]
    n_train: NDArray
    is_rare: NDArray
    class_names: list[str]

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
            Names of all classes, in sorted order of the labels; by default the labels.
        """
        if not y_pred:
            raise ValueError("y_pred is empty. Give the predictions of at least one method.")
        y_true, y_train = column_or_1d(y_true), column_or_1d(y_train)
        classes = np.union1d(y_true, y_train)
        names = check_names(class_names, classes, "classes")
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

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return "recalls", {"figsize": (max(6, 2.5 + 0.4 * len(self.class_names)), 4.2)}

    def _draw(self) -> None:
        ax, order, n_classes = self.ax_, self.order, len(self.class_names)
        places = np.arange(n_classes)
        self.lines_ = []
        for i, (name, recall) in enumerate(self.recalls.items()):
            # side by side, so that equal recalls do not hide each other
            beside = 0.14 * (i - (len(self.recalls) - 1) / 2)
            rare = recall[self.is_rare]
            rare = f", rare {np.nanmean(rare):.2f}" if np.isfinite(rare).any() else ""
            self.lines_ += ax.plot(
                places + beside, recall[order], ls="none", marker=marker_of(i), ms=6,
                color=color_of(i), label=f"{name} (mean {np.nanmean(recall):.2f}{rare})",
            )  # fmt: skip
        n_rare, end, self.rare_span_ = int(self.is_rare.sum()), n_classes - 0.5, None
        xlabel = "Class and its number of training rows"
        if n_rare:
            self.rare_span_ = ax.axvspan(end - n_rare, end, color="0.92", lw=0, zorder=0)
            xlabel += " (rare: shaded)"
        labels = [f"{self.class_names[code]}\n{self.n_train[code]}" for code in order]
        ax.set_xticks(places, labels, fontsize="small")
        ax.set(xlim=(-0.5, end), ylim=(-0.03, 1.03), xlabel=xlabel, ylabel="Recall")
        ax.grid(axis="y", color="0.9")
        ax.set_axisbelow(True)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
