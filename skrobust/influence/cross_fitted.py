"""What the classifiers by influence share: rows judged by networks that have not seen them."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils import column_or_1d

from ..base.fitted_inside import FittedInsideMixin, check_labels
from ..base.state import fill_random_states, fit_context
from ..neural.architectures import ConvNet
from ..neural.batches import is_memory_mapped
from ..neural.net_classifier import NetClassifier
from ..neural.seeding import draw_seed
from ..neural.splits import validation_split
from ..utils.caching import cached
from ..utils.groups import check_groups
from ..utils.sklearn_private import HasMethods, Interval, StrOptions, safe_indexing
from ..utils.targets import encode_labels, is_soft_labels, weigh
from ..utils.validation import check_trusted, warn
from .head import file_array, row_blocks
from .scores import influence_scores

_SHARED_DOCS = {
    "<shared first parameters>": """\
estimator : NetClassifier, default=None
    The network; its ``max_epochs`` counts the warm-up too. None is ``NetClassifier()``.
warmup_epochs : int, default=10
    Epochs before the scores, fewer than ``estimator.max_epochs``. The paper says "several".""",
    "<shared parameters>": """\
solver : {"auto", "exact", "cg", "lissa"}, default="auto"
    How the inverse Hessian is applied, see :func:`~skrobust.influence_scores`; the paper: LiSSA.
damping : float, default=0.1
    Added to the Hessian, as a multiple of the mean of its diagonal.
smoothing : float or None, default=3
    Score a smoothed head, see :func:`~skrobust.influence_scores`. None is the paper's.
cv : int or None, default=3
    Number of folds of the rows that judge (the trusted ones or all) without common groups, at
    most the groups of the smallest class. For every fold a network is warmed up on the other
    rows and scores them by the loss over the fold; scores are averaged, and all rows train at
    the end. None is the paper's: one part of the rows judges and never trains.
validation_fraction : float in (0, 0.5], default=0.2
    With ``cv=None``, the share of the rows to hold out for validation unless `fit` gets
    ``X_val``: whole groups if groups are given, stratified rows otherwise.""",
    "<shared last parameters>": """\
memory : str or object with the joblib.Memory interface, default=None
    Caches the warm-up and the scores, so that a search over the other parameters warms up once.
random_state : int, RandomState instance or None, default=None
    Chooses the held-out rows, and seeds the random states of the estimators that are None. With
    a memory use an int, otherwise nothing is reused.""",
    "<shared attributes>": """\
influence_ : ndarray of shape (n_samples,)
    Influence of every row after the warm-up; NaN for rows held out for validation.
validation_indices_ : ndarray of shape (n_held_out,), int
    Rows held out for validation, which never train; empty unless ``cv=None``.
classes_ : ndarray of shape (n_classes,)
    Class labels.
n_features_in_, feature_names_in_ : int, and ndarray of str
    Size of the second axis of X, and column names, when X has them.
paper_params : dict
    Class attribute: the settings of the paper, as far as they are printed.""",
    "<shared warnings>": """\
Warns
-----
InfluenceWarning
    If the held-out rows come from fewer than 10 groups, or the validation rows lack a class.""",
}

PAPER_PARAMS = {
    "estimator": NetClassifier(ConvNet, max_epochs=40, lr=0.01, batch_size=32),
    "warmup_epochs": 10,
    "solver": "lissa",
    "smoothing": None,
    "cv": None,
}

# with fewer validation patients, influence found mislabelled rows no better than chance
_FEW_GROUPS = 10


class InfluenceWarning(UserWarning):
    """The validation rows are too few or too one-sided for meaningful influence scores."""


class Judge(NamedTuple):
    """A network after its warm-up, and what it says of the rows that it was trained on."""

    network: NetClassifier
    rows: NDArray  # positions of those that it was trained on
    X_val: NDArray  # rows that it has not seen
    y_val: NDArray
    influence: NDArray  # of the rows that it was trained on, on the loss over these


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
        checked = rows_of(self.checked_X, rows)
        X = checked if self.X is self.checked_X else rows_of(self.X, rows)
        rest = [None if values is None else values[rows] for values in self[2:]]
        return TrainingRows(X, checked, *rest)

    def go_on(self, network, epochs, X, judges, sample_weight=None) -> NetClassifier:
        """Continue training a network, on `X` with the labels of these rows."""
        net, valid = network.net_, None
        codes = encode_labels(self.y, network.classes_, "y")
        target = weigh(codes, network.classes_, sample_weight, network.class_weight)
        if len(judges) == 1:  # the loss over rows that do not train is followed
            codes_val = encode_labels(judges[0].y_val, network.classes_, "y_val")
            valid = network._rows(net, judges[0].X_val, codes_val)
        net.run_epochs(network._rows(net, X, target), epochs, valid)
        return network


class InfluenceClassifier(FittedInsideMixin, BaseEstimator):
    """Base of the classifiers that use the influence of training rows on a validation loss.

    Subclasses implement `_use`: what to do after the warm-up.
    """

    _shared_docs = _SHARED_DOCS

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
        X_val, y_val : array-like of shape (n_val, ...) and (n_val,), default=None
            Rows that judge and never train, as in the paper, instead of folds, and their labels.

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
        given = self._given()
        if not isinstance(given, NetClassifier):
            raise ValueError(
                f"estimator must be a NetClassifier, got {type(given).__name__}. A network of your "
                "own goes in as NetClassifier(module=YourNetwork)."
            )
        if given.n_members > 1:
            raise ValueError(
                f"influence is that of one network, but the estimator has n_members="
                f"{given.n_members}. Set n_members=1."
            )
        network = fill_random_states(clone(given), self.random_state)
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
                "trusted rows judge the others in folds: set cv, and leave out X_val and y_val."
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
        trained, held = np.arange(len(y)), np.empty(0, dtype=int)
        if X_val is not None:
            judges = [self._judge(network, data, trained, X_val, y_val)]
        else:
            folds = self._folds(codes, groups, trusted)
            judging = np.concatenate([fold for _, fold in folds])
            n_groups = _FEW_GROUPS if groups is None else len(np.unique(groups[judging]))
            if n_groups < _FEW_GROUPS:
                warn(
                    f"the validation rows are of {n_groups} groups. Below {_FEW_GROUPS} their loss "
                    "says more about these patients than about the classes: raise "
                    "validation_fraction, or give X_val and y_val of more patients.",
                    InfluenceWarning,
                )
            judges = [
                self._judge(network, data, others, rows_of(X, fold), y[fold])
                for others, fold in folds
            ]
            if self.cv is None:
                held = folds[0][1]
        influence = mean_over_judges(trained, judges, lambda judge, own: judge.influence[own])
        if len(judges) == 1:
            trained, final = judges[0].rows, judges[0].network
        else:
            final = clone(network).set_params(max_epochs=self.warmup_epochs)
            # the classifier at the end need not be this network
            final = final.fit(X, y) if epochs > 0 and self._continues() else None
        self._use(final, data, trained, judges, influence, epochs)
        self.influence_, self.validation_indices_ = influence, held
        return self

    def _continues(self) -> bool:
        """Tell whether the warmed-up network is trained further."""
        return True

    def _folds(self, codes, groups, trusted) -> list[tuple[NDArray, NDArray]]:
        """Return the rows to judge, and those that judge them, of other groups."""
        seed = draw_seed(self.random_state)
        if self.cv is None:
            given = codes, self.validation_fraction, groups, seed
            return [validation_split(*given, remedy="give X_val and y_val")]
        judging = np.arange(len(codes)) if trusted is None else np.flatnonzero(trusted)
        all_units = np.arange(len(codes)) if groups is None else groups
        of_judging, units = codes[judging], all_units[judging]
        fewest = min(len(np.unique(units[of_judging == c])) for c in np.unique(of_judging))
        n_folds = min(self.cv, max(fewest, 2))
        if len(np.unique(units)) < 2:
            what = "row" if groups is None else "group"
            raise ValueError(
                f"all {len(judging)} rows that judge are of one {what}, and cannot be split into "
                f"folds. Trust rows of more {what}s, or give X_val and y_val."
            )
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        splitter = kind(n_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            # a class of a single row or group; the rows that judge lack it, which is said below
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            try:
                own = None if groups is None else units
                splits = list(splitter.split(judging, of_judging, own))
            except ValueError as error:
                raise ValueError(
                    f"the rows that judge cannot be split into {n_folds} folds: {error}"
                ) from error
        folds = [judging[held] for _, held in splits if len(held)]
        # rows of the same group that do not judge are no others
        return [(np.flatnonzero(~np.isin(all_units, all_units[fold])), fold) for fold in folds]

    def _judge(self, network, data, rows, X_val, y_val) -> Judge:
        """Warm up a network on some rows, and score them."""
        y_val = column_or_1d(y_val)
        if len(missing := np.setdiff1d(data.y, y_val)):
            warn(
                f"the validation rows lack {missing.tolist()}: rows of these classes can only look "
                "harmful. Give validation rows of every class.",
                InfluenceWarning,
            )
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
        seed = {"random_state": network.random_state} if self.solver == "lissa" else None
        own = {name: getattr(self, name) for name in ("solver", "damping", "smoothing")}
        return own | {"solver_params": seed}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = False
        tags.input_tags.three_d_array = True
        return tags


def rows_of(X: ArrayLike, rows: NDArray, dtype: Any = None) -> ArrayLike:
    """Return some rows; those of a memory-mapped X go into a temporary file, not into memory."""
    if not is_memory_mapped(X if isinstance(X, np.ndarray) else None):
        chosen = safe_indexing(X, rows)
        return chosen if dtype is None else chosen.astype(dtype)
    copy = file_array((len(rows), *X.shape[1:]), X.dtype if dtype is None else dtype)
    for part in row_blocks(len(rows), math.prod(X.shape[1:])):
        copy[part] = X[rows[part]]
    return copy


def mean_over_judges(
    rows: NDArray, judges: list[Judge], score: Callable[[Judge, NDArray], NDArray]
) -> NDArray:
    """Return the mean score of rows over the judges that were trained on them, NaN if none was."""
    total, times = 0.0, np.zeros(len(rows))
    for judge in judges:
        seen = np.isin(rows, judge.rows)
        if seen.any():
            scores = score(judge, np.searchsorted(judge.rows, rows[seen]))
            of_all = np.zeros((len(rows), *scores.shape[1:]), dtype=scores.dtype)
            of_all[seen] = scores
            total, times = total + of_all, times + seen
    times[times == 0] = np.nan
    return (total / times.reshape(-1, *[1] * (total.ndim - 1))).astype(total.dtype)


def _warm_up(network, X, y, X_val, y_val, epochs, solver_arguments):
    """Return a classifier after its first epochs, and the influence of its training rows."""
    warm = clone(network).set_params(max_epochs=epochs).fit(X, y, X_val=X_val, y_val=y_val)
    checked = warm._check_X(X, reset=False), y, warm._check_X(X_val, reset=False), y_val
    return warm, influence_scores(warm, *checked, **solver_arguments)
