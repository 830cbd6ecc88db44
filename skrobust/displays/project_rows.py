"""Rows in two dimensions, for a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA


def project_rows(X: NDArray, projection: Any, random_state: Any) -> tuple[NDArray, str]:
    """Project rows to two dimensions.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    projection : "pca", transformer or None
        None is "pca", the first two principal components. A transformer is cloned.
    random_state : int, RandomState instance or None
        Seed of the projection, if it has a parameter of this name; None leaves its own.

    Returns
    -------
    projected : ndarray of shape (n_samples, 2)
        The projected rows.
    name : str
        Name of the projection.

    Raises
    ------
    ValueError
        If the projection is none, or does not lead to two dimensions.
    """
    if projection is None or (isinstance(projection, str) and projection == "pca"):
        if min(X.shape) < 2:
            raise ValueError(
                f"X has shape {X.shape} after flattening the rows; two principal components need "
                "at least 2 rows and 2 features."
            )
        projection = PCA(2)
    elif not hasattr(projection, "fit_transform"):
        raise ValueError(
            f"projection is {projection!r}, expected 'pca' or a transformer with fit_transform, "
            "such as sklearn.manifold.TSNE()."
        )
    projection = clone(projection)
    if random_state is not None and "random_state" in projection.get_params():
        projection.set_params(random_state=random_state)
    projected = np.asarray(projection.fit_transform(X))
    if projected.shape != (len(X), 2):
        raise ValueError(
            f"{type(projection).__name__} leads to an array of shape {projected.shape}, expected "
            f"{(len(X), 2)}. Set its number of components to 2."
        )
    return projected, type(projection).__name__
