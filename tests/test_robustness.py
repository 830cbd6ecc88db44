"""Whatever comes in: a result that holds its promises, or an error that says what is wrong.

Runs few and fixed examples. ``HYPOTHESIS_PROFILE=soak HYPOTHESIS_EXAMPLES=300 pytest
tests/test_robustness.py`` runs many new ones.
"""

import linecache
import os
import traceback
import warnings
from numbers import Integral, Real

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_estimators import fit, ids, missing_estimators, net, small_estimators
from sklearn.base import clone, is_classifier, is_outlier_detector
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.utils._param_validation import Interval, Options

from skrobust import (
    MLP,
    AEOutlierRemover,
    ClassWeightedKNeighborsClassifier,
    DistillationWarning,
    GaussianNoiseAugmenter,
    OutlierRemovalWarning,
    OutlierRemover,
    OutOfFoldLabelQuality,
    TripletEmbedder,
)
from skrobust.influence import InfluenceWarning
from skrobust.label_noise import keep_best
from skrobust.label_noise.distillers import LabelDistiller
from skrobust.utils.groups import check_groups
from skrobust.utils.targets import soft_labels

common = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("ci", max_examples=8, derandomize=True, **common)
settings.register_profile(
    "soak", max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", 300)), **common
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ESTIMATORS = small_estimators()
each_estimator = pytest.mark.parametrize("index", range(len(ESTIMATORS)), ids=ids(ESTIMATORS))

# for the user: the data or the settings are doubtful
MEANT = (
    ConvergenceWarning, DataConversionWarning, DistillationWarning, InfluenceWarning,
    OutlierRemovalWarning,
)  # fmt: skip
MEANT_BY_SKLEARN = (
    "The least populated class", "The number of unique classes", "X has feature names",
    "X does not have valid feature names", "Mind that for 0 < p < 1",
)  # fmt: skip
# these say in an error of their own what they were given
SPEAKS_FOR_ITSELF = "sklearn/", "imblearn/", "pandas/"


def run(action):
    """Return what an action returns; None if it refuses its input with a clear error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
        except (ValueError, TypeError) as error:
            if not is_clear(error):
                raise
            result = None
    for warning in caught:
        meant = issubclass(warning.category, MEANT) or (
            issubclass(warning.category, UserWarning)
            and str(warning.message).startswith(MEANT_BY_SKLEARN)
        )
        assert meant, f"{warning.filename}:{warning.lineno} {warning.category} {warning.message}"
    return result


def is_clear(error):
    """Tell whether an error was raised on purpose: by this library, or one that checks input."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(frame.filename, frame.lineno).strip()
    ours = "/skrobust/" in frame.filename and line.startswith("raise")
    return str(error) and (ours or any(part in frame.filename for part in SPEAKS_FOR_ITSELF))


def check_result(estimator, X, y):
    """Hold a fitted estimator to its promises."""
    n_rows = n_rows_of(X)
    indices = getattr(estimator, "sample_indices_", np.empty(0, dtype=int))
    assert np.isin(indices, np.arange(n_rows)).all()
    for name, value in vars(estimator).items():
        if name.endswith("_") and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            held_out = name == "influence_"  # NaN for the rows that were held out
            assert held_out or np.isfinite(value).all(), name
    if isinstance(estimator, LabelDistiller):
        assert estimator.kept_.dtype == bool
        assert estimator.kept_.shape == estimator.quality_.shape == (n_rows,)
        assert estimator.kept_.any()
        assert ((estimator.quality_ >= 0) & (estimator.quality_ <= 1 + 1e-6)).all()
        assert np.isin(estimator.noisy_indices_, np.arange(n_rows)).all()
        for label in estimator.classes_:
            assert estimator.kept_[np.ravel(y) == label].any()
    if is_classifier(estimator):
        proba = run(lambda: estimator.predict_proba(X))
        predicted = run(lambda: estimator.predict(X))
        if proba is None or predicted is None:
            return  # refused with a clear error: fewer rows than neighbours, or outputs overflow
        assert proba.shape == (n_rows, len(estimator.classes_))
        assert np.isfinite(proba).all()
        np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-4)
        assert np.isin(predicted, estimator.classes_).all()
        if hasattr(estimator, "decision_function"):
            scores = run(lambda: estimator.decision_function(X))
            assert scores is None or np.isfinite(scores).all()
    if is_outlier_detector(estimator):
        predicted = run(lambda: estimator.predict(X))
        assert predicted is None or np.isin(predicted, [-1, 1]).all()
        if hasattr(estimator, "reconstruct"):
            reconstructed = run(lambda: estimator.reconstruct(X))
            assert reconstructed is None or np.isfinite(reconstructed).all()
    if hasattr(estimator, "transform"):
        new = run(lambda: estimator.transform(X))
        assert new is None or (len(new) == n_rows and np.isfinite(np.asarray(new)).all())


def check_resampled(estimator, X, y, resampled):
    """Hold what a sampler has returned to its promises."""
    X_new, y_new = resampled
    assert type(X_new) is type(X) or isinstance(X, list)
    as_array = np.asarray(X_new)
    assert np.isfinite(as_array.astype(float)).all()
    assert as_array.shape[1:] == np.shape(X)[1:]
    assert y_new is None or len(y_new) == len(X_new)
    assert len(X_new) == len(estimator.sample_indices_)
    name = type(estimator).__name__
    if name in ("FactorMixSampler", "GaussianNoiseAugmenter"):
        np.testing.assert_array_equal(as_array[: len(X)], np.asarray(X))
    if isinstance(estimator, (AEOutlierRemover, OutlierRemover)):
        np.testing.assert_array_equal(as_array, np.asarray(X)[estimator.sample_indices_])
    if isinstance(y_new, pd.DataFrame):
        assert np.isfinite(y_new.to_numpy()).all()
        assert (y_new.to_numpy() >= 0).all()
    elif y_new is not None and np.ndim(y) == 1:
        assert set(np.unique(np.asarray(y_new)).tolist()) <= set(np.unique(np.asarray(y)).tolist())


def fit_and_check(estimator, X, y, **kwargs):
    """Fit, hold to the promises, and return whether the input was taken."""
    if hasattr(estimator, "fit_resample"):
        resampled = run(lambda: estimator.fit_resample(X, y, **kwargs))
        taken = resampled is not None
        if taken:
            check_resampled(estimator, X, y, resampled)
    else:
        taken = run(lambda: estimator.fit(X, y, **kwargs)) is not None
    if taken:
        check_result(estimator, X, y)
    return taken


def takes_groups(estimator):
    without = "ClassWeightedKNeighborsClassifier", "Noise2VoidDenoiser"
    return type(estimator).__name__ not in without


def numbers(rng, shape, dtype):
    if shape == ():
        return np.asarray(numbers(rng, (1,), dtype)[0])
    if dtype == "near the limit":
        return (rng.uniform(-1, 1, shape) * np.finfo(np.float32).max * 0.99).astype(np.float64)
    if dtype == "beyond the limit":
        return rng.uniform(-1, 1, shape) * 1e300
    if dtype == "tiny":
        return rng.randn(*shape) * 1e-300
    if dtype == "constant":
        return np.full(shape, 3.0)
    if dtype == "large offset":
        return 1e8 + rng.randn(*shape)
    if dtype == "object":
        return rng.randn(*shape).astype(object)
    if dtype == "complex":
        return rng.randn(*shape) + 1j
    if dtype == "str":
        return np.full(shape, "a")
    if dtype == "datetime":
        return np.full(shape, np.datetime64("2020-01-01"))
    if dtype == "bool":
        return rng.randn(*shape) > 0
    if np.dtype(dtype).kind in "iu":
        return rng.randint(0, 100, shape).astype(dtype)
    return rng.randn(*shape).astype(dtype)


N_ROWS = 24
SHAPES = [
    (N_ROWS, 6), (N_ROWS, 6), (N_ROWS, 6), (0, 6), (1, 6), (2, 6), (3, 6), (N_ROWS, 1),
    (N_ROWS, 0), (N_ROWS, 2), (N_ROWS, 1, 8), (N_ROWS, 2, 5), (N_ROWS, 1, 4, 4), (N_ROWS, 1, 1),
    (N_ROWS, 1, 4, 4, 4), (N_ROWS, 6, 6), (N_ROWS,), (),
]  # fmt: skip
DTYPES = [
    "float32", "float32", "float64", "float16", ">f4", ">i4", "bool", "uint8", "int8", "int64",
    "uint64", "object", "complex", "str", "datetime", "near the limit", "beyond the limit", "tiny",
    "constant", "large offset",
]  # fmt: skip
FAULTS = [None, None, None, None, np.nan, np.inf, -np.inf]
CONTAINERS = [
    "array", "array", "list", "frame", "sparse", "sparse array", "fortran", "reversed", "strided",
    "read-only", "ragged", "none",
]  # fmt: skip


def contained(X, container):
    """Put an array into a container that fits; the array if none does."""
    if container == "list" or not hasattr(X, "ndim"):
        return np.asarray(X).tolist()
    if container == "none":
        return None
    if container == "ragged":
        return [[1.0, 2.0], [3.0], *[[0.0, 1.0]] * (N_ROWS - 2)]
    if container == "fortran":
        return np.asfortranarray(X)
    if container == "reversed" and X.ndim:
        return X[::-1]
    if container == "strided" and X.ndim:
        return np.repeat(X, 2, axis=0)[::2]
    if container == "read-only":
        X.flags.writeable = False
    if X.ndim == 2 and container == "frame":
        return pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    if X.ndim == 2 and X.dtype.kind in "fiub" and X.dtype.isnative and X.dtype != np.float16:
        if container == "sparse":
            return scipy.sparse.csr_matrix(X)
        if container == "sparse array":
            return scipy.sparse.coo_array(X)
    return X


@st.composite
def rows(draw):
    rng = np.random.RandomState(draw(st.integers(0, 3)))
    X = numbers(rng, draw(st.sampled_from(SHAPES)), draw(st.sampled_from(DTYPES)))
    fault = draw(st.sampled_from(FAULTS))
    if fault is not None and X.size and X.dtype.kind in "fO":
        X.flat[0] = fault
    return contained(X, draw(st.sampled_from(CONTAINERS)))


def n_rows_of(X):
    if hasattr(X, "shape"):
        return X.shape[0] if X.shape else N_ROWS
    return len(X) if isinstance(X, list) else N_ROWS


def halves(n):
    return np.arange(n) % 2


def letters(n):
    return np.array(["b", "a"])[halves(n)]


def one_hot(n):
    return np.eye(2)[halves(n)]


def pairs(n):
    return np.arange(n) // 2


def in_turn(*labels):
    return lambda n: np.array(labels, dtype=object)[np.arange(n) % len(labels)]


# of n rows
LABELS = {
    "ints": halves,
    "three": lambda n: np.arange(n) % 3,
    "strings": letters,
    "objects": in_turn("b", "a"),
    "bools": lambda n: halves(n).astype(bool),
    "floats": lambda n: halves(n).astype(float),
    "-1": lambda n: np.where(np.arange(n) % 3, halves(n), -1),
    "continuous": lambda n: np.linspace(0, 1, n),
    "NaN": lambda n: np.where(halves(n), np.nan, 1.0),
    "one class": lambda n: np.zeros(n, dtype=int),
    "rare": lambda n: (np.arange(n) == 3).astype(int),
    "one row per class": np.arange,
    "one-hot": lambda n: one_hot(n).astype(int),
    "soft": lambda n: 0.2 + 0.6 * one_hot(n),
    "mass": lambda n: soft_labels(np.eye(3)[np.arange(n) % 3] * 2.0, ["x", "y", "z"]),
    "empty column": lambda n: np.column_stack([one_hot(n), np.zeros(n)]),
    "some without mass": lambda n: one_hot(n) * (np.arange(n) % 4 > 0)[:, None],
    "no mass": lambda n: np.zeros((n, 2)),
    "negative mass": lambda n: one_hot(n) - 0.5,
    "infinite mass": lambda n: np.where(one_hot(n), np.inf, 0),
    "multilabel": lambda n: np.ones((n, 3), dtype=int),
    "column": lambda n: halves(n)[:, None],
    "three axes": lambda n: np.zeros((n, 2, 2)),
    "short": lambda n: halves(n)[:-1],
    "list": lambda n: halves(n).tolist(),
    "series": lambda n: pd.Series(halves(n), index=np.arange(n) + 5),
    "categorical": lambda n: pd.Series(pd.Categorical(letters(n))),
    "missing": in_turn("b", "a", None),
    "mixed": in_turn("b", 1),
    "None": lambda n: None,
    "masked": lambda n: np.ma.array(halves(n), mask=np.arange(n) == 1),
    "NA": in_turn("b", "a", pd.NA),
    "NaT": lambda n: np.where(halves(n), np.datetime64("NaT"), np.datetime64("2020-01-01")),
    "nullable": lambda n: pd.Series(halves(n), dtype="Int64"),
    "nullable bools": lambda n: pd.Series(halves(n), dtype="boolean"),
    "nullable, missing": lambda n: pd.Series([None, *halves(n)[1:]], dtype="Int64"),
    "string type": lambda n: pd.Series(letters(n), dtype="string"),
    "turned columns": lambda n: soft_labels(one_hot(n), ["b", "a"]),
    "column twice": lambda n: pd.DataFrame(one_hot(n), columns=["a", "a"]),
}
GROUPS = {
    "none": lambda n: None,
    "pairs": pairs,
    "one": lambda n: np.zeros(n, dtype=int),
    "one per row": np.arange,
    "two": lambda n: np.arange(n) // max(n // 2, 1),
    "strings": lambda n: pairs(n).astype(str),
    "objects": lambda n: pairs(n).astype(str).astype(object),
    "list": lambda n: pairs(n).tolist(),
    "floats": lambda n: pairs(n) / 2,
    "series": lambda n: pd.Series(pairs(n), index=np.arange(n) + 5),
    "short": lambda n: pairs(n)[:-1],
    "NaN": lambda n: np.where(pairs(n) == 0, np.nan, pairs(n)),
    "missing": in_turn("p", "q", None),
    "masked": lambda n: np.ma.array(pairs(n), mask=pairs(n) == 1),
    "NA": in_turn("p", "q", pd.NA),
    "nullable": lambda n: pd.Series(pairs(n), dtype="Int64"),
    "nullable, missing": lambda n: pd.Series([None, *pairs(n)[1:]], dtype="Int64"),
    "categorical": lambda n: pd.Series(pairs(n).astype(str), dtype="category"),
    "dates": lambda n: np.datetime64("2020-01-01") + pairs(n),
    "nan turned into a string": lambda n: np.where(pairs(n) == 0, "nan", pairs(n).astype(str)),
    "column": lambda n: pairs(n)[:, None],
    "two columns": lambda n: np.column_stack([pairs(n), pairs(n)]),
    "mixed": in_turn("p", 1),
    "scalar": lambda n: 3,
}


def plain_rows():
    rng = np.random.RandomState(0)
    X = rng.randn(N_ROWS, 6).astype(np.float32)
    X[:, 0] += np.arange(N_ROWS) % 2
    return X


def test_every_public_estimator_is_covered():
    assert not missing_estimators(ESTIMATORS)


@pytest.mark.parametrize("labels", ["ints", "strings", "bools", "list", "series"])
@each_estimator
def test_what_has_to_be_taken_is_taken(index, labels):
    estimator = clone(ESTIMATORS[index])
    groups = {"groups": GROUPS["strings"](N_ROWS)} if takes_groups(estimator) else {}
    assert fit_and_check(estimator, plain_rows(), LABELS[labels](N_ROWS), **groups)


@each_estimator
@given(X=rows())
def test_rows(index, X):
    estimator = clone(ESTIMATORS[index])
    fit_and_check(estimator, X, halves(n_rows_of(X)))


@each_estimator
@given(X=rows())
def test_new_rows(index, X):
    estimator = clone(ESTIMATORS[index])
    y = halves(N_ROWS)
    run(lambda: fit(estimator, plain_rows(), y))
    for name in (
        "predict_proba",
        "decision_function",
        "predict",
        "transform",
        "score_samples",
        "reconstruct",
        "encode",
        "error_map",
    ):
        if hasattr(estimator, name):
            result = run(lambda name=name: getattr(estimator, name)(X))
            for part in result if isinstance(result, tuple) else (result,):
                if part is not None and np.asarray(part).dtype.kind == "f":
                    assert np.isfinite(np.asarray(part)).all(), name


@each_estimator
@given(labels=st.sampled_from(sorted(LABELS)), groups=st.sampled_from(sorted(GROUPS)))
def test_labels_and_groups(index, labels, groups):
    estimator = clone(ESTIMATORS[index])
    given_groups = {"groups": GROUPS[groups](N_ROWS)} if takes_groups(estimator) else {}
    fit_and_check(estimator, plain_rows(), LABELS[labels](N_ROWS), **given_groups)


def numbers_within(interval, draw):
    """Draw a number from an interval of a parameter, small enough for a quick fit."""
    whole = issubclass(interval.type, Integral)
    low = interval.left if interval.left is not None else -4
    high = interval.right if interval.right is not None else low + 4
    if whole:
        return draw(st.integers(int(low), int(high)))
    near = [low, low + 1e-12, low + (high - low) / 2, high, low + 1, 1e30]
    return draw(st.sampled_from([x for x in near if x in interval] or [low + 1]))


# objects, and what only says how to run
NOT_DRAWN = {
    "verbose", "device", "n_jobs", "random_state", "memory", "metric", "callbacks", "optimizer",
    "pretrain_optimizer", "estimator", "distiller", "final_estimator", "sampler", "module",
}  # fmt: skip


@st.composite
def parameters(draw, estimator):
    """Draw one or two parameters and values of theirs, from their constraints or none of them."""
    constraints = estimator._parameter_constraints
    names = sorted(set(constraints) & set(estimator.get_params(deep=False)) - NOT_DRAWN)
    few = st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)
    chosen = draw(few) if names else []
    drawn = {name: draw(values(constraints[name])) for name in chosen}
    # a large factor is taken at its word
    return {k: v for k, v in drawn.items() if k != "factor" or not (isinstance(v, Real) and v > 5)}


@st.composite
def values(draw, constraint):
    wrong = [-1, 0, 1.5, np.nan, np.inf, "no such thing", None, (), [], {}, object()]
    if isinstance(constraint, str) or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(wrong))
    part = draw(st.sampled_from(list(constraint)))
    if isinstance(part, Interval):
        return numbers_within(part, draw)
    if isinstance(part, Options):
        return draw(st.sampled_from(sorted(part.options, key=str)))
    if part == "boolean":
        return draw(st.booleans())
    if part is tuple or part is list:
        return part(draw(st.lists(st.sampled_from([-1, 0, 1, 2, 3, 6, 0.5, "a"]), max_size=3)))
    if part is dict:
        return {0: 2.0, 1: draw(st.sampled_from([0.0, 1.0, -1.0, np.nan, 1e300]))}
    return None if part is None else draw(st.sampled_from(wrong))


@each_estimator
@given(data=st.data())
def test_parameters(index, data):
    drawn = data.draw(parameters(ESTIMATORS[index]))
    estimator = clone(ESTIMATORS[index]).set_params(**drawn)
    y, groups = halves(N_ROWS), pairs(N_ROWS)
    given_groups = {"groups": groups} if takes_groups(estimator) else {}
    fit_and_check(estimator, plain_rows(), y, **given_groups)


# what the tests above have found


def test_dates_are_no_numbers():
    X = np.full((N_ROWS, 6), np.datetime64("2020-01-01"))
    for estimator in (net(), GaussianNoiseAugmenter(), TripletEmbedder()):
        with pytest.raises(ValueError, match="dtype datetime64"):
            fit(estimator, X, halves(N_ROWS))


@pytest.mark.parametrize("kind", ["missing", "mixed"])
@pytest.mark.parametrize(
    "estimator",
    [net(), TripletEmbedder(), GaussianNoiseAugmenter(), ClassWeightedKNeighborsClassifier(),
     OutOfFoldLabelQuality(net())],
)  # fmt: skip
def test_labels_that_cannot_be_sorted(estimator, kind):
    with pytest.raises(
        (TypeError, ValueError), match=r"cannot be sorted|mix of|Unknown label|missing values"
    ):
        fit(estimator, plain_rows(), LABELS[kind](N_ROWS))


def test_groups_that_cannot_be_sorted():
    with pytest.raises(TypeError, match="groups cannot be sorted"):
        check_groups(GROUPS["mixed"](4), 4)


@pytest.mark.parametrize("lr", [1e30, 1e4])
def test_training_that_diverges_is_an_error(lr):
    estimator = net(lr=lr, optimizer=torch.optim.SGD, random_state=0).set_params(max_epochs=20)
    with pytest.raises(ValueError, match=r"diverged: .* after epoch .* with lr="):
        estimator.fit(plain_rows() * 1e3, halves(N_ROWS))
    assert not hasattr(estimator, "net_")


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_outputs_that_overflow_are_an_error(method):
    fitted = net(random_state=0).fit(plain_rows(), halves(N_ROWS))
    with torch.no_grad():
        for weights in fitted.net_.module_.parameters():
            weights *= 100
    X = plain_rows()
    X[5] = 3e38
    with pytest.raises(ValueError, match="of 1 of 24 rows, first of row 5, are infinite or NaN"):
        getattr(fitted, method)(X)


def test_differences_beyond_float32_are_probabilities():
    fitted = net(random_state=0).fit(plain_rows(), halves(N_ROWS))
    fitted._outputs = lambda X: np.array([[3e38, -3e38]], dtype=np.float32)
    assert fitted.predict_proba(plain_rows()).tolist() == [[1.0, 0.0]]
    with pytest.raises(ValueError, match="decision scores"):
        fitted.decision_function(plain_rows())


def test_batches_hold_the_rows_of_a_class():
    embedder = TripletEmbedder(MLP, loss="cross_entropy", batch_size=1)
    with pytest.raises(ValueError, match="Set batch_size to at least 4"):
        embedder.fit(plain_rows(), halves(N_ROWS))


def test_a_class_is_never_emptied():
    assert keep_best(np.arange(4.0), np.array([0, 0, 1, 1]), 1e-12).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("shape", [("a",), (0.5, 12), (-1, -6), (0, 6), (2.0, 3)])
def test_sizes_of_rows_are_whole_numbers(shape):
    with pytest.raises(ValueError, match=r"input_shape=.* whole numbers"):
        net(input_shape=shape).fit(plain_rows(), halves(N_ROWS))


def test_noise_on_large_numbers():
    rng = np.random.RandomState(0)
    X, y = rng.randn(4000, 2) * 1e300, np.arange(4000) % 2
    X_new, _ = GaussianNoiseAugmenter(0.1, factor=2, random_state=0).fit_resample(X, y)
    noise = (X_new[4000:] - X) / 1e300
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    with pytest.raises(ValueError, match="beyond the range of float32"):
        GaussianNoiseAugmenter(10.0).fit_resample(np.float32([[3e38], [-3e38]]), [0, 1])


def test_large_embeddings_have_length_one():
    X, y = plain_rows(), halves(N_ROWS)
    embedder = TripletEmbedder(MLP, max_epochs=1, augment="noise", random_state=0).fit(X, y)
    X[0] *= 1e30
    np.testing.assert_allclose(np.linalg.norm(embedder.transform(X), axis=1), 1, rtol=1e-5)
