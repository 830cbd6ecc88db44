"""The likelihood of given labels under wrong labels of patients and of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, ndtr, softmax

_TINY = 1e-12


def _logsumexp(values: NDArray) -> NDArray:
    """Return the logarithm of summed exponentials over the last axis, without SciPy's overhead."""
    largest = values.max(-1, keepdims=True)
    return (np.log(np.exp(values - largest).sum(-1, keepdims=True)) + largest)[..., 0]


def _log_softmax(values: NDArray) -> NDArray:
    """Return the logarithm of the softmax over the last axis."""
    return values - _logsumexp(values)[..., None]


class Part(NamedTuple):
    """One point of the grid of patients' noise rates, and the parameters fitted there."""

    scale: float
    offset: NDArray
    patients: float
    rows: float
    # standard deviation of the logit of rows / most; 0 where rows is not fitted
    rows_sd: float


class NoiseRates:
    r"""Calibration and noise rates, fitted to the given labels of units.

    A unit (a patient, or an independent row) has a true class z; its :math:`n` rows have the given
    labels counted in N. With honest scores S of the unit,

    .. math::
        P(z | S) = \mathrm{softmax}(\kappa S + b)_z, \quad
        P(N | z) = \sum_l C_{zl} (1 - \beta)^{N_l} (\beta / (K - 1))^{n - N_l}

    where l is the label of the patient, C is 1 - c on its diagonal and c / (K - 1) elsewhere: c is
    the rate of wrong patients, beta that of wrong rows inside. The scale kappa, the offset b and
    beta are fitted for every c of a grid by penalised maximum likelihood,

    .. math::
        \sum_g \log P(N_g | S_g) - (\log \kappa - 1)^2 / 2 - |b|^2 / 8
        + \lambda \log(1 - \beta / m) + \lambda \log(1 - c / m), \quad m = 1 - 1/K,

    kappa in units of the standard deviation of S. Then c is averaged over the grid, not maximised:
    the maximum is 0 far too often.

    Labels of whole units may be wrong if `patients` is True or a number, their rate c, those of
    rows inside units if `rows` and where they vary. `prior` is lambda, `n_grid` the size of the
    grid, and `clean` marks classes that are never the label of a unit of another class.
    """

    def __init__(self, n_classes, *, patients=True, rows=True, prior=1.0, n_grid=10, clean=None):
        self.K, self.rows, self.prior = n_classes, rows, prior
        self.most = 1 - 1 / n_classes  # the rate at which labels carry no information
        grid = np.r_[1e-4, np.arange(1, n_grid) / n_grid] * self.most
        self.grid = grid if patients is True else np.clip([patients], grid[0], grid[-1])
        self.clean = np.zeros(n_classes, bool) if clean is None else clean

    def log_flips(self, c: float) -> NDArray:
        """Return log C, (K, K): true class, label of the unit."""
        may = ~self.clean & ~np.eye(self.K, dtype=bool)
        others = may.sum(1)
        flips = may * (c / np.maximum(others, 1))[:, None]
        flips[np.diag_indices(self.K)] = np.where(others > 0, 1 - c, 1.0)
        return np.log(np.maximum(flips, _TINY))

    def _log_labels(self, counts, excluded, log_flips, beta):
        """Return log P(labels | z) of every unit, and its summands over l."""
        others = counts.sum(1, keepdims=True) - counts
        given = counts * np.log1p(-beta) + others * np.log(beta / (self.K - 1))
        joint = log_flips[None] + given[:, None, :]
        return _logsumexp(joint) + excluded, joint

    def fit(self, S: NDArray, counts: NDArray, known: NDArray | None = None) -> NoiseRates:
        """Fit to scores (units, K) and counts of given labels (units, K).

        `known` has the true class of units where it is known, -1 elsewhere; their counts are those
        of labels that may be wrong all the same.
        """
        K, deviation = self.K, S.std() + _TINY
        S, excluded = S / deviation, _excluded(known, K)
        size = counts.sum(1, keepdims=True)
        varies = self.rows and bool((counts.max(1) < size[:, 0] * (1 - 1e-9)).any())
        start = np.r_[1.0, np.zeros(K - 1), -1.0] if varies else np.r_[1.0, np.zeros(K - 1)]
        bounds = [(-3, 4)] + [(-5, 5)] * (K - 1) + [(-7, 6)] * varies
        self.parts_, log_weight = [], []
        for c in self.grid:
            log_flips = self.log_flips(c)
            constant = None if varies else self._log_labels(counts, excluded, log_flips, 1e-6)

            def loss(v, log_flips=log_flips, constant=constant):
                beta = self.most * expit(v[K]) if varies else 1e-6
                log_z = _log_softmax(np.exp(v[0]) * S + np.concatenate([[0], v[1:K]]))
                given, joint = constant or self._log_labels(counts, excluded, log_flips, beta)
                log_joint = log_z + given
                per_unit = _logsumexp(log_joint)
                value = per_unit.sum() - 0.5 * (v[0] - 1) ** 2 - (v[1:K] ** 2).sum() / 8
                q = np.exp(log_joint - per_unit[:, None])
                slope = q - np.exp(log_z)
                gradient = np.empty(len(v))
                gradient[0] = np.exp(v[0]) * (slope * S).sum() - (v[0] - 1)
                gradient[1:K] = slope[:, 1:].sum(0) - v[1:K] / 4
                if varies:
                    of_label = softmax(joint, axis=2)  # P(l | z, labels)
                    by_beta = (size - counts) / beta - counts / (1 - beta)
                    by_beta = (q * (of_label * by_beta[:, None, :]).sum(2)).sum()
                    share = 0.999 * beta / self.most
                    value += self.prior * np.log1p(-share)
                    by_beta -= self.prior * 0.999 / self.most / (1 - share)
                    gradient[K] = by_beta * beta * (1 - beta / self.most)
                return -value, -gradient

            found = minimize(
                loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
            )
            v = start = found.x  # start of the next c
            beta = float(self.most * expit(v[K])) if varies else 1e-6
            rows_sd = _deviation(loss, v) if varies else 0.0
            scale, offset = np.exp(v[0]) / deviation, np.r_[0, v[1:K]]
            self.parts_.append(Part(scale, offset, float(c), beta, rows_sd))
            log_weight.append(-found.fun + self.prior * np.log1p(-0.999 * c / self.most))
        self.weight_ = softmax(log_weight)
        self.log_evidence_ = float(_logsumexp(np.array(log_weight)) - np.log(len(log_weight)))
        return self

    def posterior(self, S: NDArray, counts: NDArray, known: NDArray | None = None) -> NDArray:
        """Return P(z | scores, labels), averaged over c."""
        total, excluded = np.zeros(S.shape), _excluded(known, self.K)
        for weight, part in zip(self.weight_, self.parts_, strict=True):
            if weight > 1e-4:
                log_z = _log_softmax(part.scale * S + part.offset)
                log_flips = self.log_flips(part.patients)
                given, _ = self._log_labels(counts, excluded, log_flips, part.rows)
                total += weight * softmax(log_z + given, axis=1)
        return total / total.sum(1, keepdims=True)

    def predicted(self, S: NDArray) -> NDArray:
        """Return P(z | scores), without labels, averaged over c."""
        return sum(
            weight * softmax(part.scale * S + part.offset, axis=1)
            for weight, part in zip(self.weight_, self.parts_, strict=True)
        )


def _excluded(known: NDArray | None, K: int) -> NDArray | float:
    """Return what is added to log probabilities of classes: far below 0 for impossible ones."""
    if known is None:
        return 0.0
    return np.where((known[:, None] < 0) | (known[:, None] == np.arange(K)), 0.0, -1e4)


def _deviation(loss, v) -> float:
    """Return the standard deviation of the last parameter from the curvature at the optimum."""
    step = np.zeros(len(v))
    step[-1] = 1e-3
    curvature = (loss(v + step)[1][-1] - loss(v - step)[1][-1]) / 2e-3
    return float(1 / np.sqrt(max(curvature, 1e-2)))


def interval(
    kinds: list[tuple[float, NoiseRates, bool]], which: str, level: float = 0.95
) -> tuple[float, float, float]:
    """Return mean and interval of the noise rate of patients or rows over all kinds."""
    most = kinds[0][1].most
    at = np.linspace(0, most, 4001)
    density_to, mean = np.zeros(len(at)), 0.0
    for weight, rates, of_patients in kinds:
        grid = rates.grid
        middles = np.r_[0, (grid[1:] + grid[:-1]) / 2, most]
        for i, (w, part) in enumerate(zip(rates.weight_, rates.parts_, strict=True)):
            if (which == "patients") == of_patients and len(grid) > 1:
                low, high = middles[i], middles[i + 1]
                density_to += weight * w * np.clip((at - low) / (high - low), 0, 1)
                mean += weight * w * part.patients
            elif which == "rows" and of_patients and part.rows_sd > 0:
                share, centre = np.clip(at / most, 1e-9, 1 - 1e-9), part.rows / most
                distance = np.log(share / (1 - share)) - np.log(centre / (1 - centre))
                density_to += weight * w * ndtr(distance / part.rows_sd)
                mean += weight * w * part.rows
            else:
                density_to += weight * w
    # the shortest one that leaves out at most half of the rest below: equal tails would leave out a
    # rate of 0 even where it is the most probable one
    below = np.linspace(0, (1 - level) / 2, 51)
    low, high = (np.interp(below + share, density_to, at) for share in (0, level))
    shortest = (high - low).round(3).argmin()  # the lowest of those
    return mean, float(low[shortest]), float(high[shortest])
