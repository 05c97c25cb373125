"""Variant files in, scored variant files out, nothing lost.

Every record comes back in its place with its columns as they were, and in INFO either a score for each alternate
allele or the reason why there is none. Tables (`.tsv`, `.parquet`) have one row per alternate allele. Records stream
through in pieces, so memory does not grow with the file. Source of the file format: VCF 4.3, section 1.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hexamer.effects.score import PIECE, SCORES, Forwards, ScoreSettings, score_alleles
from hexamer.errors import OutputError
from hexamer.genome import Genome, Record, VariantFile
from hexamer.manifest import describe_file, package_versions, write_atomically, write_manifest
from hexamer.model import NucleotideTransformer, describe_model

PREFIX = "HX_"
REASON = "HX_REASON"
ENDINGS = (".vcf", ".vcf.gz", ".tsv", ".tsv.gz", ".parquet")
OURS = frozenset([REASON, *(PREFIX + name.upper() for name in SCORES)])

Values = npt.NDArray[np.float32]


@dataclass
class Summary:
    """What became of the alleles of a file.

    Attributes
    ----------
    records, alleles : int
        Rows read, and alternate alleles in them.
    reasons : Counter of str
        Alleles per reason code; the empty string counts those with scores.
    forwards : Forwards
        Windows that went through the encoder, and that were saved.
    indexed : bool
        Whether a tabix index stands beside the output.
    """

    records: int = 0
    alleles: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    forwards: Forwards = field(default_factory=Forwards)
    indexed: bool = False


class Writer(Protocol):
    """A file that takes scored records."""

    def write(self, record: Record, values: Values, reasons: Sequence[str]) -> None:
        """Add one record; `values` is [alleles, scores]."""

    def close(self) -> None:
        """Finish the file."""


def annotate_variants(
    model: NucleotideTransformer,
    genome: Genome,
    variants: str | Path,
    out: str | Path,
    *,
    settings: ScoreSettings | None = None,
    advance: Callable[[int], None] | None = None,
) -> Summary:
    """Score a variant file into another file.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
        The reference that the variants were called on.
    variants : str or Path
        VCF (plain, gzip, bgzip) or BCF; "-" is standard input.
    out : str or Path
        Ends in one of `ENDINGS`. `.vcf.gz` is bgzip with a tabix index, if the records are sorted. Beside it
        `OUT.manifest.json` is written.
    settings : ScoreSettings, optional
    advance : callable, optional
        Called with the number of records of each finished piece.

    Returns
    -------
    Summary

    Raises
    ------
    VariantError
        If the file is damaged; nothing is then written under the name `out`.
    OutputError
        If `out` has another ending, is the input itself, or cannot be written.
    """
    out, settings = Path(out), settings or ScoreSettings()
    check_variants_path(out)
    if Path(variants).exists() and out.exists() and out.samefile(variants):
        raise OutputError(f"{out}: is the input itself; another name would work")
    definitions = settings.describe(model)
    inputs: dict[str, Any] = {"model": describe_model(model), "variants": describe_file(variants)}
    inputs["genome"] = describe_file(genome.path)
    summary = Summary()
    with VariantFile(variants) as source, write_atomically(out) as temporary:
        opened = _open_writer(
            temporary, out, source.header, definitions=definitions, provenance=_provenance(inputs["model"], settings)
        )
        with opened as writer:
            for records in _pieces(source):
                alleles = [variant for record in records for variant in record.variants]
                values, reasons, forwards, _ = score_alleles(model, genome, alleles, settings)
                place = 0
                for record in records:
                    part = slice(place, place + len(record.alts))
                    writer.write(record, values[part], reasons[part])
                    place = part.stop
                summary.records += len(records)
                summary.alleles += len(alleles)
                summary.reasons.update(reasons)
                summary.forwards += forwards
                if advance:
                    advance(len(records))
        index = _index(temporary) if out.name.endswith(".vcf.gz") else None
        final_index = out.with_name(out.name + ".tbi")
        if out.name.endswith(".vcf.gz"):
            final_index.unlink(missing_ok=True)  # never an old index beside a new file
    if index:
        index.replace(final_index)
        summary.indexed = True
    write_manifest(
        out.with_name(out.name + ".manifest.json"),
        **inputs,
        settings=settings,
        definitions=definitions,
        records=summary.records,
        alleles=summary.alleles,
        reasons={reason or "scored": count for reason, count in sorted(summary.reasons.items())},
        forwards=summary.forwards._asdict(),
    )
    return summary


def check_variants_path(out: str | Path) -> None:
    """Raise OutputError, before any work is done, if scored variants cannot be written under this name.

    Parameters
    ----------
    out : str or Path
    """
    out = Path(out)
    if not out.name.endswith(ENDINGS):
        raise OutputError(f"{out}: scored variants are written as {', '.join(ENDINGS)}")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: the folder {out.parent} does not exist")


def _provenance(model: dict[str, Any], settings: ScoreSettings) -> str:
    """One line for the header: what was computed with."""
    weights = ",".join(digest[:16] for digest in model["files"].values()) or "random"
    version = package_versions()["hexamer"]
    facts = {"Version": version, "Model": Path(model["source"]).name, "WeightsSHA256": weights}
    facts |= {"Window": str(settings.window), "Anchor": settings.anchor, "Precision": model["precision"]}
    return "<" + ",".join(f"{name}={value}" for name, value in facts.items()) + ">"


def _pieces(source: VariantFile) -> Iterator[list[Record]]:
    records = iter(source)
    while piece := list(islice(records, PIECE)):
        yield piece


def _open_writer(
    temporary: Path, out: Path, header: list[str], *, definitions: dict[str, str], provenance: str
) -> "_Closing":
    if out.name.endswith(".parquet"):
        return _Closing(_ParquetWriter(temporary, list(definitions)))
    if out.name.endswith((".tsv", ".tsv.gz")):
        return _Closing(_TsvWriter(temporary, definitions))
    return _Closing(_VcfWriter(temporary, header, definitions, provenance))


class _Closing:
    """Close a writer even when scoring fails."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def __enter__(self) -> Writer:
        return self.writer

    def __exit__(self, *_: object) -> None:
        self.writer.close()


def _text_out(path: Path) -> Any:
    """Open a text or bgzip file for bytes."""
    if path.name.endswith(".gz"):
        import pysam

        return pysam.BGZFile(str(path), "wb", index=None)
    return path.open("wb")


def _number(value: np.float32) -> str:
    """Shortest text that reads back as the same float32; empty for NaN."""
    return "" if np.isnan(value) else str(value)


class _VcfWriter:
    """The input's own lines, with our fields at the end of INFO."""

    def __init__(self, path: Path, header: list[str], definitions: dict[str, str], provenance: str) -> None:
        self.names = [PREFIX + name.upper() for name in definitions]
        self.file = _text_out(path)
        ours = tuple(f"##INFO=<ID={name}," for name in OURS)
        lines = [line for line in header[:-1] if not line.startswith((*ours, "##hexamer="))]
        lines += [
            f'##INFO=<ID={name},Number=A,Type=Float,Description="{text}">'
            for name, text in zip(self.names, definitions.values(), strict=True)
        ]
        lines.append(
            f'##INFO=<ID={REASON},Number=A,Type=String,Description="Why an allele has no score; . where it has one">'
        )
        lines.append(f"##hexamer={provenance}")
        self._write_lines([*lines, header[-1]])

    def _write_lines(self, lines: list[str]) -> None:
        self.file.write("".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape"))

    def write(self, record: Record, values: Values, reasons: Sequence[str]) -> None:
        fields = record.text.split("\t")
        kept = [] if fields[7] in ("", ".") else [fields[7]]
        if PREFIX in fields[7]:
            kept = [entry for entry in fields[7].split(";") if entry.split("=")[0] not in OURS]
        if not all(reasons):
            for name, column in zip(self.names, values.T, strict=True):
                kept.append(f"{name}=" + ",".join(_number(x) or "." for x in column))
        if any(reasons):
            kept.append(f"{REASON}=" + ",".join(reason or "." for reason in reasons))
        fields[7] = ";".join(kept)
        self._write_lines(["\t".join(fields)])

    def close(self) -> None:
        self.file.close()


_KEYS = ("chrom", "pos", "id", "ref", "alt")


class _TsvWriter:
    """One row per allele; the definitions stand above the header as comments."""

    def __init__(self, path: Path, definitions: dict[str, str]) -> None:
        self.file = _text_out(path)
        lines = [f"## {name}: {text}\n" for name, text in definitions.items()]
        lines.append("\t".join([*_KEYS, *definitions, "reason"]) + "\n")
        self.file.write("".join(lines).encode())

    def write(self, record: Record, values: Values, reasons: Sequence[str]) -> None:
        for alt, row, reason in zip(record.alts, values, reasons, strict=True):
            cells = [record.chrom, str(record.pos), record.id, record.ref, alt]
            cells += [_number(x) for x in row]
            self.file.write(("\t".join([*cells, reason]) + "\n").encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        self.file.close()


class _ParquetWriter:
    """One row per allele, written in groups."""

    _GROUP = 50_000

    def __init__(self, path: Path, scores: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text, whole, real = pa.string(), pa.int64(), pa.float32()
        types = {"chrom": text, "pos": whole, "id": text, "ref": text, "alt": text}
        self.schema = pa.schema({**types, **dict.fromkeys(scores, real), "reason": text})
        self.file = pq.ParquetWriter(path, self.schema)
        self.rows: list[tuple[Any, ...]] = []

    def write(self, record: Record, values: Values, reasons: Sequence[str]) -> None:
        for alt, row, reason in zip(record.alts, values.tolist(), reasons, strict=True):
            numbers = (None if np.isnan(x) else x for x in row)
            self.rows.append((record.chrom, record.pos, record.id, record.ref, alt, *numbers, reason))
        if len(self.rows) >= self._GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.schema)
        arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns, self.schema, strict=True)]
        self.file.write_table(pa.table(arrays, schema=self.schema))
        self.rows = []

    def close(self) -> None:
        with ExitStack() as stack:
            stack.callback(self.file.close)
            self._flush()


def _index(path: Path) -> Path | None:
    """Make a tabix index beside a bgzip VCF; None where the records are not sorted, which tabix cannot index."""
    import pysam

    verbosity = pysam.set_verbosity(0)
    index = path.with_name(path.name + ".tbi")
    try:
        pysam.tabix_index(str(path), preset="vcf", force=True)
        return index
    except (OSError, ValueError):
        index.unlink(missing_ok=True)
        return None
    finally:
        pysam.set_verbosity(verbosity)
