"""Lu et al., distillation and mixing: Table 2, Figs. 3 to 7, at the size of the paper.

The paper's patients are not public. 435 patients with 7,442 spectra are generated, with labels by
patient: 40% of the voxels of tumour patients are healthy, and the noise is such that a network has
about the paper's AUC. Nine tenths of the patients train. They are scored on 435 other generated
patients instead of the last tenth, which is the same question with less chance in it, against the
given labels as in the paper, and against the true tissue, which the paper cannot know. Every seed
draws other patients.

Networks have the paper's 17 convolutions with a filter width of 32, a quarter as many filters
(``--width 16`` for all), and all are trained for as many steps as the plain network. In the paper
some 30% of the rows were certain; fewer are here, so that an arm, and the curves of Figs. 5 to 7,
fill up to 30% of each class with the most certain rows. The curves have fewer rows
(``--curve-rows``), and are run by ``--parts curves``.

Run: ``python examples/papers/distillation_paper.py --csv papers.csv --figures figures``. With
``--data FILE.npz`` (arrays ``X``, ``y``, ``groups``) the spectra are your own; then the last tenth
of the patients is scored.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from paper_runs import PaperRuns, parser_of_paper
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch

from skrobust import (
    CertainSamples,
    DistillationDisplay,
    DistillationWarning,
    DistillMixAugmenter,
    GaussianNoiseAugmenter,
    LabelQualityReweighter,
    NetClassifier,
    RocComparisonDisplay,
    group_accuracy_score,
    load_grouped_npz,
    make_mr_spectra,
)

PLAIN = "plain ResCNN"
PAPER = "proposed (paper_params)"
SHARE = "proposed, the paper's 30% kept"
PUBLISHED = {
    "SVM": {"AUC": "0.63", "SEN": "0.69", "SPE": "0.61", "patients": "0.67"},
    "RF": {"AUC": "0.64", "SEN": "0.70", "SPE": "0.60", "patients": "0.70"},
    PLAIN: {"AUC": "0.69", "SEN": "0.70", "SPE": "0.60", "patients": "0.67"},
    PAPER: {"AUC": "0.73", "SEN": "0.71", "SPE": "0.69", "patients": "0.73"},
}
STRATEGIES = ("same", "other", "both")


def load(args: argparse.Namespace, rows: int, seed: int) -> tuple[Bunch, Bunch]:
    """Return the patients to train on and those to score."""
    if args.data:
        data = load_grouped_npz(args.data)
        folds = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
        parts = next(folds.split(data.data, data.target, data.groups))
        return tuple(
            Bunch(data=data.data[part], target=data.target[part], groups=data.groups[part])
            for part in parts
        )
    most = round(2 * rows / args.subjects) - 1
    kind = {"n_voxels": (1, most), "impurity": 0.4, "snr": 3}
    train = make_mr_spectra(round(0.9 * args.subjects), **kind, random_state=seed)
    return train, make_mr_spectra(args.subjects, **kind, random_state=10_000 + seed)


def network(args: argparse.Namespace, seed: int) -> NetClassifier:
    """Return the paper's network."""
    params = {**NetClassifier.paper_params, "module__width": args.width, "max_epochs": args.epochs}
    return NetClassifier(**params, device=args.device, random_state=seed)


def scores(proba: NDArray, test: Bunch) -> dict[str, float]:
    """Return the paper's scores; `proba` may also be the score of an SVM."""
    score = proba if proba.ndim == 1 else proba[:, 1] - 0.5
    given = (score > 0).astype(int)
    found = {
        "AUC": roc_auc_score(test.target, score),
        "SEN": recall_score(test.target, given),
        "SPE": recall_score(test.target, given, pos_label=0),
        "patients": group_accuracy_score(
            test.target, np.column_stack([-score, score]), test.groups
        ),
    }
    if "target_true" in test:
        found["AUC of tissue"] = roc_auc_score(test.target_true, score)
    return found


def plain(clf, train: Bunch, test: Bunch, **fit_params) -> dict[str, float]:
    """Fit a classifier on all rows."""
    clf.fit(train.data, train.target, **fit_params)
    proba = clf.predict_proba if hasattr(clf, "predict_proba") else clf.decision_function
    return scores(proba(test.data), test)


def resampled(sampler, net: NetClassifier, train: Bunch, test: Bunch) -> dict[str, float]:
    """Train on what a sampler makes of the rows, for as many steps as on all rows."""
    passed = {"groups": train.groups} if isinstance(sampler, DistillMixAugmenter) else {}
    X, y = sampler.fit_resample(train.data, train.target, **passed)
    epochs = max(1, round(net.max_epochs * len(train.data) / len(X)))
    found = scores(net.set_params(max_epochs=epochs).fit(X, y).predict_proba(test.data), test)
    if hasattr(sampler, "distiller_"):
        kept = sampler.distiller_.kept_
        found["kept"] = kept.mean()
        for code in (0, 1):
            found[f"kept of class {code}"] = kept[train.target == code].mean()
        if "target_true" in train:
            right = train.target == train.target_true
            found |= {"right": right.mean(), "right of kept": right[kept].mean()}
    return found


def paper_sampler(net: NetClassifier, memory: str, seed: int, **params) -> DistillMixAugmenter:
    """Return distillation and mixing as published."""
    rule = dict(CertainSamples.paper_params)
    rule |= {name: params.pop(name) for name in rule.keys() & params.keys()}
    certain = CertainSamples(net, **rule, memory=memory, random_state=seed)
    published = {**DistillMixAugmenter.paper_params, "distiller": certain}
    return DistillMixAugmenter(**{**published, **params}, random_state=seed)


def table_2(args: argparse.Namespace, runs: PaperRuns, seed: int) -> None:
    """Compare the arms of Table 2 and today's."""
    train, test = load(args, args.rows, seed)
    net = network(args, seed)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000))
    size = (
        f"{args.subjects} patients, about {args.rows} spectra, "
        f"width {args.width}, {args.epochs} epochs"
    )
    with tempfile.TemporaryDirectory() as memory:
        arms = {
            "SVM": lambda: plain(SVC(), train, test),
            "RF": lambda: plain(
                RandomForestClassifier(500, criterion="entropy", random_state=seed), train, test
            ),
            PLAIN: lambda: plain(clone(net), train, test),
            "noise added": lambda: resampled(
                GaussianNoiseAugmenter(0.1, factor=5, random_state=seed), clone(net), train, test
            ),
            PAPER: lambda: resampled(
                paper_sampler(clone(net), memory, seed), clone(net), train, test
            ),
            SHARE: lambda: resampled(
                paper_sampler(clone(net), memory, seed, min_certain=0.3), clone(net), train, test
            ),
            "DistillMixAugmenter()": lambda: resampled(
                DistillMixAugmenter(random_state=seed), clone(net), train, test
            ),
            "LabelQualityReweighter(net, veto=False)": lambda: plain(
                LabelQualityReweighter(clone(net), veto=False, random_state=seed),
                train, test, groups=train.groups,
            ),
            "logistic regression": lambda: plain(linear, train, test),
            "LabelQualityReweighter(logistic)": lambda: plain(
                LabelQualityReweighter(linear, random_state=seed),
                train, test, groups=train.groups,
            ),
        }  # fmt: skip
        for arm, fit in arms.items():
            runs.run("Table 2", arm, size, seed, fit)


def figure_3(args: argparse.Namespace, runs: PaperRuns, seed: int) -> None:
    """Cluster all spectra, and count the classes in every cluster."""
    train, _ = load(args, args.rows, seed)

    def fit() -> dict[str, float]:
        cluster = KMeans(7, n_init=3, random_state=seed).fit_predict(train.data)
        shares = pd.crosstab(cluster, train.target, normalize="columns").to_numpy()
        # clusters of a few odd spectra are typical of nothing
        large = shares[shares.mean(1) > 0.05]
        typical = large[np.argsort(large[:, 0] / large[:, 1])]
        return {
            "clusters with both classes": (shares > 0).all(1).sum(),
            "healthy in the most healthy cluster": typical[-1, 0],
            "tumour in the most healthy cluster": typical[-1, 1],
            "healthy in the most tumorous cluster": typical[0, 0],
            "tumour in the most tumorous cluster": typical[0, 1],
            "clusters with classes within a third": (
                np.abs(np.log(large[:, 0] / large[:, 1])) < np.log(4 / 3)
            ).sum(),
        }

    runs.run("Fig. 3", "k-means, 7 clusters", f"{len(train.data)} training spectra", seed, fit)


def figure_4(args: argparse.Namespace, runs: PaperRuns, seed: int) -> None:
    """Measure how far certain rows lie from the centre of the other class."""
    train, test = load(args, args.rows, seed)
    net = network(args, seed)

    def fit() -> dict[str, float]:
        certain = CertainSamples(net, **CertainSamples.paper_params, random_state=seed)
        kept = certain.fit(train.data, train.target).kept_
        if runs.figures is not None and kept.any():
            display = DistillationDisplay.from_estimator(
                certain, train.data, train.target, class_names=["healthy", "tumour"]
            )
            runs.save(display.plot().figure_, "Fig. 4")
        found = {}
        for code, name in enumerate(["healthy", "tumour"]):
            own = train.target == code
            away = np.linalg.norm(train.data - train.data[~own].mean(0), axis=1)
            found[f"{name}, median distance, all"] = np.median(away[own])
            chosen = away[own & kept]
            if len(chosen):
                found[f"{name}, median distance, certain"] = np.median(chosen)
        return found

    size = f"about {args.rows} spectra, width {args.width}"
    runs.run("Fig. 4", "certain rows", size, seed, fit)


def curves(args: argparse.Namespace, runs: PaperRuns, seed: int) -> None:
    """Vary share, epochs of the distiller and factor of the augmentation, one at a time."""
    train, test = load(args, args.curve_rows, seed)
    net = network(args, seed)
    size = (
        f"{args.subjects} patients, about {args.curve_rows} spectra, width {args.width}, "
        f"{args.epochs} epochs"
    )
    runs.run("curves", PLAIN, size, seed, lambda: plain(clone(net), train, test))
    points = [("Fig. 5", s, "alpha", x) for s in STRATEGIES for x in args.alphas]
    points += [("Fig. 6", s, "max_epochs", x) for s in STRATEGIES for x in args.source_epochs]
    points += [("Fig. 7", s, "factor", x) for s in STRATEGIES for x in args.factors]
    with tempfile.TemporaryDirectory() as memory:

        @functools.cache
        def point(strategy: str, alpha: float, max_epochs: int, factor: int) -> dict:
            sampler = paper_sampler(
                clone(net), memory, seed, strategy=strategy, alpha=alpha, max_epochs=max_epochs,
                factor=factor, min_certain=0.3,
            )  # fmt: skip
            return resampled(sampler, clone(net), train, test)

        for part, strategy, name, x in points:
            fixed = {"alpha": 0.5, "max_epochs": 5, "factor": 5, name: x}
            runs.run(
                part, f"{strategy} @ {x}", size, seed, lambda s=strategy, f=fixed: point(s, **f)
            )


def roc(args: argparse.Namespace, runs: PaperRuns) -> None:
    """Draw the ROC curves of Fig. 8, without the neuroradiologists."""
    train, test = load(args, args.curve_rows, args.first_seed)
    net = network(args, args.first_seed)
    with tempfile.TemporaryDirectory() as memory:
        sampler = paper_sampler(clone(net), memory, args.first_seed, min_certain=0.3)
        X, y = sampler.fit_resample(train.data, train.target, groups=train.groups)
    found = {
        PLAIN: clone(net).fit(train.data, train.target).predict_proba(test.data),
        SHARE: clone(net).fit(X, y).predict_proba(test.data),
    }
    display = RocComparisonDisplay.from_predictions(test.target, found, pos_label=1).plot()
    runs.save(display.figure_, "Fig. 8")


def main() -> None:
    """Run what is missing, then print all."""
    parser = parser_of_paper(__doc__.splitlines()[0], seeds=1)
    parser.add_argument("--data", help="npz file with X, y, groups; generated by default")
    parser.add_argument("--subjects", type=int, default=435)
    parser.add_argument("--rows", type=int, default=7442, help="spectra of all patients")
    parser.add_argument("--epochs", type=int, default=8, help="the paper does not say")
    parser.add_argument("--width", type=int, default=4, help="first filters; the paper has 16")
    parser.add_argument("--curve-rows", type=int, default=1500, help="spectra for Figs. 5 to 7")
    parser.add_argument("--curve-seeds", type=int, default=1)
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.1, 0.5, 0.9])
    parser.add_argument("--source-epochs", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 3, 5])
    args = parser.parse_args()
    # how many rows are kept is in the scores
    warnings.simplefilter("ignore", DistillationWarning)
    runs = PaperRuns("distillation", args)
    parts = args.parts or ["Fig. 3", "Fig. 4", "Table 2"]
    steps = {"Fig. 3": figure_3, "Fig. 4": figure_4, "Table 2": table_2, "curves": curves}
    for part in parts:
        n_seeds = args.curve_seeds if part == "curves" else args.seeds
        for seed in range(args.first_seed, args.first_seed + n_seeds):
            steps[part](args, runs, seed)
    if args.figures is not None:
        roc(args, runs)
    runs.show(
        "Table 2", ["AUC", "SEN", "SPE", "patients", "AUC of tissue", "kept"], PUBLISHED, PLAIN
    )
    for part, xlabel in (
        ("Fig. 5", "share alpha"), ("Fig. 6", "last source epoch"), ("Fig. 7", "factor")
    ):  # fmt: skip
        runs.show(part, ["AUC", "AUC of tissue", "kept"], {})
        if not runs.lines(part).empty:
            runs.draw(part, "AUC", xlabel, {PLAIN: "curves"})
    for part in ("Fig. 3", "Fig. 4"):
        runs.show(part, sorted(set(runs.lines(part)["metric"]) - {"seconds"}), {})
    plt.close("all")


if __name__ == "__main__":
    main()
