"""Values and gradients of pytorch-metric-learning, and memory."""

import re
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from skrobust.embedding import BatchAllTripletLoss, BatchHardTripletLoss, NTXentLoss


@pytest.fixture
def peers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pytorch_metric_learning")


def batch(n_rows=96):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(n_rows, 16, generator=generator)
    return normalize(embeddings), torch.randint(0, 6, (n_rows,), generator=generator)


def assert_same(ours, theirs, embeddings, labels):
    results = []
    for loss in (ours, theirs):
        leaf = embeddings.clone().requires_grad_()
        value = loss(leaf, labels)
        results.append((value, *torch.autograd.grad(value, leaf)))
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4 * other.abs().max().item())


def test_batch_all(peers):
    from pytorch_metric_learning import distances, losses

    assert_same(
        BatchAllTripletLoss(0.2),
        losses.TripletMarginLoss(0.2, distance=distances.LpDistance(normalize_embeddings=False)),
        *batch(),
    )


def test_batch_hard(peers):
    from pytorch_metric_learning import distances, losses, miners, reducers

    distance = distances.LpDistance(normalize_embeddings=False)
    miner = miners.BatchHardMiner(distance=distance)
    loss = losses.TripletMarginLoss(0.2, distance=distance, reducer=reducers.MeanReducer())
    assert_same(BatchHardTripletLoss(0.2), lambda e, y: loss(e, y, miner(e, y)), *batch())


@pytest.mark.parametrize("labels", [None, torch.arange(48).repeat(2)], ids=["classes", "pairs"])
def test_nt_xent(peers, labels):
    from pytorch_metric_learning import losses

    embeddings, classes = batch()
    labels = classes if labels is None else labels
    assert_same(NTXentLoss(0.3), losses.NTXentLoss(0.3), 3 * embeddings, labels)


def peak():
    """Return the largest resident memory since the last reset, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc of Linux")
@pytest.mark.parametrize("loss", [BatchAllTripletLoss, BatchHardTripletLoss, NTXentLoss])
def test_no_tensor_of_all_triplets(loss):
    embeddings, labels = torch.randn(600, 16, requires_grad=True), torch.arange(600) % 5
    loss()(embeddings[:16], labels[:16]).backward()  # loads what it needs
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    before = peak()
    loss()(embeddings, labels).backward()
    # 600^2 floats are 1.4 MB; 600^3 would be 824 MB, and their booleans still 206 MB
    assert peak() - before < 60
