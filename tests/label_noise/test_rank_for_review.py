"""Which patients to check next."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression

from skrobust import (
    LabelNoiseModel,
    OutOfFoldLabelQuality,
    flip_labels,
    make_mr_spectra,
    rank_for_review,
)


@pytest.fixture(scope="module")
def data():
    spectra = make_mr_spectra(60, n_voxels=(2, 8), impurity=0, random_state=0)
    y, wrong = flip_labels(spectra.target, 0.3, groups=spectra.groups, random_state=0)
    return spectra.data, y, spectra.groups, wrong


def test_gain_by_hand(data):
    X, y, groups, _ = data
    trusted = groups < 12
    model = LabelNoiseModel(random_state=0).fit(X, y, groups=groups, trusted=trusted)
    table = rank_for_review(model)
    assert (np.diff(table["gain"]) <= 0).all()
    assert set(table.index) == set(groups[~trusted])
    for patient, row in table.iterrows():
        own = groups == patient
        P = model.label_probabilities_[own].mean(0)
        label = np.bincount(y[own]).argmax()
        expected = own.sum() * (1 - P[label] + (P * (1 - P)).sum())
        assert_allclose(row["gain"], expected, rtol=1e-9, atol=1e-12)


def test_wrong_patients_come_first_and_partly_checked_ones_stay(data):
    X, y, groups, wrong = data
    model = LabelNoiseModel(random_state=0).fit(X, y, groups=groups)
    first = rank_for_review(model, 18).index
    assert len(first) == 18
    assert wrong[np.isin(groups, first)].mean() > 2 * wrong.mean()
    one = np.zeros(len(y), bool)
    one[np.flatnonzero(groups == 5)[0]] = True
    model = LabelNoiseModel(random_state=0).fit(X, y, groups=groups, trusted=one)
    assert not model.checked_groups_.any()
    assert len(rank_for_review(model)) == 60


def test_only_the_noise_model_ranks(data):
    X, y, groups, _ = data
    other = OutOfFoldLabelQuality(LogisticRegression()).fit(X, y, groups=groups)
    with pytest.raises(TypeError, match="expected a fitted LabelNoiseModel"):
        rank_for_review(other)
