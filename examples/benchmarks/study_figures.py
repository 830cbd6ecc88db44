"""Figures of the study: gains with their intervals, arm by arm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from study_gains import HELPS, HURTS
from study_labels import ORACLE
from study_methods import METHODS, PARTS

from skrobust.evaluation.drawing import COLORS

if TYPE_CHECKING:
    from study_report import Study

BLUE, RED, *_ = COLORS
STYLES = {HELPS: (BLUE, "^"), HURTS: (RED, "v")}
NEUTRAL = ("0.45", "o")
OURS = [arm for method in METHODS for arm in method.arms]


def draw_gains(ax: Axes, found: pd.DataFrame, arms: list[str], filled: bool, shift: float) -> None:
    """Draw the gains of one panel, with 95% intervals."""
    for _, row in found.iterrows():
        color, marker = STYLES.get(row["verdict"], NEUTRAL)
        y = arms.index(row["arm"]) + shift
        ax.plot(
            row["mean"] + row["half_width"] * np.array([-1, 1]), [y, y], color=color, lw=1, zorder=2
        )
        face = color if filled else "white"
        ax.plot(row["mean"], y, marker, ms=5, mec=color, mfc=face, zorder=3)


def draw_part(study: Study, part: str) -> plt.Figure:
    """Draw the gains of a part, one panel per corruption."""
    about = PARTS[part]
    tables = [study.gains(part, score) for score in about.scores]
    arms = [arm for arm in dict.fromkeys(tables[0]["arm"]) if arm != ORACLE]
    # the methods of the library first, then the peers
    arms = sorted(arms, key=lambda arm: OURS.index(arm) if arm in OURS else len(OURS))
    panels = list(dict.fromkeys(tables[0]["corruption"]))
    n_columns = min(3, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(max(6.5, 2.6 * n_columns + 2), n_rows * (0.24 * len(arms) + 0.6) + 0.7),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, panel in zip(axes.ravel(), panels, strict=False):
        for number, found in enumerate(tables):
            shown = found[(found["corruption"] == panel) & found["arm"].isin(arms)]
            shift = 0 if len(tables) == 1 else (-0.16, 0.16)[number]
            draw_gains(ax, shown, arms, number == 0, shift)
        ax.axvline(0, color="black", lw=0.8, zorder=1)
        ax.axhspan(-0.5, sum(arm in OURS for arm in arms) - 0.5, color="0.95", zorder=0)
        ax.set_title(panel, fontsize="medium")
        ax.set_yticks(range(len(arms)), arms)
        ax.set_ylim(len(arms) - 0.5, -0.5)
        ax.locator_params(axis="x", nbins=5)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.ravel()[len(panels) :]:
        ax.set_visible(False)
    means = pd.concat(tables)
    reach = (means["mean"].abs() + means["half_width"])[means["arm"].isin(arms)].quantile(0.95)
    axes[0, 0].set_xlim(-reach, reach)
    kind = "recall" if "recall" in next(iter(about.scores)) else "AUC"
    figure.supxlabel(f"gain in {kind} over {about.baseline}, with 95% interval", fontsize="medium")
    figure.legend(handles=handles(list(about.scores.values())), loc="outside upper center", ncols=5,
                  frameon=False, fontsize="small")  # fmt: skip
    return figure


def handles(names: list[str]) -> list[Line2D]:
    """Return the entries of the legend."""
    entries = [
        Line2D([], [], color=color, marker=marker, label=word)
        for word, (color, marker) in (STYLES | {"otherwise": NEUTRAL}).items()
    ]
    if len(names) == 2:
        entries += [
            Line2D([], [], ls="", marker="o", mec="0.3", mfc=face, label=name)
            for name, face in zip(names, ("0.3", "white"), strict=True)
        ]
    return entries


def draw_all(study: Study, folder: Path) -> None:
    """Save a figure for every part."""
    for part in study.lines:
        figure = draw_part(study, part)
        figure.savefig(folder / f"results_{part}.png", dpi=110, metadata={"Software": None})
        plt.close(figure)
