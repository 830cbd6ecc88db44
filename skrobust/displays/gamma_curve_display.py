"""What gamma does: the score of held-out rows, and what is removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from .drawing import color_of, given_axes, load_pyplot, marker_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class GammaCurveDisplay:
    """AUROC and removed fractions against `gamma`, as in the paper's Fig. 2 [1]_.

    Parameters
    ----------
    gammas : ndarray of shape (n_gammas,)
        Values of `gamma`, increasing.
    aurocs : ndarray of shape (n_gammas,)
        AUROC of held-out rows.
    removed : ndarray of shape (2, n_gammas)
        Share of the inliers and of the outliers among the training rows that were removed; NaN
        where there are none.
    baseline : float
        AUROC of the same autoencoder without removal.

    Attributes
    ----------
    ax_ : ndarray of shape (2,) of matplotlib.axes.Axes
        AUROC, and removed fractions.
    figure_ : matplotlib.figure.Figure
        The figure.
    lines_ : list of matplotlib.lines.Line2D
        With removal, without removal, removed inliers, removed outliers.

    References
    ----------
    .. [1] F. Behrendt et al., "Unsupervised anomaly detection in 3D brain MRI using deep learning
       with impured training data", 2022.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from skrobust.displays import GammaCurveDisplay
    >>> removed = np.array([[0.3, 0.1], [0.9, 0.7]])
    >>> display = GammaCurveDisplay(np.array([1.3, 1.5]), np.array([0.9, 0.87]), removed, 0.8)
    >>> len(display.plot().lines_)
    4
    """

    def __init__(self, gammas: NDArray, aurocs: NDArray, removed: NDArray, baseline: float):
        self.gammas = gammas
        self.aurocs = aurocs
        self.removed = removed
        self.baseline = baseline

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        is_outlier: ArrayLike,
        X_test: ArrayLike,
        test_is_outlier: ArrayLike,
        *,
        gammas: Sequence[float] = (1.3, 1.35, 1.4, 1.45, 1.5),
    ) -> GammaCurveDisplay:
        """Fit the estimator once for each `gamma`, and once without removal.

        Parameters
        ----------
        estimator : AEOutlierRemover
            Its settings; it is cloned. Give it a `random_state`, so that only `gamma` differs.
        X : array-like of shape (n_samples, ...)
            Training rows.
        is_outlier : array-like of shape (n_samples,), bool
            Which of them are outliers. Only the removed fractions look at it.
        X_test : array-like of shape (n_test, ...)
            Held-out rows.
        test_is_outlier : array-like of shape (n_test,), bool
            Which of them are outliers.
        gammas : sequence of float, default=(1.3, 1.35, 1.4, 1.45, 1.5)
            The values to try; the paper's by default.

        Returns
        -------
        display : GammaCurveDisplay
            The computed display; ``plot`` draws it.

        Raises
        ------
        ValueError
            If the lengths do not fit, or the held-out rows are all of one kind.

        Notes
        -----
        To choose `gamma` by such a curve needs held-out rows of known kind, others than those
        that the final result is told on. Without removal there are no restarts, and as many
        epochs as after the last one.
        """
        is_outlier = np.asarray(is_outlier, dtype=bool)
        if len(is_outlier) != len(X):
            raise ValueError(
                f"is_outlier has {len(is_outlier)} entries, but X has {len(X)} rows. Give one per "
                "row."
            )
        truth = np.asarray(test_is_outlier, dtype=bool)
        if len(np.unique(truth)) < 2:
            raise ValueError(
                "test_is_outlier is the same for all rows; an AUROC needs inliers and outliers."
            )
        gammas = np.sort(np.asarray(gammas, dtype=float))

        def fit(**params: Any) -> tuple[Any, float]:
            model = clone(estimator).set_params(**params).fit(X)
            return model, roc_auc_score(truth, -model.score_samples(X_test))

        baseline = fit(max_removed_fraction=0.0, restarts=())[1]
        aurocs, removed = np.empty(len(gammas)), np.full((2, len(gammas)), np.nan)
        for i, gamma in enumerate(gammas):
            model, aurocs[i] = fit(gamma=gamma)
            gone = model.removed_epoch_ > 0
            for row, kind in enumerate((~is_outlier, is_outlier)):
                if kind.any():
                    removed[row, i] = gone[kind].mean()
        return cls(gammas, aurocs, removed, baseline)

    def plot(self, ax: Sequence[Axes] | None = None) -> GammaCurveDisplay:
        """Draw both panels.

        Parameters
        ----------
        ax : array-like of 2 matplotlib.axes.Axes, default=None
            Axes to draw into. None makes a figure.

        Returns
        -------
        self : GammaCurveDisplay
            With the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong number of axes.
        """
        plt = load_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            ax = plt.subplots(2, 1, figsize=(5.6, 5.6), sharex=True, layout="constrained")[1]
        score, share = given_axes(ax, ["AUROC", "removed fractions"])
        self.ax_ = np.array([score, share], dtype=object)
        self.figure_ = score.figure
        curves = [(score, self.aurocs, "with removal")]
        curves += [(share, self.removed[0], "inliers"), (share, self.removed[1], "outliers")]
        self.lines_ = []
        for i, (panel, values, name) in enumerate(curves):
            style = {"color": color_of(i), "marker": marker_of(i), "ms": 5, "lw": 1.6}
            self.lines_ += panel.plot(self.gammas, values, label=name, **style)
        label = "without removal"
        self.lines_.insert(1, score.axhline(self.baseline, color="0.35", ls="--", label=label))
        score.set_ylabel("AUROC of held-out rows")
        share.set(xlabel="gamma", ylabel="Removed fraction of", ylim=(-0.02, 1.02))
        for panel in (score, share):
            panel.legend(frameon=False, fontsize="small")
        return self
