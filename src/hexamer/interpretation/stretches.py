"""What is looked into: a stretch of a genome, of a person's haplotype, or a sequence of a FASTA file.

Analyses of a sequence alone read a `Stretch`, those that need what lies around it a `Region`, so that both work for all
three; bases know where they lie on the reference. Not here: what is asked of them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import GenomeError, SequenceError
from hexamer.genome import Genome, Haplotype, Interval, SpelledHaplotype, read_sequences, reverse_complement, spell

Places = npt.NDArray[np.int64]


AROUND = 1000
"""Bases around a person's region in which deletions that reach into it are found."""


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


class Region(NamedTuple):
    """An interval, and the genome that it is read from: the reference, a FASTA file, or a haplotype spelled out."""

    name: str
    genome: Genome
    interval: Interval
    """On `genome`, whose places are the reference's, or are counted along the haplotype."""
    spelled: SpelledHaplotype | None
    """Where bases lie on the reference, for a haplotype."""

    def read(self) -> Stretch:
        """Read the bases of the region, without what lies around them, on its strand."""
        chrom, (start, end) = self.genome.resolve(self.interval.chrom), (self.interval.start, self.interval.end)
        letters, places = self.genome.fetch(chrom, start, end), np.arange(start, end)
        if self.spelled is not None:
            places = self.spelled.places[start:end]
        if self.interval.strand == "-":
            letters, places = reverse_complement(letters), places[::-1]
        return Stretch(self.name, chrom, self.interval.strand, letters, places.astype(np.int64))

    def on_reference(self, table: pd.DataFrame, column: str = "pos") -> pd.DataFrame:
        """Write the places of a table as the reference's.

        Parameters
        ----------
        table : DataFrame
            With places on `genome`, from 1.
        column : str
            Which.

        Returns
        -------
        DataFrame
            The table itself for a genome. For a haplotype a copy with places of the reference, and behind them
            `inserted` (`{column}_inserted` for columns other than "pos"): 0, or which base it is, from 1, of what the
            person has inserted behind that place.
        """
        if self.spelled is None:
            return table
        places, inserted = self.spelled.to_reference(table[column].to_numpy(np.int64) - 1)
        table = table.assign(**{column: places + 1})
        name = "inserted" if column == "pos" else f"{column}_inserted"
        table.insert(list(table.columns).index(column) + 1, name, inserted)
        return table


def find_region(source: Genome | Haplotype, interval: Interval, *, margin: int, step: int = 1) -> Region:
    """Find an interval in a genome, or in a person's haplotype.

    Parameters
    ----------
    source : Genome or Haplotype
    interval : Interval
        Of the reference for both.
    margin, step : int
        Of a haplotype, as `hexamer.genome.spell`.

    Returns
    -------
    Region

    Raises
    ------
    GenomeError
        If the interval is not on the genome, or deleted in the person.
    VariantError
        If a person's variants cannot be read there.
    """
    name = interval.name or interval.region
    if isinstance(source, Haplotype):
        spelled = spell(source, interval, margin=margin, step=step)
        if spelled.interval is None:
            raise GenomeError(f"{source!r} has no base of {interval.region}: all are deleted; another would work")
        return Region(name, spelled.genome, spelled.interval, spelled)
    source.fetch(interval.chrom, interval.start, interval.end)  # is it there?
    return Region(name, source, interval, None)


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
    return find_region(genome, interval, margin=AROUND).read()


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
