"""Names of version 0.1, found where they are now.

Version 0.1 sorted its parts by kind (``skrobust.metrics`` ...), version 0.2
by method. Old imports, and models that were stored by version 0.1, lead here.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import pkgutil
import sys
from types import ModuleType
from typing import Any

from .utils.validation import warn

_ROOMS = (
    "base",
    "datasets",
    "embedding",
    "evaluation",
    "factor_mixing",
    "influence",
    "label_noise",
    "neural",
    "outliers",
    "utils",
)
_OLD = {
    "classifiers",
    "displays",
    "inspection",
    "losses",
    "metrics",
    "model_selection",
    "networks",
    "quality",
    "samplers",
    "training",
    "transformers",
}
_GONE = {"ClassMass": "soft labels are a pandas DataFrame with the classes as columns"}


class OldNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules of version 0.1, as packages whose names come from the rooms."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None):
        """Return a spec for a module that is no longer there."""
        parts = fullname.split(".")
        if parts[0] != "skrobust" or len(parts) < 2:
            return None
        # Python makes an imported module an attribute of its package: no name may be hidden so
        gone = (
            len(parts) == 3
            and parts[1] in _ROOMS
            and not hasattr(sys.modules.get(f"skrobust.{parts[1]}"), parts[2])
        )
        if parts[1] not in _OLD and not gone:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Let the module look its names up."""
        module.__getattr__ = lambda name: _find(module.__name__, name)


def _find(module_name: str, name: str) -> Any:
    """Return what a name of version 0.1 means now, with a warning that says where it is."""
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _GONE:
        raise AttributeError(f"{name} is gone since skrobust 0.2: {_GONE[name]}.")
    for room in _ROOMS:
        package = importlib.import_module(f"skrobust.{room}")
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"skrobust.{room}.{info.name}")
            found = getattr(module, name, None)
            if (
                getattr(found, "__module__", module.__name__) == module.__name__
                and found is not None
            ):
                public = name in getattr(package, "__all__", ())
                home = f"skrobust.{room}" if public else module.__name__
                warn(f"{module_name}.{name} is in {home} since skrobust 0.2.", FutureWarning)
                return found
    raise AttributeError(f"module {module_name!r} has no attribute {name!r} since skrobust 0.2")


def find_old_names() -> None:
    """Register the finder, last of all and once."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames())
