"""The two base classes: estimators that train a network, and samplers of rows."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from imblearn.base import BaseSampler
from imblearn.utils import check_target_type
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.preprocessing import label_binarize
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from .networks import auto_module
from .training import Rows, TensorNet, as_tensor, draw_seed, resolve_device
from .utils.fit_context import fit_context
from .utils.groups import check_groups
from .utils.sklearn_private import ArraysTransformer, Interval, StrOptions
from .utils.targets import ClassMass, check_class_labels, check_class_mass, is_class_mass
from .utils.versioned_state import VersionedState

_NESTED = ("module__", "optimizer__")


class NetEstimator(VersionedState, BaseEstimator):
    """What all estimators that train a network share: parameters, layout of X, the net inside.

    Subclasses name the parameters in their ``__init__`` and pass ``**kwargs`` on here.
    """

    # the network of module="auto", from the shape of a row
    _auto_module = staticmethod(auto_module)

    _parameter_constraints: dict = {
        "module": [StrOptions({"auto"}), callable],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [callable],
        "input_shape": [tuple, list, None],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "device": [str],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(self, **kwargs):
        for name, value in kwargs.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, ``module__*`` and ``optimizer__*`` included.

        Parameters
        ----------
        deep : bool, default=True
            Also return parameters of contained estimators.

        Returns
        -------
        params : dict
            Names and values.
        """
        return {**super().get_params(deep), **self._extra_params()}

    def set_params(self, **params):
        """Set parameters; ``module__*`` and ``optimizer__*`` may be new.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : object
            This estimator.
        """
        nested = {k: params.pop(k) for k in list(params) if k.startswith(_NESTED)}
        super().set_params(**params)
        for name, value in nested.items():
            setattr(self, name, value)
        return self

    def _extra_params(self) -> dict[str, Any]:
        """Return what ``**kwargs`` of ``__init__`` took."""
        named = self._get_param_names()
        return {
            k: v
            for k, v in vars(self).items()
            if k not in named and not k.startswith("_") and not k.endswith("_")
        }

    def _validate_params(self):
        unknown = [name for name in self._extra_params() if not name.startswith(_NESTED)]
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no parameter {unknown[0]!r}. Arguments of the network "
                "are named module__<argument>, those of the optimizer optimizer__<argument>."
            )
        super()._validate_params()

    def _nested_params(self, prefix: str) -> dict[str, Any]:
        return {k[len(prefix) :]: v for k, v in vars(self).items() if k.startswith(prefix)}

    def _check_X(self, X: ArrayLike, y: Any = "no_validation", *, reset: bool):
        """Validate X (and y); on `reset` learn the layout of a row."""
        if isinstance(y, str):
            X = validate_data(self, X, reset=reset, allow_nd=True)
        else:
            X, y = validate_data(self, X, y, reset=reset, allow_nd=True)
        self._check_layout(X, reset=reset)
        return X if isinstance(y, str) else (X, y)

    def _check_layout(self, X: NDArray, *, reset: bool) -> None:
        """Compare the shape of validated rows with `input_shape`; learn it on `reset`."""
        check_float32_range(X)
        if reset:
            self.input_shape_ = layout_of_rows(X, self.input_shape)
        else:
            check_layout(X, self.input_shape_, "X", type(self).__name__)

    def _resolve_module(self, n_outputs: int | None) -> tuple[Any, dict[str, Any]]:
        """Return the network class (or a copy of the given instance) and its arguments."""
        given = self._nested_params("module__")
        if isinstance(self.module, nn.Module):
            if given:
                raise ValueError(
                    f"module is a finished network, so that {sorted(given)} cannot be set. Give "
                    "its class as module instead."
                )
            return copy.deepcopy(self.module), {}
        module, defaults = self.module, {}
        if isinstance(module, str):
            module, defaults = self._auto_module(self.input_shape_)
        accepted = _check_arguments(module, given, "module")
        sizes = {"input_shape": self.input_shape_, "n_outputs": n_outputs}
        if n_outputs is None:
            del sizes["n_outputs"]
        sizes = {k: v for k, v in sizes.items() if accepted is None or k in accepted}
        return module, {**sizes, **defaults, **given}

    def _start_net(
        self,
        X: NDArray,
        n_outputs: int | None,
        criterion: type[nn.Module],
        seed: int | None = None,
        **recipe,
    ) -> TensorNet:
        """Build and initialise the net for rows like those of X.

        `n_outputs` None is a net that returns the shape of its input; `seed` None is drawn from
        `random_state`. Further arguments of :class:`TensorNet` go into the recipe as they are.
        """
        device = resolve_device(self.device)
        module, module_params = self._resolve_module(n_outputs)
        optimizer_params = self._nested_params("optimizer__")
        _check_arguments(self.optimizer, optimizer_params, "optimizer")
        if self.optimizer in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
            # one kernel for all weights: up to 1.3 times faster on small networks
            optimizer_params = {"fused": device.startswith(("cpu", "cuda")), **optimizer_params}
        recipe = {
            "module": module,
            "optimizer": self.optimizer,
            "criterion": criterion,
            "lr": self.lr,
            "batch_size": self.batch_size,
            "device": device,
            "precision": self.precision,
            "verbose": int(self.verbose),
            "seed": draw_seed(self.random_state) if seed is None else seed,
            "n_outputs": n_outputs,
            **{f"module__{k}": v for k, v in module_params.items()},
            **{f"optimizer__{k}": v for k, v in optimizer_params.items()},
            **recipe,
        }
        return self._net_from_recipe(recipe, as_tensor(X[:2]).float())

    def _net_from_recipe(self, recipe: dict[str, Any], probe: torch.Tensor) -> TensorNet:
        net = TensorNet(
            **recipe,
            probe=probe.reshape(-1, *self.input_shape_),
            batch_transform=self._batch_transform(),
            callbacks=copy.deepcopy(self.callbacks),
            train_split=None,
        )
        net.recipe_ = recipe
        return net.initialize()

    def _batch_transform(self):
        """Return what changes every training batch, ``(net, x, y) -> x, y``; None by default."""

    def _outputs(self, X: ArrayLike) -> NDArray:
        """Return the network's outputs for new rows, float32 of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        return self.net_.outputs(Rows(X, None, self.input_shape_, self.net_.device))

    @property
    def history_(self):
        """Losses and times per epoch, skorch's :class:`~skorch.history.History`."""
        check_is_fitted(self)
        return self.net_.history

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __getstate__(self):
        state = dict(super().__getstate__())
        net = state.pop("net_", None)
        if net is not None:
            state["_net_recipe"] = net.recipe_
            state["_net_state"] = net.dump()
            state["_net_history"] = [dict(row) for row in net.history]
        return state

    def __setstate__(self, state):
        state = dict(state)
        dumped = state.pop("_net_state", None)
        history = state.pop("_net_history", None)
        recipe = dict(state.pop("_net_recipe", {}))
        super().__setstate__(state)
        if dumped is None:
            return
        if recipe["device"].startswith("cuda") and not torch.cuda.is_available():
            recipe["device"] = "cpu"
        self.net_ = self._net_from_recipe(recipe, torch.zeros(2, *self.input_shape_))
        self.net_.load(dumped)
        self.net_.history.extend(history)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _check_arguments(factory, given: dict[str, Any], prefix: str) -> set[str] | None:
    """Return the argument names that a class takes (None: any), or raise for an unknown one."""
    parameters = inspect.signature(factory).parameters
    if any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        return None
    unknown = sorted(set(given) - set(parameters))
    if unknown:
        name = getattr(factory, "__name__", str(factory))
        raise ValueError(
            f"{name} takes no argument {', '.join(unknown)} (set as {prefix}__{unknown[0]}). It "
            f"takes: {', '.join(parameters)}."
        )
    return set(parameters)


def layout_of_rows(X: NDArray, input_shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape in which a network sees rows; raise if `input_shape` does not fit them."""
    row_shape = X.shape[1:]
    shape = row_shape if input_shape is None else tuple(input_shape)
    if not all(isinstance(size, Integral) and size > 0 for size in shape):
        raise ValueError(
            f"rows of shape {shape} (input_shape={input_shape}) cannot be learned "
            "from: expected whole numbers of at least 1."
        )
    if math.prod(shape) != math.prod(row_shape):
        raise ValueError(
            f"input_shape={shape} holds {math.prod(shape)} values per row but the rows of "
            f"X have shape {row_shape}, {math.prod(row_shape)} values."
        )
    return tuple(int(size) for size in shape)


def check_layout(X: NDArray, input_shape: Sequence[int], name: str, fitted: str) -> None:
    """Raise if rows have another number of values than those that an estimator was fitted on."""
    if math.prod(X.shape[1:]) != math.prod(input_shape):
        raise ValueError(
            f"{name} has rows of shape {X.shape[1:]} but {fitted} was fitted on rows of "
            f"shape {tuple(input_shape)}."
        )


def check_numbers(X: NDArray) -> None:
    """Raise if X holds something else than real numbers, dates say."""
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {X.dtype}, but real numbers were expected.")


def check_float32_range(X: NDArray) -> None:
    """Raise if X has no numbers, or values beyond the range of float32, of networks."""
    check_numbers(X)
    if X.dtype.kind == "f" and X.dtype.itemsize <= 4:
        return
    limit = np.finfo(np.float32).max
    if X.size and (X.max() > limit or X.min() < -limit):
        raise ValueError(
            f"X contains values beyond {limit:.3g}, the range of float32 in which networks compute."
            " Scale X first, for example with StandardScaler."
        )


class RowSampler(VersionedState, BaseSampler):
    """Base of samplers: checks before, containers restored after, `_fit_resample` in between.

    Beyond :class:`imblearn.base.BaseSampler` it takes ``groups``, X of any number of axes, and
    may return class mass.
    """

    __metadata_request__fit_resample = {"groups": True}
    _sampling_type = "bypass"
    _parameter_constraints: dict = {"random_state": ["random_state"]}

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None):
        """Check the input only; samplers do their work in ``fit_resample``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.

        Returns
        -------
        self : object
            This sampler.
        """
        self._check_rows(X, y, groups)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None):
        """Make the new training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of any type, or class mass (floats).
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row.

        Returns
        -------
        X_resampled : array of shape (n_samples_new, ...)
            New rows, in the container and dtype of X.
        y_resampled : array of shape (n_samples_new,) or (n_samples_new, n_classes)
            Their labels in the container of y, or class mass.

        Raises
        ------
        ValueError
            If X, y or groups do not fit each other, or hold what cannot be computed with.
        """
        containers, only_X = ArraysTransformer(X, y), ArraysTransformer(X, X)
        integer_columns = [
            i for i, dtype in enumerate(getattr(X, "dtypes", ())) if dtype.kind in "iu"
        ]
        X, y, groups, one_vs_all = self._check_rows(X, y, groups)
        X_new, y_new = self._fit_resample(X, y, groups)
        if integer_columns and X_new.dtype.kind == "f":
            X_new[:, integer_columns] = np.rint(X_new[:, integer_columns])
        if isinstance(y_new, ClassMass):
            # the container of y would cast the mass to the dtype of the labels
            return only_X.transform(X_new, X_new)[0], y_new
        if one_vs_all:
            y_new = label_binarize(y_new, classes=np.unique(y))
        return containers.transform(X_new, y_new)

    def _check_rows(self, X, y, groups):
        one_vs_all = False
        if is_class_mass(y) and np.asarray(y).dtype.kind == "f":
            X = validate_data(self, X, reset=True, allow_nd=True)
            y = ClassMass(*check_class_mass(y, len(X)))
        else:
            check_class_labels(y)
            y, one_vs_all = check_target_type(y, indicate_one_vs_all=True)
            X, y = validate_data(self, X, y, reset=True, allow_nd=True)
        check_numbers(X)
        if groups is not None:
            groups = check_groups(groups, len(X))
        self.sampling_strategy_ = {}
        return X, y, groups, one_vs_all

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags
