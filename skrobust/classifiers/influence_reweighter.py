"""Weights from the influence of training rows on a validation loss (ISR)."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import clone

from ..networks import ConvNet
from ..utils.groups import group_means, require_groups
from ..utils.random_states import fill_random_states
from ..utils.sklearn_private import HasMethods, Interval, StrOptions
from .fitted_inside import check_takes_weights, fit_weighted
from .influence_classifier import InfluenceClassifier, WarmStage
from .net_classifier import NetClassifier


class InfluenceReweighter(InfluenceClassifier):
    r"""Network that goes on training with rows weighted by their influence (ISR, Algorithm 1).

    The network trains for some epochs. Then every training row gets its influence on the loss
    over validation rows (:func:`~skrobust.influence_scores`; negative is helpful), the influences
    are scaled to weights between 1 and `alpha`, and the same network trains on with these weights
    for the rest of its epochs. The validation rows never train.

    The paper gives harmful rows the larger weight, to make the network attend to noisy images.
    Where labels may be wrong, the opposite is called for: ``emphasis="helpful"``.

    Parameters
    ----------
    estimator : NetClassifier, default=None
        The network; its ``max_epochs`` counts the warm-up too. None is ``NetClassifier()``.
    warmup_epochs : int, default=10
        Epochs before the scores, fewer than ``estimator.max_epochs``. The paper says "several".
    alpha : float, default=10
        Largest weight over smallest weight, at least 1 (the paper's 10).
    emphasis : {"harmful", "helpful"}, default="harmful"
        Which rows get the large weights. "harmful" is the paper's.
    scaling : {"minmax", "rank"}, default="minmax"
        "minmax" maps the influences linearly to ``[1, alpha]`` (the paper's); a single extreme
        row then pushes all others to one end. "rank" spreads their ranks evenly over that range,
        divided by the mean: steadier.
    level : {"row", "group"}, default="row"
        "group" averages the influence over every group first, where whole patients may be
        mislabelled. It needs groups.
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
    final_estimator : classifier, default=None
        Instead of training the network on, fit this classifier on the training rows, with the
        weights divided by their mean. Its ``fit`` must take ``sample_weight``.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the warm-up and the scores, so that a search over `alpha`, `emphasis`, `scaling`,
        `level` and `final_estimator` warms up once.
    random_state : int, RandomState instance or None, default=None
        Chooses the held-out rows, and seeds the random states of `estimator` and
        `final_estimator` that are None. With a memory give an int: every other draw is new.

    Attributes
    ----------
    estimator_ : NetClassifier or classifier
        The network after all epochs, or the fitted `final_estimator`.
    influence_ : ndarray of shape (n_samples,)
        Influence of every row after the warm-up; NaN for rows held out for validation.
    sample_weight_ : ndarray of shape (n_samples,)
        Weights of the rows; 0 for rows held out for validation.
    validation_indices_ : ndarray of shape (n_held_out,), int
        Rows held out for validation; empty when ``X_val`` was given.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.
    paper_params : dict
        Class attribute: the settings of the paper. Its number of warm-up epochs is not printed.

    Warns
    -----
    InfluenceWarning
        If the held-out rows are of fewer than 10 groups, or the validation rows lack a class.

    See Also
    --------
    InfluencePerturber : Changes the rows instead of weighting them.
    skrobust.LabelQualityReweighter : Weights from out-of-fold label quality.
    skrobust.influence_scores : The influence.

    Notes
    -----
    The scores are those of the network's last linear layer, with the features frozen. Only the
    ratios of the weights matter to the network: its loss is divided by their mean.

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", Algorithm 1, Eqs. 7 and 9.
    `scaling`, `level`, `final_estimator` and ``emphasis="helpful"`` go beyond it.

    Examples
    --------
    >>> from skrobust import InfluenceReweighter, NetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=60, random_state=0, return_X_y_groups=True)
    >>> clf = InfluenceReweighter(
    ...     NetClassifier(max_epochs=4, module__width=4), warmup_epochs=2, random_state=0
    ... ).fit(X, y, groups=patient)
    >>> trained = clf.sample_weight_ > 0
    >>> float(clf.sample_weight_[trained].min()), float(clf.sample_weight_[trained].max())
    (1.0, 10.0)
    >>> set(patient[trained]) & set(patient[clf.validation_indices_])
    set()
    """

    _parameter_constraints: dict = {
        **InfluenceClassifier._parameter_constraints,
        "alpha": [Interval(Real, 1, None, closed="left")],
        "emphasis": [StrOptions({"harmful", "helpful"})],
        "scaling": [StrOptions({"minmax", "rank"})],
        "level": [StrOptions({"row", "group"})],
        "final_estimator": [HasMethods(["fit", "predict"]), None],
    }

    paper_params = {
        "estimator": NetClassifier(ConvNet, max_epochs=40, lr=0.01, batch_size=32),
        "warmup_epochs": 10,
        "alpha": 10,
        "emphasis": "harmful",
        "scaling": "minmax",
        "level": "row",
        "solver": "lissa",
    }

    def __init__(
        self,
        estimator=None,
        *,
        warmup_epochs=10,
        alpha=10,
        emphasis="harmful",
        scaling="minmax",
        level="row",
        solver="auto",
        damping=0.1,
        smoothing=None,
        validation_fraction=0.2,
        final_estimator=None,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.warmup_epochs = warmup_epochs
        self.alpha = alpha
        self.emphasis = emphasis
        self.scaling = scaling
        self.level = level
        self.solver = solver
        self.damping = damping
        self.smoothing = smoothing
        self.validation_fraction = validation_fraction
        self.final_estimator = final_estimator
        self.memory = memory
        self.random_state = random_state

    def _use(self, stage: WarmStage, epochs: int) -> None:
        influence = stage.influence
        if self.level == "group":
            _, means, codes = group_means(influence[:, None], stage.groups)
            influence = means[codes, 0]
        weight = influence_weights(influence, self.alpha, self.emphasis, self.scaling)
        if self.final_estimator is None:
            self.estimator_ = stage.go_on(epochs, stage.checked_X, weight)
        else:
            final = fill_random_states(clone(self.final_estimator), self.random_state)
            weights = weight / weight.mean()
            self.estimator_ = fit_weighted(final, stage.X, stage.y, weights, stage.groups)
        self.sample_weight_ = stage.over_all_rows(weight, 0)

    def _check_before(self, X, groups, epochs):
        if self.level == "group":
            require_groups(groups)
        if self.final_estimator is None:
            super()._check_before(X, groups, epochs)
        else:
            check_takes_weights(self.final_estimator)

    def _inside(self):
        if hasattr(self, "estimator_") or self.final_estimator is None:
            return super()._inside()
        return self.final_estimator


def influence_weights(influence: NDArray, alpha: float, emphasis: str, scaling: str) -> NDArray:
    """Return weights whose largest is `alpha` times the smallest.

    Parameters
    ----------
    influence : ndarray of shape (n_samples,)
        The influences; negative is helpful.
    alpha : float
        Largest over smallest weight.
    emphasis : {"harmful", "helpful"}
        Which rows get the large weights.
    scaling : {"minmax", "rank"}
        Linear, or by rank with a mean of 1.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        The weights; all 1 when the influences are all equal.
    """
    harm = influence if emphasis == "harmful" else -influence
    values = rankdata(harm) if scaling == "rank" else harm
    low, high = values.min(), values.max()
    if high == low:
        return np.ones(len(values))
    weight = 1 + (alpha - 1) * (values - low) / (high - low)
    return weight / weight.mean() if scaling == "rank" else weight
