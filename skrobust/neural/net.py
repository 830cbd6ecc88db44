"""The skorch net inside every estimator that trains a network."""

from __future__ import annotations

import dis
import io
import math
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PrintLog
from skorch.helper import predefined_split
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from ..utils.validation import check_finite_rows
from .batches import BalancedBatches, Batches, Rows
from .seeding import OwnRandomness, replace_dropout


def resolve_device(device: str) -> str:
    """Return a torch device name that exists here.

    Parameters
    ----------
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ..., or ``"auto"``: CUDA where there is
        a GPU, otherwise the CPU.

    Returns
    -------
    device : str
        The device to use.

    Raises
    ------
    ValueError
        If CUDA is asked for and not there, or torch does not know the name.

    Examples
    --------
    >>> from skrobust.neural.net import resolve_device
    >>> resolve_device("cpu")
    'cpu'
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not known to torch. Use 'cpu', 'cuda', 'cuda:<index>' or 'auto'."
        ) from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r}, but torch sees no CUDA device here. Use 'cpu', or 'auto' to take "
            "a GPU only where there is one."
        )
    return device


class CosineAnnealing(Callback):
    """Lower the learning rate to zero over the epochs, along half a cosine.

    skorch's ``LRScheduler`` does the same, but asks to see every batch, which slows training.

    Parameters
    ----------
    n_epochs : int
        Epochs after which it would be zero.
    """

    def __init__(self, n_epochs: int):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        """Set the rate of the epoch."""
        done = min((len(net.history) - 1) / self.n_epochs, 1)
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * (1 + math.cos(math.pi * done)) / 2


_PER_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class EpochProgressBar(Callback):
    """One tqdm bar over the epochs, with the latest losses."""

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch", leave=True)

    def on_epoch_end(self, net, **kwargs):
        """Advance the bar."""
        row = net.history[-1]
        self.bar_.set_postfix(
            {k: f"{row[k]:.4f}" for k in ("train_loss", "valid_loss") if k in row}
        )
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        """Close the bar, and forget it: open bars cannot be pickled."""
        self.bar_.close()
        del self.bar_


class TensorNet(NeuralNet):
    """A skorch net whose data are :class:`Rows` and whose randomness is its own.

    It does what :class:`skorch.NeuralNet` does, with three differences: batches are slices of
    whole tensors; nothing draws from a global generator; and an epoch is a plain loop unless a
    callback wants to see every batch.

    Parameters
    ----------
    *args, **kwargs
        See :class:`skorch.NeuralNet`. ``verbose=1`` shows a progress bar, 2 skorch's table.
    seed : int
        Fixes initialisation, order of rows and dropout.
    precision : {"float32", "bfloat16"}
        Precision of the forward pass.
    probe : Tensor
        Two rows, run through a new module to see that they fit (and to size lazy layers).
    n_outputs : int or None
        Columns that the module must return. None: it must return the shape of its input, as an
        autoencoder does.
    batch_transform : callable, default=None
        ``batch_transform(net, x, y) -> x, y`` changes every training batch before the step; what
        it draws comes from the net's own randomness. It may set ``net.around_step`` to a context
        manager, in which the step is then taken.
    samples_per_class : int, default=None
        Train on :class:`BalancedBatches` with so many rows of each drawn class; on rows in
        shuffled order when None.
    annealing_epochs : int, default=None
        Lower the learning rate to zero over so many epochs (:class:`CosineAnnealing`).
    """

    def __init__(
        self,
        *args,
        seed,
        precision,
        probe,
        n_outputs,
        batch_transform=None,
        samples_per_class=None,
        annealing_epochs=None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.batch_transform = batch_transform
        self.samples_per_class = samples_per_class
        self.annealing_epochs = annealing_epochs
        self.seed = seed
        self.precision = precision
        self.probe = probe
        self.n_outputs = n_outputs
        self.after_epoch = None
        self.around_step = nullcontext()

    @property
    def _default_callbacks(self):
        shown = {0: [], 1: [("progress", EpochProgressBar())], 2: [("print_log", PrintLog())]}
        epochs = self.annealing_epochs
        annealing = [] if epochs is None else [("annealing", CosineAnnealing(epochs))]
        return [("epoch_timer", EpochTimer()), *annealing, *shown[min(int(self.verbose), 2)]]

    def run_epochs(
        self,
        rows: Rows,
        epochs: int,
        valid: Rows | None = None,
        after_epoch: Callable[[TensorNet], None] | None = None,
    ) -> TensorNet:
        """Go on training for some epochs; compute the loss on `valid` after each.

        `after_epoch` is called with the net at the end of every epoch, before the callbacks; it
        may change which rows the next epoch sees. A callback may stop the training early; an
        interrupt by the user is raised, and so is a ValueError when losses or weights become
        infinite or NaN.
        """
        self.after_epoch = after_epoch
        self.train_split = None if valid is None else predefined_split(valid)
        self.max_epochs = epochs
        self.stopped_ = False
        self.notify("on_train_begin", X=rows, y=None)
        try:
            self.fit_loop(rows, epochs=epochs)
        except KeyboardInterrupt:
            if not self.stopped_:
                if self.history and "train_loss" not in self.history[-1]:
                    del self.history[-1]  # half an epoch
                raise
        except ValueError as error:
            if "more than 1 value per channel" in str(error):
                raise ValueError(
                    f"batch norm cannot train on a batch of one row ({len(rows)} rows, batch_size="
                    f"{self.batch_size}). Raise batch_size above 1, give more rows, or take a "
                    "network without batch norm, such as MLP."
                ) from error
            raise
        finally:
            self.after_epoch = None
            self.notify("on_train_end", X=rows, y=None)
        if not all(bool(w.isfinite().all()) for w in self.module_.state_dict().values()):
            raise ValueError(self._diverged("weights are infinite or NaN"))
        return self

    def _diverged(self, what: str) -> str:
        return (
            f"the training diverged: {what} after epoch {len(self.history)} with lr={self.lr}. "
            "Lower lr, and scale X, for example with StandardScaler."
        )

    def on_epoch_end(self, net, **kwargs):
        """Call `after_epoch`."""
        if self.after_epoch is not None:
            self.after_epoch(self)

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks; skorch's stop the training by raising KeyboardInterrupt."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as interrupt:
            self.stopped_ = _raised_by_statement(interrupt)
            raise
        except KeyError as error:
            if self.train_split is None and "valid" in str(error):
                raise ValueError(
                    f"a callback asks for {error}, but there are no validation rows. Set "
                    "validation_fraction, or give X_val and y_val."
                ) from error
            raise

    def initialize_module(self):
        """Build the module from the net's own randomness and run two rows through it."""
        self.randomness_ = OwnRandomness(self.seed)
        self.stochastic_ = True
        with self.randomness_:
            super().initialize_module()
        replace_dropout(self.module_, self.randomness_)
        name = type(self.module_).__name__
        shape = tuple(self.probe.shape)
        self.module_.to(self.device).eval()
        try:
            # lazy layers draw their weights here
            with torch.no_grad(), self.randomness_:
                out = self.module_(self.probe.to(self.device))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ValueError(
                f"the network {name} cannot take a batch of shape {shape}: {error}. Set "
                "input_shape=(channels, *spatial) to the shape of a row, or change the network."
            ) from error
        wanted, meaning = (shape[0], self.n_outputs), "one unnormalised score per class"
        if self.n_outputs is None:
            wanted, meaning = shape, "the reconstruction of its input"
        if not isinstance(out, Tensor) or out.shape != wanted:
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            wanted = ", ".join(["batch", *map(str, wanted[1:])])
            raise ValueError(
                f"the network {name} must return a tensor of shape ({wanted}), {meaning}, but "
                f"returned {got} for a batch of shape {shape}."
            )
        return self

    def initialize_criterion(self):
        """Build the loss; weights that it has come from the net's own randomness."""
        with self.randomness_:
            return super().initialize_criterion()

    def get_iterator(self, dataset: Dataset, training: bool = False) -> Batches | BalancedBatches:
        """Return whole-batch slices; shuffled or balanced by class for training."""
        if not training:
            return Batches(dataset, prediction_batch_size(dataset.input_shape))
        generator = self.randomness_.generator()
        if self.samples_per_class is None:
            return Batches(dataset, self.batch_size, generator)
        return BalancedBatches(dataset, self.batch_size, self.samples_per_class, generator)

    def infer(self, x, **fit_params):
        """Run the module on a batch; metadata of `fit` stays out of it."""
        stochastic = self.stochastic_ and self.module_.training
        if not stochastic and self.precision == "float32":
            return self.module_(x)
        randomness = self.randomness_ if stochastic else nullcontext()
        half = self.precision == "bfloat16"
        with randomness, torch.autocast(torch.device(self.device).type, torch.bfloat16, half):
            return self.module_(x).float()

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Loop over the batches once and record the mean loss per row."""
        if iterator is None:
            return
        if self._callbacks_see_batches():
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            batches = self.history[-1]["batches"]
            sizes = [b[f"{prefix}_batch_size"] for b in batches if f"{prefix}_loss" in b]
            losses = [b[f"{prefix}_loss"] for b in batches if f"{prefix}_loss" in b]
            self.record_loss(prefix, float(np.average(losses, weights=sizes)))
            return
        self.module_.train(training)
        step = self._quick_step if training else self._quick_validation
        total, n_rows = 0.0, 0
        self.stochastic_, self.randomness_.drawn = training, False
        for x, y in iterator:
            total += step(x, y) * len(x)
            n_rows += len(x)
            # a module that draws nothing through torch's functions is spared the redirection, up
            # to 20% of a small network's time, for the rest of the epoch
            self.stochastic_ = self.randomness_.drawn
        self.stochastic_ = True
        self.record_loss(prefix, float(total) / n_rows)

    def _callbacks_see_batches(self) -> bool:
        return any(
            getattr(type(callback), hook) is not getattr(Callback, hook)
            for _, callback in self.callbacks_
            for hook in _PER_BATCH_HOOKS
        )

    def train_step(self, batch, **fit_params):
        """Train on one batch, transformed."""
        batch = self._transformed(*batch)
        with self.around_step:
            return super().train_step(batch, **fit_params)

    def _transformed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.batch_transform is None:
            return x, y
        drawn, self.around_step = self.randomness_.drawn, nullcontext()
        with self.randomness_:
            batch = self.batch_transform(self, x, y)
        # only what the module draws decides whether its calls are redirected
        self.randomness_.drawn = drawn
        return batch

    def _quick_step(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = self._transformed(x, y)
        first_loss = []

        def closure():
            self.optimizer_.zero_grad()
            loss = self.criterion_(self.infer(x), y)
            loss.backward()
            first_loss.append(loss.detach())
            return loss

        with self.around_step:
            self.optimizer_.step(closure)
        return first_loss[0]

    def _quick_validation(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            return self.criterion_(self.infer(x), y)

    def record_loss(self, prefix: str, loss: float) -> None:
        """Write a loss into the epoch's row of the history, and whether it is the lowest yet."""
        name = f"{prefix}_loss"
        if not math.isfinite(loss):
            raise ValueError(self._diverged(f"the {name} is {loss}"))
        earlier = [row[name] for row in self.history[:-1] if name in row]
        self.history.record(name, loss)
        self.history.record(f"{name}_best", loss < min(earlier, default=np.inf))

    def outputs(self, rows: Rows) -> NDArray:
        """Return the module's outputs for all rows, in evaluation mode, as float32, all finite."""
        self.module_.eval()
        # no_grad: tensors of inference mode could not be trained on by a later partial_fit
        with torch.no_grad():
            batches = [self.infer(x).cpu() for x, _ in self.get_iterator(rows)]
        return check_finite_rows(torch.cat(batches).numpy(), "the network's outputs")

    def predict(self, X):
        """Return class codes, for skorch's scoring callbacks."""
        return self.predict_proba(X).argmax(1)

    def dump(self) -> bytes:
        """Return weights, optimizer and randomness as bytes that hold tensors only."""
        buffer = io.BytesIO()
        torch.save(
            {
                "module": self.module_.state_dict(),
                "criterion": self.criterion_.state_dict(),
                "optimizer": self.optimizer_.state_dict(),
                "randomness": self.randomness_.state_dict(),
            },
            buffer,
        )
        return buffer.getvalue()

    def load(self, dumped: bytes) -> None:
        """Take up the state that `dump` returned; tensors only, no code is run."""
        state = torch.load(io.BytesIO(dumped), map_location=self.device, weights_only=True)
        self.module_.load_state_dict(state["module"])
        self.criterion_.load_state_dict(state["criterion"])
        self.optimizer_.load_state_dict(state["optimizer"])
        self.randomness_.load_state_dict(state["randomness"])


def _raised_by_statement(error: BaseException) -> bool:
    """Tell a ``raise`` from the interrupt of a user, which comes in the midst of anything."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


def prediction_batch_size(input_shape) -> int:
    """Return how many rows to predict at once: about 2**17 numbers, so that caches hold them."""
    return max(16, 2**17 // math.prod(input_shape))


def is_skorch_net(estimator) -> bool:
    """Tell whether an estimator is a net of skorch itself."""
    return isinstance(estimator, NeuralNet)


def raise_interrupt(net: NeuralNet) -> None:
    """Raise the KeyboardInterrupt that a net of skorch itself has kept to itself.

    Its ``fit`` and ``partial_fit`` end quietly in the midst of an epoch.

    Parameters
    ----------
    net : skorch.NeuralNet
        A net after ``fit`` or ``partial_fit``.

    Raises
    ------
    KeyboardInterrupt
        If the last epoch was not finished.
    """
    recorded = dict(net.callbacks_).get("train_loss") is not None
    if recorded and (not net.history or "train_loss" not in net.history[-1]):
        raise KeyboardInterrupt
