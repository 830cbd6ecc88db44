"""New rows from disentangled factors."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base.row_sampler import RowSampler
from ..neural.net import resolve_device
from ..neural.seeding import draw_seed
from ..utils.caching import cached
from ..utils.sklearn_private import HasMethods, Interval, StrOptions
from ..utils.targets import one_hot, require_two_classes, soft_labels
from ..utils.validation import check_float32_range, check_layout, layout_of_rows
from .mixing import diagnose, draw_classes, draw_shares, nearest_of_other_classes
from .training import FactorNetworks, FactorRecipe


class FactorMixSampler(RowSampler):
    r"""Add rows whose class-specific part is mixed with that of other classes.

    Two encoders split a row x into a class code c, which predicts its class, and a residual code r,
    from which an adversary cannot predict it; a decoder G reconstructs the row from both. A new row
    has the residual code of a row, and a mixture c' of its class code with the nearest class codes
    of other classes. Its soft label is the class proportions of the mixture.

    Parameters
    ----------
    factor : float, default=1
        New rows per row; the original rows come first in the output. 0 adds none.
    n_neighbors : int, default=5
        Nearest rows of other classes whose class codes are mixed in, of at most 5000.
    concentration : float, default=1
        Parameter of the Dirichlet distribution of their shares: small values favour one of them.
    own_share : float in [0, 1], default=0.5
        Smallest share of the row's own class code; the share is uniform between it and 1 (the
        paper's "random proportion": 0).
    detail : {"residual", "decoded"}, default="residual"
        "residual" returns ``x + G(c', r) - G(c, r)``, which keeps the detail that the decoder
        blurs; "decoded" the paper's ``G(c', r)``.
    targets : {"soft", "hard", "sampled"}, default="soft"
        "soft" returns the proportions as soft labels, for :class:`~skrobust.NetClassifier`;
        "sampled" a label drawn from them, "hard" that with the largest proportion.
    affine : bool, default=True
        Rotate, scale and shift training rows with spatial axes at random, as in the paper.
    n_codes : int, default=32
        Numbers in either code (the paper's 256).
    width : int, default=8
        Width of the networks (the paper's 64), see :class:`~skrobust.factor_mixing.FactorEncoder`.
    adversarial_weight : float, default=0.05
        Weight of the adversary's cross entropy (minus the paper's lambda), at most that of guessing
        by the class shares, relative to the mean squared error in units of the rows' variance.
    adversary_steps : int, default=2
        Steps of the adversary for each step of the encoder. With too few, the encoder fools this
        adversary, but a fresh probe still finds the class.
    class_mean_weight : float, default=0.2
        Weight of the share of the residual codes' variance that lies between the classes: if their
        means agree, no linear probe finds them. This and the next two are 0 in the paper.
    swap_weight : float, default=0.05
        Weight of the cross entropy of rows decoded with another row's class code, which the class
        encoder should assign to its class.
    affine_weight : float, default=0.5
        Weight of a loss that makes rows decoded with another row's class code rotate and scale with
        their own row; not for rows without spatial axes.
    dropout : float in [0, 1), default=0
        Share of the decoder's first outputs dropped in training (the paper's 0.5).
    class_epochs : int, default=30
        Passes over the rows that train the class encoder.
    max_epochs : int, default=100
        Passes that train the other networks; factors took some 1,000 steps to separate.
    lr : float, default=0.002
        Learning rate; for encoder and decoder it falls to zero along half a cosine.
    batch_size : int, default=32
        Rows per training step.
    input_shape : tuple of int, default=None
        ``(channels, *spatial)`` of rows of a two-dimensional X; by default a signal of one channel.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the trained networks, so that a search over the first six parameters trains once.
    device : str, default="cpu"
        "cpu", "cuda", or "auto" for CUDA if there is a GPU.
    random_state : int, RandomState instance or None, default=None
        Fixes the networks and the mixtures. With a memory use an int.

    Attributes
    ----------
    networks_ : FactorNetworks
        The trained networks.
    history_ : list of dict
        Losses per epoch: ``class_loss``, then ``reconstruction_loss`` and ``adversary_loss``; the
        last epoch also has the values of `diagnostics_`.
    diagnostics_ : dict
        ``reconstruction_error`` (mean squared, in units of the training rows' variance),
        ``class_accuracy`` (of the classifier on c, training rows), ``probe_accuracy`` (of a fresh
        linear probe on r, in folds; NaN if a class has too few rows) and ``chance`` (share of the
        largest class). Codes are disentangled if the probe is near chance.
    mixture_ : ndarray of shape (n_new, n_classes)
        Class proportions of the new rows.
    sample_indices_ : ndarray of shape (n_samples + n_new,), int
        Row that each output row is a copy of, or has its residual code from.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    input_shape_, n_features_in_ : tuple of int, and int
        Shape of one row as the networks read it, and size of the second axis of X.
    paper_params : dict
        Class attribute: the settings of the paper, which does not give epochs, weight and rate.

    References
    ----------
    Ben-Cohen et al., "Improving CNN training using disentanglement for liver lesion classification
    in CT", 2018. Batch norm at the end of the residual encoder, and what differs from
    `paper_params`, go beyond it.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import FactorMixSampler
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat(["dark", "light"], 20)
    >>> X = rng.rand(40, 1, 8, 8) + (y == "light")[:, None, None, None]
    >>> sampler = FactorMixSampler(class_epochs=5, max_epochs=5, random_state=0)
    >>> X_new, target = sampler.fit_resample(X, y)
    >>> X_new.shape, target.shape
    ((80, 1, 8, 8), (80, 2))
    """

    _parameter_constraints: dict = {
        "factor": [Interval(Real, 0, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "concentration": [Interval(Real, 0, None, closed="neither")],
        "own_share": [Interval(Real, 0, 1, closed="both")],
        "detail": [StrOptions({"residual", "decoded"})],
        "targets": [StrOptions({"soft", "hard", "sampled"})],
        "affine": ["boolean"],
        "n_codes": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "adversary_steps": [Interval(Integral, 1, None, closed="left")],
        "class_mean_weight": [Interval(Real, 0, None, closed="left")],
        "swap_weight": [Interval(Real, 0, None, closed="left")],
        "affine_weight": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "class_epochs": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "input_shape": [tuple, list, None],
        "memory": [str, HasMethods(["cache"]), None],
        "device": [str],
        "random_state": ["random_state"],
    }

    paper_params = {
        "own_share": 0,
        "detail": "decoded",
        "targets": "soft",
        "affine": True,
        "n_codes": 256,
        "width": 64,
        "adversary_steps": 1,
        "class_mean_weight": 0,
        "swap_weight": 0,
        "affine_weight": 0,
        "dropout": 0.5,
    }

    _only_numbers = True

    def __init__(
        self,
        *,
        factor=1,
        n_neighbors=5,
        concentration=1,
        own_share=0.5,
        detail="residual",
        targets="soft",
        affine=True,
        n_codes=32,
        width=8,
        adversarial_weight=0.05,
        adversary_steps=2,
        class_mean_weight=0.2,
        swap_weight=0.05,
        affine_weight=0.5,
        dropout=0,
        class_epochs=30,
        max_epochs=100,
        lr=2e-3,
        batch_size=32,
        input_shape=None,
        memory=None,
        device="cpu",
        random_state=None,
    ):
        super().__init__()
        self._keep_params(locals())

    def _fit_resample(self, columns, y, groups):
        X = columns.numbers
        if isinstance(y, pd.DataFrame):
            raise ValueError(
                "FactorMixSampler takes one label per row, not soft labels. Put it before the step "
                "that makes soft labels."
            )
        rng = check_random_state(self.random_state)
        classes, codes = np.unique(y, return_inverse=True)
        require_two_classes(classes, self)
        check_float32_range(X)
        networks = self._trained(X, codes, draw_seed(rng))
        c, r = networks.encode(X)
        n_new = round(self.factor * len(X))
        # every row equally often, the remainder is drawn
        times, rest = divmod(n_new, len(X))
        source = np.concatenate([np.tile(np.arange(len(X)), times), rng.permutation(len(X))[:rest]])
        neighbors = nearest_of_other_classes(c, codes, self.n_neighbors)[source]
        shares = draw_shares(neighbors, self.own_share, self.concentration, rng)
        partners = np.hstack([source[:, None], np.maximum(neighbors, 0)])
        mixed = np.einsum("np,npc->nc", shares, c[partners])
        mixture = np.zeros((n_new, len(classes)))
        np.add.at(mixture, (np.arange(n_new)[:, None], codes[partners]), shares)
        new = networks.decode(mixed, r[source])
        if self.detail == "residual":
            # compute the difference first: with the row's own code alone it is exactly 0
            new = X[source].reshape(new.shape) + (new - networks.decode(c[source], r[source]))
        new = new.reshape(n_new, *X.shape[1:])
        self.networks_ = networks
        self.classes_, self.input_shape_ = classes, networks.recipe.input_shape
        self.diagnostics_ = diagnose(networks, X, codes, c, r, groups)
        *epochs, last = networks.history
        self.history_ = [*epochs, last | self.diagnostics_]
        self.mixture_ = mixture
        self.sample_indices_ = np.concatenate([np.arange(len(X)), source])
        mixed_in = np.where(shares > 0, partners, source[:, None])
        own = np.repeat(np.arange(len(X))[:, None], mixed_in.shape[1], axis=1)
        self.partner_indices_ = np.concatenate([own, mixed_in])
        X_new = np.concatenate([X, new])
        if self.targets == "soft":
            mass = np.concatenate([one_hot(codes, len(classes)), mixture])
            return X_new, soft_labels(mass, classes)
        chosen = mixture.argmax(1) if self.targets == "hard" else draw_classes(mixture, rng)
        return X_new, classes[np.concatenate([codes, chosen])]

    def _trained(self, X: NDArray, codes: NDArray, seed: int) -> FactorNetworks:
        """Return networks trained on rows and class codes, from the memory if possible."""
        shape = layout_of_rows(X, self.input_shape)
        low, high = float(X.min()), float(X.max())
        settings = {
            **{field.name: getattr(self, field.name, None) for field in fields(FactorRecipe)},
            "input_shape": shape,
            "n_classes": int(codes.max()) + 1,
            "low": low,
            "high": high,
            "mean": float(X.mean(dtype=np.float64)),
            "std": float(X.std(dtype=np.float64)) if high > low else 1.0,
            "device": resolve_device(self.device),
            "seed": seed,
        }
        if len(shape) == 1:  # nothing to rotate
            settings["affine"], settings["affine_weight"] = False, 0
        # numpy's numbers would give other keys of the memory
        settings = {k: v.item() if isinstance(v, np.generic) else v for k, v in settings.items()}
        recipe = FactorRecipe(**settings)
        return cached(self.memory, train_factors)(recipe=recipe, X=X, codes=codes)

    def encode(self, X: ArrayLike) -> tuple[NDArray, NDArray]:
        """Return both codes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        class_codes, residual_codes : ndarray of shape (n_samples, n_codes), float32
            The codes.
        """
        X = self._check_new(X, "X")
        return self.networks_.encode(X)

    def reconstruct(self, X: ArrayLike) -> NDArray:
        """Return the rows that the decoder reconstructs from their own codes, ``swap(X, X)``."""
        return self.swap(X, X)

    def swap(self, X_class: ArrayLike, X_residual: ArrayLike) -> NDArray:
        """Return rows with the class code of one row and the residual code of another (Fig. 3).

        Parameters
        ----------
        X_class, X_residual : array-like of shape (n_samples, ...)
            Rows that give the class code, and those that give the residual code, one for each.

        Returns
        -------
        X_swapped : ndarray of the shape of X_residual, float32
            The decoded rows.

        Raises
        ------
        ValueError
            If the numbers of rows differ.
        """
        X_class = self._check_new(X_class, "X_class")
        X_residual = self._check_new(X_residual, "X_residual")
        if len(X_class) != len(X_residual):
            raise ValueError(
                f"X_class has {len(X_class)} rows but X_residual has {len(X_residual)}: they are "
                "combined one by one."
            )
        c, r = self.networks_.encode(X_class)[0], self.networks_.encode(X_residual)[1]
        return self.networks_.decode(c, r).reshape(X_residual.shape)

    def _check_new(self, X: ArrayLike, name: str) -> NDArray:
        check_is_fitted(self, "networks_")
        X = validate_data(self, X, reset=False, allow_nd=True)
        check_float32_range(X)
        check_layout(X, self.input_shape_, name, type(self).__name__)
        return X


def train_factors(recipe: FactorRecipe, X: NDArray, codes: NDArray) -> FactorNetworks:
    """Return trained networks; a separate function, so that its result can be cached."""
    return FactorNetworks(recipe).fit(X, codes)
