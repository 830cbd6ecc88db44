"""scikit-learn's and imbalanced-learn's own checks over every public estimator."""

import warnings

import pytest
from imblearn.utils.estimator_checks import check_param_validation, estimator_checks_generator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrobust import (
    MLP,
    AdversarialNetClassifier,
    AEOutlierRemover,
    CertainSamples,
    ClassWeightedKNeighborsClassifier,
    DenoisedRowsAugmenter,
    DistillationWarning,
    DistillMixAugmenter,
    EarlyLabelQuality,
    FactorMixSampler,
    GaussianNoiseAugmenter,
    InfluencePerturber,
    InfluenceReweighter,
    LabelNoiseModel,
    LabelQualityReweighter,
    LogitAdjustedClassifier,
    NetClassifier,
    Noise2VoidDenoiser,
    OutlierRemovalWarning,
    OutlierRemover,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    TripletEmbedder,
)
from skrobust.outliers import NeighborDistance


def linear():
    return SGDClassifier(loss="log_loss", random_state=0)


SAMPLERS = [
    AEOutlierRemover(restarts=(2,), max_epochs=5, lr=0.01, random_state=0),
    OutlierRemover(cv=2, n_repeats=1, random_state=0),
    DistillMixAugmenter(LabelNoiseModel(cv=3, n_repeats=1), random_state=0),
    DistillMixAugmenter(
        OutOfFoldLabelQuality(linear(), cv=2), strategy="both", balance="random", random_state=0
    ),
    FactorMixSampler(
        targets="sampled", width=4, class_epochs=1, max_epochs=1, batch_size=256, random_state=0
    ),
    FactorMixSampler(
        targets="soft", width=4, class_epochs=1, max_epochs=1, batch_size=256, random_state=0
    ),
    GaussianNoiseAugmenter(factor=2, random_state=0),
    DenoisedRowsAugmenter(Noise2VoidDenoiser(max_epochs=1, batch_size=256), random_state=0),
]
CLASSIFIERS = [
    ClassWeightedKNeighborsClassifier(),
    LogitAdjustedClassifier(LogisticRegression()),
    NetClassifier(max_epochs=6, lr=0.01, random_state=0),
    NetClassifier(MLP, n_members=2, max_epochs=6, lr=0.02, random_state=0),
    NetClassifier(MLP, mixup="input", max_epochs=6, lr=0.02, random_state=0),
    NetClassifier(MLP, mixup="manifold", max_epochs=6, lr=0.02, random_state=0),
    AdversarialNetClassifier(MLP, max_epochs=6, lr=0.02, random_state=0),
    InfluencePerturber(NetClassifier(MLP, max_epochs=8), warmup_epochs=4, random_state=0),
    InfluenceReweighter(NetClassifier(MLP, max_epochs=8), warmup_epochs=4, random_state=0),
    ResamplingClassifier(GaussianNoiseAugmenter(scale=0.01, random_state=0), LogisticRegression()),
    LabelQualityReweighter(
        LogisticRegression(), LabelNoiseModel(cv=2, n_repeats=1), veto=False, random_state=0
    ),
    LabelQualityReweighter(
        LogisticRegression(),
        OutOfFoldLabelQuality(linear(), cv=2),
        veto=linear(),
        random_state=0,
    ),
]
DISTILLERS = [
    CertainSamples(linear()),
    EarlyLabelQuality(linear()),
    LabelNoiseModel(cv=3, n_repeats=1, random_state=0),
    OutOfFoldLabelQuality(linear(), cv=2),
]

DETECTORS = [NeighborDistance()]

TRANSFORMERS = [
    Noise2VoidDenoiser(max_epochs=2, random_state=0),
    TripletEmbedder(max_epochs=2, random_state=0),
]

DENSE_ONLY = {
    "check_samplers_pandas_sparse": "spectra, images and volumes are dense; sparse X is refused",
}

SOFT_TARGETS = {
    "check_samplers_pandas": "soft labels are a table with a column for each class: no Series",
    "check_samplers_list": "soft labels are a table with a column for each class: no list",
    "check_samplers_multiclass_ova": "soft labels hold shares, not the 0 and 1 of one-hot labels",
    "check_samplers_preserve_dtype": "soft labels hold shares: floats, whatever the labels' dtype",
}

MINIBATCHES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "minibatches are drawn by row, and batch norm and dropout see a row once, whatever its "
        "weight; with full batches and neither, weights are repeats exactly (tested)"
    ),
}

# the only list of exceptions: class name, and kind of targets -> check -> why it cannot hold
EXPECTED_FAILURES = {
    "AdversarialNetClassifier": MINIBATCHES,
    "NetClassifier": MINIBATCHES,
    "AEOutlierRemover": {
        **DENSE_ONLY,
        "check_samplers_one_label": "rows of one kind, one label, are what it is for",
        "check_classifiers_with_encoded_labels": (
            "run on everything with predict, but an outlier detector predicts +1 and -1"
        ),
    },
    "OutlierRemover": {
        **DENSE_ONLY,
        "check_samplers_one_label": "rows of one kind, one label, are what it is for",
        "check_classifiers_with_encoded_labels": (
            "run on everything with predict, but an outlier detector predicts +1 and -1"
        ),
    },
    "DistillMixAugmenter": DENSE_ONLY,
    "FactorMixSampler": DENSE_ONLY,
    "FactorMixSampler, soft": {**DENSE_ONLY, **SOFT_TARGETS},
    "GaussianNoiseAugmenter": DENSE_ONLY,
    "DenoisedRowsAugmenter": DENSE_ONLY,
    "LabelQualityReweighter": {
        "check_sample_weight_equivalence_on_dense_data": (
            "labels are judged in folds of rows, whatever their weight"
        ),
        "check_sample_weight_equivalence_on_sparse_data": (
            "labels are judged in folds of rows, whatever their weight"
        ),
    },
}


def expected_failures(estimator):
    name = type(estimator).__name__
    if name == "FactorMixSampler" and estimator.targets == "soft":
        name += ", soft"
    return EXPECTED_FAILURES.get(name, {})


@parametrize_with_checks(
    CLASSIFIERS + DETECTORS + DISTILLERS + SAMPLERS + TRANSFORMERS,
    expected_failed_checks=expected_failures,
)
def test_sklearn_checks(estimator, check):
    with warnings.catch_warnings():
        # the checks' tiny sets leave distillers little choice, and folds few members of a class
        warnings.simplefilter("ignore", DistillationWarning)
        warnings.simplefilter("ignore", OutlierRemovalWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)  # embeddings after two epochs
        warnings.filterwarnings("ignore", message="The least populated class")
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        check(estimator)


def imblearn_checks():
    for sampler in SAMPLERS:
        yield from estimator_checks_generator(
            sampler, expected_failed_checks=expected_failures(sampler), mark="xfail"
        )


@pytest.mark.parametrize(
    ("estimator", "check"),
    list(imblearn_checks()),
    ids=lambda v: getattr(getattr(v, "func", None), "__name__", type(v).__name__),
)
def test_imblearn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.parametrize("estimator", SAMPLERS, ids=str)
def test_every_sampler_parameter_is_validated(estimator):
    check_param_validation(type(estimator).__name__, estimator)
