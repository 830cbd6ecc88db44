"""Data sets: generated, downloaded, from own files, and corrupted with known truth."""

from .corruptions import add_gaussian_noise, add_rician_noise, contaminate, flip_labels
from .files import fetch_brain_tumour, load_grouped_npz
from .folders import make_grouped
from .lesions import make_lesion_rois
from .spectra import make_mr_spectra
from .volumes import make_brain_volumes, make_tumour_volumes

__all__ = [
    "add_gaussian_noise",
    "add_rician_noise",
    "contaminate",
    "fetch_brain_tumour",
    "flip_labels",
    "load_grouped_npz",
    "make_brain_volumes",
    "make_grouped",
    "make_lesion_rois",
    "make_mr_spectra",
    "make_tumour_volumes",
]
