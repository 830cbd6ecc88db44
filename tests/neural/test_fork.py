"""A process forked after a training with several threads: an error, not a process that hangs."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPT = """
    import multiprocessing, sys
    import numpy as np
    import torch
    from skrobust import NetClassifier

    X = np.random.RandomState(0).rand(32, 1, 16, 16).astype("f4")
    y = np.tile([0, 1], 16)

    def child(queue, settle):
        if settle:
            torch.set_num_threads(1)
        try:
            queue.put(NetClassifier(max_epochs=1, random_state=0).fit(X, y).score(X, y))
        except RuntimeError as error:
            queue.put(str(error))

    NetClassifier(max_epochs=1, random_state=0).fit(X, y)
    for settle in (False, True):
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=child, args=(queue, settle))
        process.start()
        print(queue.get(timeout=60))
        process.join(10)
    """


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told_why_it_would_hang():
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(SCRIPT)],
        env={**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    refused, settled = ran.stdout.strip().splitlines()
    assert refused.startswith("this process was forked from one in which a network"), ran.stderr
    assert 0 <= float(settled) <= 1
