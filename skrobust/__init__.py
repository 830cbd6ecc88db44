"""Learning from scarce, noisily labelled, impure, imbalanced and grouped data.

All public names can be imported from here.
"""

from . import (
    classifiers,
    datasets,
    displays,
    influence,
    inspection,
    losses,
    metrics,
    model_selection,
    networks,
    quality,
    samplers,
    transformers,
    utils,
)
from .classifiers import *  # noqa: F403
from .datasets import *  # noqa: F403
from .displays import *  # noqa: F403
from .influence import *  # noqa: F403
from .inspection import *  # noqa: F403
from .losses import *  # noqa: F403
from .metrics import *  # noqa: F403
from .model_selection import *  # noqa: F403
from .networks import *  # noqa: F403
from .quality import *  # noqa: F403
from .samplers import *  # noqa: F403
from .transformers import *  # noqa: F403
from .utils import *  # noqa: F403
from .version import __version__ as __version__

__all__ = [
    *classifiers.__all__,
    *datasets.__all__,
    *displays.__all__,
    *influence.__all__,
    *inspection.__all__,
    *losses.__all__,
    *metrics.__all__,
    *model_selection.__all__,
    *networks.__all__,
    *quality.__all__,
    *samplers.__all__,
    *transformers.__all__,
    *utils.__all__,
]
