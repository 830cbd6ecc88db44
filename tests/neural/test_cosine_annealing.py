"""The falling learning rate is torch's own schedule."""

import numpy as np
import torch

from skrobust import MLP, TripletEmbedder


def test_rates_are_those_of_torch():
    seen = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            seen.append(self.param_groups[0]["lr"])
            return super().step(closure)

    X, y = np.random.RandomState(0).normal(size=(8, 4)), np.tile([0, 1], 4)
    params = {"max_epochs": 5, "lr": 0.1, "optimizer": Watched, "augment": None, "batch_size": 8}
    TripletEmbedder(MLP, **params).fit(X, y)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    expected = []
    for _ in range(5):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(seen, expected)
    seen.clear()
    TripletEmbedder(MLP, **params, lr_schedule=None).fit(X, y)
    np.testing.assert_allclose(seen, 0.1)
