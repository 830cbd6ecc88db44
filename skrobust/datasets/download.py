"""Files from the net: resumed where a download broke off, and checked."""

from __future__ import annotations

import hashlib
import os
import shutil
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of downloaded data, made if it is missing.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. None takes the environment variable SKROBUST_DATA or, without it,
        ``~/skrobust_data``.

    Returns
    -------
    data_home : Path
        The folder.
    """
    if data_home is None:
        data_home = os.environ.get("SKROBUST_DATA", "~/skrobust_data")
    folder = Path(data_home).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def download(url: str, path: Path, sha256: str, *, n_retries: int = 3, timeout: float = 60) -> None:
    """Download a file, unless it is there.

    What has come so far is kept in ``<path>.part``, where the next try or the next call goes on.

    Parameters
    ----------
    url : str
        Its address.
    path : Path
        Where to put it.
    sha256 : str
        Checksum that it must have.
    n_retries : int, default=3
        Tries after the first one that failed.
    timeout : float, default=60
        Seconds without an answer that count as a failure.

    Raises
    ------
    OSError
        If the last try fails, or the checksum is another; then nothing is left behind.
    """
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
                    f"{url} could not be downloaded: {error}. Call again to go on from where it "
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
    """Append what is missing of a file; start anew if the server cannot go on."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "skrobust"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with urlopen(Request(url, headers=headers), timeout=timeout) as answer:
            mode = "ab" if answer.status == 206 else "wb"
            with part.open(mode) as file:
                shutil.copyfileobj(answer, file, 2**20)
            expected = answer.headers.get("Content-Length")
            got = part.stat().st_size - (start if mode == "ab" else 0)
            # a connection that is cut counts as an end of file
            if expected is not None and got != int(expected):
                raise OSError(f"{got} of {expected} bytes came")
    except HTTPError as error:
        # the file is complete already: nothing is left to send
        if error.code != 416:
            raise
