"""ISR: training rows weighted by their influence."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import clone

from ..base.fitted_inside import fit_weighted, require_sample_weight
from ..base.state import fill_random_states
from ..neural.net_estimator import with_shared_docs
from ..utils.groups import group_means, require_groups
from ..utils.sklearn_private import HasMethods, Interval, StrOptions
from .cross_fitted import PAPER_PARAMS, InfluenceClassifier


@with_shared_docs
class InfluenceReweighter(InfluenceClassifier):
    r"""Network that continues training with rows weighted by influence (ISR, Algorithm 1).

    A network trains for some epochs. Then the influence of every training row on the loss over
    rows that it has not seen is computed (:func:`~skrobust.influence_scores`; negative is helpful)
    and scaled to weights, and training continues with these weights for the rest of the epochs.

    It is good for looking. As a training method :class:`~skrobust.LabelQualityReweighter` gains
    more where labels are wrong. The paper (``paper_params``) gives harmful rows the larger weight,
    so that the network attends to noisy images; that costs accuracy if labels may be wrong.

    Parameters
    ----------
    <shared first parameters>
    alpha : float, default=10
        Largest weight over smallest weight, at least 1 (the paper's 10).
    emphasis : {"harmful", "helpful"}, default="helpful"
        Which rows get the large weights. "harmful" is the paper's.
    scaling : {"minmax", "rank"}, default="rank"
        "minmax" maps the influences linearly to ``[1, alpha]`` (the paper's); "rank" spreads their
        ranks evenly over that range, divided by the mean, which a single extreme row cannot spoil.
    level : {"row", "group"}, default="row"
        "group" averages the influence over every group first, for patients that are mislabelled.
    <shared parameters>
    final_estimator : classifier, default=None
        Instead of continuing with the network, fit this classifier on the training rows, with the
        weights divided by their mean. Its ``fit`` must take ``sample_weight``.
    <shared last parameters>

    Attributes
    ----------
    estimator_ : NetClassifier or classifier
        The network after all epochs, or the fitted `final_estimator`.
    sample_weight_ : ndarray of shape (n_samples,)
        Weights of the rows, the mean one for trusted rows; 0 for rows held out for validation.
    <shared attributes>

    <shared warnings>

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", Algorithm 1, Eqs. 7 and 9.
    `scaling`, `level`, `cv`, `final_estimator` and ``emphasis="helpful"`` go beyond it.

    Examples
    --------
    >>> from skrobust import InfluenceReweighter, NetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=30, random_state=0, return_X_y_groups=True)
    >>> clf = InfluenceReweighter(
    ...     NetClassifier(max_epochs=4, module__width=4), warmup_epochs=2, random_state=0
    ... ).fit(X, y, groups=patient)
    >>> round(float(clf.sample_weight_.max() / clf.sample_weight_.min()))
    10
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
        **PAPER_PARAMS,
        "alpha": 10,
        "emphasis": "harmful",
        "scaling": "minmax",
        "level": "row",
    }

    def __init__(
        self,
        estimator=None,
        *,
        warmup_epochs=10,
        alpha=10,
        emphasis="helpful",
        scaling="rank",
        level="row",
        solver="auto",
        damping=0.1,
        smoothing=3,
        cv=3,
        validation_fraction=0.2,
        final_estimator=None,
        memory=None,
        random_state=None,
    ):
        self._keep_params(locals())

    def _use(self, final, data, trained, judges, influence, epochs) -> None:
        train, scores = data.take(trained), influence[trained]
        if self.level == "group":
            _, means, codes = group_means(scores[:, None], train.groups)
            scores = means[codes, 0]
        doubted = np.full(len(trained), True) if train.trusted is None else ~train.trusted
        own = influence_weights(scores[doubted], self.alpha, self.emphasis, self.scaling)
        weight = np.full(len(trained), own.mean())
        weight[doubted] = own
        if self.final_estimator is None:
            self.estimator_ = train.go_on(final, epochs, train.checked_X, judges, weight)
        else:
            last = fill_random_states(clone(self.final_estimator), self.random_state)
            weights = weight / weight.mean()
            self.estimator_ = fit_weighted(last, train.X, train.y, weights, train.groups)
        self.sample_weight_ = np.zeros(len(data.y))
        self.sample_weight_[trained] = weight

    def _continues(self) -> bool:
        return self.final_estimator is None

    def _check_before(self, X, groups, epochs):
        if self.level == "group":
            require_groups(groups)
        if self.final_estimator is None:
            super()._check_before(X, groups, epochs)
        else:
            require_sample_weight(self.final_estimator)

    def _inside(self):
        if hasattr(self, "estimator_") or self.final_estimator is None:
            return super()._inside()
        return self.final_estimator


def influence_weights(influence: NDArray, alpha: float, emphasis: str, scaling: str) -> NDArray:
    """Return weights whose largest is `alpha` times the smallest."""
    harm = influence if emphasis == "harmful" else -influence
    values = rankdata(harm) if scaling == "rank" else harm
    low, high = values.min(), values.max()
    if high == low:
        return np.ones(len(values))
    weight = 1 + (alpha - 1) * (values - low) / (high - low)
    return weight / weight.mean() if scaling == "rank" else weight
