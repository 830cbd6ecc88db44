"""Training and prediction: NetClassifier against stock skorch and against a hand-written loop.

The same networks, the same optimizer, batch size 32, float32, one thread, interleaved in one
process after a warm-up round; 5000 rows of 288 points. The hand-written loop draws the same
weights and the same order of rows, and the script checks that its weights end equal to ours, bit
for bit. The paper's residual network is timed beside the same network written with
``Conv1d(padding="same")``.

Run: ``python examples/benchmarks/training_loop.py``. Ratios above 1 mean that we are faster.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from functools import partial

import numpy as np
import torch
from interleaved import ratio, time_interleaved
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from skrobust import MLP, NetClassifier, ResNet1d
from skrobust.neural.seeding import OwnRandomness, draw_seed

N_ROWS, LENGTH, BATCH_SIZE = 5000, 288, 32


class SmallCNN(nn.Module):
    """Two strided convolutions, global average pooling, one linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 8, 7, stride=2)
        self.conv2 = nn.Conv1d(8, 16, 5, stride=2)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        x = F.relu(self.conv1(x[:, None]))
        return self.head(F.relu(self.conv2(x)).mean(-1))


class NaiveResNet1d(nn.Module):
    """The paper's residual network, written as one would first write it."""

    def __init__(self):
        super().__init__()
        channels = [16, 16, 16, 32, 32, 64, 64, 128, 128]
        conv = partial(nn.Conv1d, kernel_size=32, padding="same", bias=False)
        self.first = nn.Sequential(conv(1, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.MaxPool1d(2) if i % 2 == 0 else nn.Identity(),
                conv(a, b),
                nn.BatchNorm1d(b),
                nn.ReLU(),
                nn.Dropout(0.55),
                conv(b, b),
                nn.BatchNorm1d(b),
            )
            for i, (a, b) in enumerate(zip(channels[:-1], channels[1:], strict=True))
        )
        self.head = nn.Linear(128, 2)

    def forward(self, x):
        x = self.first(x[:, None])
        for i, block in enumerate(self.blocks):
            main = block(x)
            if i % 2 == 0:
                x = F.max_pool1d(x, 2)
            x = F.relu(main + F.pad(x, (0, 0, 0, main.shape[1] - x.shape[1])))
        return self.head(x.mean(-1))


def hand_loop(module, X, y, max_epochs):
    """Train as a careful user would write it, with the draws of NetClassifier(random_state=0)."""
    randomness = OwnRandomness(draw_seed(0))
    with randomness:
        net = module()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=False)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(max_epochs):
        order = torch.randperm(len(X), generator=randomness.generator())
        for start in range(0, len(X), BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            optimizer.zero_grad()
            F.cross_entropy(net(X[rows]), y[rows]).backward()
            optimizer.step()
    return net


def compare_small(name, module, X, y, rounds, max_epochs):
    settings = {"max_epochs": max_epochs, "lr": 1e-3, "batch_size": BATCH_SIZE}
    ours = NetClassifier(module, **settings, random_state=0)
    plain = copy.deepcopy(ours).set_params(optimizer__fused=False)
    stock = NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        train_split=None,
        verbose=0,
        iterator_train__shuffle=True,
        **settings,
    )
    seconds = time_interleaved(
        {
            "stock": lambda: stock.fit(X, y),
            "plain": lambda: plain.fit(X, y),
            "fused": lambda: ours.fit(X, y),
            "hand": lambda: hand_loop(module, X, y, max_epochs),
        },
        rounds,
    )
    by_hand = hand_loop(module, X, y, max_epochs).state_dict()
    for key, weight in plain.net_.module_.state_dict().items():
        assert torch.equal(weight, by_hand[key]), f"{key} differs from the hand-written loop"
    predicting = time_interleaved(
        {"stock": lambda: stock.predict_proba(X), "ours": lambda: plain.predict_proba(X)}, rounds
    )
    print(name)
    report("fit, stock skorch / ours, same Adam", seconds["stock"], seconds["plain"])
    report("fit, stock skorch / ours, fused (default)", seconds["stock"], seconds["fused"])
    report("fit, ours / hand-written loop, same Adam", seconds["plain"], seconds["hand"])
    report("predict_proba, stock skorch / ours", predicting["stock"], predicting["ours"])


def report(what, slow, fast):
    print(f"  {what:42}{ratio(slow, fast)}")


def compare_resnet(X, y, rounds):
    settings = {"max_epochs": 1, "batch_size": BATCH_SIZE, "random_state": 0}
    rivals = {
        "naive": NetClassifier(NaiveResNet1d, **settings),
        "ours": NetClassifier(ResNet1d, **settings),
        "bfloat16": NetClassifier(ResNet1d, precision="bfloat16", **settings),
    }
    seconds = time_interleaved({k: partial(net.fit, X, y) for k, net in rivals.items()}, rounds)
    print("the paper's ResNet, 17 convolutions")
    report("fit, Conv1d(padding='same') / ours", seconds["naive"], seconds["ours"])
    report("fit, Conv1d(padding='same') / bfloat16", seconds["naive"], seconds["bfloat16"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the small networks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, LENGTH)).astype(np.float32)
    y = (X[:, :20].sum(1) > 0).astype(np.int64)
    mlp = partial(MLP, input_shape=(LENGTH,), n_outputs=2)
    compare_small("MLP 288-64-2", mlp, X, y, arguments.rounds, arguments.epochs)
    compare_small("1-D CNN, 8 and 16 filters", SmallCNN, X, y, arguments.rounds, arguments.epochs)
    compare_resnet(X[:320], y[:320], arguments.rounds)


if __name__ == "__main__":
    main()
