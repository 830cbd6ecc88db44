"""The plain network as a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..base.state import fit_context
from ..utils.sklearn_private import (
    Interval,
    StrOptions,
    check_partial_fit_first_call,
    check_sample_weight,
)
from ..utils.targets import (
    check_class_labels,
    check_soft_labels,
    encode_labels,
    is_soft_labels,
    weigh,
)
from ..utils.validation import check_finite_rows, check_number
from .architectures import ResNet1d
from .augmentation import AUGMENTATIONS, augment_batches
from .batches import Rows
from .class_activation import ActivationMapsMixin
from .mixup import DEFAULT_ALPHA, BatchMixup
from .net import TensorNet
from .net_estimator import NetEstimator
from .splits import validation_split


class LogitAdjustedLoss(nn.Module):
    r"""Cross entropy after adding the logarithm of the class shares to the scores.

    .. math::

        L = \frac{1}{B} \sum_i - \log \mathrm{softmax}(z_i + \tau \log \pi)_{y_i}

    with the scores :math:`z_i` and the share :math:`\pi_c` of every class among the training rows.
    Trained so, the scores alone, without the shift, favour no class for being frequent: with
    :math:`\tau = 1` they are those of equally frequent classes.

    Parameters
    ----------
    shares : sequence of float
        :math:`\pi`, one per class, not negative. A share of zero counts as one millionth.
    tau : float, default=1.0
        Strength of the shift, not negative; 0 is the cross entropy.

    References
    ----------
    A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10.

    Examples
    --------
    >>> import torch
    >>> from skrobust import LogitAdjustedLoss
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
        """Return the loss, a scalar.

        Parameters
        ----------
        scores : Tensor of shape (n_rows, n_classes)
            The scores of the classes before softmax.
        target : Tensor of shape (n_rows,) or (n_rows, n_classes)
            The column of the true class of each row, or class mass.
        """
        return cross_entropy(scores + self.shift, target)

    def extra_repr(self) -> str:
        """Name the strength."""
        return f"tau={self.tau}"


class ClassTargetsMixin:
    """Turns labels, class mass and weights into what a network is trained on."""

    def _check_targets(self, X, y, sample_weight, classes=None, *, reset=True):
        """Return X, the classes, and class codes or (for weights and soft labels) class mass."""
        if is_soft_labels(y):
            X = self._check_X(X, reset=reset)
            target, mass_classes = check_soft_labels(y, len(X))
            classes = mass_classes if classes is None else classes
            if len(classes) != target.shape[1]:
                raise ValueError(
                    f"y has {target.shape[1]} columns of class mass, but there are {len(classes)} "
                    f"classes: {classes}."
                )
        else:
            X, y = self._check_X(X, y, reset=reset)
            check_class_labels(y)
            classes = np.unique(y) if classes is None else classes
            target = encode_labels(y, classes, "y")
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least 2 classes, but y has one class: "
                f"{classes}."
            )
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return X, classes, weigh(target, classes, sample_weight, self.class_weight)

    def _rows(self, net, X: NDArray, target: NDArray) -> Rows:
        """Return training rows; mass is scaled to a mean of 1 and rows without any left out."""
        if target.ndim == 2:
            row_mass = target.sum(1)
            if not row_mass.all():
                X, target, row_mass = X[row_mass > 0], target[row_mass > 0], row_mass[row_mass > 0]
            target = (target / row_mass.mean()).astype(np.float32)
        return Rows(X, target, self.input_shape_, net.device)


def class_shares(target: NDArray, n_classes: int) -> NDArray:
    """Return the share of every class.

    Parameters
    ----------
    target : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Class codes, or class mass.
    n_classes : int
        Number of classes.

    Returns
    -------
    shares : ndarray of shape (n_classes,)
        They sum to one.
    """
    totals = np.bincount(target, minlength=n_classes) if target.ndim == 1 else target.sum(0)
    return totals / totals.sum()


class NetClassifier(ClassifierMixin, ClassTargetsMixin, ActivationMapsMixin, NetEstimator):
    """Neural network classifier for signals, images, volumes and tables.

    A scikit-learn classifier around a skorch net: the plain network of the papers, the final
    step of a pipeline, and the default `estimator` of the methods.

    Parameters
    ----------
    module : "auto", type or torch.nn.Module, default="auto"
        The network. "auto" takes a small :class:`~skrobust.neural.ResNet1d` for signals and a
        :class:`~skrobust.neural.ConvNet` for images and volumes
        (:func:`~skrobust.neural.auto_module`). A class is called with ``module__*`` and, where
        it takes arguments of these names, ``input_shape`` and ``n_outputs`` (the number of
        classes); it must return one score per class, without softmax. A module instance is
        copied and trained on from its present weights.
    max_epochs : int, default=50
        Passes over the training rows in `fit`.
    lr : float, default=0.001
        Learning rate.
    batch_size : int, default=32
        Rows per training step.
    optimizer : type, default=torch.optim.Adam
        A torch optimizer class. Adam, AdamW and SGD are run fused, unless
        ``optimizer__fused=False``.
    input_shape : tuple of int, default=None
        ``(channels, *spatial)``: how to see rows of a two-dimensional X. By default rows keep
        their shape, and the networks here see a plain row as a one-channel signal.
    class_weight : dict or "balanced", default=None
        Weights of the classes, as in scikit-learn.
    balanced_batches : bool, default=False
        Draw the rows of every batch such that all classes are equally likely, the rows of a rare
        class more often, instead of passing over the rows in shuffled order. An epoch has as
        many batches as without.
    logit_adjustment : float >= 0, default=None
        In training add this number times the logarithm of the class shares of the training rows
        to the outputs, so that the outputs alone do not favour frequent classes; 1 is the
        strength that theory has (:class:`~skrobust.LogitAdjustedLoss`). The remedies for uneven
        classes, this, `class_weight` and `balanced_batches`, are meant to be used one at a time.
    augment : {"affine", "noise"}, callable or None, default=None
        Change every training batch at random. "affine" rotates images and volumes (up to 15
        degrees), scales and shifts (up to 10%), "noise" adds Gaussian noise (10% of the row's
        standard deviation). Other strengths, flips and crops are had by
        :class:`~skrobust.RandomAugmentation`; any callable from a batch to a batch of the same
        shape will do. "affine" is meant for signals, images and volumes, not for tables.
    mixup : {"input", "manifold"} or None, default=None
        Train on mixtures of two rows of a batch, with targets mixed alike: "input" mixes the rows
        (after `augment`), "manifold" mixes at each step either the rows or what goes into a
        random one of the network's top-level parts, such as the last linear layer. Validation
        rows and rows to predict are never mixed; the recorded training loss is that of mixtures.
    mixup_alpha : float >= 0.01, default=None
        The partner's share is drawn from Beta(mixup_alpha, mixup_alpha), once for a batch: small
        values hardly mix, 1 draws all shares alike, large values halve. None is 0.2 for "input"
        and 2 for "manifold", as in the papers.
    validation_fraction : float in (0, 0.5], default=None
        Share of the training rows to hold out for the validation loss (for early stopping by a
        callback). Disjoint in groups when groups are given, stratified otherwise. None trains
        on all rows.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision of the convolutions and matrix products. "bfloat16" is about 1.5 times faster
        on processors that have it, and rounds to 3 digits.
    device : str, default="cpu"
        "cpu", "cuda", or "auto" for CUDA where there is a GPU.
    callbacks : list, default=None
        skorch callbacks: early stopping, schedules, checkpoints, progress bars. They are copied.
    verbose : int, default=0
        1 shows a progress bar over epochs, 2 skorch's table of losses.
    random_state : int, RandomState instance or None, default=None
        Fixes initialisation, dropout and the order of rows. With an int, no global random
        generator is read or moved and two fits agree bit for bit on one machine and number of
        threads. None takes a seed from numpy's global generator, as scikit-learn does.
    **kwargs : dict
        ``module__<argument>`` and ``optimizer__<argument>``, for example ``module__width=8``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    net_ : skorch.NeuralNet
        The fitted net; ``net_.module_`` is the torch module.
    history_ : skorch.history.History
        Losses and times per epoch.
    input_shape_ : tuple of int
        Shape of one row as the network sees it.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.
    paper_params : dict
        Class attribute: the network and training of the paper. Its number of epochs is not
        printed; 20 stands here.

    See Also
    --------
    skrobust.DistillMixAugmenter : Selects and mixes training rows before this classifier.

    Notes
    -----
    Targets may be class mass, a float array ``(n_samples, n_classes)`` whose rows are soft labels
    times sample weights (:class:`~skrobust.ClassMass`). The loss is cross entropy
    with respect to it, divided by the mean row mass of the training rows, so that weight k counts
    like k copies of a row. Rows without mass are left out.

    References
    ----------
    Lu et al., "Human-expert-level brain tumor detection using deep learning with data
    distillation and augmentation", 2020, section 4.3 and Table 1.

    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018. Verma et al., "Manifold
    mixup: better representations by interpolating hidden states", ICML 2019.

    Examples
    --------
    >>> from skrobust import NetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=8, random_state=0, return_X_y_groups=True)
    >>> clf = NetClassifier(max_epochs=3, module__width=4, random_state=0).fit(X, y)
    >>> clf.predict_proba(X[:2]).shape
    (2, 2)
    """

    __metadata_request__fit = {"groups": True, "X_val": True, "y_val": True}

    _parameter_constraints: dict = {
        **NetEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "balanced_batches": ["boolean"],
        "logit_adjustment": [Interval(Real, 0, None, closed="left"), None],
        "augment": [StrOptions(set(AUGMENTATIONS)), callable, None],
        "mixup": [StrOptions(set(DEFAULT_ALPHA)), None],
        "mixup_alpha": [Interval(Real, 0.01, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right"), None],
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
        validation_fraction=None,
        precision="float32",
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.module = module
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.input_shape = input_shape
        self.class_weight = class_weight
        self.balanced_batches = balanced_batches
        self.logit_adjustment = logit_adjustment
        self.augment = augment
        self.mixup = mixup
        self.mixup_alpha = mixup_alpha
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> NetClassifier:
        """Train a new network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of any type, or class mass.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row; keeps the held-out rows of `validation_fraction`
            group-disjoint, and is not looked at otherwise.
        X_val, y_val : array-like, default=None
            Validation rows and labels, instead of `validation_fraction`. Inside a
            cross-validation prefer `validation_fraction`: scikit-learn cuts an X_val that has
            as many rows as X.

        Returns
        -------
        self : NetClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If the input is malformed, there is only one class, or the network does not fit it.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together, but only one of them was given.")
        X, classes, target = self._check_targets(X, y, sample_weight)
        net = self._start_classifier(X, target, len(classes))
        valid = None
        if X_val is not None:
            X_val = self._check_X(X_val, reset=False)
            valid = self._rows(net, X_val, encode_labels(column_or_1d(y_val), classes, "y_val"))
        elif self.validation_fraction is not None:
            labels = target if target.ndim == 1 else target.argmax(1)
            train, held = validation_split(labels, self.validation_fraction, groups, net.seed)
            valid = self._rows(net, X[held], target[held])
            X, target = X[train], target[train]
        net.run_epochs(self._rows(net, X, target), self.max_epochs, valid)
        self.classes_, self.net_ = classes, net
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NetClassifier:
        """Train for one epoch, going on from the present weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or class mass.
        classes : array-like of shape (n_classes,), default=None
            All class labels; needed at the first call, except with class mass.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to each other within this call.

        Returns
        -------
        self : NetClassifier
            The classifier after the epoch.

        Raises
        ------
        ValueError
            If `classes` is missing at the first call, labels are unknown, or
            ``class_weight="balanced"`` or `logit_adjustment` ask for class shares, which one part
            of the data cannot tell.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' does not work with partial_fit. Compute the weights with "
                "sklearn.utils.compute_class_weight and give them as a dict."
            )
        if self.logit_adjustment:
            raise ValueError(
                "logit_adjustment does not work with partial_fit: the class shares of all rows "
                "are not known. Use fit, or class_weight as a dict."
            )
        first = not hasattr(self, "net_")
        if classes is None and first and is_soft_labels(y):
            classes = check_soft_labels(y)[1]
        check_partial_fit_first_call(self, classes)
        X, _, target = self._check_targets(X, y, sample_weight, self.classes_, reset=first)
        net = self._start_classifier(X, target, len(self.classes_)) if first else self.net_
        self.net_ = net.run_epochs(self._rows(net, X, target), 1)
        return self

    def _start_classifier(self, X: NDArray, target: NDArray, n_classes: int) -> TensorNet:
        """Build the net, with the loss and the batches that the parameters ask for."""
        recipe = {"samples_per_class": 1 if self.balanced_batches else None}
        if not self.logit_adjustment:
            return self._start_net(X, n_classes, nn.CrossEntropyLoss, **recipe)
        recipe["criterion__shares"] = class_shares(target, n_classes).tolist()
        recipe["criterion__tau"] = self.logit_adjustment
        return self._start_net(X, n_classes, LogitAdjustedLoss, **recipe)

    def _batch_transform(self):
        augment = augment_batches(self.augment)
        return augment if self.mixup is None else BatchMixup(self.mixup, self.mixup_alpha, augment)

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float32
            Softmax of the network's outputs, columns as in `classes_`.
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
            Scores per class; for two classes the second minus the first.
        """
        outputs = self._outputs(X)
        if outputs.shape[1] != 2:
            return outputs
        with np.errstate(over="ignore"):  # checked instead
            return check_finite_rows(outputs[:, 1] - outputs[:, 0], "the decision scores")

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Predicted labels.
        """
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(1)]
