"""Settings of the whole test run."""

import os
import sys

import pytest

# before numpy: threads of several libraries on few cores slow each other down many times
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ["MPLBACKEND"] = "Agg"

# the whole package first: pytest would import a room a second time, as an attribute of the package,
# where skrobust.audit is the function
import skrobust  # noqa: E402, F401


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures after each test."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
