"""NetClassifier: maths against closed forms, contracts, and what other libraries fail at."""

import copy
import io
import pickle
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import callbacks as skorch_callbacks
from torch import nn
from torch.nn import functional as F

from skrobust import MLP, ConvNet, NetClassifier, ResNet1d

SMALL = {"module": MLP, "module__width": 8, "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(90, 12)).astype(np.float32)
    y = (X[:, :3].sum(1) > 0).astype(int) + (X[:, 3] > 1)
    return X, y, np.repeat(np.arange(18), 5)


def weights(clf):
    return [p.detach().numpy().copy() for p in clf.net_.module_.parameters()]


def assert_same_fit(a, b):
    for left, right in zip(weights(a), weights(b), strict=True):
        assert_array_equal(left, right)


# ---- training against truth


def full_batch(**params):
    return NetClassifier(
        MLP, module__width=6, batch_size=1000, max_epochs=4, random_state=0, **params
    )


def test_weight_k_counts_like_k_copies_of_a_row(data):
    X, y, _ = data
    weight = np.random.RandomState(1).randint(0, 4, size=len(y))
    weighted = full_batch().fit(X, y, sample_weight=weight)
    repeated = full_batch().fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-5)


def test_soft_labels_is_soft_labels_times_weights(data):
    X, y, _ = data
    weight = np.random.RandomState(1).uniform(0.1, 2, size=len(y))
    mass = np.eye(3)[y] * weight[:, None]
    a = NetClassifier(**SMALL).fit(X, y, sample_weight=weight)
    b = NetClassifier(**SMALL).fit(X, mass)
    c = NetClassifier(**SMALL).fit(X, np.eye(3)[y], sample_weight=weight)
    assert_same_fit(a, b)
    assert_same_fit(a, c)


def test_first_step_follows_the_gradient_of_soft_cross_entropy(data):
    X, _, _ = data
    mass = np.random.RandomState(0).dirichlet(np.ones(3), size=len(X)) * 2
    params = {"module__n_layers": 0, "optimizer": torch.optim.SGD, "lr": 0.5}
    clf = full_batch(**params).set_params(max_epochs=1).fit(X, mass)
    start = clone(clf).set_params(lr=1e-30).fit(X, mass)
    W, b = start.net_.module_.head.weight.detach(), start.net_.module_.head.bias.detach()
    p = torch.softmax(torch.from_numpy(X) @ W.T + b, 1).double().numpy()
    gradient = (p - mass / 2).T @ X / len(X)
    assert_allclose(weights(clf)[0], W.numpy() - 0.5 * gradient, atol=1e-6)


def test_balanced_class_weight_equals_explicit_sample_weight(data):
    X, y, _ = data
    by_class = len(y) / (3 * np.bincount(y))
    a = NetClassifier(**SMALL, class_weight="balanced").fit(X, y)
    b = NetClassifier(**SMALL).fit(X, y, sample_weight=by_class[y])
    c = NetClassifier(**SMALL, class_weight="balanced").fit(X, np.eye(3)[y])
    d = NetClassifier(**SMALL, class_weight=dict(enumerate(by_class))).fit(X, y)
    for other in (b, c, d):
        assert_allclose(other.predict_proba(X), a.predict_proba(X), atol=1e-6)


def test_fit_is_that_many_epochs_of_partial_fit(data):
    X, y, _ = data
    fitted = NetClassifier(**SMALL).fit(X, y)
    stepped = NetClassifier(**SMALL)
    for _ in range(3):
        stepped.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_fit(fitted, stepped)
    assert len(stepped.history_) == 3


def test_recorded_loss_is_the_mean_cross_entropy(data):
    X, y, _ = data
    clf = full_batch(optimizer=torch.optim.SGD, lr=1e-30).fit(X, y, X_val=X[:30], y_val=y[:30])
    proba = clf.predict_proba(X)
    nll = -np.log(proba[np.arange(len(y)), y])
    assert clf.history_[-1]["train_loss"] == pytest.approx(nll.mean(), rel=1e-5)
    assert clf.history_[-1]["valid_loss"] == pytest.approx(nll[:30].mean(), rel=1e-5)


def test_learns_signals_images_and_volumes():
    rng = np.random.RandomState(0)
    y = np.tile([0, 1], 40)
    for shape in [(70,), (1, 12, 12), (1, 6, 7, 8)]:
        X = rng.normal(size=(80, *shape)).astype(np.float32)
        X[y == 1, ..., : shape[-1] // 2] += 1.5
        clf = NetClassifier(max_epochs=15, random_state=0).fit(X[:60], y[:60])
        assert clf.score(X[60:], y[60:]) > 0.9


def test_bfloat16_and_other_optimizers_learn_too(data):
    X, y, _ = data
    y = y > 0
    settings = [
        {"precision": "bfloat16", "lr": 0.01},
        {"optimizer": torch.optim.LBFGS, "lr": 0.5, "batch_size": 100},
        {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9, "lr": 0.1},
    ]
    for params in settings:
        clf = NetClassifier(**{**SMALL, "max_epochs": 20, **params}).fit(X, y)
        assert clf.score(X, y) > 0.9
        assert clf.predict_proba(X).dtype == np.float32


# ---- labels and layouts of every kind


@pytest.mark.parametrize(
    "labels",
    [np.array(["a", "b", "c"]), np.array([5, 6, 7]), np.array([-1, 0, 1]), np.array([1.0, 2, 9])],
    ids=["strings", "large ints", "negative", "floats"],
)
def test_labels_of_any_type(data, labels):
    X, y, _ = data
    clf = NetClassifier(**SMALL).fit(X, labels[y])
    assert_array_equal(clf.classes_, labels)
    assert set(clf.predict(X)) <= set(labels)
    assert_same_fit(clf, NetClassifier(**SMALL).fit(X, y))
    if labels.dtype.kind == "U":
        assert_same_fit(clf, NetClassifier(**SMALL).fit(X, labels[y].astype(object)))


def test_columns_of_soft_labels_keep_their_names(data):
    X, y, _ = data
    names = ["healthy", "tumour", "unclear"]
    mass = pd.DataFrame(np.eye(3)[y], columns=names)
    clf = NetClassifier(**SMALL).fit(X, mass)
    assert_array_equal(clf.classes_, names)
    assert_same_fit(clf, NetClassifier(**SMALL).fit(X, mass[names[::-1]]))
    # in later parts of the data, columns are found by name and may be missing
    twins = [NetClassifier(**SMALL).partial_fit(X, mass) for _ in range(2)]
    part = mass[["unclear", "healthy"]]
    twins[0].partial_fit(X, part)
    twins[1].partial_fit(X, part.assign(tumour=0.0)[names])
    assert_same_fit(*twins)
    with pytest.raises(ValueError, match="columns of y has labels"):
        twins[0].partial_fit(X, mass.set_axis(["healthy", "tumour", "other"], axis=1))


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "u1", "?"])
def test_dtypes(data, dtype):
    X, y, _ = data
    X = (X > 0).astype(dtype)
    expected = NetClassifier(**SMALL).fit(X.astype("f4"), y).predict_proba(X.astype("f4"))
    assert_array_equal(NetClassifier(**SMALL).fit(X, y).predict_proba(X), expected)


def test_rows_and_shaped_arrays_are_the_same_data():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 1, 6, 8)).astype("f4"), np.tile([0, 1], 20)
    params = {"max_epochs": 2, "random_state": 0}
    shaped = NetClassifier(**params).fit(X, y)
    rows = NetClassifier(**params, input_shape=(1, 6, 8)).fit(X.reshape(40, -1), y)
    planes = NetClassifier(**params, input_shape=(1, 6, 8)).fit(X[:, 0], y)
    assert isinstance(rows.net_.module_, ConvNet)
    assert_same_fit(shaped, rows)
    assert_same_fit(shaped, planes)
    assert_array_equal(rows.predict_proba(X.reshape(40, -1)), shaped.predict_proba(X))


@pytest.mark.parametrize("n_rows", [2, 3, 33])
def test_fewer_rows_than_a_batch_and_one_left_over(n_rows):
    X, y = np.random.RandomState(0).normal(size=(n_rows, 20)), np.arange(n_rows) % 2
    clf = NetClassifier(max_epochs=2, random_state=0).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_dataframe_names_are_checked(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    clf = NetClassifier(**SMALL).fit(frame, y)
    assert list(clf.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame[frame.columns[::-1]])


# ---- randomness


def test_fits_in_threads_agree_with_a_fit_alone(data):
    X, y, _ = data
    clf = NetClassifier(max_epochs=2, module__dropout=0.5, input_shape=(1, 12), random_state=0)
    expected = clone(clf).fit(X, y).predict_proba(X)
    got = joblib.Parallel(3, backend="threading")(
        joblib.delayed(lambda: clone(clf).fit(X, y).predict_proba(X))() for _ in range(6)
    )
    assert threading.active_count() >= 1
    for proba in got:
        assert_allclose(proba, expected, atol=1e-6)


class GlobalDrawer(nn.Module):
    """A user's network that draws with torch's plain functions."""

    def __init__(self, n_outputs):
        super().__init__()
        self.linear = nn.Linear(12, n_outputs)

    def forward(self, x):
        if self.training:
            x = F.dropout(x, 0.3) + 0.1 * torch.randn_like(x)
        return self.linear(x)


def test_users_networks_draw_from_the_seed_too(data):
    X, y, _ = data
    clf = NetClassifier(GlobalDrawer, max_epochs=3, random_state=0)
    before = torch.get_rng_state()
    first = clf.fit(X, y).predict_proba(X)
    assert_array_equal(first, clf.fit(X, y).predict_proba(X))
    assert torch.equal(before, torch.get_rng_state())
    plain = NetClassifier(MLP, module__n_layers=0, max_epochs=3, random_state=0).fit(X, y)
    assert np.abs(plain.predict_proba(X) - first).max() > 1e-3


class Lazy(nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.LazyLinear(5), nn.Dropout(0.2), nn.LazyLinear(n_outputs))

    def forward(self, x):
        return self.layers(x)


def test_lazy_layers_are_sized_and_seeded(data):
    X, y, _ = data
    before = torch.get_rng_state()
    clf = NetClassifier(Lazy, max_epochs=2, random_state=0)
    assert_array_equal(clf.fit(X, y).predict_proba(X), clf.fit(X, y).predict_proba(X))
    assert torch.equal(before, torch.get_rng_state())
    assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))


# ---- validation rows and callbacks


def test_held_out_rows_are_disjoint_in_groups(data):
    X, y, groups = data
    seen = {}

    class Spy(skorch_callbacks.Callback):
        def on_train_begin(self, net, X=None, **kwargs):
            seen["train"] = X

        def on_epoch_end(self, net, dataset_valid=None, **kwargs):
            seen["valid"] = dataset_valid.X

    clf = NetClassifier(**SMALL, early_stopping=True, validation_fraction=0.25, callbacks=[Spy()])
    clf.fit(X, y, groups=groups)

    def groups_of(rows):
        return {int(groups[(row.numpy() == X).all(1)][0]) for row in rows[: len(rows)][0]}

    assert not groups_of(seen["train"]) & groups_of(seen["valid"])
    assert len(seen["train"]) + len(seen["valid"]) == len(X)
    assert len(seen["valid"]) == pytest.approx(0.25 * len(X), abs=5)
    assert "valid_loss" in clf.history_[-1]


def test_groups_matter_only_where_rows_are_held_out(data):
    X, y, groups = data
    NetClassifier(**SMALL).fit(X, y, groups=groups[:5])
    with pytest.raises(ValueError, match="a sampler earlier in the pipeline changed the rows"):
        NetClassifier(**SMALL, early_stopping=True).fit(X, y, groups=groups[:5])


def test_users_callbacks_work_and_stay_untouched(data):
    X, y, groups = data
    stop = skorch_callbacks.EarlyStopping(patience=2, threshold=10.0, threshold_mode="abs")
    score = skorch_callbacks.EpochScoring("accuracy", lower_is_better=False, name="valid_acc")
    schedule = skorch_callbacks.LRScheduler("StepLR", step_size=1, gamma=0.1)
    checkpoint = io.BytesIO()
    clf = NetClassifier(
        **{**SMALL, "max_epochs": 30},
        validation_fraction=0.2,
        callbacks=[score, schedule, ("save", SaveBest(checkpoint)), stop],
    ).fit(X, y, groups=groups)
    assert len(clf.history_) < 30
    assert {"valid_acc", "valid_loss", "train_loss"} <= set(clf.history_[-1])
    assert clf.net_.optimizer_.param_groups[0]["lr"] < 1e-4
    assert checkpoint.getvalue()
    assert stop.misses_ == 0


class SaveBest(skorch_callbacks.Callback):
    def __init__(self, target):
        self.target = target

    def __deepcopy__(self, memo):
        return SaveBest(self.target)

    def on_epoch_end(self, net, **kwargs):
        if net.history[-1]["valid_loss_best"]:
            torch.save(net.module_.state_dict(), self.target)


def test_callbacks_that_see_batches_change_nothing(data):
    X, y, _ = data

    class Watcher(skorch_callbacks.Callback):
        def on_batch_end(self, net, **kwargs):
            pass

    plain = NetClassifier(**SMALL).fit(X, y)
    watched = NetClassifier(**SMALL, callbacks=[Watcher()]).fit(X, y)
    assert_same_fit(plain, watched)
    assert_allclose(watched.history_[:, "train_loss"], plain.history_[:, "train_loss"], rtol=1e-6)
    clipped = NetClassifier(**SMALL, callbacks=[skorch_callbacks.GradientNormClipping(1e-6)]).fit(
        X, y
    )
    assert np.isfinite(clipped.predict_proba(X)).all()


def test_an_interrupt_by_the_user_is_raised_and_leaves_no_half_fit(data):
    X, y, _ = data

    class Interrupted(MLP):
        def forward(self, x):
            if self.training:
                raise KeyboardInterrupt
            return super().forward(x)

    clf = NetClassifier(Interrupted, max_epochs=3, verbose=1)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")
    with pytest.raises(KeyboardInterrupt):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    assert not hasattr(clf, "net_")


def test_progress(data, capsys):
    X, y, _ = data
    NetClassifier(**SMALL).fit(X, y)
    assert capsys.readouterr() == ("", "")
    NetClassifier(**SMALL, verbose=1).fit(X, y)
    assert "3/3" in capsys.readouterr().err
    NetClassifier(**SMALL, verbose=2).fit(X, y)
    assert "train_loss" in capsys.readouterr().out
    NetClassifier(**SMALL, callbacks=[skorch_callbacks.ProgressBar()]).fit(X, y)
    assert "0/3" in capsys.readouterr().err


# ---- class activation maps


@pytest.mark.parametrize("shape", [(1, 48), (1, 16, 12), (1, 8, 8, 6)])
def test_maps_have_the_shape_of_the_input_and_average_to_the_score(shape):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(20, *shape)), np.tile(["no", "yes"], 10)
    clf = NetClassifier(max_epochs=1, random_state=0).fit(X, y)
    maps = clf.class_activation_map(X)
    assert maps.shape == (20, *shape[1:])
    assert_array_equal(maps, clf.class_activation_map(X, target=clf.predict(X)))
    module = clf.net_.module_
    features = module.feature_maps(torch.from_numpy(X).float())
    W, b = module.head.linear.weight, module.head.linear.bias
    small = torch.einsum("nk...,k->n...", features, W[1])
    scores = small.flatten(1).mean(1) + b[1]
    outputs = clf.net_.module_(torch.from_numpy(X).float())[:, 1]
    torch.testing.assert_close(scores, outputs)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[small.ndim - 1]
    expected = F.interpolate(small[:, None], size=maps.shape[1:], mode=mode)[:, 0]
    got = clf.class_activation_map(X, target=["yes"] * 20)
    assert_allclose(got, expected.detach().numpy(), atol=1e-5)


def test_maps_need_a_network_that_has_them(data):
    X, y, _ = data
    clf = NetClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="MLP has no class activation maps"):
        clf.class_activation_map(X)
    clf = NetClassifier(max_epochs=1, input_shape=(1, 12)).fit(X, y)
    with pytest.raises(ValueError, match="not among the classes"):
        clf.class_activation_map(X[:1], target=[7])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[4, 1\]"):
        clf.class_activation_map(X[:4], target=y[:1])  # not one label for all rows


# ---- persistence


def test_a_failed_refit_leaves_the_fitted_network_as_it_was(data):
    X, y, _ = data
    clf = NetClassifier(**SMALL).fit(X, y)
    proba = clf.predict_proba(X)
    clf.set_params(module=nn.Linear, module__in_features=12, module__out_features=7)
    del clf.module__width
    with pytest.raises(ValueError, match="must return a tensor of shape"):
        clf.fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), proba)


def test_a_finished_module_is_copied_and_trained_on(data):
    X, y, _ = data
    module = MLP((12,), 3, width=5)
    before = copy.deepcopy(module.state_dict())
    clf = NetClassifier(module, max_epochs=1, lr=1e-30, random_state=0).fit(X, y)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
        torch.testing.assert_close(clf.net_.module_.state_dict()[key], value)
    assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))


# ---- parameters and pipelines


def test_nested_parameters(data):
    X, y, groups = data
    clf = NetClassifier(MLP, module__width=8, optimizer__weight_decay=0.1)
    params = clf.get_params()
    assert (params["module__width"], params["optimizer__weight_decay"]) == (8, 0.1)
    assert clone(clf).get_params() == params
    assert clf.set_params(module__n_layers=2).module__n_layers == 2
    assert "module__width=8" in repr(clf)
    pipe = make_pipeline(StandardScaler(), NetClassifier(**SMALL))
    grid = {"netclassifier__module__width": [2, 4], "netclassifier__lr": [0.1]}
    search = GridSearchCV(pipe, grid, cv=StratifiedGroupKFold(2), n_jobs=2)
    search.fit(X, y, groups=groups)
    best = search.best_estimator_[-1]
    assert (
        best.net_.module_.hidden[0].out_features
        == search.best_params_["netclassifier__module__width"]
    )
    again = GridSearchCV(pipe, grid, cv=StratifiedGroupKFold(2)).fit(X, y, groups=groups)
    assert_array_equal(again.predict_proba(X), search.predict_proba(X))


def test_paper_params_are_the_network_of_the_paper():
    X, y = np.random.RandomState(0).normal(size=(4, 288)), [0, 1, 0, 1]
    clf = NetClassifier(**{**NetClassifier.paper_params, "max_epochs": 1}).fit(X, y)
    assert isinstance(clf.net_.module_, ResNet1d)
    assert sum(isinstance(m, nn.Conv2d) for m in clf.net_.module_.modules()) == 17


ERRORS = {
    "one class": (lambda X, y: NetClassifier(**SMALL).fit(X, y * 0), "at least 2 classes"),
    "unknown parameter": (lambda X, y: NetClassifier(widht=3).fit(X, y), "no parameter 'widht'"),
    "unknown module argument": (
        lambda X, y: NetClassifier(module__widht=3).fit(X, y),
        "takes no argument widht",
    ),
    "unknown optimizer argument": (
        lambda X, y: NetClassifier(**SMALL, optimizer__momentum=1).fit(X, y),
        "Adam takes no argument momentum",
    ),
    "input_shape": (
        lambda X, y: NetClassifier(input_shape=(1, 4, 4)).fit(X, y),
        "holds 16 values per row but the rows of X have shape",
    ),
    "wrong network": (
        lambda X, y: NetClassifier(nn.Linear, module__in_features=5, module__out_features=3).fit(
            X, y
        ),
        "cannot take a batch of shape",
    ),
    "wrong outputs": (
        lambda X, y: NetClassifier(nn.Linear, module__in_features=12, module__out_features=7).fit(
            X, y
        ),
        "must return a tensor of shape",
    ),
    "negative mass": (lambda X, y: NetClassifier().fit(X, -np.eye(3)[y]), "not be negative"),
    "no mass": (lambda X, y: NetClassifier().fit(X, 0.0 * np.eye(3)[y]), "zero everywhere"),
    "multilabel": (
        lambda X, y: NetClassifier().fit(X, np.ones((len(X), 3), int)),
        "Multilabel and multioutput targets are not supported",
    ),
    "too large for float32": (lambda X, y: NetClassifier().fit(X * 1e300, y), "range of float32"),
    "X_val alone": (lambda X, y: NetClassifier().fit(X, y, X_val=X), "go together"),
    "unseen y_val": (
        lambda X, y: NetClassifier(**SMALL).fit(X, y, X_val=X, y_val=y + 5),
        "y_val has labels",
    ),
    "balanced partial_fit": (
        lambda X, y: NetClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2]),
        "does not work with partial_fit",
    ),
    "batches of one row": (
        lambda X, y: NetClassifier(ConvNet, batch_size=1, input_shape=(1, 3, 4)).fit(X, y),
        "batch norm cannot train on a batch of one row",
    ),
    "arguments for a finished module": (
        lambda X, y: NetClassifier(MLP((12,), 3), module__width=3).fit(X, y),
        "is a network instance",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_is_wrong(data, case):
    X, y, _ = data
    call, message = ERRORS[case]
    with pytest.raises((ValueError, TypeError), match=message):
        call(X.astype(float), y)


def test_soft_labels_has_one_column_per_class(data):
    X, y, _ = data
    clf = NetClassifier(**SMALL).partial_fit(X, np.eye(3)[y])
    assert_array_equal(clf.classes_, [0, 1, 2])
    with pytest.raises(ValueError, match="2 columns of soft labels"):
        clf.partial_fit(X, np.ones((len(X), 2)))


def test_memory_mapped_rows_are_read_in_batches(tmp_path):
    rng = np.random.RandomState(0)
    path = tmp_path / "X.npy"
    np.save(path, rng.normal(size=(200, 50)))
    X, y = np.load(path, mmap_mode="r"), np.tile([0, 1], 100)
    clf = NetClassifier(**SMALL).fit(X, y)
    assert_same_fit(clf, NetClassifier(**SMALL).fit(np.array(X), y))
