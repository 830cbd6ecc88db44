"""What a fitted autoencoder tells about new rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from ..base import NetEstimator
from ..training import ReconstructionRows, TensorNet, reconstruction_errors
from ..utils.finite import check_finite_rows


class ReconstructionDetector(OutlierMixin, NetEstimator):
    """Base of outlier detectors that score rows by their reconstruction error.

    Subclasses set ``net_``, ``center_``, ``scale_`` and ``offset_`` in ``fit``.
    """

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Return minus the reconstruction error; the lower, the more of an outlier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            Minus the mean absolute difference to the reconstruction, in the units of X.
        """
        return -reconstruction_errors(*self._net_and_rows(X))

    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return ``score_samples(X) - offset_``, negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,), float64
            Distance to the threshold, in the units of X.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray:
        """Return +1 for inliers and -1 for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 where `decision_function` is negative.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def reconstruct(self, X: ArrayLike) -> NDArray:
        """Return the autoencoder's reconstructions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        reconstruction : ndarray of the shape of X, float32 or float64
            In the units of X; float64 where X is.
        """
        return self._reconstruct(X)[1]

    def error_map(self, X: ArrayLike) -> NDArray:
        """Return the absolute difference between every number and its reconstruction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            Rows.

        Returns
        -------
        errors : ndarray of the shape of X, float32 or float64
            In the units of X; the mean over a row is minus its score.
        """
        X, reconstruction = self._reconstruct(X)
        return np.abs(X - reconstruction)

    def _reconstruct(self, X: ArrayLike) -> tuple[NDArray, NDArray]:
        net, rows = self._net_and_rows(X)
        X = rows.X.cpu().numpy()
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        outputs = net.outputs(rows).reshape(X.shape).astype(dtype, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):  # checked instead
            outputs = outputs * dtype(rows.scale) + dtype(rows.center)
        return X, check_finite_rows(outputs, "the reconstructions")

    def _net_and_rows(self, X: ArrayLike) -> tuple[TensorNet, ReconstructionRows]:
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        device = self.net_.device
        return self.net_, ReconstructionRows(
            X, self.input_shape_, device, self.center_, self.scale_
        )
