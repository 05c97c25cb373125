"""The sequences of people: every haplotype of every interval, one after the other.

Not here: a single haplotype (`haplotypes`), what variants do (`edits`).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hexamer.genome.fasta import reverse_complement
from hexamer.genome.haplotypes import Cohort
from hexamer.genome.intervals import Interval


class PersonalSequence(NamedTuple):
    """What one haplotype of a person has in an interval."""

    sample: str
    number: int
    """1 or 2."""
    interval: Interval
    """On the reference."""
    sequence: str
    """On the interval's strand; longer or shorter than the interval by the person's indels."""
    counts: dict[str, int]
    """Alleles `applied`, and those that were not, by reason."""

    @property
    def name(self) -> str:
        """SAMPLE|NUMBER|REGION(STRAND), the region from 1, its end included; then the interval's name, if any."""
        place = f"{self.interval.region}({self.interval.strand})"
        return "|".join([self.sample, str(self.number), place, *([self.interval.name] if self.interval.name else [])])


def haplotypes(cohort: Cohort, intervals: Iterable[Interval]) -> Iterator[PersonalSequence]:
    r"""Read both haplotypes of all people of a cohort in intervals of the reference.

    Parameters
    ----------
    cohort : Cohort
    intervals : iterable of Interval

    Returns
    -------
    iterator of PersonalSequence
        By interval, then by person, then by haplotype.

    Raises
    ------
    GenomeError
        If an interval is not on the genome.
    VariantError
        If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.

    Examples
    --------
    >>> import pysam, tempfile
    >>> from pathlib import Path
    >>> from hexamer.genome import Genome
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name)
    >>> _ = (path / "tiny.fa").write_text(">chr20\nACGTACGTAC\n")
    >>> with pysam.BGZFile(str(path / "tiny.vcf.gz"), "wb", None) as file:
    ...     _ = file.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\n")
    ...     _ = file.write(b"20\t3\t.\tG\tGTT,C\t.\t.\t.\tGT\t1|2\n")
    >>> with Genome(path / "tiny.fa") as genome, Cohort(path / "tiny.vcf.gz", genome, cache=path) as cohort:
    ...     for each in haplotypes(cohort, [Interval("20", 0, 6, "-")]):
    ...         print(each.name, each.sequence)
    ann|1|20:1-6(-) GTAAACGT
    ann|2|20:1-6(-) GTAGGT
    >>> folder.cleanup()
    """
    for interval in intervals:
        for sample in cohort.samples:
            for number in (1, 2):
                read = cohort.haplotype(sample, number).read(interval.chrom, interval.start, interval.end)
                bases = reverse_complement(read.sequence) if interval.strand == "-" else read.sequence
                yield PersonalSequence(sample, number, interval, bases, dict(read.counts))
