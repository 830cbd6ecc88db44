"""
The distillation paper on small data, and why it loses
======================================================

The paper's comparison: spectra of patients, some of whose voxels do not show the tumour. A network,
alone and after :class:`~skrobust.DistillMixAugmenter`, a support vector machine and a random forest
are compared on the same patient-disjoint folds. A distiller scores how far labels can be trusted;
it has nothing to do with knowledge distillation. With 50 patients the selection of certain rows
costs more than it gains: easy rows remain, and the labels that are scored are the given ones, wrong
ones included.

By default the spectra are generated (:func:`~skrobust.make_mr_spectra`). On your own data::

    python examples/plot_08_distillation_paper.py --data FILE.npz --derivative

where the file holds ``X``, ``y`` and ``groups`` (the patient of every row).
"""

# %%
# Options
# -------
import argparse
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from imblearn.pipeline import Pipeline
from scipy.signal import savgol_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import (
    CertainSamples,
    ClassActivationDisplay,
    ComparisonDisplay,
    DistillationDisplay,
    DistillationWarning,
    DistillMixAugmenter,
    NetClassifier,
    OutOfFoldLabelQuality,
    ParameterCurveDisplay,
    RocComparisonDisplay,
    compare_estimators,
    distillation_report,
    group_accuracy_scorer,
    load_grouped_npz,
    make_mr_spectra,
    roc_auc_scorer,
    summarize_comparison,
)

parser = argparse.ArgumentParser(description="Patients and baselines")
parser.add_argument("--data", help="npz file with X, y, groups; generated spectra by default")
parser.add_argument("--classes", type=int, nargs="+", help="keep these values of y only")
parser.add_argument("--derivative", action="store_true", help="take the spectra's derivative")
parser.add_argument("--level", choices=["row", "group"], default="row", help="who votes on labels")
parser.add_argument("--folds", type=int, default=5)
parser.add_argument("--epochs", type=int, default=20, help="epochs of the plain network")
parser.add_argument("--jobs", type=int, default=2)
parser.add_argument("--figures", type=Path, help="folder to save the figures in")
options = parser.parse_args()

# groups reach the steps of a pipeline, and the scorers, through metadata routing
sklearn.set_config(enable_metadata_routing=True)
# shown once in the report below instead of at every fold
warnings.simplefilter("ignore", DistillationWarning)


def save(figure, name):
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.figures / f"{name}.png", dpi=120, bbox_inches="tight")


# %%
# The data
# --------
# Generated: the label of a tumour patient's voxel is wrong where the voxel was healthy tissue, and
# the generator tells which. Real data do not.
if options.data:
    data = load_grouped_npz(options.data)
else:
    data = make_mr_spectra(n_patients=50, n_voxels=(4, 16), random_state=0)
X, y, patient = data.data, data.target, data.groups
truth = data.get("target_true")
names = [str(name) for name in data.get("target_names", np.unique(y))]
if options.classes:
    rows = np.isin(y, options.classes)
    X, y, patient = X[rows], y[rows], patient[rows]
    names = [names[c] for c in options.classes] if len(names) > max(options.classes) else None
if options.derivative:
    X = savgol_filter(X.astype(float), window_length=21, polyorder=3, deriv=1, axis=1)[:, ::4]
    X /= np.abs(X).mean(axis=1, keepdims=True)
print(f"{len(X)} rows of {X.shape[1]} points, {len(np.unique(patient))} patients, classes {names}")

# %%
# Five estimators
# ---------------
# The baselines are those of the paper: SVC with default settings, and 500 trees with entropy.
# Support vector machines and linear models get every point of the spectrum standardised. The
# networks do not: this would distort the shape of a peak, and their batch norm scales anyway. After
# the augmentation the network has about twice as many rows, and is trained for half the epochs.
epochs = options.epochs
cache = tempfile.TemporaryDirectory()
linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
certain = CertainSamples(NetClassifier(), threshold=0.95, memory=cache.name)
by_others = OutOfFoldLabelQuality(linear, level=options.level, memory=cache.name)
plain = NetClassifier(max_epochs=epochs, random_state=0)
short = NetClassifier(max_epochs=max(1, epochs // 2), random_state=0)


def augmented(distiller, clf, **params):
    mixing = {"alpha": 0.3, "strategy": "same", "factor": 3, "random_state": 0, **params}
    augment = DistillMixAugmenter(distiller, **mixing)
    return Pipeline([("augment", augment), ("clf", clf)])


svc = make_pipeline(StandardScaler(), SVC())
estimators = {
    "SVC": svc,
    "random forest": RandomForestClassifier(500, criterion="entropy", random_state=0),
    "network": plain,
    "DistillMix (certain rows) + network": augmented(certain, short),
    "DistillMix (out of fold) + network": augmented(by_others, short),
    "DistillMix (out of fold) + SVC": augmented(by_others, svc),
}

# %%
# One table
# ---------
# Every estimator on the same folds, in which no patient is on both sides. The p-values are those of
# the corrected resampled t-test against the plain network.
folds = StratifiedGroupKFold(options.folds, shuffle=True, random_state=0)
results = compare_estimators(estimators, X, y, groups=patient, cv=folds, n_jobs=options.jobs)
summary = summarize_comparison(results, baseline="network")
cells = summary["mean"].map("{:.2f}".format) + " ± " + summary["sd"].map("{:.2f}".format)
table = summary.assign(cell=cells).pivot(index="estimator", columns="metric", values="cell")
table = table.loc[list(estimators), list(dict.fromkeys(results["metric"]))]
print(table.to_string())
against = summary[(summary["metric"] == "roc_auc (rows)") & (summary["estimator"] != "network")]
print("\nAUC minus that of the network, and p-value:")
print(against[["estimator", "mean_difference", "p_value"]].round(3).to_string(index=False))

comparison = ComparisonDisplay.from_results(
    results, metric="roc_auc (rows)", baseline="network"
).plot()
save(comparison.figure_, "comparison")

# %%
# The augmentation's parameters
# -----------------------------
# A search over mixture and distiller. The distillers' ``memory`` scores the rows once per fold, not
# once per candidate. The best score of a search is optimistic; the table above is not searched.
search = GridSearchCV(
    augmented(by_others, svc),
    {"augment__alpha": [0.1, 0.3, 0.5, 0.7], "augment__strategy": ["same", "both", "other"]},
    cv=folds,
    scoring={
        "auc": roc_auc_scorer,
        "patients": group_accuracy_scorer,
    },
    refit="auc",
    n_jobs=options.jobs,
).fit(X, y, groups=patient)
print(f"\nbest: {search.best_params_}, score {search.best_score_:.3f}")
by_name = summary[summary["metric"] == "roc_auc (rows)"].set_index("estimator")
curves = ParameterCurveDisplay.from_search(
    search,
    "augment__alpha",
    hue="augment__strategy",
    metric="auc",
    baselines={name: tuple(by_name.loc[name, ["mean", "sd"]]) for name in ("SVC", "random forest")},
).plot()
save(curves.figure_, "parameters")

# %%
# What distillation kept
# ----------------------
# For generated spectra the truth is known: how many of the kept labels are wrong, and how many of
# the wrong labels the distiller finds.
for title, distiller in {"certain rows": certain, "out of fold": by_others}.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DistillationWarning)
        fitted = sklearn.clone(distiller).set_params(random_state=0).fit(X, y, groups=patient)
    print(f"\nDistillation by {title}:")
    print(distillation_report(fitted, y, y_true=truth, groups=patient).round(2).to_string())
    for warning in caught:
        print(f"warned: {warning.message}")
distilled = DistillationDisplay.from_estimator(fitted, X, y, class_names=names).plot()
save(distilled.figure_, "distillation")

# %%
# ROC curves
# ----------
# By patient: the probabilities of a patient's rows are averaged before the curve is drawn.
if len(np.unique(y)) == 2:
    fold_of_row = np.empty(len(X), dtype=int)
    for fold, (_, test) in enumerate(folds.split(X, y, patient)):
        fold_of_row[test] = fold
    scores = {}
    for name in ("SVC", "DistillMix (out of fold) + SVC", "random forest"):
        method = "decision_function" if "SVC" in name else "predict_proba"
        score = cross_val_predict(
            estimators[name], X, y, cv=folds, method=method, params={"groups": patient}
        )
        scores[name] = score if score.ndim == 1 else score[:, 1]
    roc = RocComparisonDisplay.from_predictions(y, scores, folds=fold_of_row, groups=patient).plot()
    save(roc.figure_, "roc")

# %%
# Where the network looks
# -----------------------
# Class activation maps of the plain network, one row of each class.
one_of_each = np.array([np.flatnonzero(y == label)[0] for label in np.unique(y)])
axis = None if options.derivative else data.get("axis")
activation = ClassActivationDisplay.from_estimator(
    plain.fit(X, y),
    X[one_of_each],
    axis=axis,
    axis_label="chemical shift (ppm)" if axis is not None and not options.data else None,
    names=names,
    peaks=data.get("metabolites"),
).plot()
save(activation.figure_, "activation")
cache.cleanup()
plt.show()
