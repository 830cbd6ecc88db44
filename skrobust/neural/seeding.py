"""Randomness from separate generators, never from the global one of torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_OVERLOADS_WITH_GENERATOR = {
    "default": "generator",
    "low": "low_generator",
    "Tensor": "Tensor_generator",
    "low_dtype": "low_generator_dtype",
}
_GLOBAL_GENERATORS = threading.RLock()


class OwnRandomness(TorchDispatchMode):
    """Inside this context, torch's random operations draw from generators of this object.

    Weight initialisation, dropout and random tensors are redirected, also in the modules of users,
    but only in the thread that entered the context. The global generators of torch, numpy and
    Python are neither read nor changed.
    """

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def generator(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return the generator of a device, made at the first call."""
        device = torch.device(device)
        if device.type != "cpu" and device.index is None:  # "cuda" is the GPU in use
            device = torch.empty(0, device=device).device
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[device]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        run = _redirected(func)
        return func(*args, **(kwargs or {})) if run is None else run(self, args, kwargs or {})

    def state_dict(self) -> dict:
        """Return the seed and the state of every generator."""
        states = {str(device): g.get_state() for device, g in self.generators.items()}
        return {"seed": self.seed, "generators": states}

    def load_state_dict(self, state: dict) -> None:
        """Continue where `state_dict` was called; states of missing devices are left out."""
        self.seed = state["seed"]
        for name, values in state["generators"].items():
            here = nearest_device(name)
            if torch.device(here).type == torch.device(name).type:
                self.generator(here).set_state(values.cpu())


@cache
def _redirected(func) -> Callable | None:
    """Return the replacement of a random operation; None for other operations."""
    if func is torch.ops.aten.native_dropout.default:
        return _drop
    if any(argument.name == "generator" for argument in func._schema.arguments):
        overload = func
    else:
        packet, name = func.overloadpacket, _OVERLOADS_WITH_GENERATOR.get(func._overloadname)
        overload = getattr(packet, name) if name in packet.overloads() else None
    if overload is None:
        is_random = torch.Tag.nondeterministic_seeded in func.tags
        return _swap_global_generator(func) if is_random else None

    def draw(randomness, args, kwargs):
        if kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": randomness.generator(_device_of(args, kwargs))}
        return overload(*args, **kwargs)

    return draw


def _drop(randomness, args, kwargs):
    x, p = args[:2]
    keep = torch.empty_like(x, dtype=torch.bool)
    keep.bernoulli_(1 - p, generator=randomness.generator(x.device))
    return x * keep / (1 - p), keep


def _swap_global_generator(func) -> Callable:
    """Run an operation that accepts no generator, with the global one set for it and restored.

    Attention and recurrent layers on a GPU are such operations.
    """

    def run(randomness, args, kwargs):
        own = randomness.generator(_device_of(args, kwargs))
        device = own.device
        module = torch if device.type == "cpu" else getattr(torch, device.type)
        where = () if device.type == "cpu" else (device,)
        with _GLOBAL_GENERATORS:
            before = module.get_rng_state(*where)
            try:
                module.set_rng_state(own.get_state(), *where)
                result = func(*args, **kwargs)
                own.set_state(module.get_rng_state(*where))
            finally:
                module.set_rng_state(before, *where)
        return result

    return run


def _device_of(args, kwargs) -> torch.device | str:
    devices = [a.device for a in args if isinstance(a, Tensor)]
    return devices[0] if devices else kwargs.get("device") or "cpu"


class OwnDropout(nn.Dropout):
    """Dropout that draws from a given :class:`OwnRandomness`, without its context's cost."""

    def __init__(self, p: float, randomness: OwnRandomness):
        super().__init__(p)
        self.randomness = randomness

    def forward(self, x: Tensor) -> Tensor:
        """Drop activations in training mode."""
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return x * 0
        mask = torch.empty_like(x)
        mask.bernoulli_(1 - self.p, generator=self.randomness.generator(x.device))
        return x * mask.div_(1 - self.p)


def replace_dropout(module: nn.Module, randomness: OwnRandomness) -> None:
    """Replace every plain ``nn.Dropout`` inside a module by :class:`OwnDropout`."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, name, OwnDropout(child.p, randomness))
        else:
            replace_dropout(child, randomness)


_DRAW_NOTHING = (
    *(nn.Linear, nn.Identity, nn.Flatten, nn.Unflatten, nn.ReLU, nn.Sequential, nn.ModuleList),
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
)


def may_draw(module: nn.Module) -> bool:
    """Tell whether a network may draw from a global generator; those of this library never do."""
    return any(
        not (type(part) in _DRAW_NOTHING or type(part).__module__.split(".")[0] == "skrobust")
        or part._forward_hooks
        or part._forward_pre_hooks
        for part in module.modules()
    )


def draw_seed(random_state) -> int:
    """Return a seed for :class:`OwnRandomness` from scikit-learn's ``random_state``."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


_state_lock = threading.Lock()
_callers: dict[str, Any] = {"inside": set(), "state": []}

# where torch keeps what all threads see, and the value here: single precision that is not rounded
# to TF32 or bfloat16, and algorithms that add in one order
_SHARED_STATE = (
    *((part, "fp32_precision", "ieee") for library in (torch.backends.cudnn, torch.backends.mkldnn)
      for part in (library.conv, library.rnn)),
    (torch.backends.cuda.matmul, "fp32_precision", "ieee"),
    (torch.backends.mkldnn.matmul, "fp32_precision", "ieee"),
    (torch.backends.cudnn, "deterministic", True),
    (torch.backends.cudnn, "benchmark", False),
)  # fmt: skip
_HERE = [torch.float32, *(value for _, _, value in _SHARED_STATE)]


def _shared_state() -> list:
    """Return the default dtype and the settings of the backends."""
    return [torch.get_default_dtype(), *(getattr(part, name) for part, name, _ in _SHARED_STATE)]


def _set_shared_state(values: list) -> None:
    """Set the default dtype and the settings of the backends."""
    torch.set_default_dtype(values[0])
    for (part, name, _), value in zip(_SHARED_STATE, values[1:], strict=True):
        setattr(part, name, value)


_process = {"id": os.getpid(), "threaded": False}


def _check_fork() -> None:
    """Raise where torch would wait forever for threads that a fork has not taken along."""
    threaded = torch.get_num_threads() > 1
    if os.getpid() != _process["id"] and _process["threaded"] and threaded:
        raise RuntimeError(
            "this process was forked from one in which a network has computed with several "
            "threads, and torch would wait for them forever. Start processes by 'spawn' or with "
            "joblib's loky, set OMP_NUM_THREADS=1 for the whole script, or call "
            "torch.set_num_threads(1) here first."
        )
    _process.update(id=os.getpid(), threaded=_process["threaded"] or threaded)


@contextmanager
def torch_defaults():
    """Compute in the same way whatever modes of torch the caller is in.

    Gradients can be recorded, an outer autocast rounds nothing, new tensors are float32 on the
    CPU, and sums and products of float32 are those of float32, on a GPU too. What other threads see
    is changed until the last thread has left this context.
    """
    _check_fork()
    caller = object()
    try:  # an interrupt may come anywhere
        with _state_lock:
            first = not _callers["inside"]
            if first:
                _callers["state"] = _shared_state()
            _callers["inside"].add(caller)
            if first:
                _set_shared_state(_HERE)
        elsewhere = torch.get_default_device().type != "cpu"
        with (
            torch.device("cpu") if elsewhere else nullcontext(),
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield
    finally:
        with _state_lock:
            last = _callers["inside"] == {caller}
            _callers["inside"].discard(caller)
            if last:
                try:
                    _set_shared_state(_callers["state"])
                except KeyboardInterrupt:
                    _set_shared_state(_callers["state"])
                    raise


def device_exists(device: str) -> bool:
    """Tell whether torch can compute on a device here."""
    if torch.device(device).type == "meta":
        return False
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def nearest_device(device: str) -> str:
    """Return a device, or the nearest one that exists: another of its kind, or the CPU."""
    kind = torch.device(device).type
    return next(name for name in (device, kind, "cpu") if name == "cpu" or device_exists(name))
