"""Results kept on disk, under keys that change when the code behind them does."""

from __future__ import annotations

import functools
import hashlib
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable
from typing import Any

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

from ..version import __version__

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def cached(memory: Any, function: Callable, *, ignore: Iterable[str] = ()) -> Callable:
    """Return a function that looks up its results in a memory, if there is one."""
    if memory is None:
        return function
    ignored = frozenset(ignore)

    @functools.wraps(function)
    def look_up(**arguments):
        key = fingerprint({k: v for k, v in arguments.items() if k not in ignored})
        name = f"{function.__module__}.{function.__qualname__}"
        call = check_memory(memory).cache(_call, ignore=["function", "arguments"])
        return call(function, arguments, (name, __version__, key))

    return look_up


def _call(function, arguments, key):
    return function(**arguments)


def fingerprint(value: Any) -> str:
    """Return a hash of a value and of the code in it.

    Of code in installed packages only name and version are hashed. Of all other code (scripts,
    notebooks, the user's modules) the instructions, constants, defaults and closures are hashed,
    and those of everything that it refers to.
    """
    reader = _Reader()
    reader.read(value)
    return reader.digest.hexdigest()


class _Reader:
    """Walks through a value and feeds what it finds to a hash."""

    def __init__(self):
        self.digest = hashlib.sha1(usedforsecurity=False)
        self.seen: dict[int, Any] = {}

    def add(self, *parts: Any) -> None:
        self.digest.update(repr(parts).encode("utf-8", "backslashreplace"))

    def read(self, *values: Any) -> None:
        for value in values:
            self.read_one(value)

    def read_one(self, value: Any) -> None:
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            self.add(type(value).__name__, value)
            return
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            self.add("array", str(value.dtype), value.shape, joblib.hash(np.asarray(value)))
            return
        if id(value) in self.seen:
            self.add("seen", list(self.seen).index(id(value)))
            return
        self.seen[id(value)] = value  # kept alive, so that its id is not reused
        if isinstance(value, types.CodeType):
            self.read_code(value)
        elif isinstance(value, type):
            self.read_class(value)
        elif isinstance(value, types.FunctionType):
            self.read_function(value)
        elif isinstance(value, types.MethodType):
            self.read("method", value.__func__, value.__self__)
        elif isinstance(value, functools.partial):
            self.read("partial", value.func, value.args, value.keywords)
        elif isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
            self.add("named", getattr(value, "__module__", None), value.__name__)
        elif isinstance(value, dict):
            self.add("dict", len(value))
            for entry in value.items():
                self.read(*entry)
        elif isinstance(value, (list, tuple)):
            self.read(type(value).__name__, len(value), *value)
        elif isinstance(value, (set, frozenset)):
            self.add("set", sorted(fingerprint(entry) for entry in value))
        elif hasattr(value, "get_params"):
            self.read("estimator", type(value), value.get_params(deep=False))
        else:
            self.read_object(value)

    def read_object(self, value: Any) -> None:
        self.read(type(value))
        if _is_installed(type(value).__module__):
            try:
                self.add("hash", joblib.hash(value))
                return
            except Exception:  # whatever pickling raises: it may hold code of the user's
                pass
        state = value.__getstate__() if hasattr(value, "__getstate__") else vars(value)
        self.read(state)

    def read_name(self, kind: str, code: Any) -> bool:
        """Add the name of code, and tell whether it is installed: then its version suffices."""
        self.add(kind, code.__module__, code.__qualname__)
        installed = _is_installed(code.__module__)
        if installed:
            package = sys.modules.get(code.__module__.split(".")[0])
            self.add(str(getattr(package, "__version__", "")))
        return installed

    def read_class(self, cls: type) -> None:
        if self.read_name("class", cls):
            return
        self.read(*cls.__bases__)
        for name in sorted(vars(cls)):
            entry = vars(cls)[name]
            if name in _NOT_CODE or isinstance(entry, _DESCRIPTORS):
                continue
            if isinstance(entry, (staticmethod, classmethod)):
                entry = entry.__func__
            elif isinstance(entry, property):
                entry = [entry.fget, entry.fset, entry.fdel]
            self.add(name)
            self.read(entry)

    def read_function(self, function: types.FunctionType) -> None:
        if self.read_name("function", function):
            return
        self.read_code(function.__code__)
        self.read(function.__defaults__, function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                self.read(cell.cell_contents)
            except ValueError:  # an empty cell
                self.add("empty cell")
        for name in sorted(_names_in(function.__code__)):
            if name in function.__globals__:
                self.add(name)
                self.read(function.__globals__[name])

    def read_code(self, code: types.CodeType) -> None:
        self.add("code", code.co_code, code.co_names, code.co_varnames, code.co_argcount)
        self.read(*code.co_consts)


# Python's bookkeeping in a class, which does not affect what the class does
_NOT_CODE = {
    *("__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "_abc_impl"),
    *("__static_attributes__", "__abstractmethods__", "__annotations__"),
    *("__annotations_cache__", "__annotate_func__"),
}
_DESCRIPTORS = types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType


def _names_in(code: types.CodeType) -> set[str]:
    """Return the names that code may look up, its inner functions included."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


@functools.cache
def _is_installed(module_name: str | None) -> bool:
    """Tell whether a module belongs to Python, to an installed package or to this library."""
    if module_name is None or module_name == "__main__":
        return False
    top = module_name.split(".")[0]
    if top in sys.builtin_module_names or top in sys.stdlib_module_names or top == "skrobust":
        return True
    module = sys.modules.get(module_name)
    file = None if module is None else getattr(module, "__file__", None)
    return file is not None and file.startswith(_INSTALLED)
