"""One small instance, or a few, of every public estimator and sampler, for tests over them all."""

import inspect

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier

import skrobust
from skrobust import (
    MLP,
    AdversarialNetClassifier,
    AEOutlierRemover,
    CertainSamples,
    ClassWeightedKNeighborsClassifier,
    DenoisedRowsAugmenter,
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
    OutlierRemover,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    TripletEmbedder,
)

# public estimators that are arrays or base classes would be named here, with the reason
NOT_COVERED: dict[str, str] = {}


def net(**params):
    return NetClassifier(MLP, max_epochs=2, module__width=4, **params)


def linear():
    return SGDClassifier(loss="log_loss", random_state=0)


def small_estimators():
    """Return new unfitted instances, each of which fits a small table in well under a second."""
    return [
        AdversarialNetClassifier(MLP, max_epochs=2, module__width=4, random_state=0),
        AEOutlierRemover(restarts=(2,), max_epochs=2, removal_interval=1, random_state=0),
        OutlierRemover(cv=2, n_repeats=1, random_state=0),
        CertainSamples(net(), max_epochs=2, threshold=0.6, random_state=0),
        ClassWeightedKNeighborsClassifier(3),
        DistillMixAugmenter(
            OutOfFoldLabelQuality(linear(), cv=2), strategy="both", factor=2, random_state=0
        ),
        DistillMixAugmenter(
            EarlyLabelQuality(net(), max_epochs=2), strategy="other", targets="soft", balance=None,
            random_state=0,
        ),
        DenoisedRowsAugmenter(
            Noise2VoidDenoiser(max_epochs=1, module__width=2), random_state=0
        ),
        EarlyLabelQuality(net(), max_epochs=2, random_state=0),
        FactorMixSampler(
            width=2, n_codes=4, class_epochs=1, max_epochs=1, adversary_steps=1, random_state=0
        ),
        FactorMixSampler(
            targets="sampled", width=2, n_codes=4, class_epochs=1, max_epochs=1, random_state=0
        ),
        GaussianNoiseAugmenter(factor=2, random_state=0),
        InfluencePerturber(net(), warmup_epochs=1, random_state=0),
        InfluenceReweighter(net(), warmup_epochs=1, random_state=0),
        InfluenceReweighter(
            net(), warmup_epochs=1, final_estimator=LogisticRegression(), random_state=0
        ),
        LabelNoiseModel(cv=3, n_repeats=1, random_state=0),
        LabelQualityReweighter(
            net(), OutOfFoldLabelQuality(linear(), cv=2), veto=linear(), random_state=0
        ),
        LabelQualityReweighter(
            LogisticRegression(), LabelNoiseModel(cv=3, n_repeats=1), veto=False, random_state=0
        ),
        LogitAdjustedClassifier(net(random_state=0)),
        net(random_state=0),
        net(n_members=2, random_state=0),
        NetClassifier(max_epochs=1, module__width=2, random_state=0),
        net(mixup="manifold", logit_adjustment=1.0, early_stopping=True, random_state=0),
        net(balanced_batches=True, augment="noise", class_weight="balanced", random_state=0),
        Noise2VoidDenoiser(max_epochs=1, module__width=2, random_state=0),
        OutOfFoldLabelQuality(linear(), cv=2, random_state=0),
        ResamplingClassifier(GaussianNoiseAugmenter(factor=2, random_state=0), net(random_state=0)),
        TripletEmbedder(MLP, max_epochs=1, module__width=4, augment="noise", random_state=0),
        TripletEmbedder(
            MLP, pretrain="nt_xent", pretrain_epochs=1, max_epochs=1, module__width=4,
            augment="noise", loss="cross_entropy", validation_fraction=0.25, random_state=0,
        ),
    ]  # fmt: skip


def public_estimator_classes():
    """Return every public class that is an estimator."""
    public = [getattr(skrobust, name) for name in skrobust.__all__]
    return [c for c in public if inspect.isclass(c) and issubclass(c, BaseEstimator)]


def missing_estimators(covered):
    """Return the names of the public estimators that are not among some instances."""
    names = {c.__name__ for c in public_estimator_classes()}
    return names - {type(e).__name__ for e in covered} - set(NOT_COVERED)


def ids(estimators):
    """Return names for parametrized tests: the class, numbered where there are several."""
    names = [type(e).__name__ for e in estimators]
    return [f"{n}-{names[:i].count(n)}" if names.count(n) > 1 else n for i, n in enumerate(names)]


def small_table(n_rows=60, n_columns=12, seed=0):
    """Return rows, labels and groups that every one of the small estimators can be fitted on."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n_rows, n_columns).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int), np.arange(n_rows) % 15


def takes_groups(estimator):
    """Tell whether `fit` or `fit_resample` takes groups."""
    method = getattr(estimator, "fit_resample", estimator.fit)
    return any(
        name == "groups" or p.kind is p.VAR_KEYWORD
        for name, p in inspect.signature(method).parameters.items()
    )


def fit(estimator, X, y, **kwargs):
    """Fit, or for a sampler resample."""
    if hasattr(estimator, "fit_resample"):
        estimator.fit_resample(X, y, **kwargs)
        return estimator
    return estimator.fit(X, y, **kwargs)


_OUTPUTS = (
    "predict_proba",
    "decision_function",
    "predict",
    "transform",
    "score_samples",
    "reconstruct",
    "error_map",
    "encode",
)


def outputs(estimator, X):
    """Return all that a fitted estimator says: of rows, and in its fitted arrays."""
    said = {}
    for name in _OUTPUTS:
        if hasattr(estimator, name):
            result = getattr(estimator, name)(X)
            parts = result if isinstance(result, tuple) else (result,)
            said.update({f"{name} {i}": np.asarray(part) for i, part in enumerate(parts)})
    for name, value in vars(estimator).items():
        if name.endswith("_") and isinstance(value, np.ndarray | float | int):
            said[name] = np.asarray(value)
    return said


def differences(said, other):
    """Return the names under which two `outputs` differ by as much as a bit."""
    if said.keys() != other.keys():
        return sorted(said.keys() ^ other.keys())
    return [
        name
        for name in said
        if said[name].dtype != other[name].dtype
        or not np.array_equal(said[name], other[name], equal_nan=said[name].dtype.kind == "f")
    ]
