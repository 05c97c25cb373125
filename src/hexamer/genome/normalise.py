"""One spelling for each change: checked against the reference, trimmed, left-aligned.

VCF can write a change in many ways: with bases around it that do not differ, or anywhere within a repeat.
`normalise` gives all of them the same `Change`: nothing can be taken off it, and it lies as far to the left as the
repeat around it allows. What comes out depends only on the reference and on the altered sequence.
Not here: files (`variants`), haplotypes of people (`edits`).

Source: Tan, Abecasis, Kang (2015) Unified representation of genetic variants, Bioinformatics 31:2202;
``bcftools norm`` is the judge in the tests.
"""

from typing import NamedTuple

from hexamer.genome.fasta import Genome, reverse_complement
from hexamer.genome.variants import Kind, Variant

_BASES = frozenset("ACGT")
_STEP = 256  # bases read at a time while an indel is moved


class Change(NamedTuple):
    """What a variant does, without a base too many.

    Examples
    --------
    >>> Change("chr20", 4, "", "TA").kind, Change("chr20", 4, "GC", "").end
    ('insertion', 6)
    """

    chrom: str
    """The genome's own name."""
    start: int
    """0-based; an insertion goes before this base."""
    ref: str
    """Bases that go, upper case; may be empty."""
    alt: str
    """Bases that come, upper case; may be empty."""

    @property
    def end(self) -> int:
        """0-based, half-open end of the bases that go."""
        return self.start + len(self.ref)

    @property
    def kind(self) -> Kind:
        """What sort of change this is: "snv", "mnv", "insertion", "deletion" or "delins"."""
        if len(self.ref) == len(self.alt):
            return "snv" if len(self.ref) <= 1 else "mnv"
        if not self.ref:
            return "insertion"
        return "delins" if self.alt else "deletion"

    def reverse(self, length: int) -> "Change":
        """Give the same change on the other strand of a contig, counted from its other end.

        Parameters
        ----------
        length : int
            Bases of the contig.

        Returns
        -------
        Change

        Examples
        --------
        >>> Change("chr20", 2, "AC", "").reverse(10)
        Change(chrom='chr20', start=6, ref='GT', alt='')
        """
        return Change(self.chrom, length - self.end, reverse_complement(self.ref), reverse_complement(self.alt))


def normalise(genome: Genome, variant: Variant) -> Change | str:
    r"""Give a variant its one spelling, or say why it has none.

    Parameters
    ----------
    genome : Genome
        The reference that the variant was called on.
    variant : Variant

    Returns
    -------
    Change or str
        The string is a code of `hexamer.errors.REASONS`. A variant whose alleles are equal becomes a `Change` of two
        empty alleles.

    Examples
    --------
    >>> import tempfile; from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = (Path(folder.name) / "g.fa").write_text(">chr1\nGGCACACATT\n")
    >>> genome = Genome(Path(folder.name) / "g.fa")
    >>> normalise(genome, Variant("1", 6, "ACA", "A")), normalise(genome, Variant("chr1", 2, "GCA", "G"))
    (Change(chrom='chr1', start=2, ref='CA', alt=''), Change(chrom='chr1', start=2, ref='CA', alt=''))
    >>> normalise(genome, Variant("1", 6, "T", "C"))
    'ref_mismatch'
    >>> folder.cleanup()
    """
    if reason := _find_reason(genome, variant):
        return reason
    chrom, start = genome.resolve(variant.chrom), variant.start
    ref, alt = variant.ref.upper(), variant.alt.upper()
    most = min(len(ref), len(alt))
    right = next((i for i in range(most) if ref[-1 - i] != alt[-1 - i]), most)
    ref, alt = ref[: len(ref) - right], alt[: len(alt) - right]
    most -= right
    left = next((i for i in range(most) if ref[i] != alt[i]), most)
    change = Change(chrom, start + left, ref[left:], alt[left:])
    return left_align(genome, change)


def left_align(genome: Genome, change: Change) -> Change:
    """Move an insertion or deletion as far to the left as the bases there allow; others stay.

    Parameters
    ----------
    genome : Genome
    change : Change

    Returns
    -------
    Change
    """
    allele, moved = change.ref + change.alt, 0
    if not _can_move(change):
        return change
    while change.start - moved > 0:
        for base in reversed(genome.fetch(change.chrom, max(0, change.start - moved - _STEP), change.start - moved)):
            if base != allele[-1 - moved % len(allele)]:  # moving by one base turns the allele by one
                return _move(change, -moved)
            moved += 1
    return _move(change, -moved)


def right_align(genome: Genome, change: Change) -> Change:
    r"""Move an insertion or deletion as far to the right as the bases there allow; others stay.

    Parameters
    ----------
    genome : Genome
    change : Change

    Returns
    -------
    Change

    Examples
    --------
    >>> import tempfile; from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = (Path(folder.name) / "g.fa").write_text(">chr1\nGGCACACATT\n")
    >>> right_align(Genome(Path(folder.name) / "g.fa"), Change("chr1", 2, "CA", ""))
    Change(chrom='chr1', start=6, ref='CA', alt='')
    >>> folder.cleanup()
    """
    allele, moved, length = change.ref + change.alt, 0, genome.length(change.chrom)
    if not _can_move(change):
        return change
    while change.end + moved < length:
        for base in genome.fetch(change.chrom, change.end + moved, min(length, change.end + moved + _STEP)):
            if base != allele[moved % len(allele)]:
                return _move(change, moved)
            moved += 1
    return _move(change, moved)


def _can_move(change: Change) -> bool:
    return bool(change.ref) != bool(change.alt)


def _move(change: Change, by: int) -> Change:
    def turn(allele: str) -> str:
        at = by % len(allele) if allele else 0
        return allele[at:] + allele[:at]

    return Change(change.chrom, change.start + by, turn(change.ref), turn(change.alt))


def _find_reason(genome: Genome, variant: Variant) -> str:
    if variant.chrom not in genome:
        return "contig_missing"
    if variant.start < 0 or variant.end > genome.length(variant.chrom):
        return "past_end"
    # A REF with other letters (N before a symbolic allele) says nothing that could be compared.
    ref = variant.ref.upper()
    found = genome.fetch(variant.chrom, variant.start, variant.end)
    if _BASES.issuperset(ref) and found != ref:
        known = all(base in ("N", written) for base, written in zip(found, ref, strict=True))
        return "non_acgt_window" if known else "ref_mismatch"
    kind = variant.kind
    if kind == "breakend":
        return "symbolic"
    return kind if kind in ("symbolic", "star", "iupac", "missing") else ""
