"""Timing of rival functions: in one process, in turn, after a warm-up round."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def time_interleaved(rivals: dict[str, Callable], rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of every round for every function; the first round is dropped."""
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds + 1):
        for name, function in rivals.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def ratio(slow: np.ndarray, fast: np.ndarray) -> str:
    """Return the median ratio of the rounds, its range, and the ratio of the fastest rounds."""
    ratios = slow / fast
    best = slow.min() / fast.min()
    return f"{np.median(ratios):5.2f}x ({ratios.min():.2f} to {ratios.max():.2f}; best {best:.2f})"
