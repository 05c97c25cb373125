"""Intervals: where on which chromosome, on which strand.

An interval is 0-based and half-open, as in BED: ``start`` is the first base, ``end`` is one past the last, and
``end - start`` is its length. The printed region string is 1-based and closed, as samtools writes it; `Interval.parse`
and `Interval.region` are the only two places that convert. An interval has at least one base.
Not here: the letters in an interval (`hexamer.genome.fasta`), gene models.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from hexamer.errors import IntervalError
from hexamer.genome.lines import Input, excerpt

STRANDS = ("+", "-")

# A contig's own name may hold colons (HLA-A*01:01), so the last one divides.
_REGION = re.compile(r"(?P<chrom>\S+):(?P<first>[0-9][0-9,]*)(?:-(?P<last>[0-9][0-9,]*))?")
_NOT_DATA = (b"#", b"track", b"browser")


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of one chromosome.

    Parameters
    ----------
    chrom : str
        Name of the chromosome or contig.
    start, end : int
        0-based, half-open, in bases; 0 <= start < end.
    strand : {"+", "-"}
        The strand to read; coordinates always count along "+".
    name : str
        Free text, empty if there is none.

    Raises
    ------
    IntervalError
        If a value is out of these bounds.

    Examples
    --------
    >>> interval = Interval.parse("chr20:1,000,001-2,000,000")
    >>> interval.start, interval.end, len(interval)
    (1000000, 2000000, 1000000)
    >>> interval.resize(6_000).region
    'chr20:1497001-1503000'
    """

    chrom: str
    start: int
    end: int
    strand: str = "+"
    name: str = ""

    def __post_init__(self) -> None:
        if not self.chrom or any(letter.isspace() for letter in self.chrom):
            raise IntervalError(f"chromosome {excerpt(self.chrom)} is empty or holds white space; give its name")
        if not 0 <= self.start < self.end:
            raise IntervalError(
                f"interval {self.chrom} start {self.start} end {self.end}: "
                "expected 0 <= start < end (0-based, half-open)"
            )
        if self.strand not in STRANDS:
            raise IntervalError(f"strand {excerpt(self.strand)} of {self.region}: expected '+' or '-'")

    @classmethod
    def parse(cls, region: str) -> Self:
        """Read a region string: 1-based, both ends included, commas allowed.

        Parameters
        ----------
        region : str
            ``chrom:first-last``, or ``chrom:position`` for one base.

        Returns
        -------
        Interval
            On the "+" strand, without a name.

        Raises
        ------
        IntervalError
            If the string has another form, or its first position is 0 or beyond its last.

        Examples
        --------
        >>> Interval.parse("chr20:5")
        Interval(chrom='chr20', start=4, end=5, strand='+', name='')
        """
        match = _REGION.fullmatch(region.strip())
        if match is None:
            raise IntervalError(
                f"region {excerpt(region)}: expected chrom:first-last, such as chr20:1,000,001-2,000,000"
            )
        first = int(match["first"].replace(",", ""))
        last = int(match["last"].replace(",", "")) if match["last"] else first
        if first < 1 or last < first:
            raise IntervalError(
                f"region {excerpt(region)}: positions count from 1 and the first is not beyond the last, "
                f"as in {match['chrom']}:1-100"
            )
        return cls(match["chrom"], first - 1, last)

    @property
    def region(self) -> str:
        """The region string, 1-based and closed: ``chrom:first-last``."""
        return f"{self.chrom}:{self.start + 1}-{self.end}"

    @property
    def centre(self) -> int:
        """The middle base, 0-based; of an even length, the right one of the two."""
        return (self.start + self.end) // 2

    def __len__(self) -> int:
        return self.end - self.start

    def resize(self, length: int) -> Self:
        """Return the interval of `length` bases around the same centre.

        Parameters
        ----------
        length : int
            In bases, at least 1.

        Returns
        -------
        Interval
            With the same strand and name. `resize` to its own length changes nothing.

        Raises
        ------
        IntervalError
            If it would begin before base 0. The chromosome's other end is not known here: `Genome.fetch` checks it.

        Examples
        --------
        >>> Interval("chr20", 100, 101).resize(11)
        Interval(chrom='chr20', start=95, end=106, strand='+', name='')
        """
        start = self.centre - length // 2
        if length < 1 or start < 0:
            raise IntervalError(
                f"{self.region} resized to {length} bases would begin at {start}; "
                f"give a length from 1 to {2 * self.centre + 1}"
            )
        return replace(self, start=start, end=start + length)


def read_intervals(path: str | Path) -> list[Interval]:
    r"""Read the intervals of a BED file, in its order.

    Parameters
    ----------
    path : str or Path
        BED with 3 columns or more, plain, gzip or bgzip; ``-`` for standard input. Columns are divided by tabs, or in a
        line without tabs by white space. Columns 4 and 6 are name and strand ("." becomes "+"); others are not read.
        Blank lines and lines that begin with ``#``, ``track`` or ``browser`` are skipped.

    Returns
    -------
    list of Interval

    Raises
    ------
    IntervalError
        If the file is missing, empty, cut short or has no interval, or a line cannot be read; the message names it.

    References
    ----------
    The BED format: https://samtools.github.io/hts-specs/BEDv1.pdf

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"#a comment\nchr20\t10\t20\tpeak 1\t0\t-\n")
    ...     file.flush()
    ...     read_intervals(file.name)
    [Interval(chrom='chr20', start=10, end=20, strand='-', name='peak 1')]
    """
    with Input(path, IntervalError) as source:
        intervals = []
        for number, line in source:
            if not line.strip() or _is_not_data(line):
                continue
            try:
                intervals.append(_interval_of_bed(line))
            except IntervalError as problem:
                raise IntervalError(f"{source.name}:{number}: {problem}") from None
        if not intervals:
            raise IntervalError(
                f"{source.name}: no interval in it; expected lines of chrom, start, end divided by tabs"
            )
    return intervals


def _is_not_data(line: bytes) -> bool:
    # A contig may be called track7: the word has to stand alone.
    return line.startswith(b"#") or line.split(maxsplit=1)[0] in _NOT_DATA


def _interval_of_bed(line: bytes) -> Interval:
    text = line.decode("utf-8", errors="replace").strip("\r\n")
    columns = text.split("\t") if "\t" in text else text.split()
    if len(columns) < 3:
        raise IntervalError(f"{len(columns)} column(s) in {excerpt(text)}; expected chrom, start, end divided by tabs")
    numbers = [column.strip() for column in columns[1:3]]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise IntervalError(
            f"start and end are {excerpt(numbers[0])} and {excerpt(numbers[1])}; "
            "expected whole numbers from 0 (begin a header line with #)"
        )
    name = columns[3] if len(columns) > 3 else ""
    strand = columns[5].strip() if len(columns) > 5 else "+"
    return Interval(columns[0].strip(), int(numbers[0]), int(numbers[1]), "+" if strand == "." else strand, name)
