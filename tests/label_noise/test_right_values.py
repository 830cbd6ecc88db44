"""Nothing unknown counts as zero; X comes through as it is; caches know the code."""

import os
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from skrobust import (
    MLP,
    CertainSamples,
    DistillationWarning,
    DistillMixAugmenter,
    EarlyLabelQuality,
    LabelNoiseModel,
    LabelQualityReweighter,
    NetClassifier,
    OutOfFoldLabelQuality,
    distillation_report,
    flip_labels,
)
from skrobust.label_noise import keep_best
from skrobust.label_noise.distillers import LabelDistiller


def rows(n_groups=30, n_rows=4, n_classes=2, seed=0):
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_groups), n_rows)
    y = groups % n_classes
    return rng.normal(size=(len(y), 4)) + 3 * np.eye(4)[y], y, groups


DISTILLERS = [
    OutOfFoldLabelQuality(LogisticRegression(), random_state=0),
    LabelNoiseModel(n_repeats=1, random_state=0),
]
names = {"ids": lambda e: type(e).__name__}


# Partitions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cv",
    [
        ShuffleSplit(3, random_state=0),
        StratifiedShuffleSplit(3, random_state=0),
        GroupShuffleSplit(3, random_state=0),
        TimeSeriesSplit(3),
        RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
        RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
        LeavePOut(2),
        [(np.arange(20, 120), np.arange(20))],
        [(np.arange(60), np.arange(50, 120)), (np.arange(60, 120), np.arange(60))],
    ],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.parametrize("distiller", DISTILLERS, **names)
def test_folds_that_are_no_partition_raise(distiller, cv):
    X, y, groups = rows()
    with pytest.raises(ValueError, match="is not a partition") as raised:
        clone(distiller).set_params(cv=cv).fit(X, y, groups=groups)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    "cv",
    [
        3,
        GroupKFold(3),
        StratifiedGroupKFold(3),
        LeaveOneGroupOut(),
        list(GroupKFold(3).split(np.zeros(120), groups=np.repeat(np.arange(30), 4))),
    ],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.parametrize("kind", [OutOfFoldLabelQuality, LabelNoiseModel])
def test_folds_that_are_a_partition_serve(kind, cv):
    X, y, groups = rows()
    distiller = kind(LogisticRegression(), cv=cv, random_state=0).fit(X, y, groups=groups)
    assert distiller.quality_.mean() > 0.9


@pytest.mark.parametrize("cv", [KFold(3), StratifiedKFold(3), LeaveOneOut()])
def test_rows_without_groups(cv):
    X, y, _ = rows(n_rows=1, n_groups=40)
    assert OutOfFoldLabelQuality(LogisticRegression(), cv=cv).fit(X, y).quality_.mean() > 0.8


# What is not known -------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["row", "group"])
@pytest.mark.parametrize("n_repeats", [1, 3])
def test_a_class_of_one_patient_is_neutral(level, n_repeats):
    X, y, groups = rows(31)
    y = np.where(groups == 30, 2, y)
    X[groups == 30] += 30
    distiller = OutOfFoldLabelQuality(
        LogisticRegression(), level=level, n_repeats=n_repeats, random_state=0
    )
    with pytest.warns(DistillationWarning, match="4 of class 2 cannot be judged"):
        distiller.fit(X, y, groups=groups)
    lonely = groups == 30
    assert (distiller.quality_[lonely] == 1).all()
    assert_array_equal(distiller.label_probabilities_[lonely], np.tile([0.0, 0, 1], (4, 1)))
    assert not np.isin(np.flatnonzero(lonely), distiller.noisy_indices_).any()
    assert distiller.kept_[lonely].any()
    clf = LabelQualityReweighter(LogisticRegression(), distiller, veto=False)
    with pytest.warns(DistillationWarning):
        clf.fit(X, y, groups=groups)
    assert_allclose(clf.sample_weight_[lonely], 1)
    assert (clf.predict(X)[lonely] == 2).all()


def test_rows_whose_class_some_fold_lacks_count_as_the_others_of_it():
    X, y, groups = rows(30)
    y = np.where(groups >= 27, 2, y)
    X[groups >= 27] += 30
    first = (groups < 28) & (groups % 2 == 1)  # with one patient of class 2, who teaches nobody
    cv = [
        (np.flatnonzero(~first), np.flatnonzero(first)),
        (np.flatnonzero(first & (groups != 27)), np.flatnonzero(~first)),
    ]
    distiller = OutOfFoldLabelQuality(LogisticRegression(), cv=cv)
    with pytest.warns(DistillationWarning, match="8 of class 2 cannot be judged"):
        distiller.fit(X, y, groups=groups)
    unjudged, judged = groups >= 28, groups == 27
    assert (distiller.label_probabilities_[unjudged, 2] == 1).all()
    assert_allclose(distiller.quality_[unjudged], distiller.quality_[judged].mean())
    assert 0.5 < distiller.quality_[judged].mean() < 1


def test_no_fold_that_can_judge_is_an_error():
    X, y, _ = rows(2)
    with pytest.raises(ValueError, match="no label could be judged"):
        OutOfFoldLabelQuality(LogisticRegression(), cv=2).fit(X, y, groups=y)


# Patients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.7, {0: 0.3}, {1: 0.5, 0: 0.9}])
@pytest.mark.parametrize("mixed", [False, True])
def test_group_level_never_cuts_a_patient_in_two(keep, mixed):
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(30), rng.randint(1, 9, size=30))
    y = groups % 2
    X = rng.normal(size=(len(y), 3)) + 0.5 * y[:, None]
    if mixed:
        y = flip_labels(y, 0.2, random_state=0)[0]
    distiller = OutOfFoldLabelQuality(
        LogisticRegression(), level="group", keep=keep, random_state=0
    ).fit(X, y, groups=groups)
    share = pd.Series(distiller.kept_).groupby(groups).mean()
    assert share.isin([0.0, 1.0]).all()
    assert set(y[distiller.kept_]) == {0, 1}
    if isinstance(keep, float) and not mixed:
        for label in (0, 1):
            assert distiller.kept_[y == label].mean() >= keep


def test_keep_by_class():
    X, y, _ = rows(60, n_rows=1)
    y = np.array(["healthy", "ill"])[y]
    for distiller in (
        OutOfFoldLabelQuality(LogisticRegression(), keep={"ill": 0.5}, random_state=0),
        EarlyLabelQuality(NetClassifier(MLP, module__width=4), keep={"ill": 0.5}, random_state=0),
    ):
        kept = distiller.fit(X, y).kept_
        assert kept[y == "healthy"].all()
        assert kept[y == "ill"].sum() == 15
        for keep in ({"no": 0.5}, {"ill": 0}, {"ill": 1.1}, {"ill": "all"}):
            with pytest.raises(ValueError, match="needs a share above 0"):
                distiller.set_params(keep=keep).fit(X, y)


def test_the_best_groups_of_a_class_are_kept():
    groups = np.repeat(list("abcd"), [4, 2, 2, 2])
    quality = np.r_[0.9, 0.9, 0.9, 0.1, 0.8, 0.8, 0.2, 0.2, 0.5, 0.5]
    codes = np.r_[np.zeros(8, int), 1, 1]
    kept = keep_best(quality, codes, 0.25, groups)
    assert_array_equal(np.unique(groups[kept]), ["b", "d"])
    kept = keep_best(quality, codes, 0.5, groups)
    assert_array_equal(np.unique(groups[kept]), ["a", "b", "d"])
    codes[3] = 2  # a class that occurs beside others only
    kept = keep_best(quality, codes, 0.25, groups)
    assert kept[3]
    assert_array_equal(np.unique(groups[kept]), ["a", "b", "d"])


# X comes through ---------------------------------------------------------------------------------


def frame(n_groups=30):
    X, y, groups = rows(n_groups)
    X = pd.DataFrame(X, columns=list("abcd"), index=np.arange(len(y)) + 1000)
    X["sex"] = np.where(groups % 3 == 0, "m", "f")
    X["kind"] = pd.Categorical(np.where(groups % 4 == 0, "x", "y"))
    X.iloc[::7, 0] = np.nan
    return X, np.array(["no", "yes"])[y], groups


READS_TABLES = make_pipeline(
    make_column_transformer((StandardScaler(), ["b"]), (OneHotEncoder(), ["sex", "kind"])),
    LogisticRegression(),
)


@pytest.mark.parametrize("as_polars", [False, True])
@pytest.mark.parametrize("strategy", [None, "same"])
def test_tables_with_text_through_the_sampler(as_polars, strategy):
    X, y, groups = frame()
    if strategy is not None:
        X = X.fillna({"a": 0})
    given = pl.from_pandas(X) if as_polars else X
    labels = pl.Series("y", y) if as_polars else y
    distiller = OutOfFoldLabelQuality(READS_TABLES, keep=0.5, random_state=0)
    s = DistillMixAugmenter(distiller, strategy=strategy, factor=1, random_state=0)
    X_new, y_new = s.fit_resample(given, labels, groups=groups)
    assert type(X_new) is type(given)
    assert type(y_new) is type(labels) or isinstance(y_new, np.ndarray)
    back = X_new.to_pandas() if as_polars else X_new
    old = X.iloc[s.sample_indices_].reset_index(drop=True)
    assert_array_equal(back["sex"], old["sex"])
    if strategy is None:
        pd.testing.assert_frame_equal(back, old, check_dtype=False)
    assert_array_equal(np.asarray(y_new), y[s.sample_indices_])
    DistillMixAugmenter(random_state=0).fit_resample(given, labels, groups=groups)


@pytest.mark.parametrize("distiller", DISTILLERS, **names)
def test_sparse_rows_and_texts(distiller):
    X, y, groups = rows()
    distiller = clone(distiller).set_params(estimator=LogisticRegression())
    dense = clone(distiller).fit(X, y, groups=groups).quality_
    sparse = clone(distiller).fit(csr_matrix(X), y, groups=groups).quality_
    assert np.corrcoef(dense, sparse)[0, 1] > 0.5
    texts = pd.Series(np.where(y == 0, "calm and sound", "pain and fever"))
    reads = make_pipeline(TfidfVectorizer(), LogisticRegression())
    quality = clone(distiller).set_params(estimator=reads).fit(texts, y, groups=groups).quality_
    assert quality.min() > 0.6
    with pytest.raises(ValueError, match="default judges cannot read"):
        LabelNoiseModel().fit(csr_matrix(X), y, groups=groups)


@pytest.mark.parametrize("class_weight", [{"no": 1, "yes": 5}, "balanced"])
def test_judges_see_the_labels_as_they_are(class_weight):
    X, y, groups = frame()
    judge = LogisticRegression(class_weight=class_weight)
    for distiller in (OutOfFoldLabelQuality(judge), LabelNoiseModel(judge, n_repeats=1)):
        assert distiller.fit(X[["b", "c"]], y, groups=groups).quality_.mean() > 0.8


def test_groups_reach_a_search_inside_a_judge():
    X, y, groups = rows()
    seen = []

    class Folds(GroupKFold):
        def split(self, X, y=None, groups=None):
            seen.append(None if groups is None else len(groups))
            return super().split(X, y, groups)

    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=Folds(2))
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            OutOfFoldLabelQuality(search, cv=3).fit(X, y, groups=groups)
    assert len(seen) == 6
    assert None not in seen


@pytest.mark.parametrize("n_classes", [3, 4])
def test_pairs_of_classes_are_no_classes(n_classes):
    X, y, groups = rows(32, n_classes=n_classes)
    quality = [
        OutOfFoldLabelQuality(
            make_pipeline(StandardScaler(), SVC(decision_function_shape=shape)), random_state=0
        )
        .fit(X, y, groups=groups)
        .quality_
        for shape in ("ovo", "ovr")
    ]
    assert_allclose(*quality)
    assert quality[0].mean() > 0.6


DATA = os.environ.get("SKROBUST_DATA")


@pytest.mark.skipif(DATA is None, reason="needs the data sets that SKROBUST_DATA points to")
def test_a_hospital_table():
    table = pd.read_csv(
        Path(DATA) / "diabetes_130_hospitals.csv.gz", na_values="?", low_memory=False, nrows=3000
    )
    y, patient = table["readmitted"].eq("NO").map({True: "no", False: "yes"}), table["patient_nbr"]
    X = table.drop(columns=["readmitted", "patient_nbr", "encounter_id"])
    X = X.loc[:, X.notna().mean() > 0.05]  # trees fail on columns without any value
    text = make_column_selector(dtype_exclude="number")
    ordinal = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, max_categories=30
    )
    trees = make_pipeline(
        make_column_transformer((ordinal, text), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=20),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # empty columns, unknown categories
        judged = OutOfFoldLabelQuality(trees, cv=3, random_state=0).fit(X, y, groups=patient)
        assert 0.5 < judged.quality_.mean() < 0.8
        model = LabelNoiseModel(n_repeats=1, cv=3, random_state=0).fit(X, y, groups=patient)
        assert len(model.patients_) == patient.nunique()
        assert model.out_of_fold_auc_ > 0.55
        clf = LabelQualityReweighter(trees, model, veto=False, random_state=0)
        assert clf.fit(X, y, groups=patient).predict_proba(X[:10]).shape == (10, 2)
        X_new, y_new = DistillMixAugmenter(judged).fit_resample(X, y, groups=patient)
        kept = np.flatnonzero(judged.kept_)
        pd.testing.assert_frame_equal(X_new, X.iloc[kept].reset_index(drop=True))
        assert_array_equal(y_new, y.iloc[kept])


# Caches ------------------------------------------------------------------------------------------

NET = """
class Net(nn.Module):
    def __init__(self, input_shape, n_outputs):
        super().__init__()
        self.linear = nn.Linear(input_shape[0], n_outputs)
    def forward(self, x):
        return {scale} * self.linear(x)
"""


@pytest.mark.parametrize(
    "distiller",
    [
        CertainSamples(None, max_epochs=1, random_state=0),
        EarlyLabelQuality(None, max_epochs=1, random_state=0),
        OutOfFoldLabelQuality(None, cv=2, random_state=0),
        LabelNoiseModel(None, cv=3, n_repeats=1, random_state=0),
    ],
    **names,
)
def test_a_network_edited_under_the_same_name_gives_new_results(distiller, tmp_path):
    from torch import nn

    X, y, groups = rows(20)
    y = flip_labels(y, 0.2, random_state=0)[0]
    quality = {}
    for scale in (1.0, 50.0):
        space = {"nn": nn, "__name__": "__main__"}
        exec(NET.format(scale=scale), space)
        for memory in (str(tmp_path), None):
            net = NetClassifier(space["Net"], max_epochs=2, random_state=0)
            fitted = clone(distiller).set_params(estimator=net, memory=memory)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DistillationWarning)
                quality[scale, memory] = fitted.fit(X, y, groups=groups).quality_
        assert_array_equal(quality[scale, str(tmp_path)], quality[scale, None])
    assert np.abs(quality[1.0, None] - quality[50.0, None]).max() > 1e-5


def test_without_a_memory_nothing_is_hashed(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("hashed")

    monkeypatch.setattr(joblib, "hash", never)
    X, y, groups = rows(20)
    EarlyLabelQuality(NetClassifier(MLP, augment=lambda x: x), max_epochs=1).fit(X, y)
    OutOfFoldLabelQuality(LogisticRegression()).fit(X, y, groups=groups)
    LabelNoiseModel(n_repeats=1).fit(X, y, groups=groups)


# Own distillers ----------------------------------------------------------------------------------


class NearestCentre(LabelDistiller):
    """A distiller of one's own: the share of the distance to the other classes' centres."""

    def __init__(self, keep=0.8, memory=None, random_state=None):
        self.keep = keep
        self.memory = memory
        self.random_state = random_state

    def _score(self, X, codes, groups):
        distance = np.stack(
            [np.linalg.norm(X - X[codes == c].mean(0), axis=1) for c in np.unique(codes)], axis=1
        )
        return np.exp(-distance) / np.exp(-distance).sum(1, keepdims=True)


class OnlyQuality(BaseEstimator):
    """Any estimator with fit and quality_."""

    def fit(self, X, y):
        self.quality_ = np.tile([0.9, 0.2], len(y) // 2)
        return self


@pytest.mark.parametrize("distiller", [NearestCentre(), OnlyQuality()], **names)
def test_a_distiller_of_ones_own(distiller):
    X, y, groups = rows()
    clf = LabelQualityReweighter(LogisticRegression(), distiller, veto=False)
    clf.fit(X, y, groups=groups)
    assert clf.quality_.shape == (120,)
    assert_allclose([clf.sample_weight_[y == c].mean() for c in (0, 1)], 1)
    s = DistillMixAugmenter(distiller, strategy="same", factor=2, random_state=0)
    X_new, _ = s.fit_resample(X, y, groups=groups)
    quality = s.distiller_.quality_
    kept = getattr(s.distiller_, "kept_", quality >= 0.5)
    assert len(X_new) == 2 * kept.sum()
    if isinstance(distiller, NearestCentre):
        assert distillation_report(s, y).loc["total", "n_kept"] == kept.sum()
