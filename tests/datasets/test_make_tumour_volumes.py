"""Generated tumours: sizes of classes, patients, masks, and a signal in them."""

import numpy as np
import pytest

from skrobust import make_tumour_volumes

SMALL = {"size": (4, 12, 12), "random_state": 0}


@pytest.fixture(scope="module")
def tumours():
    return make_tumour_volumes(1000, n_unlabeled=30, **SMALL)


def test_shapes_and_long_tail(tumours):
    assert tumours.data.shape == (1000, 1, 4, 12, 12)
    assert tumours.data.dtype == np.float32
    assert tumours.masks.shape == tumours.data.shape
    assert tumours.data_unlabeled.shape == tumours.masks_unlabeled.shape == (30, 1, 4, 12, 12)
    sizes = np.bincount(tumours.target)
    assert len(sizes) == 27
    assert (np.diff(sizes) <= 0).all()
    assert sizes.min() == 2
    np.testing.assert_array_equal(np.flatnonzero(sizes <= 10), tumours.rare_classes)
    assert len(tumours.rare_classes) == 13


def test_patients_have_one_class_and_classes_two_patients(tumours):
    for patient in np.unique(tumours.groups):
        own = tumours.groups == patient
        assert len(np.unique(tumours.target[own])) == 1
        assert own.sum() <= 3
    for code in range(27):
        assert len(np.unique(tumours.groups[tumours.target == code])) >= 2


def test_masks_are_where_the_tumour_is():
    still = make_tumour_volumes(
        100, n_classes=2, n_rare=0, n_unlabeled=0, spread=0, size=(8, 24, 24), random_state=3
    )
    inside = still.masks == 1
    share = inside.mean((1, 2, 3, 4))
    assert share.min() > 0
    assert share.max() < 0.6
    # voxels outside are tissue, of brightness one times the patient's gain
    assert np.median(still.data[~inside]) == pytest.approx(1, abs=0.05)
    assert still.data[inside].std() > 2 * still.data[~inside].std()


def test_classes_can_be_told_apart():
    data = make_tumour_volumes(
        200, n_classes=3, n_rare=0, n_unlabeled=0, spread=0.02, size=(4, 16, 16), random_state=1
    )
    inside = data.masks == 1
    brightness = np.array([v[m].mean() for v, m in zip(data.data, inside, strict=True)])
    between = np.var([brightness[data.target == c].mean() for c in range(3)])
    within = np.mean([brightness[data.target == c].var() for c in range(3)])
    assert between > within


def test_the_seed_decides_all():
    first, second = make_tumour_volumes(280, **SMALL), make_tumour_volumes(280, **SMALL)
    for name in ("data", "target", "groups", "masks", "data_unlabeled"):
        np.testing.assert_array_equal(first[name], second[name])
    other = make_tumour_volumes(280, **{**SMALL, "random_state": 1})
    assert not np.array_equal(first.data, other.data)
    X, y, groups = make_tumour_volumes(280, **SMALL, return_X_y_groups=True)
    np.testing.assert_array_equal(X, first.data)
    np.testing.assert_array_equal(y, first.target)
    np.testing.assert_array_equal(groups, first.groups)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_samples": 100}, ValueError, "expected at least 280"),
        ({"n_classes": 1}, ValueError, "n_classes is 1"),
        ({"n_rare": 27}, ValueError, "n_rare is 27"),
        ({"n_unlabeled": -1}, ValueError, "n_unlabeled is -1"),
        ({"size": (8, 8)}, ValueError, "slices, height, width"),
        ({"size": (8, 8, 3)}, ValueError, "at least 4 voxels"),
        ({"spread": -1}, ValueError, "spread is -1"),
        ({"spread": "wide"}, TypeError, "spread is 'wide'"),
        ({"n_samples": 10.5}, TypeError, "n_samples is 10.5"),
    ],
)
def test_bad_parameters_are_named(params, error, message):
    with pytest.raises(error, match=message):
        make_tumour_volumes(**params)
