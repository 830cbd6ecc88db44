"""Both training steps on factors that are known, and networks that come back as they were."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust.networks import RandomAugmentation
from skrobust.training import FactorNetworks, FactorRecipe

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
    exchange=False,
    dropout=0.0,
    device="cpu",
    seed=0,
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
    return FactorNetworks(RECIPE).fit(*rows, None)


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
    assert losses[-1] == pytest.approx(error / RECIPE.std**2, rel=0.5)


def test_swapping_the_class_code_moves_the_class_half_only(rows, trained):
    X, codes = rows
    c, r = trained.encode(X)
    swapped = trained.decode(c[::-1], r)
    assert_allclose(swapped[:, 0, :, :3].mean((1, 2)) > 1, codes[::-1] == 1)
    right = swapped[:, 0, :, 5:].mean((1, 2))
    assert np.corrcoef(right, X[:, 0, 0, 6])[0, 1] > 0.9


def test_the_second_step_leaves_the_class_encoder_alone(rows):
    X, codes = rows
    short = FactorNetworks(replace(RECIPE, max_epochs=1)).fit(X, codes, None)
    long = FactorNetworks(replace(RECIPE, max_epochs=3)).fit(X, codes, None)
    assert_array_equal(short.encode(X)[0], long.encode(X)[0])
    assert not np.array_equal(short.encode(X)[1], long.encode(X)[1])


def test_the_adversary_makes_the_residual_code_tell_less(rows):
    X, codes = rows

    def probed(weight):
        networks = FactorNetworks(replace(RECIPE, adversarial_weight=weight)).fit(X, codes, None)
        r = networks.encode(X)[1]
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return cross_val_score(probe, r, codes, cv=5).mean()

    assert probed(0.0) > 0.95
    assert probed(0.5) < 0.65


def test_augmentation_and_dropout_change_training_and_are_fixed_by_the_seed(rows):
    X, codes = rows
    recipe = replace(RECIPE, class_epochs=1, max_epochs=1)
    state = torch.get_rng_state()

    def fitted(augment=None, **changes):
        networks = FactorNetworks(replace(recipe, **changes)).fit(X, codes, augment)
        return networks.decode(*networks.encode(X))

    affine = RandomAugmentation(rotation=20)
    assert_array_equal(fitted(affine, dropout=0.5), fitted(affine, dropout=0.5))
    plain = fitted()
    for other in (fitted(affine), fitted(dropout=0.5), fitted(seed=1)):
        assert not np.array_equal(other, plain)
    assert_array_equal(state, torch.get_rng_state())


def test_rows_are_scaled_by_the_range(rows):
    X, codes = rows
    recipe = replace(RECIPE, class_epochs=1, max_epochs=1)
    networks = FactorNetworks(recipe).fit(X, codes, None)
    scaled = FactorNetworks(replace(recipe, low=0.0, high=1.0, mean=0.5, std=0.325)).fit(
        (X + 1) / 4, codes, None
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
    with pytest.raises(ValueError, match="Take a smaller lr or adversarial_weight"):
        FactorNetworks(replace(RECIPE, lr=1e30, class_epochs=2, max_epochs=2)).fit(*rows, None)


def test_class_codes_are_exchanged_within_their_class():
    networks = FactorNetworks(RECIPE)
    y = torch.tensor([1, 0, 1, 2, 0, 1, 1, 0])
    c = torch.arange(8.0)[:, None]
    seen = [networks._exchanged(c, y)[:, 0].long() for _ in range(200)]
    for order in seen:
        assert sorted(order.tolist()) == list(range(8))
        assert_array_equal(y[order], y)
    # any row of the class is as likely
    shares = np.bincount([int(order[0]) for order in seen], minlength=8) / 200
    assert_allclose(shares[[0, 2, 5, 6]], 0.25, atol=0.1)


def test_with_exchange_the_class_code_decides_the_class_alone(rows):
    X, codes = rows
    networks = FactorNetworks(replace(RECIPE, exchange=True)).fit(X, codes, None)
    c, r = networks.encode(X)
    # class codes of other rows of the class change next to nothing
    same = np.concatenate([np.roll(np.flatnonzero(codes == k), 1) for k in (0, 1)])
    order = np.argsort(codes, kind="stable")
    moved = networks.decode(c[same], r[order]) - networks.decode(c[order], r[order])
    assert (moved**2).mean() < 0.02 * X.var()
    other = networks.decode(c[::-1], r) - networks.decode(c, r)
    assert (other**2).mean() > 0.2 * X.var()
