"""Distillation and mixing of training rows."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..base.row_sampler import TrustingRowSampler
from ..base.state import fill_random_states
from ..neural.net_classifier import NetClassifier
from ..utils.groups import require_groups
from ..utils.sklearn_private import HasMethods, Interval, StrOptions
from ..utils.targets import one_hot, require_two_classes, soft_labels, take
from .distillers import check_kept, fit_distiller, quality_weights, verdict
from .early_training import CertainSamples
from .label_noise_model import LabelNoiseModel
from .mixing import check_numbers_to_change, draw_partners, draw_targets, mix


class DistillMixAugmenter(TrustingRowSampler):
    """Keep the training rows that a distiller trusts, and mix them into an augmented set.

    By default the rows that :class:`~skrobust.LabelNoiseModel` trusts are kept unchanged; these are
    nearly all rows if the labels are right. The paper's method,
    ``DistillMixAugmenter(**DistillMixAugmenter.paper_params)``, keeps the rows C of which a network
    is certain in its first epochs, and replaces them by ``round(factor * len(C))`` mixtures
    ``(1 - alpha) x_j + alpha x_k`` (Eq. 1) with the label of ``x_j``; every row of C is ``x_j``
    equally often, as far as `balance` allows. Trusted rows, whose label has been checked, are kept,
    and teach a distiller that accepts them.

    Parameters
    ----------
    distiller : estimator, default=None
        Scores the labels: any estimator that has ``quality_`` after ``fit(X, y)``, and optionally
        ``kept_`` (otherwise rows of quality 0.5 or more are kept). None is
        :class:`~skrobust.LabelNoiseModel`. With ``memory`` it scores the rows once while the
        parameters here are searched over.
    strategy : {"both", "same", "other"} or None, default=None
        Where ``x_k`` comes from: all kept rows, the class of ``x_j``, or the other classes. None
        returns the kept rows unchanged, and ignores `alpha`, `factor` and `balance`.
    alpha : float in [0, 1] or tuple (a, b), default=0.5
        Share of ``x_k``; a tuple draws it from the beta distribution with these parameters. Under
        real label noise 0.1 to 0.3 did no harm where 0.5 did.
    factor : float > 0, default=5
        New rows per kept row; need not be an integer.
    balance : {"smote", "random", "group"} or None, default="smote"
        Class shares of the ``x_j``. None: as in C. Otherwise all classes get the same number,
        "random" by repeating rows of the smaller classes, "smote" by moving the repeats towards
        near rows of their class (the paper has SMOTE, and does not say where), "group" by repeating
        rows so that all groups of a class have the same weight.
    targets : {"hard", "soft", "weighted"}, default="hard"
        "hard": the label of ``x_j`` (the paper). "soft": ``1 - alpha`` in the class of ``x_j`` and
        `alpha` in that of ``x_k``. "weighted": all rows are used, and the label of ``x_j`` is
        weighted by its quality (:func:`~skrobust.label_noise.quality_weights`). The last two are
        soft labels, for a :class:`~skrobust.NetClassifier` right after this sampler.
    random_state : int, RandomState instance or None, default=None
        Fixes the mixture, and seeds the random states of `distiller` that are None.

    Attributes
    ----------
    distiller_ : estimator
        The fitted distiller.
    sample_indices_ : ndarray of shape (n_new,), int
        The training row ``x_j`` of every new row.
    partner_indices_ : ndarray of shape (n_new,), int
        The training row ``x_k`` of every new row; the row itself when `strategy` is None.
    alpha_ : ndarray of shape (n_new,)
        Share of ``x_k`` in every new row.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.
    paper_params : dict
        Class attribute: the settings of the paper.

    References
    ----------
    Lu et al., "Human-expert-level brain tumor detection using deep learning with data
    distillation and augmentation", 2020, section 4.2.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust import DistillMixAugmenter, OutOfFoldLabelQuality, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=20, random_state=0, return_X_y_groups=True)
    >>> distiller = OutOfFoldLabelQuality(LogisticRegression(C=0.01), keep=0.5)
    >>> sampler = DistillMixAugmenter(distiller, strategy="same", factor=2, random_state=0)
    >>> X_new, y_new = sampler.fit_resample(X, y, groups=patient)
    >>> len(X_new) == 2 * int(sampler.distiller_.kept_.sum())
    True
    """

    _parameter_constraints: dict = {
        **TrustingRowSampler._parameter_constraints,
        "distiller": [HasMethods(["fit", "get_params"]), None],
        "strategy": [StrOptions({"both", "same", "other"}), None],
        "alpha": [Interval(Real, 0, 1, closed="both"), tuple],
        "factor": [Interval(Real, 0, None, closed="neither")],
        "balance": [StrOptions({"smote", "random", "group"}), None],
        "targets": [StrOptions({"hard", "soft", "weighted"})],
    }

    paper_params = {
        "distiller": CertainSamples(
            NetClassifier(**NetClassifier.paper_params), **CertainSamples.paper_params
        ),
        "strategy": "both",
        "alpha": 0.5,
        "factor": 5,
        "balance": "smote",
        "targets": "hard",
    }

    def __init__(
        self,
        distiller=None,
        *,
        strategy=None,
        alpha=0.5,
        factor=5,
        balance="smote",
        targets="hard",
        random_state=None,
    ):
        super().__init__()
        self._keep_params(locals())

    def _fit_resample(self, columns, y, groups, trusted):
        self._check_choices(groups)
        if isinstance(y, pd.DataFrame):
            classes, mass = y.columns.to_numpy(), y.to_numpy()
            codes = mass.argmax(1)
        else:
            classes, codes = np.unique(y, return_inverse=True)
            mass = one_hot(codes, len(classes))
        labels = classes[codes]
        require_two_classes(np.unique(labels), self)
        distiller = LabelNoiseModel() if self.distiller is None else clone(self.distiller)
        fill_random_states(distiller, self.random_state)
        known = {"groups": groups, "trusted": trusted}
        self.distiller_ = fit_distiller(distiller, columns.X, labels, **known)
        said = verdict(self.distiller_, len(labels), trusted)
        pool = np.arange(len(labels))
        if self.targets != "weighted":
            check_kept(self.distiller_, said.kept, labels)
            pool = np.flatnonzero(said.kept)
        if self.strategy is None:
            X_new, self.alpha_ = columns.numbers[pool], np.zeros(len(pool))
            self.sample_indices_ = self.partner_indices_ = pool
        else:
            X_new = self._mix(columns, codes, pool, groups)
        rows = self.sample_indices_
        if self.targets == "hard":
            return X_new, take(y, rows)
        if self.targets == "weighted":
            weight = quality_weights(said.quality, labels, trusted)
            return X_new, soft_labels(mass[rows] * weight[rows, None], classes)
        share = self.alpha_[:, None]
        mixed = (1 - share) * mass[rows] + share * mass[self.partner_indices_]
        return X_new, soft_labels(mixed, classes)

    def _mix(self, columns, codes, pool, groups):
        """Return mixed rows (Eq. 1)."""
        check_numbers_to_change(columns, "DistillMixAugmenter with a strategy")
        X = columns.numbers
        rng = check_random_state(self.random_state)
        n_new = max(1, round(self.factor * len(pool)))
        flat = X.reshape(len(X), -1)
        targets = draw_targets(flat, codes, pool, n_new, self.balance, groups, rng)
        partners = draw_partners(targets.rows, codes, pool, self.strategy, rng)
        is_beta = isinstance(self.alpha, tuple)
        self.alpha_ = rng.beta(*self.alpha, n_new) if is_beta else np.full(n_new, float(self.alpha))
        self.sample_indices_, self.partner_indices_ = targets.rows, partners
        return mix(flat, targets, partners, self.alpha_).reshape(n_new, *X.shape[1:])

    def _check_choices(self, groups):
        """Raise if parameters do not fit each other."""
        if isinstance(self.alpha, tuple) and not (
            len(self.alpha) == 2 and all(isinstance(a, Real) and a > 0 for a in self.alpha)
        ):
            raise ValueError(
                f"alpha={self.alpha!r} does not hold parameters of a beta distribution: give two "
                "positive numbers (a, b), or one number between 0 and 1."
            )
        if self.balance == "group" and self.strategy is not None:
            require_groups(groups, "balance")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # rows that are not mixed are only used by the distiller
        tags.input_tags.allow_nan = self.strategy is None
        return tags
