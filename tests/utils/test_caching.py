"""Keys of caches follow the code."""

import functools
import pickle
import subprocess
import sys
import textwrap
import types

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skrobust.utils import caching
from skrobust.utils.caching import cached, fingerprint


def defined(code, name="thing", **names):
    """Return what a notebook cell would define."""
    space = {"__name__": "__main__", "functools": functools, "np": np, **names}
    exec(textwrap.dedent(code), space)
    return space[name]


# pairs of cells of which the second was edited
EDITS = {
    "constant in a function": ("def thing(x): return 1.0 * x", "def thing(x): return 50.0 * x"),
    "instruction": ("def thing(x): return x + 1", "def thing(x): return x - 1"),
    "attribute name": ("def thing(x): return x.real", "def thing(x): return x.imag"),
    "default": ("def thing(x, n=1): return n", "def thing(x, n=2): return n"),
    "keyword default": ("def thing(*, n=1): return n", "def thing(*, n=2): return n"),
    "lambda": ("thing = lambda x: x", "thing = lambda x: -x"),
    "closure": (
        "def make(n):\n def inner(): return n\n return inner\nthing = make(1)",
        "def make(n):\n def inner(): return n\n return inner\nthing = make(2)",
    ),
    "inner function": (
        "def thing():\n def inner(): return 1\n return inner",
        "def thing():\n def inner(): return 2\n return inner",
    ),
    "helper": (
        "def helper(): return 1\ndef thing(): return helper()",
        "def helper(): return 2\ndef thing(): return helper()",
    ),
    "global constant": ("N = 1\ndef thing(): return N", "N = 2\ndef thing(): return N"),
    "method": (
        "class thing:\n def f(self): return 1",
        "class thing:\n def f(self): return 2",
    ),
    "class attribute": ("class thing:\n n = 1", "class thing:\n n = 2"),
    "property": (
        "class thing:\n @property\n def f(self): return 1",
        "class thing:\n @property\n def f(self): return 2",
    ),
    "static method": (
        "class thing:\n @staticmethod\n def f(): return 1",
        "class thing:\n @staticmethod\n def f(): return 2",
    ),
    "base class": (
        "class Base:\n def f(self): return 1\nclass thing(Base): pass",
        "class Base:\n def f(self): return 2\nclass thing(Base): pass",
    ),
    "class used in a method": (
        "class Part:\n n = 1\nclass thing:\n def f(self): return Part()",
        "class Part:\n n = 2\nclass thing:\n def f(self): return Part()",
    ),
    "partial": (
        "def f(x, n): return n\nthing = functools.partial(f, n=1)",
        "def f(x, n): return n\nthing = functools.partial(f, n=2)",
    ),
    "instance": (
        "class C:\n def __init__(self, n): self.n = n\nthing = C(1)",
        "class C:\n def __init__(self, n): self.n = n\nthing = C(2)",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_cell_gives_another_key(name):
    before, after = EDITS[name]
    assert fingerprint(defined(before)) == fingerprint(defined(before))
    assert fingerprint(defined(before)) != fingerprint(defined(after))
    inside = [fingerprint({"module": defined(cell), "lr": 0.1}) for cell in EDITS[name]]
    assert inside[0] != inside[1]


VALUES = [
    1,
    1.0,
    True,
    "1",
    b"1",
    None,
    [1],
    (1,),
    {1},
    {1: 2},
    {2: 1},
    np.ones(3),
    np.ones(3, np.float32),
    np.ones((3, 1)),
    np.zeros(3),
    np.array(["a", "b"]),
    np.array(["a", None], dtype=object),
    pd.DataFrame({"a": [1.0]}),
    pd.DataFrame({"b": [1.0]}),
    pd.Series(["x"]),
    np.float64(1.0),
    np.random.RandomState(0),
    np.random.RandomState(1),
    LogisticRegression(),
    LogisticRegression(C=2),
    LogisticRegression,
    np.sum,
    np.mean,
]


def test_different_values_have_different_keys_and_equal_ones_the_same():
    keys = [fingerprint(value) for value in VALUES]
    assert len(set(keys)) == len(VALUES)
    copies = pickle.loads(pickle.dumps(VALUES))
    assert [fingerprint(value) for value in copies] == keys


def test_keys_are_the_same_in_another_process():
    code = """
        class Thing:
            names = {"b", "a", "c"}
            def f(self): return {"x", "y", "z"}
        thing = [Thing, {"p", "q", "r"}]
    """
    printed = "from skrobust.utils.caching import fingerprint\nprint(fingerprint(thing))"
    other = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code) + printed],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(sys.path)},  # sets in another order
    ).stdout
    assert other.strip() == fingerprint(defined(code))


def test_what_refers_to_itself_ends():
    loop = []
    loop.append(loop)
    assert fingerprint(loop)
    recursive = "def thing(n): return thing(n - 1)"
    assert fingerprint(defined(recursive)) == fingerprint(defined(recursive))


CALLS = types.ModuleType("calls")
CALLS.n = 0


def twice(x, ignored=None):
    CALLS.n += 1
    return 2 * x


def test_results_are_looked_up(tmp_path, monkeypatch):
    CALLS.n = 0
    call = cached(str(tmp_path), twice, ignore=["ignored"])
    assert call(x=3) == call(x=3) == call(x=3, ignored=4) == 6
    assert CALLS.n == 1
    assert call(x=4) == 8
    assert CALLS.n == 2
    monkeypatch.setattr(caching, "__version__", "another")
    assert cached(joblib.Memory(tmp_path, verbose=0), twice)(x=3) == 6
    assert CALLS.n == 3
    assert cached(None, twice) is twice
