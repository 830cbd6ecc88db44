"""No result holds NaN or infinity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def check_finite_rows(values: NDArray, what: str) -> NDArray:
    """Return results for rows, or raise if some of them are infinite or NaN.

    Parameters
    ----------
    values : ndarray of shape (n_rows, ...)
        The results.
    what : str
        What they are, for the error.

    Returns
    -------
    values : ndarray of shape (n_rows, ...)
        The same array.

    Raises
    ------
    ValueError
        If a result is infinite or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.utils.finite import check_finite_rows
    >>> check_finite_rows(np.array([[1.0], [np.inf]]), "the scores")
    Traceback (most recent call last):
        ...
    ValueError: the scores of 1 of 2 rows, first of row 1, are infinite or NaN: ...
    """
    if not np.isfinite(values).all():
        finite = np.isfinite(values.reshape(len(values), -1)).all(1)
        raise ValueError(
            f"{what} of {(~finite).sum()} of {len(values)} rows, first of row {finite.argmin()}, "
            "are infinite or NaN: these rows hold numbers too large to compute with in float32, or "
            "the training diverged. Scale X, for example with StandardScaler, or lower lr."
        )
    return values
