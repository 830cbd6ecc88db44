"""Training with label quality as sample weight."""

from __future__ import annotations

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from ..base.fitted_inside import FittedInsideMixin, check_labels, check_takes_weights, fit_weighted
from ..base.state import fill_random_states, fit_context
from ..utils.sklearn_private import HasMethods
from .distillers import quality_weights
from .out_of_fold import OutOfFoldLabelQuality


class LabelQualityReweighter(FittedInsideMixin, BaseEstimator):
    """Fit a classifier on all rows, weighted by how far their labels can be trusted.

    A distiller gives every row the probability that its label is right; the weight is
    ``clip(quality, 0.02, 1)**2``, mean 1. No row is thrown away, which makes this the safest use of
    label quality: nearly the gain of a selection under label noise, and little loss on clean
    labels.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier whose ``fit`` takes ``sample_weight``.
    distiller : estimator, default=None
        Any estimator with ``fit(X, y, groups=None)`` that then has ``quality_``. None is
        ``OutOfFoldLabelQuality(estimator)``, row by row; give
        ``OutOfFoldLabelQuality(..., level="group")`` where whole patients may be mislabelled.
    random_state : int, RandomState instance or None, default=None
        Seeds the random states of `distiller` and `estimator` that are None.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    distiller_ : estimator
        The fitted distiller.
    quality_ : ndarray of shape (n_samples,)
        Label quality of the training rows.
    sample_weight_ : ndarray of shape (n_samples,)
        Weights of the training rows, mean 1.
    noisy_indices_ : ndarray of shape (n_noisy,), int
        Rows whose own label is not the most probable one, the worst first.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of str
        Column names, when X has them.

    See Also
    --------
    skrobust.OutOfFoldLabelQuality : The distiller.
    skrobust.DistillMixAugmenter : Selects by quality, and mixes.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> from skrobust import LabelQualityReweighter, OutOfFoldLabelQuality
    >>> from skrobust import flip_labels, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=30, random_state=0, return_X_y_groups=True)
    >>> y_noisy, flipped = flip_labels(y, 0.2, groups=patient, random_state=0)
    >>> clf = LabelQualityReweighter(SVC(), OutOfFoldLabelQuality(SVC(), level="group"))
    >>> clf = clf.fit(X, y_noisy, groups=patient)
    >>> bool(clf.sample_weight_[flipped].mean() < clf.sample_weight_[~flipped].mean())
    True
    """

    __metadata_request__fit = {"groups": True}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "distiller": [HasMethods(["fit", "get_params"]), None],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, distiller=None, *, random_state=None):
        self.estimator = estimator
        self.distiller = distiller
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> LabelQualityReweighter:
        """Score the labels and fit with the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels, some of them perhaps wrong.
        groups : array-like of shape (n_samples,), default=None
            Group (patient) of every row, for the distiller and, if it takes them, the
            classifier.

        Returns
        -------
        self : LabelQualityReweighter
            The fitted classifier.

        Raises
        ------
        ValueError
            If the classifier takes no ``sample_weight``, or the input is malformed.
        """
        check_takes_weights(self.estimator)
        y = check_labels(y)
        distiller = self.distiller
        if distiller is None:
            distiller = OutOfFoldLabelQuality(self.estimator)
        distiller = fill_random_states(clone(distiller), self.random_state)
        estimator = fill_random_states(clone(self.estimator), self.random_state)
        distiller.fit(X, y, groups=groups)
        weight = quality_weights(distiller.quality_)
        self.estimator_ = fit_weighted(estimator, X, y, weight, groups)
        self.distiller_ = distiller
        self.quality_, self.sample_weight_ = distiller.quality_, weight
        self.noisy_indices_ = distiller.noisy_indices_
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = False
        return tags
