"""The plain network as a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..base.state import fit_context
from ..utils.groups import check_groups
from ..utils.sklearn_private import (
    Interval,
    StrOptions,
    check_partial_fit_first_call,
    check_sample_weight,
)
from ..utils.targets import (
    check_class_labels,
    check_soft_labels,
    class_factors,
    encode_labels,
    is_soft_labels,
    one_hot,
    require_two_classes,
    weigh,
)
from ..utils.validation import check_finite_rows, check_none_missing, check_number
from .architectures import MLP, ResNet1d
from .augmentation import AUGMENTATIONS, augment_batches
from .batches import Rows
from .class_activation import class_activation, has_activation_maps
from .mixup import DEFAULT_ALPHA, BatchMixup
from .net import BestEpoch, TensorNet, asks_for_validation
from .net_estimator import FUSED, NetEstimator, with_shared_docs
from .seeding import draw_seed, torch_defaults
from .side_by_side import train_side_by_side
from .splits import validation_split


class LogitAdjustedLoss(nn.Module):
    r"""Cross entropy after adding the logarithm of the class shares to the scores.

    .. math::

        L = \frac{1}{B} \sum_i - \log \mathrm{softmax}(z_i + \tau \log \pi)_{y_i}

    with the scores :math:`z_i` and the share :math:`\pi_c` of every class among the training rows.
    The scores alone, without the shift, then do not favour frequent classes: with
    :math:`\tau = 1` they are those for equally frequent classes. This is equation 10 of the paper
    of :class:`~skrobust.LogitAdjustedClassifier`.

    Parameters
    ----------
    shares : sequence of float
        :math:`\pi`, one per class, not negative. A share of zero counts as one millionth.
    tau : float, default=1.0
        Strength of the shift, not negative; 0 is the cross entropy.

    Examples
    --------
    >>> import torch
    >>> from skrobust.neural import LogitAdjustedLoss
    >>> scores, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    >>> LogitAdjustedLoss([0.9, 0.1])(scores, labels)  # -(log 0.9 + log 0.1) / 2
    tensor(1.2040)
    """

    def __init__(self, shares: Sequence[float], tau: float = 1.0) -> None:
        super().__init__()
        self.tau = check_number("tau", tau, zero=True)
        values = torch.tensor([check_number("shares", share, zero=True) for share in shares])
        self.register_buffer("shift", self.tau * values.clamp(min=1e-6).log(), persistent=False)

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the loss of scores (n_rows, n_classes) with column numbers or soft labels."""
        return cross_entropy(scores + self.shift, target)

    def extra_repr(self) -> str:
        """Name the strength."""
        return f"tau={self.tau}"


class ClassifierNet(ClassifierMixin, TensorNet):
    """A net that scorers of callbacks treat as a classifier of the class codes 0, 1, 2 ..."""

    # divisor of the entries of soft targets, before the largest one determines the class
    class_factors_ = None

    @property
    def classes_(self) -> NDArray:
        """The class codes."""
        return np.arange(self.n_outputs)

    def shown_target(self, y: Tensor) -> Tensor:
        """Return the class codes of targets."""
        if y.ndim == 1:
            return y
        if self.class_factors_ is not None:
            factors = torch.as_tensor(self.class_factors_, dtype=y.dtype, device=y.device)
            y = torch.where(factors > 0, y / factors, 0)
        return y.argmax(1)

    def predict_proba(self, X) -> NDArray:
        """Return class probabilities."""
        with torch_defaults():
            scores = torch.cat(list(self.forward_iter(X))).detach().float().cpu()
            return softmax(scores.numpy(), axis=1)

    def predict(self, X) -> NDArray:
        """Return class codes."""
        return self.predict_proba(X).argmax(1)


def _as_mass(target: NDArray, classes: NDArray) -> NDArray:
    """Return soft labels for class codes; soft labels as they are."""
    return one_hot(target, len(classes)) if target.ndim == 1 else target


@with_shared_docs
class NetClassifier(ClassifierMixin, NetEstimator):
    """Neural network classifier for signals, images, volumes and tables.

    Parameters
    ----------
    module : "auto", type or torch.nn.Module, default="auto"
        The network. "auto" is the small one that :func:`~skrobust.neural.auto_module` chooses for
        rows of this shape. A class is called with ``module__*`` and, where it takes them,
        ``input_shape`` and ``n_outputs`` (the number of classes); it must return one score per
        class, without softmax. An instance is copied, and trained from its present weights.
    max_epochs : int, default=50
        Passes over the training rows in `fit`.
    lr : float, default=0.001
        Learning rate.
    class_weight : dict or "balanced", default=None
        Weights of the classes, as in scikit-learn.
    balanced_batches : bool, default=False
        Draw the rows of every batch so that all classes are equally likely, hence rows of a rare
        class more often. The number of batches in an epoch does not change.
    logit_adjustment : float >= 0, default=None
        In training, add this number times the logarithm of the class shares to the outputs, which
        alone then do not favour frequent classes; theory suggests 1. Use only one of this,
        `class_weight` and `balanced_batches`.
    augment : {"affine", "image", "noise", "spectrum"}, callable or None, default=None
        Change every training batch at random. "affine" rotates images and volumes (up to 15
        degrees), scales and shifts (up to 10%), "image" also changes grey values, blurs and adds
        noise, "spectrum" changes gain, baseline, position and width of lines and adds noise,
        "noise" adds Gaussian noise (10% of the row's standard deviation), also to tables. Others:
        :class:`~skrobust.RandomAugmentation`, :class:`~skrobust.SpectrumAugmentation`, or any
        callable from a batch to a batch.
    mixup : {"input", "manifold"} or None, default=None
        Train on mixtures of two rows of a batch and of their targets: "input" mixes the rows (after
        `augment`), "manifold" the rows or the input of a random top-level part of the network.
    mixup_alpha : float >= 0.01, default=None
        The partner's share is drawn from Beta(mixup_alpha, mixup_alpha), once per batch: small
        values hardly mix, large ones in halves. None is 0.2 for "input", 2 for "manifold".
    early_stopping : bool, default=False
        Hold out some rows, stop when their loss has not become lower for `n_iter_no_change`
        epochs, and return to the weights of the epoch where it was lowest. If False, rows are
        held out only if one of `callbacks` uses scores of validation rows.
    validation_fraction : float in (0, 0.5], default=0.1
        Approximate share of the training rows to hold out: whole groups if groups are given,
        stratified rows otherwise. Ignored if no row is held out, and with X_val.
    n_iter_no_change : int, default=10
        Epochs without a lower validation loss after which `early_stopping` stops.
    n_members : int, default=1
        Number of networks, which differ in their seed, and in the rows held out by
        `early_stopping`; predicted probabilities are the mean over them. Often gains more than any
        other choice here. Those of an :class:`~skrobust.neural.MLP` with Adam, AdamW or SGD in
        float32 are trained in one loop, 5 in about twice the time of one, unless there are
        `callbacks`, validation rows, `augment`, `mixup` or `verbose`.
    n_jobs : int, default=None
        Number of networks trained at a time where they are not trained in one loop.
    <shared parameters>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    members_ : list of NetClassifier
        The networks, if `n_members` is above 1, with their seeds as ``random_state``; `net_` and
        `history_` are then theirs.
    history_ : skorch.history.History
        Losses and times per epoch.
    paper_params : dict
        Class attribute: the network and training of the paper [1]_, which does not give its number
        of epochs; here it is 20.
    <shared attributes>

    Notes
    -----
    Targets may be soft labels, a DataFrame with one column per class, or a float array; the sum of
    a row is its weight. The loss is their cross entropy, divided by the mean row sum, so that
    weight k counts like k copies of a row. Rows without weight are left out.

    References
    ----------
    .. [1] D. Lu et al., "Human-expert-level brain tumor detection using deep learning with data
       distillation and augmentation", 2020, section 4.3 and Table 1.
    .. [2] B. Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using
       deep ensembles", NeurIPS 2017 (`n_members`).
    .. [3] H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018; V. Verma et
       al., "Manifold mixup: better representations by interpolating hidden states", ICML 2019.

    Examples
    --------
    >>> from skrobust import NetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=8, random_state=0, return_X_y_groups=True)
    >>> clf = NetClassifier(max_epochs=3, module__width=4, random_state=0).fit(X, y)
    >>> clf.predict_proba(X[:2]).shape
    (2, 2)
    """

    _net_class = ClassifierNet
    __metadata_request__fit = {"groups": True, "X_val": True, "y_val": True}

    _parameter_constraints: dict = {
        **NetEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "balanced_batches": ["boolean"],
        "logit_adjustment": [Interval(Real, 0, None, closed="left"), None],
        "augment": [StrOptions(set(AUGMENTATIONS)), callable, None],
        "mixup": [StrOptions(set(DEFAULT_ALPHA)), None],
        "mixup_alpha": [Interval(Real, 0.01, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    paper_params = {
        "module": ResNet1d,
        "module__width": 16,
        "module__n_blocks": 8,
        "module__kernel_size": 32,
        "module__dropout": 0.55,
        "lr": 1e-3,
        "batch_size": 32,
        "max_epochs": 20,
    }

    def __init__(
        self,
        module="auto",
        *,
        max_epochs=50,
        lr=1e-3,
        batch_size=32,
        optimizer=torch.optim.Adam,
        input_shape=None,
        class_weight=None,
        balanced_batches=False,
        logit_adjustment=None,
        augment=None,
        mixup=None,
        mixup_alpha=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        n_members=1,
        n_jobs=None,
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
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> NetClassifier:
        """Train a new network, and return the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows. A memory-mapped array is read in batches.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of any type, or soft labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row: no group is both in training and held out.
        X_val, y_val : array-like, default=None
            Validation rows and labels, instead of rows that are held out; without
            `early_stopping` their loss is only recorded. Inside a cross-validation prefer
            held-out rows: scikit-learn cuts an X_val that has as many rows as X to the fold.

        Raises
        ------
        ValueError
            If the input is malformed, there is only one class, or the network does not fit it.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together, but only one of them was given.")
        validation = {"groups": groups, "X_val": X_val, "y_val": y_val}
        if self.n_members > 1:
            return self._fit_members(X, y, sample_weight, validation)
        net, classes, rows, valid = self._start_fit(X, y, sample_weight, **validation)
        best = None
        if self.early_stopping:
            best = BestEpoch(lambda net: -net.history[-1]["valid_loss"], self.n_iter_no_change)
        net.run_epochs(rows, self.max_epochs, valid, best)
        if best is not None:
            net.module_.load_state_dict(best.state)
        vars(self).pop("members_", None)  # of an earlier fit
        self.classes_, self.net_ = classes, net
        return self

    def _start_fit(self, X, y, sample_weight, groups, X_val, y_val):
        """Return a new net, the classes, training rows, and validation rows or None."""
        given_y = y
        X, classes, target = self._check_targets(X, y, sample_weight)
        if groups is not None:
            check_none_missing(groups, "groups", "group")
        seed = draw_seed(self.random_state)
        train = held = None
        if X_val is None and (self.early_stopping or asks_for_validation(self.callbacks)):
            groups = None if groups is None else check_groups(groups, len(X), given_y)
            labels = target if target.ndim == 1 else target.argmax(1)
            train, held = validation_split(labels, self.validation_fraction, groups, seed)
        own = target if train is None else target[train]
        net = self._start_classifier(X, own, classes, seed)
        every, valid = net.get_dataset(X), None
        if X_val is not None:
            X_val = self._check_X(X_val, reset=False)
            codes = self._encode(y_val, classes, len(X_val), "y_val")
            valid = self._rows(net, X_val, self._weigh(net, codes, classes))
        elif held is not None:
            valid = self._rows(net, every, self._weigh(net, target[held], classes), held)
        return net, classes, self._rows(net, every, self._weigh(net, own, classes), train), valid

    def _fit_members(self, X, y, sample_weight, validation: dict) -> NetClassifier:
        """Train networks that differ in their seed."""
        classes = self._check_targets(X, y, sample_weight)[1]
        rng = check_random_state(self.random_state)
        members = [clone(self).set_params(n_members=1, n_jobs=None) for _ in range(self.n_members)]
        for member in members:
            member.random_state = draw_seed(rng)
        if self._trains_side_by_side(validation["X_val"]):
            parts = [member._start_fit(X, y, sample_weight, **validation) for member in members]
            nets = [net for net, *_ in parts]
            train_side_by_side(nets, [rows for _, _, rows, _ in parts], self.max_epochs)
            for member, net in zip(members, nets, strict=True):
                member.classes_, member.net_ = classes, net
        else:
            members = Parallel(n_jobs=self.n_jobs)(
                delayed(member.fit)(X, y, sample_weight, **validation) for member in members
            )
        vars(self).pop("net_", None)  # of an earlier fit
        self.classes_, self.members_ = classes, members
        return self

    def _trains_side_by_side(self, X_val) -> bool:
        """Tell whether one loop can train all members and do for each what its own `fit` does."""
        module = self._automatic_module()[0] if isinstance(self.module, str) else self.module
        return (
            type(self) is NetClassifier
            and module is MLP
            and self.optimizer in FUSED
            and self.precision == "float32"
            and self.augment is None
            and self.mixup is None
            and not (self.early_stopping or self.callbacks or self.verbose or X_val is not None)
        )

    def _has_one_member(self) -> bool:
        """Raise for several networks: partial_fit is then missing, as scikit-learn expects."""
        if self.n_members > 1:
            raise AttributeError(
                f"partial_fit trains one network, but n_members={self.n_members}. Use fit, or set "
                "n_members=1."
            )
        return True

    @available_if(_has_one_member)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NetClassifier:
        """Train for one epoch, from the present weights, and return the classifier.

        Available with ``n_members=1`` only.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As for `fit`; the weights are relative to each other within this call.
        classes : array-like of shape (n_classes,), default=None
            All class labels; needed at the first call, except with soft labels.

        Raises
        ------
        ValueError
            If `classes` is missing at the first call, labels are unknown, or
            ``class_weight="balanced"``, `logit_adjustment` or `early_stopping` is set.
        """
        if self.early_stopping:
            raise ValueError(
                "early_stopping does not work with partial_fit, which trains for one epoch. Use "
                "fit, or set early_stopping=False."
            )
        if self.class_weight == "balanced" or self.logit_adjustment:
            name = "logit_adjustment" if self.logit_adjustment else "class_weight='balanced'"
            raise ValueError(
                f"{name} does not work with partial_fit: the class shares of all rows are not "
                "known. Use fit, or class_weight as a dict, which "
                "sklearn.utils.compute_class_weight computes."
            )
        first = not hasattr(self, "net_")
        if first and vars(self).pop("members_", None):  # of an earlier fit
            del self.classes_
        if classes is None and first and is_soft_labels(y):
            classes = check_soft_labels(y)[1]
        check_partial_fit_first_call(self, classes)
        classes = self.classes_
        X, _, target = self._check_targets(X, y, sample_weight, classes, reset=first)
        net = self._start_classifier(X, target, classes) if first else self.net_
        net.class_factors_ = self._factors(target, classes)  # parameters may have changed
        self.net_ = net.run_epochs(self._rows(net, X, self._weigh(net, target, classes)), 1)
        return self

    def _check_targets(self, X, y, sample_weight, classes=None, *, reset=True):
        """Return X, the classes, and class codes or (for weights and soft labels) soft labels."""
        if is_soft_labels(y):
            X = self._check_X(X, reset=reset)
            classes = check_soft_labels(y)[1] if classes is None else classes
        else:
            if y is not None:  # before masked labels count as their values
                check_class_labels(y)
            X, y = self._check_X(X, y, reset=reset)
            classes = np.unique(y) if classes is None else classes
        target = self._encode(y, classes, len(X), "y")
        require_two_classes(classes, self)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return X, classes, weigh(target, classes, sample_weight, None)

    def _encode(self, y, classes: NDArray, n_samples: int, name: str) -> NDArray:
        """Return the class codes of labels, or soft labels with one column per class."""
        if not is_soft_labels(y):
            return encode_labels(column_or_1d(check_class_labels(y)), classes, name)
        given, columns = check_soft_labels(y, n_samples)
        if hasattr(y, "columns"):
            mass = np.zeros((len(given), len(classes)))
            mass[:, encode_labels(columns, classes, f"the columns of {name}")] = given
            return mass
        if len(classes) != given.shape[1]:
            raise ValueError(
                f"{name} has {given.shape[1]} columns of soft labels, but there are {len(classes)} "
                f"classes: {classes}."
            )
        return given

    def _start_classifier(
        self, X: NDArray, target: NDArray, classes: NDArray, seed: int | None = None
    ) -> TensorNet:
        """Build the net, with the loss and the batches that the parameters ask for."""
        recipe = {"samples_per_class": 1 if self.balanced_batches else None}
        factors, loss = self._factors(target, classes), nn.CrossEntropyLoss
        if self.logit_adjustment:
            mass = _as_mass(target, classes)
            shares = (mass if factors is None else mass * factors).sum(0)
            loss = LogitAdjustedLoss
            loss = LogitAdjustedLoss
            recipe["criterion__shares"] = (shares / shares.sum()).tolist()
            recipe["criterion__tau"] = self.logit_adjustment
        net = self._start_net(X, len(classes), loss, seed, **recipe)
        net.class_factors_ = factors
        return net

    def _factors(self, target: NDArray, classes: NDArray) -> NDArray | None:
        """Return the weights of the classes on these rows, if there are any."""
        if self.class_weight is None:
            return None
        return class_factors(_as_mass(target, classes), classes, self.class_weight)

    def _weigh(self, net: TensorNet, target: NDArray, classes: NDArray) -> NDArray:
        """Return targets times the factors of the classes."""
        factors = net.class_factors_
        return target if factors is None else _as_mass(target, classes) * factors

    def _rows(
        self, net: TensorNet, X: NDArray | Rows, target: NDArray, indices: NDArray | None = None
    ) -> Rows:
        """Return (some) rows that have weight, with targets; soft ones get a mean weight of 1."""
        rows = net.get_dataset(X)
        if target.ndim == 2:
            has_weight = target.sum(1) > 0
            if not has_weight.any():
                raise ValueError("all rows have a weight of zero: nothing to learn.")
            if not has_weight.all():
                target = target[has_weight]
                chosen = np.arange(len(rows)) if indices is None else indices
                indices = chosen[has_weight]
            target = (target / target.sum(1).mean()).astype(np.float32)
        return rows.select(indices, target)

    def _batch_transform(self):
        augment = augment_batches(self.augment)
        return augment if self.mixup is None else BatchMixup(self.mixup, self.mixup_alpha, augment)

    def _outputs(self, X: ArrayLike) -> NDArray:
        """Return scores per class; of several networks the logarithm of the mean probabilities."""
        check_is_fitted(self)
        if not hasattr(self, "members_"):
            return super()._outputs(X)
        with np.errstate(over="ignore"):  # probabilities of zero
            scores = [log_softmax(member._outputs(X), axis=1) for member in self.members_]
        return logsumexp(scores, axis=0) - np.float32(np.log(len(scores)))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "members_") or super().__sklearn_is_fitted__()

    @property
    def history_(self):
        """Losses and times per epoch, skorch's :class:`~skorch.history.History`."""
        if hasattr(self, "members_"):
            raise AttributeError(
                f"n_members={len(self.members_)}: every network has its own history, "
                "members_[i].history_."
            )
        return super().history_

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float32
            Softmax of the network's outputs, or its mean over the networks; columns as in
            `classes_`.
        """
        with np.errstate(over="ignore"):  # differences beyond float32 are probabilities of zero
            return softmax(self._outputs(X), axis=1)

    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return the network's outputs before the softmax.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores per class; for two classes the second minus the first. With `n_members` above 1
            the logarithms of the mean probabilities.
        """
        outputs = self._outputs(X)
        if outputs.shape[1] != 2:
            return outputs
        with np.errstate(over="ignore"):  # checked instead
            return check_finite_rows(outputs[:, 1] - outputs[:, 0], "the decision scores")

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class of every row."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(1)]

    def class_activation_map(
        self, X: ArrayLike, target: ArrayLike | None = None, *, fine: bool = False
    ) -> NDArray:
        """Return how much every position supports a class (section 4.4 of the paper).

        It is the sum of the last feature maps, weighted by the linear layer's weights for the
        class, interpolated linearly to the size of the input; of several networks the mean.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.
        target : array-like of shape (n_samples,), default=None
            Class label to explain for every row; by default the predicted one.
        fine : bool, default=False
            Use the last layer that keeps half of the resolution: LayerCAM [1]_, the sum of all that
            raises the log odds of the class, above the median of the map. Never negative.

        Returns
        -------
        maps : ndarray of shape (n_samples, *spatial), float32
            Class activation maps.

        Raises
        ------
        ValueError
            If the network does not end in global average pooling and one linear layer, or a
            `target` is unknown.

        References
        ----------
        .. [1] P.-T. Jiang et al., "LayerCAM: exploring hierarchical class activation maps for
           localization", IEEE Transactions on Image Processing 30, 2021.
        """
        check_is_fitted(self)
        target = self.predict(X) if target is None else target
        if hasattr(self, "members_"):
            maps = [m.class_activation_map(X, target, fine=fine) for m in self.members_]
            return np.mean(maps, axis=0)
        module = self.net_.module_
        if not has_activation_maps(module):
            raise ValueError(
                f"{type(module).__name__} has no class activation maps: they need feature_maps() "
                "and a PooledHead, as ResNet1d and ConvNet have."
            )
        X = self._check_X(X, reset=False)
        codes = encode_labels(column_or_1d(target), self.classes_, "target")
        check_consistent_length(X, codes)
        size = self.input_shape_[1:] or self.input_shape_
        module.eval()
        with torch_defaults(), torch.no_grad():
            batches = self.net_.get_iterator(self.net_.get_dataset(X, codes))
            maps = [class_activation(module, x, chosen, size, fine).cpu() for x, chosen in batches]
        return torch.cat(maps).numpy()
