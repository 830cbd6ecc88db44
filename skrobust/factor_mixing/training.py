"""Two-step training of the networks that split a row into a class code and a residual code."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from ..neural.augmentation import AUGMENTATIONS, RandomAugmentation
from ..neural.batches import Batches, Rows
from ..neural.net import prediction_batch_size
from ..neural.seeding import OwnRandomness, nearest_device, replace_dropout, torch_defaults
from .networks import FactorClassifier, FactorDecoder, FactorEncoder

# large changes, so that size and direction are encoded in the residual code
_MOVES = RandomAugmentation(rotation=30.0, scale=0.3)


@dataclass(frozen=True)
class FactorRecipe:
    """Everything that the training depends on, except the data.

    Settings are those of :class:`~skrobust.FactorMixSampler`. ``low``, ``high``, ``mean`` and
    ``std`` (above 0) are of all values of the training rows: the output of the decoder lies in
    this range, and the encoders get standardised rows.
    """

    input_shape: tuple[int, ...]
    n_classes: int
    low: float
    high: float
    mean: float
    std: float
    n_codes: int
    width: int
    class_epochs: int
    max_epochs: int
    lr: float
    batch_size: int
    adversarial_weight: float
    adversary_steps: int
    class_mean_weight: float
    swap_weight: float
    affine_weight: float
    dropout: float
    affine: bool
    device: str
    seed: int


class FactorNetworks:
    """The trained encoders, decoder and classifiers."""

    def __init__(self, recipe: FactorRecipe):
        self.recipe = recipe
        self.history: list[dict[str, float]] = []
        self.randomness = OwnRandomness(recipe.seed)
        shape, n_codes, width = recipe.input_shape, recipe.n_codes, recipe.width
        with torch_defaults(), self.randomness:
            networks = {
                "class_encoder": FactorEncoder(shape, n_codes, width),
                "classifier": FactorClassifier(n_codes, recipe.n_classes, 4 * width),
                # otherwise the class hides from the adversary in tiny differences
                "residual_encoder": FactorEncoder(shape, n_codes, width, standardize=True),
                "adversary": FactorClassifier(n_codes, recipe.n_classes, 4 * width),
                "decoder": FactorDecoder(shape, 2 * n_codes, width, recipe.dropout),
            }
            self.networks = nn.ModuleDict(networks).to(recipe.device)
        replace_dropout(self.networks, self.randomness)

    def fit(self, X: NDArray, codes: NDArray) -> FactorNetworks:
        """Train on rows and class codes."""
        with torch_defaults():
            self._train(X, codes)
        if not np.isfinite([loss for row in self.history for loss in row.values()]).all():
            raise ValueError(
                f"a loss became infinite or NaN while the networks trained with lr={self.recipe.lr}"
                ". Set a smaller lr or adversarial_weight."
            )
        return self

    def _train(self, X: NDArray, codes: NDArray) -> None:
        recipe, nets = self.recipe, self.networks
        rows = Rows(X, codes, recipe.input_shape, recipe.device)
        generator = self.randomness.generator()
        batches = Batches(rows, recipe.batch_size, generator)
        encode, classify = nets["class_encoder"], nets["classifier"]
        optimizer = self._optimizer(encode, classify)
        for _ in range(recipe.class_epochs):
            nets.train()
            losses = []
            for x, y in self._batches(batches):
                loss = cross_entropy(classify(encode(x)), y)
                _step(optimizer, loss)
                losses.append(loss.detach())
            self.history.append({"class_loss": float(torch.stack(losses).mean())})
        finished = [encode.requires_grad_(False), classify.requires_grad_(False)]
        against = self._optimizer(nets["adversary"])
        forward = self._optimizer(nets["residual_encoder"], nets["decoder"])
        shares = np.bincount(codes) / len(codes)
        chance = float(-(shares * np.log(shares)).sum())
        for epoch in range(recipe.max_epochs):
            nets.train()
            for network in finished:
                network.eval()
            for group in forward.param_groups:
                group["lr"] = recipe.lr * (1 + math.cos(math.pi * epoch / recipe.max_epochs)) / 2
            steps = [
                self._second_step(x, y, against, forward, chance) for x, y in self._batches(batches)
            ]
            error, adversary = torch.tensor(steps).mean(0).tolist()
            self.history.append({"reconstruction_loss": error, "adversary_loss": adversary})
        nets.eval()

    def _second_step(self, x, y, against, forward, chance) -> tuple[float, float]:
        """Train the adversary, then encoder and decoder against it."""
        nets, recipe = self.networks, self.recipe
        with torch.no_grad():
            c = nets["class_encoder"](x)
        r = nets["residual_encoder"](x)
        for _ in range(recipe.adversary_steps):
            adversary_loss = cross_entropy(nets["adversary"](r.detach()), y)
            _step(against, adversary_loss)
        error = mse_loss(self._decoded(c, r), x)
        # beyond chance no class is left to hide, and the loss is unbounded
        hidden = cross_entropy(nets["adversary"](r), y).clamp(max=chance)
        loss = error - recipe.adversarial_weight * hidden
        if recipe.class_mean_weight:
            loss = loss + recipe.class_mean_weight * variance_between(r, y, recipe.n_classes)
        if recipe.swap_weight or recipe.affine_weight:
            loss = loss + self._swap_losses(x, y, c, r)
        _step(forward, loss)
        return float(error.detach()), float(adversary_loss.detach())

    def _swap_losses(self, x: Tensor, y: Tensor, c: Tensor, r: Tensor) -> Tensor:
        """Rows with another row's class code have its class, and move like their own row."""
        nets, recipe = self.networks, self.recipe
        with self.randomness:
            other = torch.randperm(len(y), device=y.device)
        swapped, loss = self._decoded(c[other], r), x.new_zeros(())
        if recipe.swap_weight:
            scores = nets["classifier"](nets["class_encoder"](swapped))
            loss = loss + recipe.swap_weight * cross_entropy(scores, y[other])
        if recipe.affine_weight:
            # as channels of one image both move in the same way
            with self.randomness:
                both = _MOVES(torch.cat([x, swapped.detach()], 1))
            moved, target = both.chunk(2, dim=1)
            decoded = self._decoded(c[other], nets["residual_encoder"](moved))
            loss = loss + recipe.affine_weight * mse_loss(decoded, target)
        return loss

    def _decoded(self, c: Tensor, r: Tensor) -> Tensor:
        """Return standardised rows, so that the weights mean the same for all data."""
        return self._scaled(self._unscaled(self.networks["decoder"](torch.cat([c, r], 1))))

    def _batches(self, batches: Batches):
        for x, y in batches:
            x = self._scaled(x)
            if self.recipe.affine:
                with self.randomness:
                    x = AUGMENTATIONS["affine"](x)
            yield x, y

    def _optimizer(self, *modules: nn.Module) -> torch.optim.Optimizer:
        parameters = [p for module in modules for p in module.parameters()]
        # fused is one kernel for all weights
        fused = self.recipe.device.startswith(("cpu", "cuda"))
        return torch.optim.Adam(parameters, lr=self.recipe.lr, fused=fused)

    def _scaled(self, x: Tensor) -> Tensor:
        return (x - self.recipe.mean) / self.recipe.std

    def _unscaled(self, decoded: Tensor) -> Tensor:
        """Map the decoder's outputs, 0 to 1, to the range of the training rows."""
        return decoded * (self.recipe.high - self.recipe.low) + self.recipe.low

    def encode(self, X: NDArray) -> tuple[NDArray, NDArray]:
        """Return the class codes and the residual codes of rows, float32."""
        nets = self.networks.eval()

        def run(x):
            x = self._scaled(x)
            return torch.cat([nets["class_encoder"](x), nets["residual_encoder"](x)], 1)

        both = self._in_batches(Rows(X, None, self.recipe.input_shape, self.recipe.device), run)
        return both[:, : self.recipe.n_codes], both[:, self.recipe.n_codes :]

    def decode(self, class_codes: NDArray, residual_codes: NDArray) -> NDArray:
        """Return the rows that the decoder makes from codes, on the scale of the training rows."""
        decoder, recipe = self.networks.eval()["decoder"], self.recipe
        codes = np.concatenate([class_codes, residual_codes], axis=1).astype(np.float32)
        rows = Rows(codes, None, codes.shape[1:], recipe.device)
        size = prediction_batch_size(recipe.input_shape, recipe.device)
        return self._in_batches(rows, lambda x: self._unscaled(decoder(x)), size)

    def classify(self, class_codes: NDArray) -> NDArray:
        """Return the classifier's scores of class codes."""
        rows = Rows(class_codes, None, class_codes.shape[1:], self.recipe.device)
        return self._in_batches(rows, self.networks.eval()["classifier"])

    def _in_batches(self, rows: Rows, run: Callable, size: int | None = None) -> NDArray:
        size = size or prediction_batch_size(rows.input_shape, rows.device)
        with torch_defaults(), torch.no_grad():
            # no rows: run on an empty batch, for the shape
            batches = Batches(rows, size) if len(rows) else [rows[:0]]
            return torch.cat([run(x).cpu() for x, _ in batches]).numpy()

    def __getstate__(self):
        weights = io.BytesIO()
        torch.save(self.networks.state_dict(), weights)
        recipe = asdict(self.recipe)
        return {"recipe": recipe, "history": self.history, "weights": weights.getvalue()}

    def __setstate__(self, state):
        recipe = FactorRecipe(**state["recipe"])
        shape, device = tuple(recipe.input_shape), nearest_device(recipe.device)
        self.__init__(replace(recipe, input_shape=shape, device=device))
        self.history = list(state["history"])
        weights = io.BytesIO(state["weights"])
        weights = torch.load(weights, map_location=self.recipe.device, weights_only=True)
        self.networks.load_state_dict(weights)
        self.networks.eval()


def variance_between(r: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """Return the share of variance between the classes (correlation ratio), mean of the codes."""
    centred = r - r.mean(0)
    sums = centred.new_zeros(n_classes, r.shape[1]).index_add(0, y, centred)
    sizes = torch.bincount(y, minlength=n_classes).clamp(min=1)
    between = (sums**2 / sizes[:, None]).sum(0)
    return (between / (centred**2).sum(0).clamp(min=1e-6)).mean()


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
