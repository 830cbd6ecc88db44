"""Classifiers that use influence: reweighting and perturbation."""

from __future__ import annotations

import math
import tempfile
import warnings
from abc import abstractmethod
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils import column_or_1d

from ..base.fitted_inside import FittedInsideMixin, check_labels, check_takes_weights, fit_weighted
from ..base.state import fill_random_states, fit_context
from ..neural.architectures import ConvNet
from ..neural.batches import is_memory_mapped
from ..neural.net_classifier import NetClassifier
from ..neural.seeding import draw_seed
from ..neural.splits import validation_split
from ..utils.caching import cached
from ..utils.groups import check_groups, group_means, require_groups
from ..utils.sklearn_private import HasMethods, Interval, StrOptions, safe_indexing
from ..utils.targets import encode_labels, is_soft_labels, weigh
from ..utils.validation import check_trusted, warn
from .scores import influence_scores, input_influence

# with fewer validation patients, influence found mislabelled rows no better than chance
_FEW_GROUPS = 10


class InfluenceWarning(UserWarning):
    """The validation rows are too few or too one-sided for meaningful influence scores."""


class Judge(NamedTuple):
    """A network after its warm-up, and what it says of the rows that it was trained on.

    Parameters
    ----------
    network : NetClassifier
        The warmed-up classifier.
    rows : ndarray of int
        The rows that it was trained on.
    X_val, y_val : ndarray
        Validation rows, which it has not seen, and their labels.
    influence : ndarray of shape (n_rows,)
        Influence of the rows on the loss over the validation rows.
    """

    network: NetClassifier
    rows: NDArray
    X_val: NDArray
    y_val: NDArray
    influence: NDArray


class TrainingRows(NamedTuple):
    """Rows to train on: in their container, and as an array; labels, groups, and trusted rows."""

    X: ArrayLike
    checked_X: NDArray
    y: NDArray
    groups: NDArray | None
    trusted: NDArray | None

    def take(self, rows: NDArray) -> TrainingRows:
        """Return some of the rows."""
        if len(rows) == len(self.y):
            return self
        checked = _rows_of(self.checked_X, rows)
        X = checked if self.X is self.checked_X else _rows_of(self.X, rows)
        rest = [None if values is None else values[rows] for values in self[2:]]
        return TrainingRows(X, checked, *rest)

    def go_on(
        self, network, epochs: int, X: NDArray, valid: tuple | None, sample_weight=None
    ) -> NetClassifier:
        """Continue training a network, on `X` with the labels of these rows."""
        net = network.net_
        codes = encode_labels(self.y, network.classes_, "y")
        target = weigh(codes, network.classes_, sample_weight, network.class_weight)
        if valid is not None:
            codes_val = encode_labels(valid[1], network.classes_, "y_val")
            valid = network._rows(net, valid[0], codes_val)
        net.run_epochs(network._rows(net, X, target), epochs, valid)
        return network


class InfluenceClassifier(FittedInsideMixin, BaseEstimator):
    """Base of the classifiers that use the influence of training rows on a validation loss.

    Subclasses implement `_use`: what to do after the warm-up.
    """

    __metadata_request__fit = {"groups": True, "trusted": True, "X_val": True, "y_val": True}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "warmup_epochs": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"auto", "exact", "cg", "lissa"})],
        "damping": [Interval(Real, 0, None, closed="left")],
        "smoothing": [Interval(Real, 0, None, closed="neither"), None],
        "cv": [Interval(Integral, 2, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "memory": [str, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        trusted: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ):
        """Warm up, score the training rows, and train on.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row; none is on both sides of a fold.
        trusted : array-like of bool of shape (n_samples,), default=None
            Rows that an expert has checked, for example clean images with the right label: only
            they judge the others, and they train as they are. Needs `cv`.
        X_val : array-like of shape (n_val, ...), default=None
            Rows that judge and never train, as in the paper, instead of folds.
        y_val : array-like of shape (n_val,), default=None
            Their labels.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            If the input is malformed, or the rows that judge cannot be split into folds.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together, but only one of them was given.")
        if not isinstance(self._given(), NetClassifier):
            raise ValueError(
                f"estimator must be a NetClassifier, got {type(self.estimator).__name__}: its "
                "network is trained, scored and trained further. A network of your own goes in as "
                "NetClassifier(module=YourNetwork)."
            )
        if self._given().n_members > 1:
            raise ValueError(
                f"influence is that of one network, but the estimator has n_members="
                f"{self._given().n_members}. Set n_members=1."
            )
        network = fill_random_states(clone(self._given()), self.random_state)
        network.set_params(early_stopping=False)
        given_y, y = y, check_labels(y)
        if y is not None and is_soft_labels(y):
            raise ValueError(
                f"{type(self).__name__} takes one label per row, but y has shape {np.shape(y)}."
            )
        checked_X, classes, codes = (
            clone(network).set_params(class_weight=None)._check_targets(X, y, None)
        )
        y = classes[codes]
        trusted = check_trusted(trusted, given_y)
        if trusted is not None and (X_val is not None or self.cv is None):
            raise ValueError(
                "trusted rows judge the others in folds: set cv, and leave out X_val and y_val, "
                "which judge instead of them."
            )
        if trusted is not None and trusted.all():
            raise ValueError(
                "every row is trusted, so that none is left to judge: fit the network itself."
            )
        # column names are for the fitted classifier; everything else is passed as an array
        X = X if hasattr(X, "iloc") else checked_X
        groups = None if groups is None else check_groups(groups, len(y), given_y)
        epochs = network.max_epochs - self.warmup_epochs
        self._check_before(checked_X, groups, epochs)
        data = TrainingRows(X, checked_X, y, groups, trusted)
        if X_val is not None:
            held = np.empty(0, dtype=int)
            judges = [self._judge(network, data, np.arange(len(y)), X_val, y_val)]
        elif self.cv is None:
            train, held = validation_split(
                codes,
                self.validation_fraction,
                groups,
                draw_seed(self.random_state),
                remedy="give X_val and y_val",
            )
            if groups is not None:
                _warn_of_few_groups(groups[held])
            judges = [self._judge(network, data, train, _rows_of(X, held), y[held])]
        else:
            held = np.empty(0, dtype=int)
            folds = self._folds(codes, groups, trusted)
            units = np.arange(len(y)) if groups is None else groups
            if groups is not None:
                _warn_of_few_groups(groups[np.concatenate(folds)])
            judges = [
                self._judge(network, data, _others(fold, units), _rows_of(X, fold), y[fold])
                for fold in folds
            ]
        influence = _mean_influence(len(y), judges)
        if len(judges) == 1:
            trained, final = judges[0].rows, judges[0].network
        else:
            trained = np.arange(len(y))
            final = clone(network).set_params(max_epochs=self.warmup_epochs)
            # the classifier at the end need not be this network
            final = final.fit(X, y) if epochs > 0 and self._continues() else None
        self._use(final, data, trained, judges, influence, epochs)
        self.influence_, self.validation_indices_ = influence, held
        return self

    def _continues(self) -> bool:
        """Tell whether the warmed-up network is trained further."""
        return True

    def _folds(self, codes, groups, trusted) -> list[NDArray]:
        """Return the rows that judge, in folds without common groups."""
        judging = np.arange(len(codes)) if trusted is None else np.flatnonzero(trusted)
        of_judging = codes[judging]
        units = judging if groups is None else groups[judging]
        fewest = min(len(np.unique(units[of_judging == c])) for c in np.unique(of_judging))
        n_folds = min(self.cv, max(fewest, 2))
        if len(np.unique(units)) < 2:
            what = "row" if groups is None else "group"
            raise ValueError(
                f"all {len(judging)} rows that judge are of one {what}, and cannot be split into "
                f"folds. Trust rows of more {what}s, or give X_val and y_val."
            )
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        splitter = kind(n_folds, shuffle=True, random_state=draw_seed(self.random_state))
        with warnings.catch_warnings():
            # a class of a single row or group; the rows that judge lack it, which is said below
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            try:
                splits = list(
                    splitter.split(judging, of_judging, None if groups is None else units)
                )
            except ValueError as error:
                raise ValueError(
                    f"the rows that judge cannot be split into {n_folds} folds: {error}"
                ) from error
        return [judging[held] for _, held in splits if len(held)]

    def _judge(self, network, data, rows, X_val, y_val) -> Judge:
        """Warm up a network on some rows, and score them."""
        y_val = column_or_1d(y_val)
        _warn_of_missing_classes(np.unique(data.y), y_val)
        train = data.take(rows)
        warm, influence = cached(self.memory, _warm_up)(
            network=network,
            X=train.X,
            y=train.y,
            X_val=X_val,
            y_val=y_val,
            epochs=self.warmup_epochs,
            solver_arguments=self._solver_arguments(network),
        )
        return Judge(warm, rows, warm._check_X(X_val, reset=False), y_val, influence)

    def _check_before(self, X: NDArray, groups: NDArray | None, epochs: int) -> None:
        """Raise errors that would otherwise occur only after the warm-up."""
        if epochs < 1:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs} leaves no epoch to go on with: the estimator "
                f"has max_epochs={self._given().max_epochs}. Lower the one or raise the other."
            )

    @abstractmethod
    def _use(self, final, data, trained, judges, influence, epochs) -> None:
        """Continue for some epochs after the warm-up, and set the fitted attributes."""

    def _given(self) -> NetClassifier:
        return NetClassifier() if self.estimator is None else self.estimator

    def _inside(self):
        fitted = getattr(self, "estimator_", None)
        return self._given() if fitted is None else fitted

    def _solver_arguments(self, network: NetClassifier) -> dict[str, Any]:
        arguments = {
            "solver": self.solver,
            "damping": self.damping,
            "smoothing": self.smoothing,
        }
        if self.solver == "lissa":
            arguments["solver_params"] = {"random_state": network.random_state}
        return arguments

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = False
        tags.input_tags.three_d_array = True
        return tags


def _rows_of(X: ArrayLike, rows: NDArray, dtype: Any = None) -> ArrayLike:
    """Return some rows; those of a memory-mapped X go into a temporary file, not into memory."""
    if not is_memory_mapped(X if isinstance(X, np.ndarray) else None):
        chosen = safe_indexing(X, rows)
        return chosen if dtype is None else chosen.astype(dtype)
    with tempfile.TemporaryFile() as file:
        shape = (len(rows), *X.shape[1:])
        copy = np.memmap(file, X.dtype if dtype is None else dtype, "w+", shape=shape)
    size = max(1, 2**20 // math.prod(X.shape[1:]))
    for start in range(0, len(rows), size):
        copy[start : start + size] = X[rows[start : start + size]]
    return copy


def _others(rows: NDArray, units: NDArray) -> NDArray:
    """Return the rows of other units; those of the same that are not trusted are no others."""
    return np.flatnonzero(~np.isin(units, units[rows]))


def _mean_influence(n_samples: int, judges: list[Judge]) -> NDArray:
    """Return the mean influence of every row over the judges that were trained on it, or NaN."""
    total, times = np.zeros(n_samples), np.zeros(n_samples)
    for judge in judges:
        total[judge.rows] += judge.influence
        times[judge.rows] += 1
    return np.divide(total, times, out=np.full(n_samples, np.nan), where=times > 0)


def _valid(judges: list[Judge]) -> tuple | None:
    """Return the rows whose loss is followed while the network trains on, if none trains."""
    return (judges[0].X_val, judges[0].y_val) if len(judges) == 1 else None


def _warm_up(network, X, y, X_val, y_val, epochs, solver_arguments):
    """Return a classifier after its first epochs, and the influence of its training rows."""
    warm = clone(network).set_params(max_epochs=epochs).fit(X, y, X_val=X_val, y_val=y_val)
    checked = warm._check_X(X, reset=False), y, warm._check_X(X_val, reset=False), y_val
    return warm, influence_scores(warm, *checked, **solver_arguments)


def _warn_of_few_groups(groups: NDArray) -> None:
    n_groups = len(np.unique(groups))
    if n_groups < _FEW_GROUPS:
        warn(
            f"the validation rows are of {n_groups} groups. Below {_FEW_GROUPS} their loss says "
            "more about these patients than about the classes: raise validation_fraction, or give "
            "X_val and y_val of more patients.",
            InfluenceWarning,
        )


def _warn_of_missing_classes(classes: NDArray, y_val: NDArray) -> None:
    missing = np.setdiff1d(classes, y_val)
    if len(missing):
        warn(
            f"the validation rows lack {missing.tolist()}: rows of these classes can only look "
            "harmful. Give validation rows of every class.",
            InfluenceWarning,
        )


class InfluenceReweighter(InfluenceClassifier):
    r"""Network that continues training with rows weighted by influence (ISR, Algorithm 1).

    A network trains for some epochs. Then the influence of every training row on the loss over
    rows that it has not seen is computed (:func:`~skrobust.influence_scores`; negative is helpful)
    and scaled to weights, and training continues with these weights for the rest of the epochs.
    By default this is cross-fitted (`cv`): rows are judged by the loss over other patients, by a
    network that has not seen these, and all rows train at the end.

    It is good for looking: ``influence_`` says which rows help or harm which patients. As a
    training method :class:`~skrobust.LabelQualityReweighter` gains more where labels are wrong.

    The paper, ``InfluenceReweighter(**InfluenceReweighter.paper_params)``, holds out validation
    rows that never train, and gives harmful rows the larger weight, so that the network attends to
    noisy images; that costs accuracy if labels may be wrong.

    Parameters
    ----------
    estimator : NetClassifier, default=None
        The network; its ``max_epochs`` counts the warm-up too. None is ``NetClassifier()``.
    warmup_epochs : int, default=10
        Epochs before the scores, fewer than ``estimator.max_epochs``. The paper says "several".
    alpha : float, default=10
        Largest weight over smallest weight, at least 1 (the paper's 10).
    emphasis : {"harmful", "helpful"}, default="helpful"
        Which rows get the large weights. "harmful" is the paper's.
    scaling : {"minmax", "rank"}, default="rank"
        "minmax" maps the influences linearly to ``[1, alpha]`` (the paper's); a single extreme
        row then pushes all others to one end. "rank" spreads their ranks evenly over that range,
        divided by the mean, which is more stable.
    level : {"row", "group"}, default="row"
        "group" averages the influence over every group first, for whole patients that may be
        mislabelled. It needs groups.
    solver : {"auto", "exact", "cg", "lissa"}, default="auto"
        How the inverse Hessian is applied, see :func:`~skrobust.influence_scores`. The paper
        approximates it by LiSSA.
    damping : float, default=0.1
        Added to the Hessian, as a multiple of the mean of its diagonal.
    smoothing : float or None, default=3
        Score a smoothed, less certain head, see :func:`~skrobust.influence_scores`, which finds
        wrong labels better. None is the paper's.
    cv : int or None, default=3
        Number of folds of the rows that judge, those that are trusted or all, without common
        groups. For every fold a network is warmed up on the other rows and scores them by the loss
        over the fold; scores are averaged, and all rows train at the end. Lowered to the number of
        groups of the smallest class. None is the paper's: one part of the rows judges and never
        trains.
    validation_fraction : float in (0, 0.5], default=0.2
        With ``cv=None``, the share of the rows to hold out for validation unless `fit` gets
        ``X_val``: whole groups if groups are given, stratified rows otherwise.
    final_estimator : classifier, default=None
        Instead of continuing with the network, fit this classifier on the training rows, with the
        weights divided by their mean. Its ``fit`` must take ``sample_weight``.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the warm-up and the scores, so that a search over `alpha`, `emphasis`, `scaling`,
        `level` and `final_estimator` warms up once.
    random_state : int, RandomState instance or None, default=None
        Chooses the held-out rows, and seeds the random states of `estimator` and
        `final_estimator` that are None. With a memory use an int, otherwise nothing is reused.

    Attributes
    ----------
    estimator_ : NetClassifier or classifier
        The network after all epochs, or the fitted `final_estimator`.
    influence_ : ndarray of shape (n_samples,)
        Influence of every row after the warm-up; NaN for rows held out for validation.
    sample_weight_ : ndarray of shape (n_samples,)
        Weights of the rows, the mean one for trusted rows; 0 for rows held out for validation.
    validation_indices_ : ndarray of shape (n_held_out,), int
        Rows held out for validation, which never train; empty unless ``cv=None``.
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
        If the held-out rows come from fewer than 10 groups, or the validation rows lack a class.

    See Also
    --------
    InfluencePerturber : Changes the rows instead of weighting them.
    skrobust.LabelQualityReweighter : Weights from out-of-fold label quality.
    skrobust.influence_scores : The influence.

    Notes
    -----
    The scores are computed for the last linear layer of the network, with frozen features. Only the
    ratios of the weights matter to the network: its loss is divided by their mean.

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", Algorithm 1, Eqs. 7 and 9.
    `scaling`, `level`, `cv`, `final_estimator` and ``emphasis="helpful"`` go beyond it.

    Examples
    --------
    >>> from skrobust import InfluenceReweighter, NetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=60, random_state=0, return_X_y_groups=True)
    >>> clf = InfluenceReweighter(
    ...     NetClassifier(max_epochs=4, module__width=4), warmup_epochs=2, random_state=0
    ... ).fit(X, y, groups=patient)
    >>> weight = clf.sample_weight_
    >>> round(float(weight.max() / weight.min())), round(float(weight.mean()), 6)
    (10, 1.0)
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
        "smoothing": None,
        "cv": None,
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
        self.estimator = estimator
        self.warmup_epochs = warmup_epochs
        self.alpha = alpha
        self.emphasis = emphasis
        self.scaling = scaling
        self.level = level
        self.solver = solver
        self.damping = damping
        self.smoothing = smoothing
        self.cv = cv
        self.validation_fraction = validation_fraction
        self.final_estimator = final_estimator
        self.memory = memory
        self.random_state = random_state

    def _use(self, final, data, trained, judges, influence, epochs) -> None:
        train, scores = data.take(trained), influence[trained]
        if self.level == "group":
            _, means, codes = group_means(scores[:, None], train.groups)
            scores = means[codes, 0]
        doubted = np.full(len(trained), True) if train.trusted is None else ~train.trusted
        weight = np.ones(len(trained))
        if doubted.any():
            own = influence_weights(scores[doubted], self.alpha, self.emphasis, self.scaling)
            weight[doubted] = own
            weight[~doubted] = own.mean()
        if self.final_estimator is None:
            self.estimator_ = train.go_on(final, epochs, train.checked_X, _valid(judges), weight)
        else:
            last = fill_random_states(clone(self.final_estimator), self.random_state)
            self.estimator_ = fit_weighted(
                last, train.X, train.y, weight / weight.mean(), train.groups
            )
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
            check_takes_weights(self.final_estimator)

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


class InfluencePerturber(InfluenceClassifier):
    r"""Network that continues training with its most harmful rows changed (ISP, Algorithm 2).

    A network trains for some epochs. Then the rows with the largest influence on the loss over
    rows that it has not seen are changed slightly, against the gradient of their influence,

    .. math:: x' = \mathrm{clip}(x - s \, I_\mathrm{pert}(x)),

    (:func:`~skrobust.input_influence`), which makes them more helpful, and training continues with
    the changed rows instead of the old ones, for the rest of the epochs. By default this is
    cross-fitted (`cv`), and all rows train at the end; the paper holds out validation rows that
    never train. Trusted rows are never changed.

    It is good for looking: ``perturbation_`` shows what in a row harms the other patients. It did
    not gain accuracy under noise.

    Parameters
    ----------
    estimator : NetClassifier, default=None
        The network; its ``max_epochs`` counts the warm-up too. None is ``NetClassifier()``.
    warmup_epochs : int, default=10
        Epochs before the scores, fewer than ``estimator.max_epochs``. The paper says "several".
    fraction : float in (0, 1], default=0.25
        Share of the training rows to change, those with the largest influence; at least one.
    step : float or None, default=0.05
        Largest change within a row, as a share of the clipping range: the gradient of every row
        is scaled to it. None is the paper's raw gradient (s = 1), whose changes can exceed the
        range many times over, so that the clipped row has little in common with the old one.
    clip_min, clip_max : float, default=None
        Range that changed rows are clipped to; the smallest and largest value of the training
        rows when None.
    solver : {"auto", "exact", "cg", "lissa"}, default="auto"
        How the inverse Hessian is applied, see :func:`~skrobust.influence_scores`. The paper
        approximates it by LiSSA.
    damping : float, default=0.1
        Added to the Hessian, as a multiple of the mean of its diagonal.
    smoothing : float or None, default=3
        Score a smoothed, less certain head, see :func:`~skrobust.influence_scores`, which finds
        wrong labels better. None is the paper's.
    cv : int or None, default=3
        Number of folds of the rows that judge, those that are trusted or all, without common
        groups. For every fold a network is warmed up on the other rows and scores them by the loss
        over the fold; scores are averaged, and all rows train at the end. Lowered to the number of
        groups of the smallest class. None is the paper's: one part of the rows judges and never
        trains.
    validation_fraction : float in (0, 0.5], default=0.2
        With ``cv=None``, the share of the rows to hold out for validation unless `fit` gets
        ``X_val``: whole groups if groups are given, stratified rows otherwise.
    memory : str or object with the joblib.Memory interface, default=None
        Caches the warm-up and the scores, so that a search over `fraction`, `step` and the
        clipping range warms up once.
    random_state : int, RandomState instance or None, default=None
        Chooses the held-out rows, and seeds the random states of `estimator` that are None. With
        a memory use an int, otherwise nothing is reused.

    Attributes
    ----------
    estimator_ : NetClassifier
        The network after all epochs.
    influence_ : ndarray of shape (n_samples,)
        Influence of every row after the warm-up; NaN for rows held out for validation.
    perturbed_indices_ : ndarray of shape (n_perturbed,), int
        Changed rows, the most harmful first.
    perturbation_ : ndarray of shape (n_perturbed, ...), float32
        The changes that were added to them, after clipping.
    validation_indices_ : ndarray of shape (n_held_out,), int
        Rows held out for validation, which never train; empty unless ``cv=None``.
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
        If the held-out rows come from fewer than 10 groups, or the validation rows lack a class.

    See Also
    --------
    InfluenceReweighter : Weights the rows instead of changing them.
    skrobust.input_influence : The gradient.

    Notes
    -----
    The gradient passes through the whole network, but the influence is that of the last linear
    layer, with a fixed Hessian. The training rows are copied once.

    References
    ----------
    "Robust influence-based training methods for noisy brain MRI", Algorithm 2 and Eq. 8. `cv` and
    the bounded `step` go beyond it.

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
        "smoothing": None,
        "cv": None,
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
        smoothing=3,
        cv=3,
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
        self.cv = cv
        self.validation_fraction = validation_fraction
        self.memory = memory
        self.random_state = random_state

    def _use(self, final, data, trained, judges, influence, epochs) -> None:
        train = data.take(trained)
        X, clip = train.checked_X, self._clipping_range(train.checked_X)
        harm = influence[trained].copy()
        if train.trusted is not None:
            harm[train.trusted] = -np.inf  # never changed
        n_changed = max(1, round(self.fraction * np.isfinite(harm).sum()))
        rows = np.argsort(-harm, kind="stable")[:n_changed]
        before = X[rows].astype(np.float32)
        gradient = self._gradient(data, judges, trained[rows])
        after = perturb(before, gradient, self.step, clip)
        changed = _rows_of(X, np.arange(len(X)), np.float32)
        changed[rows] = after
        self.estimator_ = train.go_on(final, epochs, changed, _valid(judges))
        self.perturbed_indices_ = trained[rows]
        self.perturbation_ = after - before

    def _gradient(self, data, judges, rows) -> NDArray:
        """Return the mean gradient of the influence of rows over the judges trained on them."""
        total, times = 0.0, np.zeros(len(rows))
        for judge in judges:
            seen = np.isin(rows, judge.rows)
            if not seen.any():
                continue
            own = data.take(judge.rows)
            gradient = input_influence(
                judge.network,
                own.checked_X,
                own.y,
                judge.X_val,
                judge.y_val,
                rows=np.searchsorted(judge.rows, rows[seen]),
                **self._solver_arguments(judge.network),
            )
            of_all = np.zeros((len(rows), *gradient.shape[1:]), dtype=gradient.dtype)
            of_all[seen] = gradient
            total, times = total + of_all, times + seen
        return (total / times.reshape(-1, *[1] * (total.ndim - 1))).astype(total.dtype)

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
    """Return rows moved against a gradient and clipped."""
    low, high = clip
    if step is not None:
        largest = np.abs(gradient).reshape(len(gradient), -1).max(1)
        # a row without a gradient would be divided by zero
        scale = np.divide(float(step) * (high - low), largest, where=largest > 0, out=largest * 0)
        gradient = gradient * scale.reshape(-1, *[1] * (gradient.ndim - 1))
    return np.clip(X - gradient, low, high).astype(X.dtype)
