"""A person's haplotype around a region, spelled out: a small genome that counts places along the haplotype.

On a `Haplotype` places are the reference's, and what lies between two of them is longer or shorter than their distance.
Analyses that walk along a sequence base by base read it here, where distance is distance, and take their results back
to the reference with `Spelled.to_reference`. Not here: which edits a person has (`haplotypes`).
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.genome.contigs import ContigNames
from hexamer.genome.fasta import Genome
from hexamer.genome.haplotypes import Haplotype
from hexamer.genome.intervals import Interval


class SpelledGenome(Genome):
    """Sequences in memory that answer the calls of a `Genome`.

    Parameters
    ----------
    letters : dict of str to str
        Sequence by contig.
    path : Path
        What errors and manifests name as their source.

    Examples
    --------
    >>> genome = SpelledGenome({"chr20": "ACGTNN"}, Path("ann.vcf.gz"))
    >>> genome.contigs, genome.fetch("20", 1, 5)
    ({'chr20': 6}, 'CGTN')
    """

    def __init__(self, letters: dict[str, str], path: Path):
        self.path = path
        self.contigs = {name: len(sequence) for name, sequence in letters.items()}
        self._names = ContigNames(self.contigs)
        self._letters = letters

    def _read_letters(self, name: str, start: int, end: int) -> bytes:
        return self._letters[name][start:end].encode("ascii")

    def close(self) -> None:
        """Do nothing: no file is open."""

    def __reduce__(self) -> tuple[Any, ...]:
        return SpelledGenome, (self._letters, self.path)


class Spelled(NamedTuple):
    """A region of a person's haplotype, and what lies around it."""

    genome: SpelledGenome
    interval: Interval | None
    """The region on it, with the name and strand that were asked for; None where the person has none of its bases."""
    places: npt.NDArray[np.int64]
    """0-based place on the reference of each base of the genome's one contig; -1 for inserted bases."""

    def to_reference(self, places: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Find where bases of the haplotype lie on the reference.

        Parameters
        ----------
        places : array_like of int
            On the haplotype, 0-based.

        Returns
        -------
        reference : int64 array
            Place on the reference, 0-based; of inserted bases, that of the last base before them.
        inserted : int64 array
            0, or which base of an insertion it is, from 1.
        """
        asked = np.asarray(places, dtype=np.int64)
        numbers = np.arange(len(self.places))
        last = np.maximum.accumulate(np.where(self.places >= 0, numbers, -1))[asked]
        return np.where(last >= 0, self.places[last], -1), asked - last


def spell(haplotype: Haplotype, interval: Interval, *, margin: int, step: int = 1) -> Spelled:
    r"""Spell out a region of a haplotype with what lies around it.

    Parameters
    ----------
    haplotype : Haplotype
    interval : Interval
        On the reference.
    margin : int
        Bases of the reference on both sides that are read as well, as far as there are any.
    step : int
        The sequence begins, and ends, a multiple of so many bases from the contig's beginning, and end: windows on
        such a grid are the reference's wherever the person is.

    Returns
    -------
    Spelled

    Raises
    ------
    GenomeError
        If the interval is not on the reference.
    VariantError
        If the person's variants cannot be read there.
    """
    chrom, length = haplotype.resolve(interval.chrom), haplotype.length(interval.chrom)
    if interval.end > length:
        haplotype.fetch(chrom, interval.start, interval.end)  # says so
    start = max(0, interval.start - margin) // step * step
    end = length - max(0, length - interval.end - margin) // step * step
    read = haplotype.read(chrom, start, end)
    places = read.blocks.to_reference(np.arange(len(read.sequence)))
    own = np.flatnonzero((places >= interval.start) & (places < interval.end))
    genome, found = SpelledGenome({chrom: read.sequence}, haplotype.cohort.genome.path), None
    if len(own):
        found = Interval(chrom, int(own[0]), int(own[-1]) + 1, interval.strand, interval.name or interval.region)
    return Spelled(genome, found, places)
