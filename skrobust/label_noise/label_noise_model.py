"""A model of wrong labels of patients and of rows that needs no information about the noise."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..base.state import fit_context
from ..neural.net_estimator import with_shared_docs
from ..utils.groups import group_means
from ..utils.sklearn_private import Interval, check_sample_weight
from ..utils.targets import soft_labels
from ..utils.validation import check_trusted, warn
from .distillers import FOLD_CONSTRAINTS, DistillationWarning, LabelDistiller, warn_of_unjudged
from .folds import partitions
from .noise_model_steps import explain
from .noise_rates import interval

# judges must predict given labels of unseen units this many standard errors above chance
_LEAST_Z = 0.5


@with_shared_docs
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

    Several kinds of scores are averaged, with weights proportional to the evidence, the probability
    that they assign to the labels of unseen patients: of classifiers of rows, summed over the
    patient; of classifiers of the patients' means; of classifiers of rows trained on posteriors
    that do not depend on the labels of the scored patient; and, if labels vary inside patients, of
    a structure in which every row is independent. Only the last one is used if scores of rows tell
    the labels inside patients apart by more than four standard errors: labels that are wrong by
    chance cannot be told apart, so that the rows of a patient must have several true classes.

    If some rows are trusted, the posteriors are averaged with the result of self-training, one to
    one if the labels of every patient agree. In `n_iter` rounds, classifiers that have not seen a
    patient are trained on trusted rows and on the half of every class that the round before found
    most probable. Their mean probabilities of the patient's rows take the place of the scores
    above, with c the mean rate of wrong labels that the posteriors show. Where many patients are
    wrong, the posteriors stay near the labels. Self-training dares more; trusted rows keep it from
    going astray, and labels that disagree in a patient make it superfluous.

    Parameters
    ----------
    estimator : classifier, default=None
        Judges the rows: with ``predict_proba`` or ``decision_function``, and ``sample_weight`` in
        its ``fit`` or in that of the last step of a pipeline. None is logistic regression
        (C = 0.03) on scaled columns, or on 50 principal components if there are more than 100
        columns or more columns than rows; columns of text are one-hot encoded and missing numbers
        imputed. The patients' means are always judged by logistic regression on these columns, and
        are left out if X cannot be converted to columns.
    cv : int, cross-validation splitter or iterable of splits, default=5
        Folds without common patients that contain every row once. An int larger than the number of
        patients is lowered to it.
    n_repeats : int, default=2
        How often the folds of an int `cv` are shuffled; scores are averaged.
    impurity : dict, default=None
        Known share, by class, of the rows with this label that do not show it, such as healthy
        voxels of tumour patients. That share, the rows least like the class, is assigned to others.
    clean_classes : array-like of classes, default=()
        Classes whose labels are never wrong.
    prior : float >= 0, default=1.0
        Strength of the prior that there is no noise.
    n_iter : int >= 0, default=3
        Rounds of self-training, which needs trusted rows. 0: the posteriors alone.
    n_jobs : int, default=None
        Number of fits at a time.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the result.
    <random_state>

    Attributes
    ----------
    quality_ : ndarray of shape (n_samples,)
        Probability that the label of a row is right.
    kept_ : ndarray of shape (n_samples,), bool
        Rows whose own label is the most probable one.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        The other rows, worst first.
    row_probabilities_, label_probabilities_ : DataFrame, ndarray of shape (n_samples, n_classes)
        Probabilities of the true class of every row, given its label: soft labels.
    group_probabilities_ : DataFrame of shape (n_groups, n_classes)
        The same for patients, with patients as index: the mean over their rows.
    patients_ : DataFrame
        A line for every patient, the least probable label first: ``label`` (that of most rows),
        ``rows``, ``probability`` of the label, and ``suggested``, the most probable class.
    checked_groups_ : Series of bool
        Whether all rows of a patient are trusted, with patients as index.
    noisy_groups_ : ndarray
        Patients whose label is not the most probable one, the worst first.
    noise_rates_ : DataFrame
        ``estimate``, ``lower`` and ``upper`` end of the 95% interval of the share of wrong labels
        (the shortest with at most 2.5% below): of ``patients``, and of ``rows`` inside patients,
        trusted ones left out. NaN if unknown: of patients whose rows have several true classes; of
        rows if all rows of a patient have its label, which says nothing about single rows.
    structure_weights_ : Series
        Weight of every kind of scores.
    out_of_fold_auc_ : float
        AUC with which the judges predict the given labels of unseen patients (of rows, if these
        are independent). Trusted ones count three times.
    <input attributes>

    Warns
    -----
    DistillationWarning
        If the classifiers predict the labels of unseen patients hardly better than chance, or a
        class is missing in training folds: these labels cannot be judged, and count as right. If
        they predict the opposite of the labels inside patients: these differ by right.

    Notes
    -----
    :class:`~skrobust.LabelQualityReweighter` trains any classifier on the probabilities. Without
    groups every row is a separate patient. Rows of several true classes in one patient are told
    from wrong rows only where classifiers can tell the rows of a patient apart. With more than two
    classes, all other classes are assumed to be equally likely as wrong labels. The cost is linear
    in the number of rows: some 50 fits of logistic regression per repeat of the folds.

    References
    ----------
    A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM
    algorithm", Applied Statistics 28, 1979; here with two levels, and classifiers as raters.

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
        **FOLD_CONSTRAINTS,
        "estimator": [*FOLD_CONSTRAINTS["estimator"], None],
        "impurity": [dict, None],
        "clean_classes": ["array-like"],
        "prior": [Interval(Real, 0, None, closed="left")],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
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
        n_iter=3,
        n_jobs=None,
        memory=None,
        random_state=None,
    ):
        self._keep_params(locals())

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
        """Estimate how probable every label is, and return the model.

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
            weight = check_sample_weight(sample_weight, codes, ensure_non_negative=True)
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
        found = self._cached(explain, ignore=["n_jobs"])(
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
            n_iter=self.n_iter,
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
        (n, K), judged = P.shape, found["judged"]
        self.out_of_fold_auc_, error = found["auc"], found["auc_error"]
        neutral = not judged.any() or not self.out_of_fold_auc_ > 0.5 + _LEAST_Z * error
        if neutral and not trusted.all():
            warn(
                f"the classifiers that judge labels predict those of unseen "
                f"{'patients' if len(names) < n else 'rows'} hardly better than chance (AUC "
                f"{self.out_of_fold_auc_:.2f}, by chance {0.5:.2f} ± {error:.2f}): the labels "
                "cannot be judged, and all count as right. More patients, or a better estimator, "
                "would help.",
                DistillationWarning,
            )
        elif found["contradicted"]:
            warn(
                "what tells patients apart predicts the opposite of the labels inside patients, "
                "which labels that are wrong by chance do not explain: doubted rows need not be "
                "wrong, and noise_rates_ are unknown. Features that say how the rows of a patient "
                "differ (their order, for example), or one row for every patient, would help.",
                DistillationWarning,
            )
        if neutral:
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
        self.quality_ = P[np.arange(n), codes]
        self.kept_ = P.argmax(1) == codes
        doubted = np.flatnonzero(~self.kept_)
        self.noisy_indices_ = doubted[np.argsort(self.quality_[doubted], kind="stable")]
        # arrays, converted to tables by the properties: models are stored without pandas' types
        self._patients = {
            "names": names,
            "rows": np.bincount(unit),
            "label": group_means(np.eye(K)[codes], unit)[1].argmax(1),
            "mean": group_means(P, unit)[1],
            "checked": np.bincount(unit, ~trusted) == 0,
        }
        triples = [(k.weight, k.rates, k.of_units) for k in kinds]
        by_row = [kind.name == "no patients" for kind in kinds]
        known = {"patients": not all(by_row), "rows": any(by_row)}
        known = known if len(names) < n else {"rows": True}
        unknown = neutral or found["contradicted"]
        self._rates = {
            which: interval(triples, which) if told and not unknown else (np.nan,) * 3
            for which, told in known.items()
        }
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
    of_row, fold = np.empty(len(unit), int), np.empty(unit.max() + 1, int)
    for number, (_, test) in enumerate(splits):
        of_row[test] = number
    fold[unit] = of_row
    if (fold[unit] != of_row).any():
        raise ValueError(
            "cv puts rows of one group into several folds. Labels are judged by classifiers "
            "that have not seen the patient: use StratifiedGroupKFold or GroupKFold."
        )
    return fold
