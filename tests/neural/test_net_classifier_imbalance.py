"""NetClassifier's remedies for uneven classes and few rows."""

import pickle

import numpy as np
import pytest
import skops.io
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn.base import clone

from skrobust import MLP, NetClassifier, RandomAugmentation
from skrobust.neural import LogitAdjustedLoss

SMALL = {"module": MLP, "module__width": 8, "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1, 2], [60, 24, 6])
    return (rng.normal(size=(90, 12)) + np.eye(3, 12)[y]).astype(np.float32), y


def weights(clf):
    return [p.detach().numpy().copy() for p in clf.net_.module_.parameters()]


# ---- logit adjustment


def test_loss_is_cross_entropy_of_shifted_scores():
    rng = np.random.RandomState(0)
    z, y, shares = rng.normal(size=(20, 3)), rng.randint(3, size=20), np.array([0.7, 0.3, 0.0])
    shifted = log_softmax(z + 1.5 * np.log(np.maximum(shares, 1e-6)), axis=1)
    loss = LogitAdjustedLoss(shares, tau=1.5).double()
    assert loss(torch.from_numpy(z), torch.from_numpy(y)).item() == pytest.approx(
        -shifted[np.arange(20), y].mean()
    )
    mass = rng.dirichlet(np.ones(3), size=20)
    assert loss(torch.from_numpy(z), torch.from_numpy(mass)).item() == pytest.approx(
        -(mass * shifted).sum(1).mean()
    )
    with pytest.raises(ValueError, match="tau must be finite"):
        LogitAdjustedLoss([0.5, 0.5], tau=-1)
    with pytest.raises(ValueError, match="shares must be finite"):
        LogitAdjustedLoss([0.5, -0.5])


@pytest.mark.parametrize("weighted", [False, True])
def test_first_step_follows_the_adjusted_gradient(data, weighted):
    X, y = data
    weight = np.random.RandomState(1).uniform(0.5, 2, size=90) if weighted else np.ones(90)
    weight /= weight.mean()
    params = {
        "module__n_layers": 0,
        "batch_size": 100,
        "optimizer": torch.optim.SGD,
        "max_epochs": 1,
        "logit_adjustment": 2.0,
        "random_state": 0,
    }
    sample_weight = weight if weighted else None
    clf = NetClassifier(MLP, lr=0.5, **params).fit(X, y, sample_weight=sample_weight)
    start = NetClassifier(MLP, lr=1e-30, **params).fit(X, y, sample_weight=sample_weight)
    W, b = weights(start)
    shares = np.bincount(y, weights=weight) / weight.sum()
    p = np.exp(log_softmax(X @ W.T + b + 2 * np.log(shares), axis=1))
    gradient = ((p - np.eye(3)[y]) * weight[:, None]).T @ X / 90
    assert_allclose(weights(clf)[0], W - 0.5 * gradient, atol=1e-5)
    # predictions are those of the outputs alone
    assert_allclose(clf.decision_function(X), X @ weights(clf)[0].T + weights(clf)[1], atol=1e-5)


def test_adjusted_scores_favour_no_class(data):
    X, y = data
    blind = np.zeros_like(X)
    params = {**SMALL, "module__n_layers": 0, "max_epochs": 150, "lr": 0.05, "batch_size": 90}
    plain = NetClassifier(**params).fit(blind, y).predict_proba(blind[:1])
    adjusted = NetClassifier(**params, logit_adjustment=1.0).fit(blind, y).predict_proba(blind[:1])
    assert_allclose(plain[0], np.bincount(y) / 90, atol=0.02)
    assert_allclose(adjusted[0], 1 / 3, atol=0.02)
    zero = NetClassifier(**SMALL, logit_adjustment=0.0).fit(X, y)
    assert_array_equal(zero.predict_proba(X), NetClassifier(**SMALL).fit(X, y).predict_proba(X))


def test_shares_are_not_known_epoch_by_epoch(data):
    X, y = data
    with pytest.raises(ValueError, match="logit_adjustment does not work with partial_fit"):
        NetClassifier(**SMALL, logit_adjustment=1.0).partial_fit(X, y, classes=[0, 1, 2])


# ---- balanced batches


class SeesRows:
    """Records the class of every row of every batch; the first column tells it."""

    seen: list = []

    def __call__(self, x):
        SeesRows.seen.append(np.bincount(x[:, 0].long().numpy(), minlength=3))
        return x


def shown(clf, X, y, **kwargs):
    SeesRows.seen = []
    X = np.column_stack([y, X])
    clf.fit(X, y, **kwargs)
    return np.array(SeesRows.seen)


def test_batches_show_all_classes_alike(data):
    X, y = data
    natural = shown(NetClassifier(**SMALL, augment=SeesRows()), X, y)
    balanced = shown(NetClassifier(**SMALL, augment=SeesRows(), balanced_batches=True), X, y)
    assert natural.shape == balanced.shape == (9, 3)
    assert_array_equal(natural.sum(0), [180, 72, 18])
    assert set(balanced.ravel()) == {10, 11}
    weighted = shown(
        NetClassifier(**SMALL, augment=SeesRows(), balanced_batches=True),
        X,
        y,
        sample_weight=np.where(np.arange(90) == 0, 0, 1.5),
    )
    assert set(weighted.ravel()) == {10, 11}


def test_balanced_batches_with_soft_labels_and_epoch_by_epoch(data):
    X, y = data
    params = {**SMALL, "balanced_batches": True}
    mass = np.eye(3)[y] * 0.8 + 0.2 / 3
    assert np.isfinite(NetClassifier(**params).fit(X, mass).predict_proba(X)).all()
    fitted, stepped = NetClassifier(**params).fit(X, y), NetClassifier(**params)
    for _ in range(3):
        stepped.partial_fit(X, y, classes=[0, 1, 2])
    assert_array_equal(fitted.predict_proba(X), stepped.predict_proba(X))


def test_weights_of_classes_hold_after_loading(data):
    X, y = data
    clf = NetClassifier(**SMALL, class_weight={0: 1.0, 1: 2.0, 2: 9.0})
    for start in (
        clone(clf).fit(X, y),
        clone(clf).partial_fit(X, y, classes=[0, 1, 2]),
    ):
        copy = pickle.loads(pickle.dumps(start))
        plain = pickle.loads(pickle.dumps(start)).set_params(class_weight=None)
        expected = start.partial_fit(X, y).predict_proba(X)
        assert_array_equal(copy.partial_fit(X, y).predict_proba(X), expected)
        assert np.abs(plain.partial_fit(X, y).predict_proba(X) - expected).max() > 1e-4


def test_remedies_find_the_rare_class(data):
    X, y = data
    rng = np.random.RandomState(1)
    y_test = np.repeat([0, 1, 2], 100)
    X_test = (rng.normal(size=(300, 12)) + np.eye(3, 12)[y_test]).astype(np.float32)

    def found(**params):
        clf = NetClassifier(**{**SMALL, "module__n_layers": 0, "max_epochs": 60, "lr": 0.01})
        predicted = clf.set_params(**params).fit(X, y).predict(X_test)
        return np.mean(predicted[y_test == 2] == 2)

    natural = found()
    assert found(balanced_batches=True) > natural + 0.2
    assert found(logit_adjustment=1.0) > natural + 0.2


# ---- augmentation


@pytest.mark.parametrize("augment", ["affine", "noise", RandomAugmentation(shift=0.2), torch.neg])
def test_training_rows_change_and_others_do_not(data, augment):
    X, y = data
    before = torch.get_rng_state()
    clf = NetClassifier(**SMALL, augment=augment)
    first, second = (clone(clf).fit(X, y) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    proba = first.predict_proba(X)
    assert_array_equal(proba, second.predict_proba(X))
    assert_array_equal(proba, first.predict_proba(X))
    plain = NetClassifier(**SMALL).fit(X, y).predict_proba(X)
    assert np.abs(proba - plain).max() > 1e-3


def test_augmentation_goes_on_after_loading(data):
    X, y = data
    clf = NetClassifier(**SMALL, augment=RandomAugmentation(noise=0.2, flip=())).fit(X, y)
    dumped = skops.io.dumps(clf)
    copies = [
        pickle.loads(pickle.dumps(clf)),
        skops.io.loads(dumped, trusted=skops.io.get_untrusted_types(data=dumped)),
    ]
    further = clf.partial_fit(X, y).predict_proba(X)
    for other in copies:
        assert other.augment == clf.augment
        assert_array_equal(other.partial_fit(X, y).predict_proba(X), further)


def test_shifts_do_no_harm_to_one_who_has_seen_them():
    rng = np.random.RandomState(0)
    y = np.tile([0, 1], 30)
    X = np.zeros((60, 1, 12, 12), dtype=np.float32)
    for image, label in zip(X[:, 0], y, strict=True):
        image[4:8, 5 if label else 4 : 7 if label else 8] = 1  # narrow or wide
    X += 0.1 * rng.normal(size=X.shape).astype(np.float32)
    moved = np.roll(X, (2, -2), axis=(2, 3))
    scores = {}
    for augment in (None, RandomAugmentation(shift=0.25)):
        clf = NetClassifier(
            MLP, module__width=32, max_epochs=60, augment=augment, random_state=0
        ).fit(X, y)
        scores[augment is None] = clf.score(moved, y)
    assert scores[False] > scores[True] + 0.1


def test_bad_choices(data):
    X, y = data
    for params in ({"augment": "strong"}, {"logit_adjustment": -1}, {"balanced_batches": "yes"}):
        with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
            NetClassifier(**SMALL, **params).fit(X, y)
