"""Choice of the epoch by macro recall on validation rows."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin, recall_score

from ..training import Rows, TensorNet


class BestEpoch:
    """After every epoch, score the embedding; at the end, go back to the best weights.

    The score is the macro recall of nearest class centroids: the centroids are those of the
    training rows, the recall is averaged over the classes that the validation rows have. It is
    recorded in the net's history as ``valid_macro_recall``.

    Parameters
    ----------
    train, valid : Rows
        The rows.
    train_codes, valid_codes : ndarray of int
        Their classes.
    embed : callable
        From a net and rows to embeddings, ndarray of shape (n_rows, n_dims).

    Attributes
    ----------
    best_epoch_ : int
        The best epoch, from 1.
    """

    def __init__(self, train: Rows, train_codes: NDArray, valid: Rows, valid_codes: NDArray, embed):
        self.train, self.train_codes = train, train_codes
        self.valid, self.valid_codes = valid, valid_codes
        self.embed = embed
        self.best_score = -np.inf

    def __call__(self, net: TensorNet) -> None:
        """Score the net, and keep its weights if they are better than all before."""
        score = centroid_recall(
            self.embed(net, self.train), self.train_codes,
            self.embed(net, self.valid), self.valid_codes,
        )  # fmt: skip
        better = score > self.best_score
        net.history.record("valid_macro_recall", score)
        net.history.record("valid_macro_recall_best", bool(better))
        if better:
            self.best_score, self.best_epoch_ = score, len(net.history)
            self.state = copy.deepcopy(net.module_.state_dict())

    def restore(self, net: TensorNet) -> None:
        """Give the net the best weights."""
        net.module_.load_state_dict(self.state)


def centroid_recall(
    train: NDArray, train_codes: NDArray, valid: NDArray, valid_codes: NDArray
) -> float:
    """Return the macro recall of the nearest class centroid.

    Parameters
    ----------
    train, valid : ndarray of shape (n_rows, n_dims)
        Embeddings.
    train_codes, valid_codes : ndarray of shape (n_rows,), int
        Classes; every class among the validation rows has a training row.

    Returns
    -------
    recall : float
        Mean over the classes of the validation rows.
    """
    # NearestCentroid refuses embeddings that are all equal
    codes = np.unique(train_codes)
    centroids = np.stack([train[train_codes == code].mean(0) for code in codes])
    predicted = codes[pairwise_distances_argmin(valid, centroids)]
    present = np.unique(valid_codes)
    return float(recall_score(valid_codes, predicted, labels=present, average="macro"))
