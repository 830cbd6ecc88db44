"""Fitted and unfitted estimators come back from pickle, joblib and skops as they were."""

import pickle

import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skrobust import (
    MLP,
    AdversarialNetClassifier,
    InfluencePerturber,
    InfluenceReweighter,
    LabelQualityReweighter,
    NetClassifier,
    Noise2VoidDenoiser,
    OutOfFoldLabelQuality,
)


def net():
    return NetClassifier(MLP, max_epochs=2, module__width=4)


ESTIMATORS = [
    AdversarialNetClassifier(MLP, max_epochs=2, random_state=0),
    InfluencePerturber(net(), warmup_epochs=1, random_state=0),
    InfluenceReweighter(net(), warmup_epochs=1, random_state=0),
    InfluenceReweighter(
        net(), warmup_epochs=1, final_estimator=LogisticRegression(), random_state=0
    ),
    LabelQualityReweighter(net(), OutOfFoldLabelQuality(LogisticRegression()), random_state=0),
    NetClassifier(MLP, max_epochs=2, random_state=0),
    Noise2VoidDenoiser(max_epochs=1, module__width=2, random_state=0),
]


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = rng.randn(60, 12).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def by_skops(estimator, path):
    skops.io.dump(estimator, path)
    trusted = skops.io.get_untrusted_types(file=path)
    # nothing but this library's and torch's own classes has to be trusted
    assert all(name.startswith(("skrobust.", "torch.")) for name in trusted), trusted
    return skops.io.load(path, trusted=trusted)


def by_joblib(estimator, path):
    joblib.dump(estimator, path)
    return joblib.load(path)


def outputs(estimator, X):
    method = "transform" if hasattr(estimator, "transform") else "predict_proba"
    return getattr(estimator, method)(X)


@pytest.mark.parametrize(
    "way",
    [lambda e, path: pickle.loads(pickle.dumps(e)), by_joblib, by_skops],
    ids=["pickle", "joblib", "skops"],
)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_round_trips(estimator, way, data, tmp_path):
    X, y = data
    fitted = clone(estimator).fit(X, y)
    back = way(fitted, tmp_path / "model")
    assert_array_equal(outputs(back, X), outputs(fitted, X))
    empty = way(clone(estimator), tmp_path / "unfitted")
    assert_array_equal(outputs(empty.fit(X, y), X), outputs(fitted, X))
