import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skrobust.evaluation import summarize_comparison


def table(scores, n_train=90, n_test=10, metric="auc"):
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "estimator": name,
                    "split": range(len(values)),
                    "metric": metric,
                    "score": values,
                    "n_train": n_train,
                    "n_test": n_test,
                }
            )
            for name, values in scores.items()
        ],
        ignore_index=True,
    )


def row(summary, estimator, metric="auc"):
    chosen = (summary["estimator"] == estimator) & (summary["metric"] == metric)
    return summary[chosen].iloc[0]


def test_hand_computed_example():
    # d = 0.01, 0.03, 0.02, 0.06: mean 0.03, var 0.00046667, 1/4 + 1/9 = 0.361111,
    # t = 0.03 / sqrt(0.361111 * 0.00046667) = 2.3110
    theta = np.arctan(2.3110 / np.sqrt(3))
    p_value = 1 - 2 / np.pi * (theta + np.sin(theta) * np.cos(theta))  # closed form for t_3
    results = table({"b": [0.70, 0.71, 0.72, 0.73], "a": [0.71, 0.74, 0.74, 0.79]})
    got = row(summarize_comparison(results, baseline="b"), "a")
    assert got["mean"] == pytest.approx(0.745)
    assert got["sd"] == pytest.approx(np.sqrt(0.0011))
    assert got["n_splits"] == 4
    assert got["mean_difference"] == pytest.approx(0.03)
    assert got["sd_difference"] == pytest.approx(0.0216025, abs=1e-6)
    assert got["p_value"] == pytest.approx(p_value, abs=1e-5)


def test_against_the_formula_with_uneven_splits():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.8, 0.05, (2, 15))
    n_test = rng.integers(8, 14, 15)
    results = pd.concat(
        table({"a": [a[i]], "b": [b[i]]}, 100 - n_test[i], n_test[i]).assign(split=i)
        for i in range(15)
    )
    d = a - b
    variance = (1 / 15 + n_test.sum() / (1500 - n_test.sum())) * d.var(ddof=1)
    expected = 2 * stats.t.cdf(-abs(d.mean()) / np.sqrt(variance), 14)
    assert row(summarize_comparison(results, baseline="b"), "a")["p_value"] == pytest.approx(
        expected
    )


def test_no_test_rows_is_the_plain_paired_t_test():
    a, b = np.random.default_rng(1).normal(0.8, 0.05, (2, 8))
    got = row(summarize_comparison(table({"a": a, "b": b}, n_test=0), baseline="b"), "a")
    assert got["p_value"] == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_correction_is_cautious_and_sign_symmetric():
    a, b = np.random.default_rng(1).normal(0.8, 0.05, (2, 8))
    results = table({"a": a, "b": b})
    forward = row(summarize_comparison(results, baseline="b"), "a")
    back = row(summarize_comparison(results, baseline="a"), "b")
    assert forward["p_value"] == pytest.approx(back["p_value"])
    assert forward["mean_difference"] == pytest.approx(-back["mean_difference"])
    assert forward["p_value"] > stats.ttest_rel(a, b).pvalue
    shuffled = results.sample(frac=1, random_state=0)
    assert row(summarize_comparison(shuffled, baseline="b"), "a")["p_value"] == pytest.approx(
        forward["p_value"]
    )


def test_no_variance():
    scores = {"b": [0.5, 0.75, 1.0], "same": [0.5, 0.75, 1.0], "more": [0.75, 1.0, 1.25]}
    summary = summarize_comparison(table(scores), baseline="b")
    assert row(summary, "same")["p_value"] == 1.0
    assert row(summary, "same")["mean_difference"] == 0.0
    assert row(summary, "more")["p_value"] == 0.0
    assert row(summary, "more")["sd_difference"] == 0.0
    own = row(summary, "b")
    assert own[["mean_difference", "sd_difference", "p_value"]].isna().all()


def test_order_metrics_and_no_baseline():
    results = pd.concat(
        [table({"z": [1, 2], "a": [3, 5]}, metric=m) for m in ("sens", "auc")], ignore_index=True
    )
    summary = summarize_comparison(results)
    assert list(summary.columns) == ["estimator", "metric", "mean", "sd", "n_splits"]
    assert summary[["estimator", "metric"]].values.tolist() == [
        ["z", "sens"],
        ["z", "auc"],
        ["a", "sens"],
        ["a", "auc"],
    ]
    assert summary["mean"].tolist() == [1.5, 1.5, 4, 4]


def test_undefined_scores_are_left_out():
    results = table({"a": [0.6, np.nan, 0.8, 0.9], "b": [0.5, 0.5, 0.6, np.nan]})
    summary = summarize_comparison(results, baseline="b")
    assert row(summary, "a")["n_splits"] == 3
    assert row(summary, "a")["mean"] == pytest.approx(2.3 / 3)
    assert row(summary, "a")["mean_difference"] == pytest.approx(0.15)


def test_one_split():
    got = row(summarize_comparison(table({"a": [0.6], "b": [0.5]}), baseline="b"), "a")
    assert got["mean_difference"] == pytest.approx(0.1)
    assert got[["sd", "sd_difference", "p_value"]].isna().all()


def test_errors():
    results = table({"a": [0.6, 0.7], "b": [0.5, 0.4]})
    with pytest.raises(TypeError, match="expected a DataFrame"):
        summarize_comparison([1, 2])
    with pytest.raises(ValueError, match=r"lacks the columns \['score', 'n_test'\]"):
        summarize_comparison(results.drop(columns=["score", "n_test"]))
    with pytest.raises(ValueError, match=r"several scores of 'a' for metric 'auc' on split 0"):
        summarize_comparison(pd.concat([results, results]))
    with pytest.raises(ValueError, match=r"baseline is 'c', but the estimators are \['a', 'b'\]"):
        summarize_comparison(results, baseline="c")
    with pytest.raises(ValueError, match=r"'b' has no auc on splits \[1\], but 'a' has"):
        summarize_comparison(results.drop(index=3), baseline="b")
