"""Many estimators on the same grouped folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state, column_or_1d, indexable
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_scalar
from tqdm import tqdm

from ..utils.caching import cached, fingerprint
from ..utils.groups import check_groups
from ..utils.sklearn_private import safe_indexing
from ..utils.targets import check_class_labels
from ..utils.validation import check_trusted, warn
from .bootstrap import PatientDraws, bootstrap_scores
from .scorers import group_accuracy_scorer, make_class_scorer
from .scores import check_pos_label


def compare_estimators(
    estimators: Mapping[str, Any],
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    cv: Any = 5,
    scoring: str | Callable | Iterable[str] | Mapping[str, str | Callable] | None = None,
    pos_label: Any = None,
    y_score: ArrayLike | None = None,
    n_repeats: int = 1,
    n_bootstrap: int = 0,
    n_jobs: int | None = None,
    memory: Any = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Cross-validate several estimators on the same splits.

    Scores can be compared split by split (:func:`~skrobust.summarize_comparison`). `groups` are
    passed to the splitter, and to the scorers and estimators that request them, at any depth, with
    scikit-learn's metadata routing on or off, and `trusted` to the estimators.

    Parameters
    ----------
    estimators : dict of str to estimator
        Classifiers (pipelines, searches), by their names in the table.
    X : array-like or DataFrame of shape (n_samples, ...)
        Rows, of any number of dimensions.
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of every row.
    trusted : array-like of bool of shape (n_samples,), default=None
        Rows whose label has been checked.
    cv : int, splitter or iterable of (train, test), default=5
        A number means stratified folds, of whole groups if given, not shuffled unless repeated.
    scoring : str, callable, list or tuple of str, dict or None, default=None
        A name known to scikit-learn, a scorer (called "score" in the table), several names, or a
        dict of name to either. By default "sensitivity (rows)", "specificity (rows)" and "roc_auc
        (rows)"; with groups, unless they have several labels, the same of "(patients)", by their
        mean probabilities, and "accuracy (patients)".
    pos_label : object, default=None
        The positive class of the default scores, see :func:`~skrobust.make_class_scorer`.
    y_score : array-like of shape (n_samples,), default=None
        Labels to score on, such as checked ones, instead of `y`.
    n_repeats : int, default=1
        How often the folds of an int `cv` are drawn. With more than one they are shuffled.
    n_bootstrap : int, default=0
        How often patients (without groups, rows) are drawn with replacement, for intervals; 200 to
        1000 are usual. Only with this library's scorers it is fast.
    n_jobs : int, default=None
        Number of fits run in parallel, as in :class:`joblib.Parallel`.
    memory : str, path or object with the joblib.Memory interface, default=None
        Where finished splits are saved, so that the same call, with an int `random_state`, resumes.
    random_state : int, RandomState instance or None, default=None
        Seed of repeated folds and of drawn patients. The estimators have their own.
    verbose : int, default=0
        If positive, show a progress bar over all fits.

    Returns
    -------
    results : DataFrame
        One row per estimator, split and metric, in this order, with the columns

        - ``estimator``, ``split``, ``metric`` : names, and number of the split from 0;
        - ``pos_label`` : the positive class of the default scores, or None;
        - ``score`` : value on the test rows;
        - ``fit_time``, ``score_time`` : seconds to fit and to compute all scores of the split;
        - ``n_train``, ``n_test`` : numbers of rows;
        - ``bootstrap`` : with `n_bootstrap`, an ndarray of the scores of the same predictions on
          drawn patients, the same in all lines.

    Raises
    ------
    TypeError, ValueError
        If the parameters do not fit together.
    RuntimeError
        If fitting or scoring fails, with the estimator, the split and the cause.

    Warns
    -----
    UserWarning
        If a group has rows on both sides of a split, or patients have several labels.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust import compare_estimators, make_mr_spectra
    >>> X, y, groups = make_mr_spectra(20, random_state=0, return_X_y_groups=True)
    >>> estimators = {"chance": DummyClassifier(), "linear": LogisticRegression(max_iter=1000)}
    >>> results = compare_estimators(estimators, X, y, groups=groups, cv=2, scoring="roc_auc")
    >>> results[["estimator", "split"]].values.tolist()
    [['chance', 0], ['chance', 1], ['linear', 0], ['linear', 1]]
    """
    if not isinstance(estimators, Mapping) or not estimators:
        raise TypeError(f"estimators is {estimators!r}, expected a dict of at least one estimator.")
    y_codes = column_or_1d(check_class_labels(y))
    labels = y if y_score is None else column_or_1d(check_class_labels(y_score))
    X, y, labels = indexable(X, y, labels)
    if groups is not None:
        groups = check_groups(groups, len(y_codes), y)
    trusted = check_trusted(trusted, y)
    check_scalar(n_repeats, "n_repeats", Integral, min_val=1)
    check_scalar(n_bootstrap, "n_bootstrap", Integral, min_val=0)
    scorers, pos_label = _check_scorers(scoring, groups, y_codes, labels, pos_label)
    random_state = check_random_state(random_state)
    draws = None
    if n_bootstrap:
        seed = int(random_state.randint(2**31))
        draws = PatientDraws(n_bootstrap, np.asarray(labels), groups, seed)
    with config_context(enable_metadata_routing=True):
        splits = _make_splits(cv, n_repeats, X, y_codes, groups, random_state)
        tasks = [(name, split) for name in estimators for split in range(len(splits))]
        # in the order in which they finish, for the progress bar; ray does not support that
        as_finished = get_active_backend()[0].supports_return_generator
        return_as = "generator_unordered" if as_finished else "list"
        memory = str(memory) if isinstance(memory, PathLike) else memory
        # hashed once, not for every split
        data = None if memory is None else fingerprint((X, y, labels, groups, trusted))
        rows = {"X": X, "y": y, "labels": labels, "groups": groups, "trusted": trusted}
        settings = {**rows, "data": data, "scorers": scorers, "draws": draws}
        runs = Parallel(n_jobs=n_jobs, return_as=return_as)(
            delayed(_run_task)(
                task, memory, estimator=estimators[task[0]], indices=splits[task[1]], **settings
            )
            for task in tasks
        )
        done = dict(tqdm(runs, total=len(tasks), desc="fits", disable=not verbose))
    rows = [
        {"estimator": name, "split": split, "metric": metric, "pos_label": pos_label, **found}
        for name, split in tasks
        for metric, found in done[name, split].items()
    ]
    return pd.DataFrame(rows)


def _check_scorers(
    scoring: Any, groups: NDArray | None, y: NDArray, labels: NDArray, pos_label: Any
) -> tuple[dict[str, Callable], Any]:
    """Return the scorers by name, and the positive class of the default ones."""
    if scoring is not None and pos_label is not None:
        raise ValueError(
            "pos_label sets the positive class of the default scores only. Set it in the scorers "
            "that you give, for example by make_class_scorer('sensitivity', pos_label=...)."
        )
    if scoring is None:
        classes = np.union1d(y, labels)
        if len(classes) == 2 or pos_label is not None:
            pos_label = check_pos_label(classes, pos_label)
        levels = {"rows": "row"}
        if groups is not None:
            n_labels = pd.Series(np.asarray(labels)).groupby(groups).nunique()
            if several := n_labels.index[n_labels > 1].tolist():
                warn(
                    f"{len(several)} patients have several labels, such as {several[:3]}: scores "
                    "of patients need one label for each, and are left out."
                )
            else:
                levels["patients"] = "group"
        scoring = {
            f"{metric} ({unit})": make_class_scorer(metric, level=level, pos_label=pos_label)
            for unit, level in levels.items()
            for metric in ("sensitivity", "specificity", "roc_auc")
        }
        if "patients" in levels:
            scoring["accuracy (patients)"] = group_accuracy_scorer
    elif isinstance(scoring, str):
        scoring = {scoring: scoring}
    elif callable(scoring):
        scoring = {"score": scoring}
    elif isinstance(scoring, (list, tuple)) and all(isinstance(s, str) for s in scoring):
        scoring = {name: name for name in scoring}
    if not isinstance(scoring, Mapping) or not scoring:
        raise TypeError(
            f"scoring is {scoring!r}, expected a name, a scorer, a list of names, or a dict of "
            "name to name or scorer, with at least one entry."
        )
    return {name: get_scorer(scorer) for name, scorer in scoring.items()}, pos_label


def _make_splits(cv, n_repeats, X, y, groups, random_state) -> list[tuple[NDArray, NDArray]]:
    """List the splits, so that all estimators get the same."""
    if isinstance(cv, Integral):
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        if n_repeats > 1:
            seeds = [random_state.randint(2**31) for _ in range(n_repeats)]
            repeats = (kind(cv, shuffle=True, random_state=seed) for seed in seeds)
            return [split for repeat in repeats for split in repeat.split(X, y, groups)]
        cv = kind(cv)
    elif n_repeats > 1:
        raise ValueError(
            f"n_repeats={n_repeats} draws the folds of an int cv again, but cv is {cv!r}. Give a "
            "number of folds, or a list of all splits."
        )
    cv = check_cv(cv, y, classifier=True)
    # scikit-learn's splitters know whether they use groups, and warn if they do not need them
    knows = hasattr(cv, "get_metadata_routing")
    use_groups = not knows or get_routing_for_object(cv).consumes("split", {"groups"})
    splits = list(cv.split(X, y, **({"groups": groups} if use_groups else {})))
    if groups is not None and (
        shared := [i for i, (a, b) in enumerate(splits) if np.isin(groups[b], groups[a]).any()]
    ):
        warn(
            f"Groups have rows on both sides of splits {shared}: scores are too optimistic for "
            "new groups. Use a splitter that keeps groups whole, such as StratifiedGroupKFold."
        )
    return splits


def _run_task(task: tuple[str, int], memory: Any, **arguments: Any) -> tuple[Any, dict]:
    """Run one split, or look up its result."""
    run = cached(memory, _run_split, ignore=("X", "y", "labels", "groups", "trusted"))
    try:
        return task, run(**arguments)
    except Exception as error:
        failed = "Estimator {!r} failed on split {}".format(*task)
        raise RuntimeError(f"{failed}: {type(error).__name__}: {error}") from error


def _run_split(
    estimator, X, y, labels, groups, trusted, data, indices, scorers, draws
) -> dict[str, dict]:
    """Return what was found for each score; `data` only names the rows to the memory."""
    train, test = (safe_indexing(np.arange(len(y)), rows) for rows in indices)
    X_test, labels_test = safe_indexing(X, test), safe_indexing(labels, test)
    estimator = clone(estimator)
    scorer = check_scoring(estimator, scoring=scorers)
    for_fit, for_score = (
        {
            name: values[rows]
            for name, values in (("groups", groups), ("trusted", trusted))
            if values is not None and get_routing_for_object(consumer).consumes(method, {name})
        }
        for consumer, method, rows in [(estimator, "fit", train), (scorer, "score", test)]
    )
    # workers that run this do not inherit the setting
    with config_context(enable_metadata_routing=True):
        start = time.perf_counter()
        estimator.fit(safe_indexing(X, train), safe_indexing(y, train), **for_fit)
        fitted = time.perf_counter()
        scores = scorer(estimator, X_test, labels_test, **for_score)
        scored = time.perf_counter()
        times = {"fit_time": fitted - start, "score_time": scored - fitted}
        facts = {**times, "n_train": len(train), "n_test": len(test)}
        found = {metric: {"score": score, **facts} for metric, score in scores.items()}
        if draws is not None:
            own = None if groups is None else groups[test]
            drawn = bootstrap_scores(estimator, scorers, X_test, labels_test, test, own, draws)
            found = {metric: found[metric] | {"bootstrap": drawn[metric]} for metric in found}
    return found


def summarize_comparison(
    results: pd.DataFrame, *, baseline: str | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Summarise a table of scores, and compare every estimator with a baseline.

    The corrected resampled t-test [1]_ allows for the overlap of training sets: with the
    differences ``d`` on ``J`` splits, ``t = mean(d) / sqrt((1 / J + n_test / n_train) * var(d))``
    with ``J - 1`` degrees of freedom, two-sided; ``n_test / n_train`` is the ratio of the totals.
    Holm's method corrects for the number of estimators. If patients were drawn (`n_bootstrap`),
    percentile intervals tell how much the mean score varies with the test patients. With others to
    train on it varies more (by how much, is in the :ref:`user guide <evaluation>`).

    Parameters
    ----------
    results : DataFrame
        From :func:`~skrobust.compare_estimators`, or any with its columns ``estimator``,
        ``split``, ``metric``, ``score``, ``n_train`` and ``n_test``.
    baseline : str, default=None
        Name of the estimator to compare with. By default nothing is compared.
    confidence : float in (0, 1), default=0.95
        Confidence level of the intervals.

    Returns
    -------
    summary : DataFrame
        One row per estimator and metric, in the order of `results`, with the columns

        - ``estimator``, ``metric``, ``mean`` and ``sd`` (``ddof=1``) of the scores;
        - ``lower``, ``upper`` : if patients were drawn, ends of the interval of the mean; NaN if
          all draws score 1, or 0: patients without an error do not tell how many errors others
          would bring (of n such patients, up to about 3 / n);
        - ``n_splits`` : number of splits where the score is defined; NaN scores are left out;
        - ``pos_label`` : the positive class of the default scores, if `results` name one;

        and, with a baseline, over the splits where both scores are defined,

        - ``mean_difference``, ``sd_difference`` : of the score minus the baseline's;
        - ``difference_lower``, ``difference_upper`` : if patients were drawn; NaN if neither score
          has an interval;
        - ``p_value`` : of the test; of equal differences 1.0 if they are zero, else 0.0;
        - ``p_holm`` : the p-value corrected by Holm's method.

        These are NaN for the baseline itself; standard deviations and p-values need two splits.

    Raises
    ------
    TypeError, ValueError
        If `results` is not a DataFrame, a column is missing, a score occurs twice, there is no
        estimator named `baseline`, or it lacks a split or metric of another estimator.

    Warns
    -----
    UserWarning
        If drawn patients often leave a score undefined.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Mach. Learn. 52, 2003.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrobust.evaluation import summarize_comparison
    >>> results = pd.DataFrame({
    ...     "estimator": ["svm"] * 3 + ["net"] * 3, "split": [0, 1, 2] * 2, "metric": "roc_auc",
    ...     "score": [0.70, 0.80, 0.75, 0.76, 0.84, 0.83], "n_train": 80, "n_test": 40})
    >>> summary = summarize_comparison(results, baseline="svm")
    >>> summary[["estimator", "mean", "mean_difference", "p_value"]].round(3).values.tolist()
    [['svm', 0.75, nan, nan], ['net', 0.81, 0.06, 0.081]]
    """
    check_columns(results, ["estimator", "split", "metric", "score", "n_train", "n_test"])
    check_results(results, baseline)
    check_scalar(confidence, "confidence", Real, min_val=0, max_val=1, include_boundaries="neither")
    results, by = results.copy(), ["estimator", "metric"]
    if baseline is not None:
        theirs = results[results["estimator"] == baseline].set_index(["metric", "split"])
        place = pd.MultiIndex.from_frame(results[theirs.index.names])
        _check_baseline(results[~place.isin(theirs.index)], baseline)
        found = theirs.reindex(place)
        results["difference"] = results["score"] - found["score"].to_numpy()
    parts = results.groupby(by, sort=False)
    scores = parts["score"]
    summary = pd.DataFrame({"mean": scores.mean(), "sd": scores.std()})
    if "bootstrap" in results:
        defined = results.dropna(subset="score").groupby(by, sort=False)["bootstrap"]
        ends = {k: _interval(_drawn(v), confidence, "{1} of {0}".format(*k)) for k, v in defined}
        _add_ends(summary, "", ends)
    summary["n_splits"] = scores.count()
    if "pos_label" in results and results["pos_label"].notna().any():
        summary["pos_label"] = parts["pos_label"].first()
    if baseline is not None:
        summary["mean_difference"] = parts["difference"].mean()
        summary["sd_difference"] = parts["difference"].std()
        if "bootstrap" in results:
            results["other"] = found["bootstrap"].to_numpy()
            defined = results.dropna(subset="difference").groupby(by, sort=False)
            drawn = {k: (_drawn(part["bootstrap"]), _drawn(part["other"])) for k, part in defined}
            ends = {k: _interval_of_difference(a, b, confidence) for k, (a, b) in drawn.items()}
            _add_ends(summary, "difference_", ends)
        summary["p_value"] = _p_values(results, by, summary)
        of_baseline = summary.index.get_level_values("estimator") == baseline
        compared = [*summary.filter(like="difference"), "p_value"]
        summary.loc[of_baseline, compared] = np.nan
        summary["p_holm"] = summary.groupby("metric")["p_value"].transform(_holm)
    summary = summary.reset_index()
    # all metrics of an estimator together
    order = np.argsort(pd.factorize(summary["estimator"])[0], kind="stable")
    return summary.iloc[order].reset_index(drop=True)


def _check_baseline(absent: pd.DataFrame, baseline: str) -> None:
    """Raise if there are results of other estimators that the baseline lacks."""
    if len(absent):
        by_estimator = absent.groupby(["estimator", "metric"], sort=False)
        (name, metric), part = next(iter(by_estimator))
        raise ValueError(
            f"The baseline {baseline!r} has no {metric} on splits {part['split'].tolist()}, but "
            f"{name!r} has. Compare them in one run."
        )


def _p_values(results: pd.DataFrame, by: list[str], summary: pd.DataFrame) -> NDArray:
    """Test the paired differences of the defined scores."""
    defined = results.dropna(subset="difference").groupby(by, sort=False)
    n = defined.size().reindex(summary.index, fill_value=0)
    total = defined[["n_test", "n_train"]].sum().reindex(summary.index)
    mean, sd = summary["mean_difference"], summary["sd_difference"]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / (sd * np.sqrt(1 / n + total["n_test"] / total["n_train"]))
    p = np.where(sd == 0, mean == 0, 2 * stats.t.sf(np.abs(t), np.maximum(n - 1, 1)))
    return np.where(n < 2, np.nan, p)


def _add_ends(summary: pd.DataFrame, prefix: str, ends: dict) -> None:
    """Add the ends of intervals to a summary, if there are any."""
    ends = {key: both for key, both in ends.items() if both is not None}
    if ends:
        table = pd.DataFrame.from_dict(ends, orient="index").reindex(summary.index)
        summary[prefix + "lower"], summary[prefix + "upper"] = table[0], table[1]


def _drawn(draws: pd.Series) -> NDArray | None:
    """Return the scores on drawn patients, one line per split, if all splits have them."""
    if draws.isna().any() or draws.map(len).nunique() > 1:
        return None
    return np.stack(draws.to_list())


# share of draws that may leave a score undefined without a warning
_MOST_UNDEFINED = 0.1


def _interval(
    drawn: NDArray | None, confidence: float, what: str | None = None
) -> tuple[float, float] | None:
    """Return the ends of the percentile interval of the mean over splits."""
    if drawn is None:
        return None
    undefined = np.isnan(drawn)
    if what is not None and undefined.mean() > _MOST_UNDEFINED:
        warn(
            f"{undefined.mean():.0%} of the drawn test sets have no patient of some class, so that "
            f"{what} is not defined for them: its interval is rough. Use fewer folds."
        )
    drawn = drawn[:, ~undefined.all(0)]
    if not drawn.size or (what is not None and _is_perfect(drawn)):
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.nanmean(drawn, axis=0), [tail, 1 - tail])
    return float(low), float(high)


def _interval_of_difference(a, b, confidence) -> tuple[float, float] | None:
    """Return the ends of the interval of the difference of two scores on the same draws."""
    if a is None or b is None:
        return None
    return (np.nan, np.nan) if _is_perfect(a) and _is_perfect(b) else _interval(a - b, confidence)


def _is_perfect(drawn: NDArray) -> bool:
    """Return whether all draws score 1, or all 0: they do not tell how much that may vary."""
    known = drawn[~np.isnan(drawn)]
    return bool((known == 1).all() or (known == 0).all())


def _holm(p_values: pd.Series) -> pd.Series:
    """Return p-values corrected for their number by Holm's method; NaN is not counted."""
    ordered = p_values.dropna().sort_values()
    factors = np.arange(len(ordered), 0, -1)
    corrected = np.minimum(np.maximum.accumulate(ordered * factors), 1)
    return corrected.reindex(p_values.index)


def check_columns(results: pd.DataFrame, columns: list[str]) -> None:
    """Raise if a table of results lacks columns."""
    if not isinstance(results, pd.DataFrame):
        raise TypeError(f"results is a {type(results).__name__}, expected a DataFrame.")
    if missing := [column for column in columns if column not in results]:
        raise ValueError(
            f"results lacks the columns {missing}; it has {list(results.columns)}. Pass the table "
            "of compare_estimators."
        )


def check_results(results: pd.DataFrame, baseline: str | None) -> None:
    """Raise if a table of results has a score twice, or lacks the baseline."""
    twice = results.duplicated(["estimator", "split", "metric"])
    if twice.any():
        first = results[twice].iloc[0]
        raise ValueError(
            f"results has several scores of {first['estimator']!r} for metric "
            f"{first['metric']!r} on split {first['split']}. Number the splits of all runs "
            "consecutively."
        )
    names = results["estimator"].unique().tolist()
    if baseline is not None and baseline not in names:
        raise ValueError(f"baseline is {baseline!r}, but the estimators are {names}.")
