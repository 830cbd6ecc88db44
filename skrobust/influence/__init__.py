"""Influence of training rows on the validation loss: torch and numpy functions."""

from .cg_solver import cg_solver
from .exact_solver import exact_solver
from .head_features import head_features
from .head_hessian import HeadHessian
from .influence_scores import influence_scores
from .input_influence import input_influence
from .lissa_solver import lissa_solver

__all__ = [
    "HeadHessian",
    "cg_solver",
    "exact_solver",
    "head_features",
    "influence_scores",
    "input_influence",
    "lissa_solver",
]
