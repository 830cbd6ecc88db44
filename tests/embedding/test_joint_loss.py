"""Triplet loss plus cross entropy."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from torch.nn import functional as F

from skrobust import MLP, TripletEmbedder
from skrobust.embedding import BatchAllTripletLoss, BatchHardTripletLoss
from skrobust.embedding.training import EmbeddingCriterion

SMALL = {"module__width": 8, "max_epochs": 3, "augment": None, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    y = rng.permutation(np.repeat([0, 1, 2], [60, 24, 6]))
    return (rng.normal(size=(90, 12)) + 2 * np.eye(3, 12)[y]).astype(np.float32), y


@pytest.mark.parametrize("shares", [None, [0.7, 0.2, 0.1]])
@pytest.mark.parametrize(
    ("loss", "cls"), [("batch_all", BatchAllTripletLoss), ("batch_hard", BatchHardTripletLoss)]
)
def test_the_loss_is_the_sum(loss, cls, shares):
    torch.manual_seed(0)
    criterion = EmbeddingCriterion(loss, 0.3, True, 4, 3, 0.7, shares)
    embeddings, codes = torch.randn(12, 4), torch.arange(12) % 3
    logits = embeddings @ criterion.joint_head.weight.T + criterion.joint_head.bias
    if shares is not None:
        logits = logits + torch.tensor(shares).log()
    expected = cls(0.3)(F.normalize(embeddings), codes) + 0.7 * F.cross_entropy(logits, codes)
    torch.testing.assert_close(criterion(embeddings, codes), expected)


@pytest.mark.parametrize(("samples_per_class", "shares"), [(4, [1, 1, 1]), (None, [60, 24, 6])])
def test_logits_are_adjusted_by_the_shares_in_the_batches(data, samples_per_class, shares):
    X, y = data
    fitted = TripletEmbedder(
        MLP, cross_entropy_weight=1.0, samples_per_class=samples_per_class, **SMALL
    ).fit(X, y)
    shift = fitted.net_.criterion_.cross_entropy.shift
    expected = torch.tensor(shares, dtype=torch.float32).log()
    torch.testing.assert_close(shift - shift[0], expected - expected[0])


def test_it_trains_the_layer_and_zero_changes_nothing(data):
    X, y = data
    plain = TripletEmbedder(MLP, **SMALL).fit(X, y)
    joint = TripletEmbedder(MLP, cross_entropy_weight=1.0, **SMALL).fit(X, y)
    assert plain.net_.criterion_.joint_head is None
    assert np.abs(joint.transform(X) - plain.transform(X)).max() > 0.01
    longer = clone(joint).set_params(max_epochs=100).fit(X, y)
    head = longer.net_.criterion_.joint_head
    raw = torch.from_numpy(longer._outputs(X))
    assert (head(raw).argmax(1).numpy() == y).mean() > 0.9


def test_round_trips_and_pretraining_without_labels(data):
    X, y = data
    joint = TripletEmbedder(
        MLP, cross_entropy_weight=0.5, pretrain="nt_xent", pretrain_epochs=1,
        **{**SMALL, "augment": "noise"},
    )  # fmt: skip
    fitted = joint.fit(X, np.where(np.arange(90) < 10, -1, y))
    back = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(back.transform(X), fitted.transform(X))
    assert_array_equal(clone(joint).fit(X, np.where(np.arange(90) < 10, -1, y)).transform(X),
                       fitted.transform(X))  # fmt: skip


def test_it_is_for_triplet_losses(data):
    with pytest.raises(ValueError, match=r"cross_entropy_weight=1.0 is added to a triplet loss"):
        TripletEmbedder(MLP, loss="interval", cross_entropy_weight=1.0).fit(*data)
