"""The training loop; the only folder that imports skorch."""

from .batches import Batches, Rows, as_tensor
from .device import resolve_device
from .net import TensorNet
from .seeding import OwnRandomness, draw_seed
from .splits import validation_split

__all__ = [
    "Batches",
    "OwnRandomness",
    "Rows",
    "TensorNet",
    "as_tensor",
    "draw_seed",
    "resolve_device",
    "validation_split",
]
