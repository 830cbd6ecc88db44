"""A model of wrong labels of patients and of rows that needs no information about the noise."""

from __future__ import annotations

from itertools import combinations
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.sparse import issparse
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.parallel import Parallel, delayed

from ..base.state import fit_context
from ..utils.scores import class_scores
from ..utils.sklearn_private import HasMethods, Interval, check_sample_weight
from ..utils.targets import soft_labels
from ..utils.validation import check_trusted, warn
from .distillers import CHECKED_COUNTS, DistillationWarning, LabelDistiller, warn_of_unjudged
from .folds import partitions
from .inner_fit import fit_soft, take_rows
from .noise_rates import NoiseRates, interval

_TINY = 1e-9
# tables with more columns than this are reduced to principal components for the default judges
_MOST_COLUMNS = 100
_N_COMPONENTS = 50
# judges must predict given labels of unseen units this many standard errors above chance
_LEAST_Z = 0.5


class LabelNoiseModel(LabelDistiller):
    r"""Probabilities of the true classes of rows and patients, for any kind of label noise.

    The model needs no information about the noise: whole patients may be mislabelled, single rows,
    both or none. A patient g has a true class z and given labels of rows, counted in :math:`N_g`.
    With honest scores :math:`S_g`, of classifiers that have seen neither the patient nor anything
    derived from its labels,

    .. math::
        P(z | S_g) = \mathrm{softmax}(\kappa S_g + b)_z, \quad
        P(N_g | z) = \sum_l C_{zl} (1 - \beta)^{N_{gl}} (\beta / (K - 1))^{n_g - N_{gl}},

    where :math:`C_{zz} = 1 - c`. The calibration :math:`\kappa, b` and the rate :math:`\beta` of
    wrong rows are fitted to the given labels by penalised maximum likelihood, the rate c of wrong
    patients is averaged over a grid. The results are posteriors of the true classes.

    Several kinds of scores are computed, and averaged with weights proportional to the evidence,
    the probability that they assign to the labels of unseen patients: classifiers of rows, whose
    scores are summed over the patient; classifiers of the patients' means; classifiers of rows
    trained on posteriors that do not depend on the labels of the scored patient; and, if labels
    vary inside patients, a structure in which every row is independent.

    If the classifiers predict the labels of unseen patients hardly better than chance, the labels
    cannot be judged: all count as right, with a warning. The same holds for classes that are
    missing in training folds.

    Parameters
    ----------
    estimator : classifier, default=None
        Judges the rows: with ``predict_proba`` or ``decision_function``, and ``sample_weight`` in
        its ``fit`` or in that of the last step of a pipeline. It gets X unchanged. None is
        logistic regression (C = 0.03) on scaled columns, or on 50 principal components if there
        are more than 100 columns or more columns than rows; columns of text are one-hot encoded and
        missing numbers imputed. A stronger classifier did not help. The patients' means are always
        judged by logistic regression on these columns, so that images are compared by components,
        not by a mean image; they are left out if X cannot be converted to columns.
    cv : int, cross-validation splitter or iterable of splits, default=5
        Folds without common patients that contain every row once. An int larger than the number of
        patients is lowered to it.
    n_repeats : int, default=2
        How often the folds of an int `cv` are shuffled; scores are averaged.
    impurity : dict, default=None
        Known share, by class, of the rows with this label that do not show it, such as healthy
        voxels of tumour patients. That share of its rows, those least like the class, is assigned
        to the other classes. It cannot be estimated from the data.
    clean_classes : array-like of classes, default=()
        Classes whose labels are never wrong.
    prior : float >= 0, default=1.0
        Strength of the prior that there is no noise.
    n_jobs : int, default=None
        Number of fits at a time.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the result.
    random_state : int, RandomState instance or None, default=None
        Shuffles the folds of an int `cv`, and seeds the random states of `estimator` that are
        None. With a memory use an int: otherwise the first draw is reused.

    Attributes
    ----------
    quality_ : ndarray of shape (n_samples,)
        Probability that the label of a row is right.
    kept_ : ndarray of shape (n_samples,), bool
        Rows whose own label is the most probable one.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        The other rows, worst first.
    row_probabilities_ : DataFrame of shape (n_samples, n_classes)
        Probabilities of the true class of every row, given its label: soft labels.
    group_probabilities_ : DataFrame of shape (n_groups, n_classes)
        The same for patients, with patients as index: the mean over their rows.
    patients_ : DataFrame
        A line for every patient, the one with the least probable label first: ``label`` (that of
        most rows), ``rows``, ``probability`` of the label, and ``suggested``, the most probable
        class.
    checked_groups_ : Series of bool
        Whether all rows of a patient are trusted, with patients as index.
    noisy_groups_ : ndarray
        Patients whose label is not the most probable one, the worst first.
    noise_rates_ : DataFrame
        ``estimate``, ``lower`` and ``upper`` end of the 95% interval of the share of wrong labels:
        of ``patients``, and of ``rows`` inside patients, trusted ones left out. NaN if unknown.
    structure_weights_ : Series
        Weight of every kind of scores.
    out_of_fold_auc_ : float
        AUC with which the judges predict the given labels of unseen patients (of rows, if these
        are independent). Trusted ones count three times.
    label_probabilities_ : ndarray of shape (n_samples, n_classes)
        As ``row_probabilities_``.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.

    Warns
    -----
    DistillationWarning
        If no labels, or not those of some classes, can be judged.

    See Also
    --------
    skrobust.LabelQualityReweighter : Trains any classifier on the probabilities.

    Notes
    -----
    Without groups every row is a separate patient. Rows of several true classes in one patient are
    explained by the structure without patients. With more than two classes, all other classes are
    assumed to be equally likely as wrong labels. The cost is linear in the number of rows: some 50
    fits of logistic regression per repeat of the folds.

    References
    ----------
    Beyond the paper. The confusion of hidden and given labels goes back to A. P. Dawid and A. M.
    Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
    Statistics 28, 1979; here with two levels, and classifiers in place of several raters.

    Examples
    --------
    >>> from skrobust import LabelNoiseModel, flip_labels, make_mr_spectra
    >>> data = make_mr_spectra(n_patients=60, n_voxels=8, impurity=0, random_state=0)
    >>> y, wrong = flip_labels(data.target, 0.3, random_state=0)
    >>> model = LabelNoiseModel(random_state=0).fit(data.data, y, groups=data.groups)
    >>> model.noise_rates_.loc["rows", "estimate"].round(1)
    np.float64(0.3)
    >>> bool(wrong[model.noisy_indices_].mean() > 0.95)
    True
    """

    _parameter_constraints: dict = {
        **LabelDistiller._parameter_constraints,
        "estimator": [
            HasMethods(["fit", "predict_proba"]),
            HasMethods(["fit", "decision_function"]),
            None,
        ],
        "cv": ["cv_object", Interval(Integral, 2, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "impurity": [dict, None],
        "clean_classes": ["array-like"],
        "prior": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator=None,
        *,
        cv=5,
        n_repeats=2,
        impurity=None,
        clean_classes=(),
        prior=1.0,
        n_jobs=None,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.cv = cv
        self.n_repeats = n_repeats
        self.impurity = impurity
        self.clean_classes = clean_classes
        self.prior = prior
        self.n_jobs = n_jobs
        self.memory = memory
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        trusted: ArrayLike | None = None,
    ) -> LabelNoiseModel:
        """Estimate how probable every label is.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows. `estimator` gets them unchanged.
        y : array-like of shape (n_samples,)
            Labels, some of which may be wrong.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in training judges and as evidence; they are scaled to mean 1.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.
        trusted : array-like of bool of shape (n_samples,), default=None
            Rows whose label has been checked and is right. If the trusted rows of a patient agree,
            its true class is theirs. They say nothing about the share of wrong labels.

        Returns
        -------
        self : LabelNoiseModel
            The fitted model.

        Raises
        ------
        ValueError
            If the input is malformed, y has one class only, `cv` is not a partition or splits
            patients, or `impurity` and `clean_classes` name unknown classes.
        """
        X, codes, groups = self._check_rows(X, y, groups)
        n = len(codes)
        clean = np.isin(self.classes_, self._known_classes("clean_classes", self.clean_classes))
        impurity = self._impurity_of_classes()
        trusted = check_trusted(trusted, y)
        trusted = np.zeros(n, bool) if trusted is None else trusted
        weight = np.ones(n)
        if sample_weight is not None:
            weight = check_sample_weight(sample_weight, np.empty((n, 1)), ensure_non_negative=True)
            weight = weight * n / weight.sum()
        names, unit = np.unique(np.arange(n) if groups is None else groups, return_inverse=True)
        cv, repeats = self.cv, []
        if isinstance(cv, Integral):
            of_unit = codes[np.unique(unit, return_index=True)[1]]
            cv = min(cv, int(np.bincount(of_unit).max()))
        if not isinstance(cv, Integral) or cv > 1:
            given = None if groups is None else unit
            repeats = partitions(cv, self.n_repeats, X, codes, given, self.random_state)
        folds = [_fold_of_units(splits, unit) for splits in repeats]
        estimator = None if self.estimator is None else self._seeded_estimator()
        found = self._cached(_explain, ignore=["n_jobs"])(
            estimator=estimator,
            X=X,
            y=self.classes_[codes],
            unit=unit,
            weight=weight,
            folds=folds,
            impurity=impurity,
            clean=clean,
            trusted=trusted,
            prior=self.prior,
            n_jobs=self.n_jobs,
        )
        self._set_results(found, codes, unit, names, trusted)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan |= self.estimator is None
        return tags

    def _known_classes(self, name, labels):
        """Return labels that a parameter names, or raise if they are not classes of y."""
        unknown = [label for label in labels if label not in self.classes_.tolist()]
        if unknown:
            raise ValueError(
                f"{name} names {unknown}, but the classes in y are {self.classes_.tolist()}."
            )
        return list(labels)

    def _impurity_of_classes(self):
        """Return the share of rows of every class that do not show it."""
        impurity = self.impurity or {}
        self._known_classes("impurity", impurity)
        share = np.array([float(impurity.get(label, 0)) for label in self.classes_.tolist()])
        if ((share < 0) | (share >= 1)).any() or (share > 0).all():
            raise ValueError(
                f"impurity={self.impurity!r} needs shares from 0 up to, and without, 1, and at "
                "least one class without impurity, which the other rows can show."
            )
        return share

    def _set_results(self, found, codes, unit, names, trusted):
        """Set the fitted attributes; warn where the labels could not be judged."""
        kinds, P = found["kinds"], found["probabilities"]
        n, K = P.shape
        rows = np.arange(n)
        self.out_of_fold_auc_, error = found["auc"], found["auc_error"]
        judged = found["judged"]
        neutral = not judged.any() or not self.out_of_fold_auc_ > 0.5 + _LEAST_Z * error
        if neutral and trusted.all():
            judged = np.zeros(n, bool)
        elif neutral:
            warn(
                f"the classifiers that judge labels predict those of unseen "
                f"{'patients' if len(names) < n else 'rows'} hardly better than chance (AUC "
                f"{self.out_of_fold_auc_:.2f}, by chance {0.5:.2f} ± {error:.2f}): the labels "
                "cannot be judged, and all count as right. More patients, or a better estimator, "
                "would help.",
                DistillationWarning,
            )
            judged = np.zeros(n, bool)
        elif not judged.all():
            warn_of_unjudged(self.classes_, codes[~judged])
        for k in np.flatnonzero((P * judged[:, None]).max(0) < 0.5):
            if (judged & (codes == k)).any():
                warn(
                    f"every label of class {self.classes_[k]} is doubted, so that no row would "
                    "be left: they count as right. More patients of it would help.",
                    DistillationWarning,
                )
                judged = judged & (codes != k)
        P = np.where(judged[:, None], P, np.eye(K)[codes])
        self.label_probabilities_ = P
        self.quality_ = P[rows, codes]
        self.kept_ = P.argmax(1) == codes
        doubted = np.flatnonzero(~self.kept_)
        self.noisy_indices_ = doubted[np.argsort(self.quality_[doubted], kind="stable")]
        size, counts = np.bincount(unit), np.zeros((len(names), K))
        np.add.at(counts, (unit, codes), 1)
        mean = np.zeros((len(names), K))
        np.add.at(mean, unit, P)
        unchecked = np.bincount(unit, ~trusted) > 0
        # arrays, converted to tables by the properties: models are stored without pandas' types
        self._patients = {
            "names": names,
            "rows": size,
            "label": counts.argmax(1),
            "mean": mean / size[:, None],
            "checked": ~unchecked,
        }
        triples = [(k.weight, k.rates, k.of_units) for k in kinds]
        which = ["patients", "rows"] if len(names) < n else ["rows"]
        self._rates = {w: (np.nan,) * 3 if neutral else interval(triples, w) for w in which}
        self._structures = {kind.name: kind.weight for kind in kinds}

    @property
    def row_probabilities_(self) -> pd.DataFrame:
        """Probabilities of the true class of every row."""
        return soft_labels(self.label_probabilities_, self.classes_)

    @property
    def group_probabilities_(self) -> pd.DataFrame:
        """Probabilities of the true class of every patient."""
        patients = self._patients
        return pd.DataFrame(patients["mean"], index=patients["names"], columns=self.classes_)

    @property
    def patients_(self) -> pd.DataFrame:
        """A line for every patient, the least probable label first."""
        patients = self._patients
        probability = patients["mean"][np.arange(len(patients["label"])), patients["label"]]
        table = {
            "label": self.classes_[patients["label"]],
            "rows": patients["rows"],
            "probability": probability,
            "suggested": self.classes_[patients["mean"].argmax(1)],
        }
        order = np.argsort(probability, kind="stable")
        return pd.DataFrame(table, index=patients["names"]).iloc[order]

    @property
    def checked_groups_(self) -> pd.Series:
        """Whether all rows of a patient are trusted."""
        return pd.Series(self._patients["checked"], index=self._patients["names"])

    @property
    def noisy_groups_(self) -> NDArray:
        """Patients whose label is not the most probable one, worst first."""
        table = self.patients_
        return table.index[table["label"] != table["suggested"]].to_numpy()

    @property
    def noise_rates_(self) -> pd.DataFrame:
        """Estimates and 95% intervals of the shares of wrong labels."""
        columns = ["estimate", "lower", "upper"]
        return pd.DataFrame(self._rates.values(), index=list(self._rates), columns=columns)

    @property
    def structure_weights_(self) -> pd.Series:
        """Weight of every kind of scores."""
        return pd.Series(self._structures, dtype=float)


def _fold_of_units(splits, unit) -> NDArray:
    """Return the test fold of every unit, or raise if a unit is in several."""
    fold = np.full(unit.max() + 1, -1)
    for number, (_, test) in enumerate(splits):
        fold[unit[test]] = number
    for number, (_, test) in enumerate(splits):
        if (fold[unit[test]] != number).any():
            raise ValueError(
                "cv puts rows of one group into several folds. Labels are judged by classifiers "
                "that have not seen the patient: use StratifiedGroupKFold or GroupKFold."
            )
    return fold


class _Kind(NamedTuple):
    """One way to explain the labels: its fitted parameters, and the posterior of its units."""

    name: str
    rates: NoiseRates
    posterior: NDArray
    predicted: NDArray
    unit: NDArray
    of_units: bool
    weight: float = 0.0


def _explain(
    estimator, X, y, unit, weight, folds, impurity, clean, trusted, prior, n_jobs
) -> dict[str, Any]:
    """Return kinds, probabilities of rows, rows that could be judged, and the judges' AUC."""
    model = _Explanation(
        estimator, X, y, unit, weight, folds, impurity, clean, trusted, prior, n_jobs
    )
    return model.run()


class _Explanation:
    """The steps of the noise model over one training set."""

    def __init__(
        self, estimator, X, y, unit, weight, folds, impurity, clean, trusted, prior, n_jobs
    ):
        self.classes, self.codes = np.unique(y, return_inverse=True)
        self.K, self.n, self.G = len(self.classes), len(y), unit.max() + 1
        self.unit, self.weight, self.folds = unit, weight, folds
        self.impurity, self.clean, self.prior, self.n_jobs = impurity, clean, prior, n_jobs
        self.given = np.eye(self.K)[self.codes]
        self.trusted = trusted
        labels = np.zeros((self.G, self.K))
        np.add.at(labels, unit, self.given * weight[:, None])
        self.size = labels.sum(1)
        # labels that may be wrong, and the class of units that trusted rows tell
        doubted = self.given * (weight * ~trusted)[:, None]
        self.counts, seen = np.zeros((self.G, self.K)), np.zeros((self.G, self.K), int)
        np.add.at(self.counts, unit, doubted)
        np.add.at(seen, unit, (self.given * trusted[:, None]).astype(int))
        self.known = np.where((seen > 0).sum(1) == 1, seen.argmax(1), -1)
        self.row_known = np.where(trusted, self.codes, -1)
        self.single = self.n == self.G
        features = numeric_features(X, needed=estimator is None)
        self.means = None
        if features is not None and not self.single:
            self.means = np.zeros((self.G, features.shape[1]))
            np.add.at(self.means, unit, features * weight[:, None])
            self.means /= np.maximum(self.size, _TINY)[:, None]
        self.X = features if estimator is None else X
        self.estimator = _logistic(0.03) if estimator is None else estimator
        self.mixed = (labels.max(1) < self.size * (1 - 1e-9)).any()
        self.label_of_unit = labels.argmax(1)
        self.start: dict[bytes, NDArray] = {}

    def run(self) -> dict[str, Any]:
        """Return all results of the noise model."""
        kinds = self.kinds() if (self.judged_rows() & ~self.trusted).any() else []
        if not kinds:
            nothing = {"judged": np.zeros(self.n, bool), "auc": np.nan, "auc_error": np.nan}
            return {"kinds": [], "probabilities": self.given, **nothing}
        weights = softmax([kind.rates.log_evidence_ for kind in kinds])
        kinds = [kind._replace(weight=float(w)) for kind, w in zip(kinds, weights, strict=True)]
        P = sum(kind.weight * kind.posterior[kind.unit] for kind in kinds)
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
            "judged": self.judged_rows(),
            "auc": auc,
            "auc_error": error,
        }

    def kinds(self) -> list[_Kind]:
        """Return every way to explain the labels."""
        S_rows = self.score_rows()
        self.row_scores = S_rows
        start = self.majority(np.ones(self.G, bool))
        correlation = intraclass_correlation(S_rows, start[self.unit], self.unit)
        kinds = [self.kind("rows", self.pool(S_rows, correlation))]
        if self.means is not None:
            for C in (0.01, 0.1):
                kinds.append(self.kind(f"means, C={C}", self.score_means(C)))
        twice = self.score_rows_twice()
        if twice is not None:
            correlation = intraclass_correlation(twice, start[self.unit], self.unit)
            kinds.append(self.kind("rows, twice", self.pool(twice, correlation)))
        if self.mixed:
            own = self.score_rows(of_units=False)
            kinds.append(self.kind("no patients", own, of_units=False))
        return kinds

    def kind(self, name, S, of_units=True) -> _Kind:
        """Fit the noise rates to scores of units."""
        counts, known = self.counts, self.known
        if not of_units:
            counts = self.given * (self.weight * ~self.trusted)[:, None]
            known = self.row_known
        judged = self.judged_units() if of_units else self.judged_rows()
        rates = NoiseRates(self.K, rows=of_units, prior=self.prior, clean=self.clean)
        rates.fit(S[judged], counts[judged], known[judged])
        unit = self.unit if of_units else np.arange(self.n)
        return _Kind(
            name,
            rates,
            rates.posterior(S, counts, known),
            rates.predicted(S),
            unit,
            of_units and not self.single,
        )

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

    def pool(self, L, correlation) -> NDArray:
        """Return scores of units: sums over rows, which are correlated."""
        S = np.zeros((self.G, self.K))
        np.add.at(S, self.unit, L * self.weight[:, None])
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

    def score_rows(self, of_units=True) -> NDArray:
        """Kind (a), or (d) if every row is a unit: fits that have not seen the unit."""
        L, times, tasks, tests = np.zeros((self.n, self.K)), np.zeros(self.n), [], []
        for fold in self.folds:
            f = fold[self.unit]
            for h in np.unique(fold):
                train, test = np.flatnonzero(f != h), np.flatnonzero(f == h)
                if of_units:
                    shares = self.shares(self.majority(fold != h), train)
                else:
                    shares = self.given[train]
                tasks.append((train, shares, test))
                tests.append(test)
        for test, scores in zip(tests, self.in_parallel(tasks), strict=True):
            if scores is not None:
                L[test] += scores
                times[test] += 1
        return L / np.maximum(times, 1)[:, None]

    def score_means(self, C) -> NDArray:
        """Kind (b): fits on the means of units, weighted by their numbers of rows."""
        S, times = np.zeros((self.G, self.K)), np.zeros(self.G)
        for fold in self.folds:
            for h in np.unique(fold):
                train, test = np.flatnonzero(fold != h), np.flatnonzero(fold == h)
                scores = _log_ratios(
                    _logistic(C),
                    self.means[train],
                    self.majority(fold != h)[train],
                    self.size[train],
                    train,
                    self.means[test],
                    self.classes,
                )
                if scores is not None:
                    S[test] += scores
                    times[test] += 1
        return S / np.maximum(times, 1)[:, None]

    def score_rows_twice(self) -> NDArray | None:
        """Kind (c): fits on posteriors that do not depend on the unit in any way.

        For a fold h to score, every other fold j gets posteriors from a fit without h and j; one
        fit serves the pair both ways. Rates and correlation for these posteriors are those of
        the units outside h.
        """
        L, times = np.zeros((self.n, self.K)), np.zeros(self.n)
        for fold in self.folds:
            f, numbers = fold[self.unit], np.unique(fold)
            if len(numbers) < 3:
                return None
            pairs = list(combinations(numbers, 2))
            tasks = []
            for a, b in pairs:
                train = np.flatnonzero((f != a) & (f != b))
                shares = self.shares(self.majority((fold != a) & (fold != b)), train)
                tasks.append((train, shares, np.flatnonzero((f == a) | (f == b))))
            scores = dict(zip(pairs, self.in_parallel(tasks), strict=True))
            tests = [t[2] for t in tasks]
            tests = dict(zip(pairs, tests, strict=True))
            tasks = []
            for h in numbers:
                inner = np.zeros((self.n, self.K))
                for j in numbers[numbers != h]:
                    pair = (min(h, j), max(h, j))
                    if scores[pair] is not None:
                        of_j = f[tests[pair]] == j
                        inner[tests[pair][of_j]] = scores[pair][of_j]
                train, known = np.flatnonzero(f != h), fold != h
                start = self.majority(known)[self.unit]
                correlation = intraclass_correlation(
                    inner[train], start[train], np.unique(self.unit[train], return_inverse=True)[1]
                )
                S = self.pool(inner, correlation)
                rates = NoiseRates(self.K, prior=self.prior, n_grid=5, clean=self.clean)
                rates.fit(S[known], self.counts[known], self.known[known])
                shares = self.shares(rates.posterior(S, self.counts, self.known), train)
                tasks.append((train, shares, np.flatnonzero(f == h)))
            for (_, _, test), result in zip(tasks, self.in_parallel(tasks), strict=True):
                if result is not None:
                    L[test] += result
                    times[test] += 1
        return L / np.maximum(times, 1)[:, None]

    def judged_units(self) -> NDArray:
        """Return the units whose class some unit of another fold has, in some repeat."""
        judged = np.zeros(self.G, bool)
        for fold in self.folds:
            for h in np.unique(fold):
                others = np.bincount(self.label_of_unit[fold != h], minlength=self.K) > 0
                if others.sum() > 1:
                    judged |= (fold == h) & others[self.label_of_unit]
        return judged

    def judged_rows(self) -> NDArray:
        """Return the rows whose class, and that of their unit, occurs in another fold."""
        judged = np.zeros(self.n, bool)
        for fold in self.folds:
            f = fold[self.unit]
            for h in np.unique(fold):
                others = np.bincount(self.codes[f != h], minlength=self.K) > 0
                if others.sum() > 1:
                    judged |= (f == h) & others[self.codes]
        return judged & self.judged_units()[self.unit]

    def auc(self, kinds) -> tuple[float, float]:
        """Return how well the judges predict given labels of unseen units, and its error by chance.

        Units are those of the kinds that carry most of the weight. With more than two classes it is
        the mean of one class against the rest.
        """
        by_row = sum(k.weight for k in kinds if not k.of_units) > 0.5
        predicted = np.zeros((self.n, self.K))
        for kind in kinds:
            predicted += kind.weight * kind.predicted[kind.unit]
        if by_row:
            known, labels, checked = self.judged_rows(), self.codes, self.trusted
        else:
            known, labels, checked = self.judged_units(), self.label_of_unit, self.known >= 0
            mean = np.zeros((self.G, self.K))
            np.add.at(mean, self.unit, predicted)
            predicted = mean / np.bincount(self.unit)[:, None]
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
        judged = self.judged_rows()
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


def _refuse_mixed(X: pd.DataFrame) -> None:
    """Raise if a column of objects contains anything but texts or categories."""
    for name in X.columns[[pd.api.types.is_object_dtype(dtype) for dtype in X.dtypes]]:
        if pd.api.types.infer_dtype(X[name], skipna=True).startswith("mixed"):
            raise TypeError(
                f"column {name!r} holds objects of several types, or of a type that the "
                "default judges do not know: every argument must be a string or a number."
            )


def numeric_features(X: Any, *, needed: bool) -> NDArray | None:
    """Return rows as numbers for the default judges, or None if they cannot read X.

    Numbers are imputed and scaled, other columns of a table one-hot encoded; images and wide tables
    are reduced to principal components. No label is used.
    """
    if type(X).__module__.split(".")[0] == "polars":
        X = X.to_pandas()
    if issparse(X) or not isinstance(X, (np.ndarray, pd.DataFrame)) or X.ndim < 2:
        if needed:
            what = "sparse" if issparse(X) else type(X).__name__
            raise ValueError(
                f"X is {what}, which the default judges cannot read: give dense numbers or a "
                "table, or an estimator that reads X."
            )
        return None
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS":
        X = pd.DataFrame(X).infer_objects()
    parts = []
    if isinstance(X, pd.DataFrame):
        numeric = np.array([pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes])
        if not numeric.all():
            _refuse_mixed(X.loc[:, ~numeric])
            encode = OneHotEncoder(min_frequency=10, max_categories=20, sparse_output=False)
            parts.append(encode.fit_transform(X.loc[:, ~numeric].astype(str)))
        X = X.loc[:, numeric].to_numpy(dtype=float, na_value=np.nan)
    numbers = X.reshape(len(X), -1).astype(float)
    if np.isinf(numbers).any():
        if needed:
            raise ValueError("X contains infinity, which the default judges cannot read.")
        return None
    if np.isnan(numbers).any():
        numbers = SimpleImputer(keep_empty_features=True).fit_transform(numbers)
    if numbers.shape[1]:
        parts.append(StandardScaler().fit_transform(numbers))
    features = np.hstack(parts)
    if features.shape[1] > min(_MOST_COLUMNS, len(features)):
        n_components = min(_N_COMPONENTS, *features.shape)
        features = PCA(n_components, random_state=0).fit_transform(features)
    return features
