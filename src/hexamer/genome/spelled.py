"""A person's haplotype around a region, spelled out: a small genome that counts places along the haplotype.

On a `Haplotype` places are the reference's, and what lies between two of them is longer or shorter than their distance.
Analyses that walk along a sequence base by base read it here, where distance is distance, and take their results back
to the reference with `SpelledHaplotype.to_reference`. Not here: which edits a person has (`haplotypes`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.genome.fasta import SequenceGenome
from hexamer.genome.haplotypes import Haplotype
from hexamer.genome.intervals import Interval


class SpelledHaplotype(NamedTuple):
    """A region of a person's haplotype, and what lies around it."""

    genome: SequenceGenome
    interval: Interval | None
    """The region on it, with the name and strand that were asked for; None where the person has none of its bases."""
    places: npt.NDArray[np.int64]
    """0-based place on the reference of each base of the genome's one contig; -1 for inserted bases."""
    counts: dict[str, int]
    """Alleles that are `applied` in all that was read, and those that are not, by reason."""

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
        reference, inserted = number_bases(self.places)
        return reference[asked], inserted[asked]


def number_bases(places: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give every base of a sequence a place on the reference, inserted ones too.

    Parameters
    ----------
    places : int64 array [L]
        Of each base, rising; -1 for inserted ones.

    Returns
    -------
    reference : int64 array [L]
        0-based; of inserted bases that of the base before them, -1 if no base is known.
    inserted : int64 array [L]
        0, or which base of an insertion it is, from 1.

    Examples
    --------
    >>> number_bases(np.array([-1, 4, 5, -1, -1, 8]))
    (array([3, 4, 5, 5, 5, 8]), array([1, 0, 0, 1, 2, 0]))
    """
    numbers, known = np.arange(len(places)), np.flatnonzero(places >= 0)
    last = np.maximum.accumulate(np.where(places >= 0, numbers, -1))
    before = places[known[0]] - 1 if len(known) else -1
    return np.where(last >= 0, places[last], before), numbers - last


def spell(haplotype: Haplotype, interval: Interval, *, margin: int, step: int = 1) -> SpelledHaplotype:
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
    SpelledHaplotype

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
    genome, found = SequenceGenome({chrom: read.sequence}, haplotype.cohort.genome.path), None
    if len(own):
        found = Interval(chrom, int(own[0]), int(own[-1]) + 1, interval.strand, interval.name or interval.region)
    return SpelledHaplotype(genome, found, places, dict(read.counts))
