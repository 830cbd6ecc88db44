"""A transform of training batches runs in both loops, from the net's own randomness."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback

from skrobust import MLP, NetClassifier


class SeesBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


class NoisyNet(NetClassifier, BaseEstimator):
    def _batch_transform(self):
        return add_noise


def add_noise(net, x, y):
    return x + torch.randn_like(x), y


@pytest.mark.parametrize("callbacks", [None, [SeesBatches()]])
def test_transform_changes_training_only_and_repeats(callbacks):
    rng = np.random.RandomState(0)
    X, y = rng.randn(40, 5).astype("float32"), rng.randint(2, size=40)
    params = {"module": MLP, "max_epochs": 3, "callbacks": callbacks, "random_state": 0}
    before = torch.get_rng_state()
    noisy, again = (NoisyNet(**params).fit(X, y).decision_function(X) for _ in range(2))
    plain = NetClassifier(**params).fit(X, y).decision_function(X)
    assert np.array_equal(noisy, again)
    assert not np.allclose(noisy, plain, atol=1e-3)
    assert torch.equal(before, torch.get_rng_state())
