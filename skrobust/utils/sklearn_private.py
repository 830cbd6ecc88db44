"""The one import point for private names of scikit-learn and imbalanced-learn.

When one of them moves, only this file has to be changed.
"""

from __future__ import annotations

from sklearn.base import _fit_context as sklearn_fit_context
from sklearn.metrics._scorer import _BaseScorer as BaseScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils._set_output import _get_output_config as get_output_config
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call as check_partial_fit_first_call,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples


def training_labels(neighbors):
    """Return the labels of the rows that a fitted ``KNeighborsClassifier`` keeps."""
    return neighbors.classes_[neighbors._y]
