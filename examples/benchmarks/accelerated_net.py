"""One fit on several devices: a plain skorch net with accelerate, after a sampler from here.

``NetClassifier`` trains on one device. For a fit that is too big for it, the same networks go into
a net of skorch itself, which accelerate spreads over processes, each with a device of its own. The
script checks that all processes end with equal weights, and prints the score on new patients.

Run on two processes of this machine: ``OMP_NUM_THREADS=1 python -m torch.distributed.run
--nproc_per_node=2 examples/benchmarks/accelerated_net.py --cpu``; without ``--cpu`` on two GPUs.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from sklearn.model_selection import GroupShuffleSplit
from skorch import NeuralNetClassifier
from skorch.hf import AccelerateMixin

from skrobust import GaussianNoiseAugmenter, make_mr_spectra
from skrobust.neural import ResNet1d


class AcceleratedNet(AccelerateMixin, NeuralNetClassifier):
    """skorch's classifier, on as many devices as there are processes."""


class CrossEntropy:
    """The loss as a plain object: several processes cannot share a module without weights."""

    def __call__(self, scores, y):
        return torch.nn.functional.cross_entropy(scores, y)


def make_net(accelerator, input_shape, epochs):
    """Return the net, not yet fitted."""
    return AcceleratedNet(
        ResNet1d,
        module__input_shape=input_shape,
        module__n_outputs=2,
        module__width=8,
        module__n_blocks=4,
        module__kernel_size=16,
        module__dropout=0.2,
        criterion=CrossEntropy,
        predict_nonlinearity=partial(torch.softmax, dim=-1),
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=32,
        iterator_train__shuffle=True,
        max_epochs=epochs,
        train_split=None,
        callbacks__print_log=None,
        accelerator=accelerator,
        device=None,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cpu", action="store_true", help="processes of the CPU, not GPUs")
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    accelerator = Accelerator(cpu=arguments.cpu)
    X, y, patient = make_mr_spectra(n_patients=40, random_state=0, return_X_y_groups=True)
    train, test = next(GroupShuffleSplit(1, random_state=0).split(X, y, patient))
    # rows are resampled before, in every process alike
    sampler = GaussianNoiseAugmenter(0.05, factor=2, random_state=0)
    X_train, y_train = sampler.fit_resample(X[train].astype(np.float32), y[train])
    torch.manual_seed(0)
    net = make_net(accelerator, (X.shape[1],), arguments.epochs)
    net.fit(X_train, y_train.astype(np.int64))
    weights = [w.detach().cpu().numpy() for w in net.module_.parameters()]
    for other in gather_object([weights]):
        for mine, theirs in zip(weights, other, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    score = (net.predict(X[test].astype(np.float32)) == y[test]).mean()
    if accelerator.is_main_process:
        print(
            f"{accelerator.num_processes} processes, equal weights, {len(X_train)} rows, accuracy "
            f"on {len(np.unique(patient[test]))} new patients {score:.3f}"
        )


if __name__ == "__main__":
    main()
