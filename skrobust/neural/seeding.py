"""Randomness from generators of one's own, never from torch's global one."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_OVERLOADS_WITH_GENERATOR = {
    "default": "generator",
    "low": "low_generator",
    "Tensor": "Tensor_generator",
    "low_dtype": "low_generator_dtype",
}


class OwnRandomness(TorchDispatchMode):
    """Inside this context, torch's random operations draw from generators of this object.

    Weight initialisation, dropout and random tensors are redirected, for the modules of users
    too, and only in the thread that entered the context. The global generators of torch, numpy
    and Python are neither read nor moved.

    Parameters
    ----------
    seed : int
        Fixes all that is drawn.

    Attributes
    ----------
    drawn : bool
        Whether anything was redirected; callers may reset it.

    Examples
    --------
    >>> import torch
    >>> from skrobust.neural.seeding import OwnRandomness
    >>> before = torch.get_rng_state()
    >>> with OwnRandomness(0):
    ...     a = torch.nn.Linear(3, 2).weight
    >>> with OwnRandomness(0):
    ...     b = torch.nn.Linear(3, 2).weight
    >>> bool((a == b).all()), bool((before == torch.get_rng_state()).all())
    (True, True)
    """

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed
        self.generators: dict[str, torch.Generator] = {}
        self.drawn = False

    def generator(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return the generator of a device, made at the first call."""
        name = str(device)
        if name not in self.generators:
            self.generators[name] = torch.Generator(name).manual_seed(self.seed)
        return self.generators[name]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is _aten.native_dropout.default:
            self.drawn = True
            x, p = args[:2]
            keep = torch.empty_like(x, dtype=torch.bool)
            keep.bernoulli_(1 - p, generator=self.generator(x.device))
            return x * keep / (1 - p), keep
        overload = _overload_with_generator(func)
        if overload is None:
            return func(*args, **kwargs)
        if kwargs.get("generator") is None:
            self.drawn = True
            devices = [a.device for a in args if isinstance(a, Tensor)]
            device = devices[0] if devices else kwargs.get("device") or "cpu"
            kwargs = {**kwargs, "generator": self.generator(device)}
        return overload(*args, **kwargs)

    def state_dict(self) -> dict:
        """Return the seed and the state of every generator."""
        states = {device: g.get_state() for device, g in self.generators.items()}
        return {"seed": self.seed, "generators": states}

    def load_state_dict(self, state: dict) -> None:
        """Go on drawing where `state_dict` was called."""
        self.seed = state["seed"]
        for device, values in state["generators"].items():
            if torch.device(device).type == "cpu" or torch.cuda.is_available():
                self.generator(device).set_state(values.cpu())


@cache
def _overload_with_generator(func):
    """Return the variant of a random operation that takes a generator; None for other ones."""
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return func
    packet, name = func.overloadpacket, _OVERLOADS_WITH_GENERATOR.get(func._overloadname)
    return getattr(packet, name) if name in packet.overloads() else None


class OwnDropout(nn.Dropout):
    """Dropout that draws from a given :class:`OwnRandomness`, without its context's cost.

    Parameters
    ----------
    p : float
        Share of the activations that are set to zero.
    randomness : OwnRandomness
        Where the draws come from.
    """

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
    """Put :class:`OwnDropout` in the place of every plain ``nn.Dropout`` inside a module."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, name, OwnDropout(child.p, randomness))
        else:
            replace_dropout(child, randomness)


def draw_seed(random_state) -> int:
    """Return a seed for :class:`OwnRandomness` from scikit-learn's ``random_state``.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        An int gives the same seed each time. None draws from numpy's global generator, as
        everywhere in scikit-learn.

    Returns
    -------
    seed : int
        A number between 0 and 2**31 - 1.
    """
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
