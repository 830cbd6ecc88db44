"""Influence scores of a last layer: closed forms against dattri, LiSSA and Cholesky.

One process, one thread, interleaved after a warm-up round. The network is one linear layer, so
that the time is that of the influence and not of the features. The score of ours is in float64,
the others' in float32, with the same damping. "lissa" is ours, in closed form; "lissa, autograd"
is the usual way, Hessian products on random batches of 128 rows and gradients of the rows, all by
automatic differentiation.

Run: ``python examples/benchmarks/influence.py``. dattri is optional (``pip install dattri``).
"""

from __future__ import annotations

import argparse
import functools
import os
import warnings

os.environ.setdefault("TQDM_DISABLE", "1")  # dattri's progress bars

import numpy as np
import torch
from interleaved import ratio, time_interleaved
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from skrobust.influence import HeadHessian, head_features, influence_scores

DAMPING = 0.1
N_VALID = 100


def make_problem(n_rows, n_features, n_classes):
    """Return a trained linear head, and training and validation rows."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows + N_VALID, n_features)).astype(np.float32)
    scores = X @ rng.normal(size=(n_features, n_classes)) / np.sqrt(n_features)
    y = (2 * scores + rng.gumbel(size=scores.shape)).argmax(1)
    torch.manual_seed(0)
    head = nn.Linear(n_features, n_classes)
    rows, labels = torch.from_numpy(X[:n_rows]), torch.from_numpy(y[:n_rows])
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = cross_entropy(head(rows), labels) + 0.005 * head.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return head, X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def dattri_scores(head, X, y, X_val, y_val):
    """Return a function to the group score by dattri's explicit attributor, in one full batch."""
    from dattri.algorithm.influence_function import IFAttributorExplicit
    from dattri.task import AttributionTask

    features, proba = head_features(head, X)
    damping = HeadHessian(features, proba).damping(DAMPING)

    def loss(parameters, rows):
        x, labels = rows
        return cross_entropy(torch.func.functional_call(head, parameters, x), labels.long())

    def loader(rows, labels):
        data = TensorDataset(torch.from_numpy(rows), torch.from_numpy(labels))
        return DataLoader(data, batch_size=len(data))

    task = AttributionTask(loss_func=loss, model=head, checkpoints=head.state_dict())
    train, valid = loader(X, y), loader(X_val, y_val)

    def score():
        attributor = IFAttributorExplicit(task=task, regularization=damping)
        attributor.cache(train)
        with torch.no_grad():
            return -attributor.attribute(train, valid).mean(1).double().numpy()

    return score


def autograd_lissa_scores(head, X, y, X_val, y_val, n_steps=1000, batch_size=128, scale=20.0):
    """Return a function to the group score by LiSSA on automatic derivatives."""
    features, proba = head_features(head, X)
    damping = HeadHessian(features, proba).damping(DAMPING)
    rows, labels = torch.from_numpy(X), torch.from_numpy(y)
    rows_val, labels_val = torch.from_numpy(X_val), torch.from_numpy(y_val)
    weights = dict(head.named_parameters())

    def loss(parameters, x, labels):
        return cross_entropy(torch.func.functional_call(head, parameters, x), labels)

    def row_loss(parameters, x, label):
        return loss(parameters, x[None], label[None])

    def score():
        generator = torch.Generator().manual_seed(0)
        gradient = torch.autograd.grad(loss(weights, rows_val, labels_val), weights.values())
        vector = [g / scale for g in gradient]
        for _ in range(n_steps):
            batch = torch.randint(len(rows), (batch_size,), generator=generator)
            value = loss(weights, rows[batch], labels[batch])
            first = torch.autograd.grad(value, weights.values(), create_graph=True)
            product = torch.autograd.grad(first, weights.values(), vector)
            vector = [
                (g - h - damping * v) / scale + v
                for g, h, v in zip(gradient, product, vector, strict=True)
            ]
        parameters = {name: value.detach() for name, value in weights.items()}
        gradients = torch.func.vmap(torch.func.grad(row_loss), in_dims=(None, 0, 0))(
            parameters, rows, labels
        )
        pairs = zip(gradients.values(), vector, strict=True)
        products = [g.flatten(1) @ v.flatten() for g, v in pairs]
        return -sum(products).double().numpy()

    return score


def agreement(scores, exact):
    cosine = scores @ exact / np.linalg.norm(scores) / np.linalg.norm(exact)
    error = np.linalg.norm(scores - exact) / np.linalg.norm(exact)
    return f"cosine {cosine:.9f}, relative error {error:.1e}"


def compare(title, rivals, rounds):
    """Time rivals against the first of them, whose scores are the reference of all."""
    print(title)
    first = next(iter(rivals))
    exact = rivals["exact"]()
    with threadpool_limits(1):
        seconds = time_interleaved(rivals, rounds)
    for name, function in rivals.items():
        print(f"  {name:32} {1e3 * np.median(seconds[name]):8.1f} ms", end="")
        if name != first:
            print(f"  {ratio(seconds[name], seconds[first])}", end="")
        scores = function()
        print(f"  {agreement(scores, exact)}" if scores.ndim == 1 and name != "exact" else "")


def ours(problem, **options):
    return functools.partial(influence_scores, *problem, damping=DAMPING, **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    try:
        import dattri  # noqa: F401
    except ImportError:
        print("dattri is not installed (pip install dattri): skipped")
        dattri = None
    problem = make_problem(2000, 128, 3)
    lissa = {"n_steps": 1000, "random_state": 0}
    rivals = {
        "exact": ours(problem, solver="exact"),
        "exact, every validation row": ours(problem, solver="exact", aggregate=False),
        "cg": ours(problem, solver="cg"),
        "lissa, 1000 steps": ours(problem, solver="lissa", solver_params=lissa),
        "lissa, autograd, 1000 steps": autograd_lissa_scores(*problem),
    }
    if dattri is not None:
        rivals["dattri, explicit"] = dattri_scores(*problem)
    compare("2000 rows, 128 features, 3 classes", rivals, arguments.rounds)
    problem = make_problem(5000, 256, 10)
    rivals = {
        "cg": ours(problem, solver="cg"),
        "exact": ours(problem, solver="exact"),
        "lissa, 1000 steps": ours(problem, solver="lissa", solver_params=lissa),
    }
    if dattri is not None:
        rivals["dattri, explicit"] = dattri_scores(*problem)
    compare("5000 rows, 256 features, 10 classes", rivals, min(arguments.rounds, 3))


if __name__ == "__main__":
    main()
