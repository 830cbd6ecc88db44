"""The labelled rows most similar to a query."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import Bunch, check_array, check_consistent_length, column_or_1d


def retrieve_neighbors(
    X_query: ArrayLike,
    X_labelled: ArrayLike,
    y_labelled: ArrayLike,
    n_neighbors: int = 5,
    *,
    metric: str = "euclidean",
) -> Bunch:
    """Find the labelled rows nearest to each query, the nearest first.

    Similar cases with a known diagnosis help a physician with a new one (the use that the paper
    [1]_ proposes). Rows and queries are embeddings, as
    :class:`~skrobust.TripletEmbedder` returns them. Leave the rows of the patient whom a query
    is from out of the labelled rows, or they will be found first.

    Parameters
    ----------
    X_query : array-like of shape (n_queries, n_features)
        Queries.
    X_labelled : array-like of shape (n_labelled, n_features)
        Rows to search.
    y_labelled : array-like of shape (n_labelled,)
        Their labels.
    n_neighbors : int, default=5
        Rows to find for each query, at most n_labelled.
    metric : str, default="euclidean"
        Distance, as in :class:`~sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    found : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``indices`` : ndarray of shape (n_queries, n_neighbors), int; rows of X_labelled;
        - ``distances`` : ndarray of shape (n_queries, n_neighbors);
        - ``labels`` : ndarray of shape (n_queries, n_neighbors).

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are fewer than n_neighbors rows.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021, section 5.

    Examples
    --------
    >>> from skrobust.metrics import retrieve_neighbors
    >>> found = retrieve_neighbors([[0.9]], [[0.0], [1.0], [3.0]], ["a", "b", "c"], 2)
    >>> found.labels
    array([['b', 'a']], dtype='<U1')
    >>> found.indices
    array([[1, 0]])
    """
    X_labelled = check_array(X_labelled, input_name="X_labelled")
    y_labelled = column_or_1d(y_labelled)
    check_consistent_length(X_labelled, y_labelled)
    if n_neighbors > len(X_labelled):
        raise ValueError(
            f"n_neighbors={n_neighbors}, but there are {len(X_labelled)} labelled rows. Ask for "
            "fewer, or give more rows."
        )
    search = NearestNeighbors(n_neighbors=n_neighbors, metric=metric).fit(X_labelled)
    distances, indices = search.kneighbors(check_array(X_query, input_name="X_query"))
    return Bunch(indices=indices, distances=distances, labels=np.asarray(y_labelled)[indices])
