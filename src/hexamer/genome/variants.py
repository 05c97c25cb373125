"""Variants: what differs from the reference, and the file it was written in.

`Variant` is one alternate allele, with the 1-based position of VCF. `VariantFile` reads VCF (plain, gzip, bgzip,
standard input) and BCF as a stream of `Record`; a record keeps its line byte for byte, so that what was read can be
written back with columns added. Text is divided by hand for that reason: htslib prints numbers anew.
Not here: left-alignment and comparison with the reference (`hexamer.effects`), genotypes
(`hexamer.genome.genotypes`).

Source: the VCF 4.3 and BCF 2.2 specification, https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from hexamer.errors import VariantError
from hexamer.genome.lines import Input, excerpt

Kind = Literal[
    "snv", "mnv", "insertion", "deletion", "delins", "symbolic", "breakend", "star", "iupac", "missing"
]  # fmt: skip

FIXED_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")

_BASES = frozenset("ACGTacgt")
# A contig's own name may hold the separator (HLA-A*01:01); the first all-letter field after a number ends the search.
_SPELLING = re.compile(r"(?P<chrom>\S+?)(?P<sep>[:-])(?P<pos>[0-9]+)(?P=sep)(?P<ref>[A-Za-z.]+)(?P=sep)(?P<alt>\S+)")
_HEADER_HINT = (
    r"put '##fileformat=VCFv4.2' and '#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO' (tabs) before the records"
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One alternate allele at a place of the forward strand, spelled as in VCF.

    Parameters
    ----------
    chrom : str
        Name of the chromosome or contig.
    pos : int
        1-based position of the first base of `ref`; 0 is the telomere, as VCF has it.
    ref, alt : str
        Alleles as written: bases, or in `alt` what VCF allows besides (``<DEL>``, breakends, ``*``, ``.``).

    Raises
    ------
    VariantError
        If a field is empty, holds white space or `alt` a comma, or `pos` is negative.

    Examples
    --------
    >>> variant = Variant.parse("20-1000226-A-T")
    >>> str(variant), variant.kind, variant.start, variant.end
    ('20:1000226:A:T', 'snv', 1000225, 1000226)
    """

    chrom: str
    pos: int
    ref: str
    alt: str

    def __post_init__(self) -> None:
        for field in (self.chrom, self.ref, self.alt):
            if not field or any(letter.isspace() for letter in field):
                raise VariantError(f"variant {excerpt(str(self))}: a field is empty or holds white space")
        if self.pos < 0 or "," in self.alt:
            raise VariantError(f"variant {excerpt(str(self))}: expected a position from 0 and one alternate allele")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``chrom:pos:ref:alt``, or the same with ``-`` between the fields, as gnomAD writes it.

        Raises
        ------
        VariantError
            If the text has another form.

        Examples
        --------
        >>> Variant.parse("HLA-A*01:01:7:G:GA")
        Variant(chrom='HLA-A*01:01', pos=7, ref='G', alt='GA')
        """
        match = _SPELLING.fullmatch(text.strip())
        if match is None:
            raise VariantError(f"variant {excerpt(text)}: expected chrom:pos:ref:alt, such as 20:1000226:A:T")
        return cls(match["chrom"], int(match["pos"]), match["ref"], match["alt"])

    def __str__(self) -> str:
        return f"{self.chrom}:{self.pos}:{self.ref}:{self.alt}"

    @property
    def start(self) -> int:
        """0-based start of `ref`; -1 for the telomere, position 0."""
        return self.pos - 1

    @property
    def end(self) -> int:
        """0-based, half-open end of `ref` as written; the END of a symbolic allele is not read."""
        return self.start + len(self.ref)

    @property
    def kind(self) -> Kind:
        """What sort of change this is.

        Shared bases at both ends do not count: CAT to CGT is an "snv". "iupac" is any letter outside A, C, G, T in
        either allele, N too; "missing" is an allele of ".". A `ref` equal to `alt` counts by its length.
        """
        if kind := _kind_of_notation(self.ref, self.alt):
            return kind
        ref, alt = self.ref.upper(), self.alt.upper()
        if len(ref) == len(alt):
            differing = sum(a != b for a, b in zip(ref, alt, strict=True)) or len(ref)
            return "snv" if differing == 1 else "mnv"
        shared = _shared(ref, alt)
        shared += _shared(ref[shared:][::-1], alt[shared:][::-1])
        if shared < min(len(ref), len(alt)):
            return "delins"
        return "insertion" if len(ref) < len(alt) else "deletion"


def _shared(ref: str, alt: str) -> int:
    """Count the letters that two alleles have in common at the beginning."""
    pairs = enumerate(zip(ref, alt, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(ref), len(alt)))


def _kind_of_notation(ref: str, alt: str) -> Kind | None:
    if "." in (ref, alt):
        return "missing"
    if alt == "*":
        return "star"
    if "[" in alt or "]" in alt or alt.startswith(".") or alt.endswith("."):
        return "breakend"
    if alt.startswith("<"):
        return "symbolic"
    return None if _BASES.issuperset(ref) and _BASES.issuperset(alt) else "iupac"


@dataclass(frozen=True, slots=True)
class Record:
    r"""One line of a variant file.

    Parameters
    ----------
    line : int
        Its number in the file, from 1 (of a BCF, as ``bcftools view`` would print it).
    text : str
        The line without its line end, nothing else changed. Bytes that are not UTF-8 are kept as surrogates:
        ``text.encode("utf-8", "surrogateescape")`` gives the bytes back.
    chrom, pos, id, ref : str, int, str, str
        The first four columns; `pos` is 1-based.
    alts : tuple of str
        The alternate alleles, one or more; ``(".",)`` where there is none.

    Examples
    --------
    >>> Record(7, "20\t5\t.\tA\tC,T\t.\t.\t.", "20", 5, ".", "A", ("C", "T")).variants[1]
    Variant(chrom='20', pos=5, ref='A', alt='T')
    """

    line: int
    text: str
    chrom: str
    pos: int
    id: str
    ref: str
    alts: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """All columns, as written."""
        return tuple(self.text.split("\t"))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """One variant for each alternate allele, in order."""
        return tuple(Variant(self.chrom, self.pos, self.ref, alt) for alt in self.alts)


class VariantFile:
    r"""The records of a VCF or BCF file, one after the other; like an open file, it is read once.

    Parameters
    ----------
    path : str, Path or Input
        VCF (plain, gzip, bgzip) or BCF; ``-`` for standard input. Only one record is in memory. BCF from a pipe is
        copied to a temporary file first. An `Input` of which no line was read is closed together with the file.

    Attributes
    ----------
    name : str
        How messages call the file: its path, or ``<stdin>``.
    header : list of str
        Lines without line ends; the last one begins with ``#CHROM``.
    samples : tuple of str

    Raises
    ------
    VariantError
        On opening or while reading, if the file is missing, empty, has no header, is cut short, or a line cannot be
        read; the message names file and line.

    Examples
    --------
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    ...     _ = file.write(b"20\t1000226\trs1\tA\tT,G\t.\tPASS\tAF=0.10\n")
    ...     file.flush()
    ...     with VariantFile(file.name) as records:
    ...         [(record.line, record.fields[7], str(record.variants[1])) for record in records]
    [(3, 'AF=0.10', '20:1000226:A:G')]
    """

    def __init__(self, path: str | Path | Input):
        self._source = path if isinstance(path, Input) else Input(path, VariantError)
        self.name = self._source.name
        self.header: list[str] = []
        try:
            is_bcf = self._source.first_bytes.startswith(b"BCF")
            self._lines = _bcf_lines(self._source) if is_bcf else iter(self._source)
            self._read_header()
        except BaseException:
            self.close()
            raise
        columns = self.header[-1].split("\t")
        self.samples = tuple(columns[9:])
        self._columns = len(columns)

    def _read_header(self) -> None:
        for number, line in self._lines:
            text = _text_of(line)
            self.header.append(text)
            if number == 1 and not text.startswith("##fileformat=VCF"):
                raise VariantError(f"{self.name}:1: not VCF: begins with {excerpt(text)}; {_HEADER_HINT}")
            if text.startswith("#CHROM"):
                if tuple(text.split("\t")[:8]) != FIXED_COLUMNS:
                    raise VariantError(
                        f"{self.name}:{number}: the #CHROM line has other columns than {' '.join(FIXED_COLUMNS)}, "
                        "or spaces between them; divide these by tabs"
                    )
                return
            if not text.startswith("##"):
                raise VariantError(f"{self.name}:{number}: a record before the #CHROM line; {_HEADER_HINT}")
        raise VariantError(f"{self.name}:{len(self.header)}: the file ends before a #CHROM line; {_HEADER_HINT}")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        for number, line in self._lines:
            text = _text_of(line)
            # An empty line at the end is common, and holds no record.
            if text:
                try:
                    return self._record(number, text)
                except VariantError as problem:
                    raise VariantError(f"{self.name}:{number}: {problem}") from None
        raise StopIteration

    def _record(self, number: int, text: str) -> Record:
        columns = text.count("\t") + 1
        if columns != self._columns or columns < len(FIXED_COLUMNS):
            raise VariantError(_complaint_of_columns(text, columns, self._columns))
        chrom, pos, name, ref, alt, _ = text.split("\t", 5)
        if not (pos.isascii() and pos.isdigit()):
            raise VariantError(f"POS is {excerpt(pos)}; expected a whole number from 0")
        alts = tuple(alt.split(","))
        for column, value in (("CHROM", chrom), ("REF", ref), *(("ALT", allele) for allele in alts)):
            if not value or len(value.split()) != 1 or value.strip() != value:
                raise VariantError(
                    f"{column} {excerpt(value)} is empty or holds white space; write '.' for a missing ALT"
                )
        return Record(number, text, chrom, int(pos), name, ref, alts)

    def close(self) -> None:
        """Close the file."""
        close_lines: Any = getattr(getattr(self, "_lines", None), "close", None)
        if close_lines is not None:
            close_lines()
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _text_of(line: bytes) -> str:
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", errors="surrogateescape")


def _complaint_of_columns(text: str, columns: int, expected: int) -> str:
    if text.startswith("#"):
        return "a second header after the records; join files with bcftools concat, not cat"
    if columns < len(FIXED_COLUMNS) and len(text.split()) >= len(FIXED_COLUMNS):
        return "spaces between the columns; divide them by tabs, for instance with: tr -s ' ' '\\t'"
    return f"{columns} columns where the #CHROM line has {expected}; the line is cut or has a tab too many"


def _bcf_lines(source: Input) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of a BCF file as VCF text, as ``bcftools view`` prints it."""
    import pysam  # 30 ms, only for BCF

    with tempfile.NamedTemporaryFile(suffix=".bcf") as copy:
        if source.path is None:
            for chunk in source.read_raw():
                copy.write(chunk)
            copy.flush()
        number = 0
        try:
            loudness = pysam.set_verbosity(0)  # htslib would print its own lines beside ours
            try:
                file = pysam.VariantFile(str(source.path or copy.name))
            finally:
                pysam.set_verbosity(loudness)
            with file:
                for number, line in enumerate(str(file.header).splitlines(), start=1):
                    yield number, line.encode("utf-8", "surrogateescape")
                for record in file:
                    number += 1
                    yield number, str(record).encode("utf-8", "surrogateescape")
        except (OSError, ValueError) as problem:
            raise VariantError(
                f"{source.name}:{number + 1}: damaged or cut BCF ({excerpt(str(problem), 60)}); copy it again"
            ) from None


def read_variants(path: str | Path) -> list[Variant]:
    r"""Read all alternate alleles of a VCF or BCF file into memory.

    Parameters
    ----------
    path : str or Path
        As `VariantFile`.

    Returns
    -------
    list of Variant
        One for each alternate allele, in the order of the file.

    Raises
    ------
    VariantError
        As `VariantFile`.

    Examples
    --------
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    ...     _ = file.write(b"20\t7\t.\tA\tT,G\t.\t.\t.\n")
    ...     file.flush()
    ...     [str(variant) for variant in read_variants(file.name)]
    ['20:7:A:T', '20:7:A:G']
    """
    with VariantFile(path) as records:
        return [variant for record in records for variant in record.variants]
