"""Files of scored variants: VCF, BCF, and tables with one row per alternate allele.

VCF keeps the input's lines and adds to INFO. BCF is made of that text by htslib. A table's first column is the number
of the allele's record. Numbers are the shortest text that reads back as the same float32, so every kind of file holds
the same value. Not here: what stands above the records (`heading`), where scores come from (`annotate`).
"""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hexamer.effects.heading import PREFIX, REASON, Heading, earlier_fields
from hexamer.effects.journal import Values, spell
from hexamer.errors import OutputError
from hexamer.genome import Record
from hexamer.manifest import write_atomically

ENDINGS = (".vcf", ".vcf.gz", ".bcf", ".tsv", ".tsv.gz", ".parquet")
STANDARD_OUTPUT = "-"

_KEYS = ("record", "chrom", "pos", "id", "ref", "alt")
_INDEXES = (".tbi", ".csi")


def check_variants_path(out: str | Path) -> None:
    """Raise OutputError, before any work is done, if scored variants cannot be written under this name.

    Parameters
    ----------
    out : str or Path
        A file, or `-` for VCF on standard output.
    """
    out = Path(out)
    if str(out) == STANDARD_OUTPUT:
        return
    if not out.name.endswith(ENDINGS):
        raise OutputError(f"{out}: scored variants are written as {', '.join(ENDINGS)}; - is standard output")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: the folder {out.parent} does not exist")


@contextmanager
def write_variants(out: Path) -> Iterator[Path]:
    """Write a file whole or not at all, with its index where it can have one.

    Parameters
    ----------
    out : Path
        A file of any kind, or `-`.

    Yields
    ------
    Path
        The name to write to.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    if str(out) == STANDARD_OUTPUT:
        yield out
        return
    index: Path | None = None
    try:
        with write_atomically(out) as temporary:
            yield temporary
            index = _index(temporary)
            for suffix in _INDEXES:  # never an old index beside a new file
                out.with_name(out.name + suffix).unlink(missing_ok=True)
        if index is not None:
            index.replace(out.with_name(out.name + index.suffix))
    finally:
        if index is not None:
            index.unlink(missing_ok=True)


def is_indexed(out: Path) -> bool:
    """Whether an index stands beside a file."""
    return any(out.with_name(out.name + suffix).exists() for suffix in _INDEXES)


def _index(path: Path) -> Path | None:
    """Index a compressed variant file; None where the records are not sorted, which cannot be indexed."""
    import pysam

    suffixes = {".gz": _INDEXES, ".bcf": (".csi",)}.get(path.suffix, ()) if ".tsv" not in path.suffixes else ()
    loudness = pysam.set_verbosity(0)
    try:
        for suffix in suffixes:  # .tbi ends at 512 Mb
            index = path.with_name(path.name + suffix)
            try:
                csi = suffix == ".csi"
                pysam.tabix_index(str(path), preset="vcf", index=str(index), csi=csi, force=True, keep_original=True)
                return index
            except (OSError, ValueError):
                index.unlink(missing_ok=True)
        return None
    finally:
        pysam.set_verbosity(loudness)


class Writer(Protocol):
    """A file that takes scored records."""

    def write(self, place: int, record: Record, values: Values, reasons: Sequence[str]) -> None:
        """Add one record; `place` is its number in the input from 0, `values` is [alleles, scores]."""

    def flush(self) -> None:
        """Let the other end of a pipe have what was written."""

    def finish(self) -> None:
        """Write what is still to be written."""

    def close(self) -> None:
        """Close the file, finished or not."""


def open_writer(path: Path, heading: Heading) -> Writer:
    """Open a file of the kind that its name tells.

    Parameters
    ----------
    path : Path
        Ends in one of `ENDINGS`, or is `-`.
    heading : Heading

    Returns
    -------
    Writer
    """
    if path.name.endswith(".parquet"):
        return ParquetWriter(path, heading.definitions, heading.facts)
    if path.name.endswith((".tsv", ".tsv.gz")):
        return TsvWriter(path, heading)
    return BcfWriter(path, heading) if path.name.endswith(".bcf") else VcfWriter(path, heading)


class LineFile:
    """Lines to a file, plain or bgzip, or to standard output."""

    def __init__(self, path: Path) -> None:
        self._is_stdout = str(path) == STANDARD_OUTPUT
        if self._is_stdout and sys.stdout is None:
            raise OutputError("standard output is closed; --out FILE would work")
        self._file = sys.stdout.buffer if self._is_stdout else _open_bytes(path)

    def write_lines(self, *lines: str) -> None:
        """Write lines without line ends; surrogates stand for bytes that are not UTF-8."""
        self.write("".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape"))

    def write(self, data: bytes) -> None:
        """Write bytes as they are; OutputError where standard output is full."""
        with self._told():
            self._file.write(data)

    def flush(self) -> None:
        """Let the other end of a pipe have what was written."""
        if self._is_stdout:
            with self._told():
                self._file.flush()

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if not self._is_stdout:
            self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one line that standard output is full; a closed pipe is no error."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self._is_stdout:
                raise
            raise OutputError(f"standard output: cannot be written ({error.strerror})") from error


def _open_bytes(path: Path) -> Any:
    if path.name.endswith(".gz"):
        import pysam

        return pysam.BGZFile(str(path), "wb", index=None)
    return path.open("wb")


class _LineWriter:
    """What writers of lines have in common."""

    def __init__(self, path: Path) -> None:
        self.file = LineFile(path)

    def flush(self) -> None:
        self.file.flush()

    def finish(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()


class VcfWriter(_LineWriter):
    """The input's own lines, with our fields at the end of INFO."""

    def __init__(self, path: Path, heading: Heading, *, with_header: bool = True) -> None:
        super().__init__(path)
        self._names = [PREFIX + name.upper() for name in heading.definitions]
        self._earlier = earlier_fields(heading.lines)
        if with_header:
            self.file.write_lines(*heading.vcf_lines())

    def write(self, place: int, record: Record, values: Values, reasons: Sequence[str]) -> None:
        """Add one record."""
        fields = record.text.split("\t", 8)
        info = "" if fields[7] == "." else fields[7]
        if PREFIX in info:
            info = ";".join(entry for entry in info.split(";") if entry.partition("=")[0] not in self._earlier)
        added = []
        if not all(reasons):
            for name, column in zip(self._names, values.T, strict=True):
                added.append(f"{name}=" + ",".join(spell(value) or "." for value in column))
        if any(reasons):
            added.append(f"{REASON}=" + ",".join(reason or "." for reason in reasons))
        fields[7] = info + (";" if info and not info.endswith(";") else "") + ";".join(added)
        self.file.write_lines("\t".join(fields))


class BcfWriter:
    """VCF text first, since its header is known only at the end; then what htslib makes of it."""

    def __init__(self, path: Path, heading: Heading) -> None:
        self._path, self._heading = path, heading
        self._body, self._text = (path.with_name(f"{path.name}.{part}.vcf.gz") for part in ("body", "text"))
        self._records = VcfWriter(self._body, heading, with_header=False)

    def write(self, place: int, record: Record, values: Values, reasons: Sequence[str]) -> None:
        """Add one record."""
        if self._heading.declared is not None:
            self._heading.declared.check(record)
        self._records.write(place, record, values, reasons)

    def flush(self) -> None:
        """Nothing can be read before the end."""

    def finish(self) -> None:
        """Make BCF of the text."""
        self._records.close()
        with closing(LineFile(self._text)) as file:
            file.write_lines(*self._heading.vcf_lines())
        with self._text.open("ab") as text, self._body.open("rb") as body:
            shutil.copyfileobj(body, text)  # bgzip files one after the other are one
        write_bcf(self._path, self._text)

    def close(self) -> None:
        """Remove the text, also where the disk is full."""
        try:
            self._records.close()
        finally:
            for path in (self._body, self._text):
                path.unlink(missing_ok=True)


def write_bcf(path: Path, source: Path) -> None:
    """Write VCF or BCF as BCF, by the `bcftools view` inside pysam: pysam's own writer changes END.

    Parameters
    ----------
    path, source : Path

    Raises
    ------
    OutputError
        If htslib does not take a record.
    """
    import pysam
    import pysam.bcftools

    loudness = pysam.set_verbosity(0)  # htslib would print its own lines beside ours
    try:
        pysam.bcftools.view("--no-version", "-Ob", "-o", str(path), str(source), catch_stdout=False)
    except pysam.SamtoolsError as error:
        problem = str(error).partition("stderr=")[2].replace("\\n", " ").strip(" '")
        raise OutputError(f"the records cannot be written as BCF ({problem}); .vcf.gz would work") from None
    finally:
        pysam.set_verbosity(loudness)


class TsvWriter(_LineWriter):
    """One row per allele; the definitions stand above the names of the columns as comments."""

    def __init__(self, path: Path, heading: Heading) -> None:
        super().__init__(path)
        self.file.write_lines(
            *(f"## {name}: {text}" for name, text in heading.definitions.items()),
            *heading.facts,
            "\t".join([*_KEYS, *heading.definitions, "reason"]),
        )

    def write(self, place: int, record: Record, values: Values, reasons: Sequence[str]) -> None:
        """Add the rows of one record."""
        for alt, row, reason in zip(record.alts, values, reasons, strict=True):
            cells = [str(place), record.chrom, str(record.pos), record.id, record.ref, alt, *map(spell, row), reason]
            self.file.write_lines("\t".join(cells))


class ParquetWriter:
    """One row per allele, written in groups; the definitions are metadata of the columns.

    Parameters
    ----------
    path : Path
    definitions : mapping of str to str
        Each score, and what it is.
    facts : sequence of str
        As `Heading.facts`; metadata of the table.
    """

    _GROUP = 50_000

    def __init__(self, path: Path, definitions: Mapping[str, str], facts: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"record": pa.int64(), "chrom": pa.string(), "pos": pa.int64()}
        fields = [pa.field(name, kinds.get(name, pa.string())) for name in _KEYS]
        fields += [pa.field(name, pa.float32(), metadata={"definition": text}) for name, text in definitions.items()]
        self._schema = pa.schema([*fields, pa.field("reason", pa.string())], metadata={"hexamer": "\n".join(facts)})
        self._file = pq.ParquetWriter(path, self._schema)
        self._rows: list[tuple[Any, ...]] = []

    def write(self, place: int, record: Record, values: Values, reasons: Sequence[str]) -> None:
        """Add the rows of one record."""
        chrom, name, ref = (_as_utf8(text) for text in (record.chrom, record.id, record.ref))
        rows = []
        for alt, row, reason in zip(record.alts, values.tolist(), reasons, strict=True):
            numbers = (None if np.isnan(x) else x for x in row)
            rows.append((place, chrom, record.pos, name, ref, _as_utf8(alt), *numbers, reason))
        self.write_rows(rows)

    def write_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add all rows of one record: a group never ends within one."""
        self._rows += rows
        if len(self._rows) >= self._GROUP:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns, self._schema, strict=True)]
        self._file.write_table(pa.table(arrays, schema=self._schema))
        self._rows = []

    def flush(self) -> None:
        """Nothing can be read before the end."""

    def finish(self) -> None:
        """Write the last group."""
        if self._rows:
            self._write_group()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _as_utf8(text: str) -> str:
    r"""Spell bytes that are not UTF-8 as ``\xff``: a table's text cannot hold them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
