"""Means, spreads and corrected paired tests of a comparison."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

_COLUMNS = ("estimator", "split", "metric", "score", "n_train", "n_test")


def summarize_comparison(results: pd.DataFrame, *, baseline: str | None = None) -> pd.DataFrame:
    """Summarise a table of scores, and compare every estimator with a baseline.

    The scores of cross-validation splits are not independent, since training sets overlap. The
    corrected resampled t-test [1]_ allows for that: with the differences ``d`` on ``J`` splits,
    ``t = mean(d) / sqrt((1 / J + n_test / n_train) * var(d))`` with ``J - 1`` degrees of freedom,
    two-sided; ``n_test / n_train`` is the ratio of the totals over the splits. The p-values are
    not corrected for the number of comparisons.

    Parameters
    ----------
    results : DataFrame
        Table from :func:`~skrobust.model_selection.compare_estimators`, or any with its columns
        estimator, split, metric, score, n_train and n_test.
    baseline : str, default=None
        Name of the estimator to compare with. By default nothing is compared.

    Returns
    -------
    summary : DataFrame
        One row per estimator and metric, in the order of `results`, with the columns

        - ``estimator``, ``metric``;
        - ``mean``, ``sd`` : mean and standard deviation (``ddof=1``) of the scores;
        - ``n_splits`` : number of splits where the score is defined; NaN scores are left out;

        and, with a baseline, over the splits where both scores are defined,

        - ``mean_difference``, ``sd_difference`` : of the score minus the baseline's;
        - ``p_value`` : of the test. Where all differences are equal it is 1.0 if they are zero
          and 0.0 otherwise.

        These three are NaN for the baseline itself, and with fewer than two splits ``sd``,
        ``sd_difference`` and ``p_value`` are NaN.

    Raises
    ------
    TypeError
        If `results` is not a DataFrame.
    ValueError
        If a column is missing, a score is there twice, there is no estimator named `baseline`,
        or the baseline lacks a split or metric of another estimator.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning
       52, 239-281, 2003.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrobust.model_selection import summarize_comparison
    >>> results = pd.DataFrame({
    ...     "estimator": ["svm"] * 3 + ["net"] * 3, "split": [0, 1, 2] * 2, "metric": "roc_auc",
    ...     "score": [0.70, 0.80, 0.75, 0.76, 0.84, 0.83], "n_train": 80, "n_test": 40})
    >>> summary = summarize_comparison(results, baseline="svm")
    >>> summary[["estimator", "mean", "mean_difference", "p_value"]].round(3)
      estimator  mean  mean_difference  p_value
    0       svm  0.75              NaN      NaN
    1       net  0.81             0.06    0.081
    """
    _check_results(results, baseline)
    names = results["estimator"].unique()
    rows = []
    for name in names:
        own = results[results["estimator"] == name]
        for metric in own["metric"].unique():
            table = own[own["metric"] == metric].set_index("split")
            scores = table["score"].dropna()
            row = {
                "estimator": name,
                "metric": metric,
                "mean": scores.mean(),
                "sd": scores.std(ddof=1),
                "n_splits": len(scores),
            }
            if baseline is not None:
                row |= _compare(table, _baseline_scores(results, baseline, metric, table, name))
            rows.append(row)
    summary = pd.DataFrame(rows)
    if baseline is not None:
        compared = ["mean_difference", "sd_difference", "p_value"]
        summary.loc[summary["estimator"] == baseline, compared] = np.nan
    return summary


def _check_results(results: pd.DataFrame, baseline: str | None) -> None:
    if not isinstance(results, pd.DataFrame):
        raise TypeError(f"results is a {type(results).__name__}, expected a DataFrame.")
    missing = [column for column in _COLUMNS if column not in results]
    if missing:
        raise ValueError(
            f"results lacks the columns {missing}; it has {list(results.columns)}. Pass the table "
            "of compare_estimators."
        )
    twice = results.duplicated(["estimator", "split", "metric"])
    if twice.any():
        first = results[twice].iloc[0]
        raise ValueError(
            f"results has several scores of {first['estimator']!r} for metric "
            f"{first['metric']!r} on split {first['split']}. Number the splits of further runs on."
        )
    names = results["estimator"].unique().tolist()
    if baseline is not None and baseline not in names:
        raise ValueError(f"baseline is {baseline!r}, but the estimators are {names}.")


def _baseline_scores(
    results: pd.DataFrame, baseline: str, metric: str, table: pd.DataFrame, name: str
) -> pd.Series:
    chosen = (results["estimator"] == baseline) & (results["metric"] == metric)
    scores = results[chosen].set_index("split")["score"]
    absent = table.index.difference(scores.index)
    if len(absent):
        raise ValueError(
            f"The baseline {baseline!r} has no {metric} on splits {absent.tolist()}, but {name!r} "
            "has. Compare them in one run."
        )
    return scores.loc[table.index]


def _compare(table: pd.DataFrame, baseline_scores: pd.Series) -> dict[str, float]:
    """Test the paired differences of the defined scores."""
    difference = (table["score"] - baseline_scores).dropna()
    n_splits = len(difference)
    mean, sd = difference.mean(), difference.std(ddof=1)
    if n_splits < 2:
        p_value = np.nan
    elif sd == 0:
        p_value = float(mean == 0)
    else:
        used = table.loc[difference.index]
        ratio = used["n_test"].sum() / used["n_train"].sum()
        t = mean / (sd * np.sqrt(1 / n_splits + ratio))
        p_value = float(2 * stats.t.sf(abs(t), n_splits - 1))
    return {"mean_difference": mean, "sd_difference": sd, "p_value": p_value}
