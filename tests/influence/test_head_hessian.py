"""The closed forms against automatic differentiation, and the solvers against each other."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch.nn import functional as F

from skrobust.influence import HeadHessian, cg_solver, exact_solver, lissa_solver

RNG = np.random.RandomState(0)


def problem(n_rows=40, n_features=6, n_outputs=3, weighted=False, seed=0):
    rng = np.random.RandomState(seed)
    features = np.hstack([rng.normal(size=(n_rows, n_features - 1)), np.ones((n_rows, 1))])
    matrix = rng.normal(size=(n_outputs, n_features))
    scores = features @ matrix.T
    proba = expit(scores) if n_outputs == 1 else softmax(scores, axis=1)
    weight = None
    if weighted:
        weight = rng.rand(n_rows)
        weight /= weight.mean()
    return HeadHessian(features, proba, weight), matrix


def mean_loss(hessian, target):
    features, target = torch.tensor(hessian.features), torch.tensor(target)
    weight = torch.ones(len(features)) if hessian.weight is None else torch.tensor(hessian.weight)

    def loss(flat):
        scores = features @ flat.reshape(hessian.shape).T
        if scores.shape[1] == 1:
            rows = F.binary_cross_entropy_with_logits(scores[:, 0], target, reduction="none")
        else:
            rows = F.cross_entropy(scores, target.long(), reduction="none")
        return (weight * rows).mean()

    return loss


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 2, 3, 5])
def test_hessian_is_that_of_autograd(n_outputs, weighted):
    hessian, matrix = problem(n_outputs=n_outputs, weighted=weighted)
    target = RNG.randint(max(n_outputs, 2), size=40).astype(float)
    expected = torch.autograd.functional.hessian(
        mean_loss(hessian, target), torch.tensor(matrix.ravel())
    ).numpy()
    np.testing.assert_allclose(hessian.dense(), expected, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(hessian.diagonal.ravel(), np.diag(expected), rtol=1e-10)
    vectors = RNG.normal(size=(4, *hessian.shape))
    products = hessian.product(vectors).reshape(4, -1)
    np.testing.assert_allclose(products, vectors.reshape(4, -1) @ expected, rtol=1e-9, atol=1e-12)
    assert hessian.n_parameters == len(expected)


def test_product_over_some_rows_is_their_mean_loss():
    hessian, _ = problem()
    rows = RNG.randint(40, size=15)
    part = HeadHessian(hessian.features[rows], hessian.proba[rows])
    vectors = RNG.normal(size=(2, *hessian.shape))
    np.testing.assert_allclose(hessian.product(vectors, rows), part.product(vectors), rtol=1e-12)


def test_product_goes_over_the_rows_in_parts():
    import tracemalloc

    n_rows, n_vectors = 20_000, 200
    features = np.random.RandomState(0).normal(size=(n_rows, 20))
    hessian = HeadHessian(features, np.full((n_rows, 4), 0.25))
    vectors = RNG.normal(size=(n_vectors, 4, 20))
    hessian.product(vectors[:1])
    tracemalloc.start()
    hessian.product(vectors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # all rows at once: 20,000 x 800 float64 numbers, 128 MB, twice


@pytest.mark.parametrize("damping", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("n_outputs", [1, 2, 4])
def test_solvers_invert_the_damped_hessian(n_outputs, damping):
    hessian, _ = problem(n_outputs=n_outputs, weighted=True)
    vectors = RNG.normal(size=(3, *hessian.shape))
    vectors[1] = 0
    dense = hessian.dense()
    damped = dense + damping * np.diag(dense).mean() * np.eye(len(dense))
    expected = np.linalg.solve(damped, vectors.reshape(3, -1).T).T.reshape(vectors.shape)
    np.testing.assert_allclose(exact_solver(hessian, vectors, damping), expected, rtol=1e-9)
    np.testing.assert_allclose(
        cg_solver(hessian, vectors, damping), expected, rtol=1e-6, atol=1e-8 * abs(expected).max()
    )


def test_cg_equals_exact_on_a_wide_head():
    hessian, _ = problem(n_rows=300, n_features=90, n_outputs=8)
    vectors = RNG.normal(size=(1, *hessian.shape))
    exact, cg = exact_solver(hessian, vectors), cg_solver(hessian, vectors)
    assert np.linalg.norm(cg - exact) < 1e-6 * np.linalg.norm(exact)


def test_lissa_correlates_and_repeats_bring_it_closer():
    hessian, _ = problem(n_rows=400, n_features=20)
    vectors = RNG.normal(size=(2, *hessian.shape))
    exact = exact_solver(hessian, vectors)
    once = lissa_solver(hessian, vectors, random_state=0)
    often = lissa_solver(hessian, vectors, n_repeats=10, random_state=np.random.RandomState(0))
    assert np.corrcoef(once.ravel(), exact.ravel())[0, 1] > 0.98
    assert np.linalg.norm(often - exact) < np.linalg.norm(once - exact)
    np.testing.assert_array_equal(once, lissa_solver(hessian, vectors, random_state=0))
    full = lissa_solver(hessian, vectors, n_steps=3000, batch_size=10**9, random_state=0)
    assert np.corrcoef(full.ravel(), exact.ravel())[0, 1] > 0.99


def test_lissa_says_when_it_diverges():
    hessian, _ = problem()
    with pytest.raises(ValueError, match=r"diverged with scale=0\.001: give a larger scale"):
        lissa_solver(hessian, np.ones((1, *hessian.shape)), scale=1e-3, random_state=0)


@pytest.mark.parametrize("solver", [exact_solver, cg_solver, lissa_solver])
def test_damping_errors(solver):
    hessian, _ = problem()
    vectors = np.ones((1, *hessian.shape))
    with pytest.raises(ValueError, match=r"damping=0, but the Hessian of a softmax head is singul"):
        solver(hessian, vectors, 0)
    for damping in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="damping must be a finite number, not negative"):
            solver(hessian, vectors, damping)
    certain = HeadHessian(hessian.features, np.eye(3)[RNG.randint(3, size=40)])
    with pytest.raises(ValueError, match="completely certain of every row"):
        solver(certain, vectors, 0.1)


def test_sigmoid_needs_no_damping_unless_features_depend_on_each_other():
    hessian, _ = problem(n_outputs=1)
    vectors = RNG.normal(size=(2, *hessian.shape))
    expected = np.linalg.solve(hessian.dense(), vectors.reshape(2, -1).T).T.reshape(vectors.shape)
    np.testing.assert_allclose(exact_solver(hessian, vectors, 0), expected, rtol=1e-8)
    np.testing.assert_allclose(cg_solver(hessian, vectors, 0), expected, rtol=1e-5)
    double = HeadHessian(np.hstack([hessian.features, hessian.features]), hessian.proba)
    with pytest.raises(ValueError, match="singular with damping=0"):
        exact_solver(double, np.ones((1, *double.shape)), 0)
    zero = HeadHessian(hessian.features * [0, 1, 1, 1, 1, 1], hessian.proba)
    with pytest.raises(ValueError, match="features are zero in all rows"):
        cg_solver(zero, vectors, 0)
    with pytest.raises(ValueError, match="did not reach tol"):
        cg_solver(hessian, vectors, 0.1, max_iter=1)
