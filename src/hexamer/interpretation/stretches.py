"""What is looked into: a stretch of a genome, of a person's haplotype, or a sequence of a FASTA file.

Every analysis of this folder reads a `Stretch`, so that it works for all of them; its bases know where they lie.
Not here: what is asked of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.errors import SequenceError
from hexamer.genome import Genome, Haplotype, Interval, read_sequences, reverse_complement

Places = npt.NDArray[np.int64]


class Stretch(NamedTuple):
    """A sequence, and where its bases lie."""

    name: str
    chrom: str
    """Contig of the genome, or the name of the sequence itself."""
    strand: str
    """Which of the contig's strands the sequence is."""
    sequence: str
    """A, C, G, T and N, in the order that it is read."""
    places: Places
    """0-based place on the contig's forward strand of each base, int64 [L]; -1 for bases that a person has inserted."""


def read_stretch(genome: Genome | Haplotype, interval: Interval) -> Stretch:
    r"""Read an interval of a genome, or of a person's haplotype.

    Parameters
    ----------
    genome : Genome or Haplotype
        Intervals are of the reference for both.
    interval : Interval
        On "-" the other strand is read.

    Returns
    -------
    Stretch

    Raises
    ------
    GenomeError
        If the interval is not on the genome.
    VariantError
        If a person's variants cannot be read there.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "g.fa"
    >>> _ = path.write_text(">chr1\nACGTTT\n")
    >>> found = read_stretch(Genome(path), Interval("1", 1, 4, "-"))
    >>> found.sequence, found.places.tolist()
    ('ACG', [3, 2, 1])
    >>> folder.cleanup()
    """
    chrom = genome.resolve(interval.chrom)
    if isinstance(genome, Haplotype):
        read = genome.read(chrom, interval.start, interval.end)
        letters, places = read.sequence, read.blocks.to_reference(np.arange(len(read.sequence)))
    else:
        letters, places = genome.fetch(chrom, interval.start, interval.end), np.arange(interval.start, interval.end)
    if interval.strand == "-":
        letters, places = reverse_complement(letters), places[::-1]
    return Stretch(interval.name or interval.region, chrom, interval.strand, letters, places.astype(np.int64))


def read_stretches(path: str | Path) -> Iterator[Stretch]:
    """Read the sequences of a FASTA file; each is a contig of its own.

    Parameters
    ----------
    path : str or Path
        As `read_sequences`.

    Yields
    ------
    Stretch

    Raises
    ------
    GenomeError
        As `read_sequences`.
    SequenceError
        If a sequence has no base.
    """
    for number, (name, letters) in enumerate(read_sequences(path), 1):
        if not letters:
            raise SequenceError(f"{path}: sequence {number} ({name}) has no base; one or more would work")
        plain = "".join(letter if letter in "ACGT" else "N" for letter in letters.upper().replace("U", "T"))
        yield Stretch(name or f"sequence_{number}", name or f"sequence_{number}", "+", plain, np.arange(len(plain)))
