"""Gains of the study's arms over their baseline, with the corrected paired test, and verdicts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from study_cases import OTHER_SEED, PLAIN

from skrobust import summarize_comparison

LEVEL, WIDE = 0.05, 0.05
HELPS, HURTS = "helps", "hurts"
EVEN, UNKNOWN = "no difference beyond chance", "too few data to tell"
# what is no method to choose from
NOT_TESTED = ("oracle", OTHER_SEED)
PLACE, SPLIT = ["set", "corruption", "learner"], ["seed", "fold"]


def gains(
    lines: pd.DataFrame,
    score: str,
    by: list[str],
    baseline: str = PLAIN,
    ratio: float = 0.5,
    main: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Return the gains of all arms over a baseline in every group of lines.

    Every split (seed and fold) counts once: its difference is the mean over the sets and learners
    of the group that have the arm, and the corrected resampled t-test of ``summarize_comparison``
    is made over the splits. Splits that lack a set, in a study that was stopped, are left out.

    Parameters
    ----------
    lines : DataFrame
        Lines of the study, of one part.
    score : str
        Column to compare.
    by : list of str
        Columns whose values make the groups, such as ``["corruption"]``.
    baseline : str
        Arm to compare with.
    ratio : float
        Test over training patients of a fold, for the correction. Rows are thinned afterwards,
        which makes training sets overlap less.
    main : tuple of str
        Arms declared beforehand, whose p-values stay as they are. Those of the other arms are
        corrected by Holm's method within every group.

    Returns
    -------
    gains : DataFrame
        One row per group and arm: the columns of `by`, ``arm``, ``base`` (mean score of the
        baseline), ``mean``, ``sd`` and ``p`` of the gain, ``half_width`` of its 95% interval,
        ``n_splits`` and ``verdict``.
    """
    lines = lines.dropna(subset=[score])
    if lines.duplicated([*by, "arm", *PLACE, *SPLIT]).any():
        raise ValueError(f"A {score} of the same arm, place and split is there twice.")
    codes = {"place": lines.groupby(PLACE).ngroup(), "split": lines.groupby(SPLIT).ngroup()}
    lines = lines.assign(**codes)
    groups, tables = [], []
    for group, part in lines.groupby(by, sort=False):
        arm, arms = pd.factorize(part["arm"])
        place, split = (np.unique(part[name], return_inverse=True)[1] for name in codes)
        scores = np.full((len(arms), place.max() + 1, split.max() + 1), np.nan)
        scores[arm, place, split] = part[score]
        covered = ~np.isnan(scores).all(2)
        for places in np.unique(covered[arms != baseline], axis=0):
            own = (covered == places).all(1) | (arms == baseline)
            over = scores[own][:, places].mean(1)
            # a split that lacks a place is left out
            over = over[:, ~np.isnan(over).any(0)]
            number, its_split = np.indices(over.shape)
            tables.append(
                pd.DataFrame(
                    {
                        "metric": len(groups),
                        "estimator": arms[own][number.ravel()],
                        "split": its_split.ravel(),
                        "score": over.ravel(),
                    }
                )
            )
            groups.append(group)
    found = pd.DataFrame()
    if tables:
        results = pd.concat(tables, ignore_index=True).assign(n_test=ratio, n_train=1)
        summary = summarize_comparison(results, baseline=baseline).set_index("metric")
        of_baseline = summary["estimator"] == baseline
        compared = summary[~of_baseline].sort_index(kind="stable")
        error = compared["sd_difference"] * np.sqrt(1 / compared["n_splits"] + ratio)
        found = pd.DataFrame(
            {
                **dict(
                    zip(by, zip(*(groups[k] for k in compared.index), strict=True), strict=True)
                ),
                "arm": compared["estimator"],
                "base": summary.loc[of_baseline, "mean"].loc[compared.index],
                "mean": compared["mean_difference"],
                "sd": compared["sd_difference"],
                "p": compared["p_value"],
                "half_width": error * stats.t.ppf(0.975, compared["n_splits"] - 1),
                "n_splits": compared["n_splits"],
            }
        ).reset_index(drop=True)
        found[by] = [groups[k] for k in compared.index]
    if len(found):
        corrected = found[~found["arm"].isin([*main, *NOT_TESTED])]
        p = corrected.groupby(by, sort=False)["p"].transform(holm)
        found["p"] = p.combine_first(found["p"])
        found["verdict"] = found.apply(verdict, axis=1)
        # arms in the order of the lines, group by group
        order = {arm: number for number, arm in enumerate(dict.fromkeys(lines["arm"]))}
        group = found.groupby(by, sort=False).ngroup()
        found = found.iloc[np.lexsort((found["arm"].map(order), group))].reset_index(drop=True)
    return found


def holm(p: pd.Series) -> NDArray:
    """Return p-values corrected by Holm's method; those that are unknown stay so."""
    known = p.dropna().sort_values(kind="stable")
    factors = np.arange(len(known), 0, -1)
    corrected = np.minimum(1, np.maximum.accumulate(known.to_numpy() * factors))
    return pd.Series(corrected, index=known.index).reindex(p.index).to_numpy()


def verdict(gain: dict | pd.Series) -> str:
    """Return the word for a gain.

    It helps, or hurts, if p is below .05. Otherwise there is no difference beyond chance, unless
    the 95% interval reaches further than .05 to either side: then the data are too few to tell.
    """
    if gain["p"] < LEVEL:
        return HELPS if gain["mean"] > 0 else HURTS
    reach = abs(gain["mean"]) + gain["half_width"]
    return EVEN if reach <= WIDE else UNKNOWN


def averaging(lines: pd.DataFrame, arm: str = PLAIN) -> pd.DataFrame:
    """Return what averaging over patients adds to the AUC of an arm, by corruption, as gains."""
    own = lines[lines["arm"] == arm]
    both = [
        own.assign(arm=name, auc=own[score])
        for name, score in (("rows", "auc"), ("patients", "auc_patients"))
    ]
    return gains(pd.concat(both), "auc", ["corruption"], "rows")
