"""The pieces in the pipelines and searches that users build."""

import warnings

import numpy as np
import pytest
import sklearn
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline, make_pipeline
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import Pipeline as PlainPipeline
from sklearn.pipeline import make_pipeline as make_plain_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import (
    MLP,
    CertainSamples,
    DistillationWarning,
    DistillMixAugmenter,
    GaussianNoiseAugmenter,
    InfluencePerturber,
    InfluenceReweighter,
    InfluenceWarning,
    LabelQualityReweighter,
    NetClassifier,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    compare_estimators,
    group_accuracy_scorer,
    make_mr_spectra,
)
from skrobust.label_noise import quality_weights


@pytest.fixture(scope="module")
def spectra():
    return make_mr_spectra(
        n_patients=24, n_voxels=(3, 8), n_points=64, random_state=0, return_X_y_groups=True
    )


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def cheap(**params):
    return OutOfFoldLabelQuality(LogisticRegression(C=0.01), cv=3, random_state=0, **params)


@pytest.mark.usefixtures("routing")
def test_the_main_search_runs_and_repeats_bit_for_bit(spectra):
    X, y, patient = spectra
    certain = CertainSamples(NetClassifier())
    pipe = Pipeline(
        [
            ("scale", StandardScaler()),
            ("augment", DistillMixAugmenter(certain, strategy="both", random_state=0)),
            ("clf", NetClassifier(max_epochs=2, random_state=0)),
        ]
    )
    grid = {
        "augment__alpha": [0.3, 0.5],
        "augment__strategy": ["same"],
        "augment__distiller__threshold": [0.6],
        "clf__module__width": [2],
    }
    searches = []
    for n_jobs in (1, 2):
        search = GridSearchCV(
            pipe, grid, cv=StratifiedGroupKFold(3), scoring=group_accuracy_scorer, n_jobs=n_jobs
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DistillationWarning)
            searches.append(search.fit(X, y, groups=patient))
    one, two = searches
    scores = one.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert_array_equal(scores, two.cv_results_["mean_test_score"])


@pytest.mark.usefixtures("routing")
def test_groups_reach_sampler_and_inner_split_sliced_to_the_fold(spectra):
    X, y, patient = spectra
    pipe = make_pipeline(
        DistillMixAugmenter(
            cheap(level="group"), strategy="both", balance="group", factor=1, random_state=0
        ),
        SVC(),
    )
    scores = cross_val_score(
        pipe, X, y, cv=StratifiedGroupKFold(3), scoring="roc_auc", params={"groups": patient}
    )
    assert np.isfinite(scores).all()
    clf = NetClassifier(MLP, max_epochs=1, early_stopping=True, random_state=0)
    scores = cross_val_score(
        make_pipeline(StandardScaler(), clf),
        X,
        y,
        cv=StratifiedGroupKFold(3),
        params={"groups": patient},
    )
    assert np.isfinite(scores).all()


@pytest.mark.usefixtures("routing")
def test_groups_after_a_sampler_follow_its_rows_or_are_refused(spectra):
    X, y, patient = spectra
    clf = NetClassifier(MLP, max_epochs=1, random_state=0)
    stopping = NetClassifier(MLP, max_epochs=1, early_stopping=True, random_state=0)
    of_one_patient = GaussianNoiseAugmenter(factor=2, random_state=0)
    for last in (clf, stopping):
        make_pipeline(of_one_patient, last).fit(X, y, groups=patient)
    lengthens = RandomOverSampler(sampling_strategy={0: 100, 1: 100}, random_state=0)
    make_pipeline(lengthens, clf).fit(X, y, groups=patient)
    with pytest.raises(ValueError, match="a sampler earlier in the pipeline changed the rows"):
        make_pipeline(lengthens, stopping).fit(X, y, groups=patient)


@pytest.mark.usefixtures("routing")
def test_validation_rows_are_transformed_like_the_training_rows(spectra):
    X, y, _ = spectra
    steps = [("scale", StandardScaler()), ("clf", NetClassifier(MLP, max_epochs=2, random_state=0))]
    pipe = PlainPipeline(steps, transform_input=["X_val"])
    pipe.fit(X[40:], y[40:], X_val=X[:40], y_val=y[:40])
    scaled = StandardScaler().fit(X[40:]).transform(X[:40])
    proba = pipe[-1].predict_proba(scaled)
    loss = -np.log(proba[np.arange(40), y[:40]]).mean()
    assert pipe[-1].history_[-1]["valid_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("targets", ["soft", "weighted"])
def test_soft_labels_trains_the_network_through_a_pipeline(spectra, targets):
    X, y, _ = spectra
    labels = np.array(["healthy", "tumour"])[y]
    pipe = make_pipeline(
        StandardScaler(),
        DistillMixAugmenter(cheap(), strategy="both", targets=targets, factor=2, random_state=0),
        NetClassifier(MLP, max_epochs=10, random_state=0),
    ).fit(X, labels)
    assert_array_equal(pipe.classes_, ["healthy", "tumour"])
    assert pipe.score(X, labels) > 0.6


def test_sklearns_own_pipeline_takes_a_sampler_inside_a_classifier(spectra):
    X, y, _ = spectra
    with pytest.raises(TypeError, match="intermediate steps"):
        make_plain_pipeline(StandardScaler(), SMOTE(), SVC()).fit(X, y)
    mixing = DistillMixAugmenter(cheap(), strategy="both", random_state=0)
    for sampler in (SMOTE(random_state=0), mixing):
        inside = ResamplingClassifier(sampler, SVC())
        pipe = make_plain_pipeline(StandardScaler(), inside).fit(X, y)
        scaled = StandardScaler().fit_transform(X)
        by_hand = SVC().fit(*sklearn.base.clone(sampler).fit_resample(scaled, y))
        assert_array_equal(pipe.decision_function(X), by_hand.decision_function(scaled))
        assert not hasattr(pipe, "predict_proba")


def test_smote_before_a_network_in_a_grouped_comparison(spectra):
    X, y, patient = spectra
    clf = ResamplingClassifier(SMOTE(random_state=0), NetClassifier(MLP, max_epochs=1))
    results = compare_estimators({"net": clf}, X, y, groups=patient, cv=3, scoring="roc_auc")
    assert results["score"].notna().all()


def test_resampling_classifier_errors(spectra):
    X, y, patient = spectra
    uneven = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:20]]
    net = NetClassifier(MLP, max_epochs=1, early_stopping=True, validation_fraction=0.5)
    with pytest.raises(ValueError, match="does not say in sample_indices_"):
        ResamplingClassifier(SMOTE(), net).fit(X[uneven], y[uneven], groups=patient[uneven])
    clf = ResamplingClassifier(SMOTE(), SVC())
    with pytest.raises(ValueError, match="neither SMOTE nor SVC takes them"):
        clf.fit(X, y, groups=patient)
    with pytest.raises(ValueError, match="sample_weight belongs to the rows before resampling"):
        clf.fit(X, y, sample_weight=np.ones(len(y)))


def test_label_quality_reweighter_is_a_fit_with_quality_weights(spectra):
    X, y, patient = spectra
    clf = LabelQualityReweighter(SVC(), cheap(level="group"), veto=False)
    clf.fit(X, y, groups=patient)
    quality = cheap(level="group").fit(X, y, groups=patient).quality_
    assert_allclose(clf.sample_weight_, quality_weights(quality, y))
    by_hand = SVC().fit(X, y, sample_weight=quality_weights(quality, y))
    assert_array_equal(clf.decision_function(X), by_hand.decision_function(X))
    assert_array_equal(clf.noisy_indices_, clf.distiller_.noisy_indices_)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        LabelQualityReweighter(sklearn.neighbors.KNeighborsClassifier()).fit(X, y)


@pytest.mark.parametrize(
    "last",
    [
        InfluencePerturber(NetClassifier(MLP, max_epochs=4), warmup_epochs=2),
        InfluenceReweighter(NetClassifier(MLP, max_epochs=4), warmup_epochs=2),
        NetClassifier(MLP, max_epochs=3),
        LabelQualityReweighter(LogisticRegression(C=0.01), veto=False),
        ResamplingClassifier(GaussianNoiseAugmenter(factor=2), LogisticRegression(C=0.01)),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("labels", [["no", "yes"], [7, 3], [-1, 1]], ids=str)
def test_last_step_of_a_pipeline_with_labels_of_any_kind(spectra, last, labels):
    X, y, _ = spectra
    named = np.array(labels)[y]
    pipe = make_plain_pipeline(StandardScaler(), last).fit(X, named)
    assert is_classifier(last)
    assert set(pipe.classes_) == set(labels)
    assert set(pipe.predict(X)) <= set(labels)
    assert pipe.predict_proba(X).shape == (len(X), 2)
    assert pipe.score(X, named) > 0.5


def test_network_weights_follow_label_quality(spectra):
    X, y, patient = spectra
    net = NetClassifier(MLP, max_epochs=2, early_stopping=True, validation_fraction=0.2)
    clf = LabelQualityReweighter(net, cheap(), veto=False, random_state=0)
    first = clf.fit(X, y, groups=patient).predict_proba(X)
    assert_array_equal(first, clf.fit(X, y, groups=patient).predict_proba(X))


@pytest.mark.parametrize("kind", [InfluenceReweighter, InfluencePerturber])
def test_influence_in_a_grouped_search_over_a_pipeline(spectra, kind, tmp_path):
    X, y, patient = spectra
    net = NetClassifier(MLP, max_epochs=3, module__width=4)
    clf = kind(net, warmup_epochs=2, memory=str(tmp_path), random_state=0)
    grid = {"clf__alpha": [2, 10]} if kind is InfluenceReweighter else {"clf__step": [0.01, 0.1]}
    pipe = Pipeline([("scale", StandardScaler()), ("clf", clf)])
    with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", InfluenceWarning)
        searches = [
            GridSearchCV(
                pipe, grid, cv=StratifiedGroupKFold(3), scoring=group_accuracy_scorer, n_jobs=n
            ).fit(X, y, groups=patient)
            for n in (1, 2)
        ]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    assert_array_equal(one, two)
    best = searches[0].best_estimator_["clf"]
    assert not set(patient[best.validation_indices_]) & set(patient[np.isfinite(best.influence_)])


def test_validation_rows_of_influence_are_transformed(spectra):
    X, y, _ = spectra
    net = NetClassifier(MLP, max_epochs=2, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        steps = [("scale", StandardScaler()), ("clf", InfluenceReweighter(net, warmup_epochs=1))]
        pipe = PlainPipeline(steps, transform_input=["X_val"])
        pipe.fit(X[40:], y[40:], X_val=X[:40], y_val=y[:40])
    scale = StandardScaler().fit(X[40:])
    by_hand = InfluenceReweighter(net, warmup_epochs=1)
    by_hand.fit(scale.transform(X[40:]), y[40:], X_val=scale.transform(X[:40]), y_val=y[:40])
    assert_allclose(pipe[-1].influence_, by_hand.influence_)
