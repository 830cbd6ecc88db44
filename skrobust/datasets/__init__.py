"""``make_*`` generates, ``load_*`` reads a local file, the others corrupt with known truth."""

from .add_gaussian_noise import add_gaussian_noise
from .add_rician_noise import add_rician_noise
from .flip_labels import flip_labels
from .load_grouped_npz import load_grouped_npz
from .make_mr_spectra import make_mr_spectra

__all__ = [
    "add_gaussian_noise",
    "add_rician_noise",
    "flip_labels",
    "load_grouped_npz",
    "make_mr_spectra",
]
