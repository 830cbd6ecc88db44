"""TripletEmbedder: what it learns, its contracts, and every odd set of rows."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from skorch.callbacks import EarlyStopping, LRScheduler
from torch import nn

from skrobust import MLP, RandomAugmentation, TripletEmbedder
from skrobust.embedding.training import centroid_recall, change_rare, two_views
from skrobust.neural import ConvNet

SMALL = {"module": MLP, "max_epochs": 4, "augment": "noise", "lr": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    """Return three classes of 40, 15 and 5 rows, a wide and weak signal, and patients."""
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1, 2], [40, 15, 5])
    X = rng.normal(size=(60, 12)) + 3 * np.eye(3, 12)[y]
    return X.astype(np.float32), y, np.arange(60) // 2


def weights(embedder):
    return [p.detach().numpy().copy() for p in embedder.net_.module_.parameters()]


def recall(embedder, X, y, X_test, y_test):
    return centroid_recall(embedder.transform(X), y, embedder.transform(X_test), y_test)


# ---- what it learns


@pytest.mark.parametrize("loss", ["batch_all", "batch_hard", "cross_entropy", "interval"])
def test_every_loss_brings_classes_together(data, loss):
    X, y, _ = data
    rng = np.random.RandomState(1)
    y_test = np.tile([0, 1, 2], 50)
    X_test = (rng.normal(size=(150, 12)) + 3 * np.eye(3, 12)[y_test]).astype(np.float32)
    embedder = TripletEmbedder(**{**SMALL, "max_epochs": 30}, loss=loss).fit(X, y)
    start = TripletEmbedder(**{**SMALL, "lr": 1e-30, "max_epochs": 1}, loss=loss).fit(X, y)
    assert recall(embedder, X, y, X_test, y_test) > 0.75
    between = [ratio_of_distances(e.transform(X), y) for e in (start, embedder)]
    assert between[1] > 1.5 * between[0]


def ratio_of_distances(E, y):
    """Return the mean distance to other classes over that within the class."""
    D = np.linalg.norm(E[:, None] - E, axis=2)
    same = y[:, None] == y
    return D[~same].mean() / D[same].mean()


@pytest.mark.parametrize("pretrain", ["batch_all", "batch_hard", "nt_xent"])
def test_pretraining_tells_rows_apart_without_labels(pretrain):
    X, y = load_digits(return_X_y=True)
    params = {"input_shape": (1, 8, 8), "augment": "affine", "random_state": 0}
    learnt = TripletEmbedder(pretrain=pretrain, pretrain_epochs=6, **params).fit(X[:600])
    start = TripletEmbedder(pretrain=pretrain, pretrain_epochs=1, lr=1e-30, **params).fit(X[:600])
    assert learnt.pretrain_losses_.shape == (6,)
    assert learnt.pretrain_losses_[-1] < learnt.pretrain_losses_[0]
    assert len(learnt.classes_) == 0
    scores = [
        KNeighborsClassifier(5)
        .fit(e.transform(X[:600]), y[:600])
        .score(e.transform(X[600:]), y[600:])
        for e in (start, learnt)
    ]
    assert scores[1] > scores[0] + 0.03


def test_training_starts_from_the_pretrained_weights(data):
    X, y, _ = data
    params = {**SMALL, "pretrain": "batch_all", "pretrain_epochs": 3}
    alone = TripletEmbedder(**params).fit(X)
    still = TripletEmbedder(**{**params, "lr": 1e-30}, pretrain_lr=0.01).fit(X, y)
    for a, b in zip(weights(alone), weights(still), strict=True):
        assert_allclose(a, b, atol=1e-6)
    other = TripletEmbedder(
        **params,
        optimizer__weight_decay=0.1,
        pretrain_optimizer=torch.optim.SGD,
        pretrain_batch_size=7,
    ).fit(X)
    assert isinstance(other.net_.optimizer_, torch.optim.SGD)
    assert other.net_.optimizer_.param_groups[0]["weight_decay"] == 0
    assert other.net_.batch_size == 7


# ---- labels, and rows without


def test_unlabelled_rows_serve_the_pretraining_only(data):
    X, y, _ = data
    marked = np.where(np.arange(60) % 3 == 0, -1, y)
    labelled = marked != -1
    plain = TripletEmbedder(**SMALL).fit(X, marked)
    expected = TripletEmbedder(**SMALL).fit(X[labelled], y[labelled])
    assert_array_equal(plain.transform(X), expected.transform(X))
    assert_array_equal(plain.classes_, [0, 1, 2])
    params = {**SMALL, "pretrain": "nt_xent", "pretrain_epochs": 2}
    inside = TripletEmbedder(**params).fit(X, marked)
    without = TripletEmbedder(**params).fit(X[labelled], y[labelled])
    apart = TripletEmbedder(**params).fit(X[labelled], y[labelled], X_unlabeled=X[~labelled])
    assert not np.allclose(inside.transform(X), without.transform(X), atol=1e-4)
    assert_array_equal(inside.transform(X), apart.transform(X))


def test_the_mark_can_be_another_or_none(data):
    X, y, _ = data
    signs = np.where(y == 0, -1, 1)
    with pytest.raises(ValueError, match="one class: 1"):
        TripletEmbedder(**SMALL).fit(X, signs)
    both = TripletEmbedder(**SMALL, unlabeled=None).fit(X, signs)
    assert_array_equal(both.classes_, [-1, 1])
    names = np.array(["glioma", "unknown", "other"])[y]
    named = TripletEmbedder(**SMALL, unlabeled="unknown").fit(X, names)
    assert_array_equal(named.classes_, ["glioma", "other"])
    assert_array_equal(TripletEmbedder(**SMALL).fit(X, names).classes_, np.unique(names))


def test_no_labels_at_all(data):
    X, _, groups = data
    nothing = np.full(60, -1)
    for y in (None, nothing):
        with pytest.raises(ValueError, match="Give labels, or set pretrain"):
            TripletEmbedder(**SMALL).fit(X, y)
        embedder = TripletEmbedder(
            **SMALL, pretrain="batch_all", pretrain_epochs=2, validation_fraction=0.2
        ).fit(X, y, groups=groups)
        assert np.isfinite(embedder.transform(X)).all()
        assert embedder.transform(X).shape == (60, 16)
        assert embedder.rare_classes_.tolist() == []


@pytest.mark.parametrize("loss", ["batch_all", "batch_hard", "cross_entropy", "interval"])
@pytest.mark.parametrize("pretrain", [None, "batch_hard", "nt_xent"])
def test_a_class_of_one_row_and_equal_rows_give_numbers(loss, pretrain):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(12, 6)), np.array([0] * 10 + [1, 2])
    params = {**SMALL, "loss": loss, "pretrain": pretrain, "pretrain_epochs": 2}
    for per_class in (4, None):
        for augment in ("noise", None) if pretrain is None else ("noise",):
            embedder = TripletEmbedder(
                **{**params, "augment": augment}, samples_per_class=per_class
            )
            assert np.isfinite(embedder.fit(X, y).transform(X)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        flat = TripletEmbedder(**params).fit(np.ones((12, 6)), y)
    assert np.isfinite(flat.transform(np.ones((3, 6)))).all()
    assert np.isfinite(flat.history_[:, "train_loss"]).all()


def test_collapse_is_a_warning():
    X, y = np.ones((12, 6)), np.tile([0, 1], 6)
    with pytest.warns(ConvergenceWarning, match="collapsed after the training.*margin=0.2"):
        TripletEmbedder(**SMALL).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="collapsed after the pretraining"):
        TripletEmbedder(**SMALL, pretrain="batch_hard", pretrain_epochs=1).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TripletEmbedder(**SMALL, loss="cross_entropy").fit(X, y)


# ---- augmentation


def test_two_views_are_pairs():
    views, numbers = two_views(lambda x: x + torch.randn_like(x))(None, torch.zeros(3, 2), None)
    assert views.shape == (6, 2)
    assert numbers.tolist() == [0, 1, 2, 0, 1, 2]
    assert len(views[:, 0].unique()) == 6


def test_only_rare_rows_change():
    change = change_rare(lambda x: x + 1, torch.tensor([False, True]), 0.75)
    x, y = torch.zeros(4000, 1), torch.arange(4000) % 2
    torch.manual_seed(0)
    out, codes = change(None, x, y)
    assert torch.equal(codes, y)
    assert not x.any()
    assert not out[y == 0].any()
    assert out[y == 1].mean() == pytest.approx(0.75, abs=0.03)


def test_rare_rows_come_with_copies(data):
    X, y, _ = data
    seen = []

    class Spy(EarlyStopping):
        def on_train_begin(self, net, X=None, **kwargs):
            seen.append(X.indices.numpy())

        def on_epoch_end(self, net, **kwargs):
            pass

    params = {**SMALL, "rare_threshold": 0.1, "augment_rows": "rare", "n_augment": 3}
    embedder = TripletEmbedder(**params, callbacks=[Spy("train_loss")]).fit(X, y)
    assert_array_equal(embedder.rare_classes_, [2])
    assert_array_equal(np.bincount(seen[0]), np.where(y == 2, 4, 1))


def test_augmentation_changes_the_training(data):
    X, y, _ = data
    plain = TripletEmbedder(**{**SMALL, "augment": None}).fit(X, y).transform(X)
    same = TripletEmbedder(**SMALL, augment_rows=None).fit(X, y).transform(X)
    assert_array_equal(plain, same)
    for augment in ("noise", RandomAugmentation(noise=0.5), torch.neg):
        other = TripletEmbedder(**{**SMALL, "augment": augment}).fit(X, y).transform(X)
        assert not np.allclose(other, plain, atol=1e-3)


# ---- model selection


def test_the_best_epoch_is_kept(data):
    X, y, groups = data
    params = {**SMALL, "max_epochs": 8, "lr": 0.05, "validation_fraction": 0.3}
    embedder = TripletEmbedder(**params).fit(X, y, groups=groups)
    held = embedder.validation_indices_
    train = np.setdiff1d(np.arange(60), held)
    assert len(held)
    assert not set(groups[held]) & set(groups[train])
    scores = embedder.history_[:, "valid_macro_recall"]
    assert embedder.best_epoch_ == np.argmax(scores) + 1
    assert recall(embedder, X[train], y[train], X[held], y[held]) == pytest.approx(max(scores))
    last = clone(embedder).set_params(validation_fraction=None)
    assert last.fit(X, y).best_epoch_ == 8
    assert len(last.validation_indices_) == 0
    stopped = TripletEmbedder(
        **{**params, "max_epochs": 50},
        callbacks=[EarlyStopping("valid_macro_recall", patience=2, lower_is_better=False)],
    ).fit(X, y, groups=groups)
    assert len(stopped.history_) < 50


def test_classes_that_cannot_be_split_stay_in_training():
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1, 2, 3], [30, 20, 2, 1])
    groups = np.concatenate([np.arange(30) // 2, 100 + np.arange(20) // 2, [200, 200], [300]])
    X = rng.normal(size=(53, 6))
    for patients in (groups, None):
        embedder = TripletEmbedder(**SMALL, validation_fraction=0.2).fit(X, y, groups=patients)
        held = y[embedder.validation_indices_]
        assert 3 not in held
        assert np.isin([0, 1], held).all()
        if patients is not None:
            assert 2 not in held


def test_centroid_recall_against_sklearn():
    rng = np.random.RandomState(0)
    y, y_valid = rng.randint(4, size=80), rng.randint(3, size=50)
    E, V = rng.normal(size=(80, 3)) + y[:, None], rng.normal(size=(50, 3)) + y_valid[:, None]
    predicted = NearestCentroid().fit(E, y).predict(V)
    expected = sklearn.metrics.recall_score(
        y_valid, predicted, labels=np.unique(y_valid), average="macro"
    )
    assert centroid_recall(E, y, V, y_valid) == pytest.approx(expected)


# ---- contracts


@pytest.mark.filterwarnings("ignore:The embeddings have collapsed")
def test_both_layouts_memory_maps_and_unit_length(tmp_path):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(30, 1, 6, 8)).astype("f4"), np.tile([0, 1, 2], 10)
    params = {"max_epochs": 2, "random_state": 0, "embedding_dim": 5, "validation_fraction": 0.2}
    shaped = TripletEmbedder(**params).fit(X, y).transform(X)
    flat = X.reshape(30, -1)
    rows = TripletEmbedder(**params, input_shape=(1, 6, 8)).fit(flat, y)
    assert_array_equal(rows.transform(flat), shaped)
    assert_allclose(np.linalg.norm(shaped, axis=1), 1, atol=1e-6)
    free = TripletEmbedder(**params, normalize=False).fit(X, y).transform(X)
    assert np.abs(np.linalg.norm(free, axis=1) - 1).max() > 0.01
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_array_equal(TripletEmbedder(**params).fit(mapped, y).transform(mapped), shaped)


def test_output_has_names(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(12)])
    embedder = TripletEmbedder(**SMALL, embedding_dim=2).set_output(transform="pandas")
    out = embedder.fit(frame, y).transform(frame)
    assert list(out.columns) == ["tripletembedder0", "tripletembedder1"]
    assert list(embedder.get_feature_names_out()) == list(out.columns)


class CountedEmbedder(TripletEmbedder):
    """An embedder that writes a line for every fit."""

    log = None

    def fit(self, X, y=None, groups=None, X_unlabeled=None):
        with open(CountedEmbedder.log, "a") as file:
            file.write("fit\n")
        return super().fit(X, y, groups=groups, X_unlabeled=X_unlabeled)


def test_neighbours_cost_no_refit(data, tmp_path):
    X, y, groups = data
    CountedEmbedder.log = tmp_path / "log"
    pipe = Pipeline(
        [("embed", CountedEmbedder(**SMALL)), ("knn", KNeighborsClassifier())],
        memory=str(tmp_path / "cache"),
    )
    grid = {"embed__margin": [0.2, 0.5], "knn__n_neighbors": [1, 3, 5, 7]}
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(pipe, grid, cv=StratifiedGroupKFold(2), refit=False)
        search.fit(X, y, groups=groups)
    assert len(search.cv_results_["params"]) == 8
    assert CountedEmbedder.log.read_text().count("fit") == 2 * 2


def test_searches_over_all_that_matters(data):
    X, y, groups = data
    pipe = make_pipeline(TripletEmbedder(**{**SMALL, "max_epochs": 1}), NearestCentroid())
    grid = {
        "tripletembedder__loss": ["batch_all", "cross_entropy"],
        "tripletembedder__pretrain": [None, "nt_xent"],
        "tripletembedder__embedding_dim": [2, 8],
        "tripletembedder__module__width": [4],
        "tripletembedder__pretrain_epochs": [1],
    }
    search = GridSearchCV(pipe, grid, cv=StratifiedGroupKFold(2)).fit(X, y, groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_callbacks_and_partial_support(data):
    X, y, _ = data
    schedule = LRScheduler("CosineAnnealingLR", T_max=4)
    params = {**SMALL, "pretrain": "nt_xent", "pretrain_epochs": 3}
    embedder = TripletEmbedder(**params, lr_schedule=None, callbacks=[schedule]).fit(X, y)
    assert embedder.net_.optimizer_.param_groups[0]["lr"] < 1e-3
    assert len(embedder.pretrain_losses_) == 3
    assert len(embedder.history_) == 4


def test_the_encoder_of_the_paper_has_its_weights():
    params = TripletEmbedder.paper_params
    with torch.device("meta"):
        encoder = ConvNet(
            (1, 12, 128, 128),
            params["embedding_dim"],
            width=params["module__width"],
            multipliers=params["module__multipliers"],
            hidden=params["module__hidden"],
        )
    counts = [sum(p.numel() for p in part.parameters()) for part in (encoder, encoder.features)]
    assert [round(count / 1e6, 1) for count in counts] == [6.9, 6.9]
    dense = [layer for layer in encoder.head.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in dense] == [128, 6]
    assert encoder(torch.zeros(2, 1, 12, 128, 128, device="meta")).shape == (2, 6)


@pytest.mark.filterwarnings("ignore:The embeddings have collapsed")
def test_the_paper_in_small():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 1, 4, 8, 8)), np.repeat([0, 1, 2], [20, 18, 2])
    small = {"module__width": 2, "max_epochs": 2, "pretrain_epochs": 1, "random_state": 0}
    embedder = TripletEmbedder(**{**TripletEmbedder.paper_params, **small}).fit(X, y)
    assert embedder.transform(X).shape == (40, 6)


ERRORS = {
    "no views": ({"pretrain": "nt_xent", "augment": None}, "compares two changed views"),
    "one class per batch": ({"batch_size": 7}, "Set batch_size to at least 8"),
    "unknown loss": ({"loss": "triplet"}, "'loss' parameter"),
    "unknown augmentation": ({"augment": "strong"}, "'augment' parameter"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_choices_that_exclude_each_other(data, case):
    X, y, _ = data
    params, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        TripletEmbedder(**{**SMALL, **params}).fit(X, y)


def test_bad_input(data):
    X, y, groups = data
    with pytest.raises(ValueError, match="one class: 0"):
        TripletEmbedder(**SMALL).fit(X[:40], y[:40])
    with pytest.raises(ValueError, match="Unknown label type"):
        TripletEmbedder(**SMALL).fit(X, y + 0.5)
    with pytest.raises(ValueError, match="a sampler earlier in the pipeline"):
        TripletEmbedder(**SMALL, validation_fraction=0.2).fit(X, y, groups=groups[:5])
    TripletEmbedder(**SMALL).fit(X, y, groups=groups[:5])
    with pytest.raises(ValueError, match="12 features"):
        TripletEmbedder(**SMALL, pretrain="nt_xent").fit(X, y, X_unlabeled=X[:, :5])
    fitted = TripletEmbedder(**SMALL).fit(X, y)
    before = fitted.transform(X)
    with pytest.raises(ValueError, match="Raise it, or set validation_fraction=None"):
        TripletEmbedder(**SMALL, validation_fraction=0.2).fit(X, y, groups=np.zeros(len(y)))
    with pytest.raises(ValueError, match="leaves no validation row"):
        fitted.set_params(validation_fraction=0.01).fit(X[[0, 41]], y[[0, 41]])
    assert_array_equal(fitted.transform(X), before)
