"""Displays of outlier removal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from ..evaluation.drawing import Display, check_length, check_names, color_of, marker_of


@dataclass(eq=False, repr=False)
class GammaCurveDisplay(Display):
    """AUROC and removed fractions against `gamma`, as in the outlier paper's Fig. 2.

    Choosing `gamma` by such a curve needs other rows than those of the final evaluation.

    Parameters
    ----------
    gammas, aurocs : ndarray of shape (n_gammas,)
        Values of `gamma`, increasing, and AUROC of held-out rows; with repeats their mean.
    removed : ndarray of shape (2, n_gammas)
        Removed share of the inliers and of the outliers among the training rows; NaN of none.
    baseline : float
        AUROC of the same autoencoder without removal.
    spread : ndarray of shape (n_gammas,), default=None
        Standard deviation of the AUROC over repeats.

    Attributes
    ----------
    ax_ : ndarray of shape (2,) of matplotlib.axes.Axes
        AUROC, and removed fractions.
    lines_, band_ : list of matplotlib.lines.Line2D, and PolyCollection or None
        With and without removal, removed inliers and outliers; one sd around the AUROC.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.outliers import GammaCurveDisplay
    >>> removed = np.array([[0.3, 0.1], [0.9, 0.7]])
    >>> display = GammaCurveDisplay(np.array([1.3, 1.5]), np.array([0.9, 0.87]), removed, 0.8)
    >>> len(display.plot().lines_)
    4
    """

    gammas: NDArray
    aurocs: NDArray
    removed: NDArray
    baseline: float
    _: KW_ONLY
    spread: NDArray | None = None

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
        n_repeats: int = 1,
    ) -> GammaCurveDisplay:
        """Fit the estimator once for each `gamma`, and once without removal.

        Parameters
        ----------
        estimator : AEOutlierRemover
            Has the settings; it is cloned. Set its `random_state`, so that only `gamma` differs.
        X, X_test : array-like of shape (n_samples, ...) and (n_test, ...)
            Training rows and held-out rows.
        is_outlier, test_is_outlier : array-like of shape (n_samples,) and (n_test,), bool
            Which of them are outliers; of the training rows, only for the removed fractions.
        gammas : sequence of float, default=(1.3, 1.35, 1.4, 1.45, 1.5)
            The values to try; the paper's by default.
        n_repeats : int, default=1
            How often to fit for each value, with a new seed from the second time on.
        """
        is_outlier = check_length(is_outlier, len(X), "is_outlier").astype(bool)
        truth = np.asarray(test_is_outlier, dtype=bool)
        if len(np.unique(truth)) < 2:
            raise ValueError(
                "test_is_outlier is the same for all rows; an AUROC needs inliers and outliers."
            )
        gammas = np.sort(np.asarray(gammas, dtype=float))

        def fit(seed: int | None, **params: Any) -> tuple[Any, float]:
            model = clone(estimator).set_params(**params)
            if seed is not None:
                model.set_params(random_state=seed)
            return model, roc_auc_score(truth, -model.fit(X).score_samples(X_test))

        rng = check_random_state(estimator.random_state)
        seeds = [None, *rng.randint(np.iinfo(np.int32).max, size=n_repeats - 1).tolist()]
        baseline = np.mean([fit(s, max_removed_fraction=0.0, restarts=())[1] for s in seeds])
        aurocs, removed = np.empty((n_repeats, len(gammas))), np.zeros((2, len(gammas)))
        for i, gamma in enumerate(gammas):
            for repeat, seed in enumerate(seeds):
                model, aurocs[repeat, i] = fit(seed, gamma=gamma)
                gone = model.removed_epoch_ > 0
                for row, kind in enumerate((~is_outlier, is_outlier)):
                    removed[row, i] += gone[kind].mean() / n_repeats if kind.any() else np.nan
        spread = aurocs.std(axis=0, ddof=1) if n_repeats > 1 else None
        return cls(gammas, aurocs.mean(axis=0), removed, float(baseline), spread=spread)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return ["AUROC", "removed fractions"], {"figsize": (5.6, 5.6), "sharex": True}

    def _draw(self) -> None:
        score, share = self.ax_
        names, panels = ["with removal", "inliers", "outliers"], [score, share, share]
        curves = zip(panels, [self.aurocs, *self.removed], names, strict=True)
        self.lines_, self.band_ = [], None
        for i, (panel, values, name) in enumerate(curves):
            style = {"color": color_of(i), "marker": marker_of(i), "ms": 5, "lw": 1.6}
            self.lines_ += panel.plot(self.gammas, values, label=name, **style)
        label = "without removal"
        self.lines_.insert(1, score.axhline(self.baseline, color="0.35", ls="--", label=label))
        if self.spread is not None:
            low, high = self.aurocs - self.spread, self.aurocs + self.spread
            self.band_ = score.fill_between(
                self.gammas, low, high, color=color_of(0), alpha=0.15, lw=0, label="± sd of repeats"
            )
        low, high = score.get_ylim()
        short = max(0.1 - (high - low), 0) / 2
        score.set(ylabel="AUROC of held-out rows", ylim=(low - short, high + short))
        share.set(xlabel="gamma", ylabel="Removed fraction of", ylim=(-0.02, 1.02))
        for panel in (score, share):
            panel.legend(frameon=False, fontsize="small")


@dataclass(eq=False, repr=False)
class LossHistogramDisplay(Display):
    """Histogram of the scores of training rows, with the threshold after training.

    Kept and removed rows are stacked. If it is known which rows are outliers, these are hatched.

    Parameters
    ----------
    errors, removed : ndarray of shape (n_samples,), float and bool
        Reconstruction error, or another score that grows with oddness, of every row, and whether it
        was removed.
    threshold : float
        Error above which a row is an outlier.
    is_outlier : ndarray of shape (n_samples,), bool, default=None
        True outliers, if they are known.
    label : str, default="Mean absolute reconstruction error (units of X)"
        What `errors` are.

    Attributes
    ----------
    histograms_, threshold_line_ : list of matplotlib.container.BarContainer, and Line2D
        One for each kind of rows, those that stay first, and the threshold.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.outliers import LossHistogramDisplay
    >>> errors = np.array([0.1, 0.2, 0.15, 0.9])
    >>> display = LossHistogramDisplay(errors, errors > 0.5, threshold=0.4).plot()
    >>> [len(bars) for bars in display.histograms_]
    [30, 30]
    """

    errors: NDArray
    removed: NDArray
    threshold: float
    _: KW_ONLY
    is_outlier: NDArray | None = None
    label: str = "Mean absolute reconstruction error (units of X)"

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, is_outlier: ArrayLike | None = None
    ) -> LossHistogramDisplay:
        """Read the errors of the training rows.

        Parameters
        ----------
        estimator : AEOutlierRemover or OutlierRemover
            After fit. The scores of the latter are those of detectors that have not seen the row.
        is_outlier : array-like of shape (n_samples,), bool, default=None
            Which of the training rows are outliers, if known.
        """
        check_is_fitted(estimator, ["scores_", "sample_indices_", "offset_"])
        errors = -np.asarray(estimator.scores_)
        if is_outlier is not None:
            is_outlier = check_length(is_outlier, len(errors), "is_outlier").astype(bool)
        removed = ~np.isin(np.arange(len(errors)), estimator.sample_indices_)
        label = cls.label
        if hasattr(estimator, "committee_"):
            label = "Committee's error (1: middling)"
        elif not hasattr(estimator, "removed_epoch_"):
            label = "Score out of folds"
        return cls(errors, removed, -float(estimator.offset_), is_outlier=is_outlier, label=label)

    def plot(self, ax: Any = None, *, bins: int = 30) -> Self:
        """Draw the histogram; `bins` is the number of bins, `ax` as in the other displays."""
        return self._plot(ax, bins=bins)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return "histogram", {"figsize": (6.4, 3.8)}

    def _draw(self, bins: int) -> None:
        kinds = [("stays", ~self.removed, color_of(0)), ("removed", self.removed, color_of(1))]
        if self.is_outlier is not None:
            kinds = [
                (f"{name}, {truth}", rows & (self.is_outlier == (truth == "outlier")), color)
                for name, rows, color in kinds
                for truth in ("inlier", "outlier")
            ]
        edges = np.histogram_bin_edges(self.errors, bins)
        below = np.zeros(len(edges) - 1)
        self.histograms_ = []
        for name, rows, color in kinds:
            counts = np.histogram(self.errors[rows], edges)[0]
            hatch = "////" if name.endswith("outlier") else None
            bars = self.ax_.bar(
                edges[:-1], counts, np.diff(edges), bottom=below, align="edge", color=color,
                edgecolor="white", lw=0.4, hatch=hatch, label=f"{name} ({rows.sum()})",
            )  # fmt: skip
            self.histograms_.append(bars)
            below = below + counts
        self.ax_.set_ylim(0, 1.08 * below.max())
        label = f"threshold: {self.threshold:.3g}"
        style = {"color": "black", "ls": "--", "lw": 1.6, "label": label}
        self.threshold_line_ = self.ax_.axvline(self.threshold, **style)
        self.ax_.set(xlabel=self.label, ylabel="Rows")
        self.ax_.legend(frameon=False, fontsize="small")


@dataclass(eq=False, repr=False)
class ReconstructionDisplay(Display):
    """Input, reconstruction, error and truth of images, as in the outlier paper's Fig. 3.

    Volumes are shown as one slice across their last axis. Input and reconstruction of a row share
    one grey scale, the errors of all rows one colour scale.

    Parameters
    ----------
    inputs, reconstructions, errors : ndarray of shape (n_rows, height, width)
        What the panels show.
    truth : ndarray of shape (n_rows, height, width), default=None
        Masks for the last panel, for example of lesions.
    names : list of str
        Name of every row.

    Attributes
    ----------
    ax_, images_ : ndarray of shape (n_rows, 3 or 4) of matplotlib.axes.Axes and AxesImage
        The panels, and the images in them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import AEOutlierRemover
    >>> from skrobust.outliers import ReconstructionDisplay
    >>> X = load_digits().images[:60, None]
    >>> model = AEOutlierRemover(restarts=(), max_epochs=20, lr=0.01, random_state=0).fit(X)
    >>> ReconstructionDisplay.from_estimator(model, X[:2]).plot().ax_.shape
    (2, 3)
    """

    inputs: NDArray
    reconstructions: NDArray
    errors: NDArray
    _: KW_ONLY
    truth: NDArray | None = None
    names: list[str]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        truth: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ) -> ReconstructionDisplay:
        """Reconstruct a few rows.

        Parameters
        ----------
        estimator : AEOutlierRemover
            After fit, on images or volumes.
        X : array-like of shape (n_rows, ...)
            The rows, as for ``estimator.reconstruct``. Of several channels the first is shown.
        truth : array-like of shape (n_rows, *spatial), default=None
            Masks. A volume is cut where its mask, or else its error, is largest.
        names : sequence of str, default=None
            Names of the rows; by default their numbers and errors.
        """
        check_is_fitted(estimator)
        shape = tuple(estimator.input_shape_)
        if len(shape) not in (3, 4):
            raise ValueError(
                f"rows of shape {shape} are neither images nor volumes. Fit the estimator with "
                "input_shape=(channels, height, width) or (channels, depth, height, width)."
            )
        X = check_array(X, allow_nd=True, input_name="X")
        parts = [X, estimator.reconstruct(X), estimator.error_map(X)]
        parts = [part.reshape(-1, *shape)[:, 0] for part in parts]
        if truth is not None:
            truth = np.asarray(truth)
            if truth.shape != parts[0].shape:
                raise ValueError(
                    f"truth has shape {truth.shape}, but the rows shown have shape "
                    f"{parts[0].shape}. Give one mask for each, without the channel axis."
                )
        scores = parts[2].reshape(len(X), -1).mean(1)
        numbered = [f"row {i}\nerror {score:.3g}" for i, score in enumerate(scores)]
        names = check_names(names, numbered, "rows")
        if len(shape) == 4:
            masks = parts[2]
            if truth is not None:
                masks = np.where(truth.any((1, 2, 3), keepdims=True), truth, masks)
            cut = np.arange(len(X)), slice(None), slice(None), masks.sum((1, 2)).argmax(1)
            parts = [part[cut] for part in parts]
            truth = None if truth is None else truth[cut]
        return cls(*parts, truth=truth, names=names)

    @property
    def _columns(self) -> list[str]:
        return ["input", "reconstruction", "error"] + ["truth"] * (self.truth is not None)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        panels = [[f"{title} of {name}" for title in self._columns] for name in self.names]
        size = 1.7 * len(self._columns) + 1.6, 1.8 * len(self.names) + 0.4
        return panels, {"figsize": size}

    def _draw(self) -> None:
        axes, self.images_ = self.ax_, np.empty(self.ax_.shape, dtype=object)
        top = float(self.errors.max()) or 1.0
        kinds = [self.inputs, self.reconstructions, self.errors, self.truth]
        for i, j in np.ndindex(axes.shape):
            scale = {"cmap": "gray", "vmin": self.inputs[i].min(), "vmax": self.inputs[i].max()}
            if j >= 2:
                scale = {"cmap": ("inferno", "gray")[j - 2], "vmin": 0, "vmax": (top, 1)[j - 2]}
            self.images_[i, j] = axes[i, j].imshow(kinds[j][i], interpolation="nearest", **scale)
            axes[i, j].set(xticks=[], yticks=[])
        for ax, title in zip(axes[0], self._columns, strict=True):
            ax.set_title(title, fontsize="medium")
        for ax, name in zip(axes[:, 0], self.names, strict=True):
            ax.set_ylabel(name, rotation=0, ha="right", va="center")
        bar = self.figure_.colorbar(self.images_[0, 2], ax=axes[:, 2].tolist(), fraction=0.06)
        bar.ax.tick_params(labelsize="small")
