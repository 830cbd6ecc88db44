"""Held-out rows and the device."""

import numpy as np
import pytest
import torch

from skrobust.neural.net import resolve_device
from skrobust.neural.splits import validation_split


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_never_on_both_sides(seed):
    rng = np.random.RandomState(seed)
    groups = rng.randint(12, size=200)
    labels = (groups % 3 == 0).astype(int)
    train, valid = validation_split(labels, 0.25, groups, seed)
    assert not set(groups[train]) & set(groups[valid])
    assert sorted([*train, *valid]) == list(range(200))
    assert set(labels[train]) == {0, 1}


def test_without_groups_the_split_is_stratified():
    labels = np.repeat([0, 1], [90, 10])
    train, valid = validation_split(labels, 0.2, None, 0)
    assert np.bincount(labels[valid]).tolist() == [18, 2]
    assert np.bincount(labels[train]).tolist() == [72, 8]


def test_impossible_splits_say_why():
    labels = np.tile([0, 1], 10)
    with pytest.raises(
        ValueError, match=r"2 groups the nearest share is 0.50. Set .* or give X_val"
    ):
        validation_split(labels, 0.2, np.repeat([0, 1], 10), 0)
    with pytest.raises(ValueError, match="rows of one group only"):
        validation_split(np.repeat([0, 1], [16, 4]), 0.5, np.repeat(np.arange(5), 4), 0)
    with pytest.raises(ValueError, match="cannot be held out of 2 rows"):
        validation_split(np.array([0, 1]), 0.5, None, 0)
    with pytest.raises(ValueError, match="groups has 3 entries"):
        validation_split(labels, 0.5, np.arange(3), 0)


def test_devices():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="not known to torch"):
        resolve_device("quantum")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="sees no such device"):
            resolve_device("cuda")


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5])
@pytest.mark.parametrize("keep_rare", [False, True])
def test_about_the_share_is_held_out_of_every_class(fraction, keep_rare):
    for seed in range(5):
        rng = np.random.RandomState(seed)
        groups = rng.choice(60, size=1200, p=rng.dirichlet(np.full(60, 3)))  # of uneven sizes
        labels = np.digitize(groups, [30, 45])
        held = validation_split(labels, fraction, groups, seed, keep_rare=keep_rare)[1]
        assert len(held) / 1200 == pytest.approx(fraction, abs=0.02)
        shares = np.bincount(labels[held], minlength=3) / np.bincount(labels)
        np.testing.assert_allclose(shares, fraction, atol=0.08)
        again = validation_split(labels, fraction, groups, seed, keep_rare=keep_rare)[1]
        np.testing.assert_array_equal(held, again)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("grouped", [False, True])
def test_rare_classes_can_stay_in_training(seed, grouped):
    labels = np.repeat([0, 1, 2, 3], [60, 30, 2, 1])
    # class 2 is of one patient, who has a row of class 1 too
    groups = np.concatenate([np.arange(60) // 3, 50 + np.arange(30) // 3, [59, 59], [99]])
    train, valid = validation_split(labels, 0.2, groups if grouped else None, seed, keep_rare=True)
    assert sorted([*train, *valid]) == list(range(93))
    assert set(labels[train]) == {0, 1, 2, 3}
    counts = np.bincount(labels[valid], minlength=4)
    assert counts[3] == 0
    if grouped:
        assert not set(groups[train]) & set(groups[valid])
        assert counts[2] == 0
        assert 6 <= counts[0] <= 24
    else:
        assert counts[:2].tolist() == [12, 6]
        assert counts[2] <= 1


def test_rare_rows_are_held_out_in_their_share():
    labels = np.repeat([0, 1], [50, 4])
    held = [
        (labels[validation_split(labels, 0.1, None, seed, keep_rare=True)[1]] == 1).sum()
        for seed in range(200)
    ]
    assert np.mean(held) == pytest.approx(0.4, abs=0.1)


def test_nothing_to_hold_out_is_an_error():
    with pytest.raises(ValueError, match="leaves no validation row"):
        validation_split(np.arange(5), 0.2, None, 0, keep_rare=True)
    with pytest.raises(ValueError, match="leaves no validation row"):
        validation_split(np.arange(6), 0.5, np.arange(6), 0, keep_rare=True)
