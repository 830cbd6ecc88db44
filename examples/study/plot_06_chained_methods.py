"""
Chained methods: outliers out, labels checked, then a classifier, all of it cross-validated
===========================================================================================

Two things are wrong with these training spectra: some are artefacts, and some patients have the
wrong label. :class:`~skrobust.AEOutlierRemover` removes rows unlike all others,
:class:`~skrobust.DistillMixAugmenter` and :class:`~skrobust.LabelQualityReweighter` doubt labels
that other patients contradict. Every step is learned inside the training folds only. Parameters are
chosen on inner folds, scores are computed on outer ones, and no patient is ever on both sides.

By default the spectra are generated (:func:`~skrobust.make_mr_spectra`), and training rows are
corrupted. On your own data, which are not changed::

    python examples/study/plot_06_chained_methods.py --data FILE.npz

where the file holds ``X``, ``y`` and ``groups`` (the patient of every row).
"""

# %%
# Options
# -------
import argparse
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import (
    MLP,
    AEOutlierRemover,
    ComparisonDisplay,
    DistillMixAugmenter,
    LabelQualityReweighter,
    OutlierRemovalWarning,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    TripletEmbedder,
    flip_labels,
    load_grouped_npz,
    make_mr_spectra,
    roc_auc_scorer,
    summarize_comparison,
)

parser = argparse.ArgumentParser(description="Chained methods")
parser.add_argument("--data", help="npz file with X, y, groups; generated spectra by default")
parser.add_argument("--mislabelled", type=float, default=0.25, help="share of the patients")
parser.add_argument("--artefacts", type=float, default=0.1, help="share of the spectra")
parser.add_argument("--folds", type=int, default=3)
parser.add_argument("--figures", type=Path, help="folder to save the figures in")
options = parser.parse_args()

# groups reach the steps, the inner folds and the distillers through metadata routing
sklearn.set_config(enable_metadata_routing=True)
# nothing is removed from some inner folds, which is as it should be
warnings.simplefilter("ignore", OutlierRemovalWarning)


def save(figure, name):
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.figures / f"{name}.png", dpi=120, bbox_inches="tight")


# %%
# The data, and what is wrong with them
# -------------------------------------
# Only training rows are corrupted, fold by fold, so that scores are computed on right labels.
if options.data:
    data = load_grouped_npz(options.data)
    options.mislabelled = options.artefacts = 0.0
else:
    data = make_mr_spectra(80, n_voxels=(3, 7), impurity=0, random_state=0)
X, y, patient = data.data, data.target, data.groups
print(f"{len(X)} rows of {X.shape[1]} points, {len(np.unique(patient))} patients")


def spoil(X, y, patient, seed):
    """Return rows with artefacts and wrong labels, and where they are."""
    rng = np.random.RandomState(seed)
    y, wrong = flip_labels(y, options.mislabelled, groups=patient, random_state=rng)
    artefact = rng.rand(len(X)) < options.artefacts
    baseline = rng.normal(size=(artefact.sum(), X.shape[1])).cumsum(axis=1)
    X = X.copy()
    X[artefact] += 2 * X.std() * baseline
    return X, y, artefact, wrong


# %%
# The chain
# ---------
# A sampler changes the rows, so that the steps after it need the groups of the remaining rows.
# :class:`~skrobust.ResamplingClassifier` passes them on; a pipeline cannot. So a chain is built
# from the inside: the classifier, around it the sampler before it, and so on. Artefacts are removed
# first, since they would distort scaling and principal components.
linear = LogisticRegression(max_iter=1000)
by_patient = OutOfFoldLabelQuality(
    LogisticRegression(C=0.1, max_iter=1000), level="group", random_state=0
)
outliers = AEOutlierRemover(per_class=False, restarts=(10,), max_epochs=20, random_state=0)
distill = DistillMixAugmenter(by_patient, strategy=None, random_state=0)
reweighted = LabelQualityReweighter(linear, by_patient, veto=False)
embedded = make_pipeline(
    TripletEmbedder(MLP, module__width=32, augment_rows=None, max_epochs=20, random_state=0),
    NearestCentroid(),
)


def on_components(classifier):
    return make_pipeline(StandardScaler(), PCA(20, random_state=0), classifier)


# each chain with the parameter that is searched, named by the way to it
chains = {
    "logistic": (on_components(linear), "logisticregression__C"),
    "reweighted": (on_components(reweighted), "labelqualityreweighter__estimator__C"),
    "outliers out": (
        ResamplingClassifier(outliers, on_components(linear)),
        "estimator__logisticregression__C",
    ),
    "outliers out, reweighted": (
        ResamplingClassifier(outliers, on_components(reweighted)),
        "estimator__labelqualityreweighter__estimator__C",
    ),
    "outliers out, distilled": (
        ResamplingClassifier(outliers, on_components(ResamplingClassifier(distill, linear))),
        "estimator__resamplingclassifier__estimator__C",
    ),
    "outliers out, distilled, embedded": (
        ResamplingClassifier(outliers, on_components(ResamplingClassifier(distill, embedded))),
        "estimator__resamplingclassifier__estimator__tripletembedder__margin",
    ),
}

# %%
# Inner and outer folds
# ---------------------
# The search is an estimator like any other: in every outer training fold it splits the patients
# again. It uses the given labels, including wrong ones. Weights alone fail as long as the
# artefacts are there, and removing only these leaves the wrong labels. Mind the p-values: with few
# folds of few patients, only large differences are significant.
inner = StratifiedGroupKFold(3, shuffle=True, random_state=0)
outer = StratifiedGroupKFold(options.folds, shuffle=True, random_state=0)


grids = {"C": [0.01, 0.1], "margin": [0.1, 0.4]}
rows, found = [], []
for split, (train, test) in enumerate(outer.split(X, y, patient)):
    X_train, y_train, artefact, wrong = spoil(X[train], y[train], patient[train], split)
    fitted = {}
    for name, (chain, parameter) in chains.items():
        grid = {parameter: grids[parameter.split("__")[-1]]}
        model = GridSearchCV(chain, grid, cv=inner, scoring=roc_auc_scorer)
        model.fit(X_train, y_train, groups=patient[train])
        score = roc_auc_scorer(model, X[test], y[test])
        rows.append((name, split, "roc_auc", score, len(train), len(test)))
        fitted[name] = model.best_estimator_
    whole = fitted["outliers out, distilled"]
    left = whole.sampler_.sample_indices_
    kept = left[whole.estimator_[-1].sampler_.distiller_.kept_]
    for kind, those in {
        "artefacts": artefact,
        "mislabelled": wrong & ~artefact,
        "right rows": ~(wrong | artefact),
    }.items():
        if those.any():
            after = [those[stayed].sum() / those.sum() for stayed in (left, kept)]
            found += [(kind, "outliers out", 1 - after[0]), (kind, "distilled", 1 - after[1])]

columns = ["estimator", "split", "metric", "score", "n_train", "n_test"]
results = pd.DataFrame(rows, columns=columns)
summary = summarize_comparison(results, baseline="logistic")
print(summary.drop(columns=["metric", "n_splits"]).round(3).to_string(index=False))
comparison = ComparisonDisplay.from_results(results, baseline="logistic").plot()
save(comparison.figure_, "chains")

# %%
# What every step removed
# -----------------------
# The share of each kind of row that is removed after each step, mean over the outer folds. Removed
# right rows are the price.
# sphinx_gallery_thumbnail_number = 2
shares = pd.DataFrame(found, columns=["kind", "after", "share"])
shares = shares.groupby(["kind", "after"], sort=False)["share"].mean().unstack()
print(shares.round(2).to_string())
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
shares.plot.barh(ax=ax, color=["#0072B2", "#E69F00"])
ax.set(xlabel="share of the rows dropped", ylabel="", xlim=(0, 1))
ax.invert_yaxis()
ax.legend(title="after", frameon=False)
save(figure, "dropped")
plt.show()
