"""The two trainings behind an embedding: contrastive, and with labels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.preprocessing import normalize

from ..networks.random_augmentation import augment_batches, find_augmentation
from ..training import JoinedRows, Rows, TensorNet
from .best_epoch import BestEpoch
from .collapse import warn_if_collapsed
from .embedding_batches import ChangeRare, TwoViews
from .embedding_criterion import TRIPLET_LOSSES, EmbeddingCriterion

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
