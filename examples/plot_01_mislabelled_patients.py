"""
Patients with wrong labels: find them, and train in spite of them
=================================================================

The main job of the library. Every patient has several rows, and the labels of some patients are
wrong. Four questions: how misleading are scores if folds ignore patients? Whose label should be
checked again? What does training gain if it takes wrong labels into account? And how are parameters
searched with patients kept together?

By default 240 patients with spectra are generated, and the labels of 30% of them are changed.
On your own data (a row per spectrum, image or visit)::

    python examples/plot_01_mislabelled_patients.py --data FILE.npz
    python examples/plot_01_mislabelled_patients.py --data FILE.csv --label COLUMN --group COLUMN
"""

# %%
# The data
# --------
# An npz file holds ``X``, ``y`` and ``groups``; of a CSV file the columns of numbers are used. Real
# data do not tell which labels are right: ``--wrong 0.3`` changes the labels of that share of the
# patients on purpose, and the given labels count as right.
import argparse
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from imblearn.pipeline import Pipeline
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import (
    MLP,
    ComparisonDisplay,
    DistillationDisplay,
    DistillationWarning,
    DistillMixAugmenter,
    LabelNoiseModel,
    LabelQualityReweighter,
    NetClassifier,
    OutOfFoldLabelQuality,
    RocComparisonDisplay,
    compare_estimators,
    flip_labels,
    group_roc_auc_scorer,
    load_grouped_npz,
    make_mr_spectra,
    roc_auc_scorer,
    summarize_comparison,
)
from skrobust.evaluation.scores import macro_roc_auc

parser = argparse.ArgumentParser(description="Patients with wrong labels")
parser.add_argument("--data", help="npz or CSV file; generated spectra by default")
parser.add_argument("--label", help="column of the label (CSV)")
parser.add_argument("--group", help="column of the patient (CSV)")
parser.add_argument("--wrong", type=float, help="share of patients whose label is turned")
parser.add_argument("--folds", type=int, default=3)
parser.add_argument("--figures", type=Path, help="folder to save the figures in")
options = parser.parse_args()

# groups reach the steps of a pipeline, and the scorers, through metadata routing
sklearn.set_config(enable_metadata_routing=True)


def save(figure, name):
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.figures / f"{name}.png", dpi=120, bbox_inches="tight")


if options.data is None:
    X, y, patient = make_mr_spectra(
        240, n_voxels=6, n_points=96, impurity=0, snr=4, random_state=0, return_X_y_groups=True
    )
    y = np.array(["healthy", "tumour"])[y]
    patient = np.array([f"patient {g:03d}" for g in patient])
elif options.data.endswith(".npz"):
    data = load_grouped_npz(options.data)
    X, patient = data.data, data.groups
    y = np.asarray(data.get("target_names", np.unique(data.target)))[data.target]
else:
    table = pd.read_csv(options.data)
    patient, y = table.pop(options.group).to_numpy(), table.pop(options.label).to_numpy()
    X = table.select_dtypes("number").to_numpy()
shape = X.shape[1:]
X = X.reshape(len(X), -1).astype(np.float32)
wrong_share = (0.3 if options.data is None else 0.0) if options.wrong is None else options.wrong
y_right, wrong = y, np.zeros(len(y), dtype=bool)
if wrong_share:
    y, wrong = flip_labels(y_right, wrong_share, groups=patient, random_state=0)
counts = pd.Series(y).groupby(patient).first().value_counts()
print(f"{len(X)} rows of shape {shape} of {len(np.unique(patient))} patients: {counts.to_dict()}")
if len(shape) > 1:
    print(f"each row is flattened to {X.shape[1]} numbers")
n_components = min(50, X.shape[1], len(X) // 4)
positive = np.unique(y)[-1]


def behind_components(clf):
    """Return a classifier behind scaling and principal components."""
    steps = SimpleImputer(), StandardScaler(), PCA(n_components, random_state=0)
    return make_pipeline(*steps, clf)


# %%
# What a score is worth
# ---------------------
# If rows of a patient are in training and test, a model that memorises patients scores well.
forest = behind_components(RandomForestClassifier(200, random_state=0, n_jobs=1))
print("\n1. AUC of a random forest, on the given labels")
for name, cv in {
    "folds that ignore patients": StratifiedKFold(5, shuffle=True, random_state=0),
    "folds of whole patients": StratifiedGroupKFold(5, shuffle=True, random_state=0),
}.items():
    given = {} if "ignore" in name else {"groups": patient}
    proba = cross_val_predict(forest, X, y, cv=cv.split(X, y, **given), method="predict_proba")
    print(f"   {name:28} {macro_roc_auc(y, proba, np.unique(y)):.2f}")

# %%
# Whose label to check again
# --------------------------
# The noise model estimates how many patients and rows are mislabelled, from the data alone.
model = LabelNoiseModel(random_state=0).fit(X, y, groups=patient)
print("\n2. Estimated share of wrong labels, with 95% intervals")
print(model.noise_rates_.round(3).to_string())
print(f"   its judges predict unseen patients with an AUC of {model.out_of_fold_auc_:.2f}")
print("\n   Patients to check first")
print(model.patients_.head(10).round(3).to_string())
if wrong.any():
    wrong_patients = set(patient[wrong])
    share = np.mean([p in wrong_patients for p in model.patients_.index[:40]])
    print(f"   of the first 40, {share:.0%} are mislabelled; of all patients, {wrong_share:.0%}")
display = DistillationDisplay.from_estimator(model, X, y, groups=patient, level="group")
display.plot()
save(display.figure_, "patients_to_check")

# %%
# Training in spite of wrong labels
# ---------------------------------
# Trained on the given labels, scored on the right ones (where known), on patients left out of the
# training. All are tuned inside the training folds, with the noise model and without: the
# regularisation, of networks the number of epochs, of the forest the size of its leaves. The veto
# of the reweighter is off to save time: with it, the noise model is used only where it does not
# hurt. The intervals are those of other patients to test on.


def tuned(clf, grid):
    """Return a search inside the training rows, patients kept together."""
    return GridSearchCV(
        behind_components(clf), grid, cv=StratifiedGroupKFold(3), scoring=roc_auc_scorer
    )


def doubted(clf):
    """Return a classifier that takes wrong labels into account."""
    # a search fits the noise model once for all values of C
    return LabelQualityReweighter(
        clf, LabelNoiseModel(random_state=0), veto=False, memory=cache.name
    )


cache = tempfile.TemporaryDirectory()
strengths, epochs = [0.001, 0.01, 0.1], [5, 15, 40]
network = NetClassifier(MLP, random_state=0)
linear = LogisticRegression(max_iter=2000)
estimators = {
    "network": tuned(network, {"netclassifier__max_epochs": epochs}),
    "network, noise model": tuned(
        doubted(network), {"labelqualityreweighter__estimator__max_epochs": epochs}
    ),
    "SVC": tuned(SVC(), {"svc__C": [0.1, 1, 10]}),
    "random forest": tuned(
        RandomForestClassifier(100, random_state=0, n_jobs=1),
        {"randomforestclassifier__min_samples_leaf": [1, 5]},
    ),
    "logistic regression": tuned(linear, {"logisticregression__C": strengths}),
    "logistic, noise model": tuned(
        doubted(linear), {"labelqualityreweighter__estimator__C": strengths}
    ),
}
folds = StratifiedGroupKFold(options.folds, shuffle=True, random_state=0)
with warnings.catch_warnings():
    # in the small inner folds of a search it may be impossible to judge labels: they then stay
    warnings.simplefilter("ignore", DistillationWarning)
    results = compare_estimators(
        estimators, X, y, y_score=y_right, groups=patient, cv=folds,
        scoring={"AUC (rows)": roc_auc_scorer, "AUC (patients)": group_roc_auc_scorer},
        n_bootstrap=200, random_state=0,
    )  # fmt: skip
summary = summarize_comparison(results, baseline="network")
print("\n3. Scored on", "the right labels" if wrong.any() else "the given labels")
columns = ["estimator", "metric", "mean", "lower", "upper", "mean_difference", "p_value"]
print(summary[columns].round(3).to_string(index=False))
print("   A regularised linear model may well win: compare with one, always.")
comparison = ComparisonDisplay.from_results(results, baseline="network").plot()
save(comparison.figure_, "comparison")

# %%
# ROC curves of the test patients of the first fold. Scores of several folds do not go into one
# curve: their classifiers have other parameters, and so other scales.
if len(np.unique(y)) == 2:
    train, test = next(folds.split(X, y, patient))
    scores = {}
    for name in ("network", "network, noise model", "random forest"):
        clf = sklearn.base.clone(estimators[name]).fit(X[train], y[train], groups=patient[train])
        scores[name] = clf.predict_proba(X[test])
    roc = RocComparisonDisplay.from_predictions(
        y_right[test], scores, groups=patient[test], pos_label=positive
    ).plot()
    save(roc.figure_, "roc_by_patient")

# %%
# A search with patients kept together
# ------------------------------------
# Selection and mixing of training rows are steps of a pipeline like any other, so that their
# parameters are searched with the rest. ``strategy=None`` selects without mixing.
judge = behind_components(LogisticRegression(C=0.01, max_iter=2000))
augment = DistillMixAugmenter(
    OutOfFoldLabelQuality(judge, level="group", random_state=0), factor=2, random_state=0
)
pipe = Pipeline([("augment", augment), ("clf", judge)])
search = GridSearchCV(
    pipe,
    {"augment__strategy": [None, "same"], "augment__alpha": [0.1, 0.3],
     "augment__distiller__keep": [0.7, 1.0]},
    cv=StratifiedGroupKFold(3),
    scoring=group_roc_auc_scorer,
)  # fmt: skip
# sphinx_gallery_thumbnail_number = 3
search.fit(X, y, groups=patient)
print(f"\n4. Best of the search: {search.best_params_}, AUC of patients {search.best_score_:.3f}")
plt.show()
