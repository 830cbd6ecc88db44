"""The noise model against enumeration, its honesty, and every corner of the data."""

import warnings
from itertools import permutations, product

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad
from scipy.special import softmax
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, PredefinedSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skrobust import (
    MLP,
    DistillationWarning,
    LabelNoiseModel,
    LabelQualityReweighter,
    NetClassifier,
    flip_labels,
    make_mr_spectra,
)
from skrobust.label_noise import noise_model_steps, noise_rates
from skrobust.label_noise.noise_rates import NoiseRates, _excluded, _log_softmax, interval


def patients(n_groups=60, n_rows=6, n_classes=2, shift=1.5, seed=0, n_features=8):
    """Return rows whose patients differ, their true labels and patients."""
    rng = np.random.RandomState(seed)
    z = np.arange(n_groups) % n_classes
    centre = rng.normal(size=(n_classes, n_features))
    centre *= shift * 2 / np.linalg.norm(centre, axis=1, keepdims=True)
    own = rng.normal(size=(n_groups, n_features)) * 0.7
    groups = np.repeat(np.arange(n_groups), n_rows)
    X = centre[z[groups]] + own[groups] + rng.normal(size=(len(groups), n_features))
    return X, z[groups], groups


def enumerated(S, labels, scale, offset, c, beta, clean=()):
    """Return P(labels, z) of one patient: sum over its label, product over its rows."""
    K = len(S)
    prior = np.exp(scale * S + offset) / np.exp(scale * S + offset).sum()
    joint = np.zeros(K)
    for z, label in product(range(K), range(K)):
        others = [k for k in range(K) if k != z and k not in clean]
        flip = 1 - c if others else 1.0
        if label != z:
            flip = c / len(others) if label in others else 0.0
        rows = np.prod([1 - beta if row == label else beta / (K - 1) for row in labels])
        joint[z] += prior[z] * flip * rows
    return joint


@pytest.mark.parametrize("K", [2, 3, 4])
@pytest.mark.parametrize("clean", [(), (1,)])
def test_likelihood_is_the_sum_over_true_classes_and_labels_of_patients(K, clean):
    rng = np.random.RandomState(0)
    S, c, beta, scale = rng.normal(size=(9, K)), 0.2, 0.15, 1.3
    offset = rng.normal(size=K)
    labels = [rng.randint(K, size=n) for n in rng.randint(1, 6, size=9)]
    counts = np.array([np.bincount(own, minlength=K) for own in labels], float)
    rates = NoiseRates(K, clean=np.isin(np.arange(K), clean))
    log_z = _log_softmax(scale * S + offset)

    def log_labels(known):
        return rates._log_labels(counts, _excluded(known, K), rates.log_flips(c), beta)[0]

    given = log_labels(np.full(9, -1))
    for g, own in enumerate(labels):
        expected = enumerated(S[g], own, scale, offset, c, beta, clean)
        assert_allclose(np.exp(log_z[g] + given[g]), expected, rtol=1e-8, atol=1e-12)
        told = np.arange(9) % K
        given_told = log_labels(told)
        of_others = expected * (np.arange(K) != told[g])
        assert_allclose(np.exp(log_z[g] + given_told[g]), expected - of_others, atol=1e-12)


@pytest.mark.parametrize("K", [2, 3])
def test_posterior_is_the_mean_over_the_grid(K):
    rng = np.random.RandomState(1)
    S = rng.normal(size=(30, K))
    counts = rng.multinomial(4, np.full(K, 1 / K), size=30).astype(float)
    rates = NoiseRates(K).fit(S, counts)
    expected = np.zeros((30, K))
    for weight, part in zip(rates.weight_, rates.parts_, strict=True):
        for g in range(30):
            rows = np.repeat(np.arange(K), counts[g].astype(int))
            joint = enumerated(S[g], rows, part.scale, part.offset, part.patients, part.rows)
            expected[g] += weight * joint / joint.sum()
    assert_allclose(rates.posterior(S, counts), expected, atol=2e-3)


def test_the_gradient_is_that_of_the_penalised_likelihood(monkeypatch):
    checked = []

    def checking(loss, start, **kwargs):
        for scale in (0.1, 1.0):
            at = start + scale * np.random.RandomState(0).normal(size=len(start))
            checked.append(check_grad(lambda v: loss(v)[0], lambda v: loss(v)[1], at))
        return minimize(loss, start, **kwargs)

    minimize = noise_rates.minimize
    monkeypatch.setattr(noise_rates, "minimize", checking)
    rng = np.random.RandomState(2)
    for K in (2, 4):
        counts = rng.multinomial(5, np.full(K, 1 / K), size=20).astype(float)
        for known in (None, np.where(np.arange(20) < 12, -1, np.arange(20) % K)):
            NoiseRates(K, n_grid=3).fit(rng.normal(size=(20, K)), counts, known)
    assert max(checked) < 1e-3


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize(("c", "beta"), [(0.0, 0.0), (0.25, 0.0), (0.0, 0.3), (0.15, 0.2)])
def test_rates_are_found_and_lie_in_their_interval(K, c, beta):
    covered, found = [], []
    for seed in range(6):
        rng = np.random.RandomState(seed)
        G, n = 400, 7
        z = rng.randint(K, size=G)
        S = 2 * np.eye(K)[z] + rng.normal(size=(G, K))
        label = np.where(rng.rand(G) < c, (z + rng.randint(1, K, size=G)) % K, z)
        rows = label.repeat(n)
        rows = np.where(rng.rand(G * n) < beta, (rows + rng.randint(1, K, size=G * n)) % K, rows)
        counts = np.zeros((G, K))
        np.add.at(counts, (np.arange(G).repeat(n), rows), 1)
        rates = NoiseRates(K).fit(S, counts)
        intervals = [interval([(1.0, rates, True)], which) for which in ("patients", "rows")]
        found.append([mean for mean, _, _ in intervals])
        covered.append(
            [low <= r <= high for r, (_, low, high) in zip((c, beta), intervals, strict=True)]
        )
    # of twelve intervals of 95%; wider than that would be no finding either
    assert np.sum(covered) >= 10
    assert_allclose(np.mean(found, axis=0), [c, beta], atol=0.06)


@pytest.mark.parametrize("noise", ["rows", "patients"])
def test_scores_of_a_fold_do_not_depend_on_its_labels(noise):
    X, y, groups = patients(40)
    y = flip_labels(y, 0.2, groups=groups if noise == "patients" else None, random_state=0)[0]
    fold = np.arange(40) % 4
    scores = []
    for changed in (False, True):
        given = y.copy()
        if changed:
            rows = fold[groups] == 2
            given[rows] = np.random.RandomState(3).permutation(1 - y[rows])
        model = noise_model_steps.Explanation(
            None,
            X,
            given,
            groups,
            np.ones(len(y)),
            [fold],
            np.zeros(2),
            np.zeros(2, bool),
            np.zeros(len(y), bool),
            1.0,
            0,
            None,
        )
        scores.append(
            {
                "rows": model.score_rows(),
                "means": model.score_means(0.1)[groups],
                "twice": model.score_rows_twice(),
                "no patients": model.score_rows(of_units=False),
            }
        )
    own = fold[groups] == 2
    for kind, before in scores[0].items():
        assert_array_equal(before[own], scores[1][kind][own], err_msg=kind)
        assert np.abs(before[~own] - scores[1][kind][~own]).max() > 0.01, kind


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("of_rows", "of_patients"), [(0.3, 0), (0, 0.2), (0.2, 0.2)])
def test_wrong_labels_are_found(n_classes, of_rows, of_patients):
    X, y, groups = patients(90, n_classes=n_classes, shift=2)
    given = flip_labels(y, of_patients, groups=groups, random_state=0)[0]
    given = flip_labels(given, of_rows, random_state=0)[0]
    model = LabelNoiseModel(random_state=0).fit(X, given, groups=groups)
    P = model.row_probabilities_
    assert (P.to_numpy().argmax(1) == y).mean() > (given == y).mean() + 0.6 * (given != y).mean()
    rates = model.noise_rates_
    of_patients_or_rows = {"patients": of_patients, "rows": of_rows}
    for which, rate in of_patients_or_rows.items():
        if which == "rows" and not of_rows:
            assert rates.loc["rows"].isna().all()  # labels of patients say nothing about rows
            continue
        assert rates.loc[which, "lower"] - 0.05 < rate < rates.loc[which, "upper"] + 0.05
    assert model.structure_weights_.sum() == pytest.approx(1)
    assert 0.5 < model.out_of_fold_auc_ <= 1


def test_right_labels_stay():
    X, y, groups = patients(60)
    model = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    assert model.quality_.mean() > 0.97
    assert model.kept_.mean() > 0.97
    assert model.noise_rates_.loc["patients", "estimate"] < 0.05
    assert model.noise_rates_.loc["patients", "lower"] == 0
    assert model.noise_rates_.loc["rows"].isna().all()


def test_what_it_says_of_patients_fits_what_it_says_of_rows():
    X, y, groups = patients(40)
    names = np.array([f"p{g:02d}" for g in range(40)])
    given, _ = flip_labels(np.array(["ill", "well"])[y], 0.2, groups=groups, random_state=0)
    model = LabelNoiseModel(random_state=0).fit(X, given, groups=names[groups])
    rows, table = model.row_probabilities_, model.patients_
    assert list(rows.columns) == ["ill", "well"] == list(model.group_probabilities_.columns)
    assert_allclose(rows.sum(axis=1), 1)
    mean = rows.groupby(names[groups]).mean()
    pd.testing.assert_frame_equal(model.group_probabilities_, mean)
    assert table["probability"].is_monotonic_increasing
    for name, line in table.iterrows():
        assert line["label"] == given[names[groups] == name][0]
        assert line["rows"] == 6
        assert line["probability"] == pytest.approx(mean.loc[name, line["label"]])
        assert line["suggested"] == mean.loc[name].idxmax()
    wrong = table.index[table["label"] != table["suggested"]]
    assert_array_equal(model.noisy_groups_, wrong)
    assert_array_equal(model.kept_, rows.to_numpy().argmax(1) == (given == "well"))
    own = rows.to_numpy()[np.arange(len(y)), (given == "well").astype(int)]
    assert_allclose(model.quality_, own)
    assert_array_equal(np.sort(model.noisy_indices_), np.flatnonzero(~model.kept_))
    assert (np.diff(model.quality_[model.noisy_indices_]) >= 0).all()


def test_judges_at_chance_change_nothing():
    neutral = []
    for seed in range(100, 108):
        rng = np.random.RandomState(seed)
        groups = np.repeat(np.arange(40), 5)
        X, y = rng.normal(size=(200, 6)), (np.arange(40) % 2)[groups]
        X += rng.normal(size=(40, 6))[groups]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DistillationWarning)
            model = LabelNoiseModel(random_state=seed).fit(X, y, groups=groups)
        neutral.append(any("hardly better than chance" in str(w.message) for w in caught))
        if neutral[-1]:
            assert_array_equal(model.row_probabilities_, np.eye(2)[y])
            assert model.kept_.all()
            assert model.noise_rates_.isna().all(axis=None)
            assert len(model.noisy_indices_) == len(model.noisy_groups_) == 0
            assert (model.patients_["label"] == model.patients_["suggested"]).all()
        else:  # above chance by chance
            assert model.out_of_fold_auc_ > 0.5
    assert np.mean(neutral) >= 0.5


def test_a_class_of_one_patient_stays_as_it_is():
    X, y, groups = patients(41)
    y = np.where(groups == 40, 2, y)
    X[groups == 40] += 20
    with pytest.warns(DistillationWarning, match="6 of class 2 cannot be judged"):
        model = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    assert (model.quality_[groups == 40] == 1).all()
    assert model.kept_[groups == 40].all()
    assert 40 not in model.noisy_groups_
    assert model.quality_[groups < 40].mean() > 0.9


def test_two_patients():
    X, y, groups = patients(2)
    with pytest.warns(DistillationWarning, match="hardly better than chance"):
        model = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    assert (model.quality_ == 1).all()
    with pytest.warns(DistillationWarning, match="hardly better than chance"):
        model = LabelNoiseModel().fit(X, y, groups=np.zeros(12))
    assert (model.quality_ == 1).all()


@pytest.mark.parametrize("given_groups", [True, False])
def test_one_row_per_patient(given_groups):
    X, y, _ = patients(300, n_rows=1, shift=2)
    given, wrong = flip_labels(y, 0.2, random_state=0)
    groups = np.arange(300)[::-1] if given_groups else None
    model = LabelNoiseModel(random_state=0).fit(X, given, groups=groups)
    assert list(model.noise_rates_.index) == ["rows"]
    # whether labels are wrong, or the classes alike, can hardly be told from single rows
    assert 0.02 < model.noise_rates_.loc["rows", "estimate"] < 0.3
    assert model.noise_rates_.loc["rows", "upper"] > 0.2
    assert roc_auc_score(wrong, -model.quality_) > 0.95
    assert model.quality_[wrong].mean() < model.quality_[~wrong].mean() - 0.3


def test_patients_with_rows_of_several_true_classes():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(40), 10)
    y = np.tile([0, 1], 200)
    X = 3 * y[:, None] + rng.normal(size=(40, 4))[groups] * 0.5 + rng.normal(size=(400, 4))
    given, wrong = flip_labels(y, 0.1, random_state=0)
    model = LabelNoiseModel(random_state=0).fit(X, given, groups=groups)
    assert model.structure_weights_["no patients"] > 0.99
    assert model.quality_[wrong].mean() < 0.2
    assert model.quality_[~wrong].mean() > 0.95
    assert 0.05 < model.noise_rates_.loc["rows", "estimate"] < 0.2
    assert model.noise_rates_.loc["patients"].isna().all()


def mixed_patients(seed, n_patients=60):
    """Return rows of two classes in every patient, whose share differs between patients."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_patients), 8)
    y = (rng.rand(len(groups)) < rng.beta(0.7, 0.7, n_patients)[groups]).astype(int)
    X = rng.normal(size=(len(y), 10)) + rng.normal(size=(n_patients, 10))[groups]
    X[:, 0] += 1.2 * y
    return X, y, groups


def test_right_labels_that_differ_inside_patients_are_not_outvoted():
    changes, doubted = [], []
    for seed in range(3):
        X, y, groups = mixed_patients(seed)
        X_test, y_test, _ = mixed_patients(100 + seed, 200)
        learner = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
        trained = LabelQualityReweighter(learner, veto=False, random_state=0)
        trained.fit(X, y, groups=groups)
        model = trained.distiller_
        assert model.structure_weights_.to_dict() == {"no patients": 1}
        doubted.append((~model.kept_).mean())
        scores = [m.predict_proba(X_test)[:, 1] for m in (trained, learner.fit(X, y))]
        changes.append(np.subtract(*[roc_auc_score(y_test, s) for s in scores]))
    assert np.mean(doubted) < 0.1  # 0.2 if patients outvote their rows
    assert np.mean(changes) > -0.01  # -0.04


def test_no_rates_where_labels_inside_patients_contradict_the_scores():
    """Real case: patients who come often return, but each one's last stay is the last."""
    X, y, groups = mixed_patients(0, 100)
    often = np.bincount(groups, y)[groups] > 4
    X[:, 0] += 4 * often - 2.4 * y
    with pytest.warns(DistillationWarning, match="opposite of the labels inside patients"):
        model = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    assert model.out_of_fold_auc_ > 0.7
    assert model.noise_rates_.isna().all(axis=None)


def test_rows_wrong_by_chance_leave_the_structure_of_patients():
    n_rows = 0
    for seed in range(6):
        X, y, groups = patients(40, shift=1)
        given = flip_labels(y, 0.3, random_state=seed)[0]
        model = LabelNoiseModel(random_state=seed).fit(X, given, groups=groups)
        n_rows += model.structure_weights_["no patients"] > 0.5
    assert n_rows == 0


def test_association_inside_units_is_that_of_all_orders_of_their_labels():
    rng = np.random.RandomState(0)
    unit = np.array([0, 0, 0, 2, 2, 2, 2, 3])
    scores, given = rng.normal(size=(8, 3)), np.eye(3)[rng.randint(3, size=8)]
    total = [
        (scores * given[np.r_[a, b, 7]]).sum()
        for a in permutations(range(3))
        for b in permutations(range(3, 7))
    ]
    want = ((scores * given).sum() - np.mean(total)) / np.std(total)
    assert noise_model_steps.association_within(scores, given, unit) == pytest.approx(want)


def test_clean_classes_are_never_doubted():
    X, y, groups = patients(60)
    given, wrong = flip_labels(y, 0.3, groups=groups, transition={0: 1}, random_state=0)
    assert (given[wrong] == 1).all()
    free = LabelNoiseModel(random_state=0).fit(X, given, groups=groups)
    told = LabelNoiseModel(clean_classes=[0], random_state=0).fit(X, given, groups=groups)
    assert (told.quality_[given == 0] == 1).all()
    assert told.quality_[wrong].mean() <= free.quality_[wrong].mean() + 0.05
    with pytest.raises(ValueError, match=r"clean_classes names \['no'\]"):
        LabelNoiseModel(clean_classes=["no"]).fit(X, given, groups=groups)


def test_impurity_takes_the_known_share_least_like_the_class():
    data = make_mr_spectra(60, n_voxels=8, impurity=0.3, random_state=0)
    X, y, groups = data.data, data.target, data.groups
    model = LabelNoiseModel(impurity={1: 0.3}, random_state=0).fit(X, y, groups=groups)
    labelled = y == 1
    assert 1 - model.quality_[labelled].mean() == pytest.approx(0.3, abs=0.03)
    healthy = data.target_true != y
    assert healthy[labelled & ~model.kept_].mean() > 2 * healthy[labelled & model.kept_].mean()
    without = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    assert (model.quality_[~labelled] >= without.quality_[~labelled] - 1e-12).all()
    for wrong in ({1: 1.0}, {1: 0.2, 0: 0.2}, {1: -0.1}):
        with pytest.raises(ValueError, match="needs shares from 0"):
            LabelNoiseModel(impurity=wrong).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="impurity names"):
        LabelNoiseModel(impurity={7: 0.2}).fit(X, y, groups=groups)


def test_weights_count_as_repeats_do():
    X, y, groups = patients(30)
    y = flip_labels(y, 0.2, random_state=0)[0]
    weight = np.tile([1, 2, 0, 1, 3, 1], 30)
    repeated = np.repeat(np.arange(180), weight)
    fold = groups % 5
    weighted = LabelNoiseModel(LogisticRegression(C=0.1), cv=PredefinedSplit(fold)).fit(
        X, y, weight, groups=groups
    )
    again = LabelNoiseModel(LogisticRegression(C=0.1), cv=PredefinedSplit(fold[repeated])).fit(
        X[repeated], y[repeated], groups=groups[repeated]
    )
    # weights are scaled to mean 1, and the scores of the rows as evidence are not exact repeats
    assert np.corrcoef(weighted.quality_[repeated], again.quality_)[0, 1] > 0.97
    with pytest.raises(ValueError, match="at least one non-zero"):
        LabelNoiseModel().fit(X, y, np.zeros(180), groups=groups)
    uniform = LabelNoiseModel(random_state=0).fit(X, y, np.full(180, 0.01), groups=groups)
    plain = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    assert_allclose(uniform.quality_, plain.quality_, atol=1e-6)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(C=0.1),
        GaussianNB(),
        SVC(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        NetClassifier(MLP, max_epochs=5, module__width=8),
    ],
    ids=lambda e: type(e).__name__,
)
def test_any_judge(estimator):
    X, y, groups = patients(40, shift=2)
    given, wrong = flip_labels(y, 0.25, random_state=0)
    model = LabelNoiseModel(estimator, n_repeats=1, random_state=0).fit(X, given, groups=groups)
    assert model.quality_[wrong].mean() < 0.2 < 0.8 < model.quality_[~wrong].mean()
    assert not hasattr(estimator, "classes_")


def table(n_groups=40):
    X, y, groups = patients(n_groups, shift=2)
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    frame["sex"] = np.where(groups % 3 == 0, "m", "f")
    frame.loc[::7, "a"] = np.nan
    frame.loc[::11, "sex"] = None
    frame["old"] = groups % 2 == 0
    frame["kind"] = pd.Categorical(np.where(y == 0, "x", "y"))
    return frame, y, groups


def test_tables_with_text_and_missing_values():
    frame, y, groups = table()
    given, wrong = flip_labels(np.array(["no", "yes"])[y], 0.2, random_state=0)
    model = LabelNoiseModel(random_state=0).fit(frame, given, groups=groups)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert model.quality_[wrong].mean() < 0.2
    X, labels = pl.from_pandas(frame), pl.Series("y", given)
    by_polars = clone(model).fit(X, labels, groups=groups)
    assert_allclose(by_polars.quality_, model.quality_, atol=1e-6)
    by_name = make_pipeline(
        make_column_transformer((StandardScaler(), ["b", "c"])), LogisticRegression()
    )
    for container in (frame, X):
        model = LabelNoiseModel(by_name, n_repeats=1, random_state=0)
        model.fit(container, given, groups=groups)
        assert model.quality_[wrong].mean() < 0.3


def test_columns_of_any_size():
    X, y, groups = patients(30)
    scale = 10.0 ** np.array([-200, -9, 0, 9, 99, 200, 299, 300])
    got = LabelNoiseModel(random_state=0).fit(X * scale, y, groups=groups)
    want = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    assert_allclose(got.quality_, want.quality_, rtol=1e-6)


def test_columns_that_never_vary():
    X, groups = np.full((60, 120), "same"), np.arange(60) // 3
    for constant in (X, np.ones((60, 120))):
        with pytest.warns(DistillationWarning, match="hardly better than chance") as caught:
            model = LabelNoiseModel(random_state=0).fit(constant, groups % 2, groups=groups)
        assert len(caught) == 1
        assert (model.quality_ == 1).all()


def test_images():
    X, y, groups = patients(80, shift=4, n_features=144)
    given, wrong = flip_labels(y, 0.2, groups=groups, random_state=0)
    flat = LabelNoiseModel(random_state=0).fit(X, given, groups=groups)
    model = LabelNoiseModel(random_state=0).fit(X.reshape(-1, 12, 12), given, groups=groups)
    assert_allclose(model.quality_, flat.quality_)
    assert model.quality_[wrong].mean() < 0.3


def test_results_do_not_depend_on_jobs_nor_memory(tmp_path):
    X, y, groups = patients(30)
    model = LabelNoiseModel(random_state=0)
    quality = clone(model).fit(X, y, groups=groups).quality_
    cached = clone(model).set_params(memory=str(tmp_path), n_jobs=2)
    for _ in range(2):
        with joblib.parallel_config("threading"):  # starts sooner than processes
            assert_allclose(clone(cached).fit(X, y, groups=groups).quality_, quality, atol=1e-12)
    assert len([*tmp_path.rglob("output.pkl")]) == 1


def test_folds_must_not_cut_patients():
    X, y, groups = patients(30)
    with (
        pytest.warns(DistillationWarning, match="training and test"),
        pytest.raises(ValueError, match="rows of one group into several folds"),
    ):
        LabelNoiseModel(cv=KFold(5, shuffle=True, random_state=0)).fit(X, y, groups=groups)


def test_the_correlation_of_rows_is_that_of_the_variance_components():
    rng = np.random.RandomState(0)
    unit = np.repeat(np.arange(400), 8)
    Q = np.eye(2)[(np.arange(400) % 2)[unit]]
    for share in (0.0, 0.3, 0.8):
        own = rng.normal(size=(400, 1)) * np.sqrt(share)
        L = own[unit] + rng.normal(size=(3200, 1)) * np.sqrt(1 - share) + Q[:, :1] * 5
        L = np.hstack([L, -L])
        assert noise_model_steps.intraclass_correlation(L, Q, unit) == pytest.approx(
            share, abs=0.05
        )
    assert noise_model_steps.intraclass_correlation(L, Q, np.arange(3200)) == 0


def test_predicted_needs_no_labels():
    rng = np.random.RandomState(0)
    S = rng.normal(size=(20, 3))
    rates = NoiseRates(3).fit(S, np.eye(3)[rng.randint(3, size=20)])
    parts = [softmax(p.scale * S + p.offset, axis=1) for p in rates.parts_]
    expected = sum(w * p for w, p in zip(rates.weight_, parts, strict=True))
    assert_allclose(rates.predicted(S), expected)
