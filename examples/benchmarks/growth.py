"""Seconds and peak memory of every public estimator, score and split as rows and groups grow.

Each measurement runs in a process of its own. ``slope`` is the exponent of the time between two
sizes, log(t2 / t1) / log(n2 / n1): 1 is linear, n log n looks like 1.1, 2 is quadratic.

    python examples/benchmarks/growth.py --rows 10000 100000 1000000 --limit 120

What would take longer than ``--limit`` seconds by the last slope is left out and says so.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import threading
import time

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import numpy as np
from sklearn.linear_model import LogisticRegression, SGDClassifier

import skrobust as sr
from skrobust.neural.splits import validation_split

N_COLUMNS = 8


def data(n_rows, n_groups):
    rng = np.random.RandomState(0)
    groups = rng.permutation(np.arange(n_rows) % n_groups)
    y = groups % 2
    X = rng.randn(n_rows, N_COLUMNS).astype(np.float32)
    X[:, 0] += y
    return X, y, groups


def net(**params):
    return sr.NetClassifier(
        sr.MLP, max_epochs=1, batch_size=1024, module__width=8, random_state=0, **params
    )


def linear():
    return SGDClassifier(loss="log_loss", random_state=0)


def fit(estimator, **keywords):
    def run(X, y, groups):
        passed = {"groups": groups} if keywords.get("groups") else {}
        if hasattr(estimator, "fit_resample"):
            estimator.fit_resample(X, y, **passed)
        else:
            estimator.fit(X, y, **passed)

    return run


def scored(function):
    """Score probabilities that are drawn, not predicted."""

    def run(X, y, groups):
        p = np.random.RandomState(1).rand(len(y))
        function(y, np.column_stack([1 - p, p]), groups)

    return run


def influence(X, y, groups):
    clf = net().fit(X, y)
    sr.influence_scores(clf, X, y, X[:200], y[:200])


def retrieve(X, y, groups):
    sr.retrieve_neighbors(X[:100], X, y, n_neighbors=5)


def compare(X, y, groups):
    estimators = {"a": linear(), "b": linear()}
    sr.compare_estimators(estimators, X, y, groups=groups, cv=3, scoring="accuracy")


def group_scorer(X, y, groups):
    sr.group_accuracy_scorer(linear().fit(X, y), X, y, groups=groups)


QUALITY = sr.OutOfFoldLabelQuality(linear(), cv=3, random_state=0)
QUALITY_OF_GROUPS = sr.OutOfFoldLabelQuality(linear(), cv=3, level="group", random_state=0)
TASKS = {
    "NetClassifier": fit(net()),
    "NetClassifier, early stopping by group": fit(net(early_stopping=True), groups=True),
    "NetClassifier, balanced batches": fit(net(balanced_batches=True)),
    "AdversarialNetClassifier": fit(
        sr.AdversarialNetClassifier(
            sr.MLP, max_epochs=1, batch_size=1024, module__width=8, random_state=0
        )
    ),
    "TripletEmbedder": fit(
        sr.TripletEmbedder(
            sr.MLP, max_epochs=1, batch_size=256, module__width=8, augment="noise", random_state=0
        )
    ),
    "ClassWeightedKNeighborsClassifier": fit(sr.ClassWeightedKNeighborsClassifier()),
    "Noise2VoidDenoiser": fit(
        sr.Noise2VoidDenoiser(max_epochs=1, batch_size=1024, module__width=2, random_state=0)
    ),
    "AEOutlierRemover": fit(
        sr.AEOutlierRemover(
            restarts=(1,), max_epochs=1, removal_interval=1, batch_size=1024, random_state=0
        )
    ),
    "AEOutlierRemover, by group": fit(
        sr.AEOutlierRemover(
            restarts=(1,), max_epochs=1, removal_interval=1, batch_size=1024, level="group",
            random_state=0,
        ),
        groups=True,
    ),
    "CertainSamples": fit(sr.CertainSamples(net(), max_epochs=2, random_state=0)),
    "EarlyLabelQuality": fit(sr.EarlyLabelQuality(net(), max_epochs=2, random_state=0)),
    "OutOfFoldLabelQuality": fit(QUALITY),
    "OutOfFoldLabelQuality, by group": fit(QUALITY_OF_GROUPS, groups=True),
    "LabelNoiseModel": fit(sr.LabelNoiseModel(random_state=0), groups=True),
    "LabelQualityReweighter": fit(
        sr.LabelQualityReweighter(LogisticRegression(), QUALITY_OF_GROUPS, veto=False),
        groups=True,
    ),
    "DistillMixAugmenter, mixing": fit(
        sr.DistillMixAugmenter(QUALITY, strategy="both", factor=1, random_state=0)
    ),
    "GaussianNoiseAugmenter": fit(sr.GaussianNoiseAugmenter(factor=2, random_state=0)),
    "ResamplingClassifier": fit(
        sr.ResamplingClassifier(sr.GaussianNoiseAugmenter(factor=2, random_state=0), linear()),
        groups=True,
    ),
    "FactorMixSampler": fit(
        sr.FactorMixSampler(
            width=2, n_codes=4, class_epochs=1, max_epochs=1, batch_size=1024, random_state=0
        )
    ),
    "InfluenceReweighter": fit(
        sr.InfluenceReweighter(net().set_params(max_epochs=2), warmup_epochs=1, random_state=0),
        groups=True,
    ),
    "InfluencePerturber": fit(
        sr.InfluencePerturber(net().set_params(max_epochs=2), warmup_epochs=1, random_state=0),
        groups=True,
    ),
    "influence_scores": influence,
    "retrieve_neighbors": retrieve,
    "compare_estimators": compare,
    "group_accuracy_scorer": group_scorer,
    "group_accuracy_score": scored(sr.group_accuracy_score),
    "group_roc_auc_score": scored(sr.group_roc_auc_score),
    "group_predict_proba": scored(lambda y, p, groups: sr.group_predict_proba(p, groups)),
    "class_recall_score": lambda X, y, groups: sr.class_recall_score(y, 1 - y),
    "rare_classes": lambda X, y, groups: sr.rare_classes(groups),
    "validation_split, by group": lambda X, y, groups: validation_split(y, 0.2, groups, 0),
    "flip_labels, by group": lambda X, y, groups: sr.flip_labels(
        y, 0.2, groups=groups, random_state=0
    ),
}  # fmt: skip


def private_memory():
    """Return the memory of this process that no file backs, in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1e3


def measure(name, n_rows, n_groups, pipe):
    """Run one task and send seconds and the peak of memory beyond the data."""
    import warnings

    warnings.simplefilter("ignore")
    TASKS[name](*data(500, 50))  # what is loaded once
    X, y, groups = data(n_rows, n_groups)
    before, peak, stop = private_memory(), [0.0], threading.Event()

    def watch():
        while not stop.wait(0.01):
            peak[0] = max(peak[0], private_memory())

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.perf_counter()
    try:
        TASKS[name](X, y, groups)
        result = time.perf_counter() - start
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    stop.set()
    thread.join()
    pipe.send((result, max(0.0, peak[0] - before)))


def run(name, n_rows, n_groups, limit):
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(name, n_rows, n_groups, sender))
    process.start()
    if receiver.poll(limit):
        result = receiver.recv()
        process.join()
        return result
    process.kill()
    process.join()
    return f"stopped after {limit:.0f} s", math.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rows-per-group", type=int, default=10)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds per measurement")
    parser.add_argument("--only", default="", help="part of a name")
    args = parser.parse_args()
    print(f"{'':42}{'rows':>9}{'groups':>8}{'seconds':>10}{'MB':>8}{'slope':>7}")
    for name in TASKS:
        if args.only.lower() not in name.lower():
            continue
        last, slope = None, 1.0
        for n_rows in args.rows:
            n_groups = max(100, n_rows // args.rows_per_group)
            line = f"{name:42}{n_rows:>9}{n_groups:>8}"
            if last is not None:
                expected = last[1] * (n_rows / last[0]) ** max(slope, 1)
                if expected > args.limit:
                    print(f"{line}  left out: some {expected:.0f} s expected", flush=True)
                    continue
            seconds, memory = run(name, n_rows, n_groups, args.limit)
            if isinstance(seconds, str):
                print(f"{line}  {seconds}", flush=True)
                break
            text = f"{line}{seconds:>10.2f}{memory:>8.0f}"
            if last is not None and last[1] > 0.05:
                slope = math.log(seconds / last[1]) / math.log(n_rows / last[0])
                text += f"{slope:>7.2f}"
            print(text, flush=True)
            last = n_rows, seconds


if __name__ == "__main__":
    main()
