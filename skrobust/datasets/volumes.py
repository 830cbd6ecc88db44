"""Generated volumes: brains with and without lesions, tumours of many classes."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils import Bunch, check_random_state

from .corruptions import add_rician_noise
from .generated import as_asked, check_real, check_whole, draw_patients, smooth_noise

# intensities of a T1-weighted scan
_FLUID, _GREY, _WHITE = 0.15, 0.6, 0.85
_HALF_AXES = np.array([0.8, 0.88, 0.8])  # of the brain, as shares of half the volume


def draw_anatomy(rng: RandomState) -> dict:
    """Draw the properties of a subject, except the age."""
    return {
        "half_axes": _HALF_AXES * np.exp(0.02 * rng.normal(size=3)),
        "shift": 0.015 * rng.normal(size=3),
        "tilt": 0.03 * rng.normal(size=3),
        "bend": 0.02 * rng.normal(size=(3, 3)),
        "fold_waves": 7 * rng.normal(size=(6, 3)),
        "fold_phases": rng.uniform(0, 2 * np.pi, size=6),
        "cortex": np.exp(0.08 * rng.normal()),
        "ventricles": np.exp(0.12 * rng.normal()),
        "atrophy": np.exp(0.3 * rng.normal()),
    }


def draw_lesion(anatomy: dict, contrast: float, rng: RandomState) -> dict:
    """Draw a lesion that lies inside the brain."""
    direction = rng.normal(size=3)
    place = direction / np.linalg.norm(direction) * rng.uniform(0.25, 0.65)
    return {
        "centre": place * anatomy["half_axes"],
        "half_axes": rng.uniform(0.25, 0.4) * np.exp(0.15 * rng.normal(size=3)),
        "core": -contrast * rng.uniform(0.3, 0.5),
        "rim": contrast * rng.uniform(0.2, 0.4) * (rng.uniform() < 0.7),
        "around": -contrast * rng.uniform(0.15, 0.3),
    }


def render_brain(anatomy: dict, age: float, shape: Sequence[int]) -> NDArray:
    """Return the volume of a healthy brain, without scanner and noise."""
    p = _brain_coordinates(anatomy, shape)
    # tissues fade into each other over about a voxel
    width = 1.0 / min(shape)
    atrophy = anatomy["atrophy"] * max(age - 30, 0) / 50
    radius = np.sqrt((p**2).sum(0))
    waves = np.tensordot(anatomy["fold_waves"], p / radius.clip(0.2), axes=1)
    folds = np.cos(waves + anatomy["fold_phases"][:, None, None, None]).mean(0)
    surface = 1 - 0.03 * atrophy + (0.02 + 0.01 * atrophy) * folds
    thickness = anatomy["cortex"] * (0.24 - 0.05 * atrophy) - 0.04 * folds
    brain = _inside(radius - surface, width) * _GREY
    brain = _blend(brain, _inside(radius - surface + thickness, width), _WHITE)
    across = np.abs(p[0])
    ventricle = np.multiply((0.08, 0.34, 0.12), anatomy["ventricles"] + 0.5 * atrophy)
    for centre, half_axes, value in (
        ((0.2, -0.05, -0.12), (0.13, 0.2, 0.13), _GREY),
        ((0.17, -0.02, 0.12), ventricle, _FLUID),
    ):
        # both sides at once: distances are from the nearer one
        offsets = (across - centre[0], p[1] - centre[1], p[2] - centre[2])
        distance = np.sqrt(sum((o / h) ** 2 for o, h in zip(offsets, half_axes, strict=True)))
        brain = _blend(brain, _inside((distance - 1) * min(half_axes), width), value)
    cleft = _inside(across - 0.03 - 0.02 * atrophy, width) * _inside(0.35 - p[2], width)
    return _blend(brain, cleft * (brain > 0.5 * _GREY), _FLUID).astype(np.float32)


def render_lesion(brain: NDArray, lesion: dict, anatomy: dict) -> tuple[NDArray, NDArray]:
    """Put a lesion into a brain."""
    grid = _grid(brain.shape) - anatomy["shift"][:, None, None, None]
    offsets = grid - lesion["centre"][:, None, None, None]
    distance = np.sqrt(((offsets / lesion["half_axes"][:, None, None, None]) ** 2).sum(0))
    width = 1.0 / (min(brain.shape) * lesion["half_axes"].min())
    inner, outer = _inside(distance - 0.65, width), _inside(distance - 1, width)
    around = _inside(distance - 1.5, 2 * width)
    change = inner * lesion["core"] + (outer - inner) * lesion["rim"]
    change += (around - outer) * lesion["around"]
    tissue = brain > 0.5 * _GREY
    changed = np.where(tissue, (brain + change).clip(0.05, 1.2), brain)
    return changed.astype(brain.dtype), tissue & (distance < 1.5)


def _grid(shape: Sequence[int]) -> NDArray:
    """Return the coordinates of all voxels, ``(3, *shape)``."""
    axes = [(np.arange(size) + 0.5) / size * 2 - 1 for size in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def _brain_coordinates(anatomy: dict, shape: Sequence[int]) -> NDArray:
    """Return coordinates in which the brain is about the unit sphere."""
    grid = _grid(shape) - anatomy["shift"][:, None, None, None]
    a, b, c = anatomy["tilt"]
    rotation = np.array([[1, -a, b], [a, 1, -c], [-b, c, 1]])
    p = np.tensordot(rotation, grid, axes=1) / anatomy["half_axes"][:, None, None, None]
    return p + np.tensordot(anatomy["bend"], np.sin(np.pi * p[[1, 2, 0]]), axes=1)


def _inside(distance: NDArray, width: float) -> NDArray:
    """Return 1 where a distance is negative, 0 where it is positive, and a soft edge between."""
    return 0.5 - 0.5 * np.tanh(distance / width)


def _blend(image: NDArray, share: NDArray, value: float) -> NDArray:
    return image + share * (value - image)


def make_brain_volumes(
    n_healthy: int = 60,
    n_lesioned: int = 20,
    shape: Sequence[int] = (32, 38, 33),
    *,
    n_scans: int = 1,
    n_scanners: int = 3,
    contrast: float = 1.0,
    noise: float = 0.02,
    random_state: int | RandomState | None = None,
    return_X_y_groups: bool = False,
):
    """Generate skull-stripped T1-weighted brain phantoms, some with a tumour.

    A brain is a folded shell of grey matter around white matter, with deep grey nuclei, ventricles
    and a cleft between the hemispheres. Subjects differ in size, shape, folding and age, which
    widens the ventricles and thins the cortex. A lesion is an ellipsoid with a dark core, in most
    cases a bright rim, and a darker surrounding. Scanners differ in gain, contrast, shading,
    sharpness and noise, which is Rician.

    Parameters
    ----------
    n_healthy, n_lesioned : int, default=60 and 20
        Number of subjects without and with a lesion.
    shape : sequence of 3 int, default=(32, 38, 33)
        Voxels from left to right, back to front and bottom to top, each at least 8.
    n_scans : int, default=1
        Scans of each subject: the same brain and lesion, 2 years apart, on newly drawn scanners.
    n_scanners : int, default=3
        Number of scanners.
    contrast : float, default=1.0
        Strength of all lesions; 0 leaves them invisible.
    noise : float, default=0.02
        Standard deviation of the noise; white matter is about 0.85.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of everything random.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_volumes, 1, n_x, n_y, n_z), float32; the volumes;
        - ``target`` : ndarray of shape (n_volumes,), int; 0 healthy, 1 with a lesion;
        - ``groups`` : ndarray of shape (n_volumes,), int; subject;
        - ``lesion_mask`` : ndarray of shape (n_volumes, n_x, n_y, n_z), bool; with surrounding;
        - ``age``, ``scanner`` : ndarray of shape (n_volumes,); years (20 to 85), and int;
        - ``target_names``, ``DESCR`` : list of str, and str.

    Raises
    ------
    TypeError, ValueError
        If a number has the wrong type, or is out of its range.

    Examples
    --------
    >>> from skrobust.datasets import make_brain_volumes
    >>> brains = make_brain_volumes(3, 2, shape=(16, 19, 17), random_state=0)
    >>> brains.data.shape, brains.target
    ((5, 1, 16, 19, 17), array([0, 0, 0, 1, 1]))
    """
    check_whole(0, n_healthy=n_healthy, n_lesioned=n_lesioned)
    check_whole(1, n_scans=n_scans, n_scanners=n_scanners)
    check_real(contrast=contrast, noise=noise)
    if n_healthy + n_lesioned == 0:
        raise ValueError("n_healthy and n_lesioned are 0, expected at least one subject.")
    sizes = np.atleast_1d(shape).tolist()
    if len(sizes) != 3 or not all(isinstance(size, Integral) and size >= 8 for size in sizes):
        raise ValueError(f"shape is {shape}, expected three integers of at least 8.")
    shape = tuple(sizes)
    rng = check_random_state(random_state)
    scanners = [_draw_scanner(noise, rng) for _ in range(n_scanners)]
    n_subjects = n_healthy + n_lesioned
    groups = np.repeat(np.arange(n_subjects), n_scans)
    volumes = np.empty((len(groups), 1, *shape), dtype=np.float32)
    masks = np.zeros((len(groups), *shape), dtype=bool)
    age, scanner = np.empty(len(groups)), np.empty(len(groups), dtype=int)
    for subject in range(n_subjects):
        anatomy = draw_anatomy(rng)
        lesion = draw_lesion(anatomy, contrast, rng) if subject >= n_healthy else None
        first_age = rng.uniform(20, 85)
        for scan, i in enumerate(np.flatnonzero(groups == subject)):
            age[i] = first_age + 2 * scan
            scanner[i] = rng.randint(n_scanners)
            brain = render_brain(anatomy, age[i], shape)
            if lesion is not None:
                brain, masks[i] = render_lesion(brain, lesion, anatomy)
            volumes[i, 0] = _scan(brain, scanners[scanner[i]], rng)
    return as_asked(
        return_X_y_groups,
        data=volumes,
        target=(groups >= n_healthy).astype(int),
        groups=groups,
        lesion_mask=masks,
        age=age,
        scanner=scanner,
        target_names=["healthy", "lesion"],
        DESCR=(
            f"{len(volumes)} synthetic T1-weighted brain volumes of {n_subjects} subjects, "
            f"{n_lesioned} of them with a lesion, from {n_scanners} scanners."
        ),
    )


def _draw_scanner(noise: float, rng: RandomState) -> dict:
    return {
        "gain": np.exp(0.05 * rng.normal()),
        "gamma": np.exp(0.08 * rng.normal()),
        "shading": 0.05 * rng.normal(size=(2, 3)),
        "blur": rng.uniform(0.2, 0.7),  # standard deviation in voxels
        "noise": noise * np.exp(0.1 * rng.normal()),
    }


def _scan(brain: NDArray, scanner: dict, rng: RandomState) -> NDArray:
    """Return the volume as a scanner records it."""
    axes = np.ogrid[tuple(slice(-1, 1, size * 1j) for size in brain.shape)]
    slope, curve = scanner["shading"]
    shading = sum(slope[k] * axes[k] + curve[k] * axes[k] ** 2 for k in range(3))
    image = gaussian_filter(brain, scanner["blur"]) ** scanner["gamma"]
    image = scanner["gain"] * image * np.exp(shading)
    return add_rician_noise(image.astype(np.float32), scanner["noise"], random_state=rng)


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
    pool of scans without diagnosis. A class is a point in a space of nine properties of size,
    outline, brightness, texture and place. A tumour deviates from it (`spread`), mostly by the same
    in the one to three scans of its patient, who has a gain, background and noise.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of labelled volumes: 20 or more for each common class, 200 if there are rare ones.
    n_classes : int, default=27
        Number of classes, at least 2. Class 0 has most rows, the last class fewest.
    n_rare : int, default=13
        Number of rare classes, the last ones. Their shares fall from 1% to a sixth of that, but not
        below 2 volumes.
    n_unlabeled : int, default=500
        Number of volumes of the pool, of the same classes in the same proportions.
    size : tuple of (int, int, int), default=(8, 24, 24)
        Slices, height and width, in voxels, at least 4 each. The paper has (12, 128, 128).
    spread : float >= 0, default=0.12
        Standard deviation of the properties within a class, as a share of their range over classes.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of everything random, the classes included.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_samples, 1, \*size), float32; volumes, tissue about 1;
        - ``target`` : ndarray of shape (n_samples,), int; class;
        - ``groups`` : ndarray of shape (n_samples,), int; patient;
        - ``masks`` : ndarray of shape (n_samples, 1, \*size), uint8; 1 inside the tumour;
        - ``data_unlabeled``, ``masks_unlabeled`` : ndarray of shape (n_unlabeled, 1, \*size);
          the pool, of other patients;
        - ``rare_classes`` : ndarray of shape (n_rare,), int;
        - ``target_names``, ``DESCR`` : list of str, and str.

    Raises
    ------
    TypeError, ValueError
        If a number has the wrong type, or is out of its range.

    References
    ----------
    .. [1] T. Y. Liu, J. Feng, "Triplet Contrastive Learning for Brain Tumor Classification", 2021.

    Examples
    --------
    >>> from skrobust.datasets import make_tumour_volumes
    >>> tumours = make_tumour_volumes(400, n_classes=6, n_rare=2, n_unlabeled=10, random_state=0)
    >>> tumours.data.shape, tumours.data_unlabeled.shape, tumours.rare_classes.tolist()
    ((400, 1, 8, 24, 24), (10, 1, 8, 24, 24), [4, 5])
    """
    size = tuple(size)
    if len(size) != 3 or not all(isinstance(n, Integral) and n >= 4 for n in size):
        raise ValueError(f"size is {size}, expected (slices, height, width) of at least 4 voxels.")
    check_whole(2, n_classes=n_classes)
    check_whole(0, n_samples=n_samples, n_rare=n_rare, n_unlabeled=n_unlabeled)
    check_real(spread=spread)
    if n_rare >= n_classes:
        raise ValueError(f"n_rare is {n_rare}, expected 0 to {n_classes - 1}, below n_classes.")
    least = max(200 if n_rare else 0, 20 * (n_classes - n_rare))
    if n_samples < least:
        raise ValueError(
            f"n_samples is {n_samples}, expected at least {least}: 200 for rare classes of 2 "
            "volumes and 1%, and 20 for each other class."
        )
    rng = check_random_state(random_state)
    prototypes = rng.uniform(size=(n_classes, len(_PROPERTIES)))
    counts = _class_sizes(n_samples, n_classes, n_rare)
    target = np.repeat(np.arange(n_classes), counts)
    data, masks, groups = _draw_scans(target, prototypes, size, spread, rng)
    order = rng.permutation(n_samples)
    pool = np.sort(rng.choice(n_classes, size=n_unlabeled, p=counts / n_samples))
    pool_data, pool_masks, _ = _draw_scans(pool, prototypes, size, spread, rng)
    mixed = rng.permutation(n_unlabeled)
    return as_asked(
        return_X_y_groups,
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
    n_scans = len(target)
    groups = np.empty(n_scans, dtype=int)
    data = np.empty((n_scans, 1, *size), dtype=np.float32)
    masks = np.empty((n_scans, 1, *size), dtype=np.uint8)
    low, high = np.array(list(_PROPERTIES.values())).T
    for number, rows in enumerate(draw_patients(target, rng)):
        groups[rows] = number
        patient = prototypes[target[rows.start]] + 0.8 * spread * rng.normal(size=len(low))
        gain, noise = np.exp(0.1 * rng.normal()), 0.1 * np.exp(0.25 * rng.normal())
        background = smooth_noise(size, 4.0, rng)
        for scan in range(rows.start, rows.stop):
            shares = patient + 0.6 * spread * rng.normal(size=len(low))
            properties = dict(zip(_PROPERTIES, low + (high - low) * shares, strict=True))
            tumour, masks[scan, 0] = _draw_tumour(properties, size, rng)
            tissue = 1 + 0.1 * background + 0.05 * smooth_noise(size, 2.0, rng)
            data[scan, 0] = gain * (tissue + tumour + noise * rng.normal(size=size))
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
    depth += max(properties["lobes"], 0) * smooth_noise(size, 2.0, rng)
    mask = depth < 1
    grain = np.clip(properties["grain"], 0.3, 3.0)
    change = properties["brightness"] + properties["rim"] * (depth > 0.75)
    change += properties["core"] * (depth < 0.4)
    change += properties["texture"] * smooth_noise(size, grain, rng)
    return gaussian_filter(mask * change, 0.5), mask
