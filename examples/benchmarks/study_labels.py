"""Part of the study: wrong labels of rows, of whole patients, or of both.

Sets, with the number of patients that train: generated MR spectra (60), noisy ones with few rows
per patient (120) and many (240, the settings of the first example); brain tumour slices (glioma
against meningioma, gradient orientations, 120), Raman spectra of saliva (COVID-19 against control,
first derivative, 43), days of activity (depression, 37), patches of brain volumes (tumour, 7, up to
40 patches of each), visits (dementia, 90, without the rating CDR, which is the diagnosis itself)
and encounters of diabetics (readmission; 120 of 300 patients, and 667 of 1,000, drawn for every
seed). At most 5 rows of a patient train otherwise. Wide sets are 50 principal
components, fitted on the training rows; the encounters are left as they are, with text and gaps.
"impure" is the problem of the distillation paper: 30% of the voxels of tumour patients are healthy
tissue; rows are then scored against the true tissue, patients against their label. "one-sided": 30%
of the patients of the second class have the label of the first. Patches and encounters of a patient
differ in their labels: only rows are made wrong, and only rows scored.

The regularisation of the plain learner is tuned on inner folds without common patients, with the
given labels. Every other arm uses the value that was found for the plain learner, so that no arm
is tuned more than the baseline. "noise model" is ``LabelQualityReweighter(learner)`` with its
defaults, the main comparison, declared before the study was run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from label_noise import derivative_spectra, mlp, orientation_histograms
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import EarlyStopping
from study_cases import OTHER_SEED, PLAIN, Case, Fold, draw_rows, fit_tuned, score

from skrobust import (
    CertainSamples,
    DistillMixAugmenter,
    LabelQualityReweighter,
    OutOfFoldLabelQuality,
    ResamplingClassifier,
    flip_labels,
    make_mr_spectra,
    roc_auc_scorer,
)
from skrobust.label_noise.inner_fit import fit_soft

N_FOLDS, MOST_TEST = 3, (200, 10)
ORACLE, MAIN = "oracle", "noise model"
CORRUPTIONS = {
    "clean": (0.0, 0.0),
    "20% of rows": (0.2, 0.0),
    "40% of rows": (0.4, 0.0),
    "20% of patients": (0.0, 0.2),
    "40% of patients": (0.0, 0.4),
    "rows and patients": (0.2, 0.2),
    "one-sided": None,
    "impure": (0.0, 0.0),
}
ONE_SIDED = 0.3
SPECTRA = {
    "spectra": {"n_patients": 90, "n_voxels": 8, "impurity": 0.0},
    "noisy spectra": {"n_patients": 180, "n_voxels": (2, 6), "impurity": 0.0, "snr": 5.0},
    "many spectra": {
        "n_patients": 360, "n_voxels": 6, "n_points": 96, "impurity": 0.0, "snr": 4.0
    },
    "impure spectra": {"n_patients": 90, "n_voxels": 8, "impurity": 0.3},
}  # fmt: skip
FILES = {
    "brain tumours": ("cheng_brain_tumour_64", orientation_histograms, (0, 1)),
    "saliva": ("raman_saliva_covid", derivative_spectra, (0, 2)),
    "activity": ("actigraphy_depression", None, (0, 1)),
    "patches": ("brain_tumour_patches3d_24", None, (0, 1)),
}
# patients drawn of a table of many
DRAWN = {"encounters": 300, "many encounters": 1000}
TABLES = ["visits", *DRAWN]
# rows of a patient differ in their labels: no patient as a whole is right or wrong
MIXED = ["patches", *DRAWN]
# the learners of a set; logistic regression elsewhere
LEARNERS = {
    "spectra": ["logistic", "svc", "forest", "net"],
    "many spectra": ["logistic", "net"],
    "brain tumours": ["logistic", "svc", "forest", "net"],
    "saliva": ["logistic", "svc", "forest", "net"],
    **dict.fromkeys(DRAWN, ["boosting"]),
}
# patients, and rows of each, that train at most
MOST = {"many spectra": (240, 5), "patches": (7, 40)} | {
    name: (n_patients, 5) for name, n_patients in DRAWN.items() if n_patients > 300
}


class CleanLearningClassifier(ClassifierMixin, BaseEstimator):
    """cleanlab's CleanLearning, whose folds do not know of patients.

    `one_sided` is cleanlab's switch for labels of the second class that are always right.
    """

    def __init__(self, estimator, finder, one_sided, random_state):
        self.estimator = estimator
        self.finder = finder
        self.one_sided = one_sided
        self.random_state = random_state

    def fit(self, X: Any, y: NDArray) -> CleanLearningClassifier:
        """Find label issues by `finder`, and fit on the other rows."""
        from cleanlab.classification import CleanLearning

        params = {"seed": self.random_state, "verbose": False}
        if self.one_sided:
            params["pulearning"] = 1
        self.classes_ = np.unique(y)
        finder = CleanLearning(clone(self.finder), **params)
        issues = finder.find_label_issues(X, y)
        kept = ~issues["is_label_issue"].to_numpy()
        self.quality_ = issues["label_quality"].to_numpy()
        X_kept = X.iloc[kept] if isinstance(X, pd.DataFrame) else X[kept]
        self.model_ = clone(self.estimator).fit(X_kept, y[kept])
        return self

    def predict(self, X: Any) -> NDArray:
        """Return classes."""
        return self.model_.predict(X)

    def predict_proba(self, X: Any) -> NDArray:
        """Return class probabilities."""
        return self.model_.predict_proba(X)


class Smoothed(ClassifierMixin, BaseEstimator):
    """A learner on smoothed labels: 0.9 for the given class."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X: Any, y: NDArray) -> Smoothed:
        """Fit on soft labels."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        shares = np.where(np.eye(len(self.classes_))[codes] > 0, 0.9, 0.1)
        self.model_ = fit_soft(clone(self.estimator), X, shares, self.classes_)
        return self

    def __getattr__(self, name):
        if name in ("predict", "predict_proba", "decision_function"):
            return getattr(self.__dict__["model_"], name)
        raise AttributeError(name)


def load_table(name: str, args: argparse.Namespace, seed: int) -> tuple:
    """Return a table, labels and patients."""
    if name == "visits":
        table = pd.read_csv(args.data / "oasis_longitudinal.csv")
        table = table[table["Group"] != "Converted"].reset_index(drop=True)
        y, groups = (table["Group"] == "Demented").astype(int), table["Subject ID"]
        table = table.assign(sex=(table["M/F"] == "M").astype(float))
        drop = ["Group", "Subject ID", "MRI ID", "CDR", "M/F", "Hand"]
        return table.drop(columns=drop).to_numpy(dtype=float), y.to_numpy(), pd.factorize(groups)[0]
    table = pd.read_csv(
        args.data / "diabetes_130_hospitals.csv.gz", na_values="?", low_memory=False
    )
    patients = np.random.RandomState(seed).permutation(table["patient_nbr"].unique())[: DRAWN[name]]
    table = table[table["patient_nbr"].isin(patients)].reset_index(drop=True)
    y, groups = (table.pop("readmitted") != "NO").astype(int), table.pop("patient_nbr")
    table = table.drop(columns="encounter_id")
    return table, y.to_numpy(), pd.factorize(groups)[0]


def load(name: str, args: argparse.Namespace, seed: int) -> tuple:
    """Return features, labels, patients and the truth about the rows."""
    if name in SPECTRA:
        data = make_mr_spectra(random_state=seed, **SPECTRA[name])
        return data.data, data.target, data.groups, data.target_true
    if name in TABLES:
        X, y, groups = load_table(name, args, seed)
        return X, y, groups, y
    file, features, classes = FILES[name]
    with np.load(args.data / f"{file}.npz", allow_pickle=False) as data:
        rows = np.isin(data["y"], classes)
        X, y, groups = data["X"][rows], data["y"][rows], data["groups"][rows]
    X = X.reshape(len(X), -1)[:, ::8] if name == "patches" else X
    y = (y == classes[1]).astype(int)
    return (X if features is None else features(X)), y, groups, y


def learner(name: str, seed: int) -> tuple[BaseEstimator, dict[str, list]]:
    """Return a learner, and the values to try of its regularisation."""
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-2,  # a column may be empty in all training rows
        min_frequency=5,
    )
    texts = make_column_selector(dtype_exclude="number")
    boosting = make_pipeline(
        make_column_transformer((codes, texts), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=50, random_state=seed),
    )
    rate = "histgradientboostingclassifier__learning_rate"
    return {
        "logistic": (LogisticRegression(max_iter=2000), {"C": [0.001, 0.01, 0.1, 1]}),
        "svc": (SVC(), {"C": [0.1, 1, 10]}),
        "forest": (
            RandomForestClassifier(100, random_state=seed), {"min_samples_leaf": [1, 5, 20]}
        ),
        "net": (mlp(40, seed), {"max_epochs": [10, 40]}),
        "boosting": (boosting, {rate: [0.02, 0.1]}),
    }[name]  # fmt: skip


def arms(
    name: str, base: BaseEstimator, corruption: str, seed: int, memory: str
) -> dict[str, BaseEstimator]:
    """Return the models that are compared, around the same tuned learner."""
    cheap = clone(base) if name == "boosting" else LogisticRegression(C=0.1, max_iter=2000)
    common = {"random_state": seed, "memory": memory}

    def by(level: str) -> LabelQualityReweighter:
        quality = OutOfFoldLabelQuality(cheap, level=level, **common)
        return LabelQualityReweighter(base, quality, veto=False)

    compared = {
        PLAIN: base,
        ORACLE: base,
        MAIN: LabelQualityReweighter(base, **common),
        "noise model, weights": LabelQualityReweighter(base, use="weight", veto=False, **common),
        "by patient": by("group"),
        "by row": by("row"),
        "label smoothing": Smoothed(base),
    }
    if hasattr(base, "predict_proba"):  # CleanLearning refuses all others, such as SVC
        compared["CleanLearning"] = CleanLearningClassifier(base, cheap, False, seed)
        if corruption in ("one-sided", "impure"):
            compared["CleanLearning, one-sided"] = CleanLearningClassifier(base, cheap, True, seed)
    if name == "boosting":
        return compared
    certain = CertainSamples(mlp(5, seed), memory=memory)
    mixed = DistillMixAugmenter(certain, strategy="both", random_state=seed)
    compared["certain rows (paper)"] = ResamplingClassifier(mixed, base)
    if name == "net":
        stopping = EarlyStopping(patience=40, load_best=True, sink=lambda text: None)
        compared |= {
            OTHER_SEED: clone(base).set_params(random_state=1000 + seed),
            "mixup": clone(base).set_params(mixup="input"),
            "early stopping": clone(base).set_params(validation_fraction=0.2, callbacks=[stopping]),
        }
    return compared


def corrupt(y: NDArray, groups: NDArray, corruption: str, seed: int) -> NDArray:
    """Return the training labels, some of them wrong."""
    if corruption == "one-sided":
        rng = np.random.RandomState(seed)
        patients = np.unique(groups[y == 1])
        n_wrong = round(ONE_SIDED * len(patients))
        return np.where(np.isin(groups, rng.permutation(patients)[:n_wrong]), 0, y)
    of_rows, of_patients = CORRUPTIONS[corruption]
    if of_patients:
        y = flip_labels(y, of_patients, groups=groups, random_state=seed)[0]
    return flip_labels(y, of_rows, random_state=seed)[0] if of_rows else y


def take(X: Any, rows: NDArray) -> Any:
    """Return rows of an array or table."""
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def run(arm: str, model: BaseEstimator, fold: Fold, right: NDArray, seed: int) -> dict[str, float]:
    """Fit and score one arm."""
    if arm == ORACLE:
        rows = np.flatnonzero(right)
        fold = fold._replace(X=take(fold.X, rows), y=fold.y[rows], groups=fold.groups[rows])
    fitted = fit_tuned(clone(model), None, fold, 3, roc_auc_scorer, seed)
    return score(fitted, fold) | diagnose(fitted, ~right)


def diagnose(model: BaseEstimator, wrong: NDArray) -> dict[str, float]:
    """Return the share of rows kept, and how well a method's quality finds the wrong labels.

    ``found`` is an area under the ROC curve: wrong labels should have low quality.
    """
    distiller = getattr(getattr(model, "sampler_", model), "distiller_", model)
    result = {}
    if isinstance(getattr(model, "sampler_", None), DistillMixAugmenter):
        result["kept"] = distiller.kept_.mean()
    quality, veto = getattr(distiller, "quality_", None), getattr(model, "veto_", None)
    if quality is not None and wrong.any() and not wrong.all():
        result["found"] = roc_auc_score(wrong, -quality)
    return result if veto is None else result | {"vetoed": float(veto.stepped_in)}


def prepare(X: Any, train: NDArray, test: NDArray) -> tuple:
    """Return training and test rows as the learners get them."""
    if isinstance(X, pd.DataFrame):
        return take(X, train).reset_index(drop=True), take(X, test).reset_index(drop=True)
    steps = [SimpleImputer(), StandardScaler()]
    if X.shape[1] > 50:
        steps.append(PCA(50, random_state=0))
    features = make_pipeline(*steps).fit(X[train])
    return features.transform(X[train]), features.transform(X[test])


def tuned(name: str, fold: Fold, seed: int) -> BaseEstimator:
    """Return the learner with the regularisation that inner folds choose on the given labels."""
    base, grid = learner(name, seed)
    found = fit_tuned(base, grid, fold, 3, roc_auc_scorer, seed)
    return clone(base).set_params(**found.best_params_)


def cases(args: argparse.Namespace, seed: int, memory: str) -> Iterator[Case]:
    """Yield the cases of a seed."""
    for name in [*SPECTRA, *((*FILES, *TABLES) if args.data else ())]:
        X, y, groups, truth = load(name, args, seed)
        outer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        splits = list(outer.split(np.zeros(len(y)), y, groups))
        for number, (train, test) in enumerate(splits[: args.folds]):
            train = draw_rows(train, y, groups, MOST.get(name, (120, 5)), seed)
            test = draw_rows(test, y, groups, MOST_TEST, seed)
            X_train, X_test = prepare(X, train, test)
            for corruption in CORRUPTIONS:
                if (corruption == "impure") != (name == "impure spectra"):
                    continue
                if name in MIXED and corruption not in ("clean", "20% of rows", "40% of rows"):
                    continue
                given = corrupt(y[train], groups[train], corruption, 1000 * seed + number)
                right = given == truth[train]
                fold = Fold(
                    X_train, given, groups[train], X_test, truth[test], groups[test], y[test]
                )
                place = (name, corruption)
                for learner_name in LEARNERS.get(name, ["logistic"]):
                    if learner_name not in args.learners:
                        continue
                    base = tuned(learner_name, fold, seed)
                    compared = arms(learner_name, base, corruption, seed, memory)
                    for arm, model in compared.items():
                        if arm == ORACLE and right.all():
                            continue
                        task = partial(run, arm, model, fold, right, seed)
                        yield Case(*place, learner_name, number, arm, task)
