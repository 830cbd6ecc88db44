"""Mixing every training row with another one, before the network or within it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn.functional import one_hot

from .net import TensorNet

# the settings of the papers: Zhang et al. for "input", Verma et al. for "manifold"
DEFAULT_ALPHA = {"input": 0.2, "manifold": 2.0}


class BatchMixup:
    """Transform of training batches: rows and targets are mixed with those of another row.

    One share is drawn from Beta(alpha, alpha) for a batch, and a partner for every row: another
    row of the batch, by a random permutation. Soft labels are mixed as they are, weights included.
    `where` "input" mixes the rows, "manifold" at each step the input of a random part
    (:func:`mixing_places`); `augment` is another transform, applied first.
    """

    def __init__(self, where: str, alpha: float | None, augment: Callable | None):
        self.where = where
        alpha = alpha or DEFAULT_ALPHA[where]
        self.law = Beta(*[torch.tensor(alpha, dtype=torch.float64, device="cpu")] * 2)
        self.augment = augment
        self.places: list[str] | None = None

    def __call__(self, net: TensorNet, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch with mixed targets; mix the rows, or let the network do it."""
        if net.batch_size < 2:
            raise ValueError("mixup mixes the rows of a batch, but batch_size=1. Raise batch_size.")
        if self.where == "manifold" and self.places is None:
            self.places = mixing_places(net)
        if self.augment is not None:
            x, y = self.augment(net, x, y)
        share, partners = self.law.sample().item(), torch.randperm(len(x), device=x.device)
        soft = one_hot(y, net.n_outputs).to(x.dtype) if y.ndim == 1 else y
        mixed = soft.lerp(soft[partners], share)
        if self.where == "input":
            return x.lerp(x[partners], share), mixed
        place = self.places[int(torch.randint(len(self.places), ()))]
        net.around_step = MixedInput(net.module_.get_submodule(place), partners, share)
        return x, mixed


class MixedInput:
    """Inside this context, the input rows of a module are mixed with each other."""

    def __init__(self, module: nn.Module, partners: Tensor, share: float):
        self.module = module
        self.partners = partners
        self.share = share

    def __enter__(self) -> MixedInput:
        self.hook = self.module.register_forward_pre_hook(self._mix)
        return self

    def __exit__(self, *exception) -> None:
        self.hook.remove()

    def _mix(self, module: nn.Module, args: tuple) -> tuple:
        rows, *others = args
        return (rows.lerp(rows[self.partners], self.share), *others)


def mixing_places(net: TensorNet) -> list[str]:
    """Return the names of the submodules before which rows can be mixed; "" is the input.

    These are the network and its top-level parts (of a single part, the parts of that) if all that
    is computed from a row passes through them, once: swapping two rows there swaps their outputs.
    """
    prefix, parts = "", dict(net.module_.named_children())
    while len(parts) == 1:
        ((name, part),) = parts.items()
        prefix, parts = f"{prefix}{name}.", dict(part.named_children())
    # new rows: those of a loaded net are zeros, and would look swapped anyway
    draws = torch.Generator().manual_seed(0)
    rows = torch.randn(net.probe.shape, generator=draws).to(net.device)
    training, state = net.module_.training, net.randomness_.state_dict()
    net.module_.eval()
    with torch.no_grad():
        names = [name for name, part in parts.items() if _swaps_outputs(net.module_, part, rows)]
    net.module_.train(training)
    net.randomness_.load_state_dict(state)
    if not names:
        raise ValueError(
            f"mixup='manifold' mixes what goes into one of the network's parts, but "
            f"{type(net.module_).__name__} has no top-level part behind its input that all goes "
            "through, once, row by row. Use mixup='input', or another network."
        )
    return ["", *(prefix + name for name in names)]


def _swaps_outputs(module: nn.Module, part: nn.Module, rows: Tensor) -> bool:
    """Tell whether two rows can be swapped before a part as well as before the network."""
    arrived: list[Tensor] = []

    def look(part, args):
        if args:
            arrived.append(args[0])

    with part.register_forward_pre_hook(look):
        plain = module(rows)
    if len(arrived) != 1 or not (isinstance(arrived[0], Tensor) and len(arrived[0]) == len(rows)):
        return False
    if torch.equal(arrived[0].flatten(), rows.flatten()):
        return False  # the input, which is a place already
    with MixedInput(part, torch.tensor([1, 0], device=rows.device), 1.0):
        swapped = module(rows)
    error, spread = (swapped - plain.flip(0)).abs().max(), (plain[0] - plain[1]).abs().max()
    return bool(error <= 0.01 * spread + 1e-6 * plain.abs().max())
