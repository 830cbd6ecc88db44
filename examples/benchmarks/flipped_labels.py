"""Training on wrong labels: what influence, early stopping and label quality gain.

Brain tumour slices (three classes, 64 by 64 pixels) of which 30% of the training labels are
wrong: of single rows, or of whole patients. The validation patients have right labels; they score
the rows (influence), choose the epoch (early stopping), or are trained on as well ("validation rows
added").
65% of the patients train, 15% validate, 20% test. All methods train the same network for the same
number of epochs; each seed draws its own split, wrong labels and weights. The methods are

- the network as it is ("naive"), and once more with another seed: the noise of a single run;
- naive with the validation rows added to the training rows;
- early stopping: the weights of the epoch with the lowest validation loss;
- ISR: the paper's (harmful rows emphasised), the opposite (helpful), helpful with weights by rank,
  that with scores of a smoothed head; and ("retrained") smoothed scores after 3 epochs, whose
  weights train a new network, by row and averaged over each patient;
- weights by label quality, which need no validation rows: from the network's first epochs, and out
  of fold by logistic regression on 50 principal components, by row and by patient.

Run: ``python examples/benchmarks/flipped_labels.py --data DIR --csv flipped_labels.csv``; options
and files as in ``noisy_images.py``.

Read: test accuracy by row and, averaging the probabilities over each patient, by patient, mean
and standard deviation over the seeds; ``gain`` is the paired difference in row accuracy from
naive. ``found`` is the AUC with which the weights tell wrong rows from right ones. A gain below
that of "naive, other seed" in size is noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from noisy_images import load, network, parser_of_study, split_patients
from numpy.typing import NDArray
from resumable import ResumableTable
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import EarlyStopping

from skrobust import (
    EarlyLabelQuality,
    InfluenceReweighter,
    LabelQualityReweighter,
    OutOfFoldLabelQuality,
    flip_labels,
    group_accuracy_score,
)

NOISE, NAIVE = 0.3, "naive"
KEY = ["wrong", "seed", "arm"]
SCORES = ["rows", "patients", "found"]
COLUMNS = [*KEY, *SCORES, "seconds"]


def flatten(X: NDArray) -> NDArray:
    """Return rows without axes."""
    return X.reshape(len(X), -1)


def arms(args: argparse.Namespace, seed: int) -> dict[str, Callable[[], BaseEstimator]]:
    """Return what builds the estimators that are compared."""
    net = network(args, seed)
    warmup = args.epochs // 2

    def isr(**params) -> InfluenceReweighter:
        return InfluenceReweighter(net, warmup_epochs=warmup, **params)

    def retrained(level: str) -> InfluenceReweighter:
        return InfluenceReweighter(
            net,
            warmup_epochs=3,
            emphasis="helpful",
            scaling="rank",
            smoothing=3,
            level=level,
            final_estimator=net,
        )

    def out_of_fold(level: str) -> LabelQualityReweighter:
        cheap = make_pipeline(
            FunctionTransformer(flatten),
            StandardScaler(),
            PCA(50, random_state=0),
            LogisticRegression(C=0.1, max_iter=2000),
        )
        distiller = OutOfFoldLabelQuality(cheap, level=level, random_state=seed)
        return LabelQualityReweighter(net, distiller, veto=False)

    stopping = EarlyStopping(patience=args.epochs, load_best=True, sink=lambda text: None)
    return {
        NAIVE: lambda: net,
        "naive, other seed": lambda: clone(net).set_params(random_state=1000 + seed),
        "naive, validation rows added": lambda: net,
        "early stopping": lambda: clone(net).set_params(callbacks=[*net.callbacks, stopping]),
        "ISR, harmful (paper)": isr,
        "ISR, helpful": lambda: isr(emphasis="helpful"),
        "ISR, helpful, rank": lambda: isr(emphasis="helpful", scaling="rank"),
        "ISR, helpful, rank, smoothed": lambda: isr(
            emphasis="helpful", scaling="rank", smoothing=3
        ),
        "ISR, smoothed, retrained": lambda: retrained("row"),
        "ISR, smoothed, retrained, patient": lambda: retrained("group"),
        "quality, early epochs": lambda: LabelQualityReweighter(
            net, EarlyLabelQuality(clone(net), max_epochs=3), veto=False
        ),
        "quality, row": lambda: out_of_fold("row"),
        "quality, patient": lambda: out_of_fold("group"),
    }


def fit_arguments(
    arm: str, rows: dict[str, tuple[NDArray, NDArray, NDArray]], given: NDArray
) -> dict[str, Any]:
    """Return what an arm's `fit` gets."""
    X, _, groups = rows["train"]
    X_val, y_val, _ = rows["valid"]
    if arm.endswith("added"):
        return {"X": np.concatenate([X, X_val]), "y": np.concatenate([given, y_val])}
    passed: dict[str, Any] = {"X": X, "y": given}
    if arm.startswith("ISR") or arm == "early stopping":
        passed |= {"X_val": X_val, "y_val": y_val}
    if arm.startswith(("ISR", "quality")):
        passed["groups"] = groups
    return passed


def run(args: argparse.Namespace, table: ResumableTable) -> None:
    """Run what is missing, seed by seed."""
    images, y, groups = load(args.data)
    for seed in range(args.seeds):
        parts = split_patients(y, groups, (0.15, 0.2), seed)
        rows = {
            name: (images[part], y[part], groups[part])
            for name, part in zip(("train", "valid", "test"), parts, strict=True)
        }
        _, labels, patients = rows["train"]
        X_test, y_test, groups_test = rows["test"]
        for wrong in args.wrong:
            by = patients if wrong == "patients" else None
            given, flipped = flip_labels(labels, NOISE, groups=by, random_state=seed)
            for arm, build in arms(args, seed).items():
                if table.has(wrong, seed, arm):
                    continue
                start = time.perf_counter()
                model = build().fit(**fit_arguments(arm, rows, given))
                seconds = time.perf_counter() - start
                proba = model.predict_proba(X_test)
                weight = getattr(model, "sample_weight_", None)
                table.add(
                    wrong=wrong,
                    seed=seed,
                    arm=arm,
                    rows=(proba.argmax(1) == y_test).mean(),
                    patients=group_accuracy_score(y_test, proba, groups=groups_test),
                    found=np.nan if weight is None else roc_auc_score(flipped, -weight),
                    seconds=seconds,
                )


def report(lines: pd.DataFrame) -> None:
    """Print a table for each kind of wrong label."""
    for wrong, part in lines.groupby("wrong", sort=False):
        wide = part.pivot(index="seed", columns="arm", values=SCORES)
        print(f"\n30% of {wrong} mislabelled, {len(wide)} seeds")
        print(f"{'arm':<30}{'rows':>15}{'patients':>15}{'gain':>16}{'found':>8}")
        for arm in part["arm"].unique():
            cells = "".join(
                f"{wide[name, arm].mean():>7.3f} ± {wide[name, arm].std():.3f}"
                for name in ("rows", "patients")
            )
            gain = (wide["rows", arm] - wide["rows", NAIVE]).dropna()
            last = f"{gain.mean():>+8.3f} ± {gain.std():.3f}" if arm != NAIVE else " " * 16
            found = wide["found", arm].mean()
            print(f"{arm:<30}{cells}{last}" + ("" if np.isnan(found) else f"{found:>8.2f}"))
    print(f"\n{lines['seconds'].sum() / 60:.1f} minutes of fitting in all")


def main() -> None:
    """Run what is missing, then print all."""
    parser = parser_of_study(__doc__.splitlines()[0])
    both = ["rows", "patients"]
    parser.add_argument("--wrong", nargs="+", choices=both, default=both)
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data DIR or set SKROBUST_DATA")
    table = ResumableTable(args.csv, KEY, COLUMNS)
    run(args, table)
    report(table.frame)


if __name__ == "__main__":
    main()
