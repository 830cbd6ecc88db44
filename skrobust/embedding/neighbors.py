"""Neighbours of rows: a class-weighted classifier and retrieval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.utils import Bunch, check_array, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_class_weight

from ..base.state import VersionedState, fit_context
from ..utils.groups import check_groups
from ..utils.sklearn_private import StrOptions, training_labels
from ..utils.targets import check_class_labels


class ClassWeightedKNeighborsClassifier(VersionedState, KNeighborsClassifier):
    """Vote of the nearest rows, in which every vote is weighted by its class.

    A class with fewer rows than `n_neighbors` can hardly win a plain vote. With
    ``class_weight="balanced"`` votes for rarer classes have larger weights, so that the vote
    estimates which class would be most probable if all were equally frequent.

    Parameters
    ----------
    n_neighbors : int, default=7
        Number of neighbours that vote.
    class_weight : dict, "balanced" or None, default="balanced"
        Weights of the classes, as in scikit-learn. None is the plain vote.
    weights, algorithm, leaf_size, p, metric, metric_params, n_jobs : object
        As in :class:`~sklearn.neighbors.KNeighborsClassifier`, with the same defaults; ``weights``
        of the votes by distance are multiplied by those of the classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    class_weight_ : ndarray of shape (n_classes,)
        The weights.
    n_features_in_, feature_names_in_ : int, and ndarray of str
        Size of the second axis of X, and column names, when X has them.

    Examples
    --------
    >>> from skrobust import ClassWeightedKNeighborsClassifier
    >>> X, y = [[0], [1], [2], [3], [4], [5]], ["a", "a", "a", "a", "b", "a"]
    >>> clf = ClassWeightedKNeighborsClassifier(3).fit(X, y)  # weights 6 / (2 * 5) and 6 / 2
    >>> clf.predict_proba([[4]]).round(2)  # 0.6 + 0.6 against 3
    array([[0.29, 0.71]])
    """

    _parameter_constraints: dict = {
        **KNeighborsClassifier._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        n_neighbors=7,
        *,
        class_weight="balanced",
        weights="uniform",
        algorithm="auto",
        leaf_size=30,
        p=2,
        metric="minkowski",
        metric_params=None,
        n_jobs=None,
    ):
        super().__init__()
        self._keep_params(locals())

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> ClassWeightedKNeighborsClassifier:
        """Store the rows, compute the weights of the classes, and return the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels of any type.
        """
        if y is not None:
            check_class_labels(y)
        super().fit(X, y)
        if self.outputs_2d_:
            raise ValueError("y must have one column: several outputs are not supported.")
        self.class_weight_ = compute_class_weight(
            self.class_weight, classes=self.classes_, y=training_labels(self)
        )
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return the weighted shares of the votes of shape (n_samples, n_classes).

        If all votes of a row have weight zero, they are the unweighted shares.
        """
        plain = super().predict_proba(X)
        votes = plain * self.class_weight_
        total = votes.sum(axis=1, keepdims=True)
        return np.where(total > 0, votes / np.where(total > 0, total, 1), plain)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the class with the largest weighted share of the votes for every row."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        return tags


def retrieve_neighbors(
    X_query: ArrayLike,
    X_labelled: ArrayLike,
    y_labelled: ArrayLike,
    n_neighbors: int = 5,
    *,
    metric: str = "euclidean",
    groups_query: ArrayLike | None = None,
    groups_labelled: ArrayLike | None = None,
) -> Bunch:
    """Find the labelled rows nearest to each query, the nearest first.

    Similar cases with a known diagnosis help with a new one (section 5 of the paper of
    :class:`~skrobust.TripletEmbedder`). If a query's patient is among the rows, pass the groups.

    Parameters
    ----------
    X_query, X_labelled : array-like of shape (n_queries or n_labelled, n_features)
        Queries, and rows to search.
    y_labelled : array-like of shape (n_labelled,)
        Their labels.
    n_neighbors : int, default=5
        Rows to find for each query, at most n_labelled.
    metric : str, default="euclidean"
        Distance, as in :class:`~sklearn.neighbors.NearestNeighbors`.
    groups_query, groups_labelled : array-like, default=None
        Group (patient) of every query and row. Rows of the query's own group are left out.

    Returns
    -------
    found : :class:`~sklearn.utils.Bunch`
        With ``indices`` (rows of X_labelled, int), ``distances`` and ``labels``, each an ndarray of
        shape (n_queries, n_neighbors).

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are fewer than n_neighbors rows (of other groups).

    Examples
    --------
    >>> from skrobust.embedding import retrieve_neighbors
    >>> found = retrieve_neighbors([[0.9]], [[0.0], [1.0], [3.0]], ["a", "b", "c"], 2)
    >>> found.labels
    array([['b', 'a']], dtype='<U1')
    >>> found.indices
    array([[1, 0]])
    """
    X_query = check_array(X_query, input_name="X_query")
    X_labelled = check_array(X_labelled, input_name="X_labelled")
    y_labelled = column_or_1d(y_labelled)
    check_consistent_length(X_labelled, y_labelled)
    if (groups_query is None) != (groups_labelled is None):
        raise ValueError("give both groups_query and groups_labelled, or neither.")
    n_own, others = np.zeros(len(X_query), dtype=int), ""
    if groups_query is not None:
        groups_query = check_groups(groups_query, len(X_query))
        groups_labelled = check_groups(groups_labelled, len(X_labelled))
        n_own = np.array([np.count_nonzero(groups_labelled == group) for group in groups_query])
        others = f" of other groups than {groups_query[n_own.argmax()]}, that of query"
        others += f" {n_own.argmax()}"
    if n_neighbors > len(X_labelled) - n_own.max():
        raise ValueError(
            f"n_neighbors={n_neighbors}, but there are {len(X_labelled) - n_own.max()} labelled "
            f"rows{others}. Ask for fewer, or give more rows."
        )
    # this many more, since rows of the same group may be nearer
    search = NearestNeighbors(n_neighbors=n_neighbors + int(n_own.max()), metric=metric)
    distances, indices = search.fit(X_labelled).kneighbors(X_query)
    if groups_query is not None:
        own = groups_labelled[indices] == groups_query[:, None]
        chosen = np.argsort(own, axis=1, kind="stable")[:, :n_neighbors]
        distances, indices = (np.take_along_axis(a, chosen, 1) for a in (distances, indices))
    return Bunch(indices=indices, distances=distances, labels=np.asarray(y_labelled)[indices])
