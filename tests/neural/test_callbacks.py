"""skorch's callbacks, one by one and together; early stopping; what an epoch's row holds."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    make_scorer,
    roc_auc_score,
)
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    Initializer,
    LRScheduler,
    ParamMapper,
    PrintLog,
    ProgressBar,
    TrainEndCheckpoint,
)
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from skrobust import MLP, AEOutlierRemover, NetClassifier
from skrobust.neural.seeding import draw_seed
from skrobust.neural.splits import validation_split

SMALL = {"module": MLP, "module__width": 8, "max_epochs": 4, "lr": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(150, 6)).astype(np.float32)
    y = ((X[:, :2].sum(1) + 0.7 * rng.normal(size=150)) > 0.3).astype(int)
    return X[:100], y[:100], X[100:], y[100:]


# ---- scores of epochs

SCORES = {
    "accuracy": lambda y, p: accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: balanced_accuracy_score(y, p.argmax(1)),
    "f1": lambda y, p: f1_score(y, p.argmax(1)),
    "roc_auc": lambda y, p: roc_auc_score(y, p[:, 1]),
    "neg_log_loss": lambda y, p: -log_loss(y, p),
    "neg_brier_score": lambda y, p: -brier_score_loss(y, p[:, 1]),
}
WAYS = {
    "plain": {},
    "class_weight": {"class_weight": {0: 1, 1: 5}},
    "balanced": {"class_weight": "balanced"},
    "logit_adjustment": {"logit_adjustment": 1.0},
    "mixup": {"mixup": "input"},
    "balanced_batches": {"balanced_batches": True},
    "early_stopping": {"early_stopping": True},
}


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("way", [*WAYS, "sample_weight", "soft labels", "strings", "list"])
def test_scores_of_validation_rows_are_those_of_the_classifier(data, way, use_caching):
    X, y, X_val, y_val = data
    callbacks = [
        EpochScoring(name, lower_is_better=False, use_caching=use_caching) for name in SCORES
    ]
    clf = NetClassifier(**{**SMALL, **WAYS.get(way, {})}, callbacks=callbacks)
    given, extra = y, {}
    if way == "sample_weight":
        extra["sample_weight"] = np.linspace(0, 3, 100)
    if way == "soft labels":
        given = np.eye(2)[y] * 0.8 + 0.1
    if way == "strings":
        names = np.array(["healthy", "tumour"])
        given, extra["y_val"] = names[y], names[y_val]
    if way == "list":
        given = y.tolist()
    # a patience of all epochs, so that the last is trained; its weights are those scored
    clf.set_params(n_iter_no_change=4)
    clf.fit(X, given, X_val=X_val, **{"y_val": y_val, **extra})
    epoch = -1
    if way == "early_stopping":
        epoch = int(np.flatnonzero(clf.history_[:, "valid_loss_best"])[-1])
    proba = clf.predict_proba(X_val)
    for name, score in SCORES.items():
        assert clf.history_[epoch, name] == pytest.approx(score(y_val, proba), abs=1e-5), name
        assert f"{name}_best" in clf.history_[-1]


def test_more_than_two_classes(data):
    X, _, X_val, _ = data
    y, y_val = (np.digitize(rows[:, 0], [-0.5, 0.5]) for rows in (X, X_val))
    auc = EpochScoring("roc_auc_ovr", lower_is_better=False)
    macro = EpochScoring("f1_macro", lower_is_better=False, on_train=True, use_caching=False)
    clf = NetClassifier(**SMALL, callbacks=[auc, macro]).fit(X, y, X_val=X_val, y_val=y_val)
    expected = roc_auc_score(y_val, clf.predict_proba(X_val), multi_class="ovr")
    assert clf.history_[-1, "roc_auc_ovr"] == pytest.approx(expected)
    assert clf.history_[-1, "f1_macro"] == pytest.approx(
        f1_score(y, clf.predict(X), average="macro")
    )


@pytest.mark.parametrize("weight", [0.2, 5.0])
def test_classes_of_soft_labels_are_those_before_class_weights(data, weight):
    X, y, X_val, y_val = data
    soft_val = np.eye(2)[y_val] * 0.2 + 0.4  # nearly even: the weight of a class overturns it
    score = EpochScoring("accuracy", lower_is_better=False)
    clf = NetClassifier(**SMALL, class_weight={0: 1.0, 1: weight}, callbacks=[score])
    clf.fit(X, y, X_val=X_val, y_val=soft_val)
    assert clf.history_[-1, "accuracy"] == pytest.approx(clf.score(X_val, y_val))


def test_scorers_of_the_user(data):
    X, y, X_val, y_val = data

    def by_hand(net, rows, labels):
        assert np.array_equal(net.predict_proba(X_val), net.predict_proba(rows))
        return accuracy_score(labels, net.predict(rows))

    callbacks = [
        EpochScoring(by_hand, lower_is_better=False, name="hand", use_caching=False),
        EpochScoring(make_scorer(f1_score, pos_label=0), lower_is_better=False, name="f1_of_0"),
        EpochScoring(None, lower_is_better=False, name="own"),
        BatchScoring("accuracy", lower_is_better=False, name="batch"),
    ]
    clf = NetClassifier(**SMALL, callbacks=callbacks).fit(X, y, X_val=X_val, y_val=y_val)
    predicted = clf.predict(X_val)
    for name in ("hand", "own", "batch"):
        assert clf.history_[-1, name] == pytest.approx(accuracy_score(y_val, predicted))
    assert clf.history_[-1, "f1_of_0"] == pytest.approx(f1_score(y_val, predicted, pos_label=0))


# ---- checkpoints


@pytest.mark.parametrize("load_best", [False, True])
@pytest.mark.parametrize("watched", [False, True], ids=["epochs", "batches"])
def test_checkpoint_keeps_and_loads_the_best_epoch(data, tmp_path, load_best, watched):
    X, y, X_val, y_val = data
    save = Checkpoint(dirname=str(tmp_path), load_best=load_best)
    params = {**SMALL, "max_epochs": 30, "lr": 0.1}
    others = [GradientNormClipping(1e9)] if watched else []
    clf = NetClassifier(**params, callbacks=[save, *others]).fit(X, y, X_val=X_val, y_val=y_val)
    assert {"params.pt", "optimizer.pt", "criterion.pt", "history.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
    losses = clf.history_[:, "valid_loss"]
    best = int(np.argmin(losses))
    assert best < 29
    assert [row["event_cp"] for row in clf.history_] == clf.history_[:, "valid_loss_best"]
    found = log_loss(y_val, clf.predict_proba(X_val))
    assert found == pytest.approx(losses[best if load_best else -1], rel=1e-4)
    other = NetClassifier(**{**params, "max_epochs": best + 1}).fit(X, y)
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    for name, value in other.net_.module_.state_dict().items():
        torch.testing.assert_close(saved[name], value, rtol=1e-4, atol=1e-5)


def test_names_of_files_may_hold_the_epoch_and_the_last_batch(data, tmp_path):
    X, y, *_ = data
    name = "{last_epoch[epoch]}-{last_batch[train_batch_size]}.pt"
    save = Checkpoint("train_loss_best", f_params=name, f_history=None, dirname=str(tmp_path))
    NetClassifier(**SMALL, callbacks=[save, TrainEndCheckpoint(dirname=str(tmp_path))]).fit(X, y)
    assert (tmp_path / "1-100.pt").exists()
    assert (tmp_path / "train_end_params.pt").exists()


def test_checkpoint_of_an_autoencoder(data, tmp_path):
    save = Checkpoint("train_loss_best", dirname=str(tmp_path), load_best=True)
    AEOutlierRemover(restarts=(), max_epochs=3, callbacks=[save], random_state=0).fit(data[0])
    assert (tmp_path / "params.pt").exists()


# ---- the others


def test_early_stopping_of_skorch(data):
    X, y, *_ = data
    stop = EarlyStopping(patience=2, load_best=True, sink=str)
    clf = NetClassifier(**{**SMALL, "max_epochs": 200, "lr": 0.1}, callbacks=[stop]).fit(X, y)
    assert len(clf.history_) < 200
    assert np.argmin(clf.history_[:, "valid_loss"]) == len(clf.history_) - 3


class Stop(Callback):
    def __init__(self, hook):
        self.hook = hook
        self.ended = False


def stop_in(hook):
    def stop(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt

    return type("Stops", (Stop,), {hook: stop})(hook)


@pytest.mark.parametrize(
    "hook", ["on_epoch_end", "on_batch_end", "on_batch_begin", "on_grad_computed", "on_epoch_begin"]
)
def test_a_callback_may_stop_anywhere(data, hook):
    X, y, *_ = data
    clf = NetClassifier(**SMALL, callbacks=[stop_in(hook)]).fit(X, y)
    assert len(clf.history_) == 2
    assert np.isfinite(clf.predict_proba(X)).all()
    if hook in ("on_epoch_end", "on_batch_end"):
        assert np.isfinite(clf.history_[:, "train_loss"]).all()
    pickle.dumps(clf.net_.history)


@pytest.mark.parametrize("step_every", ["epoch", "batch"])
@pytest.mark.parametrize("policy", ["StepLR", "CosineAnnealingLR", OneCycleLR, "ReduceLROnPlateau"])
def test_schedules(data, step_every, policy):
    X, y, *_ = data
    if policy == "ReduceLROnPlateau" and step_every == "batch":
        pytest.skip("needs a score per batch")
    settings = {
        "StepLR": {"step_size": 1, "gamma": 0.5},
        "CosineAnnealingLR": {"T_max": 50},
        OneCycleLR: {"max_lr": 0.1, "total_steps": 50},
        "ReduceLROnPlateau": {"monitor": "valid_loss", "patience": 0, "threshold": 10.0},
    }[policy]
    schedule = LRScheduler(policy, step_every=step_every, **settings)
    clf = NetClassifier(**{**SMALL, "batch_size": 25}, callbacks=[schedule]).fit(X, y)
    rates = clf.history_[:, "event_lr"] if step_every == "epoch" else (
        clf.history_[:, "batches", :, "event_lr"]
    )  # fmt: skip
    assert len(np.unique(np.concatenate(rates) if step_every == "batch" else rates)) > 2
    # going on, the schedule finds where it was
    clf.set_params(callbacks=None)
    before = clf.net_.optimizer_.param_groups[0]["lr"]
    assert pickle.loads(pickle.dumps(clf)).net_.optimizer_.param_groups[0]["lr"] == before


def test_a_schedule_by_batches_counts_those_of_earlier_epochs(data):
    X, y, *_ = data
    clf = NetClassifier(**{**SMALL, "batch_size": 25}).partial_fit(X, y, classes=[0, 1])
    counted = {}

    class Counts(LRScheduler):
        def on_train_begin(self, net, **kwargs):
            for group in net.optimizer_.param_groups:
                group.setdefault("initial_lr", group["lr"])
            super().on_train_begin(net, **kwargs)
            counted["batches"] = self.batch_idx_

    clf.net_.callbacks_.append(("schedule", Counts("StepLR", step_size=1).initialize()))
    clf.partial_fit(X, y)
    assert counted["batches"] == 4


def test_bars_count_to_their_end(data, capsys):
    X, y, X_val, y_val = data
    clf = NetClassifier(**{**SMALL, "batch_size": 25}, callbacks=[ProgressBar()])
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    shown = capsys.readouterr().err
    assert "0/5" in shown  # four batches to train on, one to validate on
    assert "6/5" not in shown
    for verbose, words in [(1, "4/4"), (2, "valid_loss")]:
        clf.set_params(verbose=verbose, callbacks=[PrintLog()] if verbose == 2 else None)
        clf.fit(X, y, X_val=X_val, y_val=y_val)
        assert words in "".join(capsys.readouterr())


def test_gradients_are_clipped(data):
    X, y, *_ = data
    params = {**SMALL, "optimizer": torch.optim.SGD, "lr": 1.0, "max_epochs": 1}
    start = NetClassifier(**{**params, "lr": 1e-30}).fit(X, y).net_.module_.state_dict()
    clipped = NetClassifier(**params, callbacks=[GradientNormClipping(1e-3)]).fit(X, y)
    moved = [(v - start[k]).norm() for k, v in clipped.net_.module_.state_dict().items()]
    assert 0 < torch.stack(moved).norm() <= 4 * 1e-3 + 1e-5  # four batches


def test_all_together_and_given_in_every_form(data, tmp_path):
    X, y, X_val, y_val = data
    clf = NetClassifier(
        **{**SMALL, "max_epochs": 40, "lr": 0.1},
        callbacks=[
            EpochScoring("roc_auc", lower_is_better=False, name="valid_auc"),
            ("train_acc", EpochScoring("accuracy", False, on_train=True)),
            LRScheduler("ReduceLROnPlateau", monitor="valid_auc", mode="max", patience=1),
            Checkpoint("valid_auc_best", dirname=str(tmp_path), load_best=True),
            GradientNormClipping(1.0),
            ProgressBar,
            Initializer("head.bias", fn=nn.init.zeros_),
            EarlyStopping("valid_auc", lower_is_better=False, patience=5, sink=str),
        ],
    ).fit(X, y, X_val=X_val, y_val=y_val)
    best = max(clf.history_[:, "valid_auc"])
    assert roc_auc_score(y_val, clf.predict_proba(X_val)[:, 1]) == pytest.approx(best)
    assert len(clf.history_) < 40
    assert pickle.loads(pickle.dumps(clf)).history_[-1].keys() >= {"valid_auc", "accuracy"}


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise ArithmeticError("the first error")


@pytest.mark.parametrize("verbose", [0, 1])
def test_the_first_error_is_the_one_that_is_raised(data, tmp_path, verbose):
    X, y, X_val, y_val = data
    never = Checkpoint(lambda net: False, dirname=str(tmp_path), load_best=True)
    clf = NetClassifier(**SMALL, callbacks=[never, Fails()], verbose=verbose)
    with pytest.raises(ArithmeticError, match="the first error"):
        clf.fit(X, y, X_val=X_val, y_val=y_val)


# ---- held-out rows and early stopping


@pytest.mark.parametrize(
    "callback",
    [EarlyStopping(), EarlyStopping, EpochScoring("accuracy"),
     Checkpoint(f_params=None, f_optimizer=None, f_criterion=None, f_history=None),
     LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
     ("name", EpochScoring("roc_auc", name="auc"))],
    ids=lambda c: getattr(c, "__name__", type(c).__name__),
)  # fmt: skip
def test_rows_are_held_out_where_a_callback_asks_for_them(data, callback):
    X, y, *_ = data
    clf = NetClassifier(**SMALL, callbacks=[callback]).fit(X, y)
    assert "valid_loss" in clf.history_[-1]


@pytest.mark.parametrize(
    "callback",
    [EarlyStopping("train_loss"), EpochScoring("accuracy", on_train=True), ProgressBar(),
     LRScheduler("StepLR", step_size=2), ParamMapper("hidden.*")],
    ids=lambda c: type(c).__name__,
)  # fmt: skip
def test_and_no_rows_without(data, callback):
    X, y, *_ = data
    clf = NetClassifier(**SMALL, callbacks=[callback]).fit(X, y)
    assert "valid_loss" not in clf.history_[-1]
    assert sum(b["train_batch_size"] for b in clf.history_[-1, "batches"]) == 100


def test_a_score_that_nobody_can_give_is_an_error_before_the_training(data):
    X, y, *_ = data
    scored = EpochScoring("roc_auc", name="auc")
    for callbacks in (
        [EarlyStopping()],
        [scored, EarlyStopping("auc")],
        [Checkpoint("auc_best"), scored],
    ):
        clf = NetClassifier(**SMALL, callbacks=callbacks)
        with pytest.raises(ValueError, match="there are no validation rows"):
            clf.partial_fit(X, y, classes=[0, 1])
        assert not hasattr(clf, "net_")


def test_early_stopping_goes_back_to_the_best_epoch(data):
    X, y, X_val, y_val = data
    params = {**SMALL, "max_epochs": 200, "lr": 0.1, "n_iter_no_change": 7}
    clf = NetClassifier(**params, early_stopping=True).fit(X, y, X_val=X_val, y_val=y_val)
    losses = clf.history_[:, "valid_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 7
    assert log_loss(y_val, clf.predict_proba(X_val)) == pytest.approx(losses[best], rel=1e-4)
    short = NetClassifier(**{**params, "max_epochs": best + 1}).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X_val), short.predict_proba(X_val), atol=1e-5)
    # without early stopping, the loss is recorded and nothing else happens
    plain = NetClassifier(**{**params, "max_epochs": best + 1})
    plain.fit(X, y, X_val=X_val, y_val=y_val)
    assert_array_equal(plain.predict_proba(X_val), short.predict_proba(X_val))
    assert len(plain.history_[:, "valid_loss"]) == best + 1


def test_early_stopping_holds_patients_out(data):
    X, y, *_ = data
    groups = np.arange(100) // 4
    seen = {}

    class Spy(Callback):
        def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
            for name, rows in [("train", dataset_train), ("valid", dataset_valid)]:
                seen[name] = {tuple(row) for row in rows[: len(rows)][0].numpy().tolist()}

    clf = NetClassifier(**SMALL, early_stopping=True, validation_fraction=0.2, callbacks=[Spy()])
    clf.fit(X, y, groups=groups)
    patients = {
        name: {g for row, g in zip(X.tolist(), groups, strict=True) if tuple(row) in rows}
        for name, rows in seen.items()
    }
    assert not patients["train"] & patients["valid"]
    assert len(patients["train"] | patients["valid"]) == 25
    assert len(seen["valid"]) == pytest.approx(20, abs=4)


@pytest.mark.parametrize(
    "params", [{"class_weight": "balanced"}, {"logit_adjustment": 1.0}], ids=str
)
def test_weights_of_classes_are_those_of_the_training_rows(params):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(60, 4)).astype("f4"), np.repeat([0, 1], [40, 20])
    # one patient holds most of class 1, and is held out with some seed
    groups = np.r_[np.arange(40) // 4, np.repeat([10, 11, 12], [12, 4, 4])]
    clf = NetClassifier(**SMALL, early_stopping=True, validation_fraction=0.4, **params)
    clf.fit(X, y, groups=groups)
    train, held = validation_split(y, 0.4, groups, draw_seed(0))
    share = np.bincount(y[train]) / len(train)
    if params.get("class_weight"):
        np.testing.assert_allclose(clf.net_.class_factors_, 0.5 / share)
    else:
        np.testing.assert_allclose(clf.net_.criterion_.shift, np.log(share), rtol=1e-5)
    assert len(held) == pytest.approx(24, abs=5)


def test_early_stopping_does_not_go_epoch_by_epoch(data):
    X, y, *_ = data
    with pytest.raises(ValueError, match="early_stopping does not work with partial_fit"):
        NetClassifier(**SMALL, early_stopping=True).partial_fit(X, y, classes=[0, 1])


def test_groups_go_by_keyword(data):
    X, y, *_ = data
    with pytest.raises(TypeError, match="positional"):
        NetClassifier(**SMALL).fit(X, y, None, np.arange(100))


def test_soft_labels_of_validation_rows(data):
    X, y, X_val, y_val = data
    names = ["no", "yes"]
    soft = pd.DataFrame(np.eye(2)[y_val], columns=names)
    labels = np.array(names)
    first = NetClassifier(**SMALL).fit(X, labels[y], X_val=X_val, y_val=soft[names[::-1]])
    second = NetClassifier(**SMALL).fit(X, labels[y], X_val=X_val, y_val=labels[y_val])
    np.testing.assert_allclose(
        first.history_[:, "valid_loss"], second.history_[:, "valid_loss"], rtol=1e-6
    )
