"""The score of a grid search along one parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from .drawing import LINES, Display, color_of, line_of, marker_of, metric_label


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(eq=False, repr=False)
class ParameterCurveDisplay(Display):
    """Score against one parameter of a grid search, as in the distillation paper's Figs. 5 to 7.

    Error bars are one standard deviation over the folds; horizontal lines are other methods.

    Parameters
    ----------
    curves : dict of str to dict
        For each line its arrays ``"x"`` (values of the parameter, increasing), ``"mean"`` and
        ``"std"`` (of the test score over the folds), all of the same length.
    param_name : str
        Parameter on the x axis.
    score_name : str
        Name of the score, for the y axis.
    hue_name : str, default=None
        Parameter that differs between the lines.
    baselines : dict of str to (float, float), default=None
        Mean and standard deviation (NaN: not known) of the horizontal lines.

    Attributes
    ----------
    errorbars_, baseline_lines_, baseline_bars_ : list
        Of matplotlib artists, one per curve, baseline, and known standard deviation of a baseline.

    Notes
    -----
    A point is the best of the candidates with its two values, by mean test score, which is too
    optimistic. Candidates that do not set both parameters are left out, and a point all of whose
    candidates failed is a gap in the line.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skrobust.evaluation import ParameterCurveDisplay
    >>> grid = {"n_neighbors": [1, 5, 9], "weights": ["uniform", "distance"]}
    >>> search = GridSearchCV(KNeighborsClassifier(), grid).fit(*load_iris(return_X_y=True))
    >>> display = ParameterCurveDisplay.from_search(search, "n_neighbors", hue="weights")
    >>> display.curves["uniform"]["mean"].round(3)
    array([0.96 , 0.973, 0.973])
    """

    curves: dict[str, dict[str, NDArray]]
    param_name: str
    score_name: str
    _: KW_ONLY
    hue_name: str | None = None
    baselines: dict[str, tuple[float, float]] | None = None

    @classmethod
    def from_search(
        cls,
        search: Any,
        param_name: str,
        *,
        hue: str | None = None,
        metric: str | None = None,
        baselines: Mapping[str, float | tuple[float, float]] | None = None,
    ) -> ParameterCurveDisplay:
        """Read the curves from a fitted search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or like
            A fitted search, with ``cv_results_``.
        param_name : str
            Name of a searched parameter with numbers as values, as in the grid.
        hue : str, default=None
            Name of a second searched parameter; each of its values is a line.
        metric : str, default=None
            Score of a search with several scores. None is the one that `refit` names.
        baselines : dict of str to float or (float, float), default=None
            Scores of other methods: the mean, or mean and standard deviation over the folds.
        """
        if not hasattr(search, "cv_results_"):
            raise ValueError(
                f"{type(search).__name__} has no cv_results_. Give a search after fit."
            )
        results = search.cv_results_
        params = results["params"]
        known = list(dict.fromkeys(name for given in params for name in given))
        needed = [name for name in (param_name, hue) if name is not None]
        for name in needed:
            if name not in known:
                raise ValueError(f"The search has no parameter {name!r}. It searched: {known}.")
        scores = [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]
        if metric is None:
            metric = "score" if "score" in scores else getattr(search, "refit", None)
        if metric not in scores:
            raise ValueError(f"metric is {metric!r}, expected one of the search's: {scores}.")
        mean, std = results[f"mean_test_{metric}"], results[f"std_test_{metric}"]
        scoring = getattr(search, "scoring", None)
        score_name = scoring if metric == "score" and isinstance(scoring, str) else metric
        used = [i for i, given in enumerate(params) if given.keys() >= set(needed)]
        x = [params[i][param_name] for i in used]
        lines = ["" if hue is None else params[i][hue] for i in used]
        for value in x:
            if not _is_number(value):
                raise ValueError(
                    f"{param_name} takes the value {value!r}, but the x axis needs numbers. Give "
                    "a numeric parameter as param_name, and this one as hue."
                )
        if not used:
            raise ValueError(
                f"No candidate of the search sets both {param_name} and {hue}. Choose parameters "
                "of the same grid."
            )
        points = DataFrame({"x": np.array(x, float), "mean": mean[used], "std": std[used]})
        points["line"] = [str(line) for line in lines]
        best = points.sort_values("mean", ascending=False, kind="stable")
        best = best.drop_duplicates(["line", "x"]).sort_values("x").set_index("line")
        names = {str(line): line for line in lines}
        if all(map(_is_number, names.values())):
            names = sorted(names, key=names.get)
        curves = {
            name: {key: best.loc[[name], key].to_numpy() for key in ("x", "mean", "std")}
            for name in names
        }
        given = {name: _mean_and_std(name, value) for name, value in (baselines or {}).items()}
        return cls(curves, param_name, score_name, hue_name=hue, baselines=given)

    def plot(self, ax: Any = None, *, xscale: str = "linear") -> Self:
        """Draw the curves; `xscale` such as "log", `ax` as in the other displays."""
        return self._plot(ax, xscale=xscale)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return "curves", {"figsize": (7, 4.2)}

    def _draw(self, xscale: str) -> None:
        from matplotlib.transforms import ScaledTranslation

        ax = self.ax_
        ax.set_xscale(xscale)
        self.errorbars_, self.baseline_lines_, self.baseline_bars_ = [], [], []
        for i, (name, curve) in enumerate(self.curves.items()):
            # lines are 3 points apart, so that their error bars do not hide each other
            shift = 3 * (i - (len(self.curves) - 1) / 2) / 72
            aside = ax.transData + ScaledTranslation(shift, 0, self.figure_.dpi_scale_trans)
            bars = ax.errorbar(
                curve["x"], curve["mean"], curve["std"], label=name or self.score_name,
                color=color_of(i), ls=line_of(i), marker=marker_of(i), ms=5, lw=1.6, elinewidth=1,
                capsize=2.5, transform=aside, zorder=3,
            )  # fmt: skip
            self.errorbars_.append(bars)
            # matplotlib does not see the limits of lines that are moved aside
            for edge in (-1, 0, 1):
                corners = np.c_[curve["x"], curve["mean"] + edge * np.nan_to_num(curve["std"])]
                ax.update_datalim(corners[np.isfinite(corners).all(axis=1)])
        ax.autoscale_view()
        for i, (name, (mean, std)) in enumerate((self.baselines or {}).items()):
            style = {"color": ("0.2", "0.55")[i % 2], "ls": LINES[1:][i % 3]}
            self.baseline_lines_.append(ax.axhline(mean, label=name, **style))
            if not np.isnan(std):
                # bars beside the axes, since bands over the whole width would hide each other
                place = 1.015 + 0.02 * (i % 2)
                self.baseline_bars_ += ax.plot(
                    [place] * 2, [mean - std, mean + std], color=style["color"], marker="_", lw=2,
                    transform=ax.get_yaxis_transform(), clip_on=False,
                )  # fmt: skip
        values = np.concatenate([curve["x"] for curve in self.curves.values()])
        if xscale == "linear" and (values == values.round()).all():
            ax.xaxis.get_major_locator().set_params(integer=True)
        score = metric_label(self.score_name)
        xlabel = self.param_name.split("__")[-1]
        ax.set(xlabel=xlabel, ylabel=f"{score} (mean ± sd)")
        if self.hue_name is None and not self.baselines:
            return
        own = self._made_figure
        place = {"loc": "upper left", "bbox_to_anchor": (1.05, 1)} if own else {"loc": "best"}
        title = None if self.hue_name is None else self.hue_name.split("__")[-1]
        handles = [*self.errorbars_, *self.baseline_lines_]
        ax.legend(handles=handles, title=title, alignment="left", frameon=not own, **place)


def _mean_and_std(name: str, value: float | tuple[float, float]) -> tuple[float, float]:
    numbers = np.atleast_1d(np.asarray(value, dtype=float)).tolist()
    if np.ndim(numbers) != 1 or len(numbers) not in (1, 2) or np.isnan(numbers[0]):
        raise ValueError(
            f"The baseline {name!r} is {value!r}, expected its mean, or (mean, standard deviation)."
        )
    return tuple([*numbers, np.nan][:2])
