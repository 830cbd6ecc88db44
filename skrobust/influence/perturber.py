"""ISP: training rows changed against the gradient of their influence."""

from __future__ import annotations

from functools import partial
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from ..neural.net_estimator import with_shared_docs
from ..utils.sklearn_private import Interval
from .cross_fitted import PAPER_PARAMS, InfluenceClassifier, mean_over_judges, rows_of
from .scores import input_influence


@with_shared_docs
class InfluencePerturber(InfluenceClassifier):
    r"""Network that continues training with its most harmful rows changed (ISP, Algorithm 2).

    A network trains for some epochs. Then the rows with the largest influence on the loss over
    rows that it has not seen are changed slightly, against the gradient of their influence,

    .. math:: x' = \mathrm{clip}(x - s \, I_\mathrm{pert}(x)),

    (:func:`~skrobust.input_influence`), which makes them more helpful, and training continues with
    the changed rows. Trusted rows are never changed. It is good for looking, but did not gain
    accuracy under noise.

    Parameters
    ----------
    <shared first parameters>
    fraction : float in (0, 1], default=0.25
        Share of the training rows to change, those with the largest influence; at least one.
    step : float or None, default=0.05
        Largest change within a row, as a share of the clipping range: the gradient of every row
        is scaled to it. None is the paper's raw gradient (s = 1), whose changes can exceed the
        range many times over.
    clip_min, clip_max : float, default=None
        Range that changed rows are clipped to; None is that of the training rows.
    <shared parameters>
    <shared last parameters>

    Attributes
    ----------
    estimator_ : NetClassifier
        The network after all epochs.
    perturbed_indices_ : ndarray of shape (n_perturbed,), int
        Changed rows, the most harmful first.
    perturbation_ : ndarray of shape (n_perturbed, ...), float32
        The changes that were added to them, after clipping.
    <shared attributes>

    <shared warnings>

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", Algorithm 2 and Eq. 8. `cv` and
    the bounded `step` go beyond it.

    Examples
    --------
    >>> from skrobust import InfluencePerturber, NetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=30, random_state=0, return_X_y_groups=True)
    >>> clf = InfluencePerturber(
    ...     NetClassifier(max_epochs=4, module__width=4), warmup_epochs=2, random_state=0
    ... ).fit(X, y, groups=patient)
    >>> bool(abs(clf.perturbation_).max() <= 0.051 * (X.max() - X.min()))
    True
    """

    _parameter_constraints: dict = {
        **InfluenceClassifier._parameter_constraints,
        "fraction": [Interval(Real, 0, 1, closed="right")],
        "step": [Interval(Real, 0, None, closed="neither"), None],
        "clip_min": [Real, None],
        "clip_max": [Real, None],
    }

    paper_params = {**PAPER_PARAMS, "fraction": 0.25, "step": None}

    def __init__(
        self,
        estimator=None,
        *,
        warmup_epochs=10,
        fraction=0.25,
        step=0.05,
        clip_min=None,
        clip_max=None,
        solver="auto",
        damping=0.1,
        smoothing=3,
        cv=3,
        validation_fraction=0.2,
        memory=None,
        random_state=None,
    ):
        self._keep_params(locals())

    def _use(self, final, data, trained, judges, influence, epochs) -> None:
        train = data.take(trained)
        X, clip = train.checked_X, self._clipping_range(train.checked_X)
        harm = influence[trained].copy()
        if train.trusted is not None:
            harm[train.trusted] = -np.inf  # never changed
        n_changed = max(1, round(self.fraction * np.isfinite(harm).sum()))
        rows = np.argsort(-harm, kind="stable")[:n_changed]
        before = X[rows].astype(np.float32)
        gradient = mean_over_judges(trained[rows], judges, partial(self._gradient, data))
        after = perturb(before, gradient, self.step, clip)
        changed = rows_of(X, np.arange(len(X)), np.float32)
        changed[rows] = after
        self.estimator_ = train.go_on(final, epochs, changed, judges)
        self.perturbed_indices_ = trained[rows]
        self.perturbation_ = after - before

    def _gradient(self, data, judge, rows) -> NDArray:
        """Return the gradient of the influence of some of the rows that a judge was trained on."""
        own = data.take(judge.rows)
        given = judge.network, own.checked_X, own.y, judge.X_val, judge.y_val
        return input_influence(*given, rows=rows, **self._solver_arguments(judge.network))

    def _check_before(self, X, groups, epochs):
        super()._check_before(X, groups, epochs)
        self._clipping_range(X)

    def _clipping_range(self, X: NDArray) -> tuple[float, float]:
        least, most = float(X.min()), float(X.max())
        low = least if self.clip_min is None else self.clip_min
        high = most if self.clip_max is None else self.clip_max
        if low > least or high < most:
            raise ValueError(
                f"the training rows lie between {least:.6g} and {most:.6g}, not within "
                f"clip_min={low:.6g} and clip_max={high:.6g}. Widen the range, or scale X into it."
            )
        return low, high


def perturb(
    X: NDArray, gradient: NDArray, step: float | None, clip: tuple[float, float]
) -> NDArray:
    """Return rows moved against a gradient and clipped."""
    low, high = clip
    if step is not None:
        largest = np.abs(gradient).reshape(len(gradient), -1).max(1)
        # a row without a gradient would be divided by zero
        scale = np.divide(float(step) * (high - low), largest, where=largest > 0, out=largest * 0)
        gradient = gradient * scale.reshape(-1, *[1] * (gradient.ndim - 1))
    return np.clip(X - gradient, low, high).astype(X.dtype)
