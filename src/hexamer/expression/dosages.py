"""Copies of each allele that people have near a gene: what linear models of expression read.

Not here: the files (`hexamer.genome.genotypes`), haplotypes (`hexamer.genome.haplotypes`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.errors import VariantError
from hexamer.expression.cohort import Places, Values
from hexamer.genome import Cohort, Variant
from hexamer.genome.edits import Edit, check_ref, edit_of
from hexamer.genome.genotypes import MISSING, read_alleles
from hexamer.genome.normalise import normalise


class Dosages(NamedTuple):
    """Genotypes of people at the variants of a region."""

    variants: list[Variant]
    """V alternate alleles; indels trimmed and left-aligned, with the base before."""
    values: Values
    """Copies of each allele that each person has, float64 [S, V]; NaN where a call is missing."""
    names: list[str]
    """The file's own name of each, such as rs123; empty where it has none."""


def read_dosages(cohort: Cohort, chrom: str, start: int, end: int) -> Dosages:
    """Read how many copies of each alternate allele people have.

    Parameters
    ----------
    cohort : Cohort
        Whose phases mean nothing here.
    chrom : str
        Any name that the genome knows.
    start, end : int
        0-based, half-open: variants that begin here.

    Returns
    -------
    Dosages
        Of a haploid call one copy counts as two; of several records of one allele the first counts. People in the
        cohort's order; no variants on a contig without records.

    Raises
    ------
    VariantError
        If a record cannot be read, or REF is not what the genome has.
    """
    own = cohort.genome.resolve(chrom)
    name, length = cohort.contigs.get(own), cohort.genome.length(own)
    file, genome = str(cohort.file.path), str(cohort.genome.path)
    variants: list[Variant] = []
    names: list[str] = []
    columns: list[Values] = []
    seen: set[Variant] = set()
    for record in cohort.file.fetch(name, max(start, 0), end) if name else ():
        at = record.pos - 1
        bases = cohort.genome.fetch(own, at, min(at + len(record.ref), length)) if 0 <= at < length else ""
        if any(isinstance(edit_of(variant), Edit) for variant in record.variants):
            check_ref(record, bases, file=file, genome=genome)
        try:
            read = read_alleles(record.text, samples=len(cohort.file.samples), alternates=len(record.alts))
        except VariantError as problem:
            raise VariantError(f"{file}: record {record.chrom}:{record.pos}: {problem}") from None
        alleles = read.alleles[cohort.columns]
        missing = (alleles == MISSING).any(axis=1)
        haploid = alleles[:, 1] < MISSING
        for number, alt in enumerate(record.alts, 1):
            copies = (alleles == number).sum(axis=1).astype(np.float64)
            copies[haploid] *= 2
            copies[missing] = np.nan
            variant = _one_spelling(cohort, Variant(record.chrom, record.pos, record.ref, alt))
            if variant in seen:
                continue
            seen.add(variant)
            variants.append(variant)
            names.append(record.id if record.id != "." and len(record.alts) == 1 else "")
            columns.append(copies)
    values = np.stack(columns, axis=1) if columns else np.zeros((len(cohort.samples), 0))
    return Dosages(variants, values, names)


def _one_spelling(cohort: Cohort, variant: Variant) -> Variant:
    """Trim and left-align an indel, so that another file's spelling of it is the same; others stay."""
    if len(variant.ref) == len(variant.alt) == 1:
        return variant
    change = normalise(cohort.genome, variant)
    if isinstance(change, str) or not (change.ref or change.alt) or not change.start:
        return variant
    if change.ref and change.alt:
        return Variant(variant.chrom, change.start + 1, change.ref, change.alt)
    before = cohort.genome.fetch(change.chrom, change.start - 1, change.start)
    return Variant(variant.chrom, change.start, before + change.ref, before + change.alt)


def common(dosages: Dosages, people: npt.NDArray[np.bool_] | Places, *, frequency: float) -> Dosages:
    """Keep alleles that are common among some people, and fill in their mean where a call is missing.

    Parameters
    ----------
    dosages : Dosages
    people : mask or rows
        Those to learn from: frequencies and means are theirs alone.
    frequency : float
        Least frequency of the rarer allele.

    Returns
    -------
    Dosages
        Without NaN.
    """
    mine = dosages.values[people]
    told = np.isfinite(mine).sum(axis=0)
    means = np.divide(np.nansum(mine, axis=0), told, out=np.zeros(mine.shape[1]), where=told > 0)
    share = np.minimum(means, 2 - means) / 2
    spread = np.nanmax(mine, axis=0, initial=-1) > np.nanmin(mine, axis=0, initial=3)
    kept = np.flatnonzero((share >= frequency) & spread & (told > 0))
    values = np.where(np.isnan(dosages.values[:, kept]), means[kept], dosages.values[:, kept])
    return Dosages([dosages.variants[i] for i in kept], values, [dosages.names[i] for i in kept])
