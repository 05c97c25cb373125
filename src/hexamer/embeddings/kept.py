"""Vectors kept by content, in one file that several runs can read and write: what was embedded once is never again.

A name is made of all that a vector depends on, so that it is never of something else; a file that cannot be used is no
error, and costs time only. Not here: what is embedded.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from hexamer.embeddings.pooling import Vectors

_PATIENCE = 60.0  # seconds to wait while another process writes
_AT_ONCE = 500  # names in a question: SQLite takes 999 at least


class KeptVectors:
    """Arrays of float32 by name.

    Parameters
    ----------
    path : Path, optional
        File to keep them in, made if need be; None keeps nothing.

    Examples
    --------
    >>> with KeptVectors(Path(":memory:")) as kept:
    ...     kept.keep({b"one": np.ones((2, 3), dtype=np.float32)})
    ...     sorted(kept.recall([b"one", b"two"])), kept.recall([b"one"])[b"one"].shape
    ([b'one'], (2, 3))
    """

    def __init__(self, path: Path | None) -> None:
        self._file: sqlite3.Connection | None = None
        if path is None:
            return
        with suppress(OSError, sqlite3.Error):
            if str(path) != ":memory:":
                path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._file = _open(path)
            except sqlite3.OperationalError:  # locked, or not to be written
                pass
            except sqlite3.DatabaseError:  # damaged
                path.unlink(missing_ok=True)
                self._file = _open(path)

    def recall(self, names: Iterable[bytes]) -> dict[bytes, Vectors]:
        """Find what is known of some names.

        Parameters
        ----------
        names : iterable of bytes

        Returns
        -------
        dict of bytes to float32 array
        """
        wanted, found = list(names), {}
        if self._file is None:
            return {}
        with suppress(sqlite3.Error):
            for i in range(0, len(wanted), _AT_ONCE):
                some = wanted[i : i + _AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._file.execute(f"SELECT name, shape, data, sum FROM kept WHERE name IN ({marks})", some)
                for name, shape, data, checksum in rows:
                    with suppress(ValueError, TypeError, AttributeError):  # of a damaged file
                        if zlib.crc32(data) == checksum:
                            found[name] = np.frombuffer(data, dtype="<f4").reshape(
                                [int(size) for size in shape.split()]
                            )
        return found

    def keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Keep arrays; all of them or, where that is not possible, none.

        Parameters
        ----------
        vectors : mapping of bytes to float32 array
        """
        if self._file is None:
            return
        rows = [
            (name, " ".join(map(str, array.shape)), data, zlib.crc32(data))
            for name, array in vectors.items()
            for data in [np.ascontiguousarray(array, dtype="<f4").tobytes()]
        ]
        with suppress(sqlite3.Error), self._file:
            self._file.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _open(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute("CREATE TABLE IF NOT EXISTS kept (name BLOB PRIMARY KEY, shape TEXT, data BLOB, sum INTEGER)")
        file.execute("SELECT name FROM kept LIMIT 1").fetchall()
    except BaseException:
        file.close()
        raise
    return file
