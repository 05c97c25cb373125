"""Lines of a file: plain, gzip or bgzip, from disk or standard input, each with its number.

BED, FASTA and VCF are all read through `Input`, so that a damaged file gives the same one-line error everywhere: the
file, the line, what is wrong, what would work. Compression is told by the first bytes, never by the name.
Not here: what the lines mean (`intervals`, `fasta`, `variants`).

Source: RFC 1952 (gzip); SAM specification, section 4.1 (bgzip: blocks of gzip, closed by an empty block of 28 bytes).
"""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from hexamer.errors import InputError

BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
STANDARD_INPUT = "-"

Storage = Literal["plain", "gzip", "bgzip"]

# Enough to see the first decompressed bytes, little enough not to wait for a slow pipe.
_HEAD_BYTES = 1024


def storage_of(head: bytes) -> Storage:
    r"""Tell how a file is stored from its first 16 bytes or more.

    Examples
    --------
    >>> storage_of(b">chr1\nACGT"), storage_of(gzip.compress(b"ACGT")), storage_of(BGZIP_END)
    ('plain', 'gzip', 'bgzip')
    """
    if head[:2] != b"\x1f\x8b":
        return "plain"
    is_bgzip = len(head) >= 16 and bool(head[3] & 4) and head[12:16] == b"BC\x02\x00"
    return "bgzip" if is_bgzip else "gzip"


def list_some(names: Sequence[str], most: int = 5) -> str:
    """List names for a message: the first few, and how many there are.

    Examples
    --------
    >>> list_some(["a", "b", "c"], 2), list_some(["a"])
    ('a, b, ... (3)', 'a')
    """
    return ", ".join(map(str, names[:most])) + (f", ... ({len(names):,})" if len(names) > most else "")


def excerpt(text: str | bytes, length: int = 40) -> str:
    r"""Quote the beginning of a text on one line, for an error message.

    Examples
    --------
    >>> excerpt("a\tb"), excerpt(b"A" * 100, 5)
    ("'a\\tb'", "'AAAAA...'")
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="backslashreplace")
    return repr(text if len(text) <= length else text[:length] + "...")


class Input:
    r"""The bytes of one input, decompressed while they are read.

    Parameters
    ----------
    path : str or Path
        A file, or ``-`` for standard input.
    error : type of InputError
        What to raise: the error of the format being read.

    Attributes
    ----------
    name : str
        How messages call the input: the path, or ``<stdin>``.
    path : Path or None
        None where the bytes can be read only once (standard input, a pipe).
    storage : {"plain", "gzip", "bgzip"}
    first_bytes : bytes
        The beginning of the content, decompressed.

    Raises
    ------
    InputError
        The given kind, for a file that is missing, a directory, not readable, empty, or cut short.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(gzip.compress(b"chr20\t0\t10\n"))
    ...     file.flush()
    ...     with Input(file.name, InputError) as source:
    ...         source.storage, list(source)
    ('gzip', [(1, b'chr20\t0\t10\n')])
    """

    def __init__(self, path: str | Path, error: type[InputError]):
        self._error = error
        self._is_stdin = str(path) == STANDARD_INPUT
        self.name = "<stdin>" if self._is_stdin else str(path)
        file: Any = sys.stdin.buffer if self._is_stdin else self._open(Path(path))
        self.path = None if self._is_stdin or not Path(path).is_file() else Path(path)
        self._raw = _Replay(file)
        self._handle: io.BufferedReader = io.BufferedReader(self._raw)
        try:
            head = self._raw.peek(_HEAD_BYTES)
            if not head:
                raise error(f"{self.name}: the file is empty; give one with content")
            self.storage: Storage = storage_of(head)
            self.first_bytes = head if self.storage == "plain" else _inflate(head)
            if self.storage == "bgzip" and self.path is not None:
                self._check_end(_last_bytes(self.path, len(BGZIP_END)))
        except BaseException:
            self.close()
            raise
        if self.storage != "plain":
            self._handle = io.BufferedReader(gzip.GzipFile(fileobj=self._handle))

    def _open(self, path: Path) -> io.BufferedReader:
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise self._error(f"{path}: no such file; check the path") from None
        except IsADirectoryError:
            raise self._error(f"{path}: this is a directory; give a file in it") from None
        except OSError as problem:
            raise self._error(f"{path}: cannot be read ({problem.strerror}); check its permissions") from None

    def _check_end(self, tail: bytes) -> None:
        if tail != BGZIP_END:
            raise self._error(
                f"{self.name}: the file is cut short (bgzip without its end block); copy or download it again"
            )

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield (line number from 1, line with its line end)."""
        number = 0
        try:
            for line in self._handle:
                number += 1
                yield number, line
        except EOFError:
            place = f"{self.name}:{number + 1}"
            raise self._error(f"{place}: the gzip data is cut short here; copy or download the file again") from None
        except (OSError, zlib.error) as problem:
            place = f"{self.name}:{number + 1}"
            raise self._error(f"{place}: damaged data ({problem}); copy or download the file again") from None
        if self.storage == "bgzip":
            self._check_end(self._raw.tail)

    def read_raw(self) -> Iterator[bytes]:
        """Yield the stored bytes as they are, not decompressed; only before the first line is read."""
        while chunk := self._raw.read(1 << 20):
            yield chunk
        if self.storage == "bgzip":
            self._check_end(self._raw.tail)

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._handle.close()
        self._raw.close_file(keep=self._is_stdin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Replay(io.RawIOBase):
    """A file whose first bytes can be looked at, also where it cannot seek; `tail` is the last 28 bytes read."""

    def __init__(self, file: Any):
        super().__init__()
        self._file = file
        self._head = b""
        self.tail = b""

    def peek(self, size: int) -> bytes:
        while len(self._head) < size and (more := self._file.read1(size - len(self._head))):
            self._head += more
        return self._head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = len(buffer)
        data = self._head[:size] or self._file.read1(size)
        self._head = self._head[size:]
        buffer[: len(data)] = data
        self.tail = (self.tail + data[-len(BGZIP_END) :])[-len(BGZIP_END) :]
        return len(data)

    def close_file(self, keep: bool) -> None:
        self.close()
        if not keep:
            self._file.close()


def _inflate(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head)
    except zlib.error:
        return b""


def _last_bytes(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read()
