"""A sampler and a classifier as one classifier."""

from __future__ import annotations

from inspect import signature

import sklearn
from imblearn.base import BaseSampler
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import has_fit_parameter

from ..utils.groups import RowOrigin, check_groups, with_origin
from ..utils.sklearn_private import HasMethods, check_sample_weight, num_samples
from .fitted_inside import FittedInsideMixin, check_labels
from .state import VersionedState, fit_context


class ResamplingClassifier(FittedInsideMixin, BaseEstimator):
    """Resample the training rows, then fit a classifier on them.

    For places where scikit-learn refuses samplers: its own ``Pipeline``, ``StackingClassifier``,
    ``CalibratedClassifierCV``, ``OneVsRestClassifier`` ... Rows to predict are never resampled.

    Parameters
    ----------
    sampler : estimator
        With ``fit_resample``: a sampler of this library or of imbalanced-learn.
    estimator : classifier
        Fitted on the new rows.

    Attributes
    ----------
    sampler_ : estimator
        The sampler after ``fit_resample``.
    estimator_ : classifier
        The fitted classifier.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.svm import SVC
    >>> from skrobust import ResamplingClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> clf = ResamplingClassifier(SMOTE(random_state=0), SVC()).fit(X, y)
    >>> bool(clf.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        "sampler": [HasMethods(["fit_resample"])],
        "estimator": [HasMethods(["fit", "predict"])],
    }

    def __init__(self, sampler, estimator):
        self.sampler = sampler
        self.estimator = estimator

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, **fit_params) -> ResamplingClassifier:
        """Resample, fit, and return the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels.
        **fit_params : dict
            With metadata routing, what sampler and classifier have requested. Without, ``groups``
            goes to all that take them, ``trusted`` to a sampler that takes it, the rest to the
            classifier, which gets the group and weight of the row that a new row was made from.

        Raises
        ------
        ValueError
            If neither takes ``groups``, if the sampler does not tell the groups or weights of new
            rows that are needed, or if ``trusted`` is for the classifier.
        """
        for_sampler, for_estimator = self._share_params(fit_params)
        if "trusted" in for_estimator:
            raise ValueError(
                "trusted belongs to the rows before resampling, and cannot be passed to "
                f"{type(self.estimator).__name__} after {type(self.sampler).__name__}. Use a "
                "sampler that takes it, such as DistillMixAugmenter, and set_fit_request("
                "trusted=False) of the classifier."
            )
        y = check_labels(y)
        sampler = clone(self.sampler)
        X_new, y_new = sampler.fit_resample(X, y, **for_sampler)
        origin = None
        if X_new is not X or y_new is not y:
            rows = getattr(sampler, "sample_indices_", None)
            rows = None if rows is None or len(rows) != num_samples(X_new) else rows
            if for_estimator.get("sample_weight") is not None:
                weight = check_sample_weight(for_estimator["sample_weight"], X)
                if rows is None:
                    raise ValueError(
                        "sample_weight belongs to the rows before resampling, and "
                        f"{type(sampler).__name__} does not say in sample_indices_ which row each "
                        "new row was made from. Use another sampler, or fit without sample_weight."
                    )
                for_estimator["sample_weight"] = weight[rows]
            if for_estimator.get("groups") is not None:
                groups = check_groups(for_estimator["groups"], num_samples(X), y)
                partners = getattr(sampler, "partner_indices_", None)
                origin = RowOrigin() if rows is None else RowOrigin(groups, rows, partners)
                if not _checks_groups(self.estimator):
                    for_estimator["groups"] = origin.groups_of_new_rows(groups)
        self.estimator_ = clone(self.estimator).fit(
            X_new, y_new if origin is None else with_origin(y_new, origin), **for_estimator
        )
        self.sampler_ = sampler
        return self

    def _share_params(self, fit_params):
        if sklearn.get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **fit_params)
            return routed.sampler.fit_resample, dict(routed.estimator.fit)
        takes = signature(self.sampler.fit_resample).parameters
        given = {k: v for k, v in fit_params.items() if k != "groups" or v is not None}
        for_sampler = {k: v for k, v in given.items() if k in ("groups", "trusted") and k in takes}
        kept = ["groups"] if has_fit_parameter(self.estimator, "groups") else []
        for_estimator = {k: v for k, v in given.items() if k in kept or k not in for_sampler}
        if "groups" in for_estimator and not kept:
            raise ValueError(
                f"groups were given, but neither {type(self.sampler).__name__} nor "
                f"{type(self.estimator).__name__} takes them. Leave them out of fit; "
                "cross-validation takes its own."
            )
        return for_sampler, for_estimator

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing from ``fit`` to ``fit_resample`` and ``fit`` of the classifier."""
        to_sampler = MethodMapping().add(caller="fit", callee="fit_resample")
        to_estimator = MethodMapping().add(caller="fit", callee="fit")
        return (
            MetadataRouter(owner=self)
            .add(sampler=self.sampler, method_mapping=to_sampler)
            .add(estimator=self.estimator, method_mapping=to_estimator)
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if isinstance(self.sampler, BaseSampler):
            sampler_tags = get_tags(self.sampler).input_tags
            tags.input_tags.sparse &= sampler_tags.sparse
            tags.input_tags.allow_nan &= sampler_tags.allow_nan
        return tags


def _checks_groups(estimator) -> bool:
    """Tell whether a classifier, or a pipeline's last step, reads the origin of rows from y."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return isinstance(estimator, VersionedState)
