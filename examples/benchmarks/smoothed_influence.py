"""Finding wrong labels by influence: what smoothing the head gains.

Brain tumour slices (every second one, three classes), 30% of the training rows mislabelled. A
network trains epoch by epoch; after some, all training rows are scored by their influence on the
loss over validation patients, with the network's head as it is and smoothed. The validation labels
are right, or as wrong as the training labels.

Run: ``python examples/benchmarks/smoothed_influence.py --data DIR``; data as for
``noisy_images.py``.

Read: the area under the curve with which the scores tell wrong rows from right ones, mean over the
seeds and in brackets the lowest; ``temperature`` is what calibrates the head on the validation rows
(above 1: overconfident). ``own label`` is one minus the probability of the row's own
label, which needs no validation rows.
"""

from __future__ import annotations

import argparse

import numpy as np
from noisy_images import load, parser_of_study, split_patients
from sklearn.metrics import roc_auc_score

from skrobust import ConvNet, NetClassifier, flip_labels, influence_scores
from skrobust.influence.head import calibrating_temperature, head_outputs, head_targets

EPOCHS = (2, 4, 8, 12)
SMOOTHING = (None, 1, 2, 3, 5)


def score(seed: int, args: argparse.Namespace) -> dict[tuple, float]:
    """Return an area under the curve for every epoch, kind of validation label and smoothing."""
    images, y, groups = (array[::2] for array in load(args.data))
    train, valid, _ = split_patients(y, groups, (0.2, 0.2), seed)
    given, wrong = flip_labels(y[train], 0.3, random_state=seed)
    labels = {"right": y[valid], "wrong": flip_labels(y[valid], 0.3, random_state=100 + seed)[0]}
    net = NetClassifier(
        ConvNet,
        module__width=args.width,
        lr=args.lr,
        precision=args.precision,
        random_state=seed,
    )
    found = {}
    for epoch in range(1, EPOCHS[-1] + 1):
        net.partial_fit(images[train], given, classes=[0, 1, 2])
        if epoch not in EPOCHS:
            continue
        own = net.predict_proba(images[train])[np.arange(len(train)), given]
        for kind, y_val in labels.items():
            rows = images[train], given, images[valid], y_val
            _, outputs = head_outputs(net, images[valid])
            target = head_targets(net, y_val, len(y_val), 3)
            found[epoch, kind, "temperature"] = calibrating_temperature(outputs, *target)
            found[epoch, kind, "own label"] = roc_auc_score(wrong, -own)
            for smoothing in SMOOTHING:
                scores = influence_scores(net, *rows, smoothing=smoothing)
                found[epoch, kind, smoothing] = roc_auc_score(wrong, scores)
    return found


def main() -> None:
    """Run all seeds and print a table."""
    args = parser_of_study(__doc__.splitlines()[0]).parse_args()
    results = [score(seed, args) for seed in range(args.seeds)]
    columns = ["temperature", "own label", *SMOOTHING]
    print(f"{'labels':<8}{'epoch':>6}" + "".join(f"{c!s:>14}" for c in columns))
    for kind in ("right", "wrong"):
        for epoch in EPOCHS:
            cells = [[r[epoch, kind, column] for r in results] for column in columns]
            shown = "".join(f"{np.mean(c):>8.2f} ({min(c):.2f})" for c in cells)
            print(f"{kind:<8}{epoch:>6}{shown}")


if __name__ == "__main__":
    main()
