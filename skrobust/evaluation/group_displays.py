"""Displays of predictions by patient: confusion of classes, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame
from scipy.stats import binomtest
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.validation import check_scalar

from .comparison_displays import UNITS, check_two_classes
from .drawing import Display, check_names, color_of, marker_of
from .scores import by_group, check_class_scores

# patients named in a cell
_MOST_NAMES = 4


@dataclass(eq=False, repr=False)
class GroupConfusionDisplay(Display):
    """Which classes of patients are taken for which, and which patients these are.

    Patients are predicted by the means of their rows' probabilities. Every cell says how many
    patients it has, which share of the true class (its colour), and off the diagonal who the first
    of them are.

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_classes), int
        Patients by true (lines) and predicted class (columns).
    class_names, labels : list of str, and ndarray of shape (n_classes,)
        The classes, by name and as they are in `patients`.
    patients : DataFrame
        A line for every patient (index), or row: ``label``, ``predicted``, and ``probability`` of
        the label, the least probable first.
    unit : {"row", "group"}, default="group"
        What is counted.

    Attributes
    ----------
    display_ : sklearn.metrics.ConfusionMatrixDisplay
        The matrix drawn.

    Examples
    --------
    >>> from skrobust.evaluation import GroupConfusionDisplay
    >>> proba = [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]]
    >>> display = GroupConfusionDisplay.from_predictions(
    ...     ["ill", "ill", "well", "well"], proba, groups=["P1", "P1", "P2", "P3"]
    ... )
    >>> display.matrix.tolist()
    [[1, 0], [1, 1]]
    >>> display.patients.query("label != predicted").index.tolist()
    ['P2']
    """

    matrix: NDArray
    class_names: list[str]
    patients: DataFrame
    labels: NDArray
    unit: str = "group"

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
    ) -> GroupConfusionDisplay:
        """Count patients.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True label of every row, the same for all rows of a patient.
        y_score : array-like of shape (n_samples, n_classes)
            Probabilities of held-out rows.
        groups : array-like of shape (n_samples,), default=None
            Patient of every row. None counts rows.
        labels : array-like of shape (n_classes,), default=None
            Class of each column of `y_score`. None is the sorted labels of `y_true`.
        class_names : sequence of str, default=None
            Names of the classes, in the order of the columns; by default the labels.
        """
        y_true, y_score, labels = check_class_scores(y_true, y_score, labels)
        class_names = check_names(class_names, labels, "classes")
        units, y_true, y_score = by_group(y_true, y_score, groups)
        predicted = labels[y_score.argmax(axis=1)]
        own = labels == y_true[:, None]
        table = {"label": y_true, "predicted": predicted, "probability": y_score[own]}
        patients = DataFrame(table, index=units).sort_values("probability", kind="stable")
        matrix = confusion_matrix(y_true, predicted, labels=labels)
        return cls(matrix, class_names, patients, labels, "row" if groups is None else "group")

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        side = max(4.2, 1.6 + 1.15 * len(self.class_names))
        return "confusion", {"figsize": (side, side)}

    def _draw(self) -> None:
        ax, counts = self.ax_, self.matrix
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
        self.display_ = ConfusionMatrixDisplay(shares, display_labels=self.class_names)
        self.display_.plot(ax=ax, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
        for (i, j), text in np.ndenumerate(self.display_.text_):
            lines = [str(counts[i, j]) + (f" ({shares[i, j]:.0%})" if totals[i, 0] else "")]
            if i != j and self.unit == "group":
                label, predicted = self.labels[[i, j]]
                table = self.patients
                own = table.index[(table["label"] == label) & (table["predicted"] == predicted)]
                lines += map(str, own[:_MOST_NAMES])
                if len(own) > _MOST_NAMES:
                    lines.append(f"and {len(own) - _MOST_NAMES} more")
            text.set(text="\n".join(lines), fontsize="small")
        unit = UNITS[self.unit]
        right, total = np.trace(counts), counts.sum()
        once = "; each counts once" if self.unit == "group" else ""
        ax.set_title(f"{right} of {total} {unit} right{once}", loc="left", fontsize="medium")
        ax.set(xlabel=f"Predicted class of {unit}", ylabel=f"True class of {unit}")
        if max(map(len, self.class_names)) * len(counts) > 30:
            ax.tick_params(axis="x", labelrotation=30)


@dataclass(eq=False, repr=False)
class GroupCalibrationDisplay(Display):
    """How often patients have the disease that a probability promises.

    Patients are sorted by their mean probability of the positive class, and cut into bins of equal
    size. A point is the mean of a bin and the share of its patients that are positive, with the 95%
    interval of that share (Wilson). Ticks at the edges are the patients.

    Parameters
    ----------
    curves : dict of str to DataFrame
        For each method a line per bin: ``predicted``, ``observed``, ``lower``, ``upper``, ``n``.
    probabilities : dict of str to ndarray of shape (n_units,)
        Probability of every patient, or row, by method.
    positive : ndarray of shape (n_units,), bool
        Which of them are positive.
    pos_label, unit
        As of :class:`RocComparisonDisplay`; the default of `unit` is "group".

    Attributes
    ----------
    displays_ : list of sklearn.calibration.CalibrationDisplay
        The curves drawn, one per method.

    Examples
    --------
    >>> from skrobust.evaluation import GroupCalibrationDisplay
    >>> display = GroupCalibrationDisplay.from_predictions(
    ...     [0, 0, 1, 0, 1, 1], {"net": [0.1, 0.3, 0.2, 0.7, 0.8, 0.9]},
    ...     groups=["P1", "P1", "P2", "P3", "P4", "P5"], n_bins=2,
    ... )
    >>> display.curves["net"]["observed"].round(2).tolist()
    [0.33, 1.0]
    """

    curves: dict[str, DataFrame]
    probabilities: dict[str, NDArray]
    positive: NDArray
    pos_label: Any
    unit: str = "group"

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_scores: Mapping[str, ArrayLike],
        groups: ArrayLike | None = None,
        *,
        pos_label: Any = None,
        class_names: Sequence[str] | None = None,
        n_bins: int | None = None,
    ) -> GroupCalibrationDisplay:
        """Compute the bins.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, of two classes, the same for all rows of a patient.
        y_scores : dict of str to array-like of shape (n_samples,) or (n_samples, 2)
            For each method the probabilities of held-out rows, of the positive or both classes.
        groups : array-like of shape (n_samples,), default=None
            Patient of every row. None counts rows.
        pos_label, class_names
            As for :class:`RocComparisonDisplay`.
        n_bins : int, default=None
            Number of bins. None makes bins of about 10, from 2 to 10 of them.
        """
        positive, scores, pos_label = check_two_classes(
            "calibration", y_true, y_scores, pos_label, class_names
        )
        probabilities = {}
        for name, score in scores.items():
            if score.min() < 0 or score.max() > 1:
                raise ValueError(
                    f"The scores of {name!r} go from {score.min():.3g} to {score.max():.3g}, "
                    "expected probabilities from 0 to 1."
                )
            _, truth, means = by_group(positive, score[:, None], groups)
            probabilities[name] = means[:, 0]
        if n_bins is None:
            n_bins = int(np.clip(len(truth) // 10, 2, 10))
        check_scalar(n_bins, "n_bins", Integral, min_val=1, max_val=len(truth))
        curves = {name: _bins(truth, mean, n_bins) for name, mean in probabilities.items()}
        unit = "row" if groups is None else "group"
        return cls(curves, probabilities, truth, pos_label, unit)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return "calibration", {"figsize": (5.4, 5.6)}

    def _draw(self) -> None:
        ax, self.displays_ = self.ax_, []
        for i, (name, curve) in enumerate(self.curves.items()):
            probability = self.probabilities[name]
            brier = np.mean((probability - self.positive) ** 2)
            name = f"{name} (Brier {brier:.3f})"
            points = curve["observed"], curve["predicted"]
            display = CalibrationDisplay(*points, probability, estimator_name=name)
            style = {"color": color_of(i), "marker": marker_of(i), "ls": "-", "lw": 1.4}
            self.displays_.append(display.plot(ax=ax, ref_line=i == 0, **style))
            ends = np.abs(curve[["lower", "upper"]].to_numpy() - curve[["observed"]].to_numpy())
            ax.errorbar(
                curve["predicted"], curve["observed"], yerr=ends.T, fmt="none", color=color_of(i),
                lw=1, capsize=3, alpha=0.7,
            )  # fmt: skip
            aside = 0.035 + 0.03 * i
            ax.plot(
                probability, np.where(self.positive, 1 + aside, -aside), ls="none", marker="|",
                ms=7, color=color_of(i), alpha=0.6,
            )  # fmt: skip
        edge, unit = 0.06 + 0.03 * len(self.curves), UNITS[self.unit]
        count = f"{self.positive.sum()} of {len(self.positive)} {unit}"
        title = f"Positive class: {self.pos_label}\n{count}; ticks: one each, the positive above"
        ax.set_title(title, loc="left", fontsize="medium")
        ax.set(
            xlabel=f"Predicted probability of {unit}",
            ylabel=f"Share of positive {unit} (95% interval)",
            xlim=(-0.02, 1.02), ylim=(-edge, 1 + edge), yticks=np.linspace(0, 1, 6),
        )  # fmt: skip
        ax.legend(loc="upper left", bbox_to_anchor=(0, 0.94), fontsize="small")


def _bins(positive: NDArray, probability: NDArray, n_bins: int) -> DataFrame:
    """Return bins of equal size of sorted probabilities."""
    lines = []
    for own in np.array_split(np.argsort(probability, kind="stable"), n_bins):
        interval = binomtest(int(positive[own].sum()), len(own)).proportion_ci(method="wilson")
        lines.append([probability[own].mean(), positive[own].mean(), *interval, len(own)])
    return DataFrame(lines, columns=["predicted", "observed", "lower", "upper", "n"])
