"""Displays of influence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from ..evaluation.drawing import Display, as_picture, check_length, check_names, color_of, draw_row
from ..utils.groups import check_groups


def _fitted(estimator: Any, name: str, classes: str) -> NDArray:
    """Return an attribute of a fitted estimator."""
    if not hasattr(estimator, name):
        raise ValueError(f"{type(estimator).__name__} has no {name}. Give a fitted {classes}.")
    return getattr(estimator, name)


@dataclass(eq=False, repr=False)
class InfluenceDisplay(Display):
    """The most helpful and the most harmful training rows, with their labels.

    The rows of the smallest influence (negative: they lower the validation loss, which helps) are
    above those of the largest. Volumes are drawn by their middle slice.

    Parameters
    ----------
    helpful, harmful : ndarray of shape (n_rows, ...)
        The rows, the most extreme first.
    titles : list of str
        Titles of the helpful rows, then of the harmful ones.
    indices : ndarray of shape (2, n_rows), int
        Positions of the helpful and of the harmful rows in X.

    Attributes
    ----------
    ax_, rows_ : ndarray of shape (2, n_rows) of matplotlib.axes.Axes, and list
        The panels, and what was drawn in each: lines, or an image.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.influence import InfluenceDisplay
    >>> X = np.arange(12.0).reshape(4, 3)
    >>> display = InfluenceDisplay.from_influence([0.2, -0.5, np.nan, 0.1], X, n_rows=1)
    >>> display.indices.tolist()
    [[1], [0]]
    """

    helpful: NDArray
    harmful: NDArray
    titles: list[str]
    indices: NDArray

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike | None = None, **kwargs: Any
    ) -> InfluenceDisplay:
        """Take the influence from a fitted classifier.

        Parameters
        ----------
        estimator : InfluenceReweighter or InfluencePerturber
            Fitted; anything with ``influence_``.
        X, y, **kwargs
            The rows that it was fitted on, and further arguments of :meth:`from_influence`.
        """
        classes = "InfluenceReweighter or InfluencePerturber"
        return cls.from_influence(_fitted(estimator, "influence_", classes), X, y, **kwargs)

    @classmethod
    def from_influence(
        cls,
        influence: ArrayLike,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        n_rows: int = 4,
        input_shape: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> InfluenceDisplay:
        """Choose the rows.

        Parameters
        ----------
        influence : array-like of shape (n_samples,)
            Influence of every row (:func:`~skrobust.influence_scores`); NaN leaves a row out.
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            The rows.
        y, groups : array-like of shape (n_samples,), default=None
            Labels and groups (patients), for the titles.
        n_rows : int, default=4
            Rows to show of either kind; fewer if there are fewer.
        input_shape : sequence of int, default=None
            ``(channels, *spatial)`` of rows of a two-dimensional X.
        class_names : sequence of str, default=None
            Names of the classes, in sorted order of the labels; by default the labels.
        """
        X = check_array(X, allow_nd=True, input_name="X")
        influence = check_length(influence, len(X), "influence")
        scored = np.flatnonzero(np.isfinite(influence))
        if len(scored) == 0:
            raise ValueError("no row has an influence: all are NaN or infinite.")
        ordered = scored[np.argsort(influence[scored], kind="stable")]
        n_rows = min(n_rows, len(ordered))
        indices = np.stack([ordered[:n_rows], ordered[::-1][:n_rows]])
        words = {-1: "helpful", 0: "neutral", 1: "harmful"}
        titles = [f"{words[np.sign(v)]}: {v:+.2g}" for v in influence[indices.ravel()]]
        about = [f"row {i}" for i in indices.ravel()]
        if groups is not None:
            patients = check_groups(groups, len(X))[indices.ravel()]
            about = [f"{row}, patient {g}" for row, g in zip(about, patients, strict=True)]
        if y is not None:
            classes, codes = np.unique(check_length(y, len(X), "y"), return_inverse=True)
            names = np.array(check_names(class_names, classes, "classes"))[codes[indices.ravel()]]
            about = [f"labelled {name}\n{row}" for name, row in zip(names, about, strict=True)]
        titles = [f"{title}\n{row}" for title, row in zip(titles, about, strict=True)]
        shape = X.shape[1:] if input_shape is None else tuple(input_shape)
        helpful, harmful = (X[part].reshape(n_rows, *shape) for part in indices)
        return cls(helpful, harmful, titles, indices)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        n_rows = len(self.helpful)
        titles = np.reshape([title.replace("\n", ", ") for title in self.titles], (2, n_rows))
        return titles, {"figsize": (2.2 * n_rows + 0.9, 5.8)}

    def _draw(self) -> None:
        rows, self.rows_ = [*self.helpful, *self.harmful], []
        for i, (panel, row) in enumerate(zip(self.ax_.ravel(), rows, strict=True)):
            color = color_of(i // len(self.helpful))
            style = {"color": color, "lw": 1} if row.ndim <= 2 else {}
            self.rows_.append(draw_row(panel, row, **style))
            panel.set_title(self.titles[i], fontsize="medium", color=color)
        rules = "Most helpful\n(−: lower the loss)", "Most harmful\n(+: raise the loss)"
        for panel, rule in zip(self.ax_[:, 0], rules, strict=True):
            panel.set_ylabel(rule)


@dataclass(eq=False, repr=False)
class PerturbationDisplay(Display):
    """Rows, their masks, their perturbation, and the result (the influence paper's Figs. 1, 2).

    The perturbation has its own scale, symmetric around zero: red values were raised, blue values
    were lowered. Volumes are drawn by the slice that changed most.

    Parameters
    ----------
    rows, perturbation : ndarray of shape (n_rows, ...)
        The original rows, and what was added.
    names : list of str
        Names of the rows.
    masks : ndarray of shape (n_rows, ...), default=None
        Where the object of interest is, such as the tumour.

    Attributes
    ----------
    share_inside : ndarray of shape (n_rows,)
        With masks, the share of the perturbation (sum of absolute values) that lies inside.
    ax_ : ndarray of shape (n_rows, 3 or 4) of matplotlib.axes.Axes
        Row, mask (if given), perturbation and result.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from skrobust.influence import PerturbationDisplay
    >>> X, masks = np.zeros((5, 1, 4, 4)), np.zeros((5, 1, 4, 4))
    >>> masks[:, :, :2] = 1
    >>> fitted = SimpleNamespace(perturbed_indices_=np.array([3]), perturbation_=X[:1] + 0.1)
    >>> PerturbationDisplay.from_estimator(fitted, X, masks=masks).share_inside
    array([0.5])
    """

    rows: NDArray
    perturbation: NDArray
    names: list[str]
    _: KW_ONLY
    masks: NDArray | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        y: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        masks: ArrayLike | None = None,
        n_rows: int = 3,
        input_shape: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
    ) -> PerturbationDisplay:
        """Take the perturbation from a fitted classifier.

        Parameters
        ----------
        estimator : InfluencePerturber
            Fitted; anything with ``perturbed_indices_`` and ``perturbation_``.
        X : array-like of shape (n_samples, n_features) or (n_samples, channels, *spatial)
            The rows that it was fitted on.
        y, groups, masks : array-like of shape (n_samples,), and of the shape of X, default=None
            Their labels and patients, for the names, and masks.
        n_rows : int, default=3
            Rows to show, the most harmful first; fewer if fewer were changed.
        input_shape : sequence of int, default=None
            ``(channels, *spatial)`` of rows of a two-dimensional X.
        names : sequence of str, default=None
            Names of the rows that are shown; by default their positions, labels and patients.
        """
        perturbation = _fitted(estimator, "perturbation_", "InfluencePerturber")[:n_rows]
        X = check_array(X, allow_nd=True, input_name="X")
        rows = estimator.perturbed_indices_[:n_rows]
        if X.shape[1:] != perturbation.shape[1:] or len(X) <= rows.max():
            raise ValueError(
                f"X of shape {X.shape} is not what the estimator was fitted on: it changed rows "
                f"of shape {perturbation.shape[1:]}, up to row {rows.max()}."
            )
        if masks is not None:
            masks = check_array(masks, allow_nd=True, input_name="masks")
            if masks.shape != X.shape:
                raise ValueError(f"masks have shape {masks.shape} but X has shape {X.shape}.")
        own = [f"row {i}" for i in rows]
        if y is not None:
            labels = check_length(y, len(X), "y")[rows]
            own = [f"{name}, {label}" for name, label in zip(own, labels, strict=True)]
        if groups is not None:
            patients = check_groups(groups, len(X))[rows]
            own = [f"{name}\npatient {group}" for name, group in zip(own, patients, strict=True)]
        names = check_names(names, own, "rows")
        shape = X.shape[1:] if input_shape is None else tuple(input_shape)
        if masks is not None:
            masks = masks[rows].reshape(-1, *shape)
        shown, change = (part.reshape(len(rows), *shape) for part in (X[rows], perturbation))
        return cls(shown, change, names, masks=masks)

    @property
    def share_inside(self) -> NDArray:
        """Share of the perturbation that lies inside the mask, shape (n_rows,)."""
        if self.masks is None:
            raise AttributeError("share_inside needs masks, but none were given.")
        size = np.abs(self.perturbation).reshape(len(self.rows), -1)
        inside = (self.masks > 0).reshape(len(self.rows), -1)
        return (size * inside).sum(1) / size.sum(1)

    @property
    def _columns(self) -> list[str]:
        mask = ["Mask"] * (self.masks is not None)
        return ["Row", *mask, "Perturbation", "Changed row"]

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        panels = [[f"{name}, {column}" for column in self._columns] for name in self.names]
        size = 2.3 * len(self._columns) + 0.4, 2.3 * len(self.names) + 0.3
        return panels, {"figsize": size}

    def _draw(self) -> None:
        for i, (panels, name) in enumerate(zip(self.ax_, self.names, strict=True)):
            row, change, place = self.rows[i], self.perturbation[i], None
            if row.ndim == 4:
                place = int(np.abs(change[0]).sum((1, 2)).argmax())
                name = f"{name}\nslice {place}"
            panels[0].set_ylabel(name)
            if row.ndim <= 2:
                mask = scale = {"color": color_of(0), "lw": 1}
                signed = {"color": color_of(1), "lw": 1}
            else:
                shown = as_picture(row, place)
                scale, mask = {"vmin": shown.min(), "vmax": shown.max()}, {"vmin": 0, "vmax": 1}
                limit = np.abs(as_picture(change, place)).max()
                signed = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
            # the row and the changed row share one scale
            parts = [(row, scale), (change, signed), (row + change, scale)]
            if self.masks is not None:
                parts.insert(1, (self.masks[i], mask))
            for panel, (part, style) in zip(panels, parts, strict=True):
                draw_row(panel, part, place, **style)
        for panel, column in zip(self.ax_[0], self._columns, strict=True):
            panel.set_title(column, fontsize="medium")


@dataclass(eq=False, repr=False)
class SampleWeightDisplay(Display):
    """Histogram of the training weights, separately for wrong rows if they are known.

    Parameters
    ----------
    weight : ndarray of shape (n_rows,)
        Weights of the training rows.
    wrong : ndarray of shape (n_rows,), bool, default=None
        Rows that are known to be wrong.

    Attributes
    ----------
    means : tuple of float
        Mean weight of all rows or, with `wrong`, of the right and of the wrong rows.
    histograms_ : list of matplotlib.container.BarContainer
        One for all rows, or one for the right and one for the wrong ones.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from skrobust.influence import SampleWeightDisplay
    >>> fitted = SimpleNamespace(sample_weight_=[1.5, 0.5, 1.0, 0.0])
    >>> SampleWeightDisplay.from_estimator(fitted, wrong=[False, True, False, False]).means
    (1.25, 0.5)
    """

    weight: NDArray
    wrong: NDArray | None = None

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, wrong: ArrayLike | None = None
    ) -> SampleWeightDisplay:
        """Take the weights from a fitted classifier.

        Parameters
        ----------
        estimator : InfluenceReweighter or LabelQualityReweighter
            Fitted; anything with ``sample_weight_``. Rows of weight 0 are left out.
        wrong : array-like of shape (n_samples,), bool, default=None
            Rows that are known to be wrong, such as those of :func:`~skrobust.flip_labels`.
        """
        classes = "InfluenceReweighter or LabelQualityReweighter"
        weight = np.asarray(_fitted(estimator, "sample_weight_", classes))
        trained = weight > 0
        if wrong is not None:
            wrong = check_length(wrong, len(weight), "wrong").astype(bool)[trained]
        return cls(weight[trained], wrong)

    @property
    def _parts(self) -> dict[str, NDArray]:
        if self.wrong is None:
            return {"all rows": self.weight}
        return {"right rows": self.weight[~self.wrong], "wrong rows": self.weight[self.wrong]}

    @property
    def means(self) -> tuple[float, ...]:
        """Mean weight of all rows, or of the right and of the wrong rows; NaN of no rows."""
        return tuple(float(part.mean()) if len(part) else np.nan for part in self._parts.values())

    def plot(self, ax: Any = None, *, bins: int = 30) -> Self:
        """Draw the histogram; `bins` is the number of bins, `ax` as in the other displays."""
        return self._plot(ax, bins=bins)

    def _layout(self) -> tuple[Any, dict[str, Any]]:
        return "weights", {"figsize": (6, 3.6)}

    def _draw(self, bins: int) -> None:
        edges = np.histogram_bin_edges(self.weight, bins)
        self.histograms_ = []
        for i, (name, part) in enumerate(self._parts.items()):
            mean = self.means[i]
            density = self.wrong is not None and len(part) > 0
            style = {"color": color_of(i), "alpha": 0.6, "label": f"{name}, mean {mean:.2f}"}
            self.histograms_.append(self.ax_.hist(part, edges, density=density, **style)[2])
            if len(part):
                self.ax_.axvline(mean, color=color_of(i), ls="--", lw=1.5)
        self.ax_.set(xlabel="Weight", ylabel="Rows" if self.wrong is None else "Density")
        self.ax_.legend(frameon=False)
