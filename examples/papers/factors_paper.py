"""Ben-Cohen et al., disentanglement for liver lesions: Tables 2 and 3 on 239 lesions, in 3 folds.

The paper's CT images are not public. 239 lesions of the same four classes and numbers are generated
(:func:`~skrobust.make_lesion_rois`), at 32 x 32 pixels by default (the paper has 128 x 128), so
noisy that the baseline has about the paper's accuracy. Folds keep patients together. The baseline
is a network with random affine changes; "proposed" adds images of mixed codes to its training rows,
as published and with today's defaults.

Run: ``python examples/papers/factors_paper.py --csv papers.csv --figures figures``. ``--pixels 128
--width 64`` is the paper's size.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from paper_runs import PaperRuns, parser_of_paper
from sklearn.base import clone
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import Bunch

from skrobust import (
    FactorMixSampler,
    FactorMixtureDisplay,
    FactorSwapDisplay,
    NetClassifier,
    make_lesion_rois,
)

BASELINE = "baseline: affine"
PAPER = "proposed (paper_params)"
PUBLISHED = {
    BASELINE: {"accuracy": "0.676 ± 0.020"},
    PAPER: {"accuracy": "0.750 ± 0.058"},
}
# rows of Table 3: true class, columns: predicted class
CONFUSION = {
    BASELINE: [[60, 5, 1, 0], [13, 43, 19, 6], [3, 19, 34, 9], [0, 0, 2, 25]],
    PAPER: [[62, 3, 1, 0], [5, 50, 23, 3], [3, 20, 41, 1], [0, 0, 0, 27]],
}


def load(args: argparse.Namespace, seed: int) -> Bunch:
    """Return the paper's number of lesions."""
    return make_lesion_rois(
        args.subjects, size=args.pixels, spread=0.4, noise=args.noise, random_state=seed
    )


def samplers(args: argparse.Namespace, seed: int) -> dict[str, FactorMixSampler | None]:
    """Return how the training rows of every arm are made."""
    epochs = {
        "class_epochs": args.class_epochs,
        "max_epochs": args.factor_epochs,
        "device": args.device,
    }
    published = {**FactorMixSampler.paper_params, "width": args.width, **epochs}
    return {
        "plain network": None,
        BASELINE: None,
        PAPER: FactorMixSampler(**published, random_state=seed),
        "FactorMixSampler()": FactorMixSampler(**epochs, affine=False, random_state=seed),
    }


def fit(
    args: argparse.Namespace, arm: str, sampler: FactorMixSampler | None, data: Bunch, seed: int
) -> dict[str, float]:
    """Fit an arm in 3 folds; return accuracies and the summed confusion table."""
    names = data.target_names
    counts, accuracies, probes = np.zeros((len(names), len(names))), [], []
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
    for train, test in folds.split(data.data, data.target, data.groups):
        X, y = data.data[train], data.target[train]
        net = NetClassifier(
            max_epochs=args.epochs,
            augment=None if arm.startswith("plain") else "affine",
            device=args.device,
            random_state=seed,
        )
        if sampler is not None:
            made = clone(sampler)
            X, y = made.fit_resample(X, y, groups=data.groups[train])
            # for as many steps as without
            net.set_params(max_epochs=max(1, round(args.epochs * len(train) / len(X))))
            probes.append(made.diagnostics_["probe_accuracy"] - made.diagnostics_["chance"])
        predicted = net.fit(X, y).predict(data.data[test])
        accuracies.append((predicted == data.target[test]).mean())
        counts += confusion_matrix(data.target[test], predicted, labels=range(len(names)))
    found = {"accuracy": np.trace(counts) / counts.sum(), "sd of folds": np.std(accuracies)}
    if probes:
        found["probe minus chance"] = np.mean(probes)
    return found | {
        f"{names[i]} -> {names[j]}": counts[i, j]
        for i in range(len(names))
        for j in range(len(names))
    }


def show_confusion(runs: PaperRuns, names: list[str]) -> None:
    """Print Table 3: the mean over the seeds, and the paper's counts in brackets."""
    for size, part in runs.lines("Tables 2 and 3").groupby("size"):
        for arm, published in CONFUSION.items():
            own = part[part["arm"] == arm].groupby("metric")["value"].mean()
            if own.empty:
                continue
            print(f"\nTable 3, {arm}: {size} (the paper's)")
            print(" " * 14 + "".join(f"{name:>16}" for name in names))
            for i, name in enumerate(names):
                cells = [
                    f"{own[f'{name} -> {other}']:.1f} ({published[i][j]})"
                    for j, other in enumerate(names)
                ]
                print(f"{name:<14}" + "".join(f"{cell:>16}" for cell in cells))


def pictures(args: argparse.Namespace, runs: PaperRuns, data: Bunch) -> None:
    """Draw Figs. 3 and 4: swapped and mixed codes."""
    sampler = samplers(args, args.first_seed)["FactorMixSampler()"]
    X_new, _ = sampler.fit_resample(data.data, data.target, groups=data.groups)
    first: NDArray = np.array([np.flatnonzero(data.target == code)[0] for code in range(4)])
    swaps = FactorSwapDisplay.from_estimator(
        sampler, data.data[first], data.data[first[:2]], class_names=data.target_names
    )
    runs.save(swaps.plot().figure_, "Fig. 3")
    mixtures = FactorMixtureDisplay.from_estimator(sampler, X_new, class_names=data.target_names)
    runs.save(mixtures.plot().figure_, "Fig. 4")


def main() -> None:
    """Run what is missing, then print all."""
    parser = parser_of_paper(__doc__.splitlines()[0], seeds=3)
    parser.add_argument("--subjects", type=int, default=239, help="number of lesions")
    parser.add_argument("--pixels", type=int, default=32, help="the paper has 128")
    parser.add_argument("--noise", type=float, default=0.8)
    parser.add_argument("--width", type=int, default=16, help="first filters; the paper has 64")
    parser.add_argument("--class-epochs", type=int, default=20)
    parser.add_argument("--factor-epochs", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=40, help="of the classifiers")
    args = parser.parse_args()
    runs = PaperRuns("factors", args)
    size = (
        f"{args.subjects} lesions of {args.pixels}x{args.pixels}, noise {args.noise:g}, width "
        f"{args.width}, {args.epochs} epochs, codes {args.class_epochs} and {args.factor_epochs}"
    )
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        data = load(args, seed)
        for arm, sampler in samplers(args, seed).items():
            runs.run(
                "Tables 2 and 3", arm, size, seed,
                lambda a=arm, s=sampler, d=data, r=seed: fit(args, a, s, d, r),
            )  # fmt: skip
    if args.figures is not None:
        pictures(args, runs, load(args, args.first_seed))
    metrics = ["accuracy", "sd of folds", "probe minus chance"]
    runs.show("Tables 2 and 3", metrics, PUBLISHED, BASELINE)
    show_confusion(runs, load(args, 0).target_names)


if __name__ == "__main__":
    main()
