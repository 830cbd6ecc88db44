"""Which patients to check next."""

from __future__ import annotations

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from .label_noise_model import LabelNoiseModel


def rank_for_review(model: LabelNoiseModel, n_patients: int | None = None) -> pd.DataFrame:
    r"""Return the patients whose labels should be checked next, the most useful first.

    A check is useful if it corrects many labels, and if the noise model could not tell. The
    expected gain of patient g with n rows is

    .. math:: n_g \left( 1 - P_g(y_g) + \sum_k P_g(k) (1 - P_g(k)) \right),

    the number of rows whose label is expected to be corrected, plus the expected change of their
    soft labels. Fit the model again, with ``trusted``, after every few dozen checks: they also
    teach how to judge the others.

    Parameters
    ----------
    model : LabelNoiseModel
        Fitted, with groups.
    n_patients : int, default=None
        How many patients to return; all when None.

    Returns
    -------
    patients : DataFrame
        As ``model.patients_``, without the patients of whom all rows are trusted, and with the
        column ``gain``, by which it is sorted.

    Raises
    ------
    TypeError
        If `model` is no :class:`~skrobust.LabelNoiseModel`.

    Examples
    --------
    >>> from skrobust import LabelNoiseModel, flip_labels, make_mr_spectra, rank_for_review
    >>> data = make_mr_spectra(n_patients=60, n_voxels=8, impurity=0, random_state=0)
    >>> y, wrong = flip_labels(data.target, 0.2, groups=data.groups, random_state=0)
    >>> model = LabelNoiseModel(random_state=0).fit(data.data, y, groups=data.groups)
    >>> first = rank_for_review(model, 10).index
    >>> bool(wrong[data.groups == first[0]].all())
    True
    """
    if not isinstance(model, LabelNoiseModel):
        raise TypeError(f"model is a {type(model).__name__}, expected a fitted LabelNoiseModel.")
    check_is_fitted(model)
    table = model.patients_
    P = model.group_probabilities_.loc[table.index].to_numpy()
    unclear = 1 - table["probability"] + (P * (1 - P)).sum(1)
    table = table.assign(gain=table["rows"] * unclear)
    table = table[~model.checked_groups_.loc[table.index].to_numpy()]
    table = table.sort_values("gain", ascending=False, kind="stable")
    return table if n_patients is None else table.head(n_patients)
