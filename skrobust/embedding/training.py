"""How an embedding is trained: batches, criterion, choice of the epoch."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin, recall_score
from sklearn.preprocessing import normalize
from torch import Tensor, nn
from torch.nn import functional

from ..neural.augmentation import augment_batches, find_augmentation
from ..neural.batches import JoinedRows, Rows
from ..neural.net import TensorNet
from ..neural.splits import validation_split
from ..utils.groups import check_groups
from ..utils.targets import check_class_labels, encode_labels
from .losses import BatchAllTripletLoss, BatchHardTripletLoss, IntervalLoss, NTXentLoss


class TwoViews:
    """Every row twice, each time changed at random, under a number of its own.

    Parameters
    ----------
    change : callable
        From a batch to a changed batch.
    """

    def __init__(self, change: Callable[[Tensor], Tensor]):
        self.change = change

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the views and the number of the row behind each."""
        views = torch.cat([self.change(x), self.change(x)])
        return views, torch.arange(len(x), device=x.device).repeat(2)


class ChangeRare:
    """Change rows of rare classes at random, and leave the others.

    Parameters
    ----------
    change : callable
        From a batch to a changed batch.
    is_rare : Tensor of shape (n_classes,), bool
        The rare classes.
    probability : float
        With which a row of a rare class is changed.
    """

    def __init__(self, change: Callable[[Tensor], Tensor], is_rare: Tensor, probability: float):
        self.change = change
        self.is_rare = is_rare
        self.probability = probability

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch and its targets."""
        drawn = torch.rand(len(y), device=y.device) < self.probability
        chosen = self.is_rare.to(y.device)[y] & drawn
        if chosen.any():
            x = x.clone()
            x[chosen] = self.change(x[chosen])
        return x, y


EMBEDDING_LOSSES = {
    "batch_all": BatchAllTripletLoss,
    "batch_hard": BatchHardTripletLoss,
    "nt_xent": NTXentLoss,
}
TRIPLET_LOSSES = ("batch_all", "batch_hard")


class EmbeddingCriterion(nn.Module):
    """Loss by name; losses of class scores get a linear layer from embedding to classes.

    Parameters
    ----------
    loss : {"batch_all", "batch_hard", "nt_xent", "cross_entropy", "interval"}
        The loss.
    margin : float
        Margin of the triplet losses and of "interval".
    unit_length : bool
        Whether the triplet losses see embeddings of length one.
    embedding_dim : int
        Numbers per embedding.
    n_classes : int
        Classes that the linear layer tells apart; not used by the other losses.
    """

    def __init__(
        self, loss: str, margin: float, unit_length: bool, embedding_dim: int, n_classes: int = 0
    ):
        super().__init__()
        self.unit_length = unit_length
        self.head = None
        if loss in EMBEDDING_LOSSES:
            self.loss = EMBEDDING_LOSSES[loss](*[margin] if loss in TRIPLET_LOSSES else [])
        else:
            self.head = nn.Linear(embedding_dim, n_classes)
            self.loss = IntervalLoss(margin) if loss == "interval" else nn.CrossEntropyLoss()

    def forward(self, embeddings: Tensor, codes: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if self.head is not None:
            return self.loss(self.head(embeddings), codes)
        if self.unit_length:
            embeddings = functional.normalize(embeddings)
        return self.loss(embeddings, codes)


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


_SPREAD = 0.05  # of the margin


def warn_if_collapsed(embeddings: NDArray, margin: float, stage: str) -> None:
    """Warn if embeddings lie at one point, seen from the margin of the triplet loss.

    Parameters
    ----------
    embeddings : ndarray of shape (n_rows, n_dims)
        Embeddings of training rows.
    margin : float
        Margin of the loss.
    stage : str
        What has just ended, for the warning.
    """
    spread = np.linalg.norm(embeddings - embeddings.mean(0), axis=1).mean()
    if spread < _SPREAD * margin:
        warnings.warn(
            f"The embeddings have collapsed after the {stage}: the rows are at a mean distance of "
            f"{spread:.2g} from one point, with margin={margin}. Train longer, use 'batch_all' "
            "instead of 'batch_hard', or a lower lr.",
            ConvergenceWarning,
            stacklevel=7,
        )


def label_codes(y: NDArray, unlabeled: Any) -> tuple[NDArray, NDArray]:
    """Return the classes, and the position of every row's class among them.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels of any type.
    unlabeled : object
        The label that marks a row without label; no mark when None.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The labels but for the mark, sorted.
    codes : ndarray of shape (n_samples,), int64
        Positions; -1 for rows without label.
    """
    check_class_labels(y)
    if unlabeled is None:
        labelled = np.ones(len(y), dtype=bool)
    else:
        # in Python: numpy does not compare strings with numbers
        labelled = np.array([label != unlabeled for label in y.tolist()])
    classes = np.unique(y[labelled])
    codes = np.full(len(y), -1, dtype=np.int64)
    codes[labelled] = encode_labels(y[labelled], classes, "y")
    return classes, codes


def split_rows(
    codes: NDArray, fraction: float | None, groups, seed: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the rows to train on, to validate on, and those without label.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,), int
        Class of every row, -1 without label.
    fraction : float or None
        Share of the labelled rows to validate on.
    groups : array-like of shape (n_samples,) or None
        Group of every row; looked at only where rows are held out. Rows without label of groups
        that are held out are left out.
    seed : int
        Seed of the draw.

    Returns
    -------
    train, valid, others : ndarray of int
        Row indices.
    """
    labelled, others = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    if fraction is None or not len(labelled):
        return labelled, labelled[:0], others
    if groups is not None:
        groups = check_groups(groups, len(codes))
    own = None if groups is None else groups[labelled]
    remedy = "set validation_fraction=None"
    train, valid = validation_split(
        codes[labelled], fraction, own, seed, keep_rare=True, remedy=remedy
    )
    train, valid = labelled[train], labelled[valid]
    if groups is not None:
        others = others[~np.isin(groups[others], groups[valid])]
    return train, valid, others


_ROWS_LOOKED_AT = 1000


class EmbeddingTrainingMixin:
    """Pretrains and trains the net of an embedder, by the embedder's parameters."""

    def _pretrain(self, X, indices: NDArray, X_unlabeled, seed: int) -> TensorNet:
        """Return a net trained to find the two views of a row together."""
        stage = clone(self)
        stage.input_shape_ = self.input_shape_
        stage.callbacks = None
        if self.pretrain_optimizer is not None:
            for name in stage._nested_params("optimizer__"):
                delattr(stage, f"optimizer__{name}")
            stage.optimizer = self.pretrain_optimizer
        stage.lr = self.pretrain_lr or self.lr
        stage.batch_size = self.pretrain_batch_size or self.batch_size
        net = stage._start_embedding(X, self.pretrain, 0, seed)
        net.batch_transform = TwoViews(find_augmentation(self.augment))
        own = self._rows(net, X).select(indices)
        rows = own if X_unlabeled is None else JoinedRows([own, self._rows(net, X_unlabeled)])
        net.run_epochs(rows, self.pretrain_epochs)
        self._check_spread(net, own, self.pretrain, "pretraining")
        return net

    def _train(
        self, X, codes, train, valid, is_rare, seed, start
    ) -> tuple[TensorNet, BestEpoch | None]:
        """Return a net trained on the labelled rows, and what chose its epoch."""
        annealing = None if self.lr_schedule is None else self.max_epochs
        net = self._start_embedding(
            X,
            self.loss,
            len(is_rare),
            seed,
            samples_per_class=self.samples_per_class,
            annealing_epochs=annealing,
        )
        if start is not None:
            net.module_.load_state_dict(start)
        indices = train
        if self.augment is not None and self.augment_rows == "all":
            net.batch_transform = augment_batches(self.augment)
        elif self.augment is not None and self.augment_rows == "rare":
            share = self.n_augment / (self.n_augment + 1)
            change = find_augmentation(self.augment)
            net.batch_transform = ChangeRare(change, torch.from_numpy(is_rare), share)
            indices = np.repeat(train, np.where(is_rare[codes[train]], self.n_augment + 1, 1))
        rows = self._rows(net, X)
        seen, held = rows.select(train), rows.select(valid)
        chooser = None
        if len(valid):
            chooser = BestEpoch(seen, codes[train], held, codes[valid], self._embed)
        net.run_epochs(rows.select(indices, codes[indices]), self.max_epochs, after_epoch=chooser)
        if chooser is not None:
            chooser.restore(net)
        self._check_spread(net, seen, self.loss, "training")
        return net, chooser

    def _start_embedding(self, X, loss: str, n_classes: int, seed: int, **recipe) -> TensorNet:
        return self._start_net(
            X,
            self.embedding_dim,
            EmbeddingCriterion,
            seed,
            criterion__loss=loss,
            criterion__margin=float(self.margin),
            criterion__unit_length=bool(self.normalize),
            criterion__embedding_dim=int(self.embedding_dim),
            criterion__n_classes=n_classes,
            **recipe,
        )

    def _rows(self, net: TensorNet, X) -> Rows:
        return Rows(X, None, self.input_shape_, net.device)

    def _scaled(self, embeddings: NDArray) -> NDArray:
        if not self.normalize:
            return embeddings
        # the squares of such numbers overflow; others are left as they are
        largest = np.abs(embeddings).max(axis=1, keepdims=True)
        embeddings = embeddings / np.where(largest > 1e18, largest, np.float32(1))
        return normalize(embeddings, copy=False)

    def _embed(self, net: TensorNet, rows: Rows) -> NDArray:
        return self._scaled(net.outputs(rows))

    def _check_spread(self, net: TensorNet, rows: Rows, loss: str, stage: str) -> None:
        if loss in TRIPLET_LOSSES and len(rows) > 1:
            indices = rows.indices.cpu().numpy()
            some = rows.select(indices[:: -(-len(indices) // _ROWS_LOOKED_AT)])
            warn_if_collapsed(self._embed(net, some), self.margin, stage)
