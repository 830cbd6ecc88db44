"""Both training steps on factors that are known, and networks that come back as they were."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust.factor_mixing.training import FactorNetworks, FactorRecipe, variance_between

RECIPE = FactorRecipe(
    input_shape=(1, 8, 8),
    n_classes=2,
    low=-1.0,
    high=3.0,
    mean=1.0,
    std=1.3,
    n_codes=8,
    width=4,
    class_epochs=8,
    max_epochs=60,
    lr=3e-3,
    batch_size=16,
    adversarial_weight=0.5,
    adversary_steps=5,
    class_mean_weight=0.0,
    swap_weight=0.0,
    affine_weight=0.0,
    dropout=0.0,
    affine=False,
    device="cpu",
    seed=0,
)
# class codes large enough for the decoder to see
LARGER = replace(
    RECIPE, n_codes=32, width=8, class_epochs=30, adversarial_weight=0.05, adversary_steps=2
)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.RandomState(0)
    codes = np.arange(96) % 2
    # the class is the left half's level; the right half's level is free
    left = np.where(codes, 2.5, -0.5)[:, None, None, None] + 0.2 * rng.rand(96, 1, 8, 4)
    right = rng.uniform(-0.8, 2.8, size=(96, 1, 1, 1)) + np.zeros((1, 1, 8, 4))
    return np.concatenate([left, right], axis=3).astype(np.float32), codes


@pytest.fixture(scope="module")
def trained(rows):
    return FactorNetworks(RECIPE).fit(*rows)


def test_the_class_code_tells_the_class_and_both_codes_the_row(rows, trained):
    X, codes = rows
    c, r = trained.encode(X)
    assert c.shape == r.shape == (96, 8)
    assert (trained.classify(c).argmax(1) == codes).mean() == 1
    error = ((trained.decode(c, r) - X) ** 2).mean()
    assert error < 0.05 * X.var()
    assert len(trained.history) == 68
    losses = [row["reconstruction_loss"] for row in trained.history[8:]]
    assert losses[-1] < losses[0] / 2
    # in units of the variance
    # batch norm of small batches makes training harder than what comes after it
    assert 1 < losses[-1] / (error / RECIPE.std**2) < 2.5


def test_swapping_the_class_code_moves_the_class_half_only(rows):
    X, codes = rows
    recipe = replace(LARGER, class_mean_weight=0.5, swap_weight=0.05, max_epochs=30)
    networks = FactorNetworks(recipe).fit(X, codes)
    c, r = networks.encode(X)
    swapped = networks.decode(c[::-1], r)
    level = swapped[:, 0, :, :3].mean((1, 2))
    assert ((level > 1) == (codes[::-1] == 1)).mean() > 0.95
    right = swapped[:, 0, :, 5:].mean((1, 2))
    assert np.corrcoef(right, X[:, 0, 0, 6])[0, 1] > 0.9


def test_the_second_step_leaves_the_class_encoder_alone(rows):
    X, codes = rows
    recipe = replace(RECIPE, swap_weight=0.1, affine_weight=0.5)
    short = FactorNetworks(replace(recipe, max_epochs=1)).fit(X, codes)
    long = FactorNetworks(replace(recipe, max_epochs=3)).fit(X, codes)
    c = short.encode(X)[0]
    assert_array_equal(c, long.encode(X)[0])
    assert_array_equal(short.classify(c), long.classify(c))
    assert not np.array_equal(short.encode(X)[1], long.encode(X)[1])


def test_the_adversary_makes_the_residual_code_tell_less():
    rng = np.random.RandomState(0)
    codes = np.arange(96) % 2
    # levels that overlap: a class that can be told for certain is beyond this adversary
    left = (0.5 + codes + 0.5 * rng.normal(size=96))[:, None, None, None]
    right = rng.uniform(-0.8, 2.8, size=(96, 1, 1, 1))
    X = np.repeat(np.concatenate([left, right], axis=3), 4, axis=3).repeat(8, axis=2)
    X = (X + 0.1 * rng.normal(size=X.shape)).astype(np.float32)

    def probed(weight):
        networks = FactorNetworks(replace(RECIPE, adversarial_weight=weight)).fit(X, codes)
        r = networks.encode(X)[1]
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return cross_val_score(probe, r, codes, cv=5).mean()

    assert probed(0.0) > 0.7
    assert probed(0.5) < 0.6


def test_augmentation_and_dropout_change_training_and_are_fixed_by_the_seed(rows):
    X, codes = rows
    recipe = replace(RECIPE, class_epochs=1, max_epochs=1)
    state = torch.get_rng_state()

    def fitted(**changes):
        networks = FactorNetworks(replace(recipe, **changes)).fit(X, codes)
        return networks.decode(*networks.encode(X))

    assert_array_equal(fitted(affine=True, dropout=0.5), fitted(affine=True, dropout=0.5))
    plain = fitted()
    for other in (fitted(affine=True), fitted(dropout=0.5), fitted(seed=1)):
        assert not np.array_equal(other, plain)
    assert_array_equal(state, torch.get_rng_state())


def test_rows_are_scaled_by_the_range(rows):
    X, codes = rows
    recipe = replace(RECIPE, class_epochs=1, max_epochs=1)
    networks = FactorNetworks(recipe).fit(X, codes)
    scaled = FactorNetworks(replace(recipe, low=0.0, high=1.0, mean=0.5, std=0.325)).fit(
        (X + 1) / 4, codes
    )
    assert_allclose(networks.encode(X)[0], scaled.encode((X + 1) / 4)[0], atol=0.01)
    decoded = networks.decode(*networks.encode(X))
    assert decoded.min() >= -1
    assert decoded.max() <= 3


def test_pickled_networks_are_the_same(rows, trained):
    back = pickle.loads(pickle.dumps(trained))
    assert back.recipe == trained.recipe
    assert back.history == trained.history
    for code, other in zip(back.encode(rows[0]), trained.encode(rows[0]), strict=True):
        assert_array_equal(code, other)


def test_no_rows_decode_to_no_rows(trained):
    assert trained.decode(np.zeros((0, 8)), np.zeros((0, 8))).shape == (0, 1, 8, 8)


def test_a_loss_that_is_not_finite_is_an_error(rows):
    with pytest.raises(ValueError, match="Set a smaller lr or adversarial_weight"):
        FactorNetworks(replace(RECIPE, lr=1e30, class_epochs=2, max_epochs=2)).fit(*rows)


def test_the_variance_between_classes_is_that_of_the_f_test():
    rng = np.random.RandomState(0)
    y = rng.choice([0, 1, 3], size=50)
    r = rng.normal(size=(50, 6)) + y[:, None] * np.arange(6)
    f_values = f_classif(r, y)[0]
    expected = f_values * 2 / (f_values * 2 + 47)
    found = variance_between(torch.tensor(r), torch.tensor(y), 4)
    assert float(found) == pytest.approx(expected.mean())
    assert float(variance_between(torch.ones(5, 2), torch.arange(5), 5)) == 0


def test_class_means_are_drawn_together(rows):
    X, codes = rows

    def between(weight):
        recipe = replace(RECIPE, adversarial_weight=0.0, class_mean_weight=weight, max_epochs=30)
        r = FactorNetworks(recipe).fit(X, codes).encode(X)[1]
        return float(variance_between(torch.tensor(r), torch.tensor(codes), 2))

    assert between(1.0) < 0.2 * between(0.0)


def test_the_class_encoder_takes_swapped_rows_for_their_new_class(rows):
    X, codes = rows

    def taken(weight):
        # without an adversary, all of the row can come from the residual code
        recipe = replace(LARGER, adversarial_weight=0.0, swap_weight=weight, max_epochs=30)
        networks = FactorNetworks(recipe).fit(X, codes)
        c, r = networks.encode(X)
        again = networks.encode(networks.decode(c[::-1], r))[0]
        return (networks.classify(again).argmax(1) == codes[::-1]).mean()

    assert taken(0.0) < 0.8
    assert taken(0.1) > 0.95


def test_decoded_rows_move_with_the_residual_code():
    rng = np.random.RandomState(0)
    places = np.linspace(-1, 1, 12)
    radius = rng.uniform(0.3, 0.9, size=(120, 1, 1))
    codes = np.arange(120) % 2
    disc = np.hypot(places[:, None], places) < radius
    X = (np.where(codes, 1.0, -1.0)[:, None, None] * disc)[:, None].astype(np.float32)
    recipe = replace(
        LARGER,
        input_shape=(1, 12, 12),
        low=-1.0,
        high=1.0,
        mean=0.0,
        std=0.6,
        adversarial_weight=0.0,
        adversary_steps=1,
        class_mean_weight=1.0,
        swap_weight=0.05,
        class_epochs=10,
        max_epochs=20,
    )

    def size_is_kept(weight):
        networks = FactorNetworks(replace(recipe, affine_weight=weight)).fit(X, codes)
        c, r = networks.encode(X)
        size = abs(networks.decode(c[::-1], r)).mean((1, 2, 3))
        return np.corrcoef(size, radius[:, 0, 0])[0, 1]

    # small bright discs may otherwise share their code with large dark ones
    assert size_is_kept(0.0) < 0.8
    assert size_is_kept(0.5) > 0.85
