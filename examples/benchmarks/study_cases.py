"""What the parts of the study share: a case to run, tuning, scores, rows drawn per patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from skrobust import (
    class_recall_score,
    group_accuracy_score,
    group_roc_auc_score,
)

PLAIN = "plain"
OTHER_SEED = "plain, other seed"
SCORES = [
    "auc",
    "auc_patients",
    "recall",
    "recall_patients",
    "accuracy_patients",
    "sensitivity",
    "specificity",
    "sensitivity_patients",
    "specificity_patients",
    "brier",
    "brier_patients",
    "rare_recall",
    "kept",
    "found",
    "vetoed",
]


class Case(NamedTuple):
    """One arm on one fold; `run` fits it and returns its scores."""

    set: str
    corruption: str
    learner: str
    fold: int
    arm: str
    run: Callable[[], dict[str, float]]


class Fold(NamedTuple):
    """Training rows, their labels corrupted or not, and test rows, never corrupted."""

    X: NDArray
    y: NDArray
    groups: NDArray
    X_test: NDArray
    y_test: NDArray
    groups_test: NDArray
    # labels of the test rows' patients, where they are not those of the rows
    patient_test: NDArray | None = None


def draw_rows(
    rows: NDArray, y: NDArray, groups: NDArray, most: tuple[int, int], seed: int
) -> NDArray:
    """Return some of the rows: of at most so many patients, at most so many rows of each.

    Parameters
    ----------
    rows : ndarray of int
        The rows to choose from.
    y, groups : ndarray of shape (n_samples,)
        Labels and patients of all rows.
    most : tuple of int
        Number of patients, drawn so that classes keep their shares, and of rows of a patient.
    seed : int
        Seed of the draw.
    """
    rng = np.random.RandomState(seed)
    rows = rng.permutation(rows)
    patients, first = np.unique(groups[rows], return_index=True)
    label, chosen = y[rows][first], []
    for code in np.unique(label):
        own = rng.permutation(patients[label == code])
        chosen.extend(own[: max(2, round(most[0] * len(own) / len(patients)))])
    kept = [rows[groups[rows] == patient][: most[1]] for patient in chosen]
    return np.sort(np.concatenate(kept))


def fit_tuned(
    model: BaseEstimator,
    grid: Mapping[str, list] | list[Mapping[str, list]] | None,
    fold: Fold,
    n_folds: int,
    scoring: Any,
    seed: int,
    **validation: NDArray,
) -> BaseEstimator:
    """Fit a model, its regularisation searched on inner folds without common patients.

    The inner scores are those of the given labels, right or wrong: nobody has others.
    """
    if not grid:
        takes = model.get_metadata_routing().consumes("fit", ["groups"])
        passed = {"groups": fold.groups} if takes else {}
        return model.fit(fold.X, fold.y, **passed, **validation)
    inner = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    grid = [dict(choices) for choices in (grid if isinstance(grid, list) else [grid])]
    search = GridSearchCV(model, grid, cv=inner, scoring=scoring, error_score="raise")
    return search.fit(fold.X, fold.y, groups=fold.groups, **validation)


def class_scores(model: BaseEstimator, X: NDArray) -> NDArray:
    """Return a score per row and class, probabilities where the model has them."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    decision = model.decision_function(X)
    return np.stack([-decision, decision], 1) if decision.ndim == 1 else decision


def binary_scores(fold: Fold, P: NDArray, labels: NDArray, of_patient: NDArray) -> dict[str, float]:
    """Return recalls and Brier scores of rows, and of patients with labels, for two classes."""
    if len(labels) != 2:
        return {}
    levels = [("", P[:, 1], np.asarray(fold.y_test) == labels[1])]
    if of_patient is not None:
        table = pd.DataFrame({"p": P[:, 1], "y": of_patient == labels[1]})
        patients = table.groupby(fold.groups_test).agg({"p": "mean", "y": "first"})
        levels.append(("_patients", patients["p"].to_numpy(), patients["y"].to_numpy(bool)))
    result = {}
    for level, p, y in levels:
        sensitivity, specificity = (p[y] > 0.5).mean(), (p[~y] <= 0.5).mean()
        result |= {
            f"sensitivity{level}": sensitivity,
            f"specificity{level}": specificity,
            f"recall{level}": (sensitivity + specificity) / 2,
            f"brier{level}": np.mean((p - y) ** 2),
        }
    return result


def score(model: BaseEstimator, fold: Fold, rare: NDArray | None = None) -> dict[str, float]:
    """Return the scores of the test rows, and of the test patients by mean class scores.

    Patients whose rows differ in their labels have no scores.

    Parameters
    ----------
    model : classifier
        Fitted.
    fold : Fold
        The test rows.
    rare : ndarray, default=None
        The rare classes.
    """
    return score_probabilities(class_scores(model, fold.X_test), model.classes_, fold, rare)


def score_probabilities(
    scores: NDArray, labels: NDArray, fold: Fold, rare: NDArray | None = None
) -> dict[str, float]:
    """Return the scores of the test rows from probabilities, one column per class."""
    each_row = np.arange(len(scores))
    of_patient = fold.y_test if fold.patient_test is None else fold.patient_test
    predicted = labels[scores.argmax(1)]
    result = {
        "auc": group_roc_auc_score(fold.y_test, scores, groups=each_row, labels=labels),
        "recall": class_recall_score(fold.y_test, predicted),
        "n_train": len(fold.X),
        "n_test": len(fold.X_test),
    }
    one_label = (pd.Series(of_patient).groupby(fold.groups_test).nunique() == 1).all()
    if one_label:
        patients = {"groups": fold.groups_test, "labels": labels}
        result |= {
            "auc_patients": group_roc_auc_score(of_patient, scores, **patients),
            "accuracy_patients": group_accuracy_score(of_patient, scores, **patients),
        }
    if (scores >= 0).all():  # probabilities
        result |= binary_scores(fold, scores, labels, of_patient if one_label else None)
    if rare is not None:
        result["rare_recall"] = class_recall_score(fold.y_test, predicted, classes=rare)
    return result


class Ensembles:
    """Scores of several networks of a recipe, alone and together, trained when asked for.

    Parameters
    ----------
    fold : Fold
        The rows.
    learn : callable
        From the name of a recipe to the classes and the probabilities of the test rows by each
        network.
    rare : ndarray, default=None
        The rare classes.
    """

    def __init__(
        self,
        fold: Fold,
        learn: Callable[[str], tuple[NDArray, list[NDArray]]],
        rare: NDArray | None = None,
    ):
        self.fold, self.learn, self.rare = fold, cache(learn), rare

    def alone(self, recipe: str) -> dict[str, float]:
        """Return the mean scores of the single networks."""
        labels, members = self.learn(recipe)
        each = [score_probabilities(proba, labels, self.fold, self.rare) for proba in members]
        return {name: np.mean([scores[name] for scores in each]) for name in each[0]}

    def together(self, *recipes: str) -> dict[str, float]:
        """Return the scores of the mean of the networks; of several recipes as many in all."""
        labels, members = self.learn(recipes[0])
        own = len(members) // len(recipes)
        chosen = [proba for recipe in recipes for proba in self.learn(recipe)[1][:own]]
        return score_probabilities(np.mean(chosen, axis=0), labels, self.fold, self.rare)
