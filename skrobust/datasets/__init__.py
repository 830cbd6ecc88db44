"""``make_*`` generates, ``load_*`` and ``fetch_*`` read, the others corrupt with known truth."""

from .add_gaussian_noise import add_gaussian_noise
from .add_rician_noise import add_rician_noise
from .contaminate import contaminate
from .fetch_brain_tumour import fetch_brain_tumour
from .flip_labels import flip_labels
from .load_grouped_npz import load_grouped_npz
from .make_brain_volumes import make_brain_volumes
from .make_lesion_rois import make_lesion_rois
from .make_mr_spectra import make_mr_spectra
from .make_tumour_volumes import make_tumour_volumes

__all__ = [
    "add_gaussian_noise",
    "add_rician_noise",
    "contaminate",
    "fetch_brain_tumour",
    "flip_labels",
    "load_grouped_npz",
    "make_brain_volumes",
    "make_lesion_rois",
    "make_mr_spectra",
    "make_tumour_volumes",
]
