"""Training rows changed against their influence gradient (ISP)."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray

from ..influence import input_influence
from ..networks import ConvNet
from ..utils.sklearn_private import Interval
from .influence_classifier import InfluenceClassifier, WarmStage, training_target
from .net_classifier import NetClassifier


class InfluencePerturber(InfluenceClassifier):
    r"""Network that goes on training with its most harmful rows changed (ISP, Algorithm 2).

    The network trains for some epochs. Then the rows with the largest influence on the loss over
    validation rows are changed a little against the gradient of their influence,

    .. math:: x' = \mathrm{clip}(x - s \, I_\mathrm{pert}(x)),

    (:func:`~skrobust.input_influence`), which makes them more helpful, and the same network
    trains on with the changed rows in the place of the old ones, for the rest of its epochs. The
    validation rows never train.

    Parameters
    ----------
    estimator : NetClassifier, default=None
        The network; its ``max_epochs`` counts the warm-up too. None is ``NetClassifier()``.
    warmup_epochs : int, default=10
        Epochs before the scores, fewer than ``estimator.max_epochs``. The paper says "several".
    fraction : float in (0, 1], default=0.25
        Share of the training rows to change, those of the largest influence; at least one.
    step : float or None, default=0.05
        Largest change within a row, as a share of the clipping range: the gradient of every row
        is scaled to it. None is the paper's raw gradient (s = 1), whose changes can exceed the
        range many times over, so that the clipped row has little to do with the old one.
    clip_min, clip_max : float, default=None
        Range that changed rows are clipped to; the smallest and largest value of the training
        rows when None.
    solver : {"auto", "exact", "cg", "lissa"}, default="auto"
        How the inverse Hessian is applied, see :func:`~skrobust.influence_scores`. The paper
        approximates it by LiSSA.
    damping : float, default=0.1
        Added to the Hessian, as a multiple of the mean of its diagonal.
    smoothing : float, default=None
        Score a head that is less certain, see :func:`~skrobust.influence_scores`. None is the
        paper's. Give 3 where labels may be wrong.
    validation_fraction : float in (0, 0.5], default=0.2
        Share of the rows to hold out for validation unless `fit` gets ``X_val``; disjoint in
        groups when groups are given, stratified otherwise.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the warm-up and the scores, so that a search over `fraction`, `step` and the
        clipping range warms up once.
    random_state : int, RandomState instance or None, default=None
        Chooses the held-out rows, and seeds the random states of `estimator` that are None. With
        a memory give an int: every other draw is new.

    Attributes
    ----------
    estimator_ : NetClassifier
        The network after all epochs.
    influence_ : ndarray of shape (n_samples,)
        Influence of every row after the warm-up; NaN for rows held out for validation.
    perturbed_indices_ : ndarray of shape (n_perturbed,), int
        Changed rows, the most harmful first.
    perturbation_ : ndarray of shape (n_perturbed, ...), float32
        What was added to them, after clipping.
    validation_indices_ : ndarray of shape (n_held_out,), int
        Rows held out for validation; empty when ``X_val`` was given.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.
    paper_params : dict
        Class attribute: the settings of the paper. Its numbers of warm-up epochs and of changed
        rows are not printed.

    Warns
    -----
    InfluenceWarning
        If the held-out rows are of fewer than 10 groups, or the validation rows lack a class.

    See Also
    --------
    InfluenceReweighter : Weights the rows instead of changing them.
    skrobust.input_influence : The gradient.

    Notes
    -----
    The gradient goes through the whole network, but the influence is that of the last linear
    layer, with the Hessian held fixed. The training rows are copied once.

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", Algorithm 2 and Eq. 8. The
    bounded `step` goes beyond it.

    Examples
    --------
    >>> from skrobust import InfluencePerturber, NetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=60, random_state=0, return_X_y_groups=True)
    >>> clf = InfluencePerturber(
    ...     NetClassifier(max_epochs=4, module__width=4), warmup_epochs=2, random_state=0
    ... ).fit(X, y, groups=patient)
    >>> clf.perturbation_.shape[1:] == X.shape[1:]
    True
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

    paper_params = {
        "estimator": NetClassifier(ConvNet, max_epochs=40, lr=0.01, batch_size=32),
        "warmup_epochs": 10,
        "fraction": 0.25,
        "step": None,
        "solver": "lissa",
    }

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
        smoothing=None,
        validation_fraction=0.2,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.warmup_epochs = warmup_epochs
        self.fraction = fraction
        self.step = step
        self.clip_min = clip_min
        self.clip_max = clip_max
        self.solver = solver
        self.damping = damping
        self.smoothing = smoothing
        self.validation_fraction = validation_fraction
        self.memory = memory
        self.random_state = random_state

    def _use(self, stage: WarmStage, epochs: int) -> None:
        X = stage.checked_X
        clip = self._clipping_range(X)
        n_changed = max(1, round(self.fraction * len(X)))
        rows = np.argsort(-stage.influence, kind="stable")[:n_changed]
        gradient = input_influence(
            stage.network,
            X,
            training_target(stage.network, stage.y),
            stage.X_val,
            stage.y_val,
            rows=rows,
            **self._solver_arguments(stage.network),
        )
        before = X[rows].astype(np.float32)
        after = perturb(before, gradient, self.step, clip)
        changed = X.astype(np.float32)
        changed[rows] = after
        self.estimator_ = stage.go_on(epochs, changed)
        self.perturbed_indices_ = stage.indices[rows]
        self.perturbation_ = after - before

    def _check_before(self, X, groups, epochs):
        super()._check_before(X, groups, epochs)
        self._clipping_range(X)

    def _clipping_range(self, X: NDArray) -> tuple[float, float]:
        found = float(X.min()), float(X.max())
        low = found[0] if self.clip_min is None else self.clip_min
        high = found[1] if self.clip_max is None else self.clip_max
        if low > found[0] or high < found[1]:
            raise ValueError(
                f"the training rows lie between {found[0]:.6g} and {found[1]:.6g}, not within "
                f"clip_min={low:.6g} and clip_max={high:.6g}. Widen the range, or scale X into it."
            )
        return low, high


def perturb(
    X: NDArray, gradient: NDArray, step: float | None, clip: tuple[float, float]
) -> NDArray:
    """Return rows moved against a gradient and clipped.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        The rows.
    gradient : ndarray of shape (n_samples, ...)
        A row of zeros leaves its row where it is.
    step : float or None
        Largest change within a row as a share of the range; None subtracts the gradient as it is.
    clip : tuple of float
        Smallest and largest value.

    Returns
    -------
    moved : ndarray of shape (n_samples, ...)
        The changed rows, in the dtype of X.
    """
    low, high = clip
    if step is not None:
        largest = np.abs(gradient).reshape(len(gradient), -1).max(1)
        # a row without a gradient would be divided by zero
        scale = np.divide(step * (high - low), largest, where=largest > 0, out=largest * 0)
        gradient = gradient * scale.reshape(-1, *[1] * (gradient.ndim - 1))
    return np.clip(X - gradient, low, high).astype(X.dtype)
