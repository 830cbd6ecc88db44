"""Axes of rows: one reading, or an error that shows them all; a network of the right kind."""

import numpy as np
import pandas as pd
import pytest

from skrobust import (
    MLP,
    AEOutlierRemover,
    ConvNet,
    FactorMixSampler,
    NetClassifier,
    Noise2VoidDenoiser,
    ResNet1d,
    TripletEmbedder,
)
from skrobust.utils.validation import layout_of_rows

READ = {
    (7,): (7,),
    (1, 50): (1, 50),
    (50, 1): (1, 50),
    (1, 2): (1, 2),
    (28, 28): (1, 28, 28),
    (5, 19): (1, 5, 19),
    (64, 17): (1, 64, 17),
    (1, 28, 28): (1, 28, 28),
    (28, 28, 1): (1, 28, 28),
    (1, 5, 2): (1, 5, 2),
    (3, 28, 28): (3, 28, 28),
    (4, 8, 64): (4, 8, 64),
    (2, 4, 4): (2, 4, 4),
    (16, 64, 64): (1, 16, 64, 64),
    (5, 5, 5): (1, 5, 5, 5),
    (1, 8, 9, 10): (1, 8, 9, 10),
    (8, 9, 10, 1): (1, 8, 9, 10),
    (4, 16, 16, 16): (4, 16, 16, 16),
    (7, 8, 9, 10): (7, 8, 9, 10),
}


@pytest.mark.parametrize("row", READ, ids=str)
def test_axes_with_one_sensible_reading(row):
    X = np.zeros((3, *row))
    assert layout_of_rows(X, None) == READ[row]
    # what the user says holds, whatever it is
    assert layout_of_rows(X, row) == row
    assert layout_of_rows(X, (X[0].size,)) == (X[0].size,)


AMBIGUOUS = {
    (12, 1000): ["(1, 12, 1000)", "(12, 1000)"],
    (2, 30): ["(1, 2, 30)", "(2, 30)"],
    (3, 3): ["(1, 3, 3)", "(3, 3)"],
    (4, 5): ["(1, 4, 5)", "(4, 5)"],
    (1000, 12): ["(1, 1000, 12)", "(1000, 12)", "moveaxis"],
    (28, 28, 3): ["(1, 28, 28, 3)", "(28, 28, 3)", "moveaxis"],
    (5, 4, 6): ["(1, 5, 4, 6)", "(5, 4, 6)"],
    (2, 3, 3): ["(1, 2, 3, 3)", "(2, 3, 3)"],
    (3, 20, 3): ["(1, 3, 20, 3)", "(3, 20, 3)"],
    (24, 24, 24, 3): ["(24, 24, 24, 3)", "moveaxis"],
}


@pytest.mark.parametrize("row", AMBIGUOUS, ids=str)
def test_other_axes_are_an_error_with_every_reading(row):
    X = np.zeros((3, *row))
    with pytest.raises(ValueError, match="can be read in several ways") as error:
        layout_of_rows(X, None)
    lines = str(error.value).split("\n")[1:]
    assert len(lines) == len(AMBIGUOUS[row])
    for line, part in zip(lines, AMBIGUOUS[row], strict=True):
        assert part in line
    for line in lines:  # each line settles it
        code = line.split("#")[0].strip()
        if code.startswith("input_shape"):
            shape = eval(code.removeprefix("input_shape="))
            assert layout_of_rows(X, shape) == shape
        else:
            moved = np.moveaxis(X, -1, 1)
            shape = moved.shape[1:] if moved.ndim > 3 else None
            assert layout_of_rows(moved, shape) if shape else True


SMALL = {"max_epochs": 1, "random_state": 0}
ESTIMATORS = [
    NetClassifier(**SMALL),
    TripletEmbedder(**SMALL),
    AEOutlierRemover(restarts=(), **SMALL),
    Noise2VoidDenoiser(**SMALL),
    FactorMixSampler(class_epochs=1, width=2, n_codes=4, **SMALL),
]


@pytest.mark.filterwarnings("ignore:The embeddings have collapsed")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_estimator_with_a_network_reads_axes_alike(estimator):
    rng, y = np.random.RandomState(0), np.tile([0, 1], 8)

    def fit(X):
        run = estimator.fit_resample if hasattr(estimator, "swap") else estimator.fit
        run(X, y)
        return estimator.input_shape_

    assert fit(rng.rand(16, 9, 8)) == (1, 9, 8)
    assert fit(rng.rand(16, 6, 7, 8)) == (1, 6, 7, 8)
    assert fit(rng.rand(16, 1, 9, 8)) == (1, 9, 8)
    for row in [(2, 40), (9, 8, 3)]:
        with pytest.raises(ValueError, match="several ways"):
            fit(rng.rand(16, *row))


def module_of(X, **params):
    return type(NetClassifier(**SMALL, **params).fit(X, [0, 1] * 4).net_.module_)


def test_the_automatic_network_is_of_the_kind_of_the_rows():
    rng = np.random.RandomState(0)
    spectra = rng.rand(8, 100)
    assert module_of(spectra) is ResNet1d
    assert module_of(spectra[:, None]) is ResNet1d
    assert module_of(spectra[:, :30]) is MLP
    assert module_of(spectra[:, :30], input_shape=(1, 30)) is ResNet1d
    assert module_of(rng.rand(8, 10, 10)) is ConvNet
    assert module_of(rng.rand(8, 3, 10, 10)) is ConvNet
    # names say that it is a table, except wavelengths and the names that scikit-learn makes up
    assert module_of(pd.DataFrame(spectra, columns=[f"gene {i}" for i in range(100)])) is MLP
    assert module_of(pd.DataFrame(spectra, columns=np.linspace(400, 900, 100))) is ResNet1d
    assert module_of(pd.DataFrame(spectra, columns=[f"x{i}" for i in range(100)])) is ResNet1d
    named = pd.DataFrame(spectra, columns=[f"point {i}" for i in range(100)])
    assert module_of(named, input_shape=(1, 100)) is ResNet1d


def test_images_are_turned_as_images():
    seen = []

    def augment(x):
        seen.append(tuple(x.shape[1:]))
        return x

    NetClassifier(**SMALL, augment=augment).fit(np.random.rand(8, 9, 9), [0, 1] * 4)  # noqa: NPY002
    assert set(seen) == {(1, 9, 9)}
