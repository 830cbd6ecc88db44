"""Behrendt et al., impure training data in 3-D brain MRI: Fig. 2, with the paper's autoencoder.

Healthy volumes train a 3-D autoencoder with a code of 512 numbers, among them 0, 3, 6 or 12% with a
lesion. The reconstruction error tells lesioned from healthy test volumes. Rows whose error is above
gamma times the mean loss leave during training, with two restarts. The paper has 600 volumes of
64 x 77 x 66 voxels from two public studies, and 320 healthy and 160 lesioned test volumes; here
they are generated (:func:`~skrobust.make_brain_volumes`), smaller and fewer by default, and the
code shorter, so that a volume has about as many voxels per number of its code.

Arms: no removal, gamma as published (1.3 by default, the paper has up to 1.5), today's default
(``gamma="auto"``), today's removal in folds by the distance to the nearest rows
(:class:`~skrobust.OutlierRemover`), and local outlier factor alone.

Run: ``python examples/papers/outliers_paper.py --csv papers.csv --figures figures``. The paper's
size is ``--subjects 600 --test 320 --shape 64 77 66 --latent 512 --restarts 50 100 --epochs 400``.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from numpy.typing import NDArray
from paper_runs import PaperRuns, parser_of_paper
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils import Bunch

from skrobust import (
    AEOutlierRemover,
    OutlierRemovalWarning,
    OutlierRemover,
    ReconstructionDisplay,
    contaminate,
    make_brain_volumes,
)

SHARES = (0.0, 0.03, 0.06, 0.12)
NO_REMOVAL = "autoencoder, no removal"
PUBLISHED = {0.0: "0.935", 0.03: "0.889", 0.06: "0.835", 0.12: "0.804"}


def load(args: argparse.Namespace, seed: int) -> Bunch:
    """Return healthy volumes to train on, lesioned ones to mix in, and both to score."""
    n_lesioned = args.test // 2 + round(max(SHARES) * args.subjects * 1.2)
    brains = make_brain_volumes(
        args.subjects + args.test, n_lesioned, shape=args.shape, random_state=seed
    )
    # scanners differ in gain
    volumes = brains.data / np.quantile(brains.data, 0.9, axis=(1, 2, 3, 4), keepdims=True)
    X = volumes.reshape(len(volumes), -1)
    healthy, lesioned = X[: args.subjects + args.test], X[args.subjects + args.test :]
    return Bunch(
        healthy=healthy[: args.subjects],
        lesioned=lesioned[args.test // 2 :],
        X_test=np.concatenate([healthy[args.subjects :], lesioned[: args.test // 2]]),
        y_test=np.repeat([0, 1], [args.test, args.test // 2]),
        masks=brains.lesion_mask[args.subjects + args.test :][: args.test // 2],
    )


def autoencoder(args: argparse.Namespace, seed: int, **params) -> AEOutlierRemover:
    """Return the paper's autoencoder with removal."""
    published = {
        **AEOutlierRemover.paper_params,
        "module__latent_dim": args.latent,
        "restarts": tuple(args.restarts),
        "max_epochs": args.epochs,
        "input_shape": (1, *args.shape),
        "device": args.device,
        "random_state": seed,
    }
    return AEOutlierRemover(**{**published, **params})


def arms(args: argparse.Namespace, seed: int) -> dict:
    """Return the detectors."""
    gammas = {f"gamma {g:g} (paper)": autoencoder(args, seed, gamma=g) for g in args.gammas}
    return {
        NO_REMOVAL: autoencoder(args, seed, max_removed_fraction=0.0, restarts=()),
        **gammas,
        "gamma auto (today)": autoencoder(args, seed, gamma="auto"),
        "OutlierRemover()": OutlierRemover(random_state=seed),
        "local outlier factor": LocalOutlierFactor(novelty=True),
    }


def fit(detector, X: NDArray, is_lesioned: NDArray, data: Bunch) -> dict[str, float]:
    """Fit a detector; return its AUROC, and the shares of healthy and lesioned rows removed."""
    scores = -detector.fit(X).score_samples(data.X_test)
    found = {"AUROC": roc_auc_score(data.y_test, scores)}
    if hasattr(detector, "sample_indices_"):
        removed = np.ones(len(X), dtype=bool)
        removed[detector.sample_indices_] = False
        found["healthy removed"] = removed[~is_lesioned].mean()
        if is_lesioned.any():
            found["lesioned removed"] = removed[is_lesioned].mean()
    return found


def reconstructions(args: argparse.Namespace, runs: PaperRuns) -> None:
    """Draw Fig. 3, and Fig. 4 as the removed healthy volumes."""
    data = load(args, args.first_seed)
    X, is_lesioned, _ = contaminate(data.healthy, data.lesioned, 0.12, random_state=0)
    shown = np.flatnonzero(data.y_test == 1)[:2]
    for name, params in {
        "no removal": {"max_removed_fraction": 0.0, "restarts": ()},
        "gamma 1.3": {"gamma": 1.3},
    }.items():
        detector = autoencoder(args, args.first_seed, **params).fit(X)
        display = ReconstructionDisplay.from_estimator(
            detector, data.X_test[shown], truth=data.masks[:2]
        )
        runs.save(display.plot().figure_, f"Fig. 3 {name}")
    removed = detector.removed_indices_
    healthy = removed[~is_lesioned[removed]][:2]
    if len(healthy):
        display = ReconstructionDisplay.from_estimator(detector, X[healthy])
        runs.save(display.plot().figure_, "Fig. 4")


def main() -> None:
    """Run what is missing, then print all."""
    parser = parser_of_paper(__doc__.splitlines()[0], seeds=1)
    parser.add_argument("--subjects", type=int, default=150, help="the paper has 600")
    parser.add_argument("--test", type=int, default=100, help="healthy; half as many lesioned")
    parser.add_argument("--shape", type=int, nargs=3, default=[16, 19, 17], metavar="N")
    parser.add_argument(
        "--latent", type=int, default=16, help="length of the code; the paper has 512"
    )
    parser.add_argument("--restarts", type=int, nargs="*", default=[10, 20])
    parser.add_argument("--epochs", type=int, default=40, help="after the last restart")
    parser.add_argument("--gammas", type=float, nargs="+", default=[1.3])
    args = parser.parse_args()
    # what is removed is in the scores
    warnings.simplefilter("ignore", OutlierRemovalWarning)
    runs = PaperRuns("outliers", args)
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        data = load(args, seed)
        for share in SHARES:
            X, is_lesioned, _ = contaminate(data.healthy, data.lesioned, share, random_state=seed)
            size = (
                f"{args.subjects} volumes of {'x'.join(map(str, args.shape))}, code {args.latent}, "
                f"restarts {args.restarts}, then {args.epochs} epochs"
            )
            for arm, detector in arms(args, seed).items():
                runs.run(
                    f"Fig. 2, {share:.0%}", arm, size, seed,
                    lambda d=detector, x=X, o=is_lesioned, b=data: fit(d, x, o, b),
                )  # fmt: skip
    if args.figures is not None:
        reconstructions(args, runs)
    for share in SHARES:
        known = {NO_REMOVAL: {"AUROC": PUBLISHED[share]}}
        metrics = ["AUROC", "healthy removed", "lesioned removed"]
        runs.show(f"Fig. 2, {share:.0%}", metrics, known, NO_REMOVAL)


if __name__ == "__main__":
    main()
