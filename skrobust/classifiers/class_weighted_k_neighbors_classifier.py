"""Nearest neighbours whose votes make up for the size of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.class_weight import compute_class_weight

from ..utils.fit_context import fit_context
from ..utils.sklearn_private import StrOptions, training_labels
from ..utils.targets import check_class_labels
from ..utils.versioned_state import VersionedState


class ClassWeightedKNeighborsClassifier(VersionedState, KNeighborsClassifier):
    """Vote of the nearest rows, every vote weighted by the class that it is for.

    A class with fewer rows than `n_neighbors` can hardly win a plain vote. With
    ``class_weight="balanced"`` a vote counts the more the rarer its class, so that the vote
    estimates which class would be most probable if all were equally frequent.

    Parameters
    ----------
    n_neighbors : int, default=7
        Number of neighbours that vote.
    class_weight : dict, "balanced" or None, default="balanced"
        Weights of the classes, as in scikit-learn. None is the plain vote.
    weights : {"uniform", "distance"} or callable, default="uniform"
        Weights of the votes by distance, on top of those by class; this and the parameters that
        follow are those of :class:`~sklearn.neighbors.KNeighborsClassifier`.
    algorithm : {"auto", "ball_tree", "kd_tree", "brute"}, default="auto"
        How neighbours are searched.
    leaf_size : int, default=30
        Leaf size of the trees.
    p : float, default=2
        Power of the Minkowski distance.
    metric : str or callable, default="minkowski"
        Distance.
    metric_params : dict, default=None
        Further arguments of the distance.
    n_jobs : int, default=None
        Parallel jobs of the search.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    class_weight_ : ndarray of shape (n_classes,)
        The weights.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Column names, when X has them.

    See Also
    --------
    sklearn.neighbors.NearestCentroid : Has no such trouble with rare classes.

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
        super().__init__(
            n_neighbors,
            weights=weights,
            algorithm=algorithm,
            leaf_size=leaf_size,
            p=p,
            metric=metric,
            metric_params=metric_params,
            n_jobs=n_jobs,
        )
        self.class_weight = class_weight

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> ClassWeightedKNeighborsClassifier:
        """Keep the rows, and weigh the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels of any type.

        Returns
        -------
        self : ClassWeightedKNeighborsClassifier
            The fitted classifier.
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
        """Return the weighted shares of the votes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`. Where all votes have weight zero, the plain shares.
        """
        plain = super().predict_proba(X)
        votes = plain * self.class_weight_
        total = votes.sum(axis=1, keepdims=True)
        return np.where(total > 0, votes / np.where(total > 0, total, 1), plain)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the class with the largest weighted share of the votes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Predicted labels.
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        return tags
