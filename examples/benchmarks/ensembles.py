"""Time of several networks: one after the other, two at a time, and in one loop.

``NetClassifier(n_members=5)`` compared with one network and with two jobs. It trains networks of
linear layers in one loop, here the first line with and without dropout, and others one after the
other. Beside it a hand-written loop that trains any five networks at once by
``torch.func.stack_module_state`` and ``vmap``, without validation, weights, soft labels or changes
of rows. Interleaved, 400 rows, 5 epochs, one thread.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/ensembles.py``. Read: time over that of one
network. On a CPU the loop by ``vmap`` is slower than five networks in a row wherever there are
convolutions, since grouped convolutions are slow there, and networks for signals cannot be
vectorised at all ("fails"): this is why ``n_members`` trains them one after the other, or by
``n_jobs``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from interleaved import time_interleaved
from numpy.typing import NDArray
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from skrobust import NetClassifier

N_ROWS, EPOCHS, BATCH_SIZE, N_MEMBERS, N_ROUNDS = 400, 5, 32, 5, 3
SETS = {
    "table, 50 columns": ((50,), {}),
    "the same with dropout": ((50,), {"module__dropout": 0.3}),
    "signal, 288 points": ((288,), {}),
    "image, 32 x 32": ((1, 32, 32), {}),
    "volume, 12 x 12 x 12": ((1, 12, 12, 12), {}),
}


def vectorised(networks: list[torch.nn.Module], X: NDArray, y: NDArray) -> Callable[[], None]:
    """Return a function that trains copies of the networks side by side."""

    def train() -> None:
        parameters, buffers = stack_module_state(copy.deepcopy(networks))
        skeleton = copy.deepcopy(networks[0]).to("meta").train()
        parameters = {name: p.detach().requires_grad_() for name, p in parameters.items()}
        optimizer = torch.optim.Adam(parameters.values(), fused=True)

        def loss(parameters, buffers, rows, labels):
            return cross_entropy(functional_call(skeleton, (parameters, buffers), (rows,)), labels)

        losses = vmap(loss, randomness="different")
        rows, labels = torch.from_numpy(X), torch.from_numpy(y)
        for _ in range(EPOCHS):
            order = torch.stack([torch.randperm(len(X)) for _ in networks])
            for start in range(0, len(X), BATCH_SIZE):
                batch = order[:, start : start + BATCH_SIZE]
                optimizer.zero_grad()
                losses(parameters, buffers, rows[batch], labels[batch]).sum().backward()
                optimizer.step()

    return train


def main() -> None:
    """Print the ratios."""
    print(f"{'rows':<24}{'n_members=5':>22}{'two jobs':>22}{'vmap':>22}")
    for name, (shape, sizes) in SETS.items():
        rng = np.random.RandomState(0)
        X = rng.normal(size=(N_ROWS, *shape)).astype(np.float32)
        y = (X.reshape(N_ROWS, -1)[:, 0] > 0).astype(np.int64)
        shared = {"max_epochs": EPOCHS, "batch_size": BATCH_SIZE, "random_state": 0}
        one = NetClassifier(**shared, **sizes)
        several = NetClassifier(**one.get_params()).set_params(n_members=N_MEMBERS)
        two_jobs = NetClassifier(**several.get_params()).set_params(n_jobs=2)
        networks = [member.net_.module_ for member in several.fit(X, y).members_]
        calls = {
            "one": lambda one=one, X=X, y=y: one.fit(X, y),
            "several": lambda several=several, X=X, y=y: several.fit(X, y),
            "two jobs": lambda two_jobs=two_jobs, X=X, y=y: two_jobs.fit(X, y),
            "vmap": vectorised(networks, X, y),
        }
        try:
            calls["vmap"]()
        except RuntimeError:
            del calls["vmap"]
        times = time_interleaved(calls, N_ROUNDS)
        cells = []
        for arm in ("several", "two jobs", "vmap"):
            ratios = times[arm] / times["one"] if arm in times else []
            cells.append(
                f"{np.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
                if len(ratios)
                else "fails"
            )
        print(f"{name:<24}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
