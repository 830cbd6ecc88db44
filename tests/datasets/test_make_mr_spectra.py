import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust.datasets import make_mr_spectra


@pytest.fixture(scope="module")
def spectra():
    return make_mr_spectra(random_state=0)


def test_layout(spectra):
    n = len(spectra.target)
    assert spectra.data.shape == (n, 288)
    assert spectra.data.dtype == np.float32
    assert np.isfinite(spectra.data).all()
    for name in ("target", "groups", "target_true"):
        assert spectra[name].shape == (n,)
        assert spectra[name].dtype.kind == "i"
    assert spectra.axis[0] == 4.3
    assert spectra.axis[-1] == 0.2
    assert (np.diff(spectra.axis) < 0).all()
    assert {"NAA", "Cr1", "Cr2", "Cho", "Ins", "Glx", "Lip1", "Lip2", "Lac"} <= set(
        spectra.metabolites
    )
    assert spectra.target_names == ["healthy", "tumour"]


def test_patients_and_impurity(spectra):
    counts = np.bincount(spectra.groups)
    assert len(counts) == 60
    assert counts.min() >= 5
    assert counts.max() <= 40
    assert len(set(counts)) > 10
    label = [set(spectra.target[spectra.groups == g]) for g in range(60)]
    assert label.count({0}) == label.count({1}) == 30
    assert not spectra.target_true[spectra.target == 0].any()
    tumour = spectra.target == 1
    assert 1 - spectra.target_true[tumour].mean() == pytest.approx(0.3, abs=0.02)
    for g in np.unique(spectra.groups[tumour]):
        assert spectra.target_true[spectra.groups == g].any()


@pytest.mark.parametrize("impurity", [0.0, 0.6])
def test_impurity_is_met_with_few_voxels(impurity):
    d = make_mr_spectra(400, n_voxels=3, impurity=impurity, n_points=16, random_state=1)
    share = 1 - d.target_true[d.target == 1].mean()
    assert share == pytest.approx(impurity, abs=0.03)


def test_repeatable_and_leaves_the_global_generator_alone(spectra):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    X, y, groups = make_mr_spectra(random_state=0, return_X_y_groups=True)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(X, spectra.data)
    np.testing.assert_array_equal(y, spectra.target)
    np.testing.assert_array_equal(groups, spectra.groups)
    assert not np.array_equal(make_mr_spectra(random_state=1).data[:5], X[:5])


def test_peaks_and_tissues_look_as_they_should():
    d = make_mr_spectra(200, n_voxels=10, impurity=0.0, snr=1000, random_state=0)
    mean = {c: d.data[d.target == c].mean(axis=0) for c in (0, 1)}

    def height(c, name):
        return mean[c][np.argmin(abs(d.axis - d.metabolites[name]))]

    top = d.axis[np.argmax(mean[0])]
    assert top == pytest.approx(2.01, abs=0.03)
    assert height(1, "NAA") < 0.8 * height(0, "NAA")
    for name in ("Cho", "Lac", "Lip1", "Lip2"):
        assert height(1, name) > 1.1 * height(0, name)


def test_snr_sets_the_noise():
    # neighbouring points share everything but the noise where there is no peak
    noise = {}
    for snr in (5, 50):
        d = make_mr_spectra(100, n_voxels=5, snr=snr, random_state=0)
        noise[snr] = np.diff(d.data[:, d.axis < 0.5], axis=1).std()
    assert noise[5] / noise[50] == pytest.approx(10, rel=0.1)
    assert noise[5] == pytest.approx(np.sqrt(2) / 5, rel=0.15)


def test_hard_but_learnable(spectra):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    score = cross_val_predict(
        model,
        spectra.data,
        spectra.target,
        groups=spectra.groups,
        cv=StratifiedGroupKFold(10),
        method="decision_function",
    )
    given = roc_auc_score(spectra.target, score)
    true = roc_auc_score(spectra.target_true, score)
    assert 0.70 < given < 0.85
    assert given + 0.05 < true < 0.95


def test_patient_is_recognisable(spectra):
    def spread(groups):
        means = [spectra.data[groups == g].mean(axis=0) for g in np.unique(groups)]
        return np.var(means, axis=0).mean()

    shuffled = np.random.default_rng(0).permutation(spectra.groups)
    assert spread(spectra.groups) > 2 * spread(shuffled)


def test_smallest():
    d = make_mr_spectra(2, n_voxels=1, impurity=0.9, random_state=0)
    assert sorted(d.target) == sorted(d.target_true) == [0, 1]


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"n_patients": 1}, ValueError, "at least 2"),
        ({"n_patients": 2.5}, TypeError, "n_patients"),
        ({"n_voxels": (5, 4)}, ValueError, "smallest <= largest"),
        ({"n_voxels": 0}, ValueError, "n_voxels"),
        ({"n_voxels": (1, 2, 3)}, ValueError, "n_voxels"),
        ({"n_voxels": (1, 2.5)}, TypeError, "n_voxels"),
        ({"impurity": 1.0}, ValueError, "impurity"),
        ({"impurity": "much"}, TypeError, "impurity"),
        ({"n_points": 3}, ValueError, "n_points"),
        ({"snr": 0}, ValueError, "snr"),
    ],
)
def test_errors(kwargs, error, message):
    with pytest.raises(error, match=message):
        make_mr_spectra(**kwargs)
