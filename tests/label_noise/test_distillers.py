"""The three distillers against explicit loops, and their guards."""

import types
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from torch import nn

from skrobust import (
    MLP,
    CertainSamples,
    DistillationWarning,
    EarlyLabelQuality,
    NetClassifier,
    OutOfFoldLabelQuality,
    flip_labels,
    make_mr_spectra,
)
from skrobust.label_noise import keep_best, quality_weights

# in a module, whose contents are no part of the keys of a cache
COUNTS = types.ModuleType("counts")
COUNTS.epochs_trained = 0


class Scripted(ClassifierMixin, BaseEstimator):
    """Returns prepared probabilities, one array per epoch; counts epochs over all copies."""

    def __init__(self, script=None):
        self.script = script

    def partial_fit(self, X, y, classes=None):
        self.classes_ = np.asarray(classes)
        self.epoch_ = getattr(self, "epoch_", -1) + 1
        COUNTS.epochs_trained += 1
        return self

    def predict_proba(self, X):
        return np.asarray(self.script[self.epoch_], dtype=float)


X10, Y10 = np.arange(20.0).reshape(10, 2), np.array(["a"] * 6 + ["b"] * 4)


def scripted(*epochs):
    """Return a classifier whose probability of class "a" is given per epoch and row."""
    return Scripted([np.column_stack([p, 1 - np.asarray(p)]) for p in epochs])


FIRST = [0.999, 0.5, 0.5, 0.995, 0.5, 0.5, 0.002, 0.5, 0.5, 0.5]
SECOND = [0.6, 0.5, 0.992, 0.6, 0.001, 0.5, 0.2, 0.5, 0.5, 0.9999]


def test_certain_samples_is_algorithm_1():
    distiller = CertainSamples(scripted(FIRST, SECOND), max_epochs=2).fit(X10, Y10)
    union = np.zeros(10, bool)
    first_epoch = np.full(10, -1)
    for epoch, p in enumerate([FIRST, SECOND], start=1):
        for j in range(10):
            if max(p[j], 1 - p[j]) >= 0.99:
                union[j] = True
                if first_epoch[j] < 0:
                    first_epoch[j] = epoch
    assert_array_equal(distiller.kept_, union)
    assert_array_equal(distiller.certain_epoch_, first_epoch)
    own = [
        np.mean(pair) if j < 6 else 1 - np.mean(pair)
        for j, pair in enumerate(zip(FIRST, SECOND, strict=True))
    ]
    assert_allclose(distiller.quality_, own, rtol=1e-6)
    assert distiller.epoch_probabilities_.shape == (2, 10, 2)


def test_agreement_counts_only_the_own_label():
    distiller = CertainSamples(scripted(FIRST, SECOND), max_epochs=2, agreement=True)
    assert_array_equal(np.flatnonzero(distiller.fit(X10, Y10).kept_), [0, 2, 3, 6])


def test_a_class_without_certain_rows_is_topped_up_by_own_probability():
    p = np.array([0.999, 0.999, 0.999, 0.5, 0.5, 0.5, 0.4, 0.3, 0.6, 0.7])
    distiller = CertainSamples(scripted(p), max_epochs=1, min_certain=0.5)
    with pytest.warns(DistillationWarning, match="0 of 4 of class b, now 2"):
        distiller.fit(X10, Y10)
    assert_array_equal(np.flatnonzero(distiller.kept_), [0, 1, 2, 6, 7])
    assert_array_equal(distiller.certain_epoch_[[6, 7]], [-1, -1])
    with pytest.warns(DistillationWarning, match="now 1"):
        CertainSamples(scripted(p), max_epochs=1, min_certain=0.0).fit(X10, Y10)


def test_keeping_nearly_all_is_warned_of():
    with pytest.warns(DistillationWarning, match=r"100.0% of the rows"):
        CertainSamples(scripted(np.full(10, 0.999)), max_epochs=1).fit(X10, Y10)


def test_labels_are_doubted_relative_to_their_own_class():
    p = np.array([0.9, 0.4, 0.1, 0.9, 0.9, 0.9, 0.2, 0.2, 0.8, 0.6])
    distiller = EarlyLabelQuality(scripted(p), max_epochs=1).fit(X10, Y10)
    # thresholds: .683 of a, .55 of b; row 9 looks like a, but less than rows of a do
    assert_array_equal(distiller.noisy_indices_, [2, 8, 1])
    rng = np.random.RandomState(0)
    P, codes = rng.dirichlet([1, 1, 1], size=200), np.repeat([0, 1, 2], [150, 40, 10])
    distiller = EarlyLabelQuality(Scripted([P]), max_epochs=1).fit(np.zeros((200, 1)), codes)
    threshold = [P[codes == k, k].mean() for k in range(3)]
    doubted = [
        i
        for i, k in enumerate(codes)
        if P[i, k] < threshold[k] and any(P[i, c] >= threshold[c] for c in range(3) if c != k)
    ]
    assert sorted(distiller.noisy_indices_) == doubted


def test_a_rare_class_is_not_doubted_for_being_rare():
    rng = np.random.RandomState(0)
    rare = np.arange(32) < 8
    X = rng.normal(size=(32, 3)) + rare[:, None]
    patients, y = np.arange(32).repeat(5), np.where(rare, "healthy", "ill").repeat(5)
    X = X.repeat(5, axis=0) + 0.1 * rng.normal(size=(160, 3))
    distiller = OutOfFoldLabelQuality(LogisticRegression(C=0.1), level="group", random_state=0)
    noisy = distiller.fit(X, y, groups=patients).noisy_indices_
    by_argmax = distiller.label_probabilities_.argmax(1) != (y == "ill")
    share = [np.isin(np.flatnonzero(y == c), noisy).mean() for c in ("healthy", "ill")]
    assert abs(share[0] - share[1]) < 0.15
    assert by_argmax[y == "healthy"].mean() - by_argmax[y == "ill"].mean() > 0.15


def test_early_quality_keeps_the_best_share_of_every_class():
    distiller = EarlyLabelQuality(scripted(FIRST, SECOND), max_epochs=2, keep=0.5)
    kept = distiller.fit(X10, Y10).kept_
    for rows in (np.arange(6), np.arange(6, 10)):
        order = np.argsort(-distiller.quality_[rows], kind="stable")
        assert_array_equal(np.flatnonzero(kept[rows]), np.sort(order[: len(rows) // 2]))


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.7, 1.0])
def test_keep_best_rounds_up_and_never_empties_a_class(keep):
    quality = np.random.RandomState(0).uniform(size=50)
    codes = np.repeat([0, 1, 2], [40, 9, 1])
    kept = keep_best(quality, codes, keep)
    for code, n in enumerate([40, 9, 1]):
        expected = int(np.ceil(np.round(keep * n, 9)))
        assert kept[codes == code].sum() == expected >= 1
        if expected < n:
            assert quality[kept & (codes == code)].min() >= quality[~kept & (codes == code)].max()


def test_quality_weights_keep_the_balance_of_classes():
    weight = quality_weights([0.0, 0.01, 0.5, 1.0])
    assert weight.mean() == pytest.approx(1)
    assert_allclose(weight / weight[-1], [0.02, 0.02, 0.5, 1])
    rng = np.random.RandomState(0)
    quality, y = rng.uniform(size=50), rng.choice(["a", "b", "c"], size=50)
    weight = quality_weights(quality * np.where(y == "a", 0.1, 1), y)
    for label in "abc":
        assert weight[y == label].mean() == pytest.approx(1)
    assert_allclose(quality_weights(np.full(50, 0.3), y), 1)


@pytest.mark.parametrize(
    "estimator",
    [
        NetClassifier(MLP, module__width=4),
        MLPClassifier((4,)),
        SGDClassifier(loss="log_loss"),
        NeuralNetClassifier(
            MLP,
            module__input_shape=(5,),
            module__n_outputs=2,
            criterion=nn.CrossEntropyLoss,
            train_split=None,
            max_epochs=7,
            verbose=0,
        ),
    ],
    ids=lambda e: type(e).__name__,
)
def test_any_classifier_with_partial_fit_distils(estimator):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 5)) + 3 * np.tile([0, 1], 30)[:, None]
    y = np.tile(["no", "yes"], 30)
    distiller = EarlyLabelQuality(estimator, random_state=0).fit(X, y)
    assert distiller.kept_.sum() == 42
    again = CertainSamples(estimator, threshold=0.5, random_state=0)
    with pytest.warns(DistillationWarning):
        again.fit(X, y)
    assert again.epoch_probabilities_.shape == (5, 60, 2)
    if not isinstance(estimator, NeuralNetClassifier):
        assert_allclose(again.epoch_probabilities_[:3].mean(0), distiller.label_probabilities_)


def out_of_fold_by_loop(X, codes, groups, level, n_repeats, cv, seed):
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    P = np.zeros((len(X), 2))
    for repeat in range(n_repeats):
        folds = splitter(cv, shuffle=True, random_state=seed + repeat)
        for train, test in folds.split(X, codes, groups):
            fitted = LogisticRegression().fit(X[train], codes[train])
            P[test] += fitted.predict_proba(X[test]) / n_repeats
    G = P.copy()
    if level == "group":
        for group in np.unique(groups):
            G[groups == group] = P[groups == group].mean(0)
    return G


@pytest.mark.parametrize("n_repeats", [1, 3])
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("level", ["row", "group", "row without groups"])
def test_out_of_fold_equals_a_loop(level, n_repeats, n_jobs):
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(15), 6)
    codes = (np.arange(15) % 2)[groups]
    X = rng.normal(size=(90, 4)) + codes[:, None]
    given = None if level == "row without groups" else groups
    level = level.split()[0]
    distiller = OutOfFoldLabelQuality(
        LogisticRegression(), cv=3, level=level, n_repeats=n_repeats, n_jobs=n_jobs, random_state=1
    )
    with joblib.parallel_config("threading"):  # starts sooner than processes
        distiller.fit(X, np.array(["x", "y"])[codes], groups=given)
    expected = out_of_fold_by_loop(X, codes, given, level, n_repeats, 3, 1)
    assert_allclose(distiller.label_probabilities_, expected, rtol=1e-10)
    assert_allclose(distiller.quality_, expected[np.arange(90), codes])


def test_scores_without_probabilities_become_a_softmax():
    rng = np.random.RandomState(0)
    y = np.tile([0, 1], 30)
    X = rng.normal(size=(60, 3)) + y[:, None]
    splits = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]

    class Fixed:
        def split(self, X, y=None, groups=None):
            return iter(splits)

        def get_n_splits(self, X=None, y=None, groups=None):
            return 2

    distiller = OutOfFoldLabelQuality(SVC(), cv=Fixed()).fit(X, y)
    for train, test in splits:
        d = SVC().fit(X[train], y[train]).decision_function(X[test])
        assert_allclose(distiller.label_probabilities_[test, 1], expit(d))
    three = np.arange(60) % 3
    P = OutOfFoldLabelQuality(SVC(), cv=3).fit(X, three).label_probabilities_
    assert_allclose(P.sum(1), 1)


def test_group_level_points_at_mislabelled_patients_more_precisely_than_rows():
    precision = {"row": [], "group": []}
    for seed in range(3):
        X, y, patient = make_mr_spectra(
            n_patients=60, impurity=0.0, random_state=seed, return_X_y_groups=True
        )
        y_noisy, flipped = flip_labels(y, 0.2, groups=patient, random_state=seed)
        for level, values in precision.items():
            distiller = OutOfFoldLabelQuality(
                LogisticRegression(C=0.01, max_iter=500), level=level, random_state=0
            ).fit(X, y_noisy, groups=patient)
            values.append(flipped[distiller.noisy_indices_].mean())
    assert np.mean(precision["group"]) > np.mean(precision["row"]) + 0.1


def test_memory_trains_each_epoch_once_and_changes_nothing(tmp_path):
    rng = np.random.RandomState(0)
    script = rng.dirichlet([1, 1], size=(6, 10))
    COUNTS.epochs_trained = 0
    cached = CertainSamples(Scripted(script), threshold=0.9, max_epochs=3, memory=str(tmp_path))
    variants = [
        {"max_epochs": 3},
        {"threshold": 0.8},
        {"agreement": True},
        {"max_epochs": 2},
        {"max_epochs": 5},
        {"min_certain": 0.3},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistillationWarning)
        for changed in variants:
            distiller = clone(cached).set_params(**changed).fit(X10, Y10)
            without = clone(distiller).set_params(memory=None)
            trained = COUNTS.epochs_trained
            assert_array_equal(without.fit(X10, Y10).kept_, distiller.kept_)
            COUNTS.epochs_trained = trained
    assert COUNTS.epochs_trained == 3 + 5


def test_memory_of_out_of_fold_scores(tmp_path):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 3)), np.tile([0, 1], 20)
    distiller = OutOfFoldLabelQuality(
        LogisticRegression(), memory=str(tmp_path), random_state=0, keep=0.5
    )
    first = clone(distiller).fit(X, y)
    second = clone(distiller).set_params(keep=0.9).fit(X, y)
    assert_array_equal(first.quality_, second.quality_)
    results = [*tmp_path.rglob("output.pkl")]
    assert len(results) == 1
    assert first.kept_.sum() == 20
    assert second.kept_.sum() == 36


def test_seeds_reach_the_estimator():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50, 4)), np.tile([0, 1], 25)
    distiller = EarlyLabelQuality(NetClassifier(MLP), random_state=0)
    first = clone(distiller).fit(X, y).quality_
    assert_array_equal(first, clone(distiller).fit(X, y).quality_)
    assert distiller.estimator.random_state is None
    other = clone(distiller).set_params(random_state=1).fit(X, y).quality_
    assert np.abs(other - first).max() > 1e-4


def test_errors():
    X, y = np.zeros((12, 2)), np.tile([0, 1], 6)
    with pytest.raises(ValueError, match="at least 2 classes"):
        EarlyLabelQuality(SGDClassifier(loss="log_loss")).fit(X, y * 0)
    with pytest.raises(ValueError, match="level='group' needs groups"):
        OutOfFoldLabelQuality(SVC(), level="group").fit(X, y)
    with pytest.raises(ValueError, match="at least 5 groups"):
        OutOfFoldLabelQuality(SVC()).fit(X, y, groups=np.repeat([0, 1, 2], 4))
    with pytest.raises(ValueError, match="one class only"):
        OutOfFoldLabelQuality(SVC(), cv=2).fit(X, np.repeat([0, 1], 6), groups=np.repeat([0, 1], 6))
    with pytest.raises(ValueError, match="groups has 3 entries"):
        OutOfFoldLabelQuality(SVC()).fit(X, y, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="'partial_fit' and 'predict_proba'"):
        CertainSamples(SGDClassifier(loss="hinge")).fit(X, y)
