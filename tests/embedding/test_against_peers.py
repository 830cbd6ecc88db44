"""Values and gradients of pytorch-metric-learning, and memory."""

import subprocess
import sys
import warnings

import pytest
import torch
from torch.nn.functional import normalize

from skrobust import BatchAllTripletLoss, BatchHardTripletLoss, NTXentLoss


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


MEMORY = """
import resource, sys, torch
from skrobust import *
torch.set_num_threads(1)
def step(n_rows):
    embeddings = torch.randn(n_rows, 16, requires_grad=True)
    {loss}(embeddings, torch.arange(n_rows) % 5).backward()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
step(16)
before = peak()
step(600)
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss in kB")
@pytest.mark.parametrize("loss", ["BatchAllTripletLoss", "BatchHardTripletLoss", "NTXentLoss"])
def test_no_tensor_of_all_triplets(loss):
    code = MEMORY.format(loss=f"{loss}()")
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    # 600^2 floats are 1.4 MB; 600^3 would be 824 MB, and their booleans still 206 MB
    assert int(run.stdout) / 1024 < 60
