"""What a base belongs to: coding sequence, UTR, exon, promoter, intron, or nothing known.

A base may lie in many transcripts, so the classes are ordered and the first one wins:

    cds                coding in any transcript, stop codon included
    five_prime_utr     exonic and before the coding sequence of its transcript
    three_prime_utr    exonic and behind it
    exon               exonic otherwise: transcripts for which the file has no CDS
    promoter           the 1,000 bases (`promoter`) before a transcript's first base, on its strand
    intron             between the first and the last exon of a transcript
    intergenic         everything else

UTRs are always derived, exon minus CDS for each transcript; UTR rows count as exons. So `exon` is non-coding RNA in a
file with CDS rows, and every exon in a file without. Where a file gives CDS alone, the promoter is what lies before
the start codon. A transcript without a strand is read as "+".
Not here: how the files are read (`genes`).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hexamer.errors import AnnotationError
from hexamer.genome.contigs import ContigNames
from hexamer.genome.fasta import Genome
from hexamer.genome.genes import GeneModels, join_models, read_genes
from hexamer.genome.lines import excerpt

if TYPE_CHECKING:
    import pandas as pd

CLASSES = ("cds", "five_prime_utr", "three_prime_utr", "exon", "promoter", "intron", "intergenic")
"""Classes of elements; a label is an index into them, and the lower one wins."""
CDS, FIVE_PRIME_UTR, THREE_PRIME_UTR, EXON, PROMOTER, INTRON, INTERGENIC = range(len(CLASSES))

Labels = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Stretches = tuple[Places, Places]


class Annotation:
    r"""Genes of a genome, and the class of each base.

    Parameters
    ----------
    path : str, Path or sequence of them
        GTF or GFF3, plain, gzip or bgzip; several files (of different contigs, say) are read as one.
    genome : Genome or mapping of str to int, optional
        The genome, or its contigs with their lengths. Contigs then have its names, those that it lacks are left out
        (`skipped`), and a gene beyond a contig's end is an error.
    promoter : int
        Bases before a transcript that count as its promoter.

    Attributes
    ----------
    classes : tuple of str
        `CLASSES`.
    contigs : tuple of str
        Contigs that have genes.
    skipped : tuple of str
        Contigs of the files that are not in the genome.

    Raises
    ------
    AnnotationError
        If a file cannot be read, none of its contigs is in the genome, or a gene lies beyond a contig's end.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     for row in ("exon\t2001\t2100", "CDS\t2051\t2100", "exon\t2201\t2300", "CDS\t2201\t2240"):
    ...         _ = file.write(f'chr1\tx\t{row}\t.\t+\t.\tgene_id "g"; transcript_id "t";\n'.encode())
    ...     file.flush()
    ...     annotation = Annotation(file.name, {"1": 5000})
    >>> annotation.elements("chr1").to_dict("tight")["data"]  # doctest: +NORMALIZE_WHITESPACE
    [[0, 1000, 'intergenic'], [1000, 2000, 'promoter'], [2000, 2050, 'five_prime_utr'], [2050, 2100, 'cds'],
     [2100, 2200, 'intron'], [2200, 2240, 'cds'], [2240, 2300, 'three_prime_utr'], [2300, 5000, 'intergenic']]
    >>> [annotation.classes[code] for code in annotation.label("1", 2049, 2051)]
    ['five_prime_utr', 'cds']
    """

    classes = CLASSES

    def __init__(
        self,
        path: str | Path | Sequence[str | Path],
        genome: Genome | Mapping[str, int] | None = None,
        *,
        promoter: int = 1000,
    ) -> None:
        self.paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
        self.promoter = promoter
        self._lengths = genome.contigs if isinstance(genome, Genome) else genome
        models = [read_genes(one) for one in self.paths]
        names = self._place_contigs(dict.fromkeys(t.chrom for one in models for t in one.transcripts))
        self.contigs = tuple(dict.fromkeys(names.values()))
        self.skipped = tuple(dict.fromkeys(t.chrom for one in models for t in one.transcripts if t.chrom not in names))
        self._models = join_models(models, names)
        self._chroms = np.array([transcript.chrom for transcript in self._models.transcripts])
        self._known = ContigNames(self.contigs if self._lengths is None else self._lengths)
        self._painted: dict[str, tuple[Places, Labels]] = {}
        self._check_ends()

    @property
    def models(self) -> GeneModels:
        """Genes, transcripts and their parts, by the genome's contig names."""
        return self._models

    @property
    def _files(self) -> str:
        return ", ".join(str(path) for path in self.paths)

    def _place_contigs(self, names: Iterable[str]) -> dict[str, str]:
        """Name of the genome for each contig of the files that it has."""
        if self._lengths is None:
            return {name: name for name in names}
        known, placed = ContigNames(self._lengths), dict[str, str]()
        for name in names:
            found = known.matches(name)
            if len(found) > 1:
                raise AnnotationError(f"{self._files}: contig {excerpt(name)} may be any of {', '.join(found)}")
            if found:
                placed[name] = found[0]
        if not placed:
            raise AnnotationError(
                f"{self._files}: contigs {_some(names)} are none of the genome's, {_some(self._lengths)}; "
                "is it of another assembly?"
            )
        return placed

    def _check_ends(self) -> None:
        for gene in self._models.genes if self._lengths is not None else ():
            if self._lengths and gene.end > self._lengths[gene.chrom]:
                raise AnnotationError(
                    f"{self._files}: gene {gene.id} ends at base {gene.end:,} of {gene.chrom}, which has "
                    f"{self._lengths[gene.chrom]:,}; is it of another assembly?"
                )

    def resolve(self, chrom: str) -> str:
        """Return this annotation's name of a contig; AnnotationError if there is none, or no single one."""
        names = self._known.matches(chrom)
        if len(names) != 1:
            among = self.contigs if self._lengths is None else self._lengths
            raise AnnotationError(f"contig {excerpt(chrom)} is not in {self._files}, which has {_some(among)}")
        return names[0]

    @property
    def genes(self) -> "pd.DataFrame":
        """One row per gene: `gene_id`, `name`, `biotype`, `chrom`, `start`, `end`, `strand`, `tss` (its first base)."""
        import pandas as pd  # slow to import, and labels do without

        columns = {"id": "gene_id", "name": "name", "biotype": "biotype", "chrom": "chrom"}
        columns |= {name: name for name in ("start", "end", "strand")}
        rows = [[getattr(gene, name) for name in columns] for gene in self._models.genes]
        table = pd.DataFrame(rows, columns=list(columns.values()))
        table["tss"] = np.where(table["strand"] == "-", table["end"] - 1, table["start"])
        return table

    @property
    def transcripts(self) -> "pd.DataFrame":
        """One row per transcript: `transcript_id`, `gene_id`, `chrom`, `strand`, `start`, `end`, and more.

        `cds_start` and `cds_end` are equal where the file gives no CDS; `tss` is the first base.
        """
        import pandas as pd

        table = pd.DataFrame(self._models.transcripts, columns=["transcript_id", "gene_id", "chrom", "strand"])
        table[["start", "end", "cds_start", "cds_end"]] = self._models.extents().T
        table["tss"] = np.where(table["strand"] == "-", table["end"] - 1, table["start"])
        return table

    def elements(self, chrom: str) -> "pd.DataFrame":
        """Cut a contig into stretches of one class.

        Parameters
        ----------
        chrom : str

        Returns
        -------
        DataFrame
            `start`, `end`, `element`; sorted, disjoint, without gaps. The last ends with the contig, or where no
            genome was given with the last gene or promoter.

        Raises
        ------
        AnnotationError
            If the contig is not known.
        """
        import pandas as pd

        name = self.resolve(chrom)
        edges, labels = self._paint(name)
        if self._lengths is not None:
            edges, labels = np.append(edges, self._lengths[name]), np.append(labels, INTERGENIC)
        keep = np.diff(edges) > 0
        names = np.array(CLASSES)[labels[:-1][keep]]
        return pd.DataFrame({"start": edges[:-1][keep], "end": edges[1:][keep], "element": names})

    def label(self, chrom: str, start: int, end: int) -> Labels:
        """Class of each base of a stretch.

        Parameters
        ----------
        chrom : str
            Any usual name of the contig.
        start, end : int
            0-based, half-open.

        Returns
        -------
        uint8 array [end - start]
            Indices into `classes`. Contigs of the genome without genes are intergenic.

        Raises
        ------
        AnnotationError
            If the contig is not known, or the stretch runs off it.
        """
        name = self.resolve(chrom)
        if not 0 <= start <= end <= (end if self._lengths is None else self._lengths[name]):
            raise AnnotationError(f"start {start} end {end} runs off {name}; expected 0 <= start <= end <= its length")
        edges, labels = self._paint(name)
        inside = slice(int(np.searchsorted(edges, start, side="right")) - 1, int(np.searchsorted(edges, end)))
        bounds = np.append(np.maximum(edges[inside], start), end)
        return np.repeat(labels[inside], np.diff(bounds))

    def _paint(self, name: str) -> tuple[Places, Labels]:
        """Where the class changes on a contig, and to which; both [E], the first at base 0."""
        if name not in self._painted:
            layers = _layers(self._models, self._chroms == name, self.promoter)
            self._painted[name] = _flatten(layers, None if self._lengths is None else self._lengths[name])
        return self._painted[name]


def _layers(models: GeneModels, chosen: npt.NDArray[np.bool_], promoter: int) -> dict[int, Stretches]:
    """Gather starts and ends of the stretches of each class, overlapping and unsorted, over the chosen transcripts."""
    first, last, cds_first, cds_last = models.extents()
    reverse = np.array([transcript.strand == "-" for transcript in models.transcripts], dtype=bool)
    coding = cds_first < cds_last
    upstream = np.where(reverse, last, first - promoter)

    exons = chosen[models.owners] & ~models.coding
    owner, starts, ends = models.owners[exons], models.starts[exons], models.ends[exons]
    before = (starts, np.minimum(ends, cds_first[owner]))
    behind = (np.maximum(starts, cds_last[owner]), ends)
    five, three = coding[owner] & ~reverse[owner], coding[owner] & reverse[owner]
    cds = chosen[models.owners] & models.coding
    return {
        CDS: (models.starts[cds], models.ends[cds]),
        FIVE_PRIME_UTR: _both(before, five, behind, three),
        THREE_PRIME_UTR: _both(before, three, behind, five),
        EXON: (starts, ends),
        PROMOTER: (upstream[chosen], upstream[chosen] + promoter),
        # All of a transcript: exons lie above it.
        INTRON: (first[chosen], last[chosen]),
    }


def _both(
    one: Stretches, in_one: npt.NDArray[np.bool_], other: Stretches, in_other: npt.NDArray[np.bool_]
) -> Stretches:
    starts, ends = (np.concatenate([a[in_one], b[in_other]]) for a, b in zip(one, other, strict=True))
    return starts, ends


def _flatten(layers: dict[int, Stretches], length: int | None) -> tuple[Places, Labels]:
    """Lay the classes over each other, the lowest code on top."""
    for code, (starts, ends) in layers.items():
        starts, ends = np.clip(starts, 0, length), np.clip(ends, 0, length)
        layers[code] = starts[starts < ends], ends[starts < ends]
    edges = np.unique(np.concatenate([[0], *(side for two in layers.values() for side in two)]))
    labels = np.full(edges.size, INTERGENIC, dtype=np.uint8)
    for code in sorted(layers, reverse=True):
        starts, ends = layers[code]
        depth = np.bincount(np.searchsorted(edges, starts), minlength=edges.size)
        depth -= np.bincount(np.searchsorted(edges, ends), minlength=edges.size)
        labels[np.cumsum(depth) > 0] = code
    changes = np.append(True, labels[1:] != labels[:-1])
    return edges[changes], labels[changes]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:4]) + (", ..." if len(listed) > 4 else "")
