"""Rows whose label has been checked: they teach the judges, and keep their label."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.pipeline import Pipeline as SamplerPipeline
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import (
    CertainSamples,
    DistillationWarning,
    DistillMixAugmenter,
    EarlyLabelQuality,
    LabelNoiseModel,
    LabelQualityReweighter,
    NetClassifier,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    compare_estimators,
    flip_labels,
    make_mr_spectra,
)
from skrobust.label_noise import quality_weights
from skrobust.label_noise.noise_model_steps import Explanation
from skrobust.label_noise.noise_rates import NoiseRates

# the paper's rule keeps few rows here; without trusted rows, judges can be at chance
quiet = pytest.mark.filterwarnings("ignore::skrobust.DistillationWarning")
LINEAR = LogisticRegression(C=0.1)


def spectra(seed=0, wrong=0.3, share_trusted=0.3):
    """Return spectra, some of whose patients are mislabelled but for the trusted ones."""
    data = make_mr_spectra(60, n_voxels=5, impurity=0, random_state=seed)
    y, _ = flip_labels(data.target, wrong, groups=data.groups, random_state=seed)
    chosen = np.random.RandomState(seed).permutation(60)[: round(60 * share_trusted)]
    trusted = np.isin(data.groups, np.unique(data.groups)[chosen])
    y = np.where(trusted, data.target, y)
    X = StandardScaler().fit_transform(data.data)
    return X, y, data.groups, trusted, y != data.target


def distillers():
    net = NetClassifier(max_epochs=2, module__width=4, random_state=0)
    return {
        "noise model": LabelNoiseModel(random_state=0),
        "by patient": OutOfFoldLabelQuality(LINEAR, level="group", random_state=0),
        "by row": OutOfFoldLabelQuality(LINEAR, random_state=0),
        "early": EarlyLabelQuality(net),
        "certain": CertainSamples(net, max_epochs=2),
    }


@quiet
@pytest.mark.parametrize("name", list(distillers()))
def test_trusted_rows_are_right_in_every_distiller(name):
    X, y, groups, trusted, _ = spectra()
    fitted = distillers()[name].fit(X, y, groups=groups, trusted=trusted)
    assert (fitted.quality_[trusted] == 1).all()
    assert fitted.kept_[trusted].all()
    assert not trusted[fitted.noisy_indices_].any()
    own = fitted.label_probabilities_[trusted, np.searchsorted(fitted.classes_, y[trusted])]
    assert (own == 1).all()
    assert (fitted.quality_[~trusted] < 1).any()


@quiet
@pytest.mark.parametrize("name", ["noise model", "by patient", "certain"])
def test_nobody_trusted_is_as_without(name):
    X, y, groups, _, _ = spectra()
    nobody = distillers()[name].fit(X, y, groups=groups, trusted=np.zeros(len(y), bool))
    assert_array_equal(nobody.quality_, distillers()[name].fit(X, y, groups=groups).quality_)


@quiet
@pytest.mark.parametrize("name", ["noise model", "by patient"])
def test_trusted_patients_teach_the_judges_of_the_others(name):
    gains = []
    for seed in range(3):
        X, y, groups, trusted, wrong = spectra(seed, wrong=0.45)
        told = distillers()[name].fit(X, y, groups=groups, trusted=trusted).quality_
        alone = distillers()[name].fit(X, y, groups=groups).quality_
        gains.append(
            roc_auc_score(wrong[~trusted], -told[~trusted])
            - roc_auc_score(wrong[~trusted], -alone[~trusted])
        )
    assert np.mean(gains) > 0.02


def test_all_trusted_leaves_nothing_to_judge(recwarn):
    X, y, groups, _, _ = spectra()
    fitted = LabelNoiseModel(random_state=0).fit(X, y, groups=groups, trusted=np.ones(len(y), bool))
    assert (fitted.quality_ == 1).all()
    assert not recwarn.list


def test_a_checked_row_tells_the_class_of_its_patient():
    X, y, groups, _, _ = spectra()
    trusted = np.zeros(len(y), bool)
    trusted[np.unique(groups, return_index=True)[1][::2]] = True  # one row of every second patient
    fitted = LabelNoiseModel(random_state=0).fit(X, y, groups=groups, trusted=trusted)
    told = np.isin(groups, groups[trusted])
    assert_allclose(fitted.quality_[told], 1, atol=1e-6)


def test_rows_of_a_patient_with_several_trusted_classes_stay_as_they_are():
    X, y, groups, _, _ = spectra()
    first = np.flatnonzero(groups == groups[0])
    y[first[:2]] = [0, 1]
    trusted = np.zeros(len(y), bool)
    trusted[first[:2]] = True
    fitted = LabelNoiseModel(random_state=0).fit(X, y, groups=groups, trusted=trusted)
    assert (fitted.quality_[first[:2]] == 1).all()
    assert (fitted.quality_[first[2:]] < 1).all()


def test_a_trusted_class_may_be_missing():
    X, y, groups, trusted, wrong = spectra()
    trusted &= y == 0
    fitted = LabelNoiseModel(random_state=0).fit(X, y, groups=groups, trusted=trusted)
    assert fitted.quality_[wrong].mean() < fitted.quality_[~wrong].mean()


@pytest.mark.parametrize("kind", ["series", "list", "object", "boolean", "ints"])
def test_containers_of_trusted(kind):
    X, y, groups, trusted, _ = spectra()
    given = {
        "series": pd.Series(trusted, index=np.arange(len(y))[::-1]),
        "list": trusted.tolist(),
        "object": trusted.astype(object),
        "boolean": pd.array(trusted, dtype="boolean"),
        "ints": trusted.astype(int),
    }[kind]
    fitted = OutOfFoldLabelQuality(LINEAR, random_state=0)
    right = fitted.fit(X, y, groups=groups, trusted=trusted).quality_
    assert_array_equal(fitted.fit(X, y, groups=groups, trusted=given).quality_, right)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda t: t[:-1], "trusted has shape"),
        (np.flatnonzero, "trusted has shape"),
        (lambda t: np.where(t, 2, 0), "expected True for rows whose label has been checked"),
        (lambda t: np.where(t, "yes", "no"), "expected True for rows whose label"),
        (lambda t: np.where(t, 1.0, np.nan), "trusted contains missing values"),
    ],
)
@pytest.mark.parametrize("level", ["distiller", "reweighter", "sampler"])
def test_malformed_trusted_is_refused(wrong, message, level):
    X, y, groups, trusted, _ = spectra()
    model = OutOfFoldLabelQuality(LINEAR, random_state=0)
    model = {
        "distiller": model,
        "reweighter": LabelQualityReweighter(LINEAR, model),
        "sampler": DistillMixAugmenter(model),
    }[level]
    fit = model.fit_resample if level == "sampler" else model.fit
    with pytest.raises(ValueError, match=message):
        fit(X, y, groups=groups, trusted=wrong(trusted))


class Halves(BaseEstimator):
    """A distiller that knows nothing of trusted rows, and doubts all."""

    def fit(self, X, y):
        self.quality_ = np.linspace(0.1, 0.4, len(y))
        return self


@pytest.mark.parametrize("use", ["weight", "select"])
def test_a_distiller_of_the_user_need_not_know(use):
    X, y, groups, trusted, _ = spectra()
    clf = LabelQualityReweighter(LINEAR, Halves(), use=use, veto=False)
    clf.fit(X, y, groups=groups, trusted=trusted)
    assert (clf.sample_weight_[trusted] == 1).all()
    assert (clf.quality_[trusted] == 1).all()
    if use == "select":
        assert (clf.sample_weight_[~trusted] == 0).all()
    else:
        for k in (0, 1):
            others = clf.sample_weight_[~trusted & (y == k)]
            assert others.mean() == pytest.approx(1)
            assert others.std() > 0


def test_weights_of_trusted_rows_are_one_and_of_others_one_on_average():
    found = quality_weights([0.2, 0.9, 0.3], ["a", "a", "a"], [True, False, False])
    assert_allclose(found, [1, 1.5, 0.5])
    assert_allclose(quality_weights([0.2, 0.9], ["a", "b"], [True, True]), [1, 1])


class Recorder(LogisticRegression):
    """Keeps what it was fitted on last."""

    def fit(self, X, y, sample_weight=None):
        Recorder.seen = X, y, sample_weight
        return super().fit(X, y, sample_weight)


def expected_count(clf, trusted, n_classes=2):
    """Return the weight of trusted rows that separates two means best, by trying weights.

    A row without a checked label shows the right share of the difference between its classes; its
    noise is the same.
    """
    wrong = 1 - clf.quality_[~trusted].mean()
    left = 1 - wrong * n_classes / (n_classes - 1)
    counts, (some, others) = np.linspace(1, 5, 40_001), (trusted.sum(), (~trusted).sum())
    signal_to_noise = (counts * some + left * others) / np.sqrt(counts**2 * some + others)
    return counts[signal_to_noise.argmax()]


def test_soft_labels_of_trusted_rows_are_their_labels():
    X, y, groups, trusted, _ = spectra()
    clf = LabelQualityReweighter(Recorder(C=0.1), veto=False, random_state=0)
    clf.fit(X, y, groups=groups, trusted=trusted)
    count = expected_count(clf, trusted)
    assert 1.5 < count < 5
    assert_allclose(clf.sample_weight_[trusted], count, rtol=1e-3)
    X_seen, y_seen, weight = Recorder.seen
    for row in np.flatnonzero(trusted)[:5]:
        same = (X_seen == X[row]).all(1)
        assert_array_equal(y_seen[same], [y[row]])
        assert_allclose(weight[same], count, rtol=1e-3)


def test_trusted_rows_count_more_the_more_labels_are_wrong():
    counts = []
    for wrong in (0.0, 0.15, 0.3):
        X, y, groups, trusted, _ = spectra(wrong=wrong)
        clf = LabelQualityReweighter(LINEAR, veto=False, random_state=0)
        clf.fit(X, y, sample_weight=np.full(len(y), 2.0), groups=groups, trusted=trusted)
        counts.append(np.unique(clf.sample_weight_[trusted]) / 2)
    assert all(len(count) == 1 for count in counts)
    assert counts[0] < 1.1
    assert counts[0] < counts[1] < counts[2]
    everybody = LabelQualityReweighter(LINEAR, veto=False, random_state=0)
    everybody.fit(X, y, groups=groups, trusted=np.ones(len(y), bool))
    assert (everybody.sample_weight_ == 1).all()


class Contrarian(LabelNoiseModel):
    """Believes the other class of every second row."""

    def fit(self, X, y, *, groups=None, sample_weight=None, trusted=None):
        super().fit(X, y, groups=groups, sample_weight=sample_weight, trusted=trusted)
        turned = ~trusted & (np.arange(len(y)) % 2 == 0)
        self.label_probabilities_ = np.abs(np.eye(2)[y] - 0.8 * turned[:, None])
        self.quality_ = np.where(turned, 0.2, 1.0)
        return self


def test_they_count_more_too_where_the_veto_steps_in():
    X, y, groups, trusted, _ = spectra(wrong=0.1)
    clf = LabelQualityReweighter(Recorder(C=0.1), Contrarian(), random_state=0)
    with pytest.warns(DistillationWarning, match="worse than without"):
        clf.fit(X, y, groups=groups, trusted=trusted)
    assert clf.veto_.stepped_in
    _, y_seen, weight = Recorder.seen
    assert_array_equal(y_seen, y)
    expected = np.where(trusted, expected_count(clf, trusted), 1)
    assert_allclose(weight, expected, rtol=1e-3)
    assert_array_equal(clf.sample_weight_, weight)


def test_the_sampler_keeps_trusted_rows():
    X, y, groups, trusted, _ = spectra()
    sampler = DistillMixAugmenter(random_state=0)
    X_new, y_new = sampler.fit_resample(X, y, groups=groups, trusted=trusted)
    assert np.isin(np.flatnonzero(trusted), sampler.sample_indices_).all()
    assert len(y_new) < len(y)
    with pytest.raises(ValueError, match="trusted belongs to the rows before"):
        LabelNoiseModel().fit(X_new, y_new, trusted=np.ones(len(y_new), bool))


def routed(model, X, y, groups, trusted):
    """Fit by metadata routing and return it."""
    with sklearn.config_context(enable_metadata_routing=True):
        return model.fit(X, y, groups=groups, trusted=trusted)


def test_trusted_reaches_every_step_and_is_cut_with_the_rows():
    X, y, groups, trusted, _ = spectra()
    quality = OutOfFoldLabelQuality(LINEAR, random_state=0)
    reweighter = LabelQualityReweighter(LINEAR, quality, veto=False)
    expected = reweighter.fit(X, y, groups=groups, trusted=trusted).sample_weight_
    assert (expected[trusted] == 1).all()

    pipe = routed(make_pipeline(StandardScaler(), reweighter), X, y, groups, trusted)
    assert (pipe[-1].sample_weight_[trusted] == 1).all()
    assert (pipe[-1].sample_weight_[~trusted] != 1).any()

    grid = {"labelqualityreweighter__estimator__C": [0.1, 1]}
    search = GridSearchCV(make_pipeline(StandardScaler(), reweighter), grid, cv=GroupKFold(3))
    best = routed(search, X, y, groups, trusted).best_estimator_[-1]
    assert (best.sample_weight_[trusted] == 1).all()

    with sklearn.config_context(enable_metadata_routing=True):
        result = cross_validate(
            reweighter, X, y, cv=GroupKFold(3), return_estimator=True, return_indices=True,
            params={"groups": groups, "trusted": trusted},
        )  # fmt: skip
    for fitted, train in zip(result["estimator"], result["indices"]["train"], strict=True):
        assert (fitted.sample_weight_[trusted[train]] == 1).all()
        assert (fitted.sample_weight_[~trusted[train]] != 1).any()


def test_trusted_reaches_estimators_that_are_compared():
    X, y, groups, trusted, _ = spectra()
    quality = OutOfFoldLabelQuality(LINEAR, random_state=0)
    told = LabelQualityReweighter(LINEAR, quality, veto=False)
    given = {"groups": groups, "cv": list(GroupKFold(3).split(X, y, groups))}
    table = compare_estimators(
        {"told": told, "plain": LINEAR}, X, y, trusted=trusted, scoring="roc_auc", **given
    )
    expected = []
    for train, test in given["cv"]:
        told.fit(X[train], y[train], groups=groups[train], trusted=trusted[train])
        expected.append(roc_auc_score(y[test], told.decision_function(X[test])))
    assert_allclose(table.loc[table["estimator"] == "told", "score"], expected)
    with pytest.raises(ValueError, match="trusted has shape"):
        compare_estimators({"told": told}, X, y, trusted=trusted[1:], **given)


def test_trusted_reaches_samplers():
    X, y, groups, trusted, _ = spectra()
    sampler = DistillMixAugmenter(
        OutOfFoldLabelQuality(LINEAR, keep=0.3, random_state=0), random_state=0
    )
    forest = RandomForestClassifier(5, random_state=0)
    rows = np.flatnonzero(trusted)
    pipe = routed(SamplerPipeline([("s", sampler), ("c", forest)]), X, y, groups, trusted)
    assert np.isin(rows, pipe.named_steps["s"].sample_indices_).all()
    inside = ResamplingClassifier(sampler, forest)
    for fitted in (
        inside.fit(X, y, groups=groups, trusted=trusted),
        routed(inside, X, y, groups, trusted),
    ):
        assert np.isin(rows, fitted.sampler_.sample_indices_).all()
    with pytest.raises(ValueError, match="trusted belongs to the rows before resampling"):
        ResamplingClassifier(Repeats(), LabelQualityReweighter(LINEAR)).fit(X, y, trusted=trusted)


class Repeats(BaseEstimator):
    """A sampler that changes nothing."""

    def fit_resample(self, X, y):
        return X, y


def self_trained_by_loops(X, y, groups, trusted, folds, n_iter):
    """Return mean probabilities of class 1 for patients whose labels agree."""
    of_patient = np.array([y[groups == g][0] for g in range(groups.max() + 1)])
    checked = np.array([trusted[groups == g].all() for g in range(groups.max() + 1)])
    total = np.zeros(len(checked))
    for fold in folds:
        kept = np.ones(len(checked), bool)
        for _ in range(n_iter):
            p = np.zeros(len(checked))
            for h in np.unique(fold):
                train = (fold != h)[groups] & kept[groups]
                weight = np.where(trusted, 3.0, 1.0)[train]
                judge = LogisticRegression(C=0.03, max_iter=1000)
                judge.fit(X[train], y[train], sample_weight=weight)
                share = np.average(y[train], weights=weight)
                odds = judge.predict_proba(X)
                odds = odds[:, 1] / odds[:, 0] * (1 - share) / share
                odds *= of_patient.mean() / (1 - of_patient.mean())
                for g in np.flatnonzero(fold == h):
                    p[g] = np.mean((odds / (1 + odds))[groups == g])
            own = np.where(of_patient == 1, p, 1 - p)
            kept = checked.copy()
            for k in (0, 1):
                members = sorted(np.flatnonzero(of_patient == k), key=lambda g: -own[g])
                kept[members[: max(2, round(len(members) / 2))]] = True
        total += p / len(folds)
    return total, of_patient, checked


def test_self_training_is_that_of_plain_loops():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(24), 3)
    z = np.arange(24) % 2
    X = z[groups][:, None] + rng.normal(size=(24, 4))[groups] + rng.normal(size=(72, 4))
    y = np.where(rng.rand(24) < 0.3, 1 - z, z)[groups]
    trusted = groups < 5
    y = np.where(trusted, z[groups], y)
    folds = [rng.permutation(24) % 4, rng.permutation(24) % 4]
    steps = Explanation(
        LogisticRegression(C=0.03, max_iter=1000),
        X,
        y,
        groups,
        np.ones(72),
        folds,
        np.zeros(2),
        np.zeros(2, bool),
        trusted,
        1.0,
        2,
        None,
    )
    posterior = np.where(y[:, None] == [0, 1], 0.8, 0.2)
    p, label, checked = self_trained_by_loops(X, y, groups, trusted, folds, 2)
    rates = NoiseRates(2, patients=0.2, rows=False)
    S, known = np.log(np.c_[1 - p, p]), np.where(checked, label, -1)
    rates.fit(S, np.eye(2)[label], known)
    expected = rates.posterior(S, np.eye(2)[label], known)
    assert_allclose(steps.self_trained(posterior), expected[groups], atol=2e-3)
    # labels agree in all patients: half of the result
    probabilities = steps.run()["probabilities"]
    steps.n_iter = 0
    cautious = steps.run()["probabilities"]
    steps.n_iter = 2
    half = (cautious + steps.self_trained(cautious)) / 2
    assert_allclose(probabilities[~trusted], half[~trusted], atol=1e-12)


def test_self_training_needs_trusted_rows_and_labels_that_agree():
    X, y, groups, trusted, _ = spectra()
    alternating = np.where(trusted, y, np.arange(len(y)) % 2)
    for labels, told in ((y, np.zeros(len(y), bool)), (alternating, trusted)):
        results = [
            LabelNoiseModel(n_iter=n_iter, random_state=0)
            .fit(X, labels, groups=groups, trusted=told)
            .label_probabilities_
            for n_iter in (0, 3)
        ]
        assert_array_equal(*results)


def test_self_training_finds_wrong_patients():
    found = {0: [], 3: []}
    for seed in range(1, 4):  # with seed 0 the judges are at chance
        X, y, groups, trusted, wrong = spectra(seed, wrong=0.35, share_trusted=0.2)
        for n_iter, scores in found.items():
            model = LabelNoiseModel(n_iter=n_iter, random_state=0)
            model.fit(X, y, groups=groups, trusted=trusted)
            scores.append(roc_auc_score(wrong[~trusted], -model.quality_[~trusted]))
    assert np.greater(found[3], found[0]).all()
    assert np.mean(found[3]) > np.mean(found[0]) + 0.02


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.7, 1.0])
def test_a_given_rate_leaves_labels_some_information(rate):
    S, counts = np.random.RandomState(0).normal(size=(20, 2)), np.eye(2)[np.arange(20) % 2]
    P = NoiseRates(2, patients=rate).fit(S, counts).posterior(S, counts)
    assert np.isfinite(P).all()
