"""Synthetic tumour volumes of many classes, most of them rare, grouped by patient."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils import Bunch, check_random_state

_SCANS = 3  # most scans of a patient
# properties of a class: lowest and highest value
_PROPERTIES = {
    "radius": (0.3, 0.6),  # share of half the side
    "elongation": (0.7, 1.45),  # of the longer over the shorter half-axis
    "lobes": (0.0, 0.35),  # unevenness of the surface
    "brightness": (-1.0, 2.0),  # against the tissue around
    "rim": (-1.0, 1.5),  # brightness of the rim, on top
    "core": (-1.5, 1.5),  # brightness of the centre, on top
    "texture": (0.0, 1.0),  # amplitude
    "grain": (0.5, 2.2),  # size of the texture's grains in voxels
    "height": (-0.3, 0.3),  # place along the first axis of a slice
}


def make_tumour_volumes(
    n_samples: int = 1000,
    *,
    n_classes: int = 27,
    n_rare: int = 13,
    n_unlabeled: int = 500,
    size: tuple[int, int, int] = (8, 24, 24),
    spread: float = 0.12,
    random_state: int | RandomState | None = None,
    return_X_y_groups: bool = False,
) -> Bunch | tuple[NDArray, NDArray, NDArray]:
    r"""Generate volumes with a tumour each, of many classes with a long tail of rare ones.

    The volumes imitate the data of [1]_ (section 4.1): T2-weighted brain scans with 27 types of
    tumour, of which 13 make up at most 1% of the scans each, a mask of every tumour, and a larger
    pool of scans without diagnosis. A class is a point in a space of nine properties: size,
    elongation and unevenness of the tumour, its brightness, that of its rim and its core, strength
    and grain of its texture, and where it tends to lie. A tumour has the properties of its class
    with a deviation of its own (`spread`); a patient, with one to three scans of the same class,
    has an own gain, background and noise, and its tumour keeps most of its deviation from scan to
    scan. So classes overlap, and a split that ignores patients is too optimistic.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of labelled volumes: at least 20 for each class that is not rare, and 200 if there
        are rare ones.
    n_classes : int, default=27
        Number of classes, at least 2. Class 0 has most rows, the last class fewest.
    n_rare : int, default=13
        Number of rare classes, the last ones, fewer than `n_classes`. Their shares fall from 1%
        to a sixth of that, but not below 2 volumes; the others share the rest, falling to a tenth
        of the largest.
    n_unlabeled : int, default=500
        Number of volumes of the pool, of the same classes in the same proportions.
    size : tuple of (int, int, int), default=(8, 24, 24)
        Slices, height and width, in voxels, at least 4 each. The paper has (12, 128, 128).
    spread : float >= 0, default=0.12
        Standard deviation of a tumour's properties from those of its class, as a share of
        their range over the classes.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of everything random, the classes included.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_samples, 1, \*size), float32; volumes, in units of the
          brightness of the tissue around the tumours;
        - ``target`` : ndarray of shape (n_samples,), int; class;
        - ``groups`` : ndarray of shape (n_samples,), int; patient;
        - ``masks`` : ndarray of shape (n_samples, 1, \*size), uint8; 1 inside the tumour;
        - ``data_unlabeled``, ``masks_unlabeled`` : ndarray of shape (n_unlabeled, 1, \*size);
          the pool, of other patients;
        - ``rare_classes`` : ndarray of shape (n_rare,), int;
        - ``target_names`` : list of str;
        - ``DESCR`` : str; description.
    (data, target, groups) : tuple of ndarray
        If ``return_X_y_groups=True``.

    Raises
    ------
    TypeError
        If a number has the wrong type.
    ValueError
        If a number is out of its range.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification",
       2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.datasets import make_tumour_volumes
    >>> tumours = make_tumour_volumes(400, n_classes=6, n_rare=2, n_unlabeled=10, random_state=0)
    >>> tumours.data.shape, tumours.data_unlabeled.shape
    ((400, 1, 8, 24, 24), (10, 1, 8, 24, 24))
    >>> np.bincount(tumours.target)
    array([...  4,   2])
    >>> tumours.rare_classes
    array([4, 5])
    """
    size = _check_parameters(n_samples, n_classes, n_rare, n_unlabeled, size, spread)
    rng = check_random_state(random_state)
    prototypes = rng.uniform(size=(n_classes, len(_PROPERTIES)))
    counts = _class_sizes(n_samples, n_classes, n_rare)
    target = np.repeat(np.arange(n_classes), counts)
    data, masks, groups = _draw_scans(target, prototypes, size, spread, rng)
    order = rng.permutation(n_samples)
    pool = np.sort(rng.choice(n_classes, size=n_unlabeled, p=counts / n_samples))
    pool_data, pool_masks, _ = _draw_scans(pool, prototypes, size, spread, rng)
    mixed = rng.permutation(n_unlabeled)
    bunch = Bunch(
        data=data[order],
        target=target[order],
        groups=groups[order],
        masks=masks[order],
        data_unlabeled=pool_data[mixed],
        masks_unlabeled=pool_masks[mixed],
        rare_classes=np.arange(n_classes - n_rare, n_classes),
        target_names=[f"type {code}" for code in range(n_classes)],
        DESCR=(
            f"{n_samples} synthetic tumour volumes of {groups.max() + 1} patients, "
            f"{n_classes} classes with {counts.max()} to {counts.min()} volumes, of which the last "
            f"{n_rare} are rare (at most 1%); {n_unlabeled} volumes without label."
        ),
    )
    if return_X_y_groups:
        return bunch.data, bunch.target, bunch.groups
    return bunch


def _class_sizes(n_samples: int, n_classes: int, n_rare: int) -> NDArray:
    """Return the number of volumes of each class, falling."""
    rare = np.geomspace(0.01, 0.01 / 6, n_rare) if n_rare > 1 else np.full(n_rare, 0.01)
    rare = np.maximum((rare * n_samples + 1e-9).astype(int), 2)
    common = np.geomspace(1, 0.1, n_classes - n_rare)
    common = (n_samples - rare.sum()) * common / common.sum()
    counts = np.concatenate([common.astype(int), rare])
    counts[0] += n_samples - counts.sum()
    return counts


def _draw_scans(
    target: NDArray, prototypes: NDArray, size: tuple[int, ...], spread: float, rng: RandomState
) -> tuple[NDArray, NDArray, NDArray]:
    """Draw the patients of sorted classes, and their scans."""
    n_scans, n_patients = len(target), 0
    groups = np.empty(n_scans, dtype=int)
    data = np.empty((n_scans, 1, *size), dtype=np.float32)
    masks = np.empty((n_scans, 1, *size), dtype=np.uint8)
    low, high = np.array(list(_PROPERTIES.values())).T
    ends = np.searchsorted(target, target, side="right")
    starts = np.searchsorted(target, target, side="left")
    start = 0
    while start < n_scans:
        # a class has at least two patients
        most = min(_SCANS, ends[start] - start, max(ends[start] - starts[start] - 1, 1))
        stop = start + rng.randint(1, most + 1)
        groups[start:stop] = n_patients
        patient = prototypes[target[start]] + 0.8 * spread * rng.normal(size=len(low))
        gain, noise = np.exp(0.1 * rng.normal()), 0.1 * np.exp(0.25 * rng.normal())
        background = _smooth_noise(size, 4.0, rng)
        for scan in range(start, stop):
            shares = patient + 0.6 * spread * rng.normal(size=len(low))
            properties = dict(zip(_PROPERTIES, low + (high - low) * shares, strict=True))
            tumour, masks[scan, 0] = _draw_tumour(properties, size, rng)
            tissue = 1 + 0.1 * background + 0.05 * _smooth_noise(size, 2.0, rng)
            data[scan, 0] = gain * (tissue + tumour + noise * rng.normal(size=size))
        start, n_patients = stop, n_patients + 1
    return data, masks, groups


def _draw_tumour(
    properties: dict[str, float], size: tuple[int, ...], rng: RandomState
) -> tuple[NDArray, NDArray]:
    """Return the change of brightness and the mask of one tumour."""
    places = np.meshgrid(*[np.linspace(-1, 1, n) for n in size], indexing="ij")
    centre = 0.1 * rng.normal(size=3) + np.array([0.0, properties["height"], 0.0])
    turn = rng.uniform(0, np.pi)
    z, y, x = [place - c for place, c in zip(places, centre, strict=True)]
    along, across = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    stretch = np.sqrt(np.clip(properties["elongation"], 0.4, 2.0))
    depth = np.sqrt((z * 0.9) ** 2 + (along / stretch) ** 2 + (across * stretch) ** 2)
    depth /= np.clip(properties["radius"], 0.12, 0.8)
    depth += max(properties["lobes"], 0) * _smooth_noise(size, 2.0, rng)
    mask = depth < 1
    grain = np.clip(properties["grain"], 0.3, 3.0)
    change = (
        properties["brightness"]
        + properties["rim"] * (depth > 0.75)
        + properties["core"] * (depth < 0.4)
        + properties["texture"] * _smooth_noise(size, grain, rng)
    )
    return gaussian_filter(mask * change, 0.5), mask


def _smooth_noise(size: tuple[int, ...], width: float, rng: RandomState) -> NDArray:
    """Return noise of a correlation length in voxels, with standard deviation one."""
    noise = gaussian_filter(rng.normal(size=size), width)
    return noise / noise.std()


def _check_parameters(n_samples, n_classes, n_rare, n_unlabeled, size, spread) -> tuple[int, ...]:
    """Check all parameters and return the size."""
    size = tuple(size)
    if len(size) != 3:
        raise ValueError(f"size is {size}, expected (slices, height, width).")
    whole = {
        "n_samples": n_samples,
        "n_classes": n_classes,
        "n_rare": n_rare,
        "n_unlabeled": n_unlabeled,
    }
    for name, value in {**whole, **{f"size[{i}]": n for i, n in enumerate(size)}}.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, expected an integer.")
    if not isinstance(spread, Real) or isinstance(spread, bool):
        raise TypeError(f"spread is {spread!r}, expected a number.")
    if n_classes < 2:
        raise ValueError(f"n_classes is {n_classes}, expected at least 2.")
    if not 0 <= n_rare < n_classes:
        raise ValueError(f"n_rare is {n_rare}, expected 0 to {n_classes - 1}, below n_classes.")
    least = max(200 if n_rare else 0, 20 * (n_classes - n_rare))
    if n_samples < least:
        raise ValueError(
            f"n_samples is {n_samples}, expected at least {least}: 200 for rare classes of 2 "
            "volumes and 1%, and 20 for each other class."
        )
    if n_unlabeled < 0:
        raise ValueError(f"n_unlabeled is {n_unlabeled}, expected 0 or more.")
    if min(size) < 4:
        raise ValueError(f"size is {size}, expected at least 4 voxels along every axis.")
    if not 0 <= spread < np.inf:
        raise ValueError(f"spread is {spread}, expected a finite number, 0 or more.")
    return size
