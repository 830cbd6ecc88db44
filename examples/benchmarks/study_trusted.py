"""Part of the study: wrong labels, and patients whose labels an expert has checked.

Sets, splits, corruptions and tuned learners are those of ``study_labels.py``, where all rows of a
patient have one label, with logistic regression and the network. An expert has corrected the labels
of 10% or 20% of the training patients, drawn for every seed, which all arms train on; only the
"trusted" arms, and the rows that weigh 5, know which they are. "wrong trust": 20% checked, the
labels of one in five of them wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold
from study_cases import PLAIN, Case, Fold, draw_rows, score
from study_labels import (
    FILES,
    LEARNERS,
    MAIN,
    MIXED,
    MOST,
    MOST_TEST,
    N_FOLDS,
    SPECTRA,
    corrupt,
    diagnose,
    load,
    prepare,
    tuned,
)
from trusted import SHARES, trust

from skrobust import LabelQualityReweighter
from skrobust.label_noise.inner_fit import fit_inside

CORRUPTIONS = ["clean", "20% of rows", "40% of rows", "40% of patients"]
SETS = [name for name in SPECTRA if name != "impure spectra"]
FILE_SETS = [name for name in [*FILES, "visits"] if name not in MIXED]


def arms(base: BaseEstimator, seed: int) -> dict[str, tuple[BaseEstimator, bool]]:
    """Return the models that are compared where patients are checked, and whether they know."""
    model = LabelQualityReweighter(base, random_state=seed)
    return {
        PLAIN: (base, False),
        "rows that weigh 5": (base, True),
        MAIN: (model, False),
        "noise model, trusted": (model, True),
    }


def run(
    model: BaseEstimator, fold: Fold, trusted: NDArray | None, right: NDArray
) -> dict[str, float]:
    """Fit and score one arm; `trusted` marks the checked rows, None if it is not told."""
    model = clone(model)
    if isinstance(model, LabelQualityReweighter):
        model.fit(fold.X, fold.y, groups=fold.groups, trusted=trusted)
    else:
        weight = None if trusted is None else np.where(trusted, 5.0, 1.0)
        fit_inside(model, fold.X, fold.y, sample_weight=weight)
    return score(model, fold) | diagnose(model, ~right)


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in [*SETS, *(FILE_SETS if args.data else [])]:
        X, y, groups, truth = load(name, args, seed)
        outer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        train, test = next(outer.split(np.zeros(len(y)), y, groups))
        train = draw_rows(train, y, groups, MOST.get(name, (120, 5)), seed)
        test = draw_rows(test, y, groups, MOST_TEST, seed)
        X_train, X_test = prepare(X, train, test)
        for corruption in CORRUPTIONS:
            given = corrupt(y[train], groups[train], corruption, 1000 * seed)
            fold = Fold(X_train, given, groups[train], X_test, truth[test], groups[test], y[test])
            for learner in ("logistic", "net"):
                if learner not in LEARNERS.get(name, ["logistic"]) or learner not in args.learners:
                    continue
                base = tuned(learner, fold, seed)
                for checked, (share, wrong) in SHARES.items():
                    labels, trusted = trust(given, y[train], groups[train], share, wrong, seed)
                    place = (name, f"{corruption}, {checked}", learner, 0)
                    for arm, (model, told) in arms(base, seed).items():
                        task = partial(
                            run,
                            model,
                            fold._replace(y=labels),
                            trusted if told else None,
                            labels == y[train],
                        )
                        yield Case(*place, arm, task)
