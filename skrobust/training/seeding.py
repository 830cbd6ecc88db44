"""Randomness from a torch generator of one's own, never from torch's global one."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch.overrides import TorchFunctionMode

_IN_PLACE = {
    torch.Tensor.bernoulli_,
    torch.Tensor.cauchy_,
    torch.Tensor.exponential_,
    torch.Tensor.geometric_,
    torch.Tensor.log_normal_,
    torch.Tensor.normal_,
    torch.Tensor.random_,
    torch.Tensor.uniform_,
}
_FACTORIES = {
    torch.bernoulli,
    torch.multinomial,
    torch.normal,
    torch.poisson,
    torch.rand,
    torch.randint,
    torch.randn,
    torch.randperm,
}
_LIKE = {
    torch.rand_like: torch.rand,
    torch.randn_like: torch.randn,
}
_CHANNEL_DROPOUT = {
    torch.nn.functional.dropout1d: 1,
    torch.nn.functional.dropout2d: 2,
    torch.nn.functional.dropout3d: 3,
}


def _mask(shape, p, like, generator):
    keep = torch.empty(shape, dtype=like.dtype, device=like.device)
    return keep.bernoulli_(1 - p, generator=generator).div_(1 - p)


def _dropout(generator_of, x, p=0.5, training=True, inplace=False, n_spatial=None):
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    shape = x.shape if n_spatial is None else x.shape[: x.ndim - n_spatial] + (1,) * n_spatial
    mask = _mask(shape, p, x, generator_of(x.device))
    return x.mul_(mask) if inplace else x * mask


class OwnRandomness(TorchFunctionMode):
    """Inside this context, torch's random functions draw from generators of this object.

    Weight initialisation, dropout and the random tensor functions are redirected, for the
    modules of users too, and only in the thread that entered the context. The global
    generators of torch, numpy and Python are neither read nor moved.

    Parameters
    ----------
    seed : int
        Fixes all that is drawn.

    Examples
    --------
    >>> import torch
    >>> from skrobust.training import OwnRandomness
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

    def generator(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return the generator of a device, made at the first call."""
        device = torch.device(device)
        if str(device) not in self.generators:
            self.generators[str(device)] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[str(device)]

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.nn.functional.dropout:
            return _dropout(self.generator, *args, **kwargs)
        if func in _CHANNEL_DROPOUT:
            return _dropout(self.generator, *args, **kwargs, n_spatial=_CHANNEL_DROPOUT[func])
        if func in _LIKE:
            like, *rest = args
            kwargs = {"dtype": like.dtype, "device": like.device, **kwargs}
            func, args = _LIKE[func], (like.shape, *rest)
        if kwargs.get("generator") is None:
            if func in _IN_PLACE:
                kwargs = {**kwargs, "generator": self.generator(args[0].device)}
            elif func in _FACTORIES:
                device = next(
                    (a.device for a in args if isinstance(a, torch.Tensor)),
                    kwargs.get("device") or "cpu",
                )
                kwargs = {**kwargs, "generator": self.generator(device)}
        return func(*args, **kwargs)

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
