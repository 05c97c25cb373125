"""Archives of published files, read as if they were folders.

An archive (tar, plain or compressed, or zip) is unpacked once, below `benchmarks` in the cache folder, under a name
that changes with the archive. Only plain files are taken; a member that would land outside the folder stops it.
Not here: which of the files a task is in (`layouts`).
"""

import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from hexamer.errors import InputError
from hexamer.genome.index import cache_folder, file_key
from hexamer.genome.lines import excerpt

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".zip")
"""How the name of an archive ends."""

_FAULTS = (OSError, EOFError, RuntimeError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error)


def is_archive(path: Path) -> bool:
    """Tell whether a path is a file with the name of an archive."""
    return path.name.endswith(ENDINGS) and path.is_file()


def unpack(path: str | Path) -> Path:
    """Unpack an archive into the cache, or find it there.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path
        The folder with its files.

    Raises
    ------
    InputError
        If it is damaged, cannot be written, or has a member that leads out of the folder.
    """
    path = Path(path).absolute()
    folder = cache_folder() / "benchmarks" / f"{path.name}.{file_key(path)}"
    if folder.is_dir():
        return folder
    try:
        with _unfinished(folder) as unfinished:
            for name, content in _members(path):
                target = unfinished.joinpath(*_inside(name, path))
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
    except _FAULTS as problem:
        raise InputError(
            f"{path}: cannot be unpacked ({excerpt(str(problem), 80)}); copy the archive again, or set HEXAMER_CACHE "
            "to a folder with space"
        ) from None
    return folder


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Yield a folder that gets its name when all went well, and vanishes otherwise."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        yield temporary
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same files
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and content of each plain file, one after the other; links and devices are nothing to read."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    with archive.open(entry) as content:
                        yield entry.filename, content
        return
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isreg() and (file := archive.extractfile(member)):
                yield member.name, file


def _inside(name: str, path: Path) -> tuple[str, ...]:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        raise InputError(
            f"{path}: its member {excerpt(name, 80)} leads out of the folder; an archive of relative names would work"
        )
    return parts
