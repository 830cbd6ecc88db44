"""Finding the final linear layer of a fitted network, and what goes into it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def find_module(estimator: Any) -> nn.Module:
    """Return the torch module of a fitted estimator, of a fitted skorch net, or itself.

    Parameters
    ----------
    estimator : object
        Has ``net_.module_`` (:class:`~skrobust.NetClassifier`) or ``module_`` (skorch), or is a
        :class:`torch.nn.Module`.

    Returns
    -------
    module : torch.nn.Module
        The network.

    Raises
    ------
    ValueError
        If there is none.
    """
    module = estimator
    if not isinstance(module, nn.Module):
        module = getattr(getattr(estimator, "net_", estimator), "module_", None)
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{type(estimator).__name__} holds no fitted network. Influence needs a fitted "
            "NetClassifier, an initialised skorch net, or a torch module."
        )
    return module


def find_head(module: nn.Module, rows: Tensor) -> nn.Linear:
    """Return the linear layer whose output is the network's output.

    Parameters
    ----------
    module : torch.nn.Module
        The network, in evaluation mode.
    rows : Tensor of shape (n_rows, *input_shape)
        A few rows to run through it.

    Returns
    -------
    head : torch.nn.Linear
        The layer.

    Raises
    ------
    ValueError
        If the network does not end in a linear layer that is used once per row.
    """
    calls: list[tuple[nn.Linear, Tensor, Tensor]] = []
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    hooks = [
        layer.register_forward_hook(
            lambda head, given, output: calls.append((head, *given, output))
        )
        for layer in layers
    ]
    try:
        with torch.no_grad():
            output = module(rows)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"the network {type(module).__name__} cannot take a batch of shape "
            f"{tuple(rows.shape)}: {error}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    head, given, scores = calls[-1] if calls else (None, rows, rows)
    once = sum(call[0] is head for call in calls) == 1
    if head is None or given.ndim != 2 or not once or not _same(scores, output):
        raise ValueError(
            f"the output of {type(module).__name__} is not that of a final nn.Linear, which "
            "influence is computed for. End the network in one linear layer, without a softmax "
            "or other function after it."
        )
    return head


@contextmanager
def capture_features(module: nn.Module, head: nn.Linear):
    """Yield a function from rows to the head's inputs and outputs, in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        The network. The training mode of all its layers is restored afterwards.
    head : torch.nn.Linear
        Its final layer.

    Yields
    ------
    run : callable
        Takes a Tensor of shape ``(n_rows, *input_shape)``, returns the features
        ``(n_rows, n_features)`` and scores ``(n_rows, n_outputs)``.
    """
    calls: list[tuple[Tensor, Tensor]] = []

    def run(rows: Tensor) -> tuple[Tensor, Tensor]:
        calls.clear()
        output = module(rows)
        features, scores = calls[-1]
        if not _same(scores, output):
            raise ValueError(
                f"for some rows the output of {type(module).__name__} is not that of its last "
                "nn.Linear: another function comes after it."
            )
        return features, scores

    hook = head.register_forward_hook(lambda _, given, output: calls.append((*given, output)))
    try:
        with evaluation_mode(module):
            yield run
    finally:
        hook.remove()


@contextmanager
def evaluation_mode(module: nn.Module):
    """Switch a network to evaluation mode, and each of its layers back afterwards."""
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training


Run = Callable[[Tensor], tuple[Tensor, Tensor]]


def _same(scores: Tensor, output: Any) -> bool:
    # a single output may have been flattened
    return (
        isinstance(output, Tensor)
        and scores.numel() == output.numel()
        and torch.equal(scores.detach().flatten(), output.detach().flatten())
    )
