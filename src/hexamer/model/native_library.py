"""The project's own kernels as a library: compiled on first use, loaded beside torch.

`native_*.cpp` are compiled with the system's compiler into the cache folder, once per source, flags and compiler. What
stands in the way (no compiler, an older processor, a cache that cannot be written) is told as a reason, never raised.
Not here: what the kernels do, and whether they do it right (`native`).
"""

import ctypes
import hashlib
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

import torch

from hexamer.genome.index import cache_folder
from hexamer.model.processor import this_processor

SOURCES = tuple(sorted(Path(__file__).parent.glob("native*.[ch]*")))
INSTRUCTIONS = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")
"""What the processor must have; bfloat16 needs avx512_bf16 too."""
# No -march: the flags name what the kernels use, and nothing runs before the processor was asked.
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-mavx512bf16", *(f"-m{name}" for name in INSTRUCTIONS))


class UnusableError(Exception):
    """There is no library on this machine; the message says why."""


@cache
def load_library() -> tuple[ctypes.CDLL | None, str]:
    """Build and load the library; asked once a process.

    Returns
    -------
    library : ctypes.CDLL or None
    reason : str
        Why there is none; empty if there is one.
    """
    try:
        if missing := set(INSTRUCTIONS) - this_processor().flags:
            raise UnusableError(f"the processor has no {', '.join(sorted(missing))}")
        _share_threads()
        return ctypes.CDLL(str(_build(_find_compiler(), cache_folder() / "native"))), ""
    except (UnusableError, OSError, subprocess.SubprocessError) as reason:
        return None, " ".join(str(reason).split())


def _share_threads() -> None:
    """Make torch's OpenMP runtime visible: with a second one, two pools of threads would fight for the cores."""
    paths = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    runtimes = [path for path in paths if Path(path).name.startswith(("libgomp", "libiomp", "libomp"))]
    if not runtimes:
        raise UnusableError("torch runs without OpenMP")
    home = str(Path(torch.__file__).parent)  # its own folder, or torch.libs beside it
    ctypes.CDLL(max(runtimes, key=lambda path: (path.startswith(home), path)), mode=ctypes.RTLD_GLOBAL)


def _find_compiler() -> str:
    for name in ("c++", "g++", "clang++"):
        if found := shutil.which(name):
            return found
    raise UnusableError("no C++ compiler (c++, g++ or clang++)")


def _build(compiler: str, folder: Path) -> Path:
    """Compile the library unless that was done before, and return its path."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=30).stdout
    parts = [*(source.read_bytes() for source in SOURCES), " ".join(FLAGS).encode(), version]
    library = folder / f"{hashlib.sha256(b'|'.join(parts)).hexdigest()[:20]}.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    built = library.with_suffix(f".{secrets.token_hex(4)}")  # processes that build at once do not meet
    try:
        sources = [str(source) for source in SOURCES if source.suffix == ".cpp"]
        command = [compiler, *FLAGS, "-shared", *sources, "-o", str(built)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            raise UnusableError(f"{compiler} could not build it: {first}")
        built.rename(library)
    finally:
        built.unlink(missing_ok=True)
    return library
