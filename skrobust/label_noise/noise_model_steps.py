"""The steps of the noise model: honest scores of several kinds, and the posteriors they give."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.utils.parallel import Parallel, delayed

from ..utils.groups import group_means
from ..utils.scores import class_scores
from .distillers import CHECKED_COUNTS
from .inner_fit import fit_soft, take_rows
from .judge_features import numeric_features
from .noise_rates import NoiseRates

_TINY = 1e-9
# labels inside patients that are wrong by chance do not depend on scores by so many standard errors
_BY_CHANCE = 4.0


class Kind(NamedTuple):
    """One way to explain the labels: its fitted parameters, and the posterior of its units."""

    name: str
    rates: NoiseRates
    posterior: NDArray
    predicted: NDArray
    unit: NDArray
    of_units: bool
    weight: float = 0.0


def explain(
    estimator, X, y, unit, weight, folds, impurity, clean, trusted, prior, n_iter, n_jobs
) -> dict[str, Any]:
    """Return kinds, probabilities of rows, rows that could be judged, and the judges' AUC."""
    return Explanation(**locals()).run()


class Explanation:
    """The steps of the noise model over one training set."""

    def __init__(
        self, estimator, X, y, unit, weight, folds, impurity, clean, trusted, prior, n_iter, n_jobs
    ):
        self.classes, self.codes = np.unique(y, return_inverse=True)
        self.K, self.n, self.G = len(self.classes), len(y), unit.max() + 1
        self.unit, self.weight, self.folds, self.trusted = unit, weight, folds, trusted
        self.impurity, self.clean, self.prior = impurity, clean, prior
        self.n_iter, self.n_jobs = n_iter, n_jobs
        self.given = np.eye(self.K)[self.codes]
        labels = self.sum_units(self.given * weight[:, None])
        self.size, self.label_of_unit = labels.sum(1), labels.argmax(1)
        self.mixed = (labels.max(1) < self.size * (1 - 1e-9)).any()
        # labels that may be wrong, and the class of units that trusted rows tell
        self.doubted = self.given * (weight * ~trusted)[:, None]
        self.counts = self.sum_units(self.doubted)
        seen = self.sum_units(self.given * trusted[:, None])
        self.known = np.where((seen > 0).sum(1) == 1, seen.argmax(1), -1)
        self.single = self.n == self.G
        features, self.means = numeric_features(X, needed=estimator is None), None
        if features is not None and not self.single:
            self.means = self.sum_units(features * weight[:, None])
            self.means /= np.maximum(self.size, _TINY)[:, None]
        self.X = features if estimator is None else X
        self.estimator = _logistic(0.03) if estimator is None else estimator
        self.every_unit, self.start, self.contradicted = np.ones(self.G, bool), {}, False
        self.judged_units = self.judged(self.label_of_unit, folds)
        rows = self.judged(self.codes, [fold[unit] for fold in folds])
        self.judged_rows = rows & self.judged_units[unit]

    def sum_units(self, values) -> NDArray:
        """Return the sums of the rows of every unit."""
        total = np.zeros((self.G, values.shape[1]))
        np.add.at(total, self.unit, values)
        return total

    def judged(self, labels, folds) -> NDArray:
        """Return which labels also occur in another fold, with a second class, in some repeat."""
        judged = np.zeros(len(labels), bool)
        for fold in folds:
            for h in np.unique(fold):
                others = np.bincount(labels[fold != h], minlength=self.K) > 0
                if others.sum() > 1:
                    judged |= (fold == h) & others[labels]
        return judged

    def run(self) -> dict[str, Any]:
        """Return all results of the noise model."""
        kinds = self.kinds() if (self.judged_rows & ~self.trusted).any() else []
        if not kinds:
            nothing = {"judged": np.zeros(self.n, bool), "auc": np.nan, "auc_error": np.nan}
            return {"kinds": [], "probabilities": self.given, "contradicted": False, **nothing}
        weights = softmax([kind.rates.log_evidence_ for kind in kinds])
        kinds = [kind._replace(weight=float(w)) for kind, w in zip(kinds, weights, strict=True)]
        P = sum(kind.weight * kind.posterior[kind.unit] for kind in kinds)
        if self.n_iter and self.trusted.any() and kinds[0].name != "no patients":
            # labels of a patient that disagree judge each other: then the posteriors know enough
            agree = self.counts.max(1) > (1 - 1e-9) * self.counts.sum(1)
            P += agree[self.counts.any(1)].mean() / 2 * (self.self_trained(P) - P)
        if self.impurity.any():
            P = self.with_impurity(P)
        P = P.clip(0)
        P /= P.sum(1, keepdims=True)  # rounding
        fixed = self.clean[self.codes] | self.trusted
        P[fixed] = self.given[fixed]
        auc, error = self.auc(kinds)
        return {
            "kinds": [k._replace(posterior=None, predicted=None, unit=None) for k in kinds],
            "probabilities": P,
            "judged": self.judged_rows,
            "contradicted": self.contradicted,
            "auc": auc,
            "auc_error": error,
        }

    def kinds(self) -> list[Kind]:
        """Return every way to explain the labels."""
        self.row_scores = self.score_rows()
        kinds = [self.kind("rows", self.pool(self.row_scores, self.every_unit))]
        if self.means is not None:
            kinds += [self.kind(f"means, C={C}", self.score_means(C)) for C in (0.01, 0.1)]
        twice = self.score_rows_twice()
        if twice is not None:
            kinds.append(self.kind("rows, twice", self.pool(twice, self.every_unit)))
        if self.mixed:
            own = self.score_rows(of_units=False)
            alone = self.kind("no patients", own, of_units=False)
            doubted = self.doubted.any(1)
            told, by_own = (
                association_within(L[doubted], self.given[doubted], self.unit[doubted])
                for L in (self.row_scores, own)
            )
            if max(told, by_own) > _BY_CHANCE:
                return [alone]
            self.contradicted = told < -_BY_CHANCE
            kinds.append(alone)
        return kinds

    def kind(self, name, S, of_units=True) -> Kind:
        """Fit the noise rates to scores of units."""
        unit, counts, known = self.unit, self.counts, self.known
        judged = self.judged_units if of_units else self.judged_rows
        if not of_units:
            unit, counts = np.arange(self.n), self.doubted
            known = np.where(self.trusted, self.codes, -1)
        rates = NoiseRates(self.K, rows=of_units, prior=self.prior, clean=self.clean)
        rates.fit(S[judged], counts[judged], known[judged])
        posterior, predicted = rates.posterior(S, counts, known), rates.predicted(S)
        return Kind(name, rates, posterior, predicted, unit, of_units and not self.single)

    def majority(self, units) -> NDArray:
        """Return P(z) of every unit from its labels alone; the rate is that of the given units."""
        key = units.tobytes()
        if key not in self.start:
            rates = NoiseRates(self.K, patients=False, prior=self.prior)
            zeros = np.zeros((self.G, self.K))
            rates.fit(zeros[units], self.counts[units], self.known[units])
            self.start[key] = rates.posterior(zeros, self.counts, self.known)
        return self.start[key]

    def shares(self, posterior, rows) -> NDArray:
        """Return the soft labels of rows to train on: their unit's, or what is known of them."""
        trusted = self.trusted[rows, None]
        return np.where(trusted, self.given[rows], posterior[self.unit[rows]])

    def pool(self, L, units) -> NDArray:
        """Return scores of all units: sums over rows, correlated as those of the given units."""
        rows = units[self.unit]
        unit, start = self.unit[rows], self.majority(units)
        correlation = intraclass_correlation(
            L[rows], start[unit], np.unique(unit, return_inverse=True)[1]
        )
        S = self.sum_units(L * self.weight[:, None])
        return S / (1 + np.maximum(self.size - 1, 0) * correlation)[:, None]

    def in_parallel(self, tasks) -> list[NDArray]:
        """Return log ratios for (rows to train on, their shares, rows to score)."""
        return Parallel(n_jobs=self.n_jobs)(
            delayed(_log_ratios)(
                self.estimator,
                take_rows(self.X, train),
                shares,
                self.weight[train],
                self.unit[train],
                take_rows(self.X, test),
                self.classes,
            )
            for train, shares, test in tasks
        )

    def mean_scores(self, tasks) -> NDArray:
        """Return the mean scores of every row over the fits that tasks describe."""
        tests = [test for _, _, test in tasks]
        return _mean_over_fits(tests, self.in_parallel(tasks), (self.n, self.K))

    def score_rows(self, of_units=True) -> NDArray:
        """Kind (a), or (d) if every row is a unit: fits that have not seen the unit."""
        tasks = []
        for fold in self.folds:
            f = fold[self.unit]
            for h in np.unique(fold):
                train = np.flatnonzero(f != h)
                shares = self.given[train]
                if of_units:
                    shares = self.shares(self.majority(fold != h), train)
                tasks.append((train, shares, np.flatnonzero(f == h)))
        return self.mean_scores(tasks)

    def score_means(self, C) -> NDArray:
        """Kind (b): fits on the means of units, weighted by their numbers of rows."""
        tests, scores = [], []
        for fold in self.folds:
            for h in np.unique(fold):
                train, test = np.flatnonzero(fold != h), np.flatnonzero(fold == h)
                shares = self.majority(fold != h)[train]
                rows = self.means[train], shares, self.size[train], train, self.means[test]
                scores.append(_log_ratios(_logistic(C), *rows, self.classes))
                tests.append(test)
        return _mean_over_fits(tests, scores, (self.G, self.K))

    def score_rows_twice(self) -> NDArray | None:
        """Kind (c): fits on posteriors that do not depend on the unit in any way.

        For a fold h to score, every other fold j gets posteriors from a fit without h and j; one
        fit serves the pair both ways. Rates and correlation for these posteriors are those of
        the units outside h.
        """
        final = []
        for fold in self.folds:
            f, numbers = fold[self.unit], np.unique(fold)
            if len(numbers) < 3:
                return None
            pairs, tasks = list(combinations(numbers, 2)), []
            for pair in pairs:
                units = ~np.isin(fold, pair)
                train = np.flatnonzero(units[self.unit])
                shares = self.shares(self.majority(units), train)
                tasks.append((train, shares, np.flatnonzero(np.isin(f, pair))))
            results = self.in_parallel(tasks)
            for h in numbers:
                inner = np.zeros((self.n, self.K))
                for pair, (_, _, test), scores in zip(pairs, tasks, results, strict=True):
                    if h in pair and scores is not None:
                        others = f[test] != h
                        inner[test[others]] = scores[others]
                known, train = fold != h, np.flatnonzero(f != h)
                S = self.pool(inner, known)
                rates = NoiseRates(self.K, prior=self.prior, n_grid=5, clean=self.clean)
                rates.fit(S[known], self.counts[known], self.known[known])
                shares = self.shares(rates.posterior(S, self.counts, self.known), train)
                final.append((train, shares, np.flatnonzero(f == h)))
        return self.mean_scores(final)

    def self_trained(self, posterior: NDArray) -> NDArray:
        """Return P(z) of rows by judges trained on labels that earlier judges found probable.

        A judge sees the other units: at first all of them, later the better half of every class and
        the trusted ones. Earlier judges have seen the unit, so this is no evidence for a kind of
        noise; but it finds wrong patients whom the cautious posteriors miss.
        """
        start, known = self.majority(self.every_unit), self.known
        label, log_prior = start.argmax(1), np.log(start.mean(0) + _TINY)
        counts = np.where(self.trusted, CHECKED_COUNTS, 1.0)[:, None]
        shares = counts * self.shares(start, np.arange(self.n))
        total = np.zeros(start.shape)
        for fold in self.folds:
            f, kept = fold[self.unit], self.every_unit
            for _ in range(self.n_iter):
                tasks = []
                for h in np.unique(fold):
                    train = np.flatnonzero((f != h) & kept[self.unit])
                    tasks.append((train, shares[train], np.flatnonzero(f == h)))
                proba = softmax(self.mean_scores(tasks) + log_prior, axis=1)
                P = self.sum_units(proba * self.weight[:, None])
                P /= np.maximum(self.size, _TINY)[:, None]
                own, kept = (start * P).sum(1), known >= 0
                for k in range(self.K):
                    of_class = np.flatnonzero(label == k)
                    best = np.argsort(-own[of_class], kind="stable")
                    kept[of_class[best[: max(2, round(len(of_class) / 2))]]] = True
            total += P / len(self.folds)
        # the rate of wrong labels is that of the posteriors: these results would not show it
        rate = 1 - np.average((start[self.unit] * posterior).sum(1), weights=self.weight)
        rates = NoiseRates(self.K, patients=rate, rows=False, clean=self.clean)
        S, judged = np.log(total.clip(1e-6)), self.judged_units
        rates.fit(S[judged], start[judged], known[judged])
        return rates.posterior(S, start, known)[self.unit]

    def auc(self, kinds) -> tuple[float, float]:
        """Return how well the judges predict given labels of unseen units, and its error by chance.

        Units are those of the kinds that carry most of the weight. With more than two classes it is
        the mean of one class against the rest.
        """
        by_row = sum(k.weight for k in kinds if not k.of_units) > 0.5
        predicted = sum(kind.weight * kind.predicted[kind.unit] for kind in kinds)
        if by_row:
            known, labels, checked = self.judged_rows, self.codes, self.trusted
        else:
            known, labels, checked = self.judged_units, self.label_of_unit, self.known >= 0
            predicted = self.sum_units(predicted) / np.bincount(self.unit)[:, None]
        values, errors = [], []
        for k in range(self.K) if self.K > 2 else [1]:
            own = labels[known] == k
            n_own, n_rest = own.sum(), (~own).sum()
            if n_own and n_rest:
                weight = np.where(checked[known], CHECKED_COUNTS, 1.0)
                values.append(roc_auc_score(own, predicted[known, k], sample_weight=weight))
                errors.append((n_own + n_rest + 1) / (12 * n_own * n_rest))
        if not values:
            return np.nan, np.nan
        return float(np.mean(values)), float(np.sqrt(np.mean(errors) / max(len(errors) - 1, 1)))

    def with_impurity(self, P) -> NDArray:
        """Return probabilities with the known share of rows removed from their impure class.

        Judges see rows labelled k, of density (1 - r) f_k + r f_j, and rows of pure classes j, of
        density f_j. With l their ratio, a row labelled k shows j with probability r / l. The scale
        of log l is calibrated on the given labels, its offset so that the mean over the rows
        labelled k is the known share r.
        """
        judged = self.judged_rows
        calibrated = NoiseRates(self.K, patients=False, rows=False)
        calibrated.fit(self.row_scores[judged], self.given[judged])
        L = calibrated.parts_[0].scale * self.row_scores
        frequency = np.where(self.impurity == 0, (self.given * self.weight[:, None]).sum(0), 0)
        others = L + np.log(np.maximum(frequency / frequency.sum(), _TINY))
        others[:, self.impurity > 0] = -np.inf
        shown = softmax(others, axis=1)
        log_others = logsumexp(others, axis=1)
        result = P.copy()
        for k in np.flatnonzero(self.impurity):
            rows = judged & (self.codes == k) & ~self.trusted
            share, doubt = self.impurity[k], log_others - L[:, k]

            def excess(offset, rows=rows, share=share, doubt=doubt):
                shares = np.exp(np.minimum(0, offset + doubt[rows]))
                return np.average(shares, weights=self.weight[rows] + _TINY) - share

            if not rows.any():
                continue
            offset = brentq(excess, -doubt[rows].max() - 50, -doubt[rows].min())
            moved = P[:, k] * np.exp(np.minimum(0, offset + doubt))
            result[:, k] -= moved
            result += moved[:, None] * shown
        return result


def _mean_over_fits(tests, scores, shape) -> NDArray:
    """Return the mean scores over the fits that could score a row, 0 if there are none."""
    total, times = np.zeros(shape), np.zeros((shape[0], 1))
    for test, found in zip(tests, scores, strict=True):
        if found is not None:
            total[test] += found
            times[test] += 1
    return total / np.maximum(times, 1)


def _logistic(C) -> LogisticRegression:
    """Return a judge for the converted columns."""
    return LogisticRegression(C=C, max_iter=1000)


def _log_ratios(estimator, X, shares, weight, groups, X_new, classes) -> NDArray | None:
    """Return log p(class | x) - log prior of rows that the fit has not seen, centred over classes.

    None if the training rows are all of one class; 0 before centring, "as on average", for a class
    without training rows.
    """
    total = (shares * weight[:, None]).sum(0)
    present = total > 1e-3 * total.sum() / len(total)
    if present.sum() < 2:
        return None
    fitted = fit_soft(clone(estimator), X, shares, classes, sample_weight=weight, groups=groups)
    probabilities = class_scores(fitted, X_new, classes)
    prior = total / total.sum()
    ratios = np.zeros(probabilities.shape)
    known = np.isin(classes, fitted.classes_) & present
    ratios[:, known] = np.log(probabilities[:, known].clip(1e-6)) - np.log(prior[known])
    return ratios - ratios.mean(1, keepdims=True)


def association_within(L: NDArray, given: NDArray, unit: NDArray) -> float:
    """Return how well scores tell apart the labels inside units, in standard errors by chance.

    By chance: all orders of the labels of a unit over its rows are equally likely.
    """
    _, mean, unit = group_means(L, unit)
    scores, labels = L - mean[unit], given - group_means(given, unit)[1][unit]
    n, variance = np.bincount(unit), 0.0
    for k in range(L.shape[1]):
        a, b = (group_means(v[:, [k]] * v, unit)[1] for v in (scores, labels))
        variance += ((a * b).sum(1) * n**2 / np.maximum(n - 1, 1)).sum()
    return float((scores * labels).sum() / np.sqrt(variance + _TINY))


def intraclass_correlation(L: NDArray, Q: NDArray, unit: NDArray) -> float:
    """Return the share of the variance of scores, within classes, that lies between units.

    One-way analysis of variance of the scores' residuals from their class means.
    """
    n = np.bincount(unit).astype(float)
    if (n > 1).sum() < 2:
        return 0.0
    G, shares = len(n), []
    residual = L - Q @ ((Q.T @ L) / (Q.sum(0)[:, None] + _TINY))
    for r in residual.T:
        mean = np.bincount(unit, r) / n
        between = (n * (mean - r.mean()) ** 2).sum() / max(G - 1, 1)
        within = ((r - mean[unit]) ** 2).sum() / max(len(r) - G, 1)
        size = (len(r) - (n**2).sum() / len(r)) / max(G - 1, 1)
        shares.append(max(0.0, (between - within) / (between + (size - 1) * within + _TINY)))
    return float(np.mean(shares))
