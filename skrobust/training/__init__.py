"""The training loop; the only folder that imports skorch."""

from .batches import Batches, Rows, as_tensor
from .device import resolve_device
from .net import TensorNet, is_skorch_net
from .seeding import OwnRandomness, draw_seed
from .splits import validation_split

__all__ = [
    "Batches",
    "OwnRandomness",
    "Rows",
    "TensorNet",
    "as_tensor",
    "draw_seed",
    "is_skorch_net",
    "resolve_device",
    "validation_split",
]
