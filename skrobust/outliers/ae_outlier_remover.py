"""An autoencoder that cleans its training set while it trains."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..neural.net import TensorNet
from ..neural.net_estimator import NetEstimator, with_shared_docs
from ..neural.reconstruction import ReconstructionRows, reconstruction_errors
from ..utils.sklearn_private import Interval, StrOptions
from ..utils.validation import check_finite_rows
from .autoencoders import ConvAutoencoder, auto_autoencoder
from .outlier_remover import NeighborDistance
from .row_removal import RowRemover, removal_threshold


class Committee:
    """Three errors of a row as one: of the autoencoder, of components, and to the nearest rows.

    Each is divided by its median over the rows that the committee was made from, and the mean of
    the three is returned. Of `own_errors`, those of these rows, no row is its own neighbour.
    """

    def __init__(self, X: NDArray, errors: NDArray):
        X = _flat(X)
        self.neighbors = NeighborDistance().fit(X)
        self.components = PCA(min(20, min(X.shape) // 2), random_state=0).fit(X)
        distances = self.neighbors.neighbors_.kneighbors()[0].mean(axis=1)
        each = np.stack([errors, distances, self._residuals(X)])
        self.medians = np.median(each, axis=1)
        spread = np.linalg.norm(X - X.mean(axis=0), axis=1).mean()
        named = zip(("reconstruction", "neighbours", "components"), self.medians, strict=True)
        if useless := [name for name, median in named if median <= 1e-6 * spread]:
            raise ValueError(
                'score_by="committee" compares three errors with their medians, but for most rows '
                f"that stay there is no error ({', '.join(useless)}): rows are copies of each "
                'other, or lie in a plane. Use score_by="reconstruction".'
            )
        self.own_errors = (each / self.medians[:, None]).mean(axis=0)

    def errors(self, X: NDArray, errors: NDArray) -> NDArray:
        """Return the errors of other rows, given their reconstruction errors."""
        X = _flat(X)
        distances = -self.neighbors.score_samples(X)
        each = np.stack([errors, distances, self._residuals(X)])
        return (each / self.medians[:, None]).mean(axis=0)

    def _residuals(self, X: NDArray) -> NDArray:
        # by hand: of a single column there is no component
        centred, plane = X - self.components.mean_, self.components.components_
        return np.linalg.norm(centred - centred @ plane.T @ plane, axis=1)


def _flat(X: NDArray) -> NDArray:
    """Return rows with one axis, in double precision."""
    return np.asarray(X, dtype=float).reshape(len(X), -1)


@with_shared_docs
class AEOutlierRemover(NetEstimator, RowRemover):
    """Train an autoencoder and drop the rows that it reconstructs badly, while it trains.

    For training sets that should contain one kind of rows, for example "healthy", but also
    contain a few others. Every `removal_interval` epochs the rows whose reconstruction error
    exceeds `gamma` times the mean error of the remaining rows (Eq. 2) are removed for good, unless
    the network reconstructs the rows worse than their mean would. The weights are initialised again
    after the epochs `restarts`, so that removed rows have little influence on the final network.

    It is an outlier detector of scikit-learn, and a sampler: `fit_resample` returns the rows that
    stay. Review the others: with few outliers most of them are unusual inliers.

    Parameters
    ----------
    module : "auto", type or torch.nn.Module, default="auto"
        The autoencoder, which returns the shape of its input. "auto" is that of
        :func:`~skrobust.outliers.auto_autoencoder`. A class is called with ``module__*`` and, if it
        accepts it, ``input_shape``; an instance is copied, and restarts return to its weights.
    gamma : float or "auto", default="auto"
        Factor on the mean error; the paper's is 1.3 to 1.5. "auto" is the smaller of 1.5 times the
        mean and the median plus 2.5 robust standard deviations (see `OutlierRemover`).
    removal_interval : int, default=5
        Epochs between removals, counted from the last restart.
    restarts : tuple of int, default=(25, 50)
        Epochs after which the weights are initialised again; the paper's are (50, 100).
    max_epochs : int or "auto", default="auto"
        Epochs after the last restart; the paper's 400. "auto" is 100, and at least 300 steps.
    max_removed_fraction : float in [0, 1), default=0.5
        Largest share of the rows (of each class, see `per_class`) that may be removed, the
        worst first. 0 trains a plain autoencoder.
    per_class : bool, default=True
        If y is given: every class has its own threshold and its own limit, so that no class is
        lost. With False y is ignored; use this if y is only the truth to compare with.
    level : {"row", "group"}, default="row"
        "group" removes whole groups (patients), by the mean error of their rows (of one class);
        every group then has the same weight in the mean error.
    score_by : {"reconstruction", "committee"}, default="reconstruction"
        What rows are scored by after the training: the reconstruction error, or the mean of three
        errors, each divided by its median over the rows that stay: that one, the mean distance to
        the 5 nearest of these rows, and that from the plane of 20 of their principal components.
    lr : float, default=0.001
        Learning rate.
    <shared parameters>

    Attributes
    ----------
    scores_ : ndarray of shape (n_samples,)
        ``score_samples`` of all training rows; with a committee no row is its own neighbour.
    removed_epoch_ : ndarray of shape (n_samples,), int
        Epoch after which the row was removed, from 1; -1 if it stays.
    sample_indices_, removed_indices_ : ndarray of shape (n_kept,) and (n_removed,), int
        The rows that stay, and those to review, the lowest scores first.
    offset_ : float
        Minus the threshold after training: that of `gamma`, over all rows that stay.
    history_ : skorch.history.History
        Per epoch times, ``train_loss``, ``n_kept`` (remaining rows) and ``threshold`` (NaN when
        nothing was removed; with several classes ``threshold_<class>``), in the units of X.
    center_, scale_ : float
        Mean and standard deviation of all training numbers, by which the network sees X scaled.
    paper_params : dict
        Class attribute: the settings of the paper, with the middle one of its values of `gamma`.
    <shared attributes>

    Warns
    -----
    OutlierRemovalWarning
        If more than half of the rows were removed, rows above the threshold were kept because of
        `max_removed_fraction`, or more than 5% were removed that nothing sets apart: one normal
        distribution fits the logarithms of the errors as well as two.

    Notes
    -----
    The error of a row is the mean absolute difference (Eq. 1) between it and its reconstruction.
    Standardise columns of different units first. The paper does not say whether removed rows
    return after a restart; here they do not.

    References
    ----------
    Behrendt et al., "Unsupervised anomaly detection in 3D brain MRI using deep learning with
    impured training data", 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import AEOutlierRemover
    >>> X, y = load_digits(return_X_y=True)
    >>> X = np.concatenate([X[y == 3][:100], X[y == 0][:20]])
    >>> detector = AEOutlierRemover(restarts=(20,), max_epochs=20, random_state=0).fit(X)
    >>> bool(np.isin(np.arange(100, 120), detector.removed_indices_).mean() > 0.5)
    True
    """

    _auto_module = staticmethod(auto_autoencoder)
    _parameter_constraints: dict = {
        **NetEstimator._parameter_constraints,
        **RowRemover._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "removal_interval": [Interval(Integral, 1, None, closed="left")],
        "restarts": [tuple, list],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "score_by": [StrOptions({"reconstruction", "committee"})],
    }

    paper_params = {
        "module": ConvAutoencoder,
        "module__latent_dim": 512,
        "gamma": 1.4,
        "removal_interval": 5,
        "restarts": (50, 100),
        "max_epochs": 400,
        "lr": 1e-3,
        "batch_size": 32,
    }

    def __init__(
        self,
        module="auto",
        *,
        gamma="auto",
        removal_interval=5,
        restarts=(25, 50),
        max_epochs="auto",
        max_removed_fraction=0.5,
        per_class=True,
        level="row",
        score_by="reconstruction",
        lr=1e-3,
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

    _fewest = 1

    def _remove(self, X, classes, codes, groups):
        epochs = [0, *self.restarts]
        if not all(isinstance(e, Integral) for e in epochs) or (np.diff(epochs) <= 0).any():
            raise ValueError(
                f"restarts={self.restarts!r} must be increasing epochs, from 1, such as (25, 50); "
                "() never restarts."
            )
        self._check_layout(X, reset=True)
        n_epochs = self.max_epochs
        if n_epochs == "auto":
            n_epochs = max(100, math.ceil(300 / math.ceil(len(X) / self.batch_size)))
        rng = check_random_state(self.random_state)
        seeds = iter(rng.randint(np.iinfo(np.int32).max, size=1 + len(self.restarts)).tolist())
        net = self._start_net(X, None, nn.L1Loss, next(seeds))
        rows = ReconstructionRows(X, self.input_shape_, net.device)
        rows.learn_scale()
        removal = self._removal(codes, groups, lambda errors: removal_threshold(errors, self.gamma))
        untrained_error = _error_of_mean_row(X)
        names = ["threshold"] if len(classes) == 1 else [f"threshold_{c}" for c in classes]

        def after_epoch(net: TensorNet) -> None:
            epoch = len(net.history)
            net.record_score("train_loss", net.history[-1]["train_loss"] * rows.scale)
            thresholds = [math.nan] * len(names)
            since_start = epoch - max((e for e in self.restarts if e < epoch), default=0)
            if since_start % self.removal_interval == 0:
                errors = reconstruction_errors(net, rows)
                # a network that is no better than the mean row cannot judge rows
                if errors.mean() < untrained_error:
                    thresholds = removal.remove(errors, rows.scale, epoch)
                    rows.indices = torch.from_numpy(np.flatnonzero(removal.kept)).to(rows.X.device)
                else:
                    removal.n_skipped += untrained_error > 1e-6 * rows.scale
            net.history.record("n_kept", int(removal.kept.sum()))
            for name, threshold in zip(names, thresholds, strict=True):
                net.history.record(name, threshold)
            if epoch in self.restarts:
                fresh = self._start_net(X, None, nn.L1Loss, next(seeds))
                # in place: schedulers and callbacks refer to these weights and this optimizer
                net.module_.load_state_dict(fresh.module_.state_dict())
                net.optimizer_.state.clear()

        net.run_epochs(rows, epochs[-1] + n_epochs, after_epoch=after_epoch)
        rows.indices = None
        reconstruction = errors = reconstruction_errors(net, rows)
        vars(self).pop("committee_", None)  # of an earlier fit
        if self.score_by == "committee":
            kept = removal.kept
            self.committee_ = Committee(X[kept], errors[kept])
            errors = np.empty(len(X))
            errors[kept] = self.committee_.own_errors
            if not kept.all():
                errors[~kept] = self.committee_.errors(X[~kept], reconstruction[~kept])
        self.net_, self.center_, self.scale_ = net, rows.center, rows.scale
        self.removed_epoch_ = removal.removed_epoch
        removal.warn(f"{self.level}s", "gamma", self.gamma, reconstruction)
        return removal, errors

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Return minus the errors that `score_by` names; the lower, the more unusual the row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In the units of X, or about -1 for a middling row if a committee scores.
        """
        errors = reconstruction_errors(*self._net_and_rows(X))
        if hasattr(self, "committee_"):
            errors = self.committee_.errors(self._check_X(X, reset=False), errors)
        return -errors

    def reconstruct(self, X: ArrayLike) -> NDArray:
        """Return the autoencoder's reconstructions."""
        return self._reconstruct(X)[1]

    def error_map(self, X: ArrayLike) -> NDArray:
        """Return the absolute difference between every number and its reconstruction."""
        X, reconstruction = self._reconstruct(X)
        return np.abs(X - reconstruction)

    def _reconstruct(self, X: ArrayLike) -> tuple[NDArray, NDArray]:
        net, rows = self._net_and_rows(X)
        X = rows.X if isinstance(rows.X, np.ndarray) else rows.X.cpu().numpy()
        X = np.asarray(X, dtype=X.dtype.newbyteorder("="))
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        outputs = net.outputs(rows).reshape(X.shape).astype(dtype, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):  # checked instead
            outputs = outputs * dtype(rows.scale) + dtype(rows.center)
        return X, check_finite_rows(outputs, "the reconstructions")

    def _net_and_rows(self, X: ArrayLike) -> tuple[TensorNet, ReconstructionRows]:
        check_is_fitted(self)
        X, scale = self._check_X(X, reset=False), (self.center_, self.scale_)
        return self.net_, ReconstructionRows(X, self.input_shape_, self.net_.device, *scale)


def _error_of_mean_row(X: NDArray) -> float:
    """Return the mean absolute difference of the rows from their mean, read in batches."""
    parts = list(gen_batches(len(X), max(1, 2**20 // max(1, math.prod(X.shape[1:])))))
    mean = sum(X[part].sum(axis=0, dtype=np.float64) for part in parts) / len(X)
    total = sum(np.abs(X[part] - mean).sum(dtype=np.float64) for part in parts)
    return float(total) / X.size
