"""The losses against explicit loops over pairs and triplets, and at the edges."""

import itertools
import math

import pytest
import torch

from skrobust.embedding import (
    BatchAllTripletLoss,
    BatchHardTripletLoss,
    IntervalLoss,
    NTXentLoss,
)

LOSSES = [BatchAllTripletLoss(0.3), BatchHardTripletLoss(0.3), NTXentLoss(0.2), IntervalLoss()]
EMBEDDING_LOSSES = LOSSES[:3]
LABELS = {
    "even": torch.arange(18) % 3,
    "uneven, unsorted, gaps": torch.tensor([7, -1, 7, 7, 3, -1, 7, 3, 3, 7, 100, 7, 3, -1, 7]),
    "pairs": torch.arange(8).repeat(2),
    "one row in its class": torch.tensor([0, 1, 1, 0, 2, 1]),
    "two classes": torch.tensor([0] * 9 + [1] * 2),
}


def name_of(loss):
    return type(loss).__name__


def rows(n_rows, n_dims=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, n_dims, generator=generator, dtype=dtype)


def value_and_gradient(loss, embeddings, labels):
    embeddings = embeddings.clone().requires_grad_()
    value = loss(embeddings, labels)
    value.backward()
    return value.detach(), embeddings.grad


def pairs(labels, a):
    others = [i for i in range(len(labels)) if i != a]
    return (
        [i for i in others if labels[i] == labels[a]],
        [i for i in others if labels[i] != labels[a]],
    )


def batch_all_by_loops(e, labels, margin):
    hinges = []
    for a in range(len(labels)):
        for p, n in itertools.product(*pairs(labels, a)):
            hinge = (e[a] - e[p]).norm() - (e[a] - e[n]).norm() + margin
            if hinge > 0:
                hinges.append(hinge)
    return sum(hinges) / len(hinges)


def batch_hard_by_loops(e, labels, margin):
    hinges = []
    for a in range(len(labels)):
        positives, negatives = pairs(labels, a)
        if positives and negatives:
            farthest = max((e[a] - e[p]).norm() for p in positives)
            nearest = min((e[a] - e[n]).norm() for n in negatives)
            hinges.append(torch.relu(farthest - nearest + margin))
    return sum(hinges) / len(hinges)


def nt_xent_by_loops(e, labels, temperature):
    def similarity(i, j):
        return (e[i] @ e[j] / (e[i].norm() * e[j].norm()) / temperature).exp()

    losses = []
    for a in range(len(labels)):
        positives, negatives = pairs(labels, a)
        for p in positives:
            rest = sum(similarity(a, n) for n in negatives)
            losses.append(-torch.log(similarity(a, p) / (similarity(a, p) + rest)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(
    ("loss", "by_loops", "number"),
    [
        (BatchAllTripletLoss, batch_all_by_loops, 0.2),
        (BatchAllTripletLoss, batch_all_by_loops, 0.0),
        (BatchAllTripletLoss, batch_all_by_loops, 5.0),
        (BatchHardTripletLoss, batch_hard_by_loops, 0.2),
        (NTXentLoss, nt_xent_by_loops, 0.5),
        (NTXentLoss, nt_xent_by_loops, 0.07),
    ],
)
def test_values_and_gradients_are_those_of_loops(loss, by_loops, number, labels):
    embeddings = rows(len(labels))
    value, gradient = value_and_gradient(loss(number), embeddings, labels)
    expected = value_and_gradient(lambda e, y: by_loops(e, y.tolist(), number), embeddings, labels)
    torch.testing.assert_close(value, expected[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(gradient, expected[1], rtol=0, atol=1e-10)
    value32, gradient32 = value_and_gradient(loss(number), embeddings.float(), labels)
    assert value32.dtype == gradient32.dtype == torch.float32
    torch.testing.assert_close(value32.double(), value, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient32.double(), gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_gradcheck(loss):
    labels = torch.arange(12) % 4
    embeddings = rows(12, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: loss(e, labels), (embeddings,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_order_of_the_rows_does_not_matter(loss, dtype):
    labels = torch.arange(40) % 4
    embeddings = rows(40, 4, dtype=dtype)
    value, gradient = value_and_gradient(loss, embeddings, labels)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    permuted = value_and_gradient(loss, embeddings[order], labels[order])
    torch.testing.assert_close(permuted[0], value)
    torch.testing.assert_close(permuted[1], gradient[order])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", EMBEDDING_LOSSES, ids=name_of)
@pytest.mark.parametrize(
    "labels",
    [torch.zeros(6).long(), torch.arange(6), torch.zeros(1).long()],
    ids=["one class", "one row each", "one row"],
)
def test_nothing_to_learn_from_is_zero(loss, labels, dtype):
    value, gradient = value_and_gradient(loss, rows(len(labels), dtype=dtype), labels)
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("loss", EMBEDDING_LOSSES, ids=name_of)
@pytest.mark.parametrize("row", [[0.1, 0.7, -0.3], [0.0, 0.0, 0.0]])
def test_equal_rows_have_a_finite_loss_and_no_gradient(loss, row):
    labels = torch.arange(30) % 3
    value, gradient = value_and_gradient(loss, torch.tensor(row).repeat(30, 1), labels)
    expected = loss.margin if hasattr(loss, "margin") else math.log(1 + 20)
    assert value == pytest.approx(expected)
    torch.testing.assert_close(gradient, torch.zeros(30, 3), rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", EMBEDDING_LOSSES, ids=name_of)
def test_a_row_alone_in_its_class_is_a_negative_only(loss):
    embeddings, labels = rows(7), torch.tensor([0, 0, 0, 1, 1, 1, 2])
    value, gradient = value_and_gradient(loss, embeddings, labels)
    assert value != value_and_gradient(loss, embeddings[:6], labels[:6])[0]
    assert gradient.isfinite().all()
    assert (gradient[6] != 0).any()


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_embeddings_that_are_not_finite_show(loss, bad):
    embeddings = rows(12, 4, dtype=torch.float32)
    embeddings[3, 1] = bad
    assert not loss(embeddings, torch.arange(12) % 3).isfinite()


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
@pytest.mark.parametrize(
    ("embeddings", "labels", "error", "message"),
    [
        (torch.zeros(4), torch.zeros(4).long(), ValueError, r"\(n_rows, n_dims\).*\(4,\)"),
        (torch.zeros(0, 3), torch.zeros(0).long(), ValueError, "at least one row"),
        (torch.zeros(4, 3), torch.zeros(3).long(), ValueError, r"shape \(4,\).*got \(3,\)"),
        (torch.zeros(4, 3), torch.zeros(4, 3), ValueError, r"shape \(4,\).*got \(4, 3\)"),
        (torch.zeros(4, 3), torch.zeros(4), TypeError, "integers.*float32"),
        (torch.zeros(4, 3).half(), torch.zeros(4).long(), TypeError, "float16"),
        (torch.zeros(4, 3), [0, 1, 0, 1], TypeError, "labels must be a torch tensor, got list"),
    ],
)
def test_wrong_input_is_named(loss, embeddings, labels, error, message):
    with pytest.raises(error, match=message):
        loss(embeddings, labels)


@pytest.mark.parametrize("loss", [BatchAllTripletLoss, BatchHardTripletLoss, IntervalLoss])
@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_wrong_margins(loss, margin):
    with pytest.raises(ValueError, match="margin must be finite and at least 0"):
        loss(margin)


def test_wrong_temperature():
    with pytest.raises(ValueError, match="temperature must be finite and above 0, got 0"):
        NTXentLoss(0)
