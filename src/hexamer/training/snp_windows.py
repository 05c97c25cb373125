"""Windows at SNPs: the sequence of people who carry either allele, within the held-out regions of a corpus.

Around each SNP the sequence of a person who carries the allele is read, with all variants of that haplotype; the SNP
lies in the middle token, at a random place of its six. Everything that can be wrong with a variant file is met here.
Not here: what a model makes of the windows (`snps`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.errors import SettingsError, VariantError
from hexamer.genome import Cohort, Genome, Interval, VariantFile
from hexamer.genome.genotypes import read_alleles
from hexamer.model import NucleotideTransformer
from hexamer.tokens import Corpus, bases_to_codes
from hexamer.tokens.alphabet import Codes
from hexamer.training.baselines import has_neighbours

FREQUENCIES = (0.01, 0.05, 0.10, 0.50)
NEAR = 1.5
"""A SNP belongs to the nearest frequency (by ratio) if it is within this factor of it."""
_TOLD = 1000  # records from one sign of progress to the next


class Snp(NamedTuple):
    """A SNP and who carries it."""

    chrom: str
    """As in the genome."""
    start: int
    """0-based."""
    bases: str
    """Reference and alternate letter."""
    frequency: float
    """Of the alternate allele among the called ones."""
    alleles: npt.NDArray[np.int16]
    """0 reference, 1 alternate, negative unknown; int16 [S, 2]."""
    region: Interval
    """The held-out region that it lies in."""


class SnpWindows(NamedTuple):
    """Windows at the SNPs of one frequency: both alleles at the same SNPs."""

    frequency: float
    """As asked for."""
    met: float
    """Mean frequency of these SNPs."""
    alternate: list[Codes]
    """Sequence of a carrier of the alternate allele, the SNP in the middle token; base codes, one for each SNP."""
    reference: list[Codes]
    """The same of a carrier of the reference allele."""


def draw_snp_windows(
    model: NucleotideTransformer,
    genome: Genome,
    variants: str | Path,
    regions: Sequence[Interval],
    *,
    tokens: int = 1000,
    snps: int = 200,
    frequencies: Sequence[float] = FREQUENCIES,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[SnpWindows]:
    """Draw SNPs by their frequency, and read people's own sequence around them; the model is not asked yet.

    Parameters
    ----------
    model : NucleotideTransformer
        Its tokenizer and longest window count.
    genome : Genome
        The reference that the variants were called on.
    variants : str or Path
        Phased VCF (bgzip) or BCF; SNPs with one alternate allele are used.
    regions : sequence of Interval
        Held-out regions; windows stay within them, also where indels shift them.
    tokens : int
        L of a window, `<cls>` included.
    snps : int
        At most so many for each frequency, drawn at random.
    frequencies : sequence of float
        Of the alternate allele, counted from the genotypes; a SNP counts to the nearest, if it is within a factor of
        1.5 of it.
    seed : int
        Of SNPs, carriers and places in the token.
    advance : callable, optional
        Told the number of records read now and then.

    Returns
    -------
    list of SnpWindows
        Of each frequency that has a SNP with a window for either allele.

    Raises
    ------
    VariantError
        If the variants cannot be read, are not phased, have another reference, or none of them is such a SNP.
    SettingsError
        If `tokens` is more than the model reads or too few for the baselines, `snps` is less than 1 or `seed` than 0.
    """
    if tokens > model.config.max_tokens or snps < 1 or seed < 0:
        raise SettingsError(
            f"tokens = {tokens}, snps = {snps}, seed = {seed}; tokens to {model.config.max_tokens} (what the model "
            "reads), SNPs from 1 and a seed from 0 would work"
        )
    has_neighbours(tokens, model.tokenizer.k)
    rng, k = np.random.default_rng(seed), model.tokenizer.k
    drawn = []
    with Cohort(variants, genome) as cohort, _without_offer():
        chosen = _draw_snps(
            cohort, regions, frequencies, snps, (tokens - 1) * k, rng, advance or (lambda records: None)
        )
        for frequency, found in zip(frequencies, chosen, strict=True):
            phases = rng.integers(k, size=len(found)).tolist()  # the same for both alleles
            carried, reference = (
                [_read(cohort, snp, allele, phase, tokens, k, rng) for snp, phase in zip(found, phases, strict=True)]
                for allele in (1, 0)
            )
            # Alleles are compared at the same SNPs: one that lacks a window for either is left out of both rows.
            whole = [
                (snp.frequency, one, other)
                for snp, one, other in zip(found, carried, reference, strict=True)
                if one is not None and other is not None
            ]
            if whole:
                met, *both = zip(*whole, strict=True)
                drawn.append(SnpWindows(frequency, float(np.mean(met)), *map(list, both)))
    if not drawn:
        raise VariantError(
            f"{variants}: no SNP of the frequencies {', '.join(map(str, frequencies))} with a whole window of "
            f"{(tokens - 1) * k:,} bases within {', '.join(region.region for region in regions)}; fewer tokens, or "
            "variants of more people, would work"
        )
    return drawn


@contextmanager
def _without_offer() -> Iterator[None]:
    """Let errors not offer what `Cohort` can do, but this measure cannot: who carries an allele has to be known."""
    try:
        yield
    except VariantError as problem:
        raise VariantError(str(problem).removesuffix(", or choose unphased = skip or random")) from None


def check_variants(variants: str | Path, genome: Genome, regions: Sequence[Interval]) -> None:
    """Open a variant file and see that it can have SNPs in some regions: quick, before long work.

    Parameters
    ----------
    variants : str or Path
    genome : Genome
    regions : sequence of Interval

    Raises
    ------
    VariantError
        If the file cannot be read by region, or has nothing on the contigs of the regions.
    """
    with Cohort(variants, genome) as cohort:
        chroms = list(dict.fromkeys(region.chrom for region in regions))
        if not any(chrom in cohort.contigs for chrom in chroms):
            raise VariantError(
                f"{variants}: no record on {', '.join(chroms)}, where the held-out regions lie; variants of these "
                "contigs would work"
            )


def held_out_regions(corpus: Corpus, genome: Genome) -> tuple[str, list[Interval]]:
    """Find the held-out regions of a corpus that lie on a genome.

    Parameters
    ----------
    corpus : Corpus
    genome : Genome

    Returns
    -------
    name : str
        The genome of the corpus.
    regions : list of Interval
        On the contigs of `genome`.

    Raises
    ------
    SettingsError
        If no genome of the corpus has a held-out region on a contig of the same name and length.
    """
    for entry in corpus.entries:
        lengths = {contig["chrom"]: contig["length"] for contig in entry["contigs"]}
        regions = [
            Interval(genome.resolve(span.chrom), span.start, span.end)
            for span in corpus.spans(entry["name"], held_out=True)
            if span.chrom in genome and genome.length(span.chrom) == lengths[span.chrom]
        ]
        if regions:
            return entry["name"], regions
    raise SettingsError(
        f"{genome.path}: no contig of it has a held-out region in {corpus.folder}; "
        "the FASTA that the corpus was built from would work"
    )


def _draw_snps(
    cohort: Cohort,
    regions: Sequence[Interval],
    frequencies: Sequence[float],
    most: int,
    length: int,
    rng: np.random.Generator,
    advance: Callable[[int], None],
) -> list[list[Snp]]:
    """At most so many SNPs of each frequency, all equally likely; only these are in memory."""
    kept: list[list[Snp]] = [[] for _ in frequencies]
    met = [0] * len(frequencies)
    for snp in _snps(cohort, regions, length, advance):
        if not snp.frequency:
            continue
        distances = np.abs(np.log(snp.frequency / np.array(frequencies)))
        nearest = int(distances.argmin())
        if distances[nearest] > np.log(NEAR):
            continue
        met[nearest] += 1
        if len(kept[nearest]) < most:
            kept[nearest].append(snp)
        elif (place := int(rng.integers(met[nearest]))) < most:
            kept[nearest][place] = snp
    return [sorted(found, key=lambda snp: (snp.chrom, snp.start)) for found in kept]


def _snps(cohort: Cohort, regions: Sequence[Interval], length: int, advance: Callable[[int], None]) -> Iterator[Snp]:
    """Yield the SNPs whose windows lie within a region."""
    path, margin = cohort.file.path, length // 2 + 12
    with VariantFile(path) as records:
        for i, record in enumerate(records, 1):
            if i % _TOLD == 0:
                advance(_TOLD)
            bases = record.ref + "".join(record.alts)
            if len(bases) != 2 or len(record.alts) != 1 or not set(bases) <= set("ACGT"):
                continue
            if record.chrom not in cohort.genome:
                continue
            chrom, start = cohort.genome.resolve(record.chrom), record.pos - 1
            inside = (r for r in regions if r.chrom == chrom and r.start + margin <= start < r.end - margin)
            region = next(inside, None)
            if region is None:
                continue
            alleles = read_alleles(record.text, samples=len(records.samples), alternates=1).alleles
            called = int((alleles >= 0).sum())
            frequency = int((alleles == 1).sum()) / called if called else 0.0
            yield Snp(chrom, start, bases, frequency, alleles, region)


def _read(
    cohort: Cohort, snp: Snp, allele: int, phase: int, tokens: int, k: int, rng: np.random.Generator
) -> Codes | None:
    """Window of a random haplotype that carries the allele, the SNP in the middle token; None where there is none.

    Nothing outside the SNP's region is read, whatever the haplotype's deletions use up: that may be training sequence.
    """
    length, before = (tokens - 1) * k, (tokens // 2 - 1) * k + phase
    carriers = np.argwhere(snp.alleles == allele)
    if not len(carriers):
        return None
    person, copy = carriers[rng.integers(len(carriers))].tolist()
    haplotype = cohort.haplotype(cohort.samples[person], copy + 1)
    # Deletions are made up for by reading on; one of hundreds of bases costs the SNP.
    reach = length // 8 + 60
    start = max(snp.start - before - reach, snp.region.start)
    read = haplotype.read(snp.chrom, start, min(snp.start + length - before + reach, snp.region.end))
    place = int(read.blocks.to_haplotype([snp.start])[0])
    sequence = read.sequence[max(place - before, 0) : place - before + length]
    is_there = place >= before and read.sequence[place] == snp.bases[allele]
    return bases_to_codes(sequence) if is_there and len(sequence) == length and "N" not in sequence else None
