"""The index that lets a FASTA file be read by position, and where it is kept.

`.fai` (and for bgzip `.gzi`) lie beside the FASTA file, as samtools puts them, where that folder can be written;
otherwise in the cache folder, keyed by the file's absolute path, size and time of change. A file that cannot be
indexed (plain gzip, lines of uneven length, blank lines) is rewritten once into the cache as bgzip, line by line.
Every file gets its name only when it is complete, and two processes that make the same one write the same bytes.
Not here: reading sequence (`hexamer.genome.fasta`).

Source: http://www.htslib.org/doc/faidx.html (.fai); http://www.htslib.org/doc/bgzip.html (.gzi).
"""

import hashlib
import os
import secrets
import string
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hexamer.errors import GenomeError
from hexamer.genome.lines import STANDARD_INPUT, Input, excerpt, storage_of

Line = tuple[int, bytes, bytes]

_LETTERS = (string.ascii_letters + string.digits + string.punctuation).encode()
_BLANKS = b" \t\v\f\r\n"
_LINE_BASES = 60


class IndexedFasta(NamedTuple):
    """A FASTA file and its index: `.fai`, and for bgzip `.gzi` too."""

    fasta: Path
    fai: Path
    gzi: Path


def index_fasta(path: Path, *, cache: str | Path | None = None) -> IndexedFasta:
    """Find the index of a FASTA file, or make it.

    Parameters
    ----------
    path : Path
        FASTA, plain, gzip or bgzip.
    cache : str or Path, optional
        Folder for what cannot lie beside the file; by default `cache_folder`.

    Returns
    -------
    IndexedFasta
        Of the file itself, or of its bgzip copy in the cache.

    Raises
    ------
    GenomeError
        If the file is not FASTA, is damaged, names a contig twice, or the index can be written nowhere.
    """
    if str(path) == STANDARD_INPUT or path.is_fifo():
        raise GenomeError(f"{path}: a genome is read by position, so it cannot come through a pipe; give a file")
    with Input(path, GenomeError) as source:
        storage = source.storage
    path = path.absolute()  # a link is not followed: the index lies beside the link, as samtools has it
    beside = _named(path, path)
    folder = Path(cache) if cache is not None else cache_folder()
    stem = folder / f"{path.name}.{file_key(path)}"
    copy = stem.with_name(stem.name + ".fa.gz")
    if storage != "gzip" and _is_current(beside, is_bgzip=storage == "bgzip"):
        return beside
    for kept, is_bgzip in ((_named(path, stem), storage == "bgzip"), (_named(copy, copy), True)):
        if kept.fasta.exists() and _is_current(kept, is_bgzip=is_bgzip, check_time=False):
            return kept
    reason = "plain gzip, which cannot be read by position"
    try:
        if storage != "gzip":
            try:
                rows = fai_rows(fasta_lines(path))
            except _IrregularError as uneven:
                reason = str(uneven)
            else:
                return _write_index(beside if _is_writable(path.parent) else _named(path, stem), rows)
        return _rewrite(path, _named(copy, copy), reason)
    except OSError as problem:
        raise GenomeError(
            f"{path}: its index cannot be written ({problem}); set HEXAMER_CACHE to a folder with space"
        ) from None


def cache_folder() -> Path:
    """Return the folder for indexes: $HEXAMER_CACHE, else $XDG_CACHE_HOME/hexamer, else ~/.cache/hexamer."""
    if chosen := os.environ.get("HEXAMER_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hexamer"


def fasta_lines(path: str | Path, *, unique: bool = True) -> Iterator[Line]:
    """Yield (line number, line, what in it is not a printable letter) of a FASTA file, checked as it goes.

    Raises
    ------
    GenomeError
        If the first line that is not blank has no ">", a sequence has a byte that is not text, or, where `unique`, a
        contig has no name or the name of an earlier one.
    """
    seen: dict[bytes, int] = {}
    with Input(path, GenomeError) as source:
        has_header = False
        for number, line in source:
            space = line.translate(None, _LETTERS)
            if line.startswith(b">"):
                has_header = True
                if unique:
                    _check_name(line, number, source.name, seen)
            elif not has_header and line.strip(b"\xef\xbb\xbf" + _BLANKS):
                if line.startswith(b"\xef\xbb\xbf>"):
                    raise GenomeError(f"{source.name}:{number}: begins with a byte-order mark; save it as plain text")
                raise GenomeError(
                    f"{source.name}:{number}: not FASTA: expected a line that begins with '>', found {excerpt(line)}"
                )
            elif odd := space.translate(None, _BLANKS):
                raise GenomeError(
                    f"{source.name}:{number}: byte 0x{odd[0]:02x} in a sequence; FASTA holds letters (is it text?)"
                )
            yield number, line, space
        if not has_header:
            raise GenomeError(f"{source.name}: not FASTA: no line begins with '>'; give a file with sequences")


def _check_name(line: bytes, number: int, name: str, seen: dict[bytes, int]) -> None:
    words = line[1:].split(maxsplit=1)
    if not words:
        raise GenomeError(f"{name}:{number}: a sequence without a name; write one after '>'")
    if not words[0].isascii():
        raise GenomeError(f"{name}:{number}: the name {excerpt(words[0])} is not ASCII; rename it")
    if b"\r" in line.rstrip(b"\r\n"):
        raise GenomeError(f"{name}:{number}: lines end in a lone carriage return; convert with: tr '\\r' '\\n'")
    if earlier := seen.get(words[0]):
        raise GenomeError(
            f"{name}:{number}: contig {excerpt(words[0])} was already on line {earlier}; give each its own name"
        )
    seen[words[0]] = number


class _IrregularError(Exception):
    """The lines cannot be indexed as they are; the message says why and where."""


def fai_rows(lines: Iterable[Line]) -> list[str]:
    r"""Index FASTA lines: one `.fai` row (name, length, offset, bases and bytes of a line) for each sequence.

    Unlike ``samtools faidx``, which leaves them out, sequences of no bases are listed.

    Examples
    --------
    >>> fai_rows([(1, b">chr1 one\n", b" \n"), (2, b"ACGT\n", b"\n"), (3, b"AC\n", b"\n")])
    ['chr1\t6\t10\t4\t5']
    """
    rows: list[str] = []
    name, length, offset, bases, width, ended, at = "", 0, 0, 0, 0, False, 0

    def close() -> None:
        if name:
            rows.append(f"{name}\t{length}\t{offset}\t{bases}\t{width}")

    for number, line, space in lines:
        at += len(line)
        if line.startswith(b">"):
            close()
            if line[1:2].isspace():
                raise _IrregularError(f"white space between '>' and the name in line {number}")
            name, length, offset, bases, width, ended = line[1:].split()[0].decode(), 0, at, 0, 0, False
            continue
        here = len(line) - len(space)
        if here and (ended or space not in (b"\n", b"\r\n", b"") or (bases and here > bases)):
            raise _IrregularError(f"uneven, blank or spaced lines at line {number}")
        if not bases:
            bases, width = here, len(line)
        ended = ended or here < bases or len(line) != width or not here
        length += here
    close()
    return rows


def _rewrite(path: Path, copy: IndexedFasta, reason: str) -> IndexedFasta:
    """Write a bgzip copy with even lines, and its index."""
    import pysam  # 30 ms, only where something is written

    print(f"hexamer: {path}: {reason}; writing an indexed copy, once: {copy.fasta}", file=sys.stderr)
    copy.fasta.parent.mkdir(parents=True, exist_ok=True)
    with _unfinished(copy.fasta) as temporary:
        with pysam.BGZFile(str(temporary), "wb", None) as out:
            rows = fai_rows(_written(_even_lines(fasta_lines(path)), out.write))
        return _write_index(copy, rows, content=temporary)


def _even_lines(lines: Iterable[Line]) -> Iterator[Line]:
    pending = b""
    for number, line, space in lines:
        is_name = line.startswith(b">")
        pending += b"" if is_name else line.translate(None, _BLANKS)
        size = len(pending) if is_name else len(pending) // _LINE_BASES * _LINE_BASES
        for start in range(0, size, _LINE_BASES):
            yield number, pending[start : min(start + _LINE_BASES, size)] + b"\n", b"\n"
        pending = pending[size:]
        if is_name:
            yield number, b">" + line[1:].strip() + b"\n", space
    if pending:
        yield number, pending + b"\n", b"\n"


def _written(lines: Iterable[Line], write: Callable[[bytes], object]) -> Iterator[Line]:
    for line in lines:
        write(line[1])
        yield line


def _write_index(index: IndexedFasta, rows: list[str], *, content: Path | None = None) -> IndexedFasta:
    """Write the index; `content`, where the FASTA file is itself new, takes its final name first."""
    index.fai.parent.mkdir(parents=True, exist_ok=True)
    fasta = content or index.fasta
    with fasta.open("rb") as file:
        is_bgzip = storage_of(file.read(16)) == "bgzip"
    with _unfinished(index.gzi) as gzi, _unfinished(index.fai) as fai:
        fai.write_bytes("".join(row + "\n" for row in rows).encode())
        if is_bgzip:
            gzi.write_bytes(_gzi(fasta))
        if content is not None:
            content.replace(index.fasta)
        if is_bgzip:
            gzi.replace(index.gzi)
        fai.replace(index.fai)
    return index


def _gzi(path: Path) -> bytes:
    """List where each bgzip block after the first begins, compressed and decompressed, as 64-bit pairs."""
    blocks: list[tuple[int, int]] = []
    packed = content = 0
    with path.open("rb") as file:
        while head := file.read(18):
            if len(head) < 18 or storage_of(head) != "bgzip":
                raise GenomeError(f"{path}: damaged bgzip at byte {packed}; copy or download the file again")
            packed += struct.unpack_from("<H", head, 16)[0] + 1
            file.seek(packed - 4)
            content += struct.unpack("<I", file.read(4))[0]
            blocks.append((packed, content))
    # The empty block that closes the file, and what would follow it, hold no bases.
    del blocks[-2:]
    return struct.pack("<Q", len(blocks)) + b"".join(struct.pack("<QQ", *block) for block in blocks)


@contextmanager
def _unfinished(final: Path) -> Iterator[Path]:
    """Lend a name of one's own beside `final`; what is still there at the end is removed."""
    temporary = final.with_name(f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _named(fasta: Path, stem: Path) -> IndexedFasta:
    return IndexedFasta(fasta, stem.with_name(stem.name + ".fai"), stem.with_name(stem.name + ".gzi"))


def file_key(path: Path) -> str:
    """Name a version of a file, by path, size and time of change: 16 hexadecimal digits."""
    stat = path.stat()
    return hashlib.sha256(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}".encode(errors="surrogateescape")).hexdigest()[
        :16
    ]


def _is_writable(folder: Path) -> bool:
    # root may write anywhere: a folder without any write bit is a wish to be left alone, so the bits are asked first.
    return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)


def _is_current(index: IndexedFasta, *, is_bgzip: bool, check_time: bool = True) -> bool:
    """Tell whether the index exists, is no older than its FASTA file, and fits it."""
    needed = (index.fai, index.gzi) if is_bgzip else (index.fai,)
    if not all(file.is_file() for file in needed):
        return False
    stat = index.fasta.stat()
    if check_time and any(file.stat().st_mtime_ns < stat.st_mtime_ns for file in needed):
        return False
    end = 0
    try:
        for row in index.fai.read_text().splitlines():
            length, offset, bases, width = map(int, row.split("\t")[1:5])
            end = max(end, offset + (length // bases * width + length % bases if bases else 0))
    except (ValueError, OSError):
        return False
    # In a plain file the last base has to be inside; rows of a bgzip index count decompressed bytes.
    return end > 0 and (is_bgzip or end - 2 <= stat.st_size)
