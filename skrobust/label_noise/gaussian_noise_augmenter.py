"""Augmentation by noise, the paper's comparison."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state

from ..base.row_sampler import RowSampler
from ..datasets.corruptions import add_gaussian_noise
from ..utils.sklearn_private import Interval
from ..utils.targets import require_two_classes, take
from .mixing import check_numbers_to_change, repeat_evenly


class GaussianNoiseAugmenter(RowSampler):
    """Add noisy copies of the training rows.

    The rows themselves come first, then copies with independent Gaussian noise, until there
    are ``round(factor * n_samples)`` rows. In the paper of :class:`~skrobust.DistillMixAugmenter`
    (section 5.4) this augmentation made the network worse.

    Parameters
    ----------
    scale : float >= 0, default=0.1
        Standard deviation of the noise; see `relative`. The paper searched over it.
    factor : float >= 1, default=5
        Number of returned rows per given row.
    relative : bool, default=True
        Whether `scale` counts standard deviations of all numbers of X, not the units of X.
    random_state : int, RandomState instance or None, default=None
        Fixes the noise.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_new,), int
        The training row of every returned row.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import GaussianNoiseAugmenter
    >>> X, y = np.arange(8.0).reshape(4, 2), np.array(["a", "b", "a", "b"])
    >>> X_new, y_new = GaussianNoiseAugmenter(factor=2, random_state=0).fit_resample(X, y)
    >>> X_new.shape, bool((X_new[:4] == X).all())
    ((8, 2), True)
    """

    _parameter_constraints: dict = {
        **RowSampler._parameter_constraints,
        "scale": [Interval(Real, 0, None, closed="left")],
        "factor": [Interval(Real, 1, None, closed="left")],
        "relative": ["boolean"],
    }

    def __init__(self, scale=0.1, *, factor=5, relative=True, random_state=None):
        super().__init__()
        self._keep_params(locals())

    def _fit_resample(self, columns, y, groups):
        X = columns.numbers
        if isinstance(y, np.ndarray):
            require_two_classes(np.unique(y), self)
        check_numbers_to_change(columns, type(self).__name__)
        rng = check_random_state(self.random_state)
        n_copies = round(self.factor * len(X)) - len(X)
        copied = repeat_evenly(np.arange(len(X)), n_copies, rng)
        self.sample_indices_ = np.concatenate([np.arange(len(X)), copied])
        scale = self.scale
        if self.relative:
            # of numbers up to 1, so that squares do not overflow
            largest = max(float(X.max()), -float(X.min()), np.finfo(float).tiny)
            scale = scale * largest * float(np.std(X / largest, dtype=np.float64))
        with np.errstate(over="ignore"):  # checked instead
            noisy = add_gaussian_noise(X[copied], scale, random_state=rng)
        if not np.isfinite(noisy[np.isfinite(X[copied])]).all():
            raise ValueError(
                f"rows with noise of standard deviation {scale:.3g} are beyond the range of "
                f"{X.dtype}. Lower scale, or scale X first."
            )
        return np.concatenate([X, noisy]), take(y, self.sample_indices_)
