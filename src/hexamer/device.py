"""Where the numbers are computed, and by how many threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from hexamer.errors import SettingsError

if TYPE_CHECKING:
    import torch

_alone = Lock()  # the number of threads is in part a setting of the process: two callers would undo each other's
Item = TypeVar("Item")
Found = TypeVar("Found")


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


def run_each(job: Callable[[Item], Found], items: Iterable[Item], device: "torch.device") -> list[Found]:
    """Run independent jobs; on a CPU as many at a time as torch has threads, each by one thread alone.

    How a sum is divided among threads decides its last bit. A job that one thread computes has the same result however
    many threads there are, and whatever runs beside it; and nobody waits for another inside a job.

    Parameters
    ----------
    job : callable
    items : iterable
    device : torch.device
        Elsewhere than on a CPU the jobs run one after the other.

    Returns
    -------
    list
        In the order of the items.

    Notes
    -----
    A job runs in another thread: contexts such as `torch.inference_mode` are its own to enter.

    Examples
    --------
    >>> run_each(lambda x: 2 * x, [1, 2, 3], pick_device("cpu"))
    [2, 4, 6]
    """
    import torch

    if device.type != "cpu":
        return [job(item) for item in items]
    threads = torch.get_num_threads()
    if threads == 1:
        return [job(item) for item in items]
    with _alone:
        return _run_threads(job, items, threads)


def _run_threads(job: Callable[[Item], Found], items: Iterable[Item], threads: int) -> list[Found]:
    import torch

    try:
        with ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1)) as pool:
            return list(pool.map(job, items))
    finally:
        torch.set_num_threads(threads)  # parts of the setting belong to the process
