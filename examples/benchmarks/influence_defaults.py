"""What influence with its defaults gains or costs, against a network trained on everything.

Noisy images (sets, noise and network of ``study_images.py``, one fifth of the patients with clean
images, which are trusted) and wrong labels (generated spectra and brain tumours of
``study_labels.py``, nobody trusted; the network of 40 epochs). One split per seed, nothing tuned.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/influence_defaults.py --data DIR --csv F``; the
environment variable SKROBUST_DATA serves as DIR as well. A run that was stopped resumes.

Read: gain in AUC of rows over "plain", which trains on all rows, mean ± standard deviation over
seeds and sets. "other seed" is plain with another seed.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import study_images
import study_labels
from label_noise import mlp
from noisy_images import network
from resumable import ResumableTable
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold
from study_cases import Fold, draw_rows, score

from skrobust import InfluencePerturber, InfluenceReweighter, InfluenceWarning
from skrobust.neural.splits import validation_split

KEY = ["part", "set", "corruption", "seed", "arm"]
COLUMNS = [*KEY, "auc", "auc_patients"]
SETS = ["spectra", "brain tumours"]
LABELS = ["clean", "20% of rows", "40% of rows", "20% of patients", "40% of patients"]


def folds(args: argparse.Namespace, seed: int):
    """Yield part, set, corruption, network, fold and trusted rows or None."""
    split = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
    for name in SETS if args.data else SETS[:1]:
        X, y, groups, truth = study_labels.load(name, args, seed)
        train, test = next(split.split(X, y, groups))
        train = draw_rows(train, y, groups, (120, 5), seed)
        test = draw_rows(test, y, groups, study_labels.MOST_TEST, seed)
        X_train, X_test = study_labels.prepare(X, train, test)
        for corruption in LABELS:
            given = study_labels.corrupt(y[train], groups[train], corruption, seed)
            fold = Fold(X_train, given, groups[train], X_test, truth[test], groups[test], y[test])
            yield "labels", name, corruption, mlp(40, seed), fold, None
    size = argparse.Namespace(width=8, epochs=study_images.EPOCHS, lr=0.003, precision="bfloat16")
    for name in ["lesions", *(["cheng"] if args.data else [])]:
        images, y, groups = study_images.load(name, args, seed)
        train, test = next(split.split(images, y, groups))
        train = draw_rows(train, y, groups, study_images.MOST[name], seed)
        test = draw_rows(test, y, groups, study_images.MOST_TEST, seed)
        clean = np.zeros(len(train), dtype=bool)
        clean[validation_split(y[train], 0.2, groups[train], seed)[1]] = True
        for corruption, noise in study_images.NOISE.items():
            X = images[train].copy()
            if noise is not None:
                X[~clean] = noise(X[~clean], study_images.SCALE, random_state=seed)
            fold = Fold(X, y[train], groups[train], images[test], y[test], groups[test])
            yield "images", name, corruption, network(size, seed), fold, clean


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Run what is missing, seed by seed."""
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for *place, net, fold, trusted in folds(args, seed):
            warm = {"warmup_epochs": net.max_epochs // 2 if trusted is not None else 10}
            arms = {
                "plain": net,
                "other seed": clone(net).set_params(random_state=1000 + seed),
                "ISR": InfluenceReweighter(net, **warm, random_state=seed),
                "ISP": InfluencePerturber(net, **warm, random_state=seed),
            }
            for arm, model in arms.items():
                if table.has(*place, seed, arm):
                    continue
                known = {"groups": fold.groups, "trusted": trusted} if arm in ("ISR", "ISP") else {}
                scores = score(clone(model).fit(fold.X, fold.y, **known), fold)
                scores = {k: round(float(scores[k]), 4) for k in ("auc", "auc_patients")}
                table.add(**dict(zip(KEY, (*place, seed, arm), strict=True)), **scores)
        print(f"seed {seed}", flush=True)


def report(frame: pd.DataFrame) -> None:
    """Print the gains."""
    wide = frame.pivot_table(index=KEY[:-1], columns="arm", values="auc")
    gain = wide.sub(wide.pop("plain"), axis=0).groupby(["part", "corruption"], sort=False)
    print(gain.mean().map("{:+.3f}".format) + " ± " + gain.std().map("{:.3f}".format))


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    args = parser.parse_args()
    warnings.simplefilter("ignore", InfluenceWarning)
    table = ResumableTable(args.csv, KEY, COLUMNS)
    run(args, table)
    report(table.frame)


if __name__ == "__main__":
    main()
