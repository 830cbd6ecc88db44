"""Denoising taught by trusted rows, and training on raw and denoised rows."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skrobust import MLP, NetClassifier, ResamplingClassifier, add_gaussian_noise, add_rician_noise
from skrobust.influence import DenoisedRowsAugmenter, DenoisingWarning, Noise2VoidDenoiser

QUICK = {"max_epochs": 30, "module__width": 8, "random_state": 0}


@pytest.fixture(scope="module")
def signals():
    """Smooth signals above 0, a third of them trusted."""
    rng = np.random.RandomState(0)
    t = np.linspace(0, 9, 80)
    frequency, phase = rng.uniform(0.7, 1.3, (90, 1)), rng.uniform(0, 6, (90, 1))
    return 1 + np.sin(frequency * t + phase), np.arange(90) % 3 == 0


@pytest.fixture(scope="module")
def images():
    """Blobs before a dark background, a third of them trusted."""
    rng = np.random.RandomState(1)
    grid = np.indices((20, 20)) - 10
    centre, size = rng.uniform(-4, 4, (60, 2, 1, 1)), rng.uniform(3, 6, (60, 1, 1))
    return np.exp(-((grid - centre) ** 2).sum(1) / size**2), np.arange(60) % 3 == 0


@pytest.mark.parametrize("kind", ["gaussian", "rician"])
@pytest.mark.parametrize("data", ["signals", "images"])
def test_kind_and_level_are_found_and_noise_is_removed(request, data, kind):
    clean, trusted = request.getfixturevalue(data)
    level = np.where(np.arange(len(clean)) % 2, 0.1, 0.3)
    add = {"gaussian": add_gaussian_noise, "rician": add_rician_noise}[kind]
    pairs = enumerate(zip(clean, level, strict=True))
    noisy = np.array([add(row, s, random_state=i) for i, (row, s) in pairs])
    X = np.where(trusted.reshape(-1, *[1] * (clean.ndim - 1)), clean, noisy)
    denoiser = Noise2VoidDenoiser(**QUICK).fit(X, trusted=trusted)
    found = denoiser.noise_levels_
    assert (found[trusted] == 0).all()
    assert np.median(found[~trusted] / level[~trusted]) == pytest.approx(1, abs=0.15)
    assert np.corrcoef(found[~trusted], level[~trusted])[0, 1] > 0.8
    if data == "images":  # a signal that is nowhere near 0 shows no difference between the kinds
        assert denoiser.noise_ == kind
    before = np.abs(X - clean)[~trusted].mean()
    after = np.abs(denoiser.transform(X[~trusted]) - clean[~trusted]).mean()
    assert after < 0.6 * before


def test_trusted_rows_teach_more_than_noise_alone(images):
    clean, trusted = images
    X = clean.copy()
    X[~trusted] = add_rician_noise(X[~trusted], 0.3, random_state=0)
    alone = Noise2VoidDenoiser(**QUICK).fit(X)
    assert not hasattr(alone, "noise_")
    taught = clone(alone).fit(X, trusted=trusted)
    error = [np.abs(d.transform(X[~trusted]) - clean[~trusted]).mean() for d in (alone, taught)]
    # the mean of Rician noise is not 0: rows without noise are needed to know it
    assert error[1] < 0.8 * error[0]


def test_flat_rows_and_files_are_read_as_the_images_they_are(images, tmp_path):
    clean, trusted = images
    X = clean.copy().astype(np.float32)
    X[~trusted] = add_gaussian_noise(X[~trusted], 0.2, random_state=0)
    denoiser = Noise2VoidDenoiser(**{**QUICK, "max_epochs": 2}).fit(X, trusted=trusted)
    levels, cleaned = denoiser.noise_levels_, denoiser.transform(X)
    flat = (
        clone(denoiser).set_params(input_shape=(1, 20, 20)).fit(X.reshape(60, -1), trusted=trusted)
    )
    np.testing.assert_array_equal(flat.noise_levels_, levels)
    np.testing.assert_allclose(
        flat.transform(X.reshape(60, -1)).reshape(X.shape), cleaned, atol=1e-6
    )
    np.save(tmp_path / "X.npy", X)
    mapped = clone(denoiser).fit(np.load(tmp_path / "X.npy", mmap_mode="r"), trusted=trusted)
    np.testing.assert_array_equal(mapped.noise_levels_, levels)


def test_rows_without_noise_stay_as_they_are(signals):
    X, trusted = signals
    with pytest.warns(DenoisingWarning, match="nothing to denoise"):
        denoiser = Noise2VoidDenoiser(**QUICK).fit(X, trusted=trusted)
    assert denoiser.noise_ is None
    assert not denoiser.noise_levels_.any()
    np.testing.assert_allclose(denoiser.transform(X), X, rtol=1e-6)
    again = pickle.loads(pickle.dumps(denoiser))
    np.testing.assert_array_equal(again.transform(X), denoiser.transform(X))
    sampler = DenoisedRowsAugmenter(Noise2VoidDenoiser(**QUICK))
    with pytest.warns(DenoisingWarning):
        X_new, _ = sampler.fit_resample(X, np.arange(90) % 2, trusted=trusted)
    np.testing.assert_array_equal(X_new, X)


def test_a_fit_without_trusted_rows_forgets_the_noise(signals):
    X, trusted = signals
    X = np.where(trusted[:, None], X, add_gaussian_noise(X, 0.2, random_state=0))
    denoiser = Noise2VoidDenoiser(max_epochs=1, random_state=0).fit(X, trusted=trusted)
    fresh = Noise2VoidDenoiser(max_epochs=1, random_state=0).fit(X)
    denoiser.fit(X)
    assert not hasattr(denoiser, "noise_")
    np.testing.assert_array_equal(denoiser.transform(X), fresh.transform(X))


def test_the_augmenter_adds_denoised_copies_of_noisy_rows(signals):
    X, trusted = signals
    X = np.where(trusted[:, None], X, add_gaussian_noise(X, 0.2, random_state=0))
    y, groups = np.arange(90) % 2, np.arange(90) // 2
    sampler = DenoisedRowsAugmenter(Noise2VoidDenoiser(**QUICK), random_state=0)
    X_new, y_new = sampler.fit_resample(X, y, groups=groups, trusted=trusted)
    rows = np.flatnonzero(~trusted)
    np.testing.assert_array_equal(sampler.sample_indices_, [*range(90), *rows])
    np.testing.assert_array_equal(X_new[:90], X)
    np.testing.assert_allclose(X_new[90:], sampler.denoiser_.transform(X[rows]), rtol=1e-6)
    np.testing.assert_array_equal(y_new, y[sampler.sample_indices_])
    without = clone(sampler).fit_resample(X, y)[0]
    assert len(without) == 180


def test_trusted_reaches_the_denoiser_of_a_classifier(signals):
    X, trusted = signals
    X = np.where(trusted[:, None], X, add_gaussian_noise(X, 0.2, random_state=0))
    sampler = DenoisedRowsAugmenter(Noise2VoidDenoiser(max_epochs=2), random_state=0)
    net = NetClassifier(MLP, max_epochs=2, random_state=0)
    clf = ResamplingClassifier(sampler, net).fit(X, np.arange(90) % 2, trusted=trusted)
    assert clf.sampler_.denoiser_.noise_ is not None
    assert len(clf.sampler_.sample_indices_) == 150


def test_what_makes_no_sense_is_refused(signals):
    X, trusted = signals
    with pytest.raises(ValueError, match="trusted has shape"):
        Noise2VoidDenoiser().fit(X, trusted=trusted[:-1])
    with pytest.raises(ValueError, match="too short to see noise"):
        Noise2VoidDenoiser().fit(X[:, :2], trusted=trusted)
