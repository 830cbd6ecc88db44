"""A memory-mapped X is read in batches by the influence classifiers too."""

import threading

import numpy as np
import pytest
from torch import nn

from skrobust import InfluencePerturber, InfluenceReweighter, NetClassifier


class Pooled(nn.Module):
    """A head of few features, whatever the length of the rows."""

    def __init__(self, input_shape, n_outputs):
        super().__init__()
        self.head = nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.head(x.reshape(len(x), 4, -1).mean(2))


def private():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1e3


def peak_of(action):
    before, peak, stop = private(), [0.0], threading.Event()

    def watch():
        while not stop.wait(0.002):
            peak[0] = max(peak[0], private() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        action()
    finally:
        stop.set()
        thread.join()
    return peak[0]


@pytest.mark.parametrize("cls", [InfluenceReweighter, InfluencePerturber])
def test_no_copy_in_memory(cls, tmp_path):
    try:
        private()
    except (OSError, StopIteration):
        pytest.skip("needs /proc/self/status of Linux")
    n = 20_000  # 160 MB
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n, 2000))
    for start in range(0, n, 1000):
        X[start : start + 1000] = np.random.RandomState(start).rand(1000, 1)
    X.flush()
    del X
    X, y = np.load(tmp_path / "X.npy", mmap_mode="r"), np.arange(n) % 2
    clf = cls(
        NetClassifier(Pooled, max_epochs=2, batch_size=512, random_state=0), warmup_epochs=1,
        validation_fraction=0.1, random_state=0,
    )  # fmt: skip
    if cls is InfluencePerturber:
        clf.set_params(fraction=0.02)  # the changes themselves are kept in memory
    small = NetClassifier(Pooled, max_epochs=2, random_state=0)
    cls(small, warmup_epochs=1, random_state=0).fit(X[:200], y[:200])  # what is loaded once
    assert peak_of(lambda: clf.fit(X, y)) < 80
    in_memory = cls(**clf.get_params(deep=False)).fit(np.array(X[:2000]), y[:2000])
    from_file = cls(**clf.get_params(deep=False)).fit(X[:2000], y[:2000])
    np.testing.assert_allclose(in_memory.influence_, from_file.influence_)
    np.testing.assert_allclose(
        in_memory.predict_proba(X[:50]), from_file.predict_proba(X[:50]), rtol=1e-5
    )
