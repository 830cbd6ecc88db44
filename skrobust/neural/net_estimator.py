"""NetEstimator: what estimators that train a network share."""

from __future__ import annotations

import copy
import inspect
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from ..base.state import VersionedState
from ..utils.sklearn_private import Interval, StrOptions
from ..utils.validation import check_float32_range, check_layout, layout_of_rows
from .architectures import auto_module
from .net import TensorNet, resolve_device
from .seeding import draw_seed, nearest_device

_NESTED = ("module__", "optimizer__")
# optimizers with one kernel for all weights, each of which they treat alike
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)

_SHARED_DOCS = {
    "<shared parameters>": """\
batch_size : int, default=32
    Rows per training step.
optimizer : type, default=torch.optim.Adam
    A torch optimizer class. Adam, AdamW and SGD run fused, unless ``optimizer__fused=False``.
input_shape : tuple of int, default=None
    ``(channels, *spatial)``: how the network reads a row. By default ``(n, H, W)`` and
    ``(n, D, H, W)`` are images and volumes of one channel, ``(n, channels, H, W)`` images of up to
    4 channels, ``(n, 1, length)`` signals; shapes that can be read in several ways raise an error.
    Convolutions read a plain row as a signal of one channel.
precision : {"float32", "bfloat16"}, default="float32"
    Precision of the convolutions and matrix products. "bfloat16" is about 1.5 times faster on
    processors that support it, and rounds to 3 digits.
device : str, default="cpu"
    "cpu", "cuda", or "auto" for CUDA if there is a GPU.
callbacks : list, default=None
    skorch callbacks, which are copied. Scorers get class codes, the positions in ``classes_``.
verbose : int, default=0
    1 shows a progress bar over epochs, 2 skorch's table of losses.
random_state : int, RandomState instance or None, default=None
    Fixes all draws. With an int, no global random generator is read or changed, and two fits agree
    bit for bit on the same machine and number of threads, on a GPU up to rounding. None draws a
    seed from numpy's global generator, as scikit-learn does.
**kwargs : dict
    ``module__<argument>`` and ``optimizer__<argument>``, for example ``module__width=8``.""",
    "<shared attributes>": """\
net_ : skorch.NeuralNet
    The fitted net; ``net_.module_`` is the torch module.
input_shape_ : tuple of int
    Shape of one row as the network reads it.
n_features_in_, feature_names_in_ : int, and ndarray of str
    Size of the second axis of X, and column names, when X has them.""",
}


def with_shared_docs(cls: type) -> type:
    """Replace the marks in the documentation of a class by the texts in its ``_shared_docs``."""
    if cls.__doc__:  # python -OO leaves none
        cls.__doc__ = inspect.cleandoc(cls.__doc__)
        for mark, text in cls._shared_docs.items():
            cls.__doc__ = cls.__doc__.replace(mark, text)
    return cls


class NetEstimator(VersionedState, BaseEstimator):
    """What all estimators that train a network share: parameters, layout of X, the net inside.

    Subclasses name the parameters in the signature of ``__init__``, as scikit-learn asks, and keep
    them by ``self._keep_params(locals())``.
    """

    _shared_docs = _SHARED_DOCS

    # the network of module="auto", from the shape of a row, and the net around it
    _auto_module = staticmethod(auto_module)
    _net_class = TensorNet

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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters as in scikit-learn, ``module__*`` and ``optimizer__*`` included."""
        return {**super().get_params(deep), **self._extra_params()}

    def set_params(self, **params):
        """Set parameters as in scikit-learn; ``module__*`` and ``optimizer__*`` may be new."""
        nested = {k: params.pop(k) for k in list(params) if k.startswith(_NESTED)}
        super().set_params(**params)
        for name, value in nested.items():
            setattr(self, name, value)
        return self

    def _extra_params(self) -> dict[str, Any]:
        """Return the ``**kwargs`` of ``__init__``."""
        named = self._get_param_names()
        return {
            k: v
            for k, v in vars(self).items()
            if k.startswith(_NESTED)
            or (k not in named and not k.startswith("_") and not k.endswith("_"))
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

    def _check_X(self, X: ArrayLike, *y: Any, reset: bool):
        """Validate X (and y, if given); on `reset` learn the layout of a row."""
        checked = validate_data(self, X, *y, reset=reset, allow_nd=True)
        self._check_layout(checked[0] if y else checked, reset=reset)
        return checked

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
                    f"module is a network instance, so that {sorted(given)} cannot be set. Give "
                    "its class as module instead."
                )
            return copy.deepcopy(self.module), {}
        module, defaults = self.module, {}
        if isinstance(module, str):
            module, defaults = self._automatic_module()
        accepted = _check_arguments(module, given, "module")
        sizes = {"input_shape": self.input_shape_}
        if n_outputs is not None:
            sizes["n_outputs"] = n_outputs
        sizes = {k: v for k, v in sizes.items() if accepted is None or k in accepted}
        return module, {**sizes, **defaults, **given}

    def _automatic_module(self) -> tuple[type[nn.Module], dict[str, Any]]:
        """Return the class and sizes that ``module="auto"`` means."""
        if self._auto_module is not auto_module:
            return self._auto_module(self.input_shape_)
        names = getattr(self, "feature_names_in_", None)
        # names that scikit-learn generates carry no information
        named = names is not None and list(names) != [f"x{i}" for i in range(len(names))]
        return auto_module(self.input_shape_, table=named)

    def _start_net(
        self,
        X: NDArray,
        n_outputs: int | None,
        criterion: type[nn.Module],
        seed: int | None = None,
        **recipe,
    ) -> TensorNet:
        """Build and initialise the net for rows like those of X; `recipe` goes into it as given.

        `n_outputs` None means a net that returns the shape of its input; `seed` None is drawn.
        """
        device = resolve_device(self.device)
        module, module_params = self._resolve_module(n_outputs)
        optimizer_params = self._nested_params("optimizer__")
        _check_arguments(self.optimizer, optimizer_params, "optimizer")
        if self.optimizer in FUSED:
            # one kernel for all weights: up to 1.3 times faster on small networks
            optimizer_params = {"fused": device.startswith(("cpu", "cuda")), **optimizer_params}
        recipe = {
            "module": module,
            "criterion": criterion,
            "device": device,
            **{k: getattr(self, k) for k in ("optimizer", "lr", "batch_size", "precision")},
            "verbose": int(self.verbose),
            "seed": draw_seed(self.random_state) if seed is None else seed,
            "n_outputs": n_outputs,
            **{f"module__{k}": v for k, v in module_params.items()},
            **{f"optimizer__{k}": v for k, v in optimizer_params.items()},
            **recipe,
        }
        recipe = {k: _python_numbers(v) for k, v in recipe.items()}
        return self._net_from_recipe(recipe, torch.from_numpy(np.array(X[:2], dtype=np.float32)))

    def _net_from_recipe(self, recipe: dict[str, Any], probe: torch.Tensor) -> TensorNet:
        net = self._net_class(
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
        return self.net_.outputs(self.net_.get_dataset(X))

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
        recipe["device"] = nearest_device(recipe["device"])
        probe = torch.zeros(2, *self.input_shape_, dtype=torch.float32, device="cpu")
        self.net_ = self._net_from_recipe(recipe, probe)
        self.net_.load(dumped)
        self.net_.history.extend(history)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _python_numbers(value: Any) -> Any:
    """Return Python's numbers for those of numpy, which not all fused optimizers accept."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(_python_numbers, value))
    return value


def _check_arguments(factory, given: dict[str, Any], prefix: str) -> set[str] | None:
    """Return the argument names that a class accepts (None: any), or raise for unknown ones."""
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
