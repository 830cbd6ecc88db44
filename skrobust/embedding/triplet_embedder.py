"""Embeddings in which rows of the same class are close together."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize

from ..base.state import fit_context
from ..neural.architectures import ConvNet
from ..neural.augmentation import (
    AUGMENTATIONS,
    RandomAugmentation,
    augment_batches,
    find_augmentation,
)
from ..neural.batches import JoinedRows, Rows
from ..neural.net import BestEpoch, TensorNet
from ..neural.net_estimator import NetEstimator, with_shared_docs
from ..neural.seeding import draw_seed
from ..neural.splits import validation_split
from ..utils.groups import check_groups
from ..utils.sklearn_private import Interval, StrOptions
from ..utils.targets import check_class_labels, encode_labels, require_two_classes
from ..utils.validation import check_none_missing, warn
from .training import (
    TRIPLET_LOSSES,
    EmbeddingCriterion,
    centroid_recall,
    change_rare,
    two_views,
)

_ROWS_LOOKED_AT = 1000
_SPREAD = 0.05  # share of the margin; embeddings nearer to one point than this have collapsed


@with_shared_docs
class TripletEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetEstimator):
    """Learn an embedding in which rows of a class are close together, for classes with few rows.

    A network is trained with a triplet loss on class-balanced batches, after an optional
    contrastive pretraining on rows without labels; ``transform`` returns its outputs. As the next
    step use a :class:`~sklearn.neighbors.NearestCentroid`, best for rare classes, or neighbours,
    which also show similar cases (:func:`~skrobust.retrieve_neighbors`).

    Parameters
    ----------
    module : "auto", type or torch.nn.Module, default="auto"
        The network, as in :class:`~skrobust.NetClassifier`; ``n_outputs`` is `embedding_dim`.
    loss : {"batch_all", "batch_hard", "cross_entropy", "interval"}, default="batch_all"
        The loss; the paper's, "batch_hard", can collapse on hard data. "cross_entropy" and
        "interval", its comparison methods, train the embedding below an auxiliary linear layer.
    cross_entropy_weight : float >= 0, default=0.0
        Add this many times the cross entropy of such a layer to the triplet loss; with
        ``samples_per_class=None`` its logits are adjusted by the class shares.
    margin : float > 0, default=0.2
        Margin of the triplet losses, whose distances are at most 2 if `normalize`, and "interval".
    embedding_dim : int, default=16
        Numbers per embedding.
    normalize : bool, default=True
        Scale every embedding to length one, in the triplet losses and in ``transform``.
    samples_per_class : int or None, default=4
        Batches contain this many rows of each of ``batch_size // samples_per_class`` classes,
        drawn for every batch. None uses the rows in shuffled order, in natural proportions.
    augment : {"affine", "image", "noise", "spectrum"}, callable or None, default="affine"
        How rows are changed at random, as in :class:`~skrobust.NetClassifier`, for training and
        for the two views of a row in the pretraining.
    augment_rows : {"all", "rare"} or None, default="all"
        Which rows are changed in training. "rare" adds changed copies of rows of rare classes.
        None changes rows in the pretraining only.
    rare_threshold : float in [0, 1], default=0.01
        A class is rare if its share of the labelled training rows is at most this.
    n_augment : int, default=5
        Number of changed copies of each rare row, drawn again in every epoch.
    pretrain : {"batch_all", "batch_hard", "nt_xent"} or None, default=None
        Loss of the contrastive pretraining: the two views of a row should be close together,
        all others apart. It uses all rows of X, and ``X_unlabeled``.
    pretrain_epochs : int, default=20
        Passes over the rows in the pretraining; `callbacks` are for the training only.
    pretrain_batch_size, pretrain_optimizer, pretrain_lr : int, type and float, default=None
        For the pretraining in place of `batch_size` (counted before rows are doubled), `optimizer`
        (then with its default settings) and `lr`.
    unlabeled : object, default=-1
        The label that marks a row without label; None if every label is a class.
    validation_fraction : float in (0, 0.5], default=None
        Share of the labelled rows, or whole groups, to hold out; a class with one row or group
        stays in training. The weights of the epoch are kept in which these rows have the best macro
        recall of the nearest class centroid. None keeps the last weights.
    max_epochs : int, default=100
        Passes over the labelled rows.
    lr : float, default=0.003
        Learning rate, at the start of the training if `lr_schedule` is set.
    lr_schedule : "cosine" or None, default="cosine"
        "cosine" lowers the learning rate of the training to zero along half a cosine. None keeps
        it constant; put other schedules into `callbacks`.
    <shared parameters>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels that the embedding was trained on; none after pretraining alone.
    rare_classes_ : ndarray
        The rare ones among them.
    best_epoch_ : int
        Epoch whose weights were kept, from 1; the last one without `validation_fraction`.
    validation_indices_ : ndarray of int
        The rows of X that were held out; empty without `validation_fraction`.
    pretrain_losses_ : ndarray of shape (n_epochs,)
        Loss of every epoch of the pretraining; empty without.
    history_ : skorch.history.History
        Losses and times per epoch, with `validation_fraction` also ``valid_macro_recall``.
    paper_params : dict
        Class attribute: the settings of the paper, with an encoder of 6.9 million weights for
        volumes of 12 x 128 x 128. It gives neither the layers, the learning rates nor `n_augment`.
    <shared attributes>

    Notes
    -----
    If y has no labels, only the pretraining is done. A class with a single row is used for
    training too: copies of the row, changed by `augment`, are each other's positives. If all
    embeddings collapse to one point, there is a :class:`~sklearn.exceptions.ConvergenceWarning`.

    References
    ----------
    T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification", 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import NearestCentroid
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrobust import TripletEmbedder
    >>> X, y = load_digits(return_X_y=True)
    >>> embedder = TripletEmbedder(input_shape=(1, 8, 8), max_epochs=3, random_state=0)
    >>> pipe = make_pipeline(embedder, NearestCentroid()).fit(X[:900], y[:900])
    >>> pipe.score(X[900:], y[900:]) > 0.8
    True
    """

    __metadata_request__fit = {"groups": True, "X_unlabeled": True}

    _parameter_constraints: dict = {
        **NetEstimator._parameter_constraints,
        "loss": [StrOptions({*TRIPLET_LOSSES, "cross_entropy", "interval"})],
        "cross_entropy_weight": [Interval(Real, 0, None, closed="left")],
        "margin": [Interval(Real, 0, None, closed="neither")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
        "samples_per_class": [Interval(Integral, 1, None, closed="left"), None],
        "augment": [StrOptions(set(AUGMENTATIONS)), callable, None],
        "augment_rows": [StrOptions({"all", "rare"}), None],
        "rare_threshold": [Interval(Real, 0, 1, closed="both")],
        "n_augment": [Interval(Integral, 0, None, closed="left")],
        "pretrain": [StrOptions({*TRIPLET_LOSSES, "nt_xent"}), None],
        "pretrain_epochs": [Interval(Integral, 1, None, closed="left")],
        "pretrain_batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "pretrain_optimizer": [callable, None],
        "pretrain_lr": [Interval(Real, 0, None, closed="neither"), None],
        "lr_schedule": [StrOptions({"cosine"}), None],
        "unlabeled": "no_validation",
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right"), None],
    }

    paper_params = {
        "module": ConvNet,
        "module__width": 64,
        "module__multipliers": (1, 2, 2, 4, 4, 8),
        "module__hidden": 128,
        "loss": "batch_hard",
        "margin": 1.0,
        "embedding_dim": 6,
        "samples_per_class": None,
        "augment": RandomAugmentation(**RandomAugmentation.paper_params),
        "augment_rows": "rare",
        "rare_threshold": 0.01,
        "pretrain": "batch_hard",
        "pretrain_epochs": 20,
        "pretrain_batch_size": 15,
        "pretrain_optimizer": torch.optim.SGD,
        "validation_fraction": 0.125,
        "max_epochs": 400,
        "batch_size": 30,
        "lr_schedule": None,
    }

    def __init__(
        self,
        module="auto",
        *,
        loss="batch_all",
        cross_entropy_weight=0.0,
        margin=0.2,
        embedding_dim=16,
        normalize=True,
        samples_per_class=4,
        augment="affine",
        augment_rows="all",
        rare_threshold=0.01,
        n_augment=5,
        pretrain=None,
        pretrain_epochs=20,
        pretrain_batch_size=None,
        pretrain_optimizer=None,
        pretrain_lr=None,
        unlabeled=-1,
        validation_fraction=None,
        max_epochs=100,
        lr=3e-3,
        lr_schedule="cosine",
        batch_size=32,
        optimizer=torch.optim.Adam,
        input_shape=None,
        precision="float32",
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
        **kwargs,
    ):
        self._keep_params(locals())

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        X_unlabeled: ArrayLike | None = None,
    ) -> TripletEmbedder:
        """Train a new network, and return the embedder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows. A memory-mapped array is read batch by batch.
        y : array-like of shape (n_samples,), default=None
            Labels of any type; `unlabeled` marks rows without. None: no row has a label.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row, so that `validation_fraction` holds out whole groups.
        X_unlabeled : array-like of shape (n_unlabeled, ...), default=None
            More rows for the pretraining. In a cross-validation mark rows of X as `unlabeled`
            instead: scikit-learn cuts an X_unlabeled that has as many rows as X.

        Raises
        ------
        ValueError
            If the input is malformed, there are no labels and no pretraining, there is one
            class only, or parameters exclude each other.
        """
        self._check_choices()
        X, classes, codes = self._check_labels(X, y)
        if groups is not None:
            check_none_missing(groups, "groups", "group")
        if X_unlabeled is not None:
            X_unlabeled = self._check_X(X_unlabeled, reset=False)
        seed = draw_seed(self.random_state)
        train, valid, others = self._split(codes, groups, y, seed)
        shares = np.bincount(codes[train], minlength=len(classes)) / max(len(train), 1)
        is_rare = shares <= self.rare_threshold
        net, losses, chooser = None, np.empty(0), None
        if self.pretrain is not None:
            net = self._pretrain(X, np.concatenate([train, others]), X_unlabeled, seed)
            losses = np.array(net.history[:, "train_loss"])
        if len(train):
            start = None if net is None else net.module_.state_dict()
            net, chooser = self._train(X, codes, train, valid, is_rare, seed, start)
        self.net_, self.pretrain_losses_ = net, losses
        self.classes_, self.rare_classes_ = classes, classes[is_rare]
        self.validation_indices_ = valid
        self._n_features_out = self.embedding_dim
        self.best_epoch_ = len(net.history) if chooser is None else chooser.epoch
        return self

    def transform(self, X: ArrayLike) -> NDArray:
        """Return the embeddings.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, embedding_dim), float32
            Of length one if `normalize`.
        """
        return self._scaled(self._outputs(X))

    def _check_choices(self) -> None:
        if self.pretrain is not None and self.augment is None:
            raise ValueError(
                f"pretrain={self.pretrain!r} compares two changed views of every row, but augment "
                "is None. Set augment, with augment_rows=None to leave the training rows as "
                "they are."
            )
        if self.cross_entropy_weight and self.loss not in TRIPLET_LOSSES:
            raise ValueError(
                f"cross_entropy_weight={self.cross_entropy_weight} is added to a triplet loss, but "
                f"loss={self.loss!r}. Set it to 0, or use loss='batch_all'."
            )
        # from batches of one class a triplet loss learns nothing
        classes_needed = 2 if self.loss in TRIPLET_LOSSES else 1
        needed = classes_needed * (self.samples_per_class or 1)
        if self.samples_per_class is not None and self.batch_size < needed:
            raise ValueError(
                f"batch_size={self.batch_size} with samples_per_class={self.samples_per_class} "
                f"does not hold the rows of {classes_needed} classes, which loss={self.loss!r} "
                f"needs. Set batch_size to at least {needed}."
            )

    def _check_labels(self, X, y) -> tuple[NDArray, NDArray, NDArray]:
        """Return X, the classes, and the code of every row, -1 without label."""
        if y is None:
            X = self._check_X(X, reset=True)
            classes, codes = np.empty(0, dtype=int), np.full(len(X), -1, dtype=np.int64)
        else:
            X, y = self._check_X(X, check_class_labels(y), reset=True)
            # in Python, since numpy does not compare strings with numbers
            given = [self.unlabeled is None or label != self.unlabeled for label in y.tolist()]
            labelled = np.array(given)
            classes, codes = np.unique(y[labelled]), np.full(len(y), -1, dtype=np.int64)
            codes[labelled] = encode_labels(y[labelled], classes, "y")
        if len(classes) == 0 and self.pretrain is None:
            raise ValueError(
                "TripletEmbedder requires y to be passed, but the target y is None or unlabeled "
                f"({self.unlabeled!r}) everywhere. Give labels, or set pretrain."
            )
        require_two_classes(classes, self)
        return X, classes, codes

    def _split(self, codes, groups, y, seed) -> tuple[NDArray, NDArray, NDArray]:
        """Return the training rows, the validation rows, and the unlabelled rows."""
        labelled, others = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
        if self.validation_fraction is None or not len(labelled):
            return labelled, labelled[:0], others
        groups = None if groups is None else check_groups(groups, len(codes), y)
        of_labelled = None if groups is None else groups[labelled]
        how = {"keep_rare": True, "remedy": "set validation_fraction=None"}
        train, valid = validation_split(
            codes[labelled], self.validation_fraction, of_labelled, seed, **how
        )
        train, valid = labelled[train], labelled[valid]
        if groups is not None:  # unlabelled rows of a held-out patient would leak
            others = others[~np.isin(groups[others], groups[valid])]
        return train, valid, others

    def _pretrain(self, X, indices: NDArray, X_unlabeled, seed: int) -> TensorNet:
        """Return a net trained to map the two views of a row close together."""
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
        net.batch_transform = two_views(find_augmentation(self.augment))
        own = net.get_dataset(X).select(indices)
        rows = own if X_unlabeled is None else JoinedRows([own, net.get_dataset(X_unlabeled)])
        net.run_epochs(rows, self.pretrain_epochs)
        self._check_spread(net, own, self.pretrain, "pretraining")
        return net

    def _train(
        self, X, codes, train, valid, is_rare, seed, start
    ) -> tuple[TensorNet, BestEpoch | None]:
        """Return a net trained on the labelled rows, and the object that chose its epoch."""
        shares = None
        if self.cross_entropy_weight and self.samples_per_class is None:
            shares = np.bincount(codes[train], minlength=len(is_rare)) / len(train)
        recipe = {
            "criterion__cross_entropy_weight": float(self.cross_entropy_weight),
            "criterion__shares": None if shares is None else shares.tolist(),
            "samples_per_class": self.samples_per_class,
            "annealing_epochs": None if self.lr_schedule is None else self.max_epochs,
        }
        net = self._start_embedding(X, self.loss, len(is_rare), seed, **recipe)
        if start is not None:
            net.module_.load_state_dict(start)
        indices = train
        if self.augment_rows == "all":
            net.batch_transform = augment_batches(self.augment)
        elif self.augment is not None and self.augment_rows == "rare":
            n_copies, change = self.n_augment + 1, find_augmentation(self.augment)
            share = self.n_augment / n_copies
            net.batch_transform = change_rare(change, torch.from_numpy(is_rare), share)
            indices = np.repeat(train, np.where(is_rare[codes[train]], n_copies, 1))
        rows = net.get_dataset(X)
        seen, chooser = rows.select(train), None
        if len(valid):
            held = rows.select(valid)

            def score(net: TensorNet) -> float:
                embedded = self._embed(net, seen), codes[train], self._embed(net, held)
                recall = centroid_recall(*embedded, codes[valid])
                net.record_score("valid_macro_recall", recall, lower_is_better=False)
                return recall

            chooser = BestEpoch(score)
        net.run_epochs(rows.select(indices, codes[indices]), self.max_epochs, after_epoch=chooser)
        if chooser is not None:
            net.module_.load_state_dict(chooser.state)
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

    def _embed(self, net: TensorNet, rows: Rows) -> NDArray:
        return self._scaled(net.outputs(rows))

    def _scaled(self, embeddings: NDArray) -> NDArray:
        if not self.normalize:
            return embeddings
        # the squares of such numbers overflow; others are left as they are
        largest = np.abs(embeddings).max(axis=1, keepdims=True)
        embeddings = embeddings / np.where(largest > 1e18, largest, np.float32(1))
        return normalize(embeddings, copy=False)

    def _check_spread(self, net: TensorNet, rows: Rows, loss: str, stage: str) -> None:
        """Warn if embeddings lie at one point, relative to the margin of the triplet loss."""
        if loss not in TRIPLET_LOSSES or len(rows) < 2:
            return
        indices = rows.indices.cpu().numpy()
        some = rows.select(indices[:: -(-len(indices) // _ROWS_LOOKED_AT)])
        embeddings = self._embed(net, some)
        spread = np.linalg.norm(embeddings - embeddings.mean(0), axis=1).mean()
        if spread < _SPREAD * self.margin:
            warn(
                f"The embeddings have collapsed after the {stage}: the rows are at a mean distance "
                f"of {spread:.2g} from one point, with margin={self.margin}. Train longer, use "
                "'batch_all' instead of 'batch_hard', or a lower lr.",
                ConvergenceWarning,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.pretrain is None
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
