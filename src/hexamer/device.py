"""Where the numbers are computed."""

from typing import TYPE_CHECKING

from hexamer.errors import SettingsError

if TYPE_CHECKING:
    import torch


def pick_device(device: str = "auto") -> "torch.device":
    """Choose a torch device.

    Parameters
    ----------
    device : str
        "auto" (CUDA where there is one, else the CPU), "cpu", "cuda" or "cuda:N".

    Returns
    -------
    torch.device

    Raises
    ------
    SettingsError
        If there is no such device on this machine.

    Examples
    --------
    >>> pick_device("cpu").type
    'cpu'
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise SettingsError(f"device {device!r} is unknown; auto, cpu, cuda or cuda:0 would work") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices; cpu would work"
        )
    if found.type not in ("cpu", "cuda", "mps"):
        raise SettingsError(f"device {device!r} is not supported; auto, cpu or cuda would work")
    return found
