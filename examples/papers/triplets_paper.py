"""Liu and Feng, triplet contrastive learning: Table 2, Figs. 2, 3, A.1 and A.2, with 27 classes.

The paper's scans are not public. Volumes with a tumour of 27 classes are generated, 13 of them rare
(:func:`~skrobust.make_tumour_volumes`), and a pool without labels; fewer and smaller than the
paper's 4,962 of 12 x 128 x 128 by default. 80% of the patients train, an eighth of them chooses the
epoch, 20% test. Embeddings are read by 7 nearest neighbours, as published; for today's defaults
also by the nearest class centre, and a network that classifies directly is the method to beat.

Run: ``python examples/papers/triplets_paper.py --csv papers.csv --figures figures``. The paper's
size is ``--volumes 4962 --unlabeled 22000 --size 12 128 128 --epochs 400 --paper-network``. The
figures are run by ``--parts curves``.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from paper_runs import PaperRuns, parser_of_paper
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.utils import Bunch

from skrobust import (
    NetClassifier,
    TripletEmbedder,
    class_recall_score,
    make_tumour_volumes,
    rank_k_accuracy_score,
    retrieve_neighbors,
)
from skrobust.neural.splits import validation_split

# contrastive loss, augmentation, training loss: recall of rows, of classes, of rare ones, rank 5
TABLE_2 = {
    (None, False, "cross_entropy"): ("0.435", "0.241", "0.059", "0.561"),
    (None, False, "interval"): ("0.458", "0.233", "0.022", "0.590"),
    ("nt_xent", False, "cross_entropy"): ("0.511", "0.291", "0.085", "0.610"),
    (None, True, "cross_entropy"): ("0.391", "0.244", "0.090", "0.649"),
    ("nt_xent", True, "cross_entropy"): ("0.502", "0.284", "0.082", "0.574"),
    ("batch_all", False, "cross_entropy"): ("0.433", "0.245", "0.050", "0.555"),
    ("batch_hard", False, "cross_entropy"): ("0.498", "0.269", "0.103", "0.583"),
    (None, False, "batch_hard"): ("0.414", "0.260", "0.101", "0.667"),
    (None, True, "batch_hard"): ("0.491", "0.338", "0.168", "0.705"),
    ("nt_xent", False, "batch_hard"): ("0.177", "0.056", "0.011", "0.427"),
    ("batch_all", False, "batch_hard"): ("0.465", "0.304", "0.142", "0.681"),
    ("batch_hard", False, "batch_hard"): ("0.465", "0.341", "0.203", "0.696"),
    ("batch_all", True, "batch_hard"): ("0.484", "0.295", "0.098", "0.704"),
    ("batch_hard", True, "batch_hard"): ("0.478", "0.299", "0.118", "0.695"),
}
METRICS = ["macro", "rare", "micro", "rank 5"]


def name_of(pretrain: str | None, augmented: bool, loss: str) -> str:
    """Return the paper's name of a line of Table 2."""
    return f"{pretrain or 'none'}, {'augmented' if augmented else 'none'}, {loss}"


def load(args: argparse.Namespace, seed: int) -> tuple[Bunch, Bunch]:
    """Return training and test volumes of other patients."""
    data = make_tumour_volumes(
        args.volumes, n_unlabeled=args.unlabeled, size=tuple(args.size), random_state=seed
    )
    parts = validation_split(data.target, 0.2, data.groups, seed, keep_rare=True)
    train, test = (Bunch(X=data.data[p], y=data.target[p], groups=data.groups[p]) for p in parts)
    return Bunch(**train, pool=data.data_unlabeled, rare=data.rare_classes), test


def embedder(args: argparse.Namespace, seed: int, **params: Any) -> TripletEmbedder:
    """Return the published embedder, with changes."""
    published = {
        **TripletEmbedder.paper_params,
        "max_epochs": args.epochs,
        "pretrain_epochs": args.pretrain_epochs,
        "device": args.device,
    }
    if not args.paper_network:
        published = {k: v for k, v in published.items() if not k.startswith("module")}
    return TripletEmbedder(**{**published, **params}, random_state=seed)


def recalls(train: Bunch, test: Bunch, predicted) -> dict[str, float]:
    """Return the paper's recalls."""
    rare = [code for code in train.rare if code in test.y]
    return {
        "macro": class_recall_score(test.y, predicted),
        "rare": class_recall_score(test.y, predicted, classes=rare),
        "micro": class_recall_score(test.y, predicted, average="micro"),
    }


def fit(model, train: Bunch, test: Bunch, head=None) -> dict[str, float]:
    """Fit an embedder and read it, or fit a classifier."""
    if isinstance(model, NetClassifier):
        return recalls(train, test, model.fit(train.X, train.y).predict(test.X))
    model.fit(train.X, train.y, groups=train.groups, X_unlabeled=train.pool)
    known, new = model.transform(train.X), model.transform(test.X)
    nearest = retrieve_neighbors(new, known, train.y, 5).labels
    found = recalls(train, test, (head or KNeighborsClassifier(7)).fit(known, train.y).predict(new))
    return {**found, "rank 5": rank_k_accuracy_score(test.y, nearest, 5)}


def table_2(args: argparse.Namespace, runs: PaperRuns, size: str, seed: int) -> None:
    """Run the lines of Table 2, and today's."""
    train, test = load(args, seed)
    arms = {
        name_of(*line): (
            embedder(
                args, seed, pretrain=line[0], augment_rows="rare" if line[1] else None, loss=line[2]
            ),
            None,
        )
        for line in TABLE_2
    }
    shared = {"max_epochs": args.epochs, "device": args.device, "random_state": seed}
    arms |= {
        "TripletEmbedder(), kNN(7)": (TripletEmbedder(**shared), None),
        "TripletEmbedder(), centroid": (TripletEmbedder(**shared), NearestCentroid()),
        "NetClassifier()": (NetClassifier(**shared), None),
        "NetClassifier(logit_adjustment=1)": (NetClassifier(**shared, logit_adjustment=1.0), None),
        "NetClassifier(balanced_batches=True, augment='affine')": (
            NetClassifier(**shared, balanced_batches=True, augment="affine"),
            None,
        ),
    }
    for arm, (model, head) in arms.items():
        runs.run("Table 2", arm, size, seed, lambda m=model, h=head: fit(m, train, test, h))


def figures(args: argparse.Namespace, runs: PaperRuns, size: str, seed: int) -> None:
    """Vary pretraining, dimension and margin, one at a time."""
    train, test = load(args, seed)
    plain = {"pretrain": None, "augment_rows": None}
    points = [
        ("Figs. 2 and 3", f"{loss} @ {n}", {"pretrain": loss, "pretrain_epochs": n})
        for loss in ("nt_xent", "batch_all", "batch_hard")
        for n in args.pretrain_curve
    ]
    points += [("Fig. A.1", f"batch_hard @ {n}", {"embedding_dim": n}) for n in args.dimensions]
    points += [
        ("Fig. A.2", f"{loss} @ {margin:g}", {"loss": loss, "margin": margin})
        for loss in ("batch_hard", "batch_all")
        for margin in args.margins
    ]
    for part, arm, changed in points:
        model = embedder(args, seed, **{**plain, **changed})
        runs.run(part, arm, size, seed, lambda m=model: fit(m, train, test))


def main() -> None:
    """Run what is missing, then print all."""
    parser = parser_of_paper(__doc__.splitlines()[0], seeds=1)
    parser.add_argument("--volumes", type=int, default=900, help="the paper has 4,962")
    parser.add_argument("--unlabeled", type=int, default=450, help="the paper has 22,000")
    parser.add_argument("--size", type=int, nargs=3, default=[6, 16, 16])
    parser.add_argument("--epochs", type=int, default=25, help="the paper has 400")
    parser.add_argument("--pretrain-epochs", type=int, default=5, help="the paper has 20")
    parser.add_argument("--paper-network", action="store_true", help="6.9 million weights")
    parser.add_argument("--curve-seeds", type=int, default=1)
    parser.add_argument("--pretrain-curve", type=int, nargs="+", default=[2, 10])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[2, 6, 16, 64])
    parser.add_argument("--margins", type=float, nargs="+", default=[0.2, 0.5, 1.0])
    args = parser.parse_args()
    # some arms collapse, which their scores show
    warnings.simplefilter("ignore", ConvergenceWarning)
    runs = PaperRuns("triplets", args)
    size = (
        f"{args.volumes} volumes of {'x'.join(map(str, args.size))}, {args.unlabeled} unlabelled, "
        f"{args.epochs} epochs"
    )
    parts = args.parts or ["Table 2"]
    for part, function, n_seeds in (
        ("Table 2", table_2, args.seeds),
        ("curves", figures, args.curve_seeds),
    ):
        for seed in range(args.first_seed, args.first_seed + n_seeds if part in parts else 0):
            function(args, runs, size, seed)
    published = {
        name_of(*line): dict(zip(("micro", "macro", "rare", "rank 5"), cells, strict=True))
        for line, cells in TABLE_2.items()
    }
    runs.show("Table 2", METRICS, published, name_of(None, False, "cross_entropy"))
    for part, xlabel in (
        ("Figs. 2 and 3", "epochs of pretraining"),
        ("Fig. A.1", "numbers in an embedding"),
        ("Fig. A.2", "margin"),
    ):
        runs.show(part, METRICS, {})
        if not runs.lines(part).empty:
            runs.draw(part, "macro", xlabel)


if __name__ == "__main__":
    main()
