"""Groups and weights of rows that a sampler made: the right ones, or an error."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn import FunctionSampler
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline as make_plain_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import (
    DistillMixAugmenter,
    FactorMixSampler,
    GaussianNoiseAugmenter,
    LabelQualityReweighter,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
)

PATIENT = np.repeat(np.arange(24), 5)
Y = np.tile(np.repeat([0, 1], 5), 12)
X = np.random.RandomState(0).randn(120, 4) + Y[:, None]
X[:, 3] = PATIENT  # tells where a row comes from
QUALITY = OutOfFoldLabelQuality(LogisticRegression(), keep=0.5, random_state=0)


class Foreign(ClassifierMixin, BaseEstimator):
    """Takes groups as they come, as another library's classifier would."""

    __metadata_request__fit = {"groups": True, "sample_weight": True}

    def fit(self, X, y, sample_weight=None, groups=None):
        self.classes_, self.X_, self.groups_, self.weight_ = np.unique(y), X, groups, sample_weight
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def ours():
    """Return a classifier of this library that looks at groups."""
    return LabelQualityReweighter(
        LogisticRegression(),
        OutOfFoldLabelQuality(LogisticRegression()),
        use="weight",
        veto=False,
        random_state=0,
    )


@pytest.fixture(params=[False, True], ids=["plain", "routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


SELECTING = {
    "noise": GaussianNoiseAugmenter(factor=2, scale=0, random_state=0),
    "as many rows": DistillMixAugmenter(
        QUALITY, factor=2, strategy="same", alpha=0.0, balance=None, random_state=0
    ),
    "selection": DistillMixAugmenter(QUALITY, strategy=None, random_state=0),
    "imblearn's over-sampler": RandomOverSampler(random_state=0),
    "imblearn's under-sampler": RandomUnderSampler(random_state=0),
}


@pytest.mark.parametrize("name", SELECTING)
@pytest.mark.usefixtures("routing")
def test_a_classifier_gets_the_groups_and_weights_of_the_rows_it_gets(name):
    weight = np.arange(120.0)
    rows = np.r_[np.arange(100), 110:115]  # classes of different size
    clf = ResamplingClassifier(SELECTING[name], Foreign())
    if name == "as many rows":
        with pytest.raises(ValueError, match="were mixed from rows of several groups"):
            clf.fit(X[rows], Y[rows], groups=PATIENT[rows], sample_weight=weight[rows])
        return
    clf.fit(X[rows], Y[rows], groups=PATIENT[rows], sample_weight=weight[rows])
    inside = clf.estimator_
    assert_array_equal(inside.groups_, inside.X_[:, 3])
    assert_array_equal(inside.weight_ // 5, inside.groups_)


MIXING = {
    "other patients": DistillMixAugmenter(QUALITY, strategy="both", factor=2, random_state=0),
    "factors": FactorMixSampler(targets="hard", max_epochs=1, class_epochs=1, random_state=0),
}


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("inside", [Foreign(), ours()], ids=["foreign", "ours"])
@pytest.mark.usefixtures("routing")
def test_rows_mixed_from_several_patients_have_no_group(name, inside):
    with pytest.raises(ValueError, match="were mixed from rows of several groups"):
        ResamplingClassifier(MIXING[name], inside).fit(X, Y, groups=PATIENT)


def shuffled(X, y):
    order = np.random.RandomState(0).permutation(len(X))
    return X[order], y[order]


@pytest.mark.parametrize(
    "sampler", [SMOTE(random_state=0), FunctionSampler(func=shuffled)], ids=["SMOTE", "shuffle"]
)
@pytest.mark.parametrize("inside", [Foreign(), ours()], ids=["foreign", "ours"])
@pytest.mark.usefixtures("routing")
def test_a_sampler_that_does_not_tell_where_its_rows_come_from(sampler, inside):
    with pytest.raises(ValueError, match="does not say in sample_indices_"):
        ResamplingClassifier(sampler, inside).fit(X[:115], Y[:115], groups=PATIENT[:115])
    if isinstance(inside, Foreign):
        with pytest.raises(ValueError, match="sample_weight belongs to the rows before"):
            ResamplingClassifier(sampler, inside).fit(X, Y, sample_weight=np.ones(120))


def test_a_sampler_that_changes_nothing_changes_no_groups():
    clf = ResamplingClassifier(FunctionSampler(func=None, validate=False), Foreign())
    clf.fit(X, Y, groups=PATIENT)
    assert_array_equal(clf.estimator_.groups_, PATIENT)


@pytest.mark.parametrize("container", [np.asarray, pd.Series])
def test_pipelines_hand_on_groups_that_the_classifier_can_trust(container):
    y = container(Y)
    with sklearn.config_context(enable_metadata_routing=True):
        by_hand = GaussianNoiseAugmenter(factor=2, scale=0, random_state=0)
        X_new, y_new = by_hand.fit_resample(X, Y)
        expected = ours().fit(X_new, np.asarray(y_new), groups=PATIENT[by_hand.sample_indices_])
        pipe = make_pipeline(
            GaussianNoiseAugmenter(factor=2, scale=0, random_state=0), StandardScaler(), ours()
        )
        plain = make_plain_pipeline(StandardScaler(), ours())
        plain.fit(X_new, np.asarray(y_new), groups=PATIENT[by_hand.sample_indices_])
        pipe.fit(X, y, groups=PATIENT)
        assert_array_equal(pipe[-1].sample_weight_, plain[-1].sample_weight_)
        assert expected.sample_weight_.shape == pipe[-1].sample_weight_.shape
        for sampler in MIXING.values():
            with pytest.raises(ValueError, match="were mixed from rows of several groups"):
                make_pipeline(sampler, ours()).fit(X, y, groups=PATIENT)


def test_groups_that_the_sampler_was_not_given():
    pipe = make_pipeline(GaussianNoiseAugmenter(factor=1, random_state=0), ours())
    with pytest.raises(ValueError, match="a sampler that was given no groups"):
        pipe.fit(X, Y, labelqualityreweighter__groups=PATIENT)


@pytest.mark.parametrize("cached", [False, True])
def test_a_cached_pipeline_knows_the_groups_too(tmp_path, cached):
    sampler = DistillMixAugmenter(
        QUALITY, factor=2, strategy="same", alpha=0.3, balance=None, random_state=0
    )
    with sklearn.config_context(enable_metadata_routing=True):
        for _ in range(2):
            pipe = make_pipeline(sampler, ours(), memory=str(tmp_path) if cached else None)
            with pytest.raises(ValueError, match="were mixed from rows of several groups"):
                pipe.fit(X, Y, groups=PATIENT)
