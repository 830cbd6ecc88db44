"""Where to compute."""

from __future__ import annotations

import torch


def resolve_device(device: str) -> str:
    """Return a torch device name that exists here.

    Parameters
    ----------
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ..., or ``"auto"``: CUDA where there is
        a GPU, otherwise the CPU.

    Returns
    -------
    device : str
        The device to use.

    Raises
    ------
    ValueError
        If CUDA is asked for and not there, or torch does not know the name.

    Examples
    --------
    >>> from skrobust.training import resolve_device
    >>> resolve_device("cpu")
    'cpu'
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not known to torch. Use 'cpu', 'cuda', 'cuda:<index>' or 'auto'."
        ) from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r}, but torch sees no CUDA device here. Use 'cpu', or 'auto' to take "
            "a GPU only where there is one."
        )
    return device
