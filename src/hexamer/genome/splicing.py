"""Where genes are spliced: acceptors and donors of transcripts, and windows of genes with a class for each base.

A donor is the last base of an exon that is followed by an intron, an acceptor the first base of an exon behind one, as
in SpliceAI. Windows tile what one transcript of each gene covers, on its strand; bases that no such transcript covers
have no class.
Source: Jaganathan et al. (2019), Methods. Not here: what predicts sites (`hexamer.training`, `hexamer.benchmark`).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.genome.annotation import Annotation
from hexamer.genome.fasta import Genome
from hexamer.genome.intervals import Interval

CLASSES = ("none", "acceptor", "donor")
"""Classes of bases, in the order of their digits."""
UNKNOWN = "."
"""Stands for a base without a class."""
SHORTEST_INTRON = 30
"""Bases; shorter gaps between exons, such as annotations of frameshifts have, are no introns."""

Places = npt.NDArray[np.int64]


class Spliced(NamedTuple):
    """One transcript of a gene: where it is, and its exons in the order of the contig."""

    gene: str
    transcript: str
    chrom: str
    strand: str
    starts: Places
    ends: Places

    @property
    def sites(self) -> tuple[Places, Places]:
        """0-based places of acceptors and of donors, in the order of the contig."""
        left, right = self.ends[:-1] - 1, self.starts[1:]  # bases beside each intron
        return (right, left) if self.strand == "+" else (left, right)


def choose_transcripts(annotation: Annotation, *, biotype: str = "protein_coding") -> list[Spliced]:
    r"""Choose the transcript of each gene whose exons are longest together.

    Parameters
    ----------
    annotation : Annotation
    biotype : str
        Of the genes, where the file tells biotypes of any; empty for all.

    Returns
    -------
    list of Spliced
        Of genes with an intron of `SHORTEST_INTRON` bases or more, by contig and place. Of transcripts equally long the
        first by name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     for start, end in ((11, 20), (61, 80)):
    ...         _ = file.write(
    ...             b'1\tx\texon\t%d\t%d\t.\t-\t.\tgene_id "g"; transcript_id "t";\n' % (start, end)
    ...         )
    ...     file.flush()
    ...     chosen = choose_transcripts(Annotation(file.name))
    >>> [each.tolist() for each in chosen[0].sites]  # acceptor, donor
    [[19], [60]]
    """
    models = annotation.models
    told = {(gene.chrom, gene.id): gene.biotype for gene in models.genes}
    wanted = biotype if any(told.values()) else ""
    best: dict[tuple[str, str, str], tuple[int, str, Spliced]] = {}
    order = np.lexsort((models.starts, models.owners))
    owners = models.owners[order]
    bounds = np.flatnonzero(np.diff(owners, prepend=-1, append=-1))
    for first, last in pairwise(bounds):
        transcript = models.transcripts[owners[first]]
        if wanted and told.get((transcript.chrom, transcript.gene), "") != wanted:
            continue
        starts, ends = _join(models.starts[order[first:last]], models.ends[order[first:last]], SHORTEST_INTRON)
        if len(starts) < 2:
            continue
        key = (transcript.chrom, transcript.gene or transcript.id, transcript.strand)
        rank = (-int((ends - starts).sum()), transcript.id)
        if key not in best or rank < best[key][:2]:
            own = Spliced(transcript.gene, transcript.id, transcript.chrom, transcript.strand, starts, ends)
            best[key] = (*rank, own)
    return sorted((own for _, _, own in best.values()), key=lambda own: (own.chrom, own.starts[0], own.transcript))


class Tiles(NamedTuple):
    """Windows of genes, and how many were left out."""

    table: pd.DataFrame
    """`chrom`, `start`, `end` (0-based, half-open), `strand`, `label`: a character a base of the window as its strand
    reads it, a digit in the order of `CLASSES` or `UNKNOWN`."""
    unread: int
    """Windows left out since too many of their bases are N."""
    short: int = 0
    """Windows left out since their contig is shorter than a window."""


def label_windows(
    genome: Genome, transcripts: list[Spliced], *, window: int = 6000, most_unknown: float = 0.05
) -> Tiles:
    """Tile transcripts with windows, and give each base its class.

    Parameters
    ----------
    genome : Genome
    transcripts : list of Spliced
        As from `choose_transcripts`, of an annotation that knows the genome. Where several overlap on a strand, their
        stretch is tiled once, with the sites of all.
    window : int
        Bases of a window. The last window of a stretch goes beyond its end; at a contig's end it lies further in.
    most_unknown : float
        Share of N in a window beyond which it is left out: each N is a token.

    Returns
    -------
    Tiles

    Raises
    ------
    SettingsError
        If the window is longer than every contig with genes, or not 1 or more, or the share below 0 or no number.
    GenomeError
        If a contig is not in the genome.
    """
    if window < 1 or not 0 <= most_unknown <= 1:
        raise SettingsError(f"window {window}, most_unknown {most_unknown}; from 1, and from 0 to 1, would work")
    rows: list[dict[str, object]] = []
    unread, short = 0, list[int]()
    for chrom, strand in sorted({(each.chrom, each.strand) for each in transcripts}):
        mine = [each for each in transcripts if (each.chrom, each.strand) == (chrom, strand)]
        length = genome.length(chrom)
        if length < window:
            short.append(length)
            continue
        classes = np.full(length, ord(UNKNOWN), dtype=np.uint8)
        for each in mine:
            classes[each.starts[0] : each.ends[-1]] = ord("0")
        for each in mine:
            for digit, places in enumerate(each.sites, 1):
                classes[places] = ord("0") + digit
        covered = 0
        for start in _tile(mine, window, length):
            place = Interval(chrom, start, start + window, strand)
            if genome.fetch_interval(place).count("N") > most_unknown * window:
                unread += 1
                continue
            own = classes[start : start + window].copy()
            own[: max(0, covered - start)] = ord(UNKNOWN)  # at a contig's end, a window lies on the one before
            covered = start + window
            text = (own if strand == "+" else own[::-1]).tobytes().decode("ascii")
            rows.append({"chrom": chrom, "start": start, "end": start + window, "strand": strand, "label": text})
    if short and not rows and not unread:
        raise SettingsError(
            f"window {window:,}: contigs with genes have {max(short):,} bases; a shorter one would work"
        )
    table = pd.DataFrame(rows, columns=["chrom", "start", "end", "strand", "label"])
    return Tiles(table.sort_values(["chrom", "start", "strand"], ignore_index=True), unread, len(short))


def share_canonical(genome: Genome, transcripts: list[Spliced]) -> float:
    """Share of introns that begin with GT and end with AG, of those without N there; little where a genome is another.

    Parameters
    ----------
    genome : Genome
    transcripts : list of Spliced

    Returns
    -------
    float
        NaN without any.
    """
    known = right = 0
    for each in transcripts:
        for start, end in zip(each.ends[:-1].tolist(), each.starts[1:].tolist(), strict=True):
            ends = genome.fetch(each.chrom, start, start + 2), genome.fetch(each.chrom, end - 2, end)
            known += "N" not in ends[0] + ends[1]
            right += ends == (("GT", "AG") if each.strand == "+" else ("CT", "AC"))
    return right / known if known else float("nan")


def _join(starts: Places, ends: Places, gap: int = 1) -> tuple[Places, Places]:
    """Join pieces, sorted by start, less than a gap apart: files may tell of CDS and UTR beside exons."""
    reach = np.maximum.accumulate(ends)
    first = np.concatenate([[True], starts[1:] >= reach[:-1] + gap])
    last = np.concatenate([first[1:], [True]])
    return starts[first], reach[last]


def _tile(transcripts: list[Spliced], window: int, length: int) -> Iterator[int]:
    """Yield starts of windows over the stretches that transcripts cover."""
    firsts = np.array([each.starts[0] for each in transcripts])
    order = np.argsort(firsts, kind="stable")
    ends = np.array([each.ends[-1] for each in transcripts])
    covered = 0
    for start, end in zip(*_join(firsts[order], ends[order]), strict=True):
        for place in range(max(int(start), covered), int(end), window):
            yield min(place, length - window)
            covered = place + window
