"""The training loop; the only folder that imports skorch."""

from .batches import BalancedBatches, Batches, JoinedRows, Rows, as_tensor
from .device import resolve_device
from .factor_training import FactorNetworks, FactorRecipe
from .net import TensorNet, is_skorch_net, raise_interrupt
from .reconstruction_rows import ReconstructionRows, reconstruction_errors
from .seeding import OwnRandomness, draw_seed
from .splits import validation_split

__all__ = [
    "BalancedBatches",
    "Batches",
    "FactorNetworks",
    "FactorRecipe",
    "JoinedRows",
    "OwnRandomness",
    "ReconstructionRows",
    "Rows",
    "TensorNet",
    "as_tensor",
    "draw_seed",
    "is_skorch_net",
    "raise_interrupt",
    "reconstruction_errors",
    "resolve_device",
    "validation_split",
]
