"""Synthetic brain volumes, healthy and with a lesion."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils import Bunch, check_random_state

from .add_rician_noise import add_rician_noise
from .brain_phantom import draw_anatomy, draw_lesion, render_brain, render_lesion


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
    and a cleft between the hemispheres. Subjects differ in size, shape, folding and age, 20 to 85
    years: with age the ventricles widen and the cortex thins. A lesion is an ellipsoid with a
    dark core, in most cases a bright rim, and a darker surrounding, of random place, size and
    strength. Scanners differ in gain, contrast, shading, sharpness and noise, which is Rician.
    So healthy volumes are far from alike, and the oldest and the worst scanned look the most
    unusual.

    Parameters
    ----------
    n_healthy : int, default=60
        Number of healthy subjects.
    n_lesioned : int, default=20
        Number of subjects with a lesion.
    shape : sequence of 3 int, default=(32, 38, 33)
        Voxels from left to right, back to front and bottom to top, each at least 8. The paper on
        outlier removal has (64, 77, 66), its proportions are those of the default.
    n_scans : int, default=1
        Scans of each subject: the same brain and lesion, 2 years apart, on scanners drawn anew.
    n_scanners : int, default=3
        Number of scanners.
    contrast : float, default=1.0
        Strength of all lesions; 0 leaves them invisible.
    noise : float, default=0.02
        Standard deviation of the noise, white matter being about 0.85. Scanners vary around it
        by a factor of about 1.1.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of everything random.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_volumes, 1, n_x, n_y, n_z), float32; the volumes,
          background 0 up to noise;
        - ``target`` : ndarray of shape (n_volumes,), int; 0 healthy, 1 with a lesion;
        - ``groups`` : ndarray of shape (n_volumes,), int; subject;
        - ``lesion_mask`` : ndarray of shape (n_volumes, n_x, n_y, n_z), bool; the lesion with its
          surrounding;
        - ``age`` : ndarray of shape (n_volumes,); years;
        - ``scanner`` : ndarray of shape (n_volumes,), int; scanner;
        - ``target_names`` : list of str; names of the labels 0 and 1;
        - ``DESCR`` : str; description.
    (data, target, groups) : tuple of ndarray
        If ``return_X_y_groups=True``.

    Raises
    ------
    TypeError
        If a number has the wrong type.
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> from skrobust.datasets import make_brain_volumes
    >>> brains = make_brain_volumes(3, 2, shape=(16, 19, 17), random_state=0)
    >>> brains.data.shape, brains.target
    ((5, 1, 16, 19, 17), array([0, 0, 0, 1, 1]))
    >>> brains.lesion_mask.any(axis=(1, 2, 3))
    array([False, False, False,  True,  True])
    """
    _check_parameters(n_healthy, n_lesioned, shape, n_scans, n_scanners, contrast, noise)
    shape = tuple(int(size) for size in shape)
    rng = check_random_state(random_state)
    scanners = [_draw_scanner(noise, rng) for _ in range(n_scanners)]
    n_subjects = n_healthy + n_lesioned
    volumes = np.empty((n_subjects * n_scans, 1, *shape), dtype=np.float32)
    masks = np.zeros((n_subjects * n_scans, *shape), dtype=bool)
    age, scanner = np.empty(len(volumes)), np.empty(len(volumes), dtype=int)
    for subject in range(n_subjects):
        anatomy = draw_anatomy(rng)
        lesion = draw_lesion(anatomy, contrast, rng) if subject >= n_healthy else None
        first_age = rng.uniform(20, 85)
        for i in range(subject * n_scans, (subject + 1) * n_scans):
            age[i] = first_age + 2 * (i - subject * n_scans)
            scanner[i] = rng.randint(n_scanners)
            brain = render_brain(anatomy, age[i], shape)
            if lesion is not None:
                brain, masks[i] = render_lesion(brain, lesion, anatomy)
            volumes[i, 0] = _scan(brain, scanners[scanner[i]], rng)
    target = np.repeat([0, 1], [n_healthy * n_scans, n_lesioned * n_scans])
    bunch = Bunch(
        data=volumes,
        target=target,
        groups=np.repeat(np.arange(n_subjects), n_scans),
        lesion_mask=masks,
        age=age,
        scanner=scanner,
        target_names=["healthy", "lesion"],
        DESCR=(
            f"{len(volumes)} synthetic T1-weighted brain volumes of {n_subjects} subjects, "
            f"{n_lesioned} of them with a lesion, from {n_scanners} scanners."
        ),
    )
    if return_X_y_groups:
        return bunch.data, bunch.target, bunch.groups
    return bunch


def _draw_scanner(noise: float, rng: RandomState) -> dict:
    return {
        "gain": np.exp(0.05 * rng.normal()),
        "gamma": np.exp(0.08 * rng.normal()),
        "shading": 0.05 * rng.normal(size=(2, 3)),
        "blur": rng.uniform(0.2, 0.7),  # standard deviation in voxels
        "noise": noise * np.exp(0.1 * rng.normal()),
    }


def _scan(brain: NDArray, scanner: dict, rng: RandomState) -> NDArray:
    """Return the volume as a scanner sees it."""
    axes = np.ogrid[tuple(slice(-1, 1, size * 1j) for size in brain.shape)]
    slope, curve = scanner["shading"]
    shading = sum(slope[k] * axes[k] + curve[k] * axes[k] ** 2 for k in range(3))
    image = gaussian_filter(brain, scanner["blur"]) ** scanner["gamma"]
    image = scanner["gain"] * image * np.exp(shading)
    return add_rician_noise(image.astype(np.float32), scanner["noise"], random_state=rng)


def _check_parameters(n_healthy, n_lesioned, shape, n_scans, n_scanners, contrast, noise) -> None:
    sizes = np.atleast_1d(shape).tolist()
    counts = {"n_healthy": n_healthy, "n_lesioned": n_lesioned}
    positive = {"n_scans": n_scans, "n_scanners": n_scanners}
    for name, value in {**counts, **positive}.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, expected an integer.")
    for name, value in {"contrast": contrast, "noise": noise}.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, expected a number.")
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} is {value}, expected a finite number of at least 0.")
    for name, value in positive.items():
        if value < 1:
            raise ValueError(f"{name} is {value}, expected at least 1.")
    if min(counts.values()) < 0 or sum(counts.values()) == 0:
        raise ValueError(
            f"n_healthy is {n_healthy} and n_lesioned {n_lesioned}, expected at least one subject."
        )
    if len(sizes) != 3 or not all(isinstance(s, Integral) and s >= 8 for s in sizes):
        raise ValueError(f"shape is {shape}, expected three integers of at least 8.")
