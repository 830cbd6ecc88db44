"""Scores of several estimators on the same folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pandas import DataFrame, Series

from .drawing import color_of, given_axes, load_pyplot

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
    skrobust.model_selection.compare_estimators : Makes the table.
    skrobust.model_selection.summarize_comparison : Tests the paired differences.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import pandas as pd
    >>> from skrobust.displays import ComparisonDisplay
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
