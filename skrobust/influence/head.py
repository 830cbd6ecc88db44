"""The linear head of a network: its inputs, targets, gradients and Hessian."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils import gen_batches
from torch import Tensor, nn

from ..neural.net_classifier import LogitAdjustedLoss
from ..utils.targets import check_soft_labels, encode_labels, is_soft_labels, one_hot, weigh
from ..utils.validation import check_layout

# more features than this are kept in a file
_MOST_IN_MEMORY = 2**24


def find_head(module: nn.Module, rows: Tensor) -> nn.Linear:
    """Return the linear layer whose output is the network's output."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    try:
        with calls_of(layers) as calls, torch.no_grad():
            output = module(rows)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"the network {type(module).__name__} cannot take a batch of shape "
            f"{tuple(rows.shape)}: {error}"
        ) from error
    head, given, scores = calls[-1] if calls else (None, rows, rows)
    once = sum(call[0] is head for call in calls) == 1
    if head is None or given.ndim != 2 or not once or not _same(scores, output):
        raise ValueError(
            f"the output of {type(module).__name__} is not that of a final nn.Linear, which "
            "influence is computed for. End it in one linear layer, without a softmax after it."
        )
    return head


@contextmanager
def calls_of(layers: list[nn.Linear]) -> Iterator[list[tuple[nn.Linear, Tensor, Tensor]]]:
    """Yield a list to which every call of a layer adds the layer, its input and its output."""
    calls: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def note(layer, given, output):
        calls.append((layer, *given, output))

    hooks = []
    try:
        for layer in layers:
            hooks.append(layer.register_forward_hook(note))
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def evaluation_mode(module: nn.Module):
    """Switch a network to evaluation mode, and afterwards restore the mode of each layer."""
    modes = [(layer, layer.training) for layer in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for layer, training in modes:
            layer.training = training


def _same(scores: Tensor, output: Any) -> bool:
    # a single output may have been flattened
    return (
        isinstance(output, Tensor)
        and scores.numel() == output.numel()
        and torch.equal(scores.detach().flatten(), output.detach().flatten())
    )


class NetworkRows:
    """Rows in the shape, type and device that a fitted network needs, batch by batch."""

    def __init__(
        self, estimator: Any, X: ArrayLike, batch_size: int | None = None, name: str = "X"
    ):
        self.X, self.name = np.asarray(X), name
        if self.X.ndim < 2 or self.X.size == 0 or self.X.dtype.kind not in "fiub":
            raise ValueError(
                f"{name} must be a numeric array with at least one row and two axes, got shape "
                f"{self.X.shape} and dtype {self.X.dtype}."
            )
        self.input_shape = tuple(getattr(estimator, "input_shape_", self.X.shape[1:]))
        check_layout(self.X, self.input_shape, name, type(estimator).__name__)
        self.module = estimator
        if not isinstance(estimator, nn.Module):
            self.module = getattr(getattr(estimator, "net_", estimator), "module_", None)
        if not isinstance(self.module, nn.Module):
            raise ValueError(
                f"{type(estimator).__name__} holds no fitted network. Influence needs a fitted "
                "NetClassifier, an initialised skorch net, or a torch module."
            )
        weight = next(self.module.parameters(), torch.empty(0))
        self.device, self.dtype = weight.device, weight.dtype
        self.size = batch_size or max(16, 2**17 // math.prod(self.input_shape))

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        for part in gen_batches(len(self.X), self.size):
            yield part, self[part]

    def __getitem__(self, part: slice) -> Tensor:
        rows = self.X[part]
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise ValueError(f"{self.name} contains NaN or infinity.")
        # always copied: torch takes no negative strides, and warns of read-only arrays
        rows = np.ascontiguousarray(rows, rows.dtype.newbyteorder("="))
        shaped = rows.reshape(-1, *self.input_shape)
        return torch.tensor(shaped, dtype=self.dtype, device=self.device)

    @contextmanager
    def head(self) -> Iterator[tuple[nn.Linear, Callable]]:
        """Yield the network's final layer, and a function from rows to its inputs and outputs."""
        with evaluation_mode(self.module):
            head = find_head(self.module, self[:2])
            with calls_of([head]) as calls:

                def run(rows: Tensor) -> tuple[Tensor, Tensor]:
                    calls.clear()
                    output = self.module(rows)
                    _, features, scores = calls[-1]
                    if not _same(scores, output):
                        raise ValueError(
                            f"for some rows the output of {type(self.module).__name__} is not that "
                            "of its last nn.Linear: another function comes after it."
                        )
                    return features, scores

                yield head, run


def head_features(
    estimator: Any, X: ArrayLike, *, batch_size: int | None = None
) -> tuple[NDArray, NDArray]:
    """Return the inputs of the final linear layer and the probabilities that it gives.

    Parameters
    ----------
    estimator : object
        A fitted :class:`~skrobust.NetClassifier`, an initialised skorch net, or a torch module that
        ends in a :class:`torch.nn.Linear`; it is run in evaluation mode.
    X : array-like of shape (n_samples, ...)
        Rows.
    batch_size : int, default=None
        Rows per batch; about 2**17 numbers when None.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features), float64
        The features, with a column of 1 at the end if the layer has a bias.
    proba : ndarray of shape (n_samples, n_outputs), float64
        Softmax of the outputs; the sigmoid of a single output.

    Raises
    ------
    ValueError
        If there is no fitted network, it does not end in a linear layer, or X does not fit it.

    Examples
    --------
    >>> import torch
    >>> from skrobust.influence import head_features
    >>> network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    >>> features, proba = head_features(network, torch.zeros(2, 5))
    >>> features.shape, proba.shape
    ((2, 5), (2, 3))
    """
    features, scores = head_outputs(estimator, X, batch_size)
    return np.array(features, dtype=np.float64), probabilities(scores)


def head_outputs(
    estimator: Any, X: ArrayLike, batch_size: int | None = None, name: str = "X"
) -> tuple[NDArray, NDArray]:
    """Return the inputs of the final layer, in its precision, many in a file, and its outputs."""
    rows = NetworkRows(estimator, X, batch_size, name)
    with rows.head() as (head, run), torch.no_grad():
        weight = _as_float64(head.weight)
        n_features = weight.shape[1]
        if head.bias is not None:
            weight = np.hstack([weight, _as_float64(head.bias)[:, None]])
        shape = len(rows.X), weight.shape[1]
        dtype = np.float64 if head.weight.dtype == torch.float64 else np.float32
        make = file_array if math.prod(shape) > _MOST_IN_MEMORY else np.empty
        features, scores = make(shape, dtype), np.empty((len(rows.X), len(weight)))
        for part, batch in rows:
            block = np.ones((len(batch), shape[1]))
            block[:, :n_features] = _as_float64(run(batch)[0])
            features[part], scores[part] = block, block @ weight.T
    return features, scores


def file_array(shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Return an array in a temporary file, which is gone with the array."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def probabilities(scores: NDArray) -> NDArray:
    """Return the softmax of scores, or the sigmoid if there is one per row."""
    return expit(scores) if scores.shape[1] == 1 else softmax(scores, axis=1)


def _as_float64(tensor: Tensor) -> NDArray:
    return tensor.detach().to("cpu", torch.float64).numpy()


def head_targets(
    estimator, y: ArrayLike, n_samples: int, n_outputs: int, sample_weight=None, *, name="y"
) -> tuple[NDArray, NDArray]:
    """Return targets for a head's outputs, and the weights of the rows, with a mean of 1."""
    n_classes = max(n_outputs, 2)
    classes = getattr(estimator, "classes_", None)
    classes = np.arange(n_classes) if classes is None else np.asarray(classes)
    if len(classes) != n_classes:
        raise ValueError(
            f"the network has {n_outputs} outputs, which does not fit {len(classes)} classes: "
            f"{classes}."
        )
    if is_soft_labels(y):
        mass, columns = check_soft_labels(y, n_samples)
        named = columns if hasattr(y, "columns") else classes
        if mass.shape[1] != n_classes or not np.array_equal(named, classes):
            raise ValueError(
                f"the columns of {name} are the classes {columns}, but the estimator's are "
                f"{classes}."
            )
    elif np.shape(y) != (n_samples,):
        raise ValueError(
            f"{name} must have shape ({n_samples},), one label per row, got {np.shape(y)}."
        )
    else:
        mass = one_hot(encode_labels(np.asarray(y), classes, name), n_classes)
    if name == "y":  # validation rows are not weighted
        if getattr(estimator, "balanced_batches", False):
            mass = weigh(mass, classes, None, "balanced")
        mass = weigh(mass, classes, None, getattr(estimator, "class_weight", None))
    if sample_weight is not None:
        factor = np.asarray(sample_weight, dtype=np.float64)
        if factor.shape != (n_samples,) or not np.isfinite(factor).all() or (factor < 0).any():
            raise ValueError(
                f"sample_weight must hold {n_samples} finite numbers, none of them negative."
            )
        mass = mass * factor[:, None]
    weight = mass.sum(1)
    mean = weight.mean()
    if not mean > 0:
        raise ValueError(f"the weights of the rows of {name} are zero everywhere.")
    target = mass[:, 1:] if n_outputs == 1 else mass
    return target / mean, weight / mean


def check_trained_loss(estimator: Any) -> NDArray | float:
    """Return what the trained loss adds to the head's outputs; raise for other losses."""
    other = None
    for name in ("mixup", "epsilon"):  # epsilon: of adversarial rows
        if getattr(estimator, name, None):
            other = f"{name}={getattr(estimator, name)!r}"
    criterion = getattr(getattr(estimator, "net_", estimator), "criterion_", None)
    adjusted = isinstance(criterion, LogitAdjustedLoss)
    if criterion is not None and not adjusted:
        plain = isinstance(criterion, (nn.CrossEntropyLoss, nn.BCEWithLogitsLoss))
        if not plain or getattr(criterion, "label_smoothing", 0) or criterion.weight is not None:
            other = f"the criterion {criterion!r}"
    if other is not None:
        raise ValueError(
            f"the network was trained with {other}, but influence is computed for the cross "
            "entropy of the rows themselves. Train without, or give weights of classes or rows "
            "as sample_weight."
        )
    return _as_float64(criterion.shift) if adjusted else 0.0


def head_residuals(proba: NDArray, target: NDArray, weight: NDArray) -> NDArray:
    """Return the gradients of the rows' losses with respect to the head's outputs."""
    return weight[:, None] * proba - target


def calibrating_temperature(scores: NDArray, target: NDArray, weight: NDArray) -> float:
    """Return the divisor of the scores that minimises the cross entropy."""

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        if scores.shape[1] == 1:
            rest = weight[:, None] - target
            return -(target * log_expit(scaled)).sum() - (rest * log_expit(-scaled)).sum()
        return -(target * log_softmax(scaled, axis=1)).sum()

    limit = np.log(1000)
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices of rows that make about 2**20 numbers: more would leave the caches."""
    return gen_batches(n_rows, max(1, 2**20 // n_columns))


@dataclass(frozen=True)
class HeadHessian:
    r"""Hessian of the mean cross entropy with respect to the weights of a linear head.

    .. math::

        H = \frac{1}{n} \sum_i w_i \, (\mathrm{diag}(p_i) - p_i p_i^T) \otimes h_i h_i^T

    for features :math:`h_i` (with 1 appended where the head has a bias), class probabilities
    :math:`p_i` and row weights :math:`w_i`.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features), float64
        The head's inputs.
    proba : ndarray of shape (n_samples, n_outputs), float64
        Softmax of the head's outputs, or the sigmoid of a single one.
    weight : ndarray of shape (n_samples,), default=None
        Weights of the rows, not negative, with a mean of 1; all 1 when None.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.influence import HeadHessian
    >>> HeadHessian(np.array([[1.0, 2.0]]), np.array([[0.5]])).dense()
    array([[0.25, 0.5 ],
           [0.5 , 1.  ]])
    """

    features: NDArray
    proba: NDArray
    weight: NDArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Return ``(n_outputs, n_features)``, the shape of the head's weights."""
        return self.proba.shape[1], self.features.shape[1]

    @property
    def n_parameters(self) -> int:
        """Return the number of weights, the bias included."""
        return math.prod(self.shape)

    @cached_property
    def _share(self) -> NDArray:
        n_rows = len(self.features)
        return (np.ones(n_rows) if self.weight is None else self.weight) / n_rows

    @cached_property
    def diagonal(self) -> NDArray:
        """The diagonal, an ndarray of shape ``(n_outputs, n_features)``."""
        total = np.zeros(self.shape)
        for part in row_blocks(len(self.features), self.n_parameters):
            proba = self.proba[part]
            variance = proba * (1 - proba) * self._share[part, None]
            total += variance.T @ np.asarray(self.features[part], dtype=np.float64) ** 2
        return total

    def dense(self) -> NDArray:
        """Return the matrix, ``(n_parameters, n_parameters)``, in the order of ``ravel()``."""
        n_outputs, n_features = self.shape
        blocks = np.zeros((n_outputs, n_features, n_outputs, n_features))
        for part in row_blocks(len(self.features), n_features):
            features = np.asarray(self.features[part], dtype=np.float64)
            proba, share = self.proba[part], self._share[part]
            if n_outputs == 1:
                blocks[0, :, 0] += _gram(features, proba[:, 0] * (1 - proba[:, 0]) * share)
            # the covariances p_c p_d of a softmax sum to zero over d, so that the blocks on the
            # diagonal follow from the others
            for c in range(n_outputs):
                for d in range(c):
                    block = _gram(features, proba[:, c] * proba[:, d] * share)
                    blocks[c, :, d] -= block
                    blocks[d, :, c] -= block
                    blocks[c, :, c] += block
                    blocks[d, :, d] += block
        return blocks.reshape(self.n_parameters, self.n_parameters)

    def product(self, vectors: NDArray, rows: NDArray | slice = slice(None)) -> NDArray:
        """Return the Hessian (of some rows) times vectors, ``(n_vectors, *shape)``."""
        features, proba, share = self.features[rows], self.proba[rows], self._share[rows]
        share = share * (len(self.features) / len(features))
        products, flat = np.zeros_like(vectors), vectors.reshape(-1, self.shape[1]).T
        for part in row_blocks(len(features), len(vectors) * self.shape[0] + self.shape[1]):
            block = np.asarray(features[part], dtype=np.float64)
            logits = (block @ flat).reshape(len(block), *vectors.shape[:2])
            weighted = logits * proba[part][:, None]
            weighted -= proba[part][:, None] * weighted.sum(2, keepdims=True)
            weighted *= share[part][:, None, None]
            products += (weighted.reshape(len(block), -1).T @ block).reshape(vectors.shape)
        return products

    def damping(self, relative: float) -> float:
        """Return a multiple of the mean of the diagonal, not 0 if the Hessian is singular."""
        if not 0 <= relative < np.inf:
            raise ValueError(f"damping must be a finite number, not negative, got {relative}.")
        if relative == 0 and self.shape[0] > 1:
            raise ValueError(
                "damping=0, but the Hessian of a softmax head is singular: adding the same vector "
                "to the weights of all classes changes nothing. Use damping > 0, such as 0.1."
            )
        mean = float(self.diagonal.mean())
        if not mean > 0:
            raise ValueError(
                "the Hessian of the head is zero or not finite: the head is completely certain of "
                "every row (trained too long), or its features are zero or not finite."
            )
        return relative * mean


def _gram(features: NDArray, factor: NDArray) -> NDArray:
    """Return the weighted products of the columns."""
    # numpy computes A.T @ A at half the cost of a general product
    scaled = features * np.sqrt(factor)[:, None]
    return scaled.T @ scaled
