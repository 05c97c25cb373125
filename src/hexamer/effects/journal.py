"""Scores as they come, so that a run that was killed can go on.

`OUT.partial` begins with a line of facts, what the scores depend on; blocks follow, one per piece: a line for each
record (its alleles divided by tabs, each `score,score` or `;reason`), and a line that closes the block with counts and
a checksum. A block is there whole or does not count. Not here: the final files (`writers`).
"""

import fcntl
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hexamer.effects.forwards import Forwards
from hexamer.errors import OutputError

Values = npt.NDArray[np.float32]
ScoredRecord = tuple[Values, Sequence[str]]
"""Scores [alleles, scores] of a record, and for each allele a reason or an empty string."""


_CLOSING = re.compile(rb"#([0-9]+) ([0-9]+) ([0-9]+) ([0-9a-f]{8})\n")


def spell(value: np.float32) -> str:
    """Shortest text that reads back as the same float32; empty for NaN.

    Examples
    --------
    >>> spell(np.float32(0.1)), spell(np.float32("nan"))
    ('0.1', '')
    """
    return "" if np.isnan(value) else str(value)


def journal_path(out: Path) -> Path:
    """Where the journal of a file lies."""
    return out.with_name(out.name + ".partial")


def differing(facts: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Names of the facts in which two runs differ."""
    return [name for name in {**facts, **others} if facts.get(name) != others.get(name)]


class Journal:
    """The scores of a run, in a file that is only appended to.

    Parameters
    ----------
    out : Path
        What the run writes; the journal lies beside it.
    facts : mapping
        What the scores depend on, as JSON has it.
    columns : int
        How many scores an allele has.
    resume : bool
        Go on with what an earlier run left, if there is something.

    Attributes
    ----------
    pieces, records : int
        Whole pieces in it, and their records.
    forwards : Forwards
        What they took.

    Raises
    ------
    OutputError
        If it cannot be written, belongs to another run, is being written, or exists and `resume` was not asked for.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any], *, columns: int, resume: bool) -> None:
        self.path, self._columns = journal_path(out), columns
        self.pieces = self.records = 0
        self.forwards = Forwards()
        if self.path.exists() and not resume:
            raise OutputError(
                f"{self.path}: an earlier run was stopped here; --resume goes on with it, removing the file begins anew"
            )
        try:
            self._file = self.path.open("ab", buffering=0)
        except OSError as problem:
            raise OutputError(f"{self.path}: cannot be written ({problem.strerror})") from None
        try:
            self._lock()
            self._find_end(facts)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{self.path}: another process is writing it; wait for it, or stop it") from None
        except OSError:
            pass  # a file system without locks

    def _find_end(self, facts: Mapping[str, Any]) -> None:
        """Read what is whole, drop the rest; write the line of facts if it is not there."""
        with self.path.open("rb") as file:
            first = file.readline()
            end = len(first) if first.endswith(b"\n") else 0
            if end:
                self._check(first, facts)
                for size, records, forwards in _blocks(file):
                    end += size
                    self.pieces, self.records = self.pieces + 1, self.records + records
                    self.forwards += forwards
        self._file.truncate(end)
        if not end:
            self._append(json.dumps(facts).encode() + b"\n")

    def _check(self, first: bytes, facts: Mapping[str, Any]) -> None:
        try:
            others = json.loads(first)
        except ValueError:
            others = {}
        others = others if isinstance(others, dict) else {}
        if differences := differing(json.loads(json.dumps(facts)), others):
            raise OutputError(
                f"{self.path}: belongs to a run with other {', '.join(differences)}; "
                "write under another name, or remove it to begin anew"
            )

    def append(self, records: Sequence[ScoredRecord], forwards: Forwards) -> None:
        """Add a piece; it is in the file, whatever happens next, when this returns."""
        block = "".join(_line(*record) for record in records).encode()
        counts = f"#{len(records)} {forwards.run} {forwards.asked} {zlib.crc32(block):08x}\n"
        self._append(block + counts.encode())
        self.pieces, self.records = self.pieces + 1, self.records + len(records)
        self.forwards += forwards

    def _append(self, block: bytes) -> None:
        try:
            while block:
                block = block[self._file.write(block) :]
        except OSError as problem:
            raise OutputError(
                f"{self.path}: cannot be written ({problem.strerror}); --resume goes on when that is mended"
            ) from None

    def __iter__(self) -> Iterator[ScoredRecord]:
        """Read the records from the first on."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                if not line.startswith(b"#"):
                    yield self._read_line(line.decode().rstrip("\n"))

    def _read_line(self, line: str) -> ScoredRecord:
        alleles = [allele.partition(";")[::2] for allele in line.split("\t")]
        values = np.full((len(alleles), self._columns), np.nan, dtype=np.float32)
        for row, (scores, reason) in zip(values, alleles, strict=True):
            if not reason:
                row[:] = [score or "nan" for score in scores.split(",")]
        return values, [reason for _, reason in alleles]

    def remove(self) -> None:
        """Remove the file: what was in it is in another."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None and not self.pieces:
            self.remove()
        self.close()


def _blocks(file: Iterable[bytes]) -> Iterator[tuple[int, int, Forwards]]:
    """Yield bytes, records and forwards of each block, until one is not whole."""
    size = records = crc = 0
    for line in file:
        size += len(line)
        if not line.startswith(b"#"):
            records, crc = records + 1, zlib.crc32(line, crc)
            continue
        closing = _CLOSING.fullmatch(line)
        if closing is None or int(closing[1]) != records or int(closing[4], 16) != crc:
            return
        yield size, records, Forwards(int(closing[2]), int(closing[3]))
        size = records = crc = 0


def _line(values: Values, reasons: Sequence[str]) -> str:
    alleles = (
        ";" + reason if reason else ",".join(spell(value) for value in row)
        for row, reason in zip(values, reasons, strict=True)
    )
    return "\t".join(alleles) + "\n"
