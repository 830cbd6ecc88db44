"""AEOutlierRemover: schedule, bookkeeping, edges, and what it is for."""

import pickle
import random
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from skrobust import (
    AEOutlierRemover,
    ConvAutoencoder,
    DenseAutoencoder,
    OutlierRemovalWarning,
    contaminate,
)
from skrobust.outliers import ae_outlier_remover
from skrobust.outliers.row_removal import RowRemoval, are_of_two_kinds
from skrobust.utils.targets import soft_labels

# barely trained networks
pytestmark = pytest.mark.filterwarnings("ignore:.*do not stand apart")

QUICK = {"gamma": 2.5, "restarts": (10,), "max_epochs": 20, "random_state": 0}


@pytest.fixture(scope="module")
def mixed():
    """80 rows on a plane in 10 dimensions, 8 rows off it."""
    rng = np.random.RandomState(0)
    X = rng.randn(88, 2) @ rng.randn(2, 10) + 0.1 * rng.randn(88, 10)
    is_outlier = np.arange(88) % 11 == 5
    X[is_outlier] = 3 * rng.randn(8, 10)
    return X, is_outlier


@pytest.fixture(scope="module")
def fitted(mixed):
    return AEOutlierRemover(**QUICK).fit(mixed[0])


def test_scores_follow_from_reconstructions(mixed, fitted):
    X, _ = mixed
    reconstruction = fitted.reconstruct(X)
    assert reconstruction.shape == X.shape
    assert_allclose(fitted.error_map(X), abs(X - reconstruction))
    error = abs(X - reconstruction).mean(1)
    assert_allclose(fitted.score_samples(X), -error, rtol=1e-5)
    assert_allclose(fitted.scores_, -error, rtol=1e-5)
    decision = fitted.decision_function(X)
    assert_allclose(decision, fitted.score_samples(X) - fitted.offset_)
    assert_array_equal(fitted.predict(X), np.where(decision < 0, -1, 1))
    assert fitted.offset_ == pytest.approx(-2.5 * error[fitted.sample_indices_].mean(), rel=1e-5)


def test_the_books_agree(mixed, fitted):
    X, is_outlier = mixed
    removed = fitted.removed_epoch_ > 0
    assert removed[is_outlier].mean() > 0.8
    assert_array_equal(fitted.sample_indices_, np.flatnonzero(~removed))
    assert set(fitted.removed_epoch_[removed]) <= set(range(5, 31, 5))
    assert set(fitted.removed_epoch_[~removed]) == {-1}
    assert_array_equal(np.sort(fitted.removed_indices_), np.flatnonzero(removed))
    assert (np.diff(fitted.scores_[fitted.removed_indices_]) >= 0).all()
    history = fitted.history_
    assert len(history) == 30
    for row in history:
        gone = removed & (fitted.removed_epoch_ <= row["epoch"])
        assert row["n_kept"] == len(X) - gone.sum()
        assert np.isfinite(row["threshold"]) == (row["epoch"] % 5 == 0)
    # the units of X: the loss of an epoch is the mean error of the rows in it
    assert history[-1]["train_loss"] == pytest.approx(
        -fitted.scores_[fitted.sample_indices_].mean(), rel=0.2
    )


class KeepWeights(Callback):
    """Keeps the first weight of every epoch's beginning, and the rows of its batches."""

    def initialize(self):
        self.weights_ = []
        return self

    def on_epoch_begin(self, net, **kwargs):
        weight = next(net.module_.parameters()).detach().clone()
        self.weights_.append((weight, len(net.optimizer_.state)))


class Inspected(AEOutlierRemover):
    """Hands out the callback that the net has copied."""

    def watched(self):
        return self.net_.callbacks[0]


@pytest.mark.parametrize("instance", [False, True])
def test_restarts_begin_again(mixed, instance):
    X, _ = mixed
    module = DenseAutoencoder((10,), latent_dim=2) if instance else DenseAutoencoder
    model = Inspected(
        module, restarts=(3, 6), max_epochs=2, callbacks=[KeepWeights()], random_state=0
    ).fit(X)
    seen = model.watched().weights_
    assert len(seen) == 8
    # optimizers remember nothing after a restart
    assert [n_states > 0 for _, n_states in seen] == [False, *[True] * 2] * 2 + [False, True]
    starts = [seen[epoch][0] for epoch in (0, 3, 6)]
    if instance:
        given = next(module.parameters())
        assert all(torch.equal(start, given) for start in starts)
    else:
        assert not torch.equal(starts[0], starts[1])
        assert not torch.equal(starts[1], starts[2])


def test_without_removal_it_is_a_plain_autoencoder(mixed):
    X, _ = mixed
    seen = []
    for settings in ({"gamma": 1e9}, {"gamma": 0.01, "max_removed_fraction": 0.0}):
        model = AEOutlierRemover(**QUICK | settings).fit(X)
        assert len(model.sample_indices_) == len(X)
        seen.append(model.score_samples(X))
    assert_array_equal(*seen)


def global_states():
    numpy_state = np.random.get_state()  # noqa: NPY002
    torch_state = torch.get_rng_state().numpy().tobytes()
    return random.getstate(), numpy_state[1].tobytes(), numpy_state[2:], torch_state


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_units_do_not_matter(mixed, fitted, shift):
    X, _ = mixed
    model = clone(fitted).fit(1000 * X + shift)
    assert_array_equal(model.removed_epoch_, fitted.removed_epoch_)
    assert_allclose(model.scores_, 1000 * fitted.scores_, rtol=1e-3)
    assert_allclose(model.history_[:, "threshold"][4::5], [
        1000 * t for t in fitted.history_[:, "threshold"][4::5]
    ], rtol=1e-3)  # fmt: skip


# Classes and groups


def test_classes_have_their_own_threshold_and_none_is_lost(mixed):
    X, _ = mixed
    rng = np.random.RandomState(1)
    X = np.r_[X, 5 * rng.randn(12, 10)]
    y = np.array(["common"] * 88 + ["rare"] * 12)
    plain = AEOutlierRemover(**QUICK).fit(X)
    assert (plain.removed_epoch_[y == "rare"] > 0).mean() > 0.7
    model = AEOutlierRemover(**QUICK).fit(X, y)
    assert (model.removed_epoch_[y == "rare"] > 0).mean() < 0.5
    assert {"threshold_common", "threshold_rare"} <= set(model.history_[4])
    blind = AEOutlierRemover(per_class=False, **QUICK).fit(X, y)
    assert_array_equal(blind.removed_epoch_, plain.removed_epoch_)


@pytest.mark.filterwarnings("ignore::skrobust.OutlierRemovalWarning")
def test_the_limit_holds_in_every_class(mixed):
    X, _ = mixed
    y = np.repeat([0, 1, 2], [80, 7, 1])
    model = AEOutlierRemover(**QUICK | {"gamma": 0.1, "max_removed_fraction": 0.9}).fit(X, y)
    assert_array_equal(np.bincount(y[model.sample_indices_]), [8, 1, 1])


def test_soft_labels_count_by_their_largest_share(mixed):
    X, _ = mixed
    y = np.where(np.arange(88) < 50, "a", "b")
    mass = soft_labels(np.where(y[:, None] == ["a", "b"], 0.8, 0.1), ["a", "b"])
    labels, soft = AEOutlierRemover(**QUICK), AEOutlierRemover(**QUICK)
    X_new, y_new = labels.fit_resample(X, y)
    X_soft, mass_new = soft.fit_resample(X, mass)
    assert_array_equal(X_new, X_soft)
    assert_array_equal(mass_new, mass.iloc[labels.sample_indices_])
    assert_array_equal(mass_new.columns, ["a", "b"])
    assert_array_equal(y_new, y[labels.sample_indices_])
    assert "threshold_b" in soft.history_[0]


def test_groups_go_as_a_whole(mixed):
    X, _ = mixed
    rng = np.random.RandomState(2)
    patient = np.arange(88) // 4
    X = X.copy()
    sick = np.isin(patient, [3, 11])
    X[sick] = 3 * rng.randn(sick.sum(), 10)
    model = AEOutlierRemover(level="group", **QUICK).fit(X, groups=patient)
    for p in range(22):
        assert len(set(model.removed_epoch_[patient == p])) == 1
    assert (model.removed_epoch_[sick] > 0).all()
    with pytest.raises(ValueError, match="level='group' needs groups, the patient of every row"):
        model.fit(X)
    # by row, all of a group may go, and groups are ignored
    rows = AEOutlierRemover(**QUICK).fit(X, groups=patient)
    assert_array_equal(rows.removed_epoch_, AEOutlierRemover(**QUICK).fit(X).removed_epoch_)


# Edges


@pytest.mark.parametrize("n_rows", [1, 2, 3, 20])
@pytest.mark.filterwarnings("ignore:nothing was removed")
def test_fewer_rows_than_a_batch(n_rows):
    X = np.random.RandomState(0).randn(n_rows, 4)
    model = AEOutlierRemover(batch_size=32, restarts=(5,), max_epochs=5, random_state=0)
    if n_rows < 20:
        model.set_params(gamma=2.0)
    model.fit(X)
    assert len(model.sample_indices_) >= 1
    assert np.isfinite(model.scores_).all()


@pytest.mark.parametrize("value", [0.0, 3.7, 1e6])
def test_equal_rows_all_stay(value):
    X = np.full((50, 6), value)
    model = AEOutlierRemover(restarts=(5,), max_epochs=30, random_state=0).fit(X)
    assert len(model.sample_indices_) == 50
    X = np.tile(np.arange(6.0) + value, (50, 1))
    model.fit(X)
    assert len(model.sample_indices_) == 50


def test_the_set_is_never_empty_and_the_user_is_told(mixed):
    X, _ = mixed
    model = AEOutlierRemover(**QUICK | {"gamma": 1e-9})
    with pytest.warns(OutlierRemovalWarning, match="is used up") as caught:
        model.fit(X)
    assert len(model.sample_indices_) == 44
    assert caught[0].filename == __file__
    model.set_params(max_removed_fraction=0.99)
    with pytest.warns(OutlierRemovalWarning, match="more than half"):
        model.fit_resample(X)
    assert len(model.sample_indices_) == 1


def test_the_automatic_number_of_epochs():
    X = np.random.RandomState(0).randn(40, 3)
    model = AEOutlierRemover(restarts=(), gamma=10.0, random_state=0)
    assert len(model.fit(X).history_) == 150  # 2 steps each make 300
    assert len(model.fit(np.tile(X, (4, 1))).history_) == 100


def test_wrong_settings_are_named(mixed):
    X, _ = mixed
    for restarts in ((0,), (5, 5), (3, 2), (2.5,)):
        with pytest.raises(ValueError, match="must be increasing epochs, from 1"):
            AEOutlierRemover(restarts=restarts).fit(X)
    with pytest.raises(ValueError, match=r"must return a tensor of shape \(batch, 10\), the recon"):
        AEOutlierRemover(torch.nn.Linear, module__in_features=10, module__out_features=3).fit(X)
    with pytest.raises(ValueError, match="input_shape"):
        AEOutlierRemover(input_shape=(1, 3, 3)).fit(X)
    with pytest.raises(ValueError, match="groups has 3 entries but X has 88 rows"):
        AEOutlierRemover().fit(X, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="Unknown label type"):
        AEOutlierRemover().fit(X, np.linspace(0, 1, 88))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AEOutlierRemover(per_class=False).fit(X, [1, 2])


# Containers, shapes, memory


def test_containers_and_missing_labels(mixed):
    X, _ = mixed
    frame = pd.DataFrame(X.astype("float32"), columns=list("abcdefghij"), index=np.arange(88) + 5)
    model = AEOutlierRemover(**QUICK)
    X_new, y_new = model.fit_resample(frame)
    assert y_new is None
    pd.testing.assert_frame_equal(X_new, frame.iloc[model.sample_indices_])
    assert list(model.feature_names_in_) == list("abcdefghij")
    rows, labels = model.fit_resample(X.tolist(), ["a", "b"] * 44)
    assert isinstance(rows, list)
    assert len(rows) == len(labels) == len(model.sample_indices_)


@pytest.mark.parametrize("shape", [(1, 31), (2, 9, 12), (1, 7, 8, 5)])
def test_signals_images_volumes_of_any_type(shape):
    rng = np.random.RandomState(0)
    X = rng.randint(0, 255, size=(30, *shape)).astype("uint8")
    model = AEOutlierRemover(restarts=(), max_epochs=2, gamma=5.0, random_state=0).fit(X)
    assert isinstance(model.net_.module_, ConvAutoencoder)
    assert model.reconstruct(X).shape == model.error_map(X).shape == X.shape
    assert model.reconstruct(X).dtype == np.float32
    assert_allclose(model.error_map(X).reshape(30, -1).mean(1), -model.scores_, rtol=1e-4)
    assert model.fit_resample(X)[0].dtype == np.uint8
    flat = clone(model).set_params(input_shape=shape).fit(X.reshape(30, -1))
    assert_allclose(flat.scores_, model.scores_, rtol=1e-5)
    assert flat.reconstruct(X.reshape(30, -1)).shape == (30, X[0].size)


class Sampled(threading.Thread):
    """Watches the private memory of this process."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.stop = 0, threading.Event()

    @staticmethod
    def private():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1e3

    def run(self):
        while not self.stop.is_set():
            self.peak = max(self.peak, self.private())
            time.sleep(0.001)


def peak_of(fit):
    """Return the largest growth of private memory, in MB."""
    watch = Sampled()
    start = watch.private()
    watch.start()
    fit()
    watch.stop.set()
    watch.join()
    return watch.peak - start


@pytest.mark.filterwarnings("ignore::skrobust.OutlierRemovalWarning")
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_memory_mapped_X_is_read_in_batches(tmp_path, dtype, monkeypatch):
    try:
        Sampled.private()
    except (OSError, StopIteration):
        pytest.skip("needs /proc/self/status of Linux")
    # as if so short a training had taught the network anything
    honest = ae_outlier_remover._error_of_mean_row
    monkeypatch.setattr(ae_outlier_remover, "_error_of_mean_row", lambda X: 10 * honest(X))
    n_rows = 2000  # 131 MB as float32
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", dtype, (n_rows, 128 * 128))
    X[:] = np.random.RandomState(0).gamma(2.0, 20.0, size=(n_rows, 1)).clip(0, 255)
    X.flush()
    del X
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = AEOutlierRemover(
        DenseAutoencoder, module__latent_dim=2, module__widths=(), gamma=1.2, removal_interval=1,
        restarts=(1,), max_epochs=1, random_state=0,
    )  # fmt: skip
    model.fit(X[:64])  # what is loaded once
    assert peak_of(lambda: model.fit(X)) < 45
    assert len(model.sample_indices_) < n_rows
    assert peak_of(lambda: model.score_samples(X)) < 45
    # the watch does see a copy
    assert peak_of(lambda: np.array(X, dtype=np.float32).sum()) > 110


@pytest.mark.parametrize("restarts", [(), (6,), (4, 9), (10,)])
@pytest.mark.parametrize("interval", [1, 4, 7])
def test_removals_count_from_the_last_restart(mixed, restarts, interval):
    X, _ = mixed
    settings = QUICK | {"restarts": restarts, "removal_interval": interval, "lr": 0.01}
    history = AEOutlierRemover(**settings).fit(X).history_
    judged = np.flatnonzero(np.isfinite(history[:, "threshold"])) + 1
    starts = [0, *restarts]
    since = [epoch - max(s for s in starts if s < epoch) for epoch in judged]
    assert len(judged)
    assert all(epochs % interval == 0 for epochs in since)


def test_a_network_that_has_learned_nothing_judges_nothing(mixed):
    X, _ = mixed
    untrained = AEOutlierRemover(**QUICK | {"lr": 1e-9, "gamma": 0.5})
    with pytest.warns(OutlierRemovalWarning, match="nothing was removed: each time") as caught:
        untrained.fit(X)
    assert caught[0].filename == __file__
    assert len(untrained.sample_indices_) == len(X)


# Callbacks, and what it is for


def test_callbacks_see_the_books_and_go_on_over_restarts(mixed):
    X, _ = mixed
    schedule = LRScheduler("StepLR", step_size=5, gamma=0.5)
    stop = EarlyStopping(monitor="train_loss", patience=1000)
    model = AEOutlierRemover(callbacks=[schedule, stop], **QUICK).fit(X)
    # the schedule still holds the optimizer that trains after the restart
    assert model.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.5**6)
    stop = EarlyStopping(monitor="n_kept", patience=3, lower_is_better=True)
    assert len(AEOutlierRemover(callbacks=[stop], **QUICK).fit(X).history_) < 25


def test_removal_wins_back_digits():
    X, y = load_digits(return_X_y=True)
    gains = {0.1: [], 0.3: []}
    rng = np.random.RandomState(0)
    for digit in (3, 8):
        normal, other = (rng.permutation(np.flatnonzero((y == digit) == t)) for t in (1, 0))
        held = np.r_[normal[120:], other[200:]]
        for fraction, gain in gains.items():
            X_train, _, _ = contaminate(X[normal[:120]], X[other[:200]], fraction, random_state=0)
            auroc = []
            for settings in ({"max_removed_fraction": 0.0, "restarts": ()}, {}):
                model = AEOutlierRemover(random_state=0, **settings).fit(X_train)
                auroc.append(roc_auc_score(y[held] == digit, model.score_samples(X[held])))
            gain.append(auroc[1] - auroc[0])
    assert np.mean(gains[0.3]) >= 0.03
    assert np.mean(gains[0.1]) >= -0.005


def test_the_paper_settings_are_the_published_ones():
    model = AEOutlierRemover(**AEOutlierRemover.paper_params)
    assert model.restarts == (50, 100)
    assert model.max_epochs == 400
    net = ConvAutoencoder((1, 64, 77, 66), width=1, latent_dim=512)
    x = torch.zeros(1, 1, 64, 77, 66)
    assert net.encode(x).shape == (1, 512)
    assert net(x).shape == x.shape


def test_a_warning_says_if_nothing_sets_removed_rows_apart():
    rng = np.random.RandomState(0)
    errors, codes = np.exp(0.3 * rng.randn(200)), np.zeros(200, int)
    other = np.arange(200) < 20
    assert not are_of_two_kinds(errors, codes)
    assert are_of_two_kinds(np.where(other, 4 * errors, errors), codes)
    # two classes of different size of error are no outliers
    assert not are_of_two_kinds(np.where(other, 4 * errors, errors), other.astype(int))
    assert not are_of_two_kinds(np.ones(200), codes)

    def warned(errors, level):
        removal = RowRemoval(codes, None, lambda e: np.quantile(e, level), 0.5)
        removal.remove(errors, 1.0, 1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            removal.warn("rows", "gamma", 1.4, errors)
        return [str(w.message) for w in caught]

    assert "20 of 200 rows were removed, but their errors do not stand" in warned(errors, 0.9)[0]
    assert not warned(np.where(other, 4 * errors, errors), 0.9)
    assert not warned(errors, 0.96)  # a tail


# the committee


@pytest.fixture(scope="module")
def judged(mixed):
    return AEOutlierRemover(**QUICK, score_by="committee").fit(mixed[0])


def test_the_committee_scores_by_three_errors(mixed, fitted, judged):
    X, _ = mixed
    X = X.astype(float)
    assert_array_equal(judged.removed_epoch_, fitted.removed_epoch_)
    kept, n_components = judged.sample_indices_, 5
    centre = X[kept].mean(0)
    plane = np.linalg.svd(X[kept] - centre)[2][:n_components]

    def each(rows, itself):
        distances = np.sort(np.linalg.norm(rows[:, None] - X[kept], axis=2))[:, itself:][:, :5]
        flat = rows - centre
        residuals = np.linalg.norm(flat - flat @ plane.T @ plane, axis=1)
        return np.stack([judged.error_map(rows).mean(1), distances.mean(1), residuals])

    own = each(X[kept], 1)
    medians = np.median(own, axis=1)[:, None]
    assert_allclose(-judged.scores_[kept], (own / medians).mean(0), rtol=1e-4)
    gone = judged.removed_indices_
    assert_allclose(-judged.scores_[gone], (each(X[gone], 0) / medians).mean(0), rtol=1e-4)
    new = np.random.RandomState(1).randn(20, 10)
    assert_allclose(-judged.score_samples(new), (each(new, 0) / medians).mean(0), rtol=1e-4)
    assert (np.diff(judged.scores_[gone]) >= 0).all()
    assert judged.offset_ == pytest.approx(2.5 * judged.scores_[kept].mean())
    assert_array_equal(judged.predict(new) < 0, judged.score_samples(new) < judged.offset_)
    # reconstructions are not the committee's
    assert_array_equal(judged.error_map(X), fitted.error_map(X))


def test_the_committee_sees_what_is_reconstructed_well():
    rng = np.random.RandomState(0)
    directions = rng.randn(2, 10)
    X = rng.randn(80, 2) @ directions + 0.3 * rng.randn(80, 10)
    X = np.concatenate([X, X + 12 * directions[0]])[:83]  # three rows far away, along the plane
    alone, judged = (
        AEOutlierRemover(**{**QUICK, "score_by": by, "max_removed_fraction": 0.0, "max_epochs": 80})
        for by in ("reconstruction", "committee")
    )
    far = np.arange(83) >= 80
    better = [roc_auc_score(far, -d.fit(X[:80]).score_samples(X)) for d in (alone, judged)]
    assert better[1] == 1
    assert better[1] >= better[0]


def test_the_committee_is_kept_and_replaced(mixed, judged):
    X, _ = mixed
    again = pickle.loads(pickle.dumps(judged))
    assert_array_equal(again.score_samples(X), judged.score_samples(X))
    refitted = again.set_params(score_by="reconstruction").fit(X)
    assert_allclose(refitted.score_samples(X), -refitted.error_map(X).mean(1), rtol=1e-5)


@pytest.mark.parametrize("what", ["copies", "plane"])
def test_a_committee_without_errors_is_an_error(what):
    rng = np.random.RandomState(0)
    X = np.repeat(rng.randn(5, 8), 8, axis=0) if what == "copies" else rng.randn(40, 1) * np.ones(8)
    with pytest.raises(ValueError, match="copies of each other, or lie in a plane"):
        AEOutlierRemover(**QUICK, score_by="committee").fit(X)


def test_the_committee_judges_volumes_and_single_columns():
    rng = np.random.RandomState(0)
    volumes = rng.rand(24, 1, 4, 4, 4).astype(np.float32)
    volumes[-1] += 5
    quick = {**QUICK, "max_epochs": 4, "restarts": (), "max_removed_fraction": 0.0}
    scores = AEOutlierRemover(**quick, score_by="committee").fit(volumes).score_samples(volumes)
    assert scores.argmin() == 23
    column = rng.randn(30, 1)
    column[-1] = 20
    assert AEOutlierRemover(**quick, score_by="committee").fit(column).scores_.argmin() == 29
