"""Tables, figures and verdicts of the study, from its CSV.

Run: ``python examples/benchmarks/study_report.py`` reads ``docs/results/study.csv`` and writes
``docs/results.md``, the figures ``docs/_static/results_*.png``, and the table between the marks in
``README.md``. ``--csv FILE`` reads another study; ``--no-figures`` leaves the figures as they are.

Every verdict follows from the numbers by ``study_gains.verdict``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from study_gains import EVEN, HELPS, HURTS, LEVEL, PLACE, UNKNOWN, WIDE, averaging, gains
from study_images import NAIVE
from study_labels import ORACLE
from study_methods import METHODS, NOT_IN_IT, PARTS, Method

ROOT = Path(__file__).parents[2]
MARKS = ("<!-- study -->", "<!-- end of study -->")
SIGNS = {HELPS: " ▲", HURTS: " ▼"}
CLEAN = "clean"
COMMAND = "OMP_NUM_THREADS=1 python examples/benchmarks/study.py --data DIR --csv study.csv"
OPTIONS = "--first-seed 10 --folds 1"

INTRODUCTION = f"""\
# Results

What the methods gain and cost, measured by `examples/benchmarks/study.py`. Every method is compared
with the same learner without it, on the same folds without common patients. The regularisation of
the learner is tuned, on inner folds without common patients. Only training rows are corrupted.
Seeds by which settings were chosen are not in it. {{n_lines}} fits were scored in {{hours:.1f}}
hours of one shared core; {{places}}.

A cell shows the mean gain, its standard deviation over the splits, and, in brackets, the p-value of
the corrected resampled t-test (Nadeau and Bengio) over the splits. The gain of a split is the mean
over sets and learners. p-values are corrected by Holm's method within a column, but for comparisons
that were declared beforehand. *Rows* are scored one by one, *patients* by the mean class scores of
their rows. *Impure* labels are labels of patients, some rows of which do not show the disease. A
distiller scores how far a label can be trusted; it has nothing to do with knowledge distillation.

The verdicts follow from the numbers by a fixed rule: a method **{HELPS}** (▲) or **{HURTS}** (▼) if
p < {LEVEL}. Otherwise there is **{EVEN}**, or there are **{UNKNOWN}**, if the 95%
interval reaches beyond ±{WIDE}.

This page is written by `examples/benchmarks/study_report.py` from `docs/results/study.csv`, which
is made by `{COMMAND}` (rarity and scarcity with
`--seeds 5`, all other parts with `{OPTIONS}` and as many seeds as are named above, trusted with
`--learners logistic --first-seed 2`).
"""


class Study:
    """The lines of the study by part, and their gains, computed once."""

    def __init__(self, lines: pd.DataFrame):
        # lower Brier scores are better
        briers = [name for name in ("brier", "brier_patients") if name in lines]
        lines = lines.assign(**{name: -lines[name] for name in briers})
        # a single split has no spread, and nothing to test
        self.lines = {
            part: own
            for part in PARTS
            if (own := lines[lines["part"] == part]).groupby(["seed", "fold"]).ngroups > 1
        }
        self._known: dict[tuple, pd.DataFrame] = {}

    def gains(
        self,
        part: str,
        score: str | None = None,
        by: tuple[str, ...] = ("corruption",),
        baseline: str | None = None,
    ) -> pd.DataFrame:
        """Return the gains of all arms, by default in the first score and over the baseline."""
        about = PARTS[part]
        score, baseline = score or next(iter(about.scores)), baseline or about.baseline
        key = part, score, by, baseline
        if key not in self._known:
            lines = self.lines[part]
            self._known[key] = gains(lines, score, list(by), baseline, about.ratio, about.main)
        return self._known[key]


def number(value: float, sign: bool = True) -> str:
    """Return three digits without the leading zero."""
    # rounded twice, so that a tie falls alike on every machine
    value = round(value, 9)
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return text.replace("0.", ".", 1)


def size(lines: pd.DataFrame) -> str:
    """Return the numbers of seeds and splits."""
    n_seeds = lines["seed"].nunique()
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    return f"{seeds}, {lines.groupby(['seed', 'fold']).ngroups} splits"


def cell(row: pd.Series) -> str:
    """Return a gain as a cell of a table."""
    p = number(row["p"], sign=False)
    p = "no test" if row["n_splits"] < 2 else "< .001" if p == ".000" else p
    text = f"{number(row['mean'])} ± {number(row['sd'], sign=False)} ({p})"
    sign = SIGNS.get(row["verdict"])
    return f"**{text}**{sign}" if sign else text


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a table in markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def gain_table(found: pd.DataFrame, across: str) -> str:
    """Return a table of gains, one row per arm."""
    columns = list(dict.fromkeys(found[across]))
    rows = []
    for arm in dict.fromkeys(found["arm"]):
        own = found[found["arm"] == arm].set_index(across)
        rows.append([arm] + [cell(own.loc[c]) if c in own.index else "" for c in columns])
    return table(["method", *columns], rows)


def base_table(lines: pd.DataFrame, part: str) -> str:
    """Return what the baseline scores on every set."""
    scores, baseline = PARTS[part].scores, PARTS[part].baseline
    own = lines[lines["arm"] == baseline]
    mean = own.groupby(["set", "corruption"], sort=False)[list(scores)].mean()
    corruptions = list(dict.fromkeys(own["corruption"]))
    rows = [
        [name]
        + [
            " / ".join(number(value, sign=False) for value in mean.loc[(name, c)])
            if (name, c) in mean.index
            else ""
            for c in corruptions
        ]
        for name in dict.fromkeys(own["set"])
    ]
    return table([f"{baseline}: {' / '.join(scores.values())}", *corruptions], rows)


def set_table(study: Study, part: str) -> str:
    """Return the mean gains of the library's methods on every set, over the learners."""
    arms = [arm for method in methods_in(study) if method.part == part for arm in method.arms]
    found = study.gains(part, by=("set", "corruption"))
    arms = arms or list(dict.fromkeys(found["arm"]))
    found = found.set_index(["set", "corruption", "arm"])
    rows = []
    for place in dict.fromkeys(index[:2] for index in found.index):
        cells = []
        for arm in arms:
            if (*place, arm) not in found.index:
                cells.append("")  # no arm for this learner
                continue
            row = found.loc[(*place, arm)]
            cells.append(f"{number(row['mean'])}{SIGNS.get(row['verdict'], '')}")
        rows.append([", ".join(place), *cells])
    return table(["set", *arms], rows)


def averaging_text(study: Study, part: str) -> str:
    """Say what averaging over patients gains, compared with the methods."""
    worth = averaging(study.lines[part], PARTS[part].baseline).set_index("corruption")
    found = study.gains(part, "auc")
    rows = []
    for corruption, group in found[found["arm"] != ORACLE].groupby("corruption", sort=False):
        best = group.loc[group["mean"].idxmax()]
        rows.append([corruption, cell(worth.loc[corruption]), f"{best['arm']}: {cell(best)}"])
    return (
        "Gain from averaging the baseline's class scores over each patient, and the largest gain "
        "of any method in the scores of rows (which is too optimistic, as the largest of many):\n\n"
        + table(["corruption", "patients minus rows", "largest gain"], rows)
    )


def part_text(study: Study, part: str) -> str:
    """Return the section of a part."""
    about, lines = PARTS[part], study.lines[part]
    first = next(iter(about.scores.values()))
    text = [
        f"## {about.title}\n\n{about.text}\n",
        f"{size(lines).capitalize()}, on average "
        f"{lines['n_train'].mean():.0f} training and {lines['n_test'].mean():.0f} test rows.\n",
        base_table(lines, part) + "\n",
        f"```{{image}} _static/results_{part}.png\n:alt: Gains, part {part}\n```\n",
    ]
    for score, name in about.scores.items():
        title = "recall" if "recall" in score else "AUC"
        text.append(f"Gain in {title}, {name}, over *{about.baseline}*:\n")
        text.append(gain_table(study.gains(part, score), "corruption") + "\n")
    for score, name in about.more.items():
        text.append(f"Gain in {name}, over *{about.baseline}*:\n")
        text.append(gain_table(study.gains(part, score), "corruption") + "\n")
    if about.main:
        text.append(f"Gain of *{about.main[0]}* in AUC of {first}, learner by learner:\n")
        found = study.gains(part, by=("learner", "corruption"))
        found = found[found["arm"] == about.main[0]].assign(arm=lambda table: table["learner"])
        text.append(gain_table(found, "corruption") + "\n")
    if part == "images":
        found = study.gains(part, baseline=NAIVE)
        found = found[found["arm"].str.startswith(("ISR", "ISP", "early stopping"))]
        text.append(f"Gain in AUC, rows, over *{NAIVE}*, the comparison of the paper:\n")
        text.append(gain_table(found, "corruption") + "\n")
    if lines["set"].nunique() > 1:
        text.append(f"Set by set, {next(iter(about.scores.values()))}:\n")
        text.append(set_table(study, part) + "\n")
    if "auc_patients" in about.scores:
        text.append(averaging_text(study, part) + "\n")
    return "\n".join(text)


# Verdicts ----------------------------------------------------------------------------------------


def diagnosis(lines: pd.DataFrame, arm: str) -> str:
    """Return what the diagnostics of an arm say."""
    own = lines[lines["arm"] == arm]
    said = []
    if own["kept"].notna().any():
        said.append(f"{own['kept'].mean():.0%} of the rows are kept")
    if own["found"].notna().any():
        what = "outliers" if (lines["part"] == "contamination").all() else "wrong labels"
        known = own[own["found"].notna()].groupby("corruption", sort=False)["found"].mean()
        values = ", ".join(f"{c} {number(v, sign=False)}" for c, v in known.items())
        said.append(f"{what} are found with an AUC of {values}")
    return f" ({'; '.join(said)})" if said else ""


def method_text(study: Study, method: Method) -> str:
    """Return the verdict on a method."""
    about, text = PARTS[method.part], [f"### {method.name}\n"]
    first = next(iter(about.scores.values()))
    each = study.gains(method.part, by=tuple(PLACE))
    for arm in method.arms:
        text.append(f"- *{arm}*{diagnosis(study.lines[method.part], arm)}")
        for score, name in about.scores.items():
            found = study.gains(method.part, score)
            text.append(f"  - {name}: {words(found[found['arm'] == arm])}.")
        counts = each.loc[each["arm"] == arm, "verdict"].value_counts()
        if counts.sum() == 1:
            continue
        text.append(
            f"  - set by set and learner by learner, {first}: of {counts.sum()} comparisons it "
            f"helps in {counts.get(HELPS, 0)} and hurts in {counts.get(HURTS, 0)} "
            f"(by chance alone {LEVEL / 2 * counts.sum():.1f} each)."
        )
    arm, found = best_arm(study, method)
    worth = found["mean"].mean()
    if worth > 0:
        advice = f"Of these settings, `{method.arms[arm]}` has the largest mean gain"
    else:
        advice = (
            "Not recommended; kept for comparison. Even the best of these settings, "
            f"`{method.arms[arm]}`, has a mean loss"
        )
    text.append(f"\n{advice} on corrupted data, {number(worth)}.")
    return "\n".join([*text, *paper_text(study, method)]) + "\n"


def words(found: pd.DataFrame) -> str:
    """Return the verdicts on an arm, corruption by corruption."""
    said = []
    for word in (HELPS, HURTS, EVEN, UNKNOWN):
        same = found[found["verdict"] == word]
        cases = [f"{row['corruption']} {number(row['mean'])}" for _, row in same.iterrows()]
        if cases:
            said.append(f"**{word}**: {', '.join(cases)}")
    return "; ".join(said)


def methods_in(study: Study) -> list[Method]:
    """Return the methods that the study, finished or not, compares."""
    return [
        method
        for method in METHODS
        if method.part in study.lines and set(method.arms) <= set(study.gains(method.part)["arm"])
    ]


def best_arm(study: Study, method: Method) -> tuple[str, pd.DataFrame]:
    """Return the arm of a method with the largest mean gain on corrupted data, and its gains."""
    found = study.gains(method.part)
    found = found[found["arm"].isin(list(method.arms)) & ~found["corruption"].str.startswith(CLEAN)]
    arm = found.groupby("arm", sort=False)["mean"].mean().idxmax()
    return arm, found[found["arm"] == arm].sort_values("mean")


def paper_text(study: Study, method: Method) -> list[str]:
    """Return the verdict on the problem that the paper of a method addresses."""
    if not method.paper_trouble:
        return []
    said, verdicts = [], []
    for baseline in dict.fromkeys([PARTS[method.part].baseline, method.paper_baseline]):
        if baseline is None:
            continue
        found = study.gains(method.part, baseline=baseline)
        found = found[found["arm"] == method.paper_arm].set_index("corruption")
        found = found.loc[[c for c in method.paper_trouble if c in found.index]]
        cases = [f"{c}, {row['verdict']}: {cell(row)}" for c, row in found.iterrows()]
        said.append(f"over *{baseline}*: {'; '.join(cases)}")
        verdicts += list(found["verdict"]) if baseline == PARTS[method.part].baseline else []
    score = next(iter(PARTS[method.part].scores.values()))
    text = f"\nThe problem and method of the paper (*{method.paper_arm}*), {score}: "
    why = f" {method.why}" if method.why and HELPS not in verdicts else ""
    return [f"{text}{'; and '.join(said)}.{why}"]


def readme_table(study: Study) -> str:
    """Return the table of the README: one line per method, with its best settings."""
    rows = []
    for method in methods_in(study):
        arm, found = best_arm(study, method)
        everywhere = study.gains(method.part)
        untouched = everywhere["corruption"].str.startswith(CLEAN)
        clean = everywhere[(everywhere["arm"] == arm) & untouched]
        shown = [f"{row['corruption']}: {cell(row)}" for _, row in found.iterrows()]
        rows.append(
            [
                f"{method.name}: {arm}",
                shown[-1],
                shown[0] if len(shown) > 1 else "",
                *([cell(row) for _, row in clean.iterrows()][:1] or [""]),
            ]
        )
    return table(["method: best settings", "best case", "worst case", "clean data"], rows)


def write_readme(study: Study, readme: str) -> str:
    """Return the README with a new table between the marks."""
    before, _, rest = readme.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{readme_table(study)}\n{MARKS[1]}{after}"


def page(study: Study) -> str:
    """Return the page of results."""
    lines = pd.concat(study.lines.values())
    sizes = {part.replace("_", " "): size(own) for part, own in study.lines.items()}
    places = "; ".join(f"{part}: {own}" for part, own in sizes.items())
    text = [
        INTRODUCTION.format(n_lines=len(lines), hours=lines["seconds"].sum() / 3600, places=places),
        "## Verdicts\n",
        *(method_text(study, method) for method in methods_in(study)),
        *(part_text(study, part) for part in study.lines),
        f"## What is not in it\n\n{NOT_IN_IT}\n",
    ]
    return "\n".join(text)


def main() -> None:
    """Write page, README table and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, default=ROOT / "docs/results/study.csv")
    parser.add_argument("--no-figures", action="store_true", help="leave the figures as they are")
    args = parser.parse_args()
    study = Study(pd.read_csv(args.csv))
    (ROOT / "docs/results.md").write_text(page(study), encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(write_readme(study, readme.read_text("utf-8")), encoding="utf-8")
    if not args.no_figures:
        from study_figures import draw_all

        draw_all(study, ROOT / "docs/_static")


if __name__ == "__main__":
    main()
