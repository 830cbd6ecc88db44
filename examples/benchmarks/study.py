"""The study: five methods and their peers, on real and generated data, corrupted and clean.

Every method is compared with the same learner without it, on the same folds without common
patients, the regularisation of the learner tuned in both cases on inner folds. Only training
rows are corrupted, never test rows. Rows and patients are scored: a patient's class scores are the
mean over the patient's rows. The parts, each a module with more about its sets and methods:

- ``labels`` (``study_labels.py``): wrong labels of rows and of whole patients;
- ``trusted`` (``study_trusted.py``): wrong labels, and patients that an expert has checked;
- ``images`` (``study_images.py``): Gaussian and Rician noise in images;
- ``trusted_images`` (``study_trusted_images.py``): the same, fewer clean images, wrong trust;
- ``contamination`` (``study_contamination.py``): outliers in the training set of a detector;
- ``rarity`` (``study_rarity.py``): classes with a handful of rows;
- ``scarcity`` (``study_scarcity.py``): 100 or 400 training rows.

Run: ``OMP_NUM_THREADS=1 python examples/benchmarks/study.py --data DIR --csv study.csv``, where DIR
holds ``cheng_brain_tumour_64.npz``, ``cheng_brain_tumour_roi64.npz``, ``raman_saliva_covid.npz``,
``brain_tumour_patches3d_24.npz``,
``actigraphy_depression.npz`` and ``hippocampus3d_28.npz``; the environment variable
SKROBUST_DATA serves as well, and without either only generated data and those of scikit-learn are
run. Seed by seed: every finished seed is a full replicate. A run that was stopped resumes where it
was. ``study_report.py`` makes tables, figures and verdicts from the CSV. cleanlab and PyOD are
needed (the extra ``benchmark``).

Read: one line per part, set, corruption, learner, seed, fold and arm. ``auc`` is the area under the
ROC curve (mean of one class against the rest), ``recall`` the mean recall of the classes,
``rare_recall`` that of the rare ones, ``*_patients`` the same, or the accuracy, over patients;
``kept`` is the share of the rows that a method keeps, ``found`` the area under the ROC curve with
which its weights tell wrong labels from right ones.
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
import time
import warnings
from pathlib import Path

import sklearn
from resumable import ResumableTable
from sklearn.exceptions import ConvergenceWarning
from study_cases import SCORES

from skrobust import DistillationWarning, InfluenceWarning, OutlierRemovalWarning

PARTS = [
    "labels",
    "trusted",
    "images",
    "trusted_images",
    "contamination",
    "rarity",
    "scarcity",
]
LEARNERS = ["logistic", "svc", "forest", "net", "boosting"]
KEY = ["part", "set", "corruption", "learner", "seed", "fold", "arm"]
COLUMNS = [*KEY, *SCORES, "n_train", "n_test", "seconds"]


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Run what is missing, seed by seed."""
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for part in args.parts:
            module = importlib.import_module(f"study_{part}")
            start = time.perf_counter()
            # what several methods have in common is learned once
            with tempfile.TemporaryDirectory() as memory:
                for case in module.cases(args, seed, memory):
                    place = (case.set, case.corruption, case.learner, seed, case.fold, case.arm)
                    left_out = not (chosen(case.set, args.sets) and chosen(case.arm, args.arms))
                    if left_out or table.has(part, *place):
                        continue
                    started = time.perf_counter()
                    scores = case.run()
                    seconds = round(time.perf_counter() - started, 2)
                    scores = {name: round(float(value), 4) for name, value in scores.items()}
                    key = dict(zip(KEY, (part, *place), strict=True))
                    table.add(**key, **scores, seconds=seconds)
            minutes = (time.perf_counter() - start) / 60
            print(f"seed {seed}, {part}: {minutes:.1f} minutes", flush=True)


def chosen(name: str, names: list[str] | None) -> bool:
    """Tell whether a set or an arm is to be run."""
    return names is None or name in names


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SKROBUST_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), metavar="DIR")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--learners",
        nargs="+",
        choices=LEARNERS,
        default=LEARNERS,
        help="learners of the part labels",
    )
    parser.add_argument("--sets", nargs="+", help="run these sets only; all by default")
    parser.add_argument("--arms", nargs="+", help="run these arms only; all by default")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=3, help="splits per seed of labels and images")
    parser.add_argument("--seeds", type=int, default=3, help="number of replicates")
    parser.add_argument("--csv", type=Path, help="write the lines here; resume from it")
    return parser.parse_args()


def main() -> None:
    """Run what is missing."""
    args = parse()
    # groups reach the distillers through the searches
    sklearn.set_config(enable_metadata_routing=True)
    for category in (
        ConvergenceWarning,
        DistillationWarning,
        InfluenceWarning,
        OutlierRemovalWarning,
    ):
        warnings.simplefilter("ignore", category)
    run(args, ResumableTable(args.csv, KEY, COLUMNS))


if __name__ == "__main__":
    main()
