r"""Haplotypes: a person's own two sequences, from a reference genome and phased variants.

`Cohort` reads the people of a VCF or BCF file by region; a `Haplotype` of it answers the calls of a `Genome`.
Policies, beside those of overlaps and windows (`edits`):

* Missing calls are the reference allele, and so is haplotype 2 of a haploid call (X of a man), as in bcftools.
* REF has to be what the genome has; the first record of a window where it is not is an error.
* Unphased heterozygotes are an error, are skipped (reference allele on both haplotypes), or are laid at random.
* A contig without records is the reference's, as in bcftools.

Phase sets (PS) are not read. Not here: the GT column (`genotypes`), writing edits into sequence (`edits`).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import numpy.typing as npt

from hexamer.errors import GenomeError, SettingsError, VariantError
from hexamer.genome.edits import Consensus, Edit, apply_edits, check_ref, edit_of
from hexamer.genome.fasta import Genome, reverse_complement
from hexamer.genome.genotypes import ABSENT, MISSING, GenotypeFile, find_samples, read_alleles
from hexamer.genome.intervals import Interval
from hexamer.genome.lines import excerpt
from hexamer.genome.variants import Record

Unphased = Literal["error", "skip", "random"]

_REGIONS_KEPT = 4  # people are asked one after the other for the same region


class _Region(NamedTuple):
    """What a cohort has in a region: one row for each record."""

    reference: str  # from the region's start, as far as any record reaches
    edits: list[tuple[Edit | str, ...]]  # of each alternate allele
    alleles: npt.NDArray[np.int16]  # [V, S, 2]
    doubtful: npt.NDArray[np.bool_]  # [V, S]
    records: list[Record]


class Cohort:
    """The people of a phased variant file, over a reference genome.

    Parameters
    ----------
    path : str or Path
        VCF compressed with bgzip, or BCF. A missing index is made in the cache folder.
    genome : Genome
        The reference that the variants were called on; contig names are matched through its `resolve`.
    samples : sequence of str, optional
        Some of the file's; all by default.
    unphased : {"error", "skip", "random"}
        What to do with unphased heterozygotes. "random" is a pure function of seed, sample and site.
    seed : int
        Of "random".
    cache : str or Path, optional
        Folder for the index, as for `Genome`.

    Attributes
    ----------
    samples : tuple of str
        In the order asked for.
    columns : int array [S]
        Their columns among those of the file.
    contigs : dict of str to str
        The genome's own name of each contig that both have, to the file's.

    Raises
    ------
    VariantError
        If the file cannot be read by region, a sample is not in it, or no contig is the genome's.
    SettingsError
        If `unphased` is none of the three.
    """

    def __init__(
        self,
        path: str | Path,
        genome: Genome,
        *,
        samples: Sequence[str] | None = None,
        unphased: Unphased = "error",
        seed: int = 0,
        cache: str | Path | None = None,
    ):
        if unphased not in get_args(Unphased):
            raise SettingsError(f"unphased {excerpt(str(unphased))}; one of {', '.join(get_args(Unphased))} would work")
        self.genome, self.unphased, self.seed = genome, unphased, seed
        self.file = GenotypeFile(path, cache=cache)
        try:
            self.samples = tuple(self.file.samples if samples is None else samples)
            self.columns = np.array(
                find_samples(self.samples, samples=self.file.samples, file=str(path)), dtype=np.intp
            )
            self.contigs = match_contigs(self.file.contigs, genome, file=str(path))
        except BaseException:
            self.file.close()
            raise
        self._cache = cache
        self._region = lru_cache(maxsize=_REGIONS_KEPT)(self._read)

    def haplotype(self, sample: str, number: int) -> "Haplotype":
        """Give one of the two sequences of a person.

        Parameters
        ----------
        sample : str
        number : int
            1 or 2, the order of the genotypes.

        Returns
        -------
        Haplotype

        Raises
        ------
        VariantError
            If there is no such sample; the message gives the nearest.
        SettingsError
            If `number` is neither.
        """
        return Haplotype(self, sample, number)

    def edits(self, chrom: str, start: int, end: int, *, sample: int, number: int) -> tuple[list[Edit], Counter[str]]:
        """List the edits of one haplotype that begin in a region, and count the alleles that give none.

        Parameters
        ----------
        chrom : str
            The genome's own name.
        start, end : int
            0-based, half-open.
        sample : int
            Which of `samples`, from 0.
        number : int
            1 or 2.

        Returns
        -------
        edits : list of Edit
            In the file's order, overlapping ones too.
        counts : Counter
            By reason: `symbolic`, `breakend`, `star`, `missing` (ALT), `missing_call`, `haploid`, `unphased`.

        Raises
        ------
        VariantError
            If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
        """
        region = self._region(chrom, start, end)
        mine, doubtful = region.alleles[:, sample], region.doubtful[:, sample]
        alleles = mine[:, number - 1].copy()
        for i in np.flatnonzero(doubtful):
            turned = self._turn(chrom, region.records[i], self.samples[sample])
            alleles[i] = 0 if turned is None else mine[i, (number - 1) ^ turned]
        counts = Counter(
            missing_call=int((alleles == MISSING).sum()),
            haploid=int((alleles == ABSENT).sum()),
            unphased=int(doubtful.sum()),
        )
        edits = []
        for i in np.flatnonzero(alleles > 0):
            edit = region.edits[i][alleles[i] - 1]
            if isinstance(edit, Edit):
                edits.append(edit)
            else:
                counts[edit] += 1
        return edits, +counts

    def distinct(self, chrom: str, start: int, end: int) -> tuple[list[tuple[str, int]], npt.NDArray[np.int64]]:
        """Find who has the same alleles in a region: most people share their haplotypes with others.

        Parameters
        ----------
        chrom : str
            The genome's own name.
        start, end : int
            0-based, half-open.

        Returns
        -------
        owners : list of (sample, number)
            One for each haplotype that differs from the others.
        rows : int64 array [S, 2]
            Which of them each person's two are.

        Raises
        ------
        VariantError
            As `edits`, of anybody.
        """
        region = self._region(chrom, start, end)
        alleles = region.alleles.copy()
        for i, person in np.argwhere(region.doubtful):
            turned = self._turn(chrom, region.records[i], self.samples[person])
            alleles[i, person] = 0 if turned is None else alleles[i, person, :: -1 if turned else 1]
        columns = np.where(alleles > 0, alleles, 0).reshape(len(alleles), 2 * len(self.samples)).T  # [2 S, V]
        _, first, rows = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        owners = [(self.samples[place // 2], place % 2 + 1) for place in first.tolist()]
        return owners, rows.reshape(-1, 2).astype(np.int64)

    def count_calls(self, chrom: str, start: int, end: int) -> Counter[str]:
        """Count `unphased` heterozygotes, calls with a `missing_call`, and `haploid` ones; errors as `varying`."""
        region = self._region(chrom, start, end)
        missing, haploid = (region.alleles == MISSING).any(axis=2), region.alleles[:, :, 1] == ABSENT
        return Counter(unphased=int(region.doubtful.sum()), missing_call=int(missing.sum()), haploid=int(haploid.sum()))

    def haploid(self, chrom: str, start: int, end: int) -> npt.NDArray[np.bool_]:
        """Say who has one allele alone at every record of a region, bool [S]; nobody where it has none."""
        absent = self._region(chrom, start, end).alleles[:, :, 1] == ABSENT
        return np.asarray(absent.all(axis=0) & bool(len(absent)))

    def varying(self, chrom: str, start: int, end: int, *, frequency: float = 0.0) -> npt.NDArray[np.int64]:
        """Find the sites of a region at which anybody has an allele that changes the sequence.

        Parameters
        ----------
        chrom : str
            The genome's own name.
        start, end : int
            0-based, half-open: sites that begin here.
        frequency : float
            Least share of such alleles among those that are known, and of others.

        Returns
        -------
        int64 array [V, 2]
            Start and end on the reference, sorted, each once.

        Raises
        ------
        VariantError
            If a record cannot be read, or REF is not the genome's.
        """
        region = self._region(chrom, start, end)
        sites = set()
        for record, edits, alleles in zip(region.records, region.edits, region.alleles, strict=True):
            changes = np.array([False, *(isinstance(edit, Edit) for edit in edits)])
            known = alleles[alleles >= 0]
            share = changes[known].mean() if known.size else 0.0
            if share > 0 and min(share, 1 - share) >= frequency:
                sites.add((record.pos - 1, record.pos - 1 + len(record.ref)))
        return np.array(sorted(sites), dtype=np.int64).reshape(-1, 2)

    def reference(self, chrom: str, start: int, end: int) -> str:
        """Give the bases of the reference from `start` on, as far as `end` or any record of the region reaches.

        Parameters
        ----------
        chrom : str
            The genome's own name.
        start, end : int
            0-based, half-open.

        Returns
        -------
        str

        Raises
        ------
        GenomeError
            As `Genome.fetch`.
        VariantError
            As `edits`.
        """
        return self._region(chrom, start, end).reference

    def _turn(self, chrom: str, record: Record, sample: str) -> int | None:
        """Settle an unphased heterozygote: 1 to exchange its alleles, 0 to leave them, None to skip it."""
        if self.unphased == "skip":
            return None
        if self.unphased == "error":
            raise VariantError(
                f"{self.file.path}: record {record.chrom}:{record.pos}, sample {sample}: a heterozygote without phase; "
                "phase the file, for instance with shapeit or Beagle, or choose unphased = skip or random"
            )
        # By position alone: the records of one split multi-allelic site are turned together.
        drawn = hashlib.blake2b(f"{self.seed}\t{sample}\t{chrom}\t{record.pos}".encode(), digest_size=1)
        return drawn.digest()[0] & 1

    def _read(self, chrom: str, start: int, end: int) -> _Region:
        contig, file = self.contigs.get(chrom), str(self.file.path)
        reference = self.genome.fetch(chrom, start, end)
        records = self.file.fetch(contig, start, end) if contig is not None and end > start else []
        furthest = max([end, *(record.pos - 1 + len(record.ref) for record in records)])
        reference += self.genome.fetch(chrom, end, min(furthest, self.genome.length(chrom)))
        alleles = np.zeros((len(records), len(self.samples), 2), dtype=np.int16)
        doubtful = np.zeros(alleles.shape[:2], dtype=np.bool_)
        edits = []
        for i, record in enumerate(records):
            edits.append(tuple(edit_of(variant) for variant in record.variants))
            if any(isinstance(edit, Edit) for edit in edits[-1]):
                at = record.pos - 1 - start
                check_ref(record, reference[at : at + len(record.ref)], file=file, genome=str(self.genome.path))
            try:
                found = read_alleles(record.text, samples=len(self.file.samples), alternates=len(record.alts))
            except VariantError as problem:
                raise VariantError(f"{file}: record {record.chrom}:{record.pos}: {problem}") from None
            alleles[i], doubtful[i] = found.alleles[self.columns], found.doubtful[self.columns]
        return _Region(reference, edits, alleles, doubtful, records)

    def close(self) -> None:
        """Close the variant file; the genome stays open."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self.file.path, self.genome, self.samples, self.unphased, self.seed, self._cache)


def _open_again(
    path: Path, genome: Genome, samples: Sequence[str], unphased: Unphased, seed: int, cache: str | Path | None
) -> Cohort:
    return Cohort(path, genome, samples=samples, unphased=unphased, seed=seed, cache=cache)


def match_contigs(contigs: Iterable[str], genome: Genome, *, file: str) -> dict[str, str]:
    """Match the contigs of a variant file with those of a genome: the genome's name to the file's.

    Parameters
    ----------
    contigs : iterable of str
        The file's.
    genome : Genome
    file : str
        What the error calls the file.

    Returns
    -------
    dict of str to str
        Without contigs that the genome has not. Of two that mean the same, the genome's own name wins.

    Raises
    ------
    VariantError
        If none matches.
    """
    names = list(contigs)
    found = {genome.resolve(name): name for name in names if name in genome}
    found |= {name: name for name in names if name in genome.contigs}
    if not found:
        raise VariantError(
            f"{file}: none of its contigs ({', '.join(names[:5]) or 'it has no record'}) is in {genome.path} "
            f"({', '.join(list(genome.contigs)[:5])}); give the reference that the variants were called on"
        )
    return found


class Haplotype:
    r"""One of the two sequences of a person; it answers the calls of a `Genome`.

    Places and `contigs` are the reference's. What is read between two places may be longer or shorter than their
    distance, by the person's insertions and deletions; `fetch_length` reads a fixed number of bases.

    Parameters
    ----------
    cohort : Cohort
    sample : str
    number : {1, 2}

    Raises
    ------
    VariantError
        If the cohort has no such sample.
    SettingsError
        If `number` is neither.

    Examples
    --------
    >>> import pysam, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name)
    >>> _ = (path / "tiny.fa").write_text(">chr20\nACGTACGTAC\n")
    >>> with pysam.BGZFile(str(path / "tiny.vcf.gz"), "wb", None) as file:
    ...     _ = file.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\n")
    ...     _ = file.write(b"20\t3\t.\tG\tGTT,C\t.\t.\t.\tGT\t1|2\n")
    >>> with Genome(path / "tiny.fa") as genome, Cohort(path / "tiny.vcf.gz", genome, cache=path) as cohort:
    ...     first, second = (cohort.haplotype("ann", number) for number in (1, 2))
    ...     first.fetch("20", 0, 6), second.fetch("20", 0, 6), first.fetch_length("20", 0, 6)
    ...     first.read("20", 0, 6).blocks.to_haplotype([2, 3]).tolist()
    ('ACGTTTAC', 'ACCTAC', 'ACGTTT')
    [2, 5]
    >>> folder.cleanup()
    """

    def __init__(self, cohort: Cohort, sample: str, number: int):
        self._column = find_samples([sample], samples=cohort.samples, file=str(cohort.file.path))[0]
        if number not in (1, 2):
            raise SettingsError(f"haplotype {number} of {sample}: 1 or 2 would work")
        self.cohort, self.sample, self.number = cohort, sample, number

    @property
    def contigs(self) -> Mapping[str, int]:
        """Length on the reference by name."""
        return self.cohort.genome.contigs

    def length(self, chrom: str) -> int:
        """Return the number of bases that the reference has of a contig; GenomeError if it has not."""
        return self.cohort.genome.length(chrom)

    def resolve(self, chrom: str) -> str:
        """Return the genome's own name of a contig; GenomeError as `Genome.resolve`."""
        return self.cohort.genome.resolve(chrom)

    def __contains__(self, chrom: object) -> bool:
        return chrom in self.cohort.genome

    def read(self, chrom: str, start: int, end: int) -> Consensus:
        """Read the haplotype of an interval, with its map to the reference.

        Parameters
        ----------
        chrom : str
            Any name that `resolve` knows.
        start, end : int
            On the reference, 0-based, half-open; 0 <= start <= end <= length.

        Returns
        -------
        Consensus

        Raises
        ------
        GenomeError
            As `Genome.fetch`.
        VariantError
            As `Cohort.edits`.
        """
        chrom = self.resolve(chrom)
        edits, counts = self._edits(chrom, start, end)
        found = apply_edits(self.cohort.reference(chrom, start, end)[: end - start], start, edits)
        return found._replace(counts=found.counts | counts)

    def fetch(self, chrom: str, start: int, end: int) -> str:
        """Read the haplotype's bases of an interval of the reference, forward strand; errors as `read`."""
        return self.read(chrom, start, end).sequence

    def fetch_interval(self, interval: Interval) -> str:
        """Read an interval on its own strand: for "-" the reverse complement; errors as `read`."""
        sequence = self.fetch(interval.chrom, interval.start, interval.end)
        return reverse_complement(sequence) if interval.strand == "-" else sequence

    def fetch_length(self, chrom: str, start: int, length: int) -> str:
        """Read a number of the haplotype's bases, from a place of the reference on.

        Parameters
        ----------
        chrom : str
            Any name that `resolve` knows.
        start : int
            On the reference, 0-based.
        length : int
            Bases of the haplotype.

        Returns
        -------
        str
            `length` letters: the beginning of ``fetch(chrom, start, self.length(chrom))``, which is not read.

        Raises
        ------
        GenomeError
            As `Genome.fetch`, and if the contig ends before.
        VariantError
            As `Cohort.edits`.
        """
        chrom = self.resolve(chrom)
        last, reach = self.length(chrom), length + length // 8 + 1
        while True:
            end = max(start, min(start + reach, last))
            edits, _ = self._edits(chrom, start, end)
            # Edits that run over the end are written whole; what lies behind it may lack edits, and is not used.
            whole = max([end, *(edit.end for edit in edits)])
            sequence = apply_edits(self.cohort.reference(chrom, start, end)[: whole - start], start, edits).sequence
            if len(sequence) - (whole - end) >= length:
                return sequence[:length]
            if end >= last:
                raise GenomeError(
                    f"{self!r}: {length} bases from {chrom}:{start} run off the contig, which has {len(sequence)} there"
                )
            reach *= 2

    def _edits(self, chrom: str, start: int, end: int) -> tuple[list[Edit], Counter[str]]:
        return self.cohort.edits(chrom, start, end, sample=self._column, number=self.number)

    def __repr__(self) -> str:
        return f"Haplotype({self.sample!r}, {self.number}, {str(self.cohort.file.path)!r})"
