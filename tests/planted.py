"""Small data with known faults."""

import numpy as np


def make_patients(n_patients=40, n_rows=5, n_features=8, shift=2.0, seed=0):
    """Return rows of patients with a signature; two classes differ in the first columns."""
    rng = np.random.default_rng(seed)
    label = np.arange(n_patients) % 2
    groups = np.repeat(np.arange(n_patients), n_rows)
    X = rng.normal(size=(len(groups), n_features))
    X += 0.7 * rng.normal(size=(n_patients, n_features))[groups]
    X[:, :3] += shift * (label[groups, None] - 0.5)
    return X, label[groups], groups
