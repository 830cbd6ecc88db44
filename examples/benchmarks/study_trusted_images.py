"""Part of the study: noisy training images, with fewer clean ones and with wrong trust.

Sets, noise, network and methods are those of ``study_images.py``. A tenth of the training patients
has clean images ("10% clean"), or a fifth is told to have them and one in five of these has not
("wrong trust"). Methods that are told nothing differ from *plain* as in that part.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from study_cases import PLAIN, Case, Fold, draw_rows
from study_images import DENOISED, MOST, MOST_TEST, N_FOLDS, NOISE, SCALE, arms, load, run, tuned

from skrobust.neural.splits import validation_split

# share of the training patients who are told to have clean images, and share of these who have not
TOLD = {"10% clean": (0.1, 0.0), "wrong trust": (0.2, 0.2)}
ARMS = (PLAIN, "ISR", "ISP", DENOISED)


def some_patients(y: NDArray, groups: NDArray, share: float, seed: int) -> NDArray:
    """Return which rows belong to a share of the patients of every class, drawn at random."""
    chosen = np.zeros(len(y), dtype=bool)
    chosen[validation_split(y, share, groups, seed)[1]] = True
    return chosen


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in ["lesions", *(["cheng"] if args.data else [])]:
        images, y, groups = load(name, args, seed)
        outer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        train, test = next(outer.split(images, y, groups))
        train = draw_rows(train, y, groups, MOST[name], seed)
        test = draw_rows(test, y, groups, MOST_TEST, seed)
        for noise, (told, (share, wrong)) in product(NOISE, TOLD.items()):
            if NOISE[noise] is None:
                continue
            trusted = some_patients(y[train], groups[train], share, seed)
            noisy = ~trusted
            if wrong:
                noisy[trusted] = some_patients(
                    y[train][trusted], groups[train][trusted], wrong, seed
                )
            X = images[train].copy()
            X[noisy] = NOISE[noise](X[noisy], SCALE, random_state=1000 * seed)
            fold = Fold(X, y[train], groups[train], images[test], y[test], groups[test])
            models = arms(tuned(fold, seed), seed)
            for arm in ARMS:
                task = partial(run, arm, models[arm], fold, trusted, seed)
                yield Case(name, f"{noise}, {told}", "net", 0, arm, task)
