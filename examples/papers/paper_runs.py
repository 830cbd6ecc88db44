"""What the scripts of the five papers share: a CSV that a stopped run resumes with, and tables.

Every line of the CSV is one score of one run: paper, part (its table or figure), arm (method and
settings), size (rows, epochs and so on, as run), seed, metric and value. The last line of a run is
its time, so that a run without it was cut short and is run again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

EXAMPLES = Path(__file__).parents[1]
sys.path.append(str(EXAMPLES / "benchmarks"))

from resumable import ResumableTable

KEY = ["paper", "part", "arm", "size", "seed", "metric"]


class PaperRuns:
    """The runs of one paper.

    Parameters
    ----------
    paper : str
        Its short name.
    args : argparse.Namespace
        Options of `parser_of_paper`.
    """

    def __init__(self, paper: str, args: argparse.Namespace):
        self.paper, self.figures = paper, args.figures
        self.table = ResumableTable(args.csv, KEY, [*KEY, "value"])

    def run(self, part: str, arm: str, size: str, seed: int, fit: Callable[[], dict]) -> None:
        """Call `fit` for its scores, unless the run is done."""
        key = dict(zip(KEY, (self.paper, part, arm, size, seed), strict=False))
        if self.table.has(*key.values(), "seconds"):
            return
        start = time.process_time()
        scores = fit()
        for metric, value in {**scores, "seconds": time.process_time() - start}.items():
            self.table.add(**key, metric=metric, value=round(float(value), 5))
        shown = ", ".join(f"{k} {v:.3f}" for k, v in scores.items() if "->" not in k)
        print(f"{part} | {arm} | {size} | seed {seed}: {shown}", flush=True)

    def lines(self, part: str) -> pd.DataFrame:
        """Return the scores of a part; of a run that was repeated the last ones."""
        frame = self.table.frame
        frame = frame[(frame["paper"] == self.paper) & (frame["part"] == part)]
        return frame.drop_duplicates(KEY, keep="last")

    def show(
        self,
        part: str,
        metrics: list[str],
        published: dict[str, dict[str, str]],
        baseline: str | None = None,
    ) -> None:
        """Print mean ± standard deviation over the seeds, and the paper's numbers beside them.

        Parameters
        ----------
        part : str
            Table or figure.
        metrics : list of str
            Columns; the gains are those of the first.
        published : dict
            For an arm the paper's number of a metric.
        baseline : str, default=None
            Arm that the paired gains are computed against.
        """
        lines = self.lines(part)
        for size, own in lines.groupby("size", sort=False):
            print(f"\n{self.paper}, {part}: {size}, {own['seed'].nunique()} seeds")
            wide = own.pivot(index="seed", columns=["arm", "metric"], values="value")
            rows = {}
            for arm in own["arm"].unique():
                row = {}
                for metric in metrics:
                    if (arm, metric) in wide:
                        row[metric] = mean_and_sd(wide[arm, metric])
                    row[f"paper's {metric}"] = published.get(arm, {}).get(metric, "")
                if baseline is not None and arm != baseline:
                    gain = wide[arm, metrics[0]] - wide[baseline, metrics[0]]
                    row["gain"] = mean_and_sd(gain, signed=True)
                rows[arm] = row
            table = pd.DataFrame(rows).T.fillna("")
            print(table.loc[:, (table != "").any()].to_string())

    def draw(self, part: str, metric: str, xlabel: str, lines_at: dict[str, str] | None = None):
        """Save curves of arms that are named ``name @ x``, if figures are wanted.

        Parameters
        ----------
        part : str
            Figure.
        metric : str
            What to draw.
        xlabel : str
            What x is.
        lines_at : dict, default=None
            Part of arms to draw as horizontal lines, by arm.
        """
        if self.figures is None:
            return
        own = self.lines(part)
        own = own[own["metric"] == metric].copy()
        own[["name", "x"]] = own["arm"].str.split(" @ ", expand=True)
        own["x"] = own["x"].astype(float)
        figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
        for name, points in own.groupby("name", sort=False):
            found = points.groupby("x")["value"].agg(["mean", "std"]).fillna(0)
            ax.errorbar(found.index, found["mean"], found["std"], marker="o", label=name)
        for arm, where in (lines_at or {}).items():
            level = self.lines(where).query("arm == @arm and metric == @metric")["value"]
            ax.axhline(level.mean(), color="0.5", ls="--")
            ax.annotate(arm, (ax.get_xlim()[0], level.mean()), va="bottom", fontsize="small")
        ax.set(xlabel=xlabel, ylabel=metric, title=f"{self.paper}, {part}")
        ax.legend(frameon=False)
        self.save(figure, part)

    def save(self, figure: plt.Figure, name: str) -> None:
        """Save a figure into the folder, if there is one."""
        if self.figures is not None:
            self.figures.mkdir(parents=True, exist_ok=True)
            path = self.figures / f"{self.paper}_{name.replace(' ', '_').lower()}.png"
            figure.savefig(path, dpi=120, bbox_inches="tight")
        plt.close(figure)


def mean_and_sd(values: pd.Series, signed: bool = False) -> str:
    """Return mean ± standard deviation as text; without a spread if there is one value."""
    sign = "+" if signed else ""
    spread = f" ± {values.std():.3f}" if values.count() > 1 else ""
    return "" if not values.count() else f"{values.mean():{sign}.3f}{spread}"


def parser_of_paper(description: str, seeds: int) -> argparse.ArgumentParser:
    """Return the options that all papers share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=seeds, help="number of repeats")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="'cuda' trains the networks on a GPU")
    parser.add_argument("--csv", type=Path, help="write the scores here; resume from it")
    parser.add_argument("--figures", type=Path, help="folder to save the figures in")
    parser.add_argument("--parts", nargs="+", help="tables and figures to run")
    return parser
