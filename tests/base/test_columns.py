"""What a new row holds in columns of every type."""

import datetime

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from skrobust import (
    DistillMixAugmenter,
    FactorMixSampler,
    GaussianNoiseAugmenter,
    OutOfFoldLabelQuality,
)
from skrobust.base.columns import Columns

N = 200
RNG = np.random.RandomState(0)
WHOLE = RNG.randint(20, 90, N)
YES = RNG.rand(N) < 0.2

NUMBERS = {
    "float64": RNG.randn(N),
    "float32": RNG.randn(N).astype(np.float32),
    "float16": RNG.randn(N).astype(np.float16),
    "int64": WHOLE,
    "int8": WHOLE.astype(np.int8),
    "uint8": WHOLE.astype(np.uint8),
    "uint64": WHOLE.astype(np.uint64),
    "big endian": WHOLE.astype(">i4"),
    "Int64": pd.array(WHOLE, dtype="Int64"),
    "UInt16": pd.array(WHOLE, dtype="UInt16"),
    "Float32": pd.array(RNG.randn(N), dtype="Float32"),
    "object of int": np.array(list(WHOLE), dtype=object),
    "object of float": np.array(list(RNG.randn(N)), dtype=object),
}
YES_OR_NO = {
    "bool": YES,
    "boolean": pd.array(YES, dtype="boolean"),
    "object of bool": np.array(list(YES), dtype=object),
    "0 and 1": YES.astype(int),
    "0 and 1, unsigned": YES.astype(np.uint8),
    "1 and 2": YES + 1,
    "Int8": pd.array(YES.astype(int), dtype="Int8"),
}
OTHERS = {
    "category": pd.Categorical(RNG.choice(list("abc"), N)),
    "category of int": pd.Categorical(RNG.randint(0, 3, N)),
    "string": pd.array(RNG.choice(["x", "yy"], N), dtype="string"),
    "object of str": RNG.choice(["x", "yy"], N).astype(object),
    "datetime": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.randint(0, 99, N), "D"),
    "with zone": pd.date_range("2020-01-01", periods=N, tz="UTC"),
    "timedelta": pd.to_timedelta(RNG.randint(0, 99, N), "D"),
    "period": pd.period_range("2020-01", periods=N, freq="M"),
    "object of date": np.array([datetime.date(2020, 1, 1 + d % 28) for d in range(N)], object),
}
ARROW = {
    "arrow int": ("int32[pyarrow]", WHOLE),
    "arrow float": ("double[pyarrow]", RNG.randn(N)),
    "arrow bool": ("bool[pyarrow]", YES),
    "arrow string": ("string[pyarrow]", RNG.choice(["x", "yy"], N)),
    "arrow date": ("timestamp[ns][pyarrow]", pd.date_range("2020-01-01", periods=N)),
}


def arrow(name):
    pytest.importorskip("pyarrow")
    dtype, values = ARROW[name]
    return pd.array(values, dtype=dtype)


def column(name):
    for group in (NUMBERS, YES_OR_NO, OTHERS):
        if name in group:
            return group[name]
    return arrow(name)


def samplers(**params):
    quality = OutOfFoldLabelQuality(LogisticRegression(), random_state=0)
    mixing = {"strategy": "both", "targets": "soft"} | params
    return [
        GaussianNoiseAugmenter(factor=3, random_state=0),
        DistillMixAugmenter(quality, factor=3, alpha=0.3, random_state=0, **mixing),
        FactorMixSampler(factor=2, max_epochs=1, class_epochs=1, random_state=0),
    ]


def table(name):
    x = np.random.RandomState(1).randn(N)
    return pd.DataFrame({"x": x, name: column(name)}), (x > 0).astype(int)


def test_what_cannot_be_mixed_is_a_value_of_the_row_it_came_from():
    for name in [*YES_OR_NO, *OTHERS]:
        X, y = table(name)
        sampler = GaussianNoiseAugmenter(factor=3, random_state=0)
        X_new, _ = sampler.fit_resample(X, y)
        assert X_new.dtypes[name] == X.dtypes[name], name
        expected = X[name].iloc[sampler.sample_indices_].reset_index(drop=True)
        pd.testing.assert_series_equal(X_new[name], expected)


@pytest.mark.parametrize("name", [*NUMBERS, *YES_OR_NO, "arrow int", "arrow float", "arrow bool"])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["noise", "mixing", "factors"])
def test_types_and_shares_stay(name, which):
    X, y = table(name)
    sampler = samplers()[which]
    if which == 1 and name in ("arrow int", "arrow float", "arrow bool", "boolean"):
        pytest.skip("the classifier inside reads no such column")
    X_new, _ = sampler.fit_resample(X, y)
    assert all(
        a.newbyteorder("=") == b
        for a, b in zip(X.dtypes, X_new.dtypes, strict=True)
        if name == "big endian"
    )
    assert name == "big endian" or (X_new.dtypes == X.dtypes).all()
    parents = X[name].to_numpy(dtype=float)[sampler.sample_indices_]
    new = X_new[name].to_numpy(dtype=float)
    if name in YES_OR_NO or name == "arrow bool":
        assert_array_equal(new, parents)
    elif which < 2:
        spread = max(1.0, parents.std())
        assert abs(new.mean() - parents.mean()) < 0.25 * spread
        assert (new != parents).any()


@pytest.mark.parametrize("name", [*OTHERS, "arrow string", "arrow date"])
def test_a_method_that_computes_with_every_column_names_the_one_it_cannot(name):
    X, y = table(name)
    with pytest.raises(ValueError, match=f"column '{name}' has dtype"):
        samplers()[2].fit_resample(X, y)


def test_integers_are_rounded_without_bias():
    X = np.column_stack([np.full(4000, 2), np.full(4000, 7)])
    X[0] = 9  # more than two values, so that it is a count
    X[1] = 0
    columns = Columns(X, allow_nan=False)
    rows = np.arange(4000)
    for share in (0.1, 0.5, 0.9):
        new = columns.new_rows(rows, columns.numbers + share, np.random.RandomState(0))
        assert new.dtype == X.dtype
        assert_allclose((new - X).mean(axis=0), share, atol=0.03)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u8", "i8"])
def test_integers_stay_within_their_type(dtype):
    limits = np.iinfo(dtype)
    X = np.array([[limits.min], [limits.max], [5]], dtype=dtype)
    columns = Columns(X, allow_nan=False)
    beyond = columns.numbers + np.array([[-1e30], [1e30], [0.0]])
    new = columns.new_rows(np.arange(3), beyond, np.random.RandomState(0))
    assert new[0, 0] == limits.min
    assert new[1, 0] >= limits.max - (1 << 11)
    assert new[2, 0] == 5


def test_unchanged_numbers_are_the_parents_to_the_last_digit():
    X = np.array([[2**63 - 1], [2**62 + 1], [7]], dtype=np.int64)
    columns = Columns(X, allow_nan=False)
    new = columns.new_rows(np.array([1, 0]), columns.numbers[[1, 0]], np.random.RandomState(0))
    assert_array_equal(new, X[[1, 0]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_numbers_beyond_the_type_are_an_error(dtype):
    X = pd.DataFrame({"big": np.array([1, 2, 3], dtype=dtype)})
    columns = Columns(X, allow_nan=False)
    with pytest.raises(ValueError, match="column 'big' hold values beyond the range"):
        columns.new_rows(np.arange(3), np.full((3, 1), 1e300), np.random.RandomState(0))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1, "a"] * 100, "column 'bad' .* values of several kinds"),
        ([1j] * N, "Complex data not supported: column 'bad'"),
        ([None, "a"] * 100, "column 'bad'"),
        ([np.nan, 1.0] * 100, "NaN .* in column 'bad'"),
        ([np.inf, 1.0] * 100, "infinity in column 'bad'"),
        (pd.array([None, 1] * 100, dtype="Int64"), "NaN .* in column 'bad'"),
        (pd.arrays.SparseArray(np.eye(N)[0]), "column 'bad' is sparse"),
        ([(1, 2)] * N, "column 'bad' .* values of several kinds"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_name_of_the_column(bad, message):
    X, y = table("int64")
    for sampler in samplers():
        with pytest.raises(ValueError, match=message):
            sampler.fit_resample(X.assign(bad=bad), y)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["noise", "mixing", "factors"])
def test_indicators_of_one_category_stay_one_hot(which):
    X, y = table("int64")
    names = np.random.RandomState(2).choice(["1.5T", "3T", "7T"], N)
    X = X.join(pd.get_dummies(pd.Series(names), prefix="scanner"))
    X_new, _ = samplers()[which].fit_resample(X, y)
    assert (X_new.filter(like="scanner").sum(axis=1) == 1).all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["noise", "mixing", "factors"])
def test_arrays(dtype, which):
    rng = np.random.RandomState(3)
    X = rng.rand(N, 4) < 0.3 if dtype is bool else (20 * rng.rand(N, 4)).astype(dtype)
    y = np.tile([0, 1], N // 2)
    sampler = samplers()[which]
    X_new, _ = sampler.fit_resample(X, y)
    assert X_new.dtype == X.dtype
    assert type(X_new) is np.ndarray
    if dtype is bool:
        assert_array_equal(X_new, X[sampler.sample_indices_])
    elif which < 2:
        assert abs(X_new.mean() - X[sampler.sample_indices_].mean()) < 0.5


def test_images_of_integers_are_mixed_pixel_by_pixel():
    X = np.random.RandomState(4).randint(0, 2, (N, 1, 6, 6)).astype(np.uint8) * 255
    y = np.tile([0, 1], N // 2)
    X_new, _ = GaussianNoiseAugmenter(factor=2, random_state=0).fit_resample(X, y)
    assert X_new.dtype == np.uint8
    assert len(np.unique(X_new[N:])) > 2


def test_polars_in_polars_out():
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    X, y = table("int64")
    X = X.assign(yes=YES, text=OTHERS["object of str"])
    frame = polars.DataFrame({name: X[name].to_numpy() for name in X})
    X_new, y_new = GaussianNoiseAugmenter(factor=2, random_state=0).fit_resample(
        frame, polars.Series("label", y)
    )
    assert X_new.schema == frame.schema
    assert isinstance(y_new, polars.Series)
    assert len(X_new) == len(y_new) == 2 * N
    expected, _ = GaussianNoiseAugmenter(factor=2, random_state=0).fit_resample(X, y)
    for name in X:
        assert_array_equal(X_new[name].to_numpy(), expected[name].to_numpy())


def test_integer_bounds_of_one_hot_labels_keep_absent_classes():
    Y = np.eye(4, dtype=int)[np.tile([0, 2, 3], 20)]
    X = np.random.RandomState(0).randn(60, 3)
    for sampler in samplers(targets="hard"):
        _, y_new = sampler.fit_resample(X, Y)
        assert y_new.shape[1] == 4
        assert isinstance(y_new, pd.DataFrame) or y_new.dtype == Y.dtype
        assert_array_equal(np.asarray(y_new)[:, 1], 0)
    named = pd.DataFrame(Y, columns=["d", "b", "c", "a"])
    _, y_new = samplers(targets="soft")[1].fit_resample(X, named)
    assert_array_equal(y_new.columns, named.columns)
    assert_array_equal(y_new["b"], 0)
