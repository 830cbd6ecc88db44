"""Shapes, truth, and that age, scanner and lesion do what they say."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrobust import make_brain_volumes
from skrobust.datasets.volumes import draw_anatomy, render_brain


@pytest.fixture(scope="module")
def brains():
    return make_brain_volumes(12, 8, shape=(20, 23, 21), random_state=0)


def test_shapes_and_truth(brains):
    assert brains.data.shape == (20, 1, 20, 23, 21)
    assert brains.data.dtype == np.float32
    assert np.isfinite(brains.data).all()
    assert_array_equal(brains.target, np.repeat([0, 1], [12, 8]))
    assert_array_equal(brains.groups, np.arange(20))
    assert_array_equal(brains.lesion_mask.any((1, 2, 3)), brains.target == 1)
    assert ((brains.age >= 20) & (brains.age <= 85)).all()
    assert set(brains.scanner) <= {0, 1, 2}
    # lesions are neither specks nor whole brains
    shares = brains.lesion_mask[12:].mean((1, 2, 3))
    assert ((shares > 0.005) & (shares < 0.2)).all()


def test_seed_fixes_everything_and_formats_agree(brains):
    X, y, groups = make_brain_volumes(
        12, 8, shape=(20, 23, 21), random_state=0, return_X_y_groups=True
    )
    assert_array_equal(X, brains.data)
    assert_array_equal(y, brains.target)
    assert_array_equal(groups, brains.groups)
    other = make_brain_volumes(12, 8, shape=(20, 23, 21), random_state=1)
    assert not np.array_equal(other.data, brains.data)


def test_lesions_change_their_mask_only():
    settings = {"shape": (20, 23, 21), "noise": 0.0, "n_scanners": 1, "random_state": 3}
    plain = make_brain_volumes(0, 5, contrast=0.0, **settings)
    lesioned = make_brain_volumes(0, 5, contrast=1.0, **settings)
    assert_array_equal(plain.lesion_mask, lesioned.lesion_mask)
    change = abs(lesioned.data - plain.data)[:, 0]
    mask = plain.lesion_mask
    assert (change[mask].mean()) > 0.05
    assert change[~mask].mean() < 0.1 * change[mask].mean()


def test_age_widens_the_ventricles():
    rng = np.random.RandomState(0)
    for _ in range(5):
        anatomy = draw_anatomy(rng)
        fluid = []
        for age in (25, 80):
            brain = render_brain(anatomy, age, (32, 38, 33))
            middle = brain[8:24, 10:28, 14:24]
            fluid.append((middle < 0.4).mean())
        assert fluid[1] > 1.3 * fluid[0]


def test_scans_of_a_subject_share_brain_and_lesion():
    brains = make_brain_volumes(3, 3, shape=(16, 19, 17), n_scans=2, noise=0.0, random_state=0)
    assert_array_equal(brains.groups, np.repeat(np.arange(6), 2))
    assert_array_equal(brains.age[1::2], brains.age[::2] + 2)
    flat = brains.data.reshape(12, -1)
    similar = np.corrcoef(flat)
    np.fill_diagonal(similar, -1)
    assert_array_equal(similar.argmax(1), np.arange(12) ^ 1)


def test_wrong_settings_are_named():
    for name, value in (("n_healthy", 2.5), ("n_scans", True), ("noise", "a")):
        with pytest.raises(TypeError, match=f"{name} is {value!r}"):
            make_brain_volumes(**{name: value})
    with pytest.raises(ValueError, match="expected at least one subject"):
        make_brain_volumes(0, 0)
    with pytest.raises(ValueError, match="n_scanners is 0, expected at least 1"):
        make_brain_volumes(n_scanners=0)
    with pytest.raises(ValueError, match="contrast is -1"):
        make_brain_volumes(contrast=-1)
    for shape in ((32, 32), (4, 32, 32), 32):
        with pytest.raises(ValueError, match="expected three integers of at least 8"):
            make_brain_volumes(shape=shape)
