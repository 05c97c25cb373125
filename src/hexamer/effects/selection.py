"""Which records of a variant file are read: all, those in some regions, or one shard's share of them.

Regions keep the file's order and give each record once, through the file's index where it has one. A record is in a
region if its REF, or with END in INFO what it spans, shares a base with it. Shards take turns at pieces of `PIECE`
records, so that each gets its share of every contig. Not here: what becomes of the records (`annotate`).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from hexamer.effects.score import PIECE
from hexamer.errors import SettingsError, VariantError
from hexamer.genome import Genome, Interval, Record, VariantFile, open_variants, read_intervals
from hexamer.genome.lines import STANDARD_INPUT, Input, excerpt

Numbered = tuple[int, Record]
"""A record and its number, from 0, among the records that are read."""

Span = tuple[int, int]

_WHOLE = (-1, 1 << 60)  # position 0 is the telomere; what lies past the end comes back with a reason
_BED = (".bed", ".bed.gz")
_END = re.compile(r"(?:^|;)END=([0-9]+)(?:;|$)")
_GROUP_OF_DIGITS = re.compile(r"[0-9]{3}(?:-[0-9]{1,3})?")


class Source(Protocol):
    """Records with the header of their file."""

    header: list[str]
    name: str

    def __iter__(self) -> Iterator[Record]:
        """Yield the records."""


class Regions:
    """Stretches of contigs, under any of their names.

    Parameters
    ----------
    spans : iterable of (str, (int, int))
        Contig, and 0-based, half-open start and end.
    genome : Genome
        Says which names mean the same contig.
    """

    def __init__(self, spans: Iterable[tuple[str, Span]], genome: Genome) -> None:
        self._genome = genome
        self._spans: dict[str, list[Span]] = {}
        for chrom, (start, end) in sorted((self._own_name(chrom), span) for chrom, span in spans):
            same = self._spans.setdefault(chrom, [])
            if same and start <= same[-1][1]:
                start, end = same[-1][0], max(end, same.pop()[1])
            same.append((start, end))

    def _own_name(self, chrom: str) -> str:
        return self._genome.resolve(chrom) if chrom in self._genome else chrom

    def spans(self, chrom: str) -> list[Span]:
        """Disjoint spans on a contig, in order."""
        return self._spans.get(self._own_name(chrom), [])

    def __contains__(self, record: object) -> bool:
        if not isinstance(record, Record) or not (spans := self.spans(record.chrom)):
            return False
        start, end = _span_of(record)
        before = bisect_right(spans, start, key=lambda span: span[0]) - 1
        return any(s < end and start < e for s, e in spans[max(before, 0) : before + 2])

    @property
    def names(self) -> list[str]:
        """Region strings, those that touch joined."""
        return [
            chrom if span == _WHOLE else f"{chrom}:{span[0] + 1}-{span[1]}"
            for chrom, spans in self._spans.items()
            for span in spans
        ]


def _span_of(record: Record) -> Span:
    start = record.pos - 1
    end = start + len(record.ref)
    if "END=" in record.text and (found := _END.search(record.text.split("\t", 8)[7])):
        end = max(end, int(found[1]))
    return start, end


def read_regions(given: str | Sequence[str | Interval], genome: Genome) -> Regions | None:
    """Read regions in any form.

    Parameters
    ----------
    given : str, or sequence of str and Interval
        Region strings (`20:1,000-2,000`), contigs, comma lists of both, or names of BED files.
    genome : Genome

    Returns
    -------
    Regions or None
        None if none is given.

    Raises
    ------
    IntervalError
        If a region or a BED file cannot be read.
    GenomeError
        If a region's contig is not in the genome; a BED file may have others.
    """
    spans: list[tuple[str, Span]] = []
    for item in [given] if isinstance(given, str) else given:
        if isinstance(item, Interval):
            spans.append((item.chrom, (item.start, item.end)))
        elif item.endswith(_BED) or Path(item).is_file():
            spans += [(found.chrom, (found.start, found.end)) for found in read_intervals(item)]
        else:
            spans += [_read_region(text, genome) for text in _split_list(item)]
    return Regions(spans, genome) if spans else None


def _split_list(text: str) -> list[str]:
    """Split at commas, except those within a number: 20:1,000-2,000,21 is two."""
    found: list[str] = []
    for part in text.split(","):
        if found and ":" in found[-1] and _GROUP_OF_DIGITS.fullmatch(part):
            found[-1] += "," + part
        else:
            found.append(part.strip())
    return found


def _read_region(text: str, genome: Genome) -> tuple[str, Span]:
    if text in genome or ":" not in text:
        return genome.resolve(text), _WHOLE
    interval = Interval.parse(text)
    return genome.resolve(interval.chrom), (interval.start, interval.end)


def is_stream(path: str | Path) -> bool:
    """Whether an input can be read only once: standard input or a pipe."""
    return str(path) == STANDARD_INPUT or (Path(path).exists() and not Path(path).is_file())


@contextmanager
def open_records(path: str | Path, genome: Genome, regions: Regions | None = None) -> Iterator[Source]:
    """Open variants in any form.

    Parameters
    ----------
    path : str or Path
        As `open_variants`.
    genome : Genome
        Where bases are read that a table's alleles leave out.
    regions : Regions, optional
        Only their records.

    Yields
    ------
    Source

    Raises
    ------
    VariantError
        As `open_variants`.
    """
    index = _find_index(Path(path)) if regions is not None and not is_stream(path) else None
    opened = open_variants(path, genome) if index is None or regions is None else _IndexedFile(path, index, regions)
    with opened as file:
        yield file if regions is None else _Chosen(file, regions)


class _Chosen:
    """The records of a file that are in regions."""

    def __init__(self, file: Source, regions: Regions) -> None:
        self.header, self.name = file.header, file.name
        self._file, self._regions = file, regions

    def __iter__(self) -> Iterator[Record]:
        return (record for record in self._file if record in self._regions)


class _Index(NamedTuple):
    path: Path
    is_bcf: bool


def _find_index(path: Path) -> _Index | None:
    """Find the index beside a VCF or BCF file, if there is one and it is no older."""
    with Input(path, VariantError) as source:
        is_bcf = source.first_bytes.startswith(b"BCF")
        if source.storage != "bgzip" or not (is_bcf or source.first_bytes.startswith(b"##fileformat=VCF")):
            return None
    for suffix in (".csi",) if is_bcf else (".tbi", ".csi"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_mtime_ns >= path.stat().st_mtime_ns:
            return _Index(beside, is_bcf)
    return None


class _IndexedFile(VariantFile):
    """A file of which only the lines near regions are read. Their numbers are not known, and given as 0."""

    def __init__(self, path: str | Path, index: _Index, regions: Regions) -> None:
        super().__init__(path)
        self._lines = _lines_by_index(Path(path), index, regions)


def _lines_by_index(path: Path, index: _Index, regions: Regions) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that may be in regions, in the file's order, each once."""
    try:
        with _open_indexed(path, index) as file:
            contigs = _contigs_in_order(file, regions) if index.is_bcf else file.contigs
            for contig in contigs:
                last = -1
                for start, end in regions.spans(contig):
                    for line in file.fetch(contig, max(start, 0), None if end == _WHOLE[1] else end):
                        text = str(line).encode("utf-8" if index.is_bcf else "latin-1", "surrogateescape")
                        # What reaches over from the span before has come with it.
                        if int(text.split(b"\t", 2)[1]) - 1 >= last:
                            yield 0, text
                    last = end
    except (OSError, ValueError) as problem:
        raise VariantError(
            f"{path}: cannot be read with its index ({excerpt(str(problem), 60)}); remove {index.path} and try again"
        ) from None


def _open_indexed(path: Path, index: _Index) -> Any:
    import pysam  # 30 ms, only where an index is read

    loudness = pysam.set_verbosity(0)  # htslib would print its own lines beside ours
    try:
        if index.is_bcf:
            return pysam.VariantFile(str(path), index_filename=str(index.path))
        # Any byte is a letter of Latin-1, so that lines come through as they are.
        return pysam.TabixFile(str(path), index=str(index.path), encoding="latin-1")
    finally:
        pysam.set_verbosity(loudness)


def _contigs_in_order(file: Any, regions: Regions) -> list[str]:
    """List the contigs of a BCF in the order of their records, which may not be the header's."""
    places = {}
    for contig in file.header.contigs:
        if regions.spans(contig) and next(file.fetch(contig), None) is not None:
            places[contig] = file.tell()
    return sorted(places, key=lambda contig: places[contig])


@dataclass(frozen=True)
class Shard:
    """One of several equal shares of a file.

    Parameters
    ----------
    index, of : int
        Which one, from 1, and how many there are.

    Raises
    ------
    SettingsError
        If there is no such share.

    Examples
    --------
    >>> shard = Shard.parse("2/3")
    >>> [piece for piece in range(7) if shard.has(piece)], shard.number(0) == PIECE
    ([1, 4], True)
    """

    index: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.of:
            raise SettingsError(f"shard {self}: expected one from 1/{max(self.of, 1)} to {max(self.of, 1)}/{self.of}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `i/n`; SettingsError if it has another form."""
        parts = text.split("/")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
            raise SettingsError(f"shard {excerpt(text)}: expected i/n, such as 1/8 for the first of eight")
        return cls(int(parts[0]), int(parts[1]))

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def has(self, piece: int) -> bool:
        """Whether a piece of the input, counted from 0, is in this share."""
        return piece % self.of == self.index - 1

    def share(self, records: int) -> int:
        """Tell how many of an input's records are in this share."""
        pieces, rest = divmod(records, PIECE)
        whole = len(range(self.index - 1, pieces, self.of))
        return whole * PIECE + (rest if self.has(pieces) else 0)

    def number(self, place: int) -> int:
        """Tell the number in the input, from 0, of this share's record at a place, from 0."""
        piece, within = divmod(place, PIECE)
        return (piece * self.of + self.index - 1) * PIECE + within


def read_pieces(source: Iterable[Record], shard: Shard) -> Iterator[list[Numbered]]:
    """Yield the pieces of a shard, each of up to `PIECE` records with their numbers."""
    numbered = enumerate(source)
    for piece in count():
        records = list(islice(numbered, PIECE))
        if not records:
            return
        if shard.has(piece):
            yield records
