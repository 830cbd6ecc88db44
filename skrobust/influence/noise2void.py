"""Denoising without clean rows (Noise2Void), or taught by a few that an expert has checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ks_2samp
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..base.state import fit_context
from ..datasets.corruptions import add_gaussian_noise, add_rician_noise
from ..neural.architectures import UNet
from ..neural.net_estimator import NetEstimator, with_shared_docs
from ..neural.reconstruction import ReconstructionRows
from ..neural.seeding import draw_seed
from ..utils.sklearn_private import Interval, get_output_config
from ..utils.validation import check_finite_rows, check_trusted, warn
from .head import row_blocks

_NOISE = {"gaussian": add_gaussian_noise, "rician": add_rician_noise}
# a row is noisy if its second differences are this many times the median of clean rows, larger than
# those of nearly all of them, and at least this share of the standard deviation of clean values
_NOISY, _NEARLY_ALL, _VISIBLE = 2.0, 0.95, 0.02
_MOST_CLEAN = 100


class DenoisingWarning(UserWarning):
    """There is nothing to denoise."""


@with_shared_docs
class Noise2VoidDenoiser(OneToOneFeatureMixin, TransformerMixin, NetEstimator):
    """Remove pixelwise independent noise by a network that has only seen noisy rows.

    In every step a few points of each row are replaced by the value of a random neighbour, and the
    network learns to predict the old value: what the neighbourhood determines, the signal. Noise
    that is correlated between neighbours, or whose mean is not zero (the Rician noise of magnitude
    images), partly remains, and fine detail is lost.

    With ``fit(X, trusted=...)`` the rows that an expert has found clean teach it instead: noise of
    the kind and level of the other rows, which are estimated, is added to them, and the network
    learns to take it away. The columns of a flat row must be in order, as points of a signal are.

    Parameters
    ----------
    module : "auto", type or torch.nn.Module, default="auto"
        A network that returns the shape of its input; "auto" is :class:`~skrobust.neural.UNet`.
    mask_fraction : float in (0, 0.5], default=0.1
        Share of the points of a row that are replaced in a step.
    radius : int, default=2
        The neighbour is drawn from the other points at this distance or less along each axis.
    max_epochs : int, default=50
        Passes over as many rows as were given.
    lr : float, default=0.001
        Learning rate.
    <shared parameters>

    Attributes
    ----------
    center_, scale_ : float
        Mean and standard deviation of all training values, by which rows are standardised.
    noise_, noise_levels_ : {"gaussian", "rician"} or None, and ndarray of shape (n_samples,)
        With trusted rows, the kind of noise in the others, if they are noisier, and its standard
        deviation in every row; 0 in clean ones.
    history_ : skorch.history.History
        Losses (at replaced points, in units of ``scale_**2``) and times per epoch.
    <shared attributes>

    Warns
    -----
    DenoisingWarning
        If there are trusted rows, and no other row is noisier; ``transform`` then changes nothing.

    Notes
    -----
    The level of a row follows from the median absolute second difference along its axes, compared
    with that of trusted rows to which noise of a known level was added.

    References
    ----------
    Krull et al., "Noise2Void - learning denoising from single noisy images", 2019. Compared in
    "Robust influence-based training methods for noisy brain MRI", section 6.2, with larger sizes.
    Trusted rows go beyond both.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import Noise2VoidDenoiser, add_gaussian_noise
    >>> clean = np.sin(np.linspace(0, 9, 64) + np.linspace(0, 6, 100)[:, None])
    >>> noisy = add_gaussian_noise(clean, 0.3, random_state=0)
    >>> denoised = Noise2VoidDenoiser(module__width=8, random_state=0).fit_transform(noisy)
    >>> bool(np.std(denoised - clean) < 0.7 * np.std(noisy - clean))
    True
    """

    __metadata_request__fit = {"trusted": True}

    _auto_module = staticmethod(lambda input_shape: (UNet, {}))

    _parameter_constraints: dict = {
        **NetEstimator._parameter_constraints,
        "mask_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "radius": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        module="auto",
        *,
        mask_fraction=0.1,
        radius=2,
        max_epochs=50,
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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, *, trusted: ArrayLike | None = None
    ) -> Noise2VoidDenoiser:
        """Train a new network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Noisy rows. A memory-mapped array is read in batches.
        y : None
            Ignored.
        trusted : array-like of bool of shape (n_samples,), default=None
            Rows that are clean. They teach the network.

        Returns
        -------
        self : Noise2VoidDenoiser
            The fitted transformer.

        Raises
        ------
        ValueError
            If X or `trusted` is malformed, rows are too short, or the network does not fit.
        """
        given, X = X, self._check_X(X, reset=True)
        trusted = check_trusted(trusted, given)
        seed = draw_seed(self.random_state)
        for name in ("noise_", "noise_levels_"):
            vars(self).pop(name, None)
        if trusted is not None:
            self.noise_, self.noise_levels_ = self._estimate_noise(X, trusted, seed)
        net = self._start_net(X, None, MaskedSquaredError, seed)
        rows = ReconstructionRows(X, self.input_shape_, net.device)
        rows.learn_scale()
        n_epochs = 0 if self._nothing_to_denoise() else self.max_epochs
        if trusted is not None and n_epochs:
            teachers = np.resize(np.flatnonzero(trusted), len(X))
            rows.indices = torch.from_numpy(teachers).to(rows.X.device)
            levels = self.noise_levels_[self.noise_levels_ > 0]
            net.batch_transform = _AddNoise(self.noise_, levels, rows)
        self.net_ = net.run_epochs(rows, n_epochs)
        net.batch_transform = self._batch_transform()
        self.center_, self.scale_ = rows.center, rows.scale
        return self

    def _nothing_to_denoise(self) -> bool:
        """Tell whether trusted rows were given, and no other row is noisier."""
        return hasattr(self, "noise_levels_") and not self.noise_levels_.any()

    def _estimate_noise(self, X, trusted, seed):
        """Return the kind of noise in the rows that are not trusted, and the level of each."""
        shape = self.input_shape_
        images = X.reshape(len(X), *(shape if len(shape) > 1 else (1, *shape)))
        if min(images.shape[2:]) < 3:
            raise ValueError(
                f"rows of shape {X.shape[1:]} are too short to see noise in them: trusted rows "
                "need at least 3 points along every axis."
            )
        rng, levels, found = np.random.RandomState(seed), np.zeros(len(X)), []
        # a sample stands for all clean rows
        clean = images[rng.permutation(np.flatnonzero(trusted))[:_MOST_CLEAN]].astype(float)
        roughness, of_clean = _roughness(images), _roughness(clean)
        least = max(_NOISY * np.median(of_clean), np.quantile(of_clean, _NEARLY_ALL))
        noisy = np.flatnonzero(~trusted & (roughness > max(least, _VISIBLE * clean.std())))
        if not len(noisy):
            message = "no row is much noisier than the trusted ones: there is nothing to denoise."
            warn(message, DenoisingWarning)
            return None, levels
        observed = roughness[noisy]
        grid = np.r_[0, np.geomspace(observed.min() / 2, 3 * observed.max(), 40)]
        shown = images[rng.choice(noisy, _MOST_CLEAN)].ravel()
        for kind, add in _NOISE.items():
            if kind == "rician" and (clean < 0).any():
                continue
            seen = [np.median(_roughness(add(clean, level, random_state=seed))) for level in grid]
            level = np.interp(observed, np.maximum.accumulate(seen), grid)
            pairs = zip(clean, rng.choice(level, len(clean)), strict=True)
            drawn = np.concatenate([add(row, s, random_state=rng).ravel() for row, s in pairs])
            distance = ks_2samp(rng.choice(drawn, 20000), rng.choice(shown, 20000)).statistic
            found.append((distance, kind, level))
        _, kind, levels[noisy] = min(found, key=lambda entry: entry[0])
        return kind, levels

    def transform(self, X: ArrayLike) -> NDArray:
        """Denoise rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Noisy rows.

        Returns
        -------
        X_denoised : ndarray of the shape of X, float32
            Denoised rows.

        Raises
        ------
        ValueError
            If X is malformed, or rows of several axes should become a table (``set_output``).
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        container = get_output_config("transform", self)["dense"]
        if X.ndim > 2 and container != "default":
            raise ValueError(
                f"rows of shape {X.shape[1:]} do not fit into a {container} table, as set_output "
                "or set_config asks for. Call set_output(transform='default') on this step."
            )
        if self._nothing_to_denoise():
            return np.array(X, dtype=np.float32)
        device = self.net_.device
        rows = ReconstructionRows(X, self.input_shape_, device, self.center_, self.scale_)
        outputs = self.net_.outputs(rows).reshape(X.shape)
        with np.errstate(over="ignore", invalid="ignore"):  # checked instead
            denoised = outputs * np.float32(self.scale_) + np.float32(self.center_)
        return check_finite_rows(denoised, "the denoised values")

    def _batch_transform(self):
        return _HidePoints(self.mask_fraction, self.radius)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class MaskedSquaredError(nn.Module):
    """Mean squared error at hidden points; the target is the old values and the mask, stacked."""

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        old, hidden = target
        return ((outputs - old) ** 2 * hidden).sum() / hidden.sum().clamp(min=1)


class _AddNoise:
    """Add noise of the estimated kind and levels to clean rows, which are the target."""

    def __init__(self, kind: str, levels: NDArray, rows: ReconstructionRows):
        self.kind, self.zero = kind, -rows.center / rows.scale
        self.levels = torch.from_numpy(levels / rows.scale).float()

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(self.levels), (len(x),), device=x.device)
        level = self.levels.to(x.device)[chosen].reshape(-1, *[1] * (x.ndim - 1))
        noisy = x + level * torch.randn_like(x)
        if self.kind == "rician":
            noisy = self.zero + torch.hypot(noisy - self.zero, level * torch.randn_like(x))
        return noisy, torch.stack([y, torch.ones_like(y)])


def _roughness(images: NDArray) -> NDArray:
    """Return a robust standard deviation of every row's second differences; of noise, its own."""
    result = np.empty(len(images))
    for part in row_blocks(len(images), math.prod(images.shape[1:])):  # X may be on disk
        differences = images[part].astype(float)
        for axis in range(2, images.ndim):
            differences = np.diff(differences, 2, axis=axis) / np.sqrt(6)
        differences = differences.reshape(len(differences), -1)
        differences -= np.median(differences, axis=1, keepdims=True)
        result[part] = 1.4826 * np.median(np.abs(differences), axis=1)
    return result


class _HidePoints:
    """Replace some points by a random neighbour; pass the old values and the mask to the loss."""

    def __init__(self, mask_fraction: float, radius: int):
        self.mask_fraction, self.radius = mask_fraction, radius

    def __call__(self, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # a flat row is a signal of one channel
        channels = x if x.ndim > 2 else x[:, None]
        hidden = torch.rand_like(channels[:, :1]) < self.mask_fraction
        row, _, *place = hidden.nonzero(as_tuple=True)
        neighbour = _draw_neighbours(place, channels.shape[2:], self.radius)
        changed = channels.clone()
        changed[(row, slice(None), *place)] = channels[(row, slice(None), *neighbour)]
        hidden = hidden.expand_as(channels).reshape(x.shape)
        return changed.reshape(x.shape), torch.stack([x, hidden.to(x.dtype)])


def _draw_neighbours(place: Sequence[Tensor], sizes: Sequence[int], radius: int) -> Tensor:
    """Draw for every point one of the others in its window, all with the same probability."""
    position = torch.stack(list(place))
    most = torch.tensor(sizes, device=position.device)[:, None] - 1
    first = (position - radius).clamp(min=0)
    lengths = torch.minimum(position + radius, most) - first + 1
    n_others = lengths.prod(0) - 1
    drawn = (torch.rand(n_others.shape, device=n_others.device) * n_others).long()
    drawn = torch.minimum(drawn, (n_others - 1).clamp(min=0))  # rand() rounded up to 1
    # points of a window are numbered line by line
    strides = lengths.flip(0).cumprod(0).flip(0) // lengths
    own = ((position - first) * strides).sum(0)
    # never the point itself, which would reveal its noise
    drawn = torch.where((drawn >= own) & (n_others > 0), drawn + 1, drawn)
    return first + drawn // strides % lengths
