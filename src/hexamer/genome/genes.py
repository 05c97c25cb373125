r"""Gene models of a GTF or GFF3 file: which transcript has which exons and coding stretches.

Lines are read one by one and nothing of them is kept but coordinates and names: 20 bytes an exon, so that a whole human
annotation needs a few hundred megabytes. What counts:

* exon rows (also `noncoding_exon`, `pseudogenic_exon`, ...), and UTR rows, which are pieces of exons;
* CDS rows, and `start_codon` and `stop_codon` rows, since the CDS of Ensembl's GTF ends before the stop codon;
* gene rows, for names and biotypes, and in GFF3 whatever has a Parent, for the way from an exon to its gene.

A transcript is a `transcript_id` of GTF or a Parent of GFF3, on one strand of one contig; a CDS or exon without one is
a transcript by itself. A gene without any exon or CDS (such as many pseudogenes) is one exon. Everything else in the
file (regions, repeats, matches) is passed over.
Not here: which class a base belongs to (`annotation`).

Sources: GTF 2.2, https://mblab.wustl.edu/GTF22.html; GFF3 1.26,
https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md
"""

import re
from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from hexamer.errors import AnnotationError
from hexamer.genome.lines import Input, excerpt

_EXONS = {"exon", "utr", "5utr", "3utr", "5'utr", "3'utr", "five_prime_utr", "three_prime_utr"}
_CODING = {"cds", "start_codon", "stop_codon"}
_COLUMNS = "9 columns divided by tabs: contig, source, type, start, end, score, strand, phase, attributes"


class Transcript(NamedTuple):
    """One transcript: its names, and where it is; coordinates lie with its parts."""

    id: str
    gene: str
    chrom: str
    strand: str


@dataclass
class Gene:
    """One gene on one contig; `start` and `end` are 0-based and half-open."""

    id: str
    chrom: str
    strand: str
    start: int
    end: int
    name: str = ""
    biotype: str = ""


@dataclass(frozen=True)
class GeneModels:
    """The genes of one file.

    Attributes
    ----------
    genes : list of Gene
    transcripts : list of Transcript
    owners : int32 array [P]
        Transcript of each part, an index into `transcripts`.
    starts, ends : int64 arrays [P]
        0-based, half-open.
    coding : bool array [P]
        Whether the part is CDS; otherwise it is an exon, or a piece of one.
    """

    genes: list[Gene]
    transcripts: list[Transcript]
    owners: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    coding: npt.NDArray[np.bool_]

    def extents(self) -> npt.NDArray[np.int64]:
        """Start and end of each transcript, start and end of its CDS (both its end where it has none), [4, T]."""
        far = np.iinfo(np.int64).max
        found = np.full((4, len(self.transcripts)), far)
        found[1::2] = -1
        for row, chosen in ((0, slice(None)), (2, self.coding)):
            np.minimum.at(found[row], self.owners[chosen], self.starts[chosen])
            np.maximum.at(found[row + 1], self.owners[chosen], self.ends[chosen])
        found[2:] = np.where(found[2] == far, found[1], found[2:])
        return found


def read_genes(path: str | Path) -> GeneModels:
    r"""Read the gene models of a GTF or GFF3 file.

    Parameters
    ----------
    path : str or Path
        Plain, gzip or bgzip, GTF or GFF3, told by the content; ``-`` for standard input.

    Returns
    -------
    GeneModels

    Raises
    ------
    AnnotationError
        If the file is missing, empty or cut short, holds no gene, or a line cannot be read; the message names it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b'chr1\tx\texon\t11\t20\t.\t-\t.\tgene_id "g"; transcript_id "t";\n')
    ...     file.flush()
    ...     models = read_genes(file.name)
    >>> models.transcripts, models.starts.tolist(), models.ends.tolist()
    ([Transcript(id='t', gene='g', chrom='chr1', strand='-')], [10], [20])
    """
    with Input(path, AnnotationError) as source:
        reader: _Reader | None = None
        for number, line in source:
            if line.startswith((b"##FASTA", b">")):
                break  # sequences follow
            if line.startswith(b"#") or not line.strip():
                continue
            try:
                row = _row_of(line)
                if reader is None:
                    reader = _Gff3() if _is_gff3(row.attributes) else _Gtf()
                reader.add(row)
            except AnnotationError as problem:
                raise AnnotationError(f"{source.name}:{number}: {problem}") from None
        models = reader.finish() if reader else None
        if models is None or not models.transcripts:
            raise AnnotationError(f"{source.name}: no gene in it; GTF or GFF3 with exon, CDS or gene rows would work")
    return models


def join_models(models: Sequence[GeneModels], names: Mapping[str, str]) -> GeneModels:
    """Put the genes of several files together, under other names of the contigs.

    Parameters
    ----------
    models : sequence of GeneModels
    names : mapping of str to str
        New name of each contig; genes on others are left out.

    Returns
    -------
    GeneModels
    """
    genes = [replace(gene, chrom=names[gene.chrom]) for one in models for gene in one.genes if gene.chrom in names]
    transcripts: list[Transcript] = []
    parts = []
    for one in models:
        kept = np.array([transcript.chrom in names for transcript in one.transcripts], dtype=bool)
        numbers = len(transcripts) + np.cumsum(kept) - 1
        transcripts += [t._replace(chrom=names[t.chrom]) for t in one.transcripts if t.chrom in names]
        here = kept[one.owners]
        parts.append((numbers[one.owners][here], one.starts[here], one.ends[here], one.coding[here]))
    owners, starts, ends, coding = (np.concatenate(column) for column in zip(*parts, strict=True))
    return GeneModels(genes, transcripts, owners.astype(np.int32), starts, ends, coding)


class _Row(NamedTuple):
    """One line, its attributes still unread."""

    chrom: str
    kind: str
    start: int
    end: int
    strand: str
    attributes: str

    @property
    def is_part(self) -> bool:
        return self.kind in _EXONS or self.kind in _CODING or self.kind.endswith("exon")

    @property
    def is_gene(self) -> bool:
        return self.kind.endswith("gene")


def _row_of(line: bytes) -> _Row:
    fields = line.decode("utf-8", errors="replace").rstrip("\r\n").split("\t")
    if len(fields) != 9:
        raise AnnotationError(f"{len(fields)} column(s) in {excerpt(line.strip())}; expected {_COLUMNS}")
    chrom, _, kind, first, last, _, strand, _, attributes = fields
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise AnnotationError(
            f"{kind} from {excerpt(first)} to {excerpt(last)}; expected whole numbers from 1, start not beyond end"
        )
    if not chrom or strand not in ("+", "-", ".", "?"):
        raise AnnotationError(f"{kind} on contig {excerpt(chrom)}, strand {excerpt(strand)}; expected +, - or .")
    return _Row(chrom, kind.lower(), int(first) - 1, int(last), "-" if strand == "-" else "+", attributes)


def _is_gff3(attributes: str) -> bool:
    """GFF3 writes key=value, GTF key "value"."""
    if re.match(r"\s*[^\s=;\"]+=", attributes):
        return True
    if re.match(r"\s*\w+\s+[^\s;]", attributes):
        return False
    raise AnnotationError(
        f'attributes are {excerpt(attributes)}; expected ID=...;Parent=... (GFF3) or gene_id "..."; (GTF)'
    )


class _Reader(ABC):
    """What has been read so far; `_Gtf` and `_Gff3` say how attributes are written."""

    def __init__(self) -> None:
        self.genes: dict[tuple[str, str], Gene] = {}
        self.transcripts: dict[tuple[str, str, str], int] = {}
        self.facts: dict[str, tuple[str, str]] = {}  # name and biotype of a gene
        self.owners, self.starts, self.ends, self.coding = array("i"), array("q"), array("q"), array("b")

    @abstractmethod
    def add(self, row: _Row) -> None:
        """Take one line."""

    @abstractmethod
    def gene_of(self, transcript: str) -> str:
        """Gene of a transcript, once all lines are read."""

    def add_gene(self, row: _Row, name: str) -> None:
        """Take a gene row."""
        gene = self.genes.setdefault((row.chrom, name), Gene(name, row.chrom, row.strand, row.start, row.end))
        gene.start, gene.end = min(gene.start, row.start), max(gene.end, row.end)

    def add_part(self, row: _Row, transcript: str) -> None:
        """Take an exon or CDS row."""
        owner = self.transcripts.setdefault((row.chrom, row.strand, transcript), len(self.transcripts))
        self.owners.append(owner)
        self.starts.append(row.start)
        self.ends.append(row.end)
        self.coding.append(row.kind in _CODING)

    def finish(self) -> GeneModels:
        """Join transcripts to genes."""
        places = list(self.transcripts)
        known = [Transcript(name, self.gene_of(name), chrom, strand) for chrom, strand, name in places]
        with_parts = {(transcript.chrom, transcript.gene) for transcript in known}
        for gene in [gene for key, gene in self.genes.items() if key not in with_parts]:
            known.append(Transcript(gene.id, gene.id, gene.chrom, gene.strand))
            self.owners.append(len(known) - 1)
            self.starts.append(gene.start)
            self.ends.append(gene.end)
            self.coding.append(False)
        for owner, start, end in zip(self.owners, self.starts, self.ends, strict=True):
            own = known[owner]
            gene = self.genes.setdefault((own.chrom, own.gene), Gene(own.gene, own.chrom, own.strand, start, end))
            gene.start, gene.end = min(gene.start, start), max(gene.end, end)
        for gene in self.genes.values():
            gene.name, gene.biotype = self.facts.get(gene.id, ("", ""))
        return GeneModels(
            list(self.genes.values()),
            known,
            np.array(self.owners, dtype=np.int32),
            np.array(self.starts, dtype=np.int64),
            np.array(self.ends, dtype=np.int64),
            np.array(self.coding, dtype=bool),
        )


@cache
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|;)\s*{key}(?:=|\s+\"?)([^;\"]*)")


def _attribute(text: str, *keys: str) -> str:
    """Value of the first of some keys that is there and not empty."""
    for key in keys:
        if (match := _pattern(key).search(text)) and (value := match[1].strip()):
            return unquote(value) if "%" in value else value
    return ""


class _Gtf(_Reader):
    def __init__(self) -> None:
        super().__init__()
        self.gene_of_transcript: dict[str, str] = {}

    def add(self, row: _Row) -> None:
        if not (row.is_part or row.is_gene):
            return
        gene = _attribute(row.attributes, "gene_id")
        transcript = _attribute(row.attributes, "transcript_id") or gene
        if not (gene if row.is_gene else transcript):
            raise AnnotationError(f'{row.kind} without gene_id "..." or transcript_id "..."')
        gene = gene or transcript
        if gene not in self.facts:
            biotype = _attribute(row.attributes, "gene_biotype", "gene_type")
            self.facts[gene] = _attribute(row.attributes, "gene_name"), biotype
        if row.is_gene:
            self.add_gene(row, gene)
        else:
            self.gene_of_transcript[transcript] = gene
            self.add_part(row, transcript)

    def gene_of(self, transcript: str) -> str:
        return self.gene_of_transcript[transcript]


class _Gff3(_Reader):
    def __init__(self) -> None:
        super().__init__()
        self.parents: dict[str, str] = {}
        self.alone = 0

    def add(self, row: _Row) -> None:
        name, parents = _attribute(row.attributes, "ID"), _attribute(row.attributes, "Parent")
        if row.is_part:
            self.alone += 1
            for owner in parents.split(",") if parents else [name or f"{row.kind} {self.alone}"]:
                self.add_part(row, owner)
        elif row.is_gene:
            self.add_gene(row, name := name or f"gene {row.chrom}:{row.start + 1}-{row.end}")
            biotype = _attribute(row.attributes, "gene_biotype", "biotype") or row.kind.removesuffix("gene")
            self.facts[name] = _attribute(row.attributes, "Name", "gene"), biotype
        elif name and parents:
            self.parents[name] = parents.split(",")[0]

    def gene_of(self, transcript: str) -> str:
        seen = {transcript}
        while (parent := self.parents.get(transcript, transcript)) not in seen:
            seen.add(transcript := parent)
        return transcript
