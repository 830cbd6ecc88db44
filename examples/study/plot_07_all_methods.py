"""
All methods and their baselines on the same folds
=================================================

All methods of the library and simple baselines, compared on the same patient-disjoint folds by
:func:`~skrobust.compare_estimators`. Every method is made for a certain problem, so do not expect
each to win on one data set. This is the table to make for your own data.

By default the spectra are generated (:func:`~skrobust.make_mr_spectra`): a share of the voxels of
tumour patients is healthy tissue. On your own data::

    python examples/study/plot_07_all_methods.py --data FILE.npz

where the file holds ``X``, ``y`` and ``groups`` (the patient of every row), with two classes.
"""

# %%
# Options
# -------
import argparse
import warnings
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import (
    AEOutlierRemover,
    CertainSamples,
    ComparisonDisplay,
    DistillationWarning,
    DistillMixAugmenter,
    FactorMixSampler,
    InfluencePerturber,
    InfluenceReweighter,
    InfluenceWarning,
    LabelQualityReweighter,
    NetClassifier,
    OutlierRemovalWarning,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    TripletEmbedder,
    compare_estimators,
    group_roc_auc_scorer,
    load_grouped_npz,
    make_mr_spectra,
    roc_auc_scorer,
    summarize_comparison,
)

parser = argparse.ArgumentParser(description="All methods")
parser.add_argument("--data", help="npz file with X, y, groups; generated spectra by default")
parser.add_argument("--folds", type=int, default=3)
parser.add_argument("--epochs", type=int, default=10, help="epochs of the networks")
parser.add_argument("--jobs", type=int, default=1)
parser.add_argument("--figures", type=Path, help="folder to save the figures in")
options = parser.parse_args()

# the warnings of the methods about these data are shown in their own examples
for category in (DistillationWarning, InfluenceWarning, OutlierRemovalWarning):
    warnings.simplefilter("ignore", category)


def save(figure, name):
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.figures / f"{name}.png", dpi=120, bbox_inches="tight")


# %%
# The data
# --------
if options.data:
    data = load_grouped_npz(options.data)
else:
    data = make_mr_spectra(48, n_voxels=(3, 7), random_state=0)
X, y, patient = data.data, data.target, data.groups
print(f"{len(X)} rows of {X.shape[1]} points, {len(np.unique(patient))} patients")

# %%
# The estimators
# --------------
# One small network everywhere. Methods that make new rows get fewer epochs, so that all train for
# about as many steps. The embedding and the factors would gain from more epochs than an example can
# afford, and nothing is tuned: the Results page has tuned comparisons.
epochs = options.epochs


def net(max_epochs=epochs, **params):
    return NetClassifier(max_epochs=max_epochs, module__width=8, random_state=0, **params)


linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
svc = make_pipeline(StandardScaler(), SVC())
estimators = {
    "SVC": svc,
    "random forest": RandomForestClassifier(200, random_state=0),
    "gradient boosting": HistGradientBoostingClassifier(max_iter=50, random_state=0),
    "network": net(),
    "network, mixup": net(mixup="input"),
    "network, SMOTE": ResamplingClassifier(SMOTE(random_state=0), net()),
}
methods = {
    "DistillMix (certain rows)": ResamplingClassifier(
        DistillMixAugmenter(CertainSamples(net()), strategy="both", factor=3, random_state=0),
        net(epochs // 2),
    ),
    "DistillMix (out of fold)": ResamplingClassifier(
        DistillMixAugmenter(
            OutOfFoldLabelQuality(linear), strategy="both", alpha=0.2, factor=3, random_state=0
        ),
        net(epochs // 2),
    ),
    "quality weights": LabelQualityReweighter(
        net(), OutOfFoldLabelQuality(linear, random_state=0), veto=False
    ),
    "influence weights (ISR)": InfluenceReweighter(
        net(), warmup_epochs=epochs // 2, random_state=0
    ),
    "influence changes (ISP)": InfluencePerturber(net(), warmup_epochs=epochs // 2, random_state=0),
    "outliers removed": ResamplingClassifier(
        AEOutlierRemover(restarts=(10,), max_epochs=20, random_state=0), net()
    ),
    "triplets + nearest centroid": make_pipeline(
        TripletEmbedder(max_epochs=epochs, module__width=8, random_state=0), NearestCentroid()
    ),
    "factors mixed": ResamplingClassifier(
        FactorMixSampler(class_epochs=6, max_epochs=8, random_state=0), net(epochs // 2)
    ),
}


# %%
# cleanlab's ``CleanLearning`` works alone, but neither in a pipeline nor with scorers that look for
# ``classes_``, and wants labels 0, 1, ...; a few lines around it help.
class CleanLearningClassifier(ClassifierMixin, BaseEstimator):
    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        from cleanlab.classification import CleanLearning

        self.classes_, codes = np.unique(y, return_inverse=True)
        self.model_ = CleanLearning(self.estimator, seed=0, verbose=False).fit(X, codes)
        return self

    def predict(self, X):
        return self.classes_[self.model_.predict(X)]

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


if find_spec("cleanlab"):
    estimators["network, CleanLearning"] = CleanLearningClassifier(net())
else:
    print("cleanlab is not installed: CleanLearning is left out")

# %%
# One table
# ---------
# The same folds for all, without common patients: AUC of the rows, and of the patients by the mean
# over their rows. The p-values are those of the corrected resampled t-test against the plain
# network. Among so many estimators one or two may differ from it by chance.
folds = StratifiedGroupKFold(options.folds, shuffle=True, random_state=0)
results = compare_estimators(
    estimators | methods,
    X,
    y,
    groups=patient,
    cv=folds,
    scoring={"AUC, rows": roc_auc_scorer, "AUC, patients": group_roc_auc_scorer},
    n_jobs=options.jobs,
)
summary = summarize_comparison(results, baseline="network")
wide = summary.pivot(index="estimator", columns="metric")
table = wide["mean"].join(wide[["mean_difference", "p_value"]].xs("AUC, rows", axis=1, level=1))
table["seconds"] = results.groupby("estimator")["fit_time"].mean()
table = table.loc[[*estimators, *methods]]
print(table.round(3).to_string())
comparison = ComparisonDisplay.from_results(results, metric="AUC, rows", baseline="network").plot()
save(comparison.figure_, "all_methods")

# %%
# Patients
# --------
# The same estimators, scored by patient. Averaging over the rows of a patient often gains more than
# the choice of a method.
by_patient = ComparisonDisplay.from_results(
    results, metric="AUC, patients", baseline="network"
).plot()
save(by_patient.figure_, "all_methods_patients")
plt.show()
