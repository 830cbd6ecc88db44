"""Losses on a batch against those of pytorch-metric-learning: time and memory, forward + backward.

Embeddings of 64 numbers, normalised, 10 classes, margin 0.2, temperature 0.5, float32, one thread.
The rivals run in turn in one process after a warm-up round. The extra memory is the peak of a
process of its own (Linux) above what it held after a batch of 20. What the peer would need more
than ``--max-gb`` for is not tried. Values and gradients are checked to agree before the timing.

Run: ``python examples/benchmarks/triplet_losses.py``. A ratio of 10 means ten times faster. Needs
``pip install pytorch-metric-learning``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch
from interleaved import ratio, time_interleaved
from torch.nn.functional import normalize

from skrobust.embedding import BatchAllTripletLoss, BatchHardTripletLoss, NTXentLoss

N_CLASSES = 10
MARGIN = 0.2
TEMPERATURE = 0.5
ROUNDS = {128: 41, 512: 7, 1024: 3}


def make_batch(n_rows, one_positive):
    generator = torch.Generator().manual_seed(0)
    embeddings = normalize(torch.randn(n_rows, 64, generator=generator))
    labels = torch.arange(n_rows) % (n_rows // 2 if one_positive else N_CLASSES)
    return embeddings, labels


def peer_losses():
    from pytorch_metric_learning import distances, losses, miners, reducers

    distance = distances.LpDistance(normalize_embeddings=False)
    miner = miners.BatchHardMiner(distance=distance)
    hard = losses.TripletMarginLoss(MARGIN, distance=distance, reducer=reducers.MeanReducer())
    nt_xent = losses.NTXentLoss(TEMPERATURE)
    return {
        "batch-all": losses.TripletMarginLoss(MARGIN, distance=distance),
        "batch-hard": lambda embeddings, labels: hard(
            embeddings, labels, miner(embeddings, labels)
        ),
        "NT-Xent, one positive": nt_xent,
        "NT-Xent, class labels": nt_xent,
    }


def our_losses():
    return {
        "batch-all": BatchAllTripletLoss(MARGIN),
        "batch-hard": BatchHardTripletLoss(MARGIN),
        "NT-Xent, one positive": NTXentLoss(TEMPERATURE),
        "NT-Xent, class labels": NTXentLoss(TEMPERATURE),
    }


CASES = {
    "batch-all": (128, 512, 1024),
    "batch-hard": (128, 512, 1024),
    "NT-Xent, one positive": (128, 512),
    "NT-Xent, class labels": (128, 512, 1024),
}


def gigabytes_of_peer(case, n_rows):
    """Return a rough upper estimate of what the peer takes, from the tensors it makes."""
    n_positives = n_rows * (1 if "one" in case else n_rows / N_CLASSES)
    n_negatives = n_rows * (n_rows - n_positives / n_rows - 1)
    if "NT-Xent" in case:  # every positive pair times every negative pair
        return n_positives * n_negatives * 17 / 1e9
    if case == "batch-all":  # every triplet
        return n_rows**3 * 5 / 1e9
    return 0.2


def step(loss, embeddings, labels):
    leaf = embeddings.clone().requires_grad_()
    value = loss(leaf, labels)
    value.backward()
    return value.detach(), leaf.grad


def extra_megabytes(rival, case, n_rows):
    command = [sys.executable, __file__, "--memory-of", rival, case, str(n_rows)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(run.stdout.split()[-1])


def resident_megabytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def print_extra_megabytes(rival, case, n_rows):
    loss = (our_losses() if rival == "ours" else peer_losses())[case]

    one_positive = "one" in case
    step(loss, *make_batch(2 * N_CLASSES, one_positive))
    batch = make_batch(n_rows, one_positive)
    before = resident_megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    step(loss, *batch)
    print(resident_megabytes("VmHWM") - before)


def compare(case, n_rows, max_gb):
    batch = make_batch(n_rows, "one" in case)
    ours, theirs = our_losses()[case], peer_losses()[case]
    rivals = {"ours": lambda: step(ours, *batch)}
    estimate = gigabytes_of_peer(case, n_rows)
    if estimate <= max_gb:
        rivals["theirs"] = lambda: step(theirs, *batch)
        (value, gradient), (other, other_gradient) = (run() for run in rivals.values())
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-4)
        difference = (gradient - other_gradient).abs().max() / other_gradient.abs().max()
        assert difference < 1e-3, difference
    seconds = time_interleaved(rivals, ROUNDS[n_rows])
    line = (
        f"{case}, {n_rows} rows: {1e3 * sorted(seconds['ours'])[len(seconds['ours']) // 2]:.2f} ms"
    )
    if "theirs" in rivals:
        line += (
            f", {ratio(seconds['theirs'], seconds['ours'])}, gradients differ by {difference:.0e}"
        )
    else:
        line += f", the peer would need about {estimate:.0f} GB"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--max-gb", type=float, default=6, help="what the peer may take")
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory_of:
        rival, case, n_rows = arguments.memory_of
        print_extra_megabytes(rival, case, int(n_rows))
        return
    for case, sizes in CASES.items():
        for n_rows in sizes:
            compare(case, n_rows, arguments.max_gb)
    for case in CASES:
        if gigabytes_of_peer(case, 512) <= arguments.max_gb:
            ours, theirs = (extra_megabytes(rival, case, 512) for rival in ("ours", "theirs"))
            print(
                f"{case}, 512 rows, extra memory: {ours:.0f} MB against {theirs:.0f} MB, "
                f"{theirs / ours:.0f} times less"
            )
        else:
            print(f"{case}, 512 rows, extra memory: {extra_megabytes('ours', case, 512):.0f} MB")


if __name__ == "__main__":
    main()
