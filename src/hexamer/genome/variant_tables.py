r"""Variants that are not VCF: tables with a header, lists of spelled variants, Parquet.

`VariantTable` gives the same `Record` stream as `VariantFile`, so that whoever takes one takes the other;
`open_variants` opens either. The first bytes and the first line that is not empty decide, never the name of the file:

1. ``##...``, BCF, or ``#CHROM`` with the columns of VCF up to QUAL: `VariantFile`.
2. ``PAR1``: Parquet, with the columns of 3.
3. Names of columns, divided by tabs if there is one, else by commas: a table. Capitals and a ``#`` in front make no
   difference. Either chrom (chr, chromosome, contig), pos (position, bp), ref (reference, ref_allele) and alt
   (alternate, alt_allele, alternate_allele), or one column of spelled variants: variant, variant_id or spdi. The first
   of id, rsid, snp, variant_id and name that is left becomes the ID. All other columns are only kept.
4. Anything else is a list without a header. A line begins with a spelled variant (a tab, comma or space ends it), or is
   ``chrom pos ref alt`` and whatever follows, divided by tabs, or else by spaces.

`pos` counts from 1. An allele ``-`` in a table with a header is read as ANNOVAR writes it.
Not here: VCF and BCF (`variants`), one spelled variant and ANNOVAR's ``-`` (`spellings`), left-alignment (`normalise`).
"""

import codecs
import csv
import re
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hexamer.errors import VariantError
from hexamer.genome.fasta import Genome
from hexamer.genome.lines import Input, excerpt
from hexamer.genome.spellings import Alleles, fill_as_annovar, parse_variant
from hexamer.genome.variants import FIXED_COLUMNS, Record, Variant, VariantFile

Rows = Generator[tuple[int, Sequence[Any]], None, None]
"""First the names of the columns (none: a list) with their line, then the cells of each row with its own."""

_NEEDED = ("chrom", "pos", "ref", "alt")
_NAMES = {
    "chrom": ("chrom", "chr", "chromosome", "contig"),
    "pos": ("pos", "position", "bp"),
    "ref": ("ref", "reference", "ref_allele"),
    "alt": ("alt", "alternate", "alt_allele", "alternate_allele"),
    "variant": ("variant", "variant_id", "spdi"),
    "id": ("id", "rsid", "snp", "variant_id", "name"),
}
_TABLE_HINT = "a table begins with a line of names, divided by tabs or commas: chrom, pos, ref, alt, or variant alone"

_NUMBER = re.compile(r"[0-9]{1,18}")
_IUPAC = re.compile(r"[ACGTUNRYSWKMBDHV]+", re.IGNORECASE)
# How a line of a list begins: a spelled variant, or a contig and a number.
_LISTED = re.compile(r'[^\s,"]+?(?:[:_-][0-9]+[:_-]|[\t ]+[0-9]+[\t ])')
_SPELLED = re.compile(r"[:_-][0-9]+[:_-](?:[A-Za-z.]*|[0-9]+)[:_-](?![0-9])")
_BATCH, _BUFFER = 16_384, 65_536


@dataclass(frozen=True, slots=True)
class TableRecord(Record):
    """One row of a table; `text` is the record as VCF has it, eight columns.

    Parameters
    ----------
    row : tuple
        The cells as written, in the order of `VariantTable.columns`; of a list without header the line.
    """

    row: tuple[Any, ...] = ()


class VariantTable:
    r"""The records of a table or list of variants, one after the other; like an open file, it is read once.

    Parameters
    ----------
    path : str, Path or Input
        Text (plain, gzip, bgzip) or Parquet; ``-`` for standard input; the module says what forms are read. Only one
        line, or one batch of Parquet, is in memory. Parquet from a pipe is copied to a temporary file first.
    genome : Genome, optional
        Where bases are read that alleles leave out (``-``, SPDI).

    Attributes
    ----------
    name : str
        How messages call the file: its path, or ``<stdin>``.
    header : list of str
        A header for VCF; the last line has the eight columns of VCF.
    samples : tuple of str
        Empty.
    columns : tuple of str
        Names of the columns as written; empty for a list. Of Parquet only those that are used: `Record.line`, its row
        from 1, leads to the others.

    Raises
    ------
    VariantError
        On opening or while reading, if the file is missing, empty, cut short, lacks a column, or a row cannot be read;
        the message names file and line (row, of Parquet).

    Examples
    --------
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"chr,position,rsid,ref,alt,beta\n20,1000226,rs1,A,T,0.5\n")
    ...     file.flush()
    ...     with VariantTable(file.name) as records:
    ...         [(record.text, record.row[-1]) for record in records]
    [('20\t1000226\trs1\tA\tT\t.\t.\t.', '0.5')]
    """

    def __init__(self, path: str | Path | Input, genome: Genome | None = None):
        self._source = path if isinstance(path, Input) else Input(path, VariantError)
        self.name = self._source.name
        self.header = ["##fileformat=VCFv4.2", "\t".join(FIXED_COLUMNS)]
        self.samples: tuple[str, ...] = ()
        self._genome = genome
        try:
            if _is_vcf(self._source.first_bytes):
                raise VariantError(f"{self.name}:1: this is VCF or BCF; open_variants would work")
            is_parquet = self._source.first_bytes.startswith(b"PAR1")
            self._rows = _parquet_rows(self._source) if is_parquet else _text_rows(self._source)
            where, names = next(self._rows)
            self.columns: tuple[str, ...] = tuple(names)
            self._places = _find_columns(names, f"{self.name}:{where}") if names else {}
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TableRecord:
        for number, cells in self._rows:
            try:
                return self._record(number, tuple(cells))
            except VariantError as problem:
                raise VariantError(f"{self.name}:{number}: {problem}") from None
        raise StopIteration

    def _record(self, number: int, row: tuple[Any, ...]) -> TableRecord:
        name = ""
        if not self._places:
            chrom, pos, ref, alts = _read_listed(row[0], self._genome)
        elif len(row) != len(self.columns):
            raise VariantError(
                f"{len(row)} cells where the line of names has {len(self.columns)}; quote cells that hold the "
                "separator, and write no row names"
            )
        else:
            cells = {role: _text_of_cell(row[place]) for role, place in self._places.items()}
            name = "_".join(cells.get("id", "").split())
            if "variant" in cells:
                chrom, pos, ref, alts = _divide(parse_variant(cells["variant"], self._genome))
            else:
                chrom, pos, ref, alts = _read_cells(*(cells[role] for role in _NEEDED))
                if "-" in (ref, *alts):
                    pos, ref, alts = fill_as_annovar(self._genome, chrom, pos, ref, alts)
        text = "\t".join((chrom, str(pos), name or ".", ref, ",".join(alts), ".", ".", "."))
        return TableRecord(number, text, chrom, pos, name or ".", ref, alts, row)

    def close(self) -> None:
        """Close the file."""
        if rows := getattr(self, "_rows", None):
            rows.close()
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_variants(path: str | Path, genome: Genome | None = None) -> VariantFile | VariantTable:
    r"""Open variants in any form that is read: the first bytes decide, as the module says.

    Parameters
    ----------
    path : str or Path
        VCF, BCF, a table, a list, or Parquet; ``-`` for standard input.
    genome : Genome, optional
        Where a `VariantTable` reads bases that alleles leave out.

    Returns
    -------
    VariantFile or VariantTable

    Raises
    ------
    VariantError
        As they do.

    Examples
    --------
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"chr20_1000226_A_T_b38\n20-1000341-C-A\n")
    ...     file.flush()
    ...     with open_variants(file.name) as records:
    ...         [str(variant) for record in records for variant in record.variants]
    ['chr20:1000226:A:T', '20:1000341:C:A']
    """
    source = Input(path, VariantError)
    return VariantFile(source) if _is_vcf(source.first_bytes) else VariantTable(source, genome)


def _is_vcf(head: bytes) -> bool:
    return head.removeprefix(codecs.BOM_UTF8).startswith((b"##", b"BCF", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL"))


def _text_rows(source: Input) -> Rows:
    """Read lines; those with nothing in them, common at the end, hold no row."""
    lines = ((number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line) for number, line in source)
    texts = ((number, line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")) for number, line in lines)
    rows = ((number, text) for number, text in texts if text)
    number, first = next(rows, (0, ""))
    if not number:
        raise VariantError(f"{source.name}: the file holds no variants; give one with content")
    delimiter = "\t" if "\t" in first else ","
    names = _split(first, delimiter, f"{source.name}:{number}")
    known = {role for role, words in _NAMES.items() if not set(words).isdisjoint(_words(names))}
    is_listed = _LISTED.match(first.lstrip(" "))
    if known.issuperset(_NEEDED) or (known and not is_listed):
        yield number, names
        for number, text in rows:
            yield number, _split(text, delimiter, f"{source.name}:{number}")
        return
    if not is_listed:
        try:
            _read_listed(first, None)
        except VariantError as problem:
            raise VariantError(f"{source.name}:{number}: {problem}; {_TABLE_HINT}") from None
    yield number, ()
    yield number, (first,)
    for number, text in rows:
        yield number, (text,)


def _parquet_rows(source: Input) -> Rows:
    """Read the columns that are used, batch by batch."""
    import pyarrow as pa  # slow to import, only for Parquet
    import pyarrow.parquet as pq

    number = 0
    try:
        with tempfile.NamedTemporaryFile(suffix=".parquet") as copy:
            is_seekable = source.path is not None and source.storage == "plain"
            for _, line in () if is_seekable else source:
                copy.write(line)
            copy.flush()
            where = source.path if is_seekable else copy.name
            # With pyarrow's own settings all of a row group is in memory, which may be all of the file.
            with pq.ParquetFile(where, buffer_size=_BUFFER, pre_buffer=False) as file:
                names = file.schema_arrow.names
                used = [names[place] for place in sorted(_find_columns(names, source.name).values())]
                yield 0, used
                for batch in file.iter_batches(columns=used, batch_size=_BATCH):
                    batch = batch.select(used)
                    for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        number += 1
                        yield number, cells
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise VariantError(
            f"{source.name}:{number + 1}: damaged or cut Parquet ({excerpt(str(problem), 60)}); copy it again"
        ) from None


def _split(text: str, delimiter: str, where: str) -> list[str]:
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=delimiter == ","))
    except csv.Error as problem:
        raise VariantError(f"{where}: a quoted cell cannot be read ({problem}); end each on its own line") from None


def _words(names: Sequence[str]) -> list[str]:
    return [name.lower().removeprefix("#").strip() for name in names]


def _find_columns(names: Sequence[str], where: str) -> dict[str, int]:
    """Say which column is what: the four of a variant or `variant`, and perhaps `id`."""
    words = _words(names)
    places = {role: [i for i, word in enumerate(words) if word in known] for role, known in _NAMES.items()}
    missing = [role for role in _NEEDED if not places[role]]
    if missing and not places["variant"]:
        hint = "name 'start' pos if it counts from 1" if "pos" in missing and "start" in words else _TABLE_HINT
        raise VariantError(f"{where}: no column {', '.join(missing)} in {excerpt(', '.join(names), 80)}; {hint}")
    found: dict[str, int] = {}
    for role in ("variant",) if missing else _NEEDED:
        found[role] = _only(places[role], names, where, role)
    for word in _NAMES["id"]:
        if left := [i for i in places["id"] if words[i] == word and i not in found.values()]:
            return found | {"id": _only(left, names, where, "id")}
    return found


def _only(places: Sequence[int], names: Sequence[str], where: str, role: str) -> int:
    if len(places) > 1:
        same = " and ".join(excerpt(names[place]) for place in places)
        raise VariantError(f"{where}: columns {same} both say {role}; rename or remove one")
    return places[0]


def _text_of_cell(value: object) -> str:
    """Write a cell as text: missing values empty, whole floats (pandas, beside missing values) as integers."""
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, (str, int, float)):
        raise VariantError(f"a cell holds {excerpt(str(value))} ({type(value).__name__}); expected text or a number")
    return str(value).strip()


def _divide(variant: Variant) -> tuple[str, int, str, Alleles]:
    return variant.chrom, variant.pos, variant.ref, (variant.alt,)


def _read_cells(chrom: str, pos: str, ref: str, alt: str) -> tuple[str, int, str, Alleles]:
    if not _NUMBER.fullmatch(pos):
        raise VariantError(f"POS is {excerpt(pos)}; expected a whole number from 0")
    alts = tuple(allele.strip() for allele in alt.split(",")) if alt else (".",)
    for column, value in (("CHROM", chrom), ("REF", ref), *(("ALT", allele) for allele in alts)):
        if not value or value.split() != [value]:
            raise VariantError(f"{column} {excerpt(value)} is empty or holds white space; write '.' for a missing ALT")
    return chrom, int(pos), ref, alts


def _read_listed(text: str, genome: Genome | None) -> tuple[str, int, str, Alleles]:
    """Read a line without names of columns."""
    text = text.strip(" ")
    cells = [cell.strip() for cell in (text.split("\t") if "\t" in text else text.split())]
    if len(cells) > 3 and cells[1].isdigit() and not _SPELLED.search(cells[0]):
        if not _IUPAC.fullmatch(cells[2]) or "-" in cells[3].split(","):
            raise VariantError(
                f"{excerpt(' '.join(cells[:5]))} is not chrom pos ref alt; with other columns or '-', {_TABLE_HINT}"
            )
        return _read_cells(*cells[:4])
    first, *others = re.split("[\t, ]", text, maxsplit=2)
    if others and text[len(first)] == "," and _IUPAC.fullmatch(others[0]):
        raise VariantError(f"{excerpt(text)}: one alternate allele expected; write each on a line of its own")
    return _divide(parse_variant(first, genome))
