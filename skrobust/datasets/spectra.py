"""Generated spectra of patients."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from .generated import as_asked, check_real, check_whole

_FIRST_PPM, _LAST_PPM = 4.3, 0.2

# peak: (molecule, position in ppm, width relative to the patient's line width, relative height)
_PEAKS = {
    "Cr2": ("Cr", 3.93, 1.0, 0.7),
    "Glx2": ("Glx", 3.75, 1.8, 0.6),
    "Ins": ("Ins", 3.56, 1.4, 1.0),
    "Cho": ("Cho", 3.20, 1.0, 1.0),
    "Cr1": ("Cr", 3.03, 1.0, 1.0),
    "NAA2": ("NAA", 2.60, 2.0, 0.15),
    "Glx": ("Glx", 2.25, 3.0, 1.0),
    "NAA": ("NAA", 2.01, 1.0, 1.0),
    "Lac": ("Lac", 1.33, 1.2, 1.0),
    "Lip1": ("Lip", 1.28, 3.5, 1.0),
    "Lip2": ("Lip", 0.90, 3.5, 0.6),
    "MM": ("MM", 1.70, 9.0, 1.0),
}

# molecule: median level in healthy and in tumour tissue (NAA of healthy tissue = 1), and standard
# deviation of the logarithm of the level between voxels
_LEVELS = {
    "Cr": (0.75, 0.65, 0.25),
    "Glx": (0.35, 0.40, 0.25),
    "Ins": (0.45, 0.60, 0.30),
    "Cho": (0.55, 0.86, 0.36),
    "NAA": (1.00, 0.56, 0.42),
    "Lac": (0.08, 0.19, 0.70),
    "Lip": (0.10, 0.26, 0.70),
    "MM": (0.20, 0.23, 0.25),
}
_PATIENT_SPREAD = 0.4  # the same between patients, as a share of that between voxels


def make_mr_spectra(
    n_patients: int = 60,
    *,
    n_voxels: int | tuple[int, int] = (5, 40),
    impurity: float = 0.3,
    n_points: int = 288,
    snr: float = 12.0,
    random_state: int | RandomState | None = None,
    return_X_y_groups: bool = False,
) -> Bunch | tuple[NDArray, NDArray, NDArray]:
    """Generate MR spectra of patients with and without a brain tumour, labelled by patient.

    The spectra imitate those of [1]_: single-voxel spectra of the brain at an echo time of
    30 ms, 288 points between 4.3 and 0.2 ppm. Every voxel of a tumour patient is labelled
    "tumour", but a share `impurity` of them is healthy tissue. Tumour tissue has less NAA and more
    choline, lipids and lactate only on average: levels differ between voxels about as much as
    between the two tissues, and between patients by two fifths of that. A patient also has its own
    line width, frequency shift, gain, baseline and noise level.

    Parameters
    ----------
    n_patients : int, default=60
        Number of patients, at least 2. Half of them, rounded down, have a tumour.
    n_voxels : int or tuple of (int, int), default=(5, 40)
        Number of spectra of each patient, or the smallest and the largest number, both included.
    impurity : float, default=0.3
        Expected share of healthy voxels of a tumour patient, who keeps at least one tumour voxel.
    n_points : int, default=288
        Number of points of a spectrum, at least 16.
    snr : float, default=12.0
        Median height of NAA in healthy tissue over the standard deviation of the noise. Patients
        vary around it by a factor of about 1.3.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of everything random.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_samples, n_points), float32; spectra, NAA about 1;
        - ``target`` : ndarray of shape (n_samples,), int; the patient's label: 0 healthy, 1 tumour;
        - ``groups`` : ndarray of shape (n_samples,), int; patient of the voxel;
        - ``target_true`` : ndarray of shape (n_samples,), int; true tissue of the voxel;
        - ``axis`` : ndarray of shape (n_points,); chemical shift in ppm, decreasing;
        - ``metabolites`` : dict; position of each peak in ppm, before a patient's shift;
        - ``target_names``, ``DESCR`` : list of str, and str.

    Raises
    ------
    TypeError, ValueError
        If a number has the wrong type, or is out of its range.

    References
    ----------
    .. [1] D. Lu et al., "Human-expert-level brain tumor detection using deep learning with data
       distillation and augmentation", preprint.

    Examples
    --------
    >>> from skrobust.datasets import make_mr_spectra
    >>> spectra = make_mr_spectra(n_patients=4, n_voxels=5, random_state=0)
    >>> spectra.data.shape, spectra.axis[0], spectra.metabolites["NAA"]
    ((20, 288), np.float64(4.3), 2.01)
    """
    bounds = (n_voxels, n_voxels) if np.isscalar(n_voxels) else tuple(n_voxels)
    if len(bounds) != 2:
        raise ValueError(f"n_voxels is {n_voxels}, expected a number or (smallest, largest).")
    low, high = bounds
    check_whole(2, n_patients=n_patients)
    check_whole(16, n_points=n_points)
    check_whole(1, n_voxels=low, **{"n_voxels (largest)": high})
    check_real(below=1, impurity=impurity)
    check_real(snr=snr)
    if low > high:
        raise ValueError(f"n_voxels is {n_voxels}, expected smallest <= largest.")
    if snr == 0:
        raise ValueError("snr is 0, expected a number above 0.")
    rng = check_random_state(random_state)
    axis = np.linspace(_FIRST_PPM, _LAST_PPM, n_points)
    has_tumour = rng.permutation(np.arange(n_patients) % 2)
    counts = rng.randint(low, high + 1, size=n_patients)
    spectra, tissues = [], []
    for tumour, n in zip(has_tumour, counts, strict=True):
        tissue = np.full(n, tumour)
        if tumour:
            # rounding at random keeps the expected share for patients with few voxels
            n_healthy = int(impurity * n + rng.uniform())
            tissue[: min(n_healthy, n - 1)] = 0
            rng.shuffle(tissue)
        tissues.append(tissue)
        spectra.append(_patient_spectra(tissue, axis, snr, rng))
    groups = np.repeat(np.arange(n_patients), counts)
    return as_asked(
        return_X_y_groups,
        data=np.concatenate(spectra).astype(np.float32),
        target=has_tumour[groups],
        groups=groups,
        target_true=np.concatenate(tissues),
        axis=axis,
        metabolites={name: peak[1] for name, peak in _PEAKS.items()},
        target_names=["healthy", "tumour"],
        DESCR=(
            f"{len(groups)} synthetic 1H MR spectra of {n_patients} patients, {n_points} points "
            f"from {_FIRST_PPM} to {_LAST_PPM} ppm. Labels are the patient's; a share of about "
            f"{impurity} of the voxels of tumour patients is healthy tissue (target_true)."
        ),
    )


def _patient_spectra(tissue: NDArray, axis: NDArray, snr: float, rng: RandomState) -> NDArray:
    """Draw one patient's acquisition and the spectra of the voxels."""
    line_width = 0.035 * np.exp(0.2 * rng.normal())  # half width at half height, ppm
    shift = 0.01 * rng.normal()
    gain = np.exp(0.15 * rng.normal())
    noise = np.exp(0.25 * rng.normal()) / snr

    molecules = list(_LEVELS)
    healthy, tumour, spread = np.array([_LEVELS[m] for m in molecules]).T
    size = (len(tissue), len(molecules))
    # tumour voxels hold some healthy tissue too, up to half; 0.75 is their mean share of tumour
    share = tissue * rng.uniform(0.5, 1.0, size=len(tissue))
    change = share[:, None] * np.log(tumour / healthy) / 0.75
    variation = _PATIENT_SPREAD * rng.normal(size=len(molecules)) + rng.normal(size=size)
    levels = healthy * np.exp(change + spread * variation)
    signal = levels @ _peak_shapes(molecules, axis + shift, line_width)

    # slow cosines over the axis: a patient's baseline, and a smaller one of each voxel
    waves = np.cos(np.outer(np.arange(1, 5), np.linspace(0, np.pi, len(axis))))
    baseline = (0.05 * rng.normal(size=4) + 0.03 * rng.normal(size=(len(tissue), 4))) @ waves
    voxel_gain = np.exp(0.1 * rng.normal(size=(len(tissue), 1)))
    clean = voxel_gain * (signal + baseline)
    return gain * (clean + noise * rng.normal(size=clean.shape))


def _peak_shapes(molecules: list[str], axis: NDArray, line_width: float) -> NDArray:
    """Sum the peaks of each molecule: half Lorentzian, half Gaussian, of the same width."""
    shapes = np.zeros((len(molecules), len(axis)))
    for molecule, position, width, height in _PEAKS.values():
        distance = (axis - position) / (width * line_width)
        profile = 0.5 / (1 + distance**2) + 0.5 * np.exp(-np.log(2) * distance**2)
        shapes[molecules.index(molecule)] += height * profile
    return shapes
