"""Part of the study: wrong labels of rows or of patients, on tables of principal components.

Sets: generated MR spectra (``make_mr_spectra``), brain tumour slices (glioma against meningioma,
gradient orientations) and Raman spectra of saliva (COVID-19 against control, first derivative),
each as 50 principal components, fitted in every training fold. "impure" is the problem of the
distillation paper: 30% of the voxels of tumour patients are healthy tissue; rows are then scored
against the true tissue, patients against their label.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE
from label_noise import load as load_file
from label_noise import mlp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import EarlyStopping
from study_cases import OTHER_SEED, PLAIN, Case, Fold, draw_rows, fit_tuned, score

from skrobust import (
    CertainSamples,
    DistillMixAugmenter,
    InfluenceReweighter,
    LabelQualityReweighter,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    flip_labels,
    make_mr_spectra,
    roc_auc_scorer,
)

N_FOLDS, MOST, MOST_TEST = 3, (60, 5), (200, 10)
ORACLE = "oracle"
LEARNERS = ["logistic", "svc", "net"]
CORRUPTIONS = {
    "clean": None,
    "20% of rows": (0.2, "rows"),
    "40% of rows": (0.4, "rows"),
    "20% of patients": (0.2, "patients"),
    "40% of patients": (0.4, "patients"),
    "impure": None,
}


class CleanLearningClassifier(ClassifierMixin, BaseEstimator):
    """cleanlab's CleanLearning with the attributes that scikit-learn looks for.

    Its label issues are found by `finder`, out of fold, in folds that do not know of patients.
    """

    def __init__(self, estimator: BaseEstimator, finder: BaseEstimator, random_state: int):
        self.estimator = estimator
        self.finder = finder
        self.random_state = random_state

    def fit(self, X: NDArray, y: NDArray) -> CleanLearningClassifier:
        from cleanlab.classification import CleanLearning

        def learner(estimator):
            return CleanLearning(clone(estimator), seed=self.random_state, verbose=False)

        self.classes_ = np.unique(y)
        issues = learner(self.finder).find_label_issues(X, y)
        self.model_ = learner(self.estimator).fit(X, y, label_issues=issues).clf
        return self

    def predict(self, X: NDArray) -> NDArray:
        return self.model_.predict(X)

    def predict_proba(self, X: NDArray) -> NDArray:
        return self.model_.predict_proba(X)


def load(name: str, args: argparse.Namespace, seed: int) -> tuple[NDArray, ...]:
    """Return features, labels, patients and the truth about the rows."""
    if name.startswith("spectra"):
        impurity = 0.3 if name == "spectra impure" else 0.0
        data = make_mr_spectra(90, n_voxels=8, impurity=impurity, random_state=seed)
        return data.data, data.target, data.groups, data.target_true
    X, y, groups = load_file(args.data, name)
    return X, y, groups, y


def learner(name: str, seed: int) -> tuple[BaseEstimator, tuple[str, list]]:
    """Return a learner, its regularisation and the values to try."""
    return {
        "logistic": (LogisticRegression(max_iter=2000), ("C", [0.01, 0.1, 1])),
        "svc": (SVC(), ("C", [0.1, 1, 10])),
        "net": (mlp(40, seed), ("max_epochs", [10, 40])),
    }[name]


def arms(name: str, seed: int, memory: str) -> dict[str, tuple[BaseEstimator, dict]]:
    """Return the models that are compared, each with its grid."""
    base, (parameter, values) = learner(name, seed)
    cheap = LogisticRegression(C=0.1, max_iter=2000)

    def by(level: str, **params: Any) -> OutOfFoldLabelQuality:
        return OutOfFoldLabelQuality(cheap, level=level, memory=memory, random_state=seed, **params)

    def sample(distiller: Any, **mixing: Any) -> ResamplingClassifier:
        return ResamplingClassifier(
            DistillMixAugmenter(distiller, random_state=seed, **mixing), base
        )

    smoothed = InfluenceReweighter(
        mlp(40, seed),
        warmup_epochs=3,
        emphasis="helpful",
        scaling="rank",
        smoothing=3,
        final_estimator=base,
        memory=memory,
        random_state=seed,
    )
    inside = {
        "SMOTE": ResamplingClassifier(SMOTE(random_state=seed), base),
        "DistillMix, certain rows": sample(
            CertainSamples(mlp(5, seed), memory=memory), strategy="both"
        ),
        "DistillMix, by patient": sample(
            by("group", keep=0.5), strategy="both", alpha=0.2, factor=3
        ),
        "selection by patient": sample(by("group", keep=0.5), strategy=None),
        "quality weights by row": LabelQualityReweighter(base, by("row"), veto=False),
        "quality weights by patient": LabelQualityReweighter(base, by("group"), veto=False),
    }
    if hasattr(base, "predict_proba"):  # CleanLearning refuses all others, such as SVC
        inside["CleanLearning"] = CleanLearningClassifier(base, cheap, seed)
    compared = {
        PLAIN: (base, {parameter: values}),
        ORACLE: (base, {parameter: values}),
        **{arm: (model, {f"estimator__{parameter}": values}) for arm, model in inside.items()},
        "ISR, smoothed": (smoothed, {f"final_estimator__{parameter}": values}),
    }
    if name != "net":
        return compared
    stopping = EarlyStopping(patience=40, load_best=True, sink=lambda text: None)
    tuned = {parameter: values}
    return compared | {
        OTHER_SEED: (clone(base).set_params(random_state=1000 + seed), tuned),
        "early stopping": (
            clone(base).set_params(validation_fraction=0.2, callbacks=[stopping]),
            {},
        ),
        "mixup": (clone(base).set_params(mixup="input"), tuned),
        "ISR, paper": (
            InfluenceReweighter(base, warmup_epochs=5, random_state=seed),
            {f"estimator__{parameter}": values},
        ),
    }


def corrupt(y: NDArray, groups: NDArray, corruption: str, seed: int) -> NDArray:
    """Return the training labels, some of them wrong."""
    if CORRUPTIONS[corruption] is None:
        return y
    fraction, who = CORRUPTIONS[corruption]
    by = groups if who == "patients" else None
    return flip_labels(y, fraction, groups=by, random_state=seed)[0]


def run(
    arm: str, model: BaseEstimator, grid: dict, fold: Fold, right: NDArray, seed: int
) -> dict[str, float]:
    """Fit and score one arm."""
    if arm == ORACLE:
        fold = fold._replace(X=fold.X[right], y=fold.y[right], groups=fold.groups[right])
    fitted = fit_tuned(model, grid, fold, 3, roc_auc_scorer, seed)
    return score(fitted, fold) | diagnose(fitted, ~right)


def diagnose(model: BaseEstimator, wrong: NDArray) -> dict[str, float]:
    """Return the share of rows kept, and how well a method's quality finds the wrong labels.

    ``found`` is an area under the ROC curve: wrong labels should have low quality, or weight.
    """
    model = getattr(model, "best_estimator_", model)
    distiller = getattr(getattr(model, "sampler_", model), "distiller_", None)
    result = {}
    if isinstance(getattr(model, "sampler_", None), DistillMixAugmenter):
        result["kept"] = distiller.kept_.mean()
    quality = getattr(distiller, "quality_", getattr(model, "sample_weight_", None))
    if quality is not None and wrong.any():
        used = ~np.isin(np.arange(len(wrong)), getattr(model, "validation_indices_", []))
        if wrong[used].any():
            result["found"] = roc_auc_score(wrong[used], -quality[used])
    return result


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    names = ["spectra", "spectra impure", *(["cheng", "raman"] if args.data else [])]
    for name in names:
        X, y, groups, truth = load(name, args, seed)
        outer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        for number, (train, test) in enumerate(outer.split(X, y, groups)):
            train = draw_rows(train, y, groups, MOST, seed)
            test = draw_rows(test, y, groups, MOST_TEST, seed)
            features = make_pipeline(StandardScaler(), PCA(50, random_state=0)).fit(X[train])
            X_train, X_test = features.transform(X[train]), features.transform(X[test])
            for corruption in CORRUPTIONS:
                if (corruption == "impure") != (name == "spectra impure"):
                    continue
                given = corrupt(y[train], groups[train], corruption, 1000 * seed + number)
                right = given == truth[train]
                fold = Fold(
                    X_train, given, groups[train], X_test, truth[test], groups[test], y[test]
                )
                for learner_name in args.learners:
                    for arm, (model, grid) in arms(learner_name, seed, memory).items():
                        if arm == ORACLE and right.all():
                            continue
                        yield Case(
                            name.split()[0],
                            corruption,
                            learner_name,
                            number,
                            arm,
                            partial(run, arm, model, grid, fold, right, seed),
                        )
