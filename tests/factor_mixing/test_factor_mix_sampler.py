"""Partners, shares, mixtures and targets by hand; every layout of X; what memory saves."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.svm import SVC

from skrobust import (
    MLP,
    FactorMixSampler,
    NetClassifier,
    ResamplingClassifier,
    make_lesion_rois,
)
from skrobust.factor_mixing import factor_mix_sampler
from skrobust.factor_mixing.mixing import diagnose, draw_shares, nearest_of_other_classes

QUICK = {"class_epochs": 2, "max_epochs": 2, "width": 2, "n_codes": 6, "random_state": 0}


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    y = np.repeat(["b", "a", "c"], [20, 14, 6])
    shift = np.repeat([0.0, 2.0, 4.0], [20, 14, 6])
    return rng.rand(40, 1, 6, 5) + shift[:, None, None, None], y


def sampler(**params):
    return FactorMixSampler(**{**QUICK, **params})


@pytest.mark.parametrize("n_neighbors", [1, 4, 30])
def test_neighbours_are_those_of_a_loop(n_neighbors):
    rng = np.random.RandomState(1)
    codes, y = rng.normal(size=(50, 3)), rng.choice([0, 1, 2], size=50, p=[0.7, 0.2, 0.1])
    found = nearest_of_other_classes(codes, y, n_neighbors)
    for i in range(50):
        others = [j for j in range(50) if y[j] != y[i]]
        others.sort(key=lambda j: np.linalg.norm(codes[i] - codes[j]))
        expected = others[:n_neighbors] + [-1] * (n_neighbors - len(others))
        assert_array_equal(found[i], expected)


def test_shares_follow_their_laws():
    neighbors = np.tile([[3, 5, 8]], (4000, 1))
    neighbors[:1000, 1:] = -1
    shares = draw_shares(neighbors, 0.4, 2.0, np.random.RandomState(0))
    assert_allclose(shares.sum(1), 1)
    assert shares.min() >= 0
    assert kstest((shares[:, 0] - 0.4) / 0.6, "uniform").pvalue > 0.01
    assert (shares[:1000, 2:] == 0).all()
    # of a Dirichlet law with parameter 2, one of three proportions is Beta(2, 4)
    proportion = shares[1000:, 1] / (1 - shares[1000:, 0])
    assert kstest(proportion, "beta", args=(2, 4)).pvalue > 0.01


def test_a_tiny_concentration_favours_one_neighbour_without_nan():
    shares = draw_shares(np.tile([[1, 2]], (200, 1)), 0.0, 1e-6, np.random.RandomState(0))
    assert np.isfinite(shares).all()
    assert_allclose(shares.sum(1), 1)


@pytest.mark.parametrize("detail", ["residual", "decoded"])
@pytest.mark.parametrize("factor", [0.4, 1, 2.5])
def test_new_rows_are_mixtures_by_hand(data, detail, factor):
    X, y = data
    s = sampler(detail=detail, factor=factor, n_neighbors=3, targets="soft")
    X_new, mass = s.fit_resample(X, y)
    n_new = round(factor * 40)
    assert X_new.shape == (40 + n_new, 1, 6, 5)
    assert_array_equal(X_new[:40], X)
    assert_array_equal(s.sample_indices_[:40], np.arange(40))
    source = s.sample_indices_[40:]
    assert np.ptp(np.bincount(source, minlength=40)) <= 1
    # the same draws again, in the order of the documentation
    rng = np.random.RandomState(0)
    rng.randint(np.iinfo(np.int32).max)
    rng.permutation(40)
    c, r = s.encode(X)
    codes = np.unique(y, return_inverse=True)[1]
    neighbors = nearest_of_other_classes(c, codes, 3)[source]
    shares = draw_shares(neighbors, 0.5, 1, rng)
    for i in range(n_new):
        mixed = shares[i, 0] * c[source[i]]
        proportions = np.zeros(3)
        proportions[codes[source[i]]] += shares[i, 0]
        for j, k in enumerate(neighbors[i]):
            mixed = mixed + shares[i, 1 + j] * c[k]
            proportions[codes[k]] += shares[i, 1 + j]
        decode = s.networks_.decode
        row = decode(mixed[None], r[source[i]][None])
        if detail == "residual":
            row = X[source[i]] + row - decode(c[source[i]][None], r[source[i]][None])
        assert_allclose(X_new[40 + i], row[0], atol=1e-4)
        assert_allclose(s.mixture_[i], proportions)
    assert_array_equal(mass.columns, ["a", "b", "c"])
    assert_array_equal(mass.iloc[:40], np.eye(3)[codes])
    assert_array_equal(mass.iloc[40:], s.mixture_)


def test_hard_targets_are_the_largest_proportion_and_sampled_ones_follow_them(data):
    X, y = data
    s = sampler(targets="hard", own_share=0, factor=3)
    _, y_new = s.fit_resample(X, y)
    assert_array_equal(y_new[:40], y)
    assert_array_equal(y_new[40:], s.classes_[s.mixture_.argmax(1)])
    s = sampler(targets="sampled", own_share=0, factor=50)
    _, y_new = s.fit_resample(X, y)
    assert y_new.dtype == y.dtype
    share = (y_new[40:, None] == s.classes_).mean(0)
    assert_allclose(share, s.mixture_.mean(0), atol=0.03)
    assert set(s.mixture_.argmax(1)) > {s.classes_.tolist().index("b")}


def test_with_the_own_code_alone_residual_rows_are_the_rows(data):
    X, y = data
    s = sampler(own_share=1)
    X_new, mass = s.fit_resample(X, y)
    assert_array_equal(X_new[40:], X[s.sample_indices_[40:]])
    assert_array_equal(mass.iloc[40:], mass.iloc[:40])
    s.set_params(detail="decoded")
    X_new, _ = s.fit_resample(X, y)
    assert_allclose(X_new[40:], s.reconstruct(X), atol=1e-4)


def test_factor_0_adds_nothing(data):
    X, y = data
    s = sampler(factor=0)
    X_new, mass = s.fit_resample(X, y)
    assert_array_equal(X_new, X)
    assert len(mass) == 40
    assert s.mixture_.shape == (0, 3)


def test_swap_and_reconstruct_decode_the_right_codes(data):
    X, y = data
    s = sampler()
    s.fit_resample(X, y)
    c, r = s.encode(X)
    assert c.shape == r.shape == (40, 6)
    assert_allclose(s.reconstruct(X), s.networks_.decode(c, r))
    swapped = s.swap(X[:5], X[5:10])
    assert_allclose(swapped, s.networks_.decode(c[:5], r[5:10]), atol=1e-5)
    with pytest.raises(ValueError, match="X_class has 5 rows but X_residual has 4"):
        s.swap(X[:5], X[:4])
    with pytest.raises(ValueError, match="rows of shape"):
        s.encode(X[:, :, :5])
    with pytest.raises(ValueError, match="not fitted"):
        sampler().encode(X)


def test_all_layouts_of_x_agree(data):
    X, y = data
    expected, _ = sampler().fit_resample(X, y)
    flat = sampler(input_shape=(1, 6, 5)).fit_resample(X.reshape(40, -1), y)[0]
    assert_array_equal(flat.reshape(expected.shape), expected)
    names = [f"p{i}" for i in range(30)]
    frame = pd.DataFrame(X.reshape(40, -1), columns=names)
    s = sampler(input_shape=(1, 6, 5), targets="sampled")
    X_new, y_new = s.fit_resample(frame, pd.Series(y, name="class"))
    assert list(X_new.columns) == names
    assert y_new.name == "class"
    assert_array_equal(X_new.to_numpy(), flat)
    with pytest.raises(ValueError, match="feature names"):
        s.encode(frame[names[::-1]])
    single = sampler().fit_resample(X.astype(np.float32), y)[0]
    assert single.dtype == np.float32
    assert_allclose(single, expected, atol=1e-4)
    signals = sampler().fit_resample(X.reshape(40, -1), y)[0]
    assert signals.shape == (80, 30)
    volumes = sampler().fit_resample(X.reshape(40, 1, 3, 2, 5), y)[0]
    assert volumes.shape == (80, 1, 3, 2, 5)


@pytest.mark.parametrize("detail", ["residual", "decoded"])
def test_whole_numbers_stay_in_their_range(data, detail):
    X, y = data
    X = np.where(X % 1 > 0.5, 255, 0).astype(np.uint8)
    X_new, _ = sampler(detail=detail).fit_resample(X, y)
    assert X_new.dtype == np.uint8
    assert_array_equal(X_new[:40], X)
    # a row that wrapped around would be far from the float one
    plain, _ = sampler(detail=detail).fit_resample(X.astype(float), y)
    assert abs(X_new - np.clip(plain, 0, 255)).max() < 1 + 1e-3
    mask = X > 0
    X_new, _ = sampler(detail=detail, own_share=1).fit_resample(mask, y)
    assert X_new.dtype == bool
    if detail == "residual":
        assert_array_equal(X_new[40:], mask)


def test_corner_cases_of_classes(data):
    X = data[0]
    with pytest.raises(ValueError, match="at least 2 classes, but y has one class: a"):
        sampler().fit_resample(X, np.repeat("a", 40))
    lone = np.array(["a"] * 39 + ["z"])
    s = sampler(factor=2)
    X_new, mass = s.fit_resample(X, lone)
    assert np.isfinite(X_new).all()
    assert np.isnan(s.diagnostics_["probe_accuracy"])
    assert_allclose(mass.sum(axis=1), 1)
    # 3 rows, below the batch size, of two classes; and a batch size that leaves one row over
    for n_rows, batch_size in [(3, 32), (9, 4)]:
        X_new, _ = sampler(batch_size=batch_size).fit_resample(
            X[15 : 15 + n_rows], np.arange(n_rows) % 2
        )
        assert X_new.shape[0] == 2 * n_rows
    flat = sampler()
    X_new, _ = flat.fit_resample(np.full((12, 4), 3.0), np.arange(12) % 2)
    assert_array_equal(X_new, np.full((24, 4), 3.0))
    assert flat.diagnostics_["reconstruction_error"] == 0


def test_errors_say_what_to_do(data):
    X, y = data
    _, mass = sampler().fit_resample(X, y)
    with pytest.raises(ValueError, match="one label per row, not soft labels"):
        sampler().fit_resample(X, mass.iloc[:40])
    with pytest.raises(ValueError, match="holds 42 values per row but the rows of X have shape"):
        sampler(input_shape=(1, 6, 7)).fit_resample(X, y)
    with pytest.raises(ValueError, match=r"beyond 3\.4e\+38"):
        sampler().fit_resample(X * 1e60, y)
    with pytest.raises(ValueError, match="Set a smaller lr"):
        sampler(lr=1e30).fit_resample(X, y)
    with pytest.raises(ValueError, match="1 to 3 spatial axes"):
        sampler().fit_resample(X.reshape(40, 1, 3, 2, 5, 1), y)


def test_memory_trains_once_per_fold(data, tmp_path, monkeypatch):
    X, y = data
    groups = np.arange(40) % 8
    grid = {"sampler__factor": [1, 2], "sampler__detail": ["residual", "decoded"]}
    log = tmp_path / "trainings"
    train = factor_mix_sampler.FactorNetworks.fit

    def counted(self, *args):
        with log.open("a") as file:
            file.write("x")
        return train(self, *args)

    monkeypatch.setattr(factor_mix_sampler.FactorNetworks, "fit", counted)
    scores = []
    for memory, n_trainings in [(None, 8), (str(tmp_path / "cache"), 2)]:
        log.write_text("")
        model = ResamplingClassifier(
            sampler(targets="sampled", memory=memory, input_shape=(1, 6, 5)),
            LogisticRegression(max_iter=2000),
        )
        search = GridSearchCV(model, grid, cv=GroupKFold(2), refit=False)
        search.fit(X.reshape(40, -1), y, groups=groups)
        assert len(log.read_text()) == n_trainings
        scores.append(search.cv_results_["mean_test_score"])
    assert_array_equal(*scores)


def test_soft_targets_train_a_network_and_labels_any_classifier(data):
    X, y = data
    X_new, mass = sampler().fit_resample(X, y)
    net = NetClassifier(MLP, max_epochs=60, random_state=0).fit(X_new, mass)
    assert_array_equal(net.classes_, ["a", "b", "c"])
    assert net.score(X, y) > 0.8
    # a class that a fold lacks is neither in the targets nor asked of the classifier
    seen = y != "c"
    X_new, mass = sampler().fit_resample(X[seen], y[seen])
    assert_array_equal(NetClassifier(MLP, max_epochs=1).fit(X_new, mass).classes_, ["a", "b"])
    for targets in ("hard", "sampled"):
        X_new, y_new = sampler(targets=targets).fit_resample(X, y)
        assert SVC().fit(X_new.reshape(80, -1), y_new).score(X.reshape(40, -1), y) > 0.8


class Codes:
    """Stands in for networks: a decoder that returns the middle, a classifier that is right."""

    def __init__(self, y):
        self.y = y

    def decode(self, c, r):
        return np.full((len(c), 2), 0.5)

    def classify(self, c):
        return np.eye(2)[self.y]


def test_the_probe_tells_codes_that_give_the_class_away():
    rng = np.random.RandomState(0)
    y = np.arange(200) % 2
    X = np.repeat([[0.0, 1.0]], 200, axis=0)
    open_, closed = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    open_[:, 1] += 5 * y
    found = diagnose(Codes(y), X, y, open_, open_, None)
    assert found["probe_accuracy"] > 0.95
    assert found["class_accuracy"] == 1
    assert found["chance"] == 0.5
    # the decoder's error is the variance
    assert found["reconstruction_error"] == pytest.approx(1)
    assert diagnose(Codes(y), X, y, closed, closed, None)["probe_accuracy"] < 0.6
    # a code of the patient, not of the class, says nothing about other patients
    groups = rng.permutation(200) // 4
    own = np.repeat(rng.normal(size=(50, 4)), 4, axis=0)[np.argsort(np.argsort(groups))]
    labels = (groups % 2).astype(int)
    found = diagnose(Codes(labels), X, labels, own, own, groups)
    assert found["probe_accuracy"] < 0.7
    assert np.isnan(diagnose(Codes(y), X, y, own, own, y)["probe_accuracy"])


def test_factors_of_lesions_come_apart():
    lesions = make_lesion_rois(300, size=16, random_state=0)
    X, y = lesions.data, lesions.target
    s = sampler(affine=False, class_epochs=15, max_epochs=50, factor=0)
    s.set_params(width=8, n_codes=32).fit_resample(X, y, groups=lesions.groups)
    found = s.diagnostics_
    assert s.history_[-1].items() >= found.items()
    assert found["class_accuracy"] > 0.95
    assert abs(found["probe_accuracy"] - found["chance"]) < 0.2
    assert found["reconstruction_error"] < 0.4
    # contrast, which the class decides, goes with the class code
    contrast, radius = lesions.factors[:, 0], lesions.factors[:, 2]
    order = np.random.RandomState(0).permutation(300)
    swapped = s.swap(X, X[order])
    seen = swapped[:, 0, 6:10, 6:10].mean((1, 2))
    assert np.corrcoef(seen, contrast)[0, 1] > 0.7
    assert abs(np.corrcoef(seen, contrast[order])[0, 1]) < 0.3
    # and size with the residual code
    for label in (0, 2):  # dark cysts and bright hemangiomas
        both = (y == label) & (y[order] != 3)
        extent = abs(swapped[both]).mean((1, 2, 3))
        assert np.corrcoef(extent, radius[order][both])[0, 1] > 0.3
