"""Generated images of lesions."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils import Bunch, check_random_state

from .generated import as_asked, check_real, check_whole, draw_patients, smooth_noise

_FACTORS = ["contrast", "texture", "radius", "elongation", "angle", "lobes"]
# contrast against the tissue, and amplitude of the texture
_CLASSES = {
    "cyst": (-1.0, 0.1),
    "metastasis": (-0.3, 0.8),
    "hemangioma": (0.8, 0.3),
    "healthy": (0.0, 0.0),
}


def make_lesion_rois(
    n_samples: int = 400,
    *,
    size: int = 32,
    weights: tuple[float, float, float, float] = (66, 81, 65, 27),
    spread: float = 0.2,
    noise: float = 0.1,
    random_state: int | RandomState | None = None,
    return_X_y_groups: bool = False,
) -> Bunch | tuple[NDArray, NDArray, NDArray]:
    r"""Generate images of liver lesions of four classes, with the factors that made them.

    The images imitate the regions of interest of [1]_ (section 3.1): cysts, metastases,
    hemangiomas and healthy tissue in CT. The class decides the contrast of the lesion against the
    tissue around it and the strength of its texture, but not its outline; in healthy tissue it is
    invisible. A patient has one to three images of one class, its own tissue texture and gain, and
    lesions of similar contrast.

    Parameters
    ----------
    n_samples : int, default=400
        Number of images, at least 20.
    size : int, default=32
        Height and width in pixels, at least 8. The paper has 128.
    weights : sequence of 4 floats, default=(66, 81, 65, 27)
        Shares of the classes, above 0, up to a factor (the paper's); each has 2 images or more.
    spread : float, default=0.2
        Standard deviation of contrast and texture within a class; a cyst has contrast -1.
    noise : float, default=0.1
        Standard deviation of the pixel noise, in the same units.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of everything random.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_samples, 1, size, size), float32; images, tissue about 0;
        - ``target`` : ndarray of shape (n_samples,), int; class;
        - ``groups`` : ndarray of shape (n_samples,), int; patient;
        - ``masks`` : ndarray of shape (n_samples, 1, size, size), uint8; 1 inside the outline;
        - ``factors``, ``factor_names`` : ndarray of shape (n_samples, 6), float64, and list of str;
          contrast, texture (amplitude), radius (share of half the side), elongation (longer over
          shorter half-axis), angle (radians, of the long axis against the image's rows) and lobes
          (unevenness);
        - ``target_names``, ``DESCR`` : list of str, and str.

    Raises
    ------
    TypeError, ValueError
        If a number has the wrong type, or is out of its range.

    References
    ----------
    .. [1] A. Ben-Cohen et al., "Improving CNN training using disentanglement for liver lesion
       classification in CT", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.datasets import make_lesion_rois
    >>> lesions = make_lesion_rois(239, random_state=0)
    >>> lesions.data.shape
    (239, 1, 32, 32)
    >>> dict(zip(lesions.target_names, np.bincount(lesions.target).tolist()))
    {'cyst': 66, 'metastasis': 81, 'hemangioma': 65, 'healthy': 27}
    """
    check_whole(20, n_samples=n_samples)
    check_whole(8, size=size)
    check_real(spread=spread, noise=noise)
    weights = np.asarray(weights)
    if weights.dtype.kind not in "iuf":
        raise TypeError(f"weights is {weights.tolist()!r}, expected 4 numbers.")
    if weights.shape != (4,) or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(
            f"weights is {weights.tolist()!r}, expected 4 finite numbers above 0: "
            f"{', '.join(_CLASSES)}."
        )
    rng = check_random_state(random_state)
    counts = _class_sizes(n_samples, weights)
    target, groups = np.repeat(np.arange(4), counts), np.empty(n_samples, dtype=int)
    for patient, rows in enumerate(draw_patients(target, rng)):
        groups[rows] = patient
    order = rng.permutation(n_samples)
    factors = _draw_factors(target, groups, spread, rng)
    data = np.empty((n_samples, 1, size, size), dtype=np.float32)
    masks = np.empty((n_samples, 1, size, size), dtype=np.uint8)
    gains = np.exp(0.05 * rng.normal(size=groups.max() + 1))
    veins = 0.15 * np.exp(0.3 * rng.normal(size=groups.max() + 1))
    for i, patient in enumerate(groups):
        tissue = veins[patient] * smooth_noise((size, size), size / 10, rng)
        lesion, masks[i, 0] = _draw_lesion(factors[i], size, rng)
        image = tissue + lesion + noise * rng.normal(size=(size, size))
        data[i, 0] = gains[patient] * image
    return as_asked(
        return_X_y_groups,
        data=data[order],
        target=target[order],
        groups=groups[order],
        masks=masks[order],
        factors=factors[order],
        factor_names=list(_FACTORS),
        target_names=list(_CLASSES),
        DESCR=(
            f"{n_samples} synthetic images of liver lesions of {groups.max() + 1} patients, "
            f"{', '.join(f'{n} {name}' for name, n in zip(_CLASSES, counts, strict=True))}. "
            "Contrast and texture depend on the class, the outline does not."
        ),
    )


def _class_sizes(n_samples: int, weights: NDArray) -> NDArray:
    """Return the number of images of each class: at least 2, else rounded shares."""
    exact = n_samples * weights.astype(float) / weights.sum()
    counts = np.maximum(exact.astype(int), 2)
    while counts.sum() < n_samples:
        counts[(exact - counts).argmax()] += 1
    while counts.sum() > n_samples:
        counts[np.where(counts > 2, exact - counts, np.inf).argmin()] -= 1
    return counts


def _draw_factors(target: NDArray, groups: NDArray, spread: float, rng: RandomState) -> NDArray:
    """Return the factors of every image; the patient has most of the class's deviation."""
    n_samples = len(target)
    patients = 0.8 * rng.normal(size=(groups.max() + 1, 2))
    deviation = spread * (patients[groups] + 0.6 * rng.normal(size=(n_samples, 2)))
    # texture is an amplitude, and narrower than contrast
    look = np.array(list(_CLASSES.values()))[target] + deviation * [1, 0.5]
    look[:, 1] = np.abs(look[:, 1])
    look[target == len(_CLASSES) - 1] = 0  # healthy: nothing to see
    # radius, elongation, angle, lobes
    ranges = (0.35, 0.75), (1, 1.8), (-np.pi / 2, np.pi / 2), (0, 0.3)
    return np.column_stack([look, *(rng.uniform(*ends, n_samples) for ends in ranges)])


def _draw_lesion(factors: NDArray, size: int, rng: RandomState) -> tuple[NDArray, NDArray]:
    """Return the change of brightness and the mask of one lesion."""
    contrast, texture, radius, elongation, angle, lobes = factors
    places = np.linspace(-1, 1, size)
    y, x = np.meshgrid(places, places, indexing="ij")
    y, x = y - 0.05 * rng.normal(), x - 0.05 * rng.normal()
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    stretch = np.sqrt(elongation)
    depth = np.hypot(along / stretch, across * stretch) / radius
    depth += lobes * smooth_noise((size, size), size / 8, rng)
    mask = depth < 1
    # rings that follow the outline, and grains
    pattern = np.cos(2 * np.pi * depth) + 0.3 * smooth_noise((size, size), 0.7, rng)
    return gaussian_filter(mask * (contrast + texture * pattern), 0.4), mask
