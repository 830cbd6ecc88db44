"""Data sets from files and from the network."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from http.client import HTTPException
from numbers import Integral
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils.validation import check_scalar
from torch.nn.functional import interpolate

from ..utils.groups import check_groups
from ..utils.validation import describe_layout
from .generated import as_asked


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of downloaded data, made if it is missing."""
    if data_home is None:
        data_home = os.environ.get("SKROBUST_DATA", "~/skrobust_data")
    folder = Path(data_home).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def download(url: str, path: Path, sha256: str, *, n_retries: int = 3, timeout: float = 60) -> None:
    """Download a file, unless it is there."""
    if path.exists():
        return
    part = path.with_name(path.name + ".part")
    for attempt in range(n_retries + 1):
        try:
            _fetch_rest(url, part, timeout)
            break
        except (OSError, HTTPException) as error:
            if attempt == n_retries:
                raise OSError(
                    f"{url} could not be downloaded: {error}. Call again to resume where it "
                    f"stopped, or download the file by other means and save it as {path}."
                ) from error
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()
        raise OSError(
            f"{url} has the SHA-256 checksum {found}, not {sha256}: the file has changed or was "
            "damaged on the way. It was deleted; try again."
        )
    part.rename(path)


def _fetch_rest(url: str, part: Path, timeout: float) -> None:
    """Append the missing part of a file; start again if the server cannot resume."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "skrobust"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with urlopen(Request(url, headers=headers), timeout=timeout) as answer:
            start = start if answer.status == 206 else 0
            with part.open("ab" if start else "wb") as file:
                shutil.copyfileobj(answer, file, 2**20)
            expected, got = answer.headers.get("Content-Length"), part.stat().st_size - start
            # a connection that is cut counts as an end of file
            if expected is not None and got != int(expected):
                raise OSError(f"{got} of {expected} bytes came")
    except HTTPError as error:
        # the file is complete already: nothing is left to send
        if error.code != 416:
            raise


# name, address and checksum
_ARCHIVES = tuple(
    (f"brainTumorDataPublic_{rows}.zip", f"https://ndownloader.figshare.com/files/{number}", sha256)
    for rows, number, sha256 in (
        ("1-766", 3381290, "cdac0a7f4152cb34dd79b13543da96c37a6928ad8cb823e2662150b1a73ade54"),
        ("767-1532", 3381296, "d18e896d14f7af791cdd3d9b9342f9f974742a06132effde5a5219209862b4ce"),
        ("1533-2298", 3381293, "612d9f506c55c54db5f2f38b6d50741ef97a6d7c32b3e1be76e789674a97aefb"),
        ("2299-3064", 3381302, "9a673c55d139133cfbc57097bf155b5ac9f33684ee97f40bf2afba332d416a3a"),
    )
)
_TARGET_NAMES = ["meningioma", "glioma", "pituitary"]
_FULL_SIZE = 512


def fetch_brain_tumour(
    *,
    data_home: str | os.PathLike[str] | None = None,
    size: int | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    return_X_y_groups: bool = False,
) -> Bunch | tuple[NDArray, NDArray, NDArray]:
    """Load the brain tumour slices of Cheng et al., downloading them at the first call.

    3064 T1-weighted contrast-enhanced slices (axial, coronal and sagittal) of 233 patients with
    one of three kinds of tumour, and the outlines of the tumours; 880 MB in four archives
    (figshare, doi:10.6084/m9.figshare.1512427, version 5, CC BY 4.0). Needs h5py
    (``pip install "skrobust[fetch]"``). For every size the result is saved beside them.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder for downloaded data, in its subfolder ``brain_tumour``. None uses the environment
        variable SKROBUST_DATA or, without it, ``~/skrobust_data``.
    size : int, default=None
        Height and width to resize the slices to, by averaging areas. None is 512 by 512 (a few
        slices of 256 by 256 are enlarged), 1.6 GB in memory.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    n_retries : int, default=3
        Tries after a download that failed; each, as the next call, resumes where it stopped.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (3064, 1, size, size); raw intensities, float32 if resized,
          int16 otherwise;
        - ``target`` : ndarray of shape (3064,); 0 meningioma, 1 glioma, 2 pituitary tumour;
        - ``target_names`` : list of str;
        - ``groups`` : ndarray of shape (3064,), str; patient (ids that differ in the last letter
          may be one person);
        - ``masks`` : ndarray of shape (3064, 1, size, size), bool; the tumour;
        - ``image_number`` : ndarray of shape (3064,); number of the slice's file.

    Raises
    ------
    ImportError, OSError, ValueError
        If h5py or files are missing, a download fails, a checksum is wrong, `size` is not a
        positive integer, or an archive does not have the expected layout.

    References
    ----------
    J. Cheng et al., "Enhanced performance of brain tumor classification via tumor region
    augmentation and partition", PLoS ONE 10(10), 2015.

    Examples
    --------
    >>> from skrobust import fetch_brain_tumour
    >>> slices = fetch_brain_tumour(size=64)  # doctest: +SKIP
    >>> slices.data.shape, len(set(slices.groups))  # doctest: +SKIP
    ((3064, 1, 64, 64), 233)
    """
    if size is not None:
        check_scalar(size, "size", Integral, min_val=1)
    folder = get_data_home(data_home) / "brain_tumour"
    cached = folder / f"slices_{_FULL_SIZE if size is None else size}.npz"
    if not cached.exists():
        _make(folder, cached, size, download_if_missing, n_retries)
    with np.load(cached, allow_pickle=False) as arrays:
        return as_asked(return_X_y_groups, **arrays, target_names=list(_TARGET_NAMES))


def _make(
    folder: Path, cached: Path, size: int | None, download_if_missing: bool, n_retries: int
) -> None:
    """Write the file of one size, from the archives."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            'fetch_brain_tumour reads MATLAB files and needs h5py: pip install "skrobust[fetch]".'
        ) from error
    folder.mkdir(exist_ok=True)
    found = []
    for name, url, sha256 in _ARCHIVES:
        path = folder / name
        if not download_if_missing and not path.exists():
            raise OSError(
                f"{path} is missing. Set download_if_missing=True, or save it there from {url}."
            )
        download(url, path, sha256, n_retries=n_retries)
    for archive, *_ in _ARCHIVES:
        with zipfile.ZipFile(folder / archive) as file:
            for name in file.namelist():
                number = Path(name).stem
                if name.endswith(".mat") and number.isdigit():
                    with h5py.File(io.BytesIO(file.read(name)), "r") as slice_file:
                        found.append((int(number), *_read_slice(slice_file, name, size)))
    found.sort(key=lambda entry: entry[0])
    names = "image_number", "data", "masks", "target", "groups"
    part = cached.with_suffix(".part.npz")
    np.savez(part, **dict(zip(names, map(np.stack, zip(*found, strict=True)), strict=True)))
    part.rename(cached)


def _read_slice(file, name: str, size: int | None) -> tuple[NDArray, NDArray, int, str]:
    """Return image and mask, of one channel, label and patient of one MATLAB file."""
    try:
        content = file["cjdata"]
        # MATLAB stores columns first
        pixels = np.stack([content[key][()].T for key in ("image", "tumorMask")])
        label = int(content["label"][()].item()) - 1
        patient = "".join(map(chr, content["PID"][()].ravel()))
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{name} does not have the layout of the brain tumour data: {error}. Delete its "
            "archive to download it again."
        ) from error
    pixels = torch.from_numpy(pixels.astype(np.float32))[:, None]
    image, mask = interpolate(pixels, (size or _FULL_SIZE,) * 2, mode="area").numpy()
    return np.rint(image).astype(np.int16) if size is None else image, mask >= 0.5, label, patient


def load_grouped_npz(
    path: str | os.PathLike[str], *, return_X_y_groups: bool = False
) -> Bunch | tuple[NDArray, NDArray, NDArray]:
    """Load an npz file that holds the arrays ``X``, ``y`` and ``groups``.

    Such a file is written by ``numpy.savez_compressed(path, X=X, y=y, groups=groups)``, with
    optional ``class_names`` and further arrays. Values and types are not changed.

    Parameters
    ----------
    path : str or path-like
        The file.
    return_X_y_groups : bool, default=False
        If True, return ``(data, target, groups)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``data`` : ndarray of shape (n_samples, ...); the array ``X``;
        - ``target`` : ndarray of shape (n_samples,) or, for soft labels, (n_samples, n_classes);
          the array ``y``;
        - ``groups`` : ndarray of shape (n_samples,); group (patient) of every row;
        - ``target_names`` : list of str; only if the file holds ``class_names``;
        - ``layout`` : str; what networks take the rows for, or the ways to read them;
        - ``filename`` : str; the path;
        - every other array of the file under its own name.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such npz file, it lacks an array, holds pickled objects or an array named
        like an attribute above, the lengths differ, or a group is missing.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skrobust.datasets import load_grouped_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "study.npz"
    ...     np.savez(path, X=np.eye(3), y=[0, 1, 1], groups=["p1", "p2", "p2"], age=[50, 61, 61])
    ...     study = load_grouped_npz(path)
    >>> study.data.shape, study.age.tolist()
    ((3, 3), [50, 61, 61])
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file {str(path.absolute())!r}. Check the path.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{str(path)!r} is not an npz file, as numpy.savez_compressed writes.")
    arrays = {}
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            try:
                arrays[name] = file[name]
            except (ValueError, zipfile.BadZipFile, EOFError) as error:
                raise ValueError(
                    f"{str(path)!r}: the array {name!r} cannot be read ({error}). Pickled objects "
                    "are refused, since loading them can run code: save strings as in "
                    "numpy.asarray(names, dtype=str); otherwise the file is damaged."
                ) from error
    required = ("X", "y", "groups")
    if missing := [name for name in required if name not in arrays]:
        raise ValueError(
            f"{str(path)!r} has no array named {' or '.join(missing)}; it holds {sorted(arrays)}. "
            "Save the file with the names X, y and groups."
        )
    X, y, groups = (arrays.pop(name) for name in required)
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y):
        raise ValueError(
            f"{str(path)!r}: X has shape {X.shape} and y has shape {y.shape}. Both need one entry "
            "per row."
        )
    parts = {"data": X, "target": y, "groups": check_groups(groups, len(X))}
    parts |= {"layout": describe_layout(X.shape[1:]), "filename": str(path)}
    if "class_names" in arrays:
        parts["target_names"] = [str(name) for name in arrays.pop("class_names")]
    if clash := sorted(set(parts) & set(arrays)):
        raise ValueError(
            f"{str(path)!r} holds arrays named {clash}, which are attributes of the result. Save "
            "them under other names."
        )
    return as_asked(return_X_y_groups, **parts, **arrays)
