"""Training on raw and denoised rows."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from ..base.row_sampler import TrustingRowSampler
from ..base.state import fill_random_states
from ..utils.sklearn_private import HasMethods
from ..utils.targets import require_two_classes, take
from .noise2void import Noise2VoidDenoiser


class DenoisedRowsAugmenter(TrustingRowSampler):
    """Add a denoised copy of every noisy training row.

    Rows that an expert has found clean (`trusted`) get no copy, and teach the denoiser; without
    any, the noisy rows alone do. Rows to predict stay as they are. It gains where the noise hides
    what tells the classes apart, and training rows are few. This goes beyond the papers.

    Parameters
    ----------
    denoiser : transformer, default=None
        Its ``fit`` should take ``trusted``. None is :class:`~skrobust.Noise2VoidDenoiser`.
    random_state : int, RandomState instance or None, default=None
        Seeds the random states of `denoiser` that are None.

    Attributes
    ----------
    denoiser_ : transformer
        The fitted denoiser.
    sample_indices_ : ndarray of shape (n_samples_new,), int
        Row that every new row was made from: first all rows as they are, then the denoised ones.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import add_gaussian_noise
    >>> from skrobust.influence import DenoisedRowsAugmenter, Noise2VoidDenoiser
    >>> t, phase = np.linspace(0, 9, 64), np.linspace(0, 6, 60)[:, None]
    >>> X, trusted = np.sin(t + phase), np.arange(60) % 3 == 0
    >>> X[~trusted] = add_gaussian_noise(X[~trusted], 0.3, random_state=0)
    >>> sampler = DenoisedRowsAugmenter(Noise2VoidDenoiser(module__width=8), random_state=0)
    >>> X_new, y_new = sampler.fit_resample(X, np.arange(60) % 2, trusted=trusted)
    >>> X_new.shape, sampler.denoiser_.noise_
    ((100, 64), 'gaussian')
    """

    _only_numbers = True

    _parameter_constraints: dict = {
        **TrustingRowSampler._parameter_constraints,
        "denoiser": [HasMethods(["fit", "transform"]), None],
    }

    def __init__(self, denoiser=None, *, random_state=None):
        super().__init__()
        self._keep_params(locals())

    def _fit_resample(self, columns, y, groups, trusted):
        X = columns.numbers
        if isinstance(y, np.ndarray):
            require_two_classes(np.unique(y), self)
        denoiser = Noise2VoidDenoiser() if self.denoiser is None else clone(self.denoiser)
        denoiser = fill_random_states(denoiser, self.random_state)
        self.denoiser_ = denoiser.fit(X, **({} if trusted is None else {"trusted": trusted}))
        doubted = np.ones(len(X), bool) if trusted is None else ~trusted
        # rows without noise need no copy
        doubted &= getattr(self.denoiser_, "noise_levels_", np.ones(len(X))) > 0
        noisy = np.flatnonzero(doubted)
        self.sample_indices_ = np.concatenate([np.arange(len(X)), noisy])
        y_new = take(y, self.sample_indices_)
        if not len(noisy):
            return X, y_new
        return np.concatenate([X, self.denoiser_.transform(X[noisy]).astype(X.dtype)]), y_new
