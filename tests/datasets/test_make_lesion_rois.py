"""Generated lesions: what the class decides, what it does not, patients, masks and factors."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from skrobust import make_lesion_rois


@pytest.fixture(scope="module")
def lesions():
    return make_lesion_rois(800, random_state=0)


def test_shapes_and_sizes_of_classes(lesions):
    assert lesions.data.shape == lesions.masks.shape == (800, 1, 32, 32)
    assert lesions.data.dtype == np.float32
    assert lesions.factors.shape == (800, 6)
    # 66, 81, 65 and 27 of 239
    np.testing.assert_allclose(
        np.bincount(lesions.target), 800 * np.array([66, 81, 65, 27]) / 239, atol=1
    )
    assert make_lesion_rois(30, size=9, random_state=0).data.shape == (30, 1, 9, 9)
    few = make_lesion_rois(20, weights=(1, 1, 1, 1e-6), random_state=0)
    assert np.bincount(few.target).tolist() == [6, 6, 6, 2]


def test_contrast_and_texture_decide_the_class_and_the_outline_does_not(lesions):
    factor = dict(zip(lesions.factor_names, lesions.factors.T, strict=True))
    for name in ("radius", "elongation", "angle", "lobes"):
        for code in range(1, 4):
            first, other = (factor[name][lesions.target == k] for k in (0, code))
            assert ks_2samp(first, other).pvalue > 0.001
    means = [factor["contrast"][lesions.target == code].mean() for code in range(4)]
    np.testing.assert_allclose(means, [-1, -0.3, 0.8, 0], atol=0.06)
    assert (factor["texture"] >= 0).all()
    assert factor["texture"][lesions.target == 1].mean() > 0.7
    assert not lesions.factors[lesions.target == 3, :2].any()


def test_the_images_show_their_factors():
    still = make_lesion_rois(200, noise=0, spread=0.2, random_state=1)
    factor = dict(zip(still.factor_names, still.factors.T, strict=True))
    inside = still.masks == 1
    # the mean over the mask holds the mean of the rings too: compare within a class
    for code in range(3):
        rows = np.flatnonzero(still.target == code)
        brightness = [still.data[i][inside[i]].mean() for i in rows]
        assert np.corrcoef(brightness, factor["contrast"][rows])[0, 1] > 0.6
    rough = [v[m].std() for v, m in zip(still.data, inside, strict=True)]
    shown = still.target < 3
    assert np.corrcoef(np.array(rough)[shown], factor["texture"][shown])[0, 1] > 0.8
    # area of an ellipse, on a square of side 2
    np.testing.assert_allclose(
        np.median(inside.mean((1, 2, 3)) / (np.pi * factor["radius"] ** 2 / 4)), 1, atol=0.15
    )
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    angles = []
    for mask in inside[:, 0]:
        cov = np.cov(np.stack([x[mask], y[mask]]))
        long_axis = np.linalg.eigh(cov)[1][:, 1]
        angles.append(np.arctan2(long_axis[1], long_axis[0]))
    long = factor["elongation"] > 1.5
    off = np.array(angles)[long] - factor["angle"][long]
    assert np.median(np.abs(np.sin(off))) < 0.15


def test_outside_the_lesion_is_tissue(lesions):
    tissue = lesions.data[lesions.masks == 0]
    assert abs(tissue.mean()) < 0.03
    assert tissue.std() < 0.3


def test_patients_have_one_class_and_classes_two_patients(lesions):
    for patient in np.unique(lesions.groups):
        own = lesions.groups == patient
        assert len(np.unique(lesions.target[own])) == 1
        assert own.sum() <= 3
    few = make_lesion_rois(20, weights=(1, 1, 1, 1e-6), random_state=0)
    for code in range(4):
        assert len(np.unique(few.groups[few.target == code])) >= 2


def test_lesions_of_a_patient_are_alike(lesions):
    contrast = lesions.factors[:, 0]
    spread, within = [], []
    for patient in np.unique(lesions.groups[lesions.target < 3]):
        own = lesions.groups == patient
        if own.sum() > 1:
            within.append(contrast[own].var(ddof=1))
    for code in range(3):
        spread.append(contrast[lesions.target == code].var(ddof=1))
    assert np.mean(within) < 0.5 * np.mean(spread)


def test_the_seed_decides_all():
    first, second = (make_lesion_rois(40, size=12, random_state=3) for _ in range(2))
    for name in ("data", "target", "groups", "masks", "factors"):
        np.testing.assert_array_equal(first[name], second[name])
    other = make_lesion_rois(40, size=12, random_state=4)
    assert not np.array_equal(first.data, other.data)
    X, y, groups = make_lesion_rois(40, size=12, random_state=3, return_X_y_groups=True)
    np.testing.assert_array_equal(X, first.data)
    np.testing.assert_array_equal(y, first.target)
    np.testing.assert_array_equal(groups, first.groups)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_samples": 19}, ValueError, "n_samples is 19, expected at least 20"),
        ({"n_samples": 50.0}, TypeError, "n_samples is 50.0"),
        ({"size": 7}, ValueError, "size is 7"),
        ({"size": (32, 32)}, TypeError, "expected an integer"),
        ({"weights": (1, 1, 1)}, ValueError, "cyst, metastasis, hemangioma, healthy"),
        ({"weights": (1, 1, 1, 0)}, ValueError, "4 finite numbers above 0"),
        ({"weights": "even"}, TypeError, "weights is 'even'"),
        ({"spread": -1}, ValueError, "spread is -1"),
        ({"noise": np.inf}, ValueError, "noise is inf"),
        ({"noise": "much"}, TypeError, "noise is 'much'"),
    ],
)
def test_bad_parameters_are_named(params, error, message):
    with pytest.raises(error, match=message):
        make_lesion_rois(**params)
