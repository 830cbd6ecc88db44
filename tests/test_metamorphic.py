"""What a change of the input must change in the result, and what not."""

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from public_estimators import fit, ids, small_estimators, takes_groups
from scipy.stats import spearmanr
from sklearn.base import clone, is_classifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust.label_noise.distillers import LabelDistiller

ESTIMATORS = small_estimators()
every = pytest.mark.parametrize("index", range(len(ESTIMATORS)), ids=ids(ESTIMATORS))
CLASSIFIERS = [i for i, e in enumerate(ESTIMATORS) if is_classifier(e)]
SAMPLERS = [i for i, e in enumerate(ESTIMATORS) if hasattr(e, "fit_resample")]
DISTILLERS = [i for i, e in enumerate(ESTIMATORS) if isinstance(e, LabelDistiller)]
names = ids(ESTIMATORS)
of_classifiers = pytest.mark.parametrize("index", CLASSIFIERS, ids=[names[i] for i in CLASSIFIERS])
of_samplers = pytest.mark.parametrize("index", SAMPLERS, ids=[names[i] for i in SAMPLERS])
of_distillers = pytest.mark.parametrize("index", DISTILLERS, ids=[names[i] for i in DISTILLERS])
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the data are small

N = 90


def table(seed=0):
    """Return three separated classes of patients with three rows each."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(N // 3), 3)
    y = groups % 3
    X = rng.randn(N, 12).astype(np.float32)
    X[np.arange(N), y] += 4
    return X, y, groups


def trained(index, X, y, groups):
    """Fit with enough steps to learn separated classes."""
    estimator = clone(ESTIMATORS[index])
    longer = {
        name: value
        for name, value in {"max_epochs": 30, "lr": 0.02, "estimator__max_epochs": 30,
                            "estimator__lr": 0.02, "batch_size": 30}.items()
        if name in estimator.get_params()
    }  # fmt: skip
    if hasattr(estimator, "fit_resample") or isinstance(estimator, LabelDistiller):
        longer = {}
    estimator.set_params(**longer)
    return fit(estimator, X, y, **({"groups": groups} if takes_groups(estimator) else {}))


def said(index, X, y, groups):
    """Return labels of new rows from the classifier."""
    return trained(index, X, y, groups).predict(table(1)[0])


@of_classifiers
def test_labels_renamed_in_order_rename_the_predictions(index):
    X, y, groups = table()
    expected = said(index, X, y, groups)
    for new in (np.array(["a", "b", "c"]), np.array([-7, 10, 11]), np.array([0.0, 1.0, 5.0])):
        assert_array_equal(said(index, X, new[y], groups), new[expected])


@of_classifiers
def test_labels_renamed_out_of_order_rename_the_predictions(index):
    X, y, groups = table()
    new = np.array(["z", "a", "m"])
    truth = table(1)[1]
    accuracy = np.mean(said(index, X, y, groups) == truth)
    renamed = np.mean(said(index, X, new[y], groups) == new[truth])
    assert accuracy > 0.85
    assert renamed > 0.85


@every
def test_groups_renamed_in_order_change_nothing(index):
    X, y, groups = table()
    if not takes_groups(ESTIMATORS[index]):
        pytest.skip("takes no groups")
    renamed = np.array([f"patient {g:03d}" for g in groups], dtype=object)
    one, two = (trained(index, X, y, g) for g in (groups, renamed))
    for name, value in vars(one).items():
        if name.endswith("_") and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert_allclose(getattr(two, name), value, rtol=1e-6, err_msg=name)


@of_classifiers
def test_rows_and_columns_permuted_classes_are_still_found(index):
    X, y, groups = table()
    X_new, truth, _ = table(1)
    rng = np.random.RandomState(0)
    rows, columns = rng.permutation(N), rng.permutation(12)
    by_rows = trained(index, X[rows], y[rows], groups[rows]).predict(X_new)
    assert np.mean(by_rows == truth) > 0.85
    if "1d" in str(getattr(getattr(ESTIMATORS[index], "module", ""), "__name__", "")):
        return
    by_columns = trained(index, X[:, columns], y, groups).predict(X_new[:, columns])
    assert np.mean(by_columns == truth) > 0.85


@of_classifiers
def test_columns_of_a_frame_are_known_by_name(index):
    X, y, groups = table()
    frame = pd.DataFrame(X, columns=[f"c{i:02d}" for i in range(12)])
    model = trained(index, frame, y, groups)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.iloc[:, ::-1])


@of_classifiers
def test_a_constant_added_before_a_scaler_changes_nothing(index):
    X, y, groups = table()
    estimator = clone(ESTIMATORS[index])
    results = []
    for offset in (0.0, 1000.0):
        scaler = StandardScaler()
        scaled = scaler.fit_transform(X.astype(np.float64) + offset)
        model = fit(
            clone(estimator), scaled, y, **({"groups": groups} if takes_groups(estimator) else {})
        )
        results.append(model.predict_proba(scaler.transform(table(1)[0] + offset)))
    assert_allclose(results[0], results[1], atol=1e-3)
    pipe = make_pipeline(StandardScaler(), clone(estimator)).fit(X, y)
    assert pipe.predict_proba(X).shape == (N, 3)


@of_samplers
def test_samplers_give_rows_of_the_classes_they_were_given(index):
    X, y, groups = table()
    new = np.array(["z", "a", "m"])
    sampler = clone(ESTIMATORS[index])
    passed = {"groups": groups} if takes_groups(sampler) else {}
    X_new, y_new = sampler.fit_resample(X, new[y], **passed)
    labels = y_new.columns[y_new.to_numpy().argmax(1)] if hasattr(y_new, "columns") else y_new
    mixed = (getattr(sampler, "alpha_", np.zeros(1)) > 0).any()
    if mixed or hasattr(sampler, "denoiser_"):
        # rows mixed half and half look like either, and rows that a network of one epoch has
        # denoised like none; the label is that of the row they came from
        if not hasattr(y_new, "columns"):
            assert_array_equal(labels, new[y[sampler.sample_indices_]])
        return
    centres = np.array([X[y == c].mean(0) for c in range(3)])
    nearest = ((np.asarray(X_new)[:, None] - centres) ** 2).sum(2).argmin(1)
    assert np.mean(new[nearest] == np.asarray(labels)) > 0.8


@of_samplers
def test_samplers_do_not_mind_the_order_of_rows(index):
    X, y, groups = table()
    order = np.random.RandomState(0).permutation(N)
    shares = []
    for rows in (np.arange(N), order):
        sampler = clone(ESTIMATORS[index])
        passed = {"groups": groups[rows]} if takes_groups(sampler) else {}
        _, y_new = sampler.fit_resample(X[rows], y[rows], **passed)
        labels = y_new.to_numpy().argmax(1) if hasattr(y_new, "columns") else y_new
        shares.append(np.bincount(labels, minlength=3) / len(labels))
    assert_allclose(shares[0], shares[1], atol=0.25)


@of_distillers
def test_distillers_find_the_same_rows_whatever_their_order_and_names(index):
    X, y, groups = table()
    wrong = groups % 10 == 0
    y = np.where(wrong, (y + 1) % 3, y)
    order = np.random.RandomState(0).permutation(N)
    plain = trained(index, X, y, groups).quality_
    shuffled = trained(index, X[order], y[order], groups[order]).quality_
    renamed = trained(index, X, np.array(["z", "a", "m"])[y], groups).quality_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for other in (shuffled[np.argsort(order)], renamed):
            assert np.isfinite(other).all()
            if np.ptp(plain) > 0.5:
                assert spearmanr(plain, other).statistic > 0.5


def with_longer_training(index):
    estimator = clone(ESTIMATORS[index])
    longer = {"max_epochs": 30, "lr": 0.02, "estimator__max_epochs": 30, "estimator__lr": 0.02}
    params = estimator.get_params()
    return estimator.set_params(**{k: v for k, v in longer.items() if k in params})


def weighted_fit(index, X, y, groups, weight, seed=0):
    model = with_longer_training(index)
    seeds = {k: seed for k in model.get_params() if k.split("__")[-1] == "random_state"}
    passed = {"groups": groups} if takes_groups(model) else {}
    return model.set_params(**seeds).fit(X, y, sample_weight=weight, **passed)


WEIGHTED = [i for i in CLASSIFIERS if "sample_weight" in inspect.signature(
    ESTIMATORS[i].fit).parameters]  # fmt: skip
of_weighted = pytest.mark.parametrize("index", WEIGHTED, ids=[names[i] for i in WEIGHTED])


@of_weighted
def test_a_weight_of_zero_is_a_row_left_out(index):
    X, y, groups = table()
    # the same rows again, with a wrong label and of other patients, that weigh nothing
    weight = np.r_[np.ones(N), np.zeros(N)]
    model = weighted_fit(
        index, np.r_[X, X], np.r_[y, (y + 1) % 3], np.r_[groups, groups + 1000], weight
    )
    X_new, truth, _ = table(1)
    assert np.mean(model.predict(X_new) == truth) > 0.85


@of_weighted
def test_a_weight_of_three_is_three_copies_in_distribution(index):
    X, y, groups = table()
    X[np.arange(N), y] -= 2.5  # so that probabilities are not all near 0 and 1
    weight = np.where(y == 0, 3.0, 1.0)
    copies = np.repeat(np.arange(N), weight.astype(int))
    X_new = table(1)[0]
    X_new[np.arange(N), table(1)[1]] -= 2.5
    mean = []
    for rows, w in ((np.arange(N), weight), (copies, np.ones(len(copies)))):
        fits = [weighted_fit(index, X[rows], y[rows], groups[rows], w, seed) for seed in range(2)]
        mean.append(np.mean([fit.predict_proba(X_new) for fit in fits], axis=(0, 1)))
    plain = [weighted_fit(index, X, y, groups, np.ones(N), seed) for seed in range(2)]
    without = np.mean([fit.predict_proba(X_new) for fit in plain], axis=(0, 1))
    params = clone(ESTIMATORS[index]).get_params()
    adjusted = params.get("logit_adjustment") or params.get("tau")
    if params.get("class_weight") == "balanced" or adjusted:
        assert abs(mean[0][0] - without[0]) < 0.05  # which make up for a class of more weight
    else:
        assert mean[0][0] > without[0]
    assert abs(mean[0][0] - mean[1][0]) < 0.12
