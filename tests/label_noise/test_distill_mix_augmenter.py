"""Mixing against Eq. 1 row by row, and every corner of the parameters."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC

from skrobust import (
    MLP,
    CertainSamples,
    DistillationWarning,
    DistillMixAugmenter,
    GaussianNoiseAugmenter,
    LabelNoiseModel,
    NetClassifier,
    OutOfFoldLabelQuality,
)
from skrobust.label_noise import quality_weights
from skrobust.label_noise.mixing import share_out


class Chosen(BaseEstimator):
    """Keeps the rows whose first feature is positive; that feature is their quality."""

    def fit(self, X, y):
        X = np.asarray(X)
        first = X.reshape(len(X), -1)[:, 0]
        self.kept_ = first > 0
        self.quality_ = np.clip(first, 0, 1)
        return self


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 7))
    y = np.repeat(["b", "a", "c"], [30, 20, 10])
    return X, y, np.repeat(np.arange(12), 5)


def sampler(**params):
    default = {"strategy": "both", "balance": None, "random_state": 0}
    return DistillMixAugmenter(Chosen(), **{**default, **params})


@pytest.mark.parametrize("strategy", ["same", "other", "both"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, (2.0, 5.0)])
@pytest.mark.parametrize("factor", [0.5, 1, 2.3, 5])
def test_every_new_row_is_eq_1(data, strategy, alpha, factor):
    X, y, _ = data
    s = sampler(strategy=strategy, alpha=alpha, factor=factor)
    X_new, y_new = s.fit_resample(X, y)
    kept = set(np.flatnonzero(X[:, 0] > 0))
    assert len(X_new) == len(y_new) == round(factor * len(kept))
    for i, (j, k, a) in enumerate(
        zip(s.sample_indices_, s.partner_indices_, s.alpha_, strict=True)
    ):
        assert j in kept
        assert k in kept
        assert j != k
        assert_allclose(X_new[i], (1 - a) * X[j] + a * X[k], atol=1e-12)
        assert y_new[i] == y[j]
        assert strategy == "both" or (y[j] == y[k]) == (strategy == "same")
    if isinstance(alpha, tuple):
        assert 0 < s.alpha_.std() < 0.3
    else:
        assert set(s.alpha_) == {alpha}


def test_every_kept_row_is_used_equally_often(data):
    X, y, _ = data
    s = sampler(factor=3)
    s.fit_resample(X, y)
    counts = np.bincount(s.sample_indices_, minlength=60)
    assert set(counts[X[:, 0] > 0]) == {3}
    s = sampler(factor=2.5)
    s.fit_resample(X, y)
    assert set(np.bincount(s.sample_indices_, minlength=60)[X[:, 0] > 0]) == {2, 3}


def test_none_selects_and_does_nothing_else(data):
    X, y, _ = data
    X_new, y_new = sampler(strategy=None).fit_resample(X, y)
    assert_array_equal(X_new, X[X[:, 0] > 0])
    assert_array_equal(y_new, y[X[:, 0] > 0])


@pytest.mark.parametrize("balance", ["smote", "random", "group"])
def test_balance_gives_every_class_the_same_number(data, balance):
    X, y, groups = data
    s = sampler(balance=balance, factor=4)
    _, y_new = s.fit_resample(X, y, groups=groups)
    counts = np.unique(y_new, return_counts=True)[1]
    assert len(y_new) == 4 * (X[:, 0] > 0).sum()
    assert counts.max() - counts.min() <= 1


def test_group_balance_gives_every_patient_of_a_class_the_same_number():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(6), [1, 9, 20, 2, 3, 25])
    X, y = np.abs(rng.normal(size=(60, 3))) + 0.1, (groups > 2).astype(int)
    s = sampler(balance="group", factor=5)
    s.fit_resample(X, y, groups=groups)
    assert_array_equal(np.bincount(groups[s.sample_indices_]), np.full(6, 50))
    with pytest.raises(ValueError, match="balance='group' needs groups"):
        s.fit_resample(X, y)


def test_smote_moves_the_surplus_towards_near_rows_of_the_class():
    rng = np.random.RandomState(0)
    X, y = np.abs(rng.normal(size=(60, 3))) + 0.1, np.repeat([0, 1], [45, 15])
    s = sampler(balance="smote", alpha=0.0, factor=2)
    X_new, y_new = s.fit_resample(X, y)
    assert np.bincount(y_new).tolist() == [60, 60]
    minority = np.flatnonzero(y == 1)
    near = NearestNeighbors(n_neighbors=5).fit(X[minority]).kneighbors(return_distance=False)
    moved = 0
    for row, j, label in zip(X_new, s.sample_indices_, y_new, strict=True):
        if np.allclose(row, X[j]):
            continue
        moved += 1
        assert label == 1
        direction = X[minority[near[j - 45]]] - X[j]
        step = (row - X[j]) / direction
        on_segment = (np.ptp(step, axis=1) < 1e-9) & (step[:, 0] > 0) & (step[:, 0] < 1)
        assert on_segment.sum() == 1
    assert moved == 40


def test_soft_targets_share_the_label(data):
    X, y, _ = data
    s = sampler(targets="soft", alpha=0.3, strategy="both")
    _, mass = s.fit_resample(X, y)
    assert_array_equal(mass.columns, ["a", "b", "c"])
    expected = np.zeros(mass.shape)
    for i, (j, k) in enumerate(zip(s.sample_indices_, s.partner_indices_, strict=True)):
        expected[i, "abc".index(y[j])] += 0.7
        expected[i, "abc".index(y[k])] += 0.3
    assert_allclose(mass, expected)
    clf = NetClassifier(MLP, max_epochs=1).fit(_, mass)
    assert_array_equal(clf.classes_, ["a", "b", "c"])


def test_weighted_keeps_all_rows_with_their_clipped_quality(data):
    X, y, _ = data
    X_new, mass = sampler(targets="weighted", strategy=None).fit_resample(X, y)
    assert_array_equal(X_new, X)
    weight = quality_weights(np.clip(X[:, 0], 0, 1), y)
    assert_allclose(mass.sum(axis=1), weight)
    assert_array_equal(mass.idxmax(axis=1), y)
    s = sampler(targets="weighted", factor=2)
    _, mass = s.fit_resample(X, y)
    assert len(mass) == 120
    assert_allclose(mass.sum(axis=1), weight[s.sample_indices_])


@pytest.mark.parametrize("targets", ["hard", "soft", "weighted"])
def test_soft_labels_in_are_soft_labels_out(data, targets):
    X, y, _ = data
    mass = np.random.RandomState(0).dirichlet(np.ones(3), size=60) + 2 * (
        y[:, None] == ["a", "b", "c"]
    )
    given = pd.DataFrame(mass, columns=["a", "b", "c"])
    s, hard = sampler(targets=targets, alpha=0.3), sampler(targets=targets, alpha=0.3)
    X_new, new = s.fit_resample(X, given)
    assert_array_equal(X_new, hard.fit_resample(X, y)[0])
    assert_array_equal(new.columns, ["a", "b", "c"])
    expected = mass[s.sample_indices_]
    if targets == "soft":
        expected = 0.7 * expected + 0.3 * mass[s.partner_indices_]
    elif targets == "weighted":
        expected = expected * quality_weights(np.clip(X[:, 0], 0, 1), y)[s.sample_indices_, None]
    assert_allclose(new, expected)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i4"])
def test_layout_dtype_and_container_are_kept(dtype):
    rng = np.random.RandomState(0)
    X, y = rng.randint(1, 200, size=(40, 2, 5, 3)).astype(dtype), np.tile([0, 1], 20)
    s = sampler(alpha=0.3)
    X_new, _ = s.fit_resample(X, y)
    assert X_new.dtype == dtype
    assert X_new.shape == (200, 2, 5, 3)
    flat, _ = sampler(alpha=0.3).fit_resample(X.reshape(40, -1), y)
    assert np.abs(X_new.reshape(200, -1) - flat.astype(float)).max() <= (X.dtype.kind != "f")
    exact = 0.7 * X[s.sample_indices_] + 0.3 * X[s.partner_indices_].astype(float)
    if X.dtype.kind == "f":
        assert_allclose(X_new, exact, rtol=1e-6)
    else:  # rounded up or down at random
        assert np.abs(X_new - exact).max() < 1
        assert abs((X_new - exact).mean()) < 0.02


def test_dataframes_come_back_with_rounded_integer_columns():
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"x": rng.uniform(0.1, 1, 30), "n": rng.randint(0, 9, 30)})
    labels = pd.Series(np.tile(["no", "yes"], 15), name="label")
    s = sampler(alpha=0.4)
    X_new, y_new = s.fit_resample(frame, labels)
    assert list(X_new.columns) == ["x", "n"]
    assert (X_new.dtypes == frame.dtypes).all()
    assert y_new.name == "label"
    n = frame["n"].to_numpy()
    exact = 0.6 * n[s.sample_indices_] + 0.4 * n[s.partner_indices_]
    assert np.abs(X_new["n"] - exact).max() < 1
    soft, mass = sampler(targets="soft").fit_resample(frame, labels)
    assert isinstance(soft, pd.DataFrame)
    assert mass.shape == (len(soft), 2)


@pytest.mark.parametrize("strategy", ["same", "other", "both"])
def test_a_class_with_a_single_kept_row(strategy):
    X, y = np.ones((9, 2)), np.repeat([0, 1], [8, 1])
    X_new, y_new = sampler(strategy=strategy, balance="smote").fit_resample(X, y)
    assert np.bincount(y_new).min() >= 22
    assert_allclose(X_new, 1)


def test_one_fit_decides_all_and_seeds_reach_the_distiller():
    rng = np.random.RandomState(0)
    y = np.tile([0, 1], 40)
    X = rng.normal(size=(80, 6)) + y[:, None]
    s = DistillMixAugmenter(
        CertainSamples(NetClassifier(MLP), threshold=0.6), strategy="both", random_state=0
    )
    first, _ = s.fit_resample(X, y)
    second, _ = s.fit_resample(X, y)
    assert_array_equal(first, second)
    assert s.distiller.random_state is None
    other, _ = s.set_params(random_state=1).fit_resample(X, y)
    assert len(other) != len(first) or np.abs(other - first).max() > 0


def test_defaults_leave_right_labels_nearly_alone():
    rng = np.random.RandomState(0)
    y, groups = np.tile([0, 1], 60), np.repeat(np.arange(60), 2).repeat(1)
    y = y[groups]
    X = rng.normal(size=(120, 6)) + 2 * y[:, None]
    s = DistillMixAugmenter(random_state=0)
    X_new, y_new = s.fit_resample(X, y, groups=groups)
    assert isinstance(s.distiller_, LabelNoiseModel)
    assert len(X_new) >= 0.98 * len(X)
    assert_array_equal(X_new, X[s.sample_indices_])
    assert_array_equal(y_new, y[s.sample_indices_])


def test_paper_params_are_the_papers():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 30)), np.tile([0, 1], 20)
    s = DistillMixAugmenter(**{**DistillMixAugmenter.paper_params, "factor": 2}, random_state=0)
    assert (s.alpha, s.strategy, s.targets, s.balance) == (0.5, "both", "hard", "smote")
    assert DistillMixAugmenter.paper_params["factor"] == 5
    s.set_params(distiller__min_certain=0.5)
    with pytest.warns(DistillationWarning, match="too few rows"):
        _, y_new = s.fit_resample(X, y)
    assert isinstance(s.distiller_, CertainSamples)
    assert (s.distiller_.threshold, s.distiller_.max_epochs) == (0.99, 5)
    assert isinstance(s.distiller_.estimator, NetClassifier)
    assert set(y_new) == {0, 1}


@pytest.mark.parametrize("kept", ["none", "one class"])
@pytest.mark.parametrize("strategy", [None, "both", "same", "other"])
@pytest.mark.parametrize("targets", ["hard", "soft"])
def test_a_distiller_that_keeps_too_little_gets_a_clear_error(data, kept, strategy, targets):
    class Keeps(BaseEstimator):
        def fit(self, X, y):
            self.quality_ = np.ones(len(y))
            self.kept_ = np.zeros(len(y), bool) if kept == "none" else y == "a"
            return self

    X, y, _ = data
    s = DistillMixAugmenter(Keeps(), strategy=strategy, targets=targets)
    match = "keeps no row of 60" if kept == "none" else r"keeps no row of \['b', 'c'\] of 60"
    with pytest.raises(ValueError, match=match):
        s.fit_resample(X, y)


@pytest.mark.parametrize(
    ("quality", "match"),
    [
        (None, "has no quality_"),
        (np.ones(3), "has shape"),
        (np.full(60, 1.5), "not between 0 and 1"),
        (np.full(60, np.nan), "not between 0 and 1"),
    ],
    ids=str,
)
def test_a_distiller_that_says_nonsense_gets_a_clear_error(data, quality, match):
    class Says(BaseEstimator):
        def fit(self, X, y):
            if quality is not None:
                self.quality_ = quality
            return self

    X, y, _ = data
    with pytest.raises(ValueError, match=match):
        DistillMixAugmenter(Says()).fit_resample(X, y)


def test_quality_alone_makes_a_distiller(data):
    class Says(BaseEstimator):
        def fit(self, X, y):
            self.quality_ = np.tile([0.5, 0.49], 30)
            return self

    X, y, _ = data
    X_new, _ = DistillMixAugmenter(Says()).fit_resample(X, y)
    assert_array_equal(X_new, X[::2])


def test_errors(data):
    X, y, groups = data
    with pytest.raises(ValueError, match="one class"):
        sampler().fit_resample(X, np.zeros(60, int))
    with pytest.raises(ValueError, match="does not hold parameters of a beta"):
        sampler(alpha=(1.0, -1.0)).fit_resample(X, y)
    with pytest.raises(ValueError, match="groups has 5 entries"):
        sampler().fit_resample(X, y, groups=groups[:5])
    with pytest.raises(ValueError, match="Unknown label type"):
        sampler().fit_resample(X, X[:, 0])
    with pytest.raises(ValueError, match="contains NaN"):
        sampler().fit_resample(np.where(X > 1, np.nan, X), y)
    with pytest.raises(ValueError, match="level='group' needs groups"):
        DistillMixAugmenter(OutOfFoldLabelQuality(SVC(), level="group")).fit_resample(X, y)


@pytest.mark.parametrize("total", [0, 1, 7, 100])
def test_shares_add_up_and_are_within_one_of_exact(total):
    weights = np.random.RandomState(0).uniform(size=9)
    shares = share_out(total, weights)
    assert shares.sum() == total
    assert np.abs(shares - total * weights / weights.sum()).max() < 1


class All(BaseEstimator):
    """Trusts everything."""

    def fit(self, X, y):
        self.quality_ = np.ones(len(y))
        return self


@pytest.mark.parametrize(
    "s",
    [GaussianNoiseAugmenter(), *(DistillMixAugmenter(All(), strategy=t) for t in ("both", "same"))],
    ids=["noise", "both", "same"],
)
def test_rows_without_numbers_cannot_be_changed(s):
    frame = pd.DataFrame({"sex": ["m", "f"] * 10, "kind": list("abcd") * 5})
    with pytest.raises(ValueError, match="no column of them"):
        s.fit_resample(frame, np.tile([0, 1], 10))
