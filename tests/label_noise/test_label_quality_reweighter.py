"""Relabelling, weighting, selecting; the veto; and whatever classifier stands inside."""

import warnings
from functools import wraps

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from skrobust import (
    MLP,
    DistillationWarning,
    GaussianNoiseAugmenter,
    LabelNoiseModel,
    LabelQualityReweighter,
    NetClassifier,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    flip_labels,
)
from skrobust.label_noise import label_quality_reweighter, quality_weights
from skrobust.label_noise.inner_fit import fit_inside, fit_soft


def noisy_patients(n_groups=40, rate=0.25, seed=0):
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_groups), 5)
    truth = np.array(["ill", "well"])[(np.arange(n_groups) % 2)[groups]]
    X = rng.normal(size=(len(groups), 5)) + 1.5 * (truth == "ill")[:, None]
    y, wrong = flip_labels(truth, rate, random_state=seed)
    return X, y, groups, truth, wrong


class Told(BaseEstimator):
    """A distiller that knows the quality."""

    def __init__(self, quality=None, shares=None):
        self.quality = quality
        self.shares = shares

    def fit(self, X, y):
        self.quality_ = self.quality
        if self.shares is not None:
            self.row_probabilities_ = pd.DataFrame(self.shares, columns=np.unique(y))
        return self


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it was fitted on."""

    def fit(self, X, y, sample_weight=None, groups=None):
        self.X_, self.y_, self.weight_, self.groups_ = X, y, sample_weight, groups
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


def test_relabelling_trains_on_every_row_once_per_class():
    X, y, groups, *_ = noisy_patients(6)
    shares = np.random.RandomState(0).dirichlet([1, 1], size=30)
    shares[3], shares[4] = [1, 0], [0.9995, 0.0005]
    weight = np.random.RandomState(1).uniform(size=30)
    told = Told(shares[np.arange(30), (y == "well").astype(int)], shares)
    clf = LabelQualityReweighter(Recorder(), told, veto=False).fit(X, y, weight, groups=groups)
    seen = clf.estimator_
    expected = [
        (*X[i], label, weight[i] * shares[i, k], groups[i])
        for i in range(30)
        for k, label in enumerate(["ill", "well"])
        if shares[i, k] > 1e-3
    ]
    found = [
        (*row, *rest)
        for row, *rest in zip(seen.X_, seen.y_, seen.weight_, seen.groups_, strict=True)
    ]
    assert found == expected
    assert len(found) == 58
    assert_allclose(clf.sample_weight_, weight * clf.quality_)
    assert clf.veto_ is None


def test_relabelling_equals_the_soft_likelihood():
    X = noisy_patients(20)[0]
    shares = np.random.RandomState(0).dirichlet([1, 1], size=100)
    clf = LogisticRegression(C=0.5, tol=1e-8)
    fit_soft(clf, X, shares, np.array(["ill", "well"]))
    w = np.r_[clf.coef_[0], clf.intercept_]

    def loss(w):
        z = X @ w[:-1] + w[-1]
        return -(shares[:, 1] * z - np.logaddexp(0, z)).sum() + w[:-1] @ w[:-1] / (2 * 0.5)

    step = 1e-5 * np.eye(6)
    assert max(abs(loss(w + s) - loss(w - s)) / 2e-5 for s in step) < 1e-2


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_networks_get_soft_labels_themselves(in_pipeline, monkeypatch):
    X, y, *_ = noisy_patients(20)
    shares = np.random.RandomState(0).dirichlet([1, 1], size=100)
    seen = []
    fit = NetClassifier.fit

    @wraps(fit)
    def spy(self, X, y, **given):
        seen.append((X, y))
        return fit(self, X, y, **given)

    monkeypatch.setattr(NetClassifier, "fit", spy)
    net = NetClassifier(MLP, max_epochs=1, module__width=4)
    estimator = make_pipeline(StandardScaler(), net) if in_pipeline else net
    weight = np.arange(100) + 1.0
    told = Told(shares[np.arange(100), (y == "well").astype(int)], shares)
    LabelQualityReweighter(estimator, told, veto=False).fit(X, y, weight)
    ((X_seen, soft),) = seen
    assert len(X_seen) == 100
    assert list(soft.columns) == ["ill", "well"]
    assert_allclose(soft, shares * weight[:, None])


@pytest.mark.parametrize("with_weight", [False, True])
def test_weighting_keeps_the_balance_of_classes(with_weight):
    X, y, *_ = noisy_patients(20)
    quality = np.random.RandomState(0).uniform(size=100) * np.where(y == "ill", 0.2, 1)
    weight = np.random.RandomState(1).uniform(size=100) if with_weight else None
    clf = LabelQualityReweighter(Recorder(), Told(quality), veto=False).fit(X, y, weight)
    expected = quality_weights(quality, y) * (1 if weight is None else weight)
    assert_allclose(clf.estimator_.weight_, expected)
    assert_allclose(clf.sample_weight_, expected)
    assert_array_equal(clf.estimator_.y_, y)
    assert_array_equal(clf.noisy_indices_, np.argsort(quality)[: (quality < 0.5).sum()])


def test_selecting_fits_on_the_kept_rows():
    X, y, groups, *_ = noisy_patients(20)
    quality = np.tile([0.9, 0.3], 50)
    clf = LabelQualityReweighter(Recorder(), Told(quality), use="select", veto=False)
    clf.fit(X, y, groups=groups)
    assert_array_equal(clf.estimator_.X_, X[::2])
    assert_array_equal(clf.estimator_.groups_, groups[::2])
    assert_array_equal(clf.sample_weight_, np.tile([1.0, 0.0], 50))
    neighbors = LabelQualityReweighter(
        KNeighborsClassifier(), Told(quality), use="select", veto=False
    )
    assert neighbors.fit(X, y).score(X, y) > 0.5
    with pytest.raises(ValueError, match="keeps no row of 100"):
        clf.set_params(distiller__quality=np.zeros(100)).fit(X, y)
    with pytest.raises(ValueError, match=r"keeps no row of \['ill'\]"):
        clf.set_params(distiller__quality=np.where(y == "ill", 0.1, 1)).fit(X, y)


def test_default_wins_back_what_wrong_labels_cost():
    gains = []
    for seed in range(2):
        X, y, groups, *_ = noisy_patients(40, rate=0.35, seed=seed)
        X_new, _, _, truth_new, _ = noisy_patients(60, seed=seed + 50)
        linear = LogisticRegression(C=0.1)
        clf = LabelQualityReweighter(linear, random_state=0).fit(X, y, groups=groups)
        assert isinstance(clf.distiller_, LabelNoiseModel)
        assert not clf.veto_.stepped_in
        assert clf.veto_.n_trials == 8
        auc = [
            roc_auc_score(truth_new == "well", fitted.predict_proba(X_new)[:, 1])
            for fitted in (clf, clone(linear).fit(X, y))
        ]
        gains.append(auc[0] - auc[1])
    assert np.mean(gains) > 0.003


class Against(Told):
    """Says that every other patient is wrong, whatever the data."""

    def fit(self, X, y):
        half = np.random.RandomState(0).rand(len(y)) < 0.5
        classes, codes = np.unique(y, return_inverse=True)
        shares = np.eye(2)[np.where(half, codes, 1 - codes)]
        self.quality_ = shares[np.arange(len(y)), codes]
        self.row_probabilities_ = pd.DataFrame(shares, columns=classes)
        return self


@pytest.mark.parametrize("use", ["relabel", "weight"])
def test_the_veto_steps_in_where_given_labels_speak_against(use):
    X, y, groups, *_ = noisy_patients(40, rate=0.1)
    linear = LogisticRegression(C=0.1)
    clf = LabelQualityReweighter(linear, Against(), use=use, random_state=0)
    if use == "relabel":
        with pytest.warns(DistillationWarning, match="worse than without"):
            clf.fit(X, y, groups=groups)
        veto = clf.veto_
        assert veto.stepped_in
        assert veto.difference < -veto.standard_error < 0
        assert veto.n_trials == 8
        assert_allclose(clf.estimator_.coef_, clone(linear).fit(X, y).coef_)
        assert_array_equal(clf.sample_weight_, 1)
        assert (clf.quality_ == 0).any()
    else:  # half of the rows are as good as all, or worse by less than chance
        clf.set_params(veto=False).fit(X, y, groups=groups)
        assert clf.veto_ is None
    free = clone(clf).set_params(veto=False).fit(X, y, groups=groups)
    assert np.abs(free.estimator_.coef_ - clone(linear).fit(X, y).coef_).max() > 0.05


def test_the_veto_is_the_difference_in_auc_of_patient_disjoint_trials():
    X, y, groups, *_ = noisy_patients(24)
    linear = LogisticRegression(C=0.1)
    clf = LabelQualityReweighter(linear, Against(), random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistillationWarning)
        veto = clf.fit(X, y, groups=groups).veto_
    differences = []
    for repeat in range(2):
        folds = StratifiedGroupKFold(4, shuffle=True, random_state=3 + repeat)
        for train, test in folds.split(X, y, groups):
            told = Against().fit(X[train], y[train])
            soft = fit_soft(
                clone(linear), X[train], told.row_probabilities_.to_numpy(), np.unique(y)
            )
            given = clone(linear).fit(X[train], y[train])
            aucs = [roc_auc_score(y[test], m.predict_proba(X[test])[:, 1]) for m in (soft, given)]
            differences.append(aucs[0] - aucs[1])
    assert veto.difference == pytest.approx(np.mean(differences))
    assert veto.standard_error == pytest.approx(np.std(differences, ddof=1) / 2)


def test_another_classifier_in_the_trials():
    X, y, groups, *_ = noisy_patients(24)
    clf = LabelQualityReweighter(Recorder(), Against(), veto=LogisticRegression(), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistillationWarning)
        clf.fit(X, y, groups=groups)
    assert clf.veto_.n_trials == 8
    assert clf.veto_.difference != 0


@pytest.mark.parametrize("seed", range(3))
def test_tables_in_which_labels_cannot_be_judged_are_not_harmed(seed):
    rng = np.random.RandomState(seed + 20)
    groups = np.repeat(np.arange(40), 5)
    X, y = rng.normal(size=(200, 6)), (np.arange(40) % 2)[groups]
    X += rng.normal(size=(40, 6))[groups] + 0.15 * y[:, None]
    linear = LogisticRegression(C=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistillationWarning)
        clf = LabelQualityReweighter(linear, random_state=0).fit(X, y, groups=groups)
    new = np.repeat(np.arange(400), 5)
    truth = (np.arange(400) % 2)[new]
    X_new = rng.normal(size=(2000, 6)) + rng.normal(size=(400, 6))[new] + 0.15 * truth[:, None]
    auc = [
        roc_auc_score(truth, fitted.predict_proba(X_new)[:, 1])
        for fitted in (clf, clone(linear).fit(X, y))
    ]
    assert auc[0] > auc[1] - 0.03


def test_too_few_patients_for_trials():
    X, y, groups, *_ = noisy_patients(2, rate=0)
    with pytest.warns(DistillationWarning, match="only 0 trials"):
        clf = LabelQualityReweighter(LogisticRegression(), Against()).fit(X, y, groups=groups)
    assert clf.veto_.stepped_in
    assert_array_equal(clf.sample_weight_, 1)


INSIDE = {
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "svc": make_pipeline(StandardScaler(), SVC()),
    "ovo": SVC(decision_function_shape="ovo"),
    "nested": make_pipeline(StandardScaler(), Pipeline([("clf", LogisticRegression())])),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2),
    "search of a pipeline": GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1]},
        cv=GroupKFold(2),
    ),
    "forest": RandomForestClassifier(10),
    "ridge": RidgeClassifier(),
    "hgb": HistGradientBoostingClassifier(max_iter=10),
}


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("use", ["relabel", "weight"])
@pytest.mark.parametrize("name", INSIDE)
def test_weights_reach_the_classifier_inside(name, use, routing):
    X, y, groups, *_ = noisy_patients(20)
    shares = np.zeros((100, 2))
    shares[:, 0] = 1.0  # all rows are of the first class, if anyone listens
    shares[0] = [0, 1]
    shares[6] = [0, 1]
    quality = shares[np.arange(100), (y == "well").astype(int)].clip(0.02)
    told = Told(quality, shares)
    with sklearn.config_context(enable_metadata_routing=routing):
        clf = LabelQualityReweighter(INSIDE[name], told, use=use, veto=False)
        clf.fit(X, y, groups=groups)
        plain = fit_inside(clone(INSIDE[name]), X, y, groups=groups)
    if use == "relabel":
        assert (clf.predict(X) == "ill").mean() > 0.85
        assert (plain.predict(X) == "ill").mean() < 0.7
    else:
        weighted = np.asarray(clf.predict(X))
        assert weighted.shape == (100,)


@pytest.mark.parametrize("routing", [False, True])
def test_routed_weights_and_groups_arrive(routing):
    X, y, groups, *_ = noisy_patients(20)
    quality = np.random.RandomState(0).uniform(size=100)
    with sklearn.config_context(enable_metadata_routing=routing):
        last = Recorder()
        if routing:
            last = last.set_fit_request(sample_weight=True, groups=True)
        pipe = make_pipeline(StandardScaler(), last)
        clf = LabelQualityReweighter(pipe, Told(quality), veto=False).fit(X, y, groups=groups)
    seen = clf.estimator_[-1]
    assert_allclose(seen.weight_, quality_weights(quality, y))
    assert_array_equal(seen.groups_, groups)


def test_samplers_lose_weights():
    X, y, *_ = noisy_patients(20)
    from imblearn.pipeline import make_pipeline as imblearn_pipeline

    pipe = imblearn_pipeline(GaussianNoiseAugmenter(factor=2), LogisticRegression())
    with pytest.raises(ValueError, match="is a sampler"):
        LabelQualityReweighter(pipe).fit(X, y)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        LabelQualityReweighter(make_pipeline(StandardScaler(), KNeighborsClassifier())).fit(X, y)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        LabelQualityReweighter(
            ResamplingClassifier(GaussianNoiseAugmenter(), LogisticRegression())
        ).fit(X, y)
    with pytest.raises(ValueError, match="needs row_probabilities_"):
        LabelQualityReweighter(
            LogisticRegression(), OutOfFoldLabelQuality(LogisticRegression()), use="relabel"
        ).fit(X, y)


def hospital_like(n_groups=60):
    X, y, groups, _, wrong = noisy_patients(n_groups, rate=0.2)
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["sex"] = np.where(groups % 2 == 0, "m", "f")
    frame.loc[::9, "b"] = np.nan
    frame.loc[::13, "sex"] = None
    return frame, y, groups, wrong


BY_NAME = make_pipeline(
    make_column_transformer(
        (StandardScaler(), ["a", "c"]), (OneHotEncoder(handle_unknown="ignore"), ["sex"])
    ),
    LogisticRegression(),
)


@pytest.mark.parametrize(
    "distiller",
    [None, OutOfFoldLabelQuality(BY_NAME, cv=3), LabelNoiseModel(BY_NAME, n_repeats=1)],
    ids=["default", "out of fold", "by name"],
)
def test_tables_pass_through(distiller):
    frame, y, groups, wrong = hospital_like()
    clf = LabelQualityReweighter(BY_NAME, distiller, veto=False, random_state=0)
    expected = clone(clf).fit(frame, y, groups=groups).quality_
    assert expected[wrong].mean() < expected[~wrong].mean() - 0.2
    for X, labels, routing in [
        (frame, pd.Series(y), True),
        (pl.from_pandas(frame), pl.Series("y", y), False),
    ]:
        with sklearn.config_context(enable_metadata_routing=routing):
            fitted = clone(clf).fit(X, labels, groups=groups)
            assert_allclose(fitted.quality_, expected, atol=1e-6)
            assert fitted.predict(X[:5]).shape == (5,)


def test_missing_values_reach_a_classifier_that_reads_them():
    frame, y, groups, wrong = hospital_like()
    X = frame.drop(columns="sex")
    clf = LabelQualityReweighter(
        HistGradientBoostingClassifier(max_iter=5), LabelNoiseModel(n_repeats=1), random_state=0
    )
    clf.fit(X, y, groups=groups)
    assert clf.quality_[wrong].mean() < 0.3
    clf = LabelQualityReweighter(
        LogisticRegression(), OutOfFoldLabelQuality(HistGradientBoostingClassifier(max_iter=5))
    )
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(X, y, groups=groups)


def test_a_search_over_the_classifier_distils_once(tmp_path, monkeypatch):
    X, y, groups, *_ = noisy_patients(24)
    fits = []
    explain = label_quality_reweighter._differences
    monkeypatch.setattr(
        label_quality_reweighter,
        "_differences",
        lambda **kwargs: fits.append(1) or explain(**kwargs),
    )
    clf = LabelQualityReweighter(LogisticRegression(), memory=str(tmp_path), random_state=0)
    quality = [
        clone(clf).set_params(veto=False, estimator__C=C).fit(X, y, groups=groups).quality_
        for C in (0.1, 1)
    ]
    assert_array_equal(*quality)
    assert len([*tmp_path.rglob("output.pkl")]) == 1


def test_jobs_change_nothing():
    X, y, groups, *_ = noisy_patients(12)
    warnings.simplefilter("ignore", DistillationWarning)
    with joblib.parallel_config("threading"):  # starts sooner than processes
        vetoes = [
            LabelQualityReweighter(LogisticRegression(), Against(), n_jobs=n_jobs, random_state=0)
            .fit(X, y, groups=groups)
            .veto_
            for n_jobs in (None, 2)
        ]
    assert_allclose(vetoes[0], vetoes[1])


def test_groups_reach_it_in_cross_validation():
    X, y, groups, *_ = noisy_patients(24)
    with sklearn.config_context(enable_metadata_routing=True):
        clf = LabelQualityReweighter(LogisticRegression(), veto=False, random_state=0)
        scores = cross_val_score(
            clf, X, y, cv=StratifiedGroupKFold(3), params={"groups": groups}, error_score="raise"
        )
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("y", "groups", "match"),
    [
        (["a", None, "b", "a"], None, "y contains missing values"),
        ([0.0, np.nan, 1.0, 0.0], None, "y contains missing values"),
        (pd.Series(["a", pd.NA, "b", "a"]), None, "y contains missing values"),
        (pl.Series(["a", None, "b", "a"]), None, "y contains missing values"),
        (list("aabb"), ["p", None, "q", "q"], "groups contains missing values"),
        (list("aabb"), [1.0, np.nan, 2.0, 2.0], "groups contains missing values"),
        (list("aabb"), ["p", "q"], "groups has 2 entries"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "estimator",
    [
        LabelQualityReweighter(LogisticRegression()),
        LabelNoiseModel(),
        OutOfFoldLabelQuality(LogisticRegression(), cv=2),
    ],
    ids=lambda e: type(e).__name__,
)
def test_missing_labels_and_groups_get_one_clear_error(estimator, y, groups, match):
    with pytest.raises(ValueError, match=match):
        clone(estimator).fit(np.eye(4), y, groups=groups)


@pytest.mark.parametrize(
    "estimator",
    [
        LabelQualityReweighter(LogisticRegression()),
        OutOfFoldLabelQuality(LogisticRegression(), cv=2),
    ],
    ids=lambda e: type(e).__name__,
)
def test_groups_by_position_are_no_weights(estimator):
    X, y, groups, *_ = noisy_patients(20)
    if isinstance(estimator, OutOfFoldLabelQuality):
        with pytest.raises(TypeError):
            estimator.fit(X, y, groups)
    else:
        names = np.array([f"p{g}" for g in groups])
        with pytest.raises(ValueError, match="could not convert string"):
            estimator.fit(X, y, names)
