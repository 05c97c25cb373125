"""What this machine's processor is, as far as kernels care. Linux only; elsewhere nothing is known."""

from functools import cache
from pathlib import Path
from typing import NamedTuple


class Processor(NamedTuple):
    """Maker and instruction sets, in Linux's words."""

    vendor: str
    flags: frozenset[str]


@cache
def this_processor(cpuinfo: str = "/proc/cpuinfo") -> Processor:
    """Read what the kernel says of the first core.

    Parameters
    ----------
    cpuinfo : str
        File to read.

    Returns
    -------
    Processor
        Empty where the file is missing.
    """
    try:
        first = Path(cpuinfo).read_text().split("\n\n")[0]
    except OSError:
        first = ""
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    return Processor(said.get("vendor_id", ""), frozenset(said.get("flags", "").split()))
