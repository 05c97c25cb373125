"""Who was measured, and what: expression of genes in people, the people's genotypes near them, and who is held out.

Not here: sequences (`hexamer.genome.haplotypes`), what predicts expression (`baseline`, `predictor`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError, SettingsError
from hexamer.genome import Cohort, Variant
from hexamer.genome.genotypes import MISSING, read_alleles
from hexamer.genome.lines import excerpt

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_SOME = 5  # names in messages
_BED = ("#chr", "#chrom", "chr", "chrom")
_NAMES = ("gene_id", "phenotype_id", "gene", "id", "pid", "targetid")
_FACTS = {
    *("gene_name", "biotype", "gene_biotype", "chrom", "chr", "#chr", "#chrom", "start", "end", "strand", "tss"),
    *("gid", "length", "coord", "gene_symbol"),
}


@dataclass(frozen=True, eq=False)
class Expression:
    """Expression of genes in people.

    Attributes
    ----------
    values : float64 array [G, S]
        A row for each gene, a column for each person; NaN where nothing was measured.
    genes : DataFrame
        `gene_id`, `chrom`, `tss` (0-based), `strand` ("+" where it is not told), row for row.
    samples : tuple of str
    """

    values: Values
    genes: pd.DataFrame
    samples: tuple[str, ...]

    def take(self, samples: Sequence[str]) -> "Expression":
        """Choose people, in the order given."""
        places = {name: i for i, name in enumerate(self.samples)}
        columns = [places[name] for name in samples]
        return replace(self, values=self.values[:, columns], samples=tuple(samples))

    def take_genes(self, rows: npt.NDArray[np.bool_] | Places) -> "Expression":
        """Choose genes, by mask or row."""
        return replace(self, values=self.values[rows], genes=self.genes.iloc[rows].reset_index(drop=True))


def read_expression(path: str | Path, *, samples: Sequence[str] | None = None) -> Expression:
    """Read a table of expression.

    Parameters
    ----------
    path : str or Path
        TSV, CSV (also .gz) or Parquet with a row for each gene: `gene_id`, `chrom`, `tss` (from 1) and perhaps
        `strand`; or BED as tensorQTL and FastQTL have it (`#chr`, `start`, `end`, `phenotype_id`; 0-based, the start is
        the transcription start). Further columns are people.
    samples : sequence of str, optional
        Who is known, such as the people of a variant file: other columns are passed over. By default every column
        but those that tables of genes have.

    Returns
    -------
    Expression

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, has a gene or person twice, no person, or a value that is no number.
    """
    table = _read_table(Path(path))
    names = {str(column).lower(): column for column in table.columns}
    gene = next((names[name] for name in _NAMES if name in names), None)
    chrom = next((names[name] for name in _BED if name in names), None)
    place = names.get("tss", names.get("start"))
    if gene is None or chrom is None or place is None:
        raise InputError(
            f"{path}: columns {excerpt(', '.join(map(str, table.columns)), 80)}; gene_id, chrom and tss, or BED with "
            "#chr, start, end and phenotype_id, would work"
        )
    people = _people(table, {gene, chrom, place}, samples, str(path))
    values = table[people].apply(pd.to_numeric, errors="coerce")
    wrong = values.isna() & table[people].notna() & ~table[people].isin(["", "NA", "nan", "NaN", "."])
    if wrong.to_numpy().any():
        row, column = np.argwhere(wrong.to_numpy())[0]
        cell = excerpt(str(table[people].iloc[row, column]))
        raise InputError(f"{path}: {table[gene].iloc[row]} of {people[column]} is {cell}; a number, or NA, would work")
    if (twice := table[gene].duplicated()).any():
        raise InputError(f"{path}: gene {table[gene][twice].iloc[0]} has two rows; one for each gene would work")
    starts = pd.to_numeric(table[place], errors="coerce")
    if starts.isna().any():
        raise InputError(f"{path}: {place} of {table[gene][starts.isna()].iloc[0]} is no number; a position would work")
    strand = table[names["strand"]].astype(str) if "strand" in names else pd.Series("+", index=table.index)
    genes = pd.DataFrame(
        {
            "gene_id": table[gene].astype(str),
            "chrom": table[chrom].astype(str),
            "tss": starts.astype(np.int64) - ("tss" in names),
            "strand": strand.where(strand.isin(["+", "-"]), "+"),
        }
    )
    return Expression(values.to_numpy(dtype=np.float64), genes.reset_index(drop=True), tuple(map(str, people)))


class Matched(NamedTuple):
    """People who are in both files, and who is in one only."""

    both: tuple[str, ...]
    """In the order of the expression table."""
    measured_only: tuple[str, ...]
    genotyped_only: tuple[str, ...]


def match_people(expression: Expression, genotyped: Sequence[str]) -> Matched:
    """Find who was measured and genotyped.

    Parameters
    ----------
    expression : Expression
    genotyped : sequence of str

    Returns
    -------
    Matched

    Raises
    ------
    InputError
        If nobody was; the message gives names of both sides.
    """
    known, measured = set(genotyped), set(expression.samples)
    both = tuple(name for name in expression.samples if name in known)
    if not both:
        raise InputError(
            f"no person was both measured ({_some(expression.samples)}) and genotyped ({_some(genotyped)}); the same "
            "names in both files would work"
        )
    measured_only = tuple(name for name in expression.samples if name not in known)
    return Matched(both, measured_only, tuple(name for name in genotyped if name not in measured))


class Dosages(NamedTuple):
    """Genotypes of people at the variants of a region."""

    variants: list[Variant]
    """V alternate alleles."""
    values: Values
    """Copies of each allele that each person has, float64 [S, V]; NaN where a call is missing."""


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
        Of a haploid call one copy counts as two. People in the cohort's order; no variants on a contig without records.
    """
    name = cohort.contigs.get(cohort.genome.resolve(chrom))
    variants: list[Variant] = []
    columns: list[Values] = []
    for record in cohort.file.fetch(name, max(start, 0), end) if name else ():
        read = read_alleles(record.text, samples=len(cohort.file.samples), alternates=len(record.alts))
        alleles = read.alleles[cohort.columns]
        missing = (alleles == MISSING).any(axis=1)
        haploid = alleles[:, 1] < MISSING
        for number, alt in enumerate(record.alts, 1):
            copies = (alleles == number).sum(axis=1).astype(np.float64)
            copies[haploid] *= 2
            copies[missing] = np.nan
            variants.append(Variant(record.chrom, record.pos, record.ref, alt))
            columns.append(copies)
    values = np.stack(columns, axis=1) if columns else np.zeros((len(cohort.samples), 0))
    return Dosages(variants, values)


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
    return Dosages([dosages.variants[i] for i in kept], values)


def split_people(count: int, folds: int, *, seed: int = 0, groups: Sequence[str] | None = None) -> Places:
    """Divide people among folds.

    Parameters
    ----------
    count : int
        S, people.
    folds : int
        2 or more.
    seed : int
    groups : sequence of str [S], optional
        Such as populations: each is one fold, in the order of the alphabet, and `folds` has to be their number.

    Returns
    -------
    int64 array [S]
        Fold of each person; sizes differ by one at most, unless groups are given.

    Raises
    ------
    SettingsError
        If there are fewer people or groups than folds.

    Examples
    --------
    >>> sorted(split_people(5, 2, seed=1).tolist())
    [0, 0, 0, 1, 1]
    """
    if groups is not None:
        names, found = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
        if len(names) != folds or folds < 2:
            raise SettingsError(f"{folds} folds of {len(names)} groups ({_some(list(names))}); as many would work")
        return found.astype(np.int64)
    if not 2 <= folds <= count:
        raise SettingsError(f"{folds} folds of {count} people; 2 to {count} folds would work")
    found = np.empty(count, dtype=np.int64)
    found[np.random.default_rng(seed).permutation(count)] = np.arange(count) % folds
    return found


def standardise(values: Values, learn: npt.NDArray[np.bool_]) -> Values:
    """Give expression mean 0 and variance 1 over the people that are learnt from.

    Parameters
    ----------
    values : float64 array [S]
    learn : bool array [S]

    Returns
    -------
    float64 array [S]
        All 0 where those people's values are constant.
    """
    mean, scale = float(np.nanmean(values[learn])), float(np.nanstd(values[learn]))
    return np.asarray((values - mean) / scale) if scale > 1e-12 * max(1.0, abs(mean)) else np.zeros_like(values)


def rank_normalise(values: Values, learn: npt.NDArray[np.bool_]) -> Values:
    """Give expression the normal quantile of its rank among the people that are learnt from.

    Parameters
    ----------
    values : float64 array [S]
    learn : bool array [S]

    Returns
    -------
    float64 array [S]
        Of others the quantile of the rank that they would have; NaN stays.

    Examples
    --------
    >>> found = rank_normalise(np.array([1.0, 2.0, 90.0, 3.0]), np.array([True, True, True, False]))
    >>> found.round(2).tolist()
    [-0.67, 0.0, 0.67, 0.32]
    """
    from scipy.stats import norm

    known = np.sort(values[learn & np.isfinite(values)])
    places = (np.searchsorted(known, values, side="left") + np.searchsorted(known, values, side="right")) / 2
    half = 0.5 / (len(known) + 1)
    shares = np.clip((places + 0.5) / (len(known) + 1), half, 1 - half)
    return np.where(np.isfinite(values), norm.ppf(shares), np.nan)


NORMALISATIONS = {"standard": standardise, "rank": rank_normalise}
"""Ways to bring a gene's expression on one scale, by name."""


def iterate_folds(folds: Places) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield each fold's number, and who is learnt from there, bool [S]."""
    for fold in np.unique(folds):
        yield int(fold), folds != fold


def _read_table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            comma = path.name.removesuffix(".gz").endswith(".csv")
            table = pd.read_csv(path, sep="," if comma else "\t", dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, pd.errors.ParserError, EOFError) as problem:
        raise InputError(f"{path}: cannot be read as a table ({excerpt(str(problem), 80)})") from None
    if table.empty:
        raise InputError(f"{path}: holds no genes; a row for each would work")
    return table


def _people(table: pd.DataFrame, taken: set[str], samples: Sequence[str] | None, where: str) -> list[str]:
    columns = [column for column in table.columns if column not in taken and str(column).lower() not in _FACTS]
    if samples is not None:
        known = set(samples)
        found = [column for column in columns if str(column) in known]
        if not found:
            raise InputError(
                f"{where}: none of its columns ({_some(list(map(str, columns)))}) is a person who was genotyped "
                f"({_some(samples)}); the same names in both files would work"
            )
        return found
    if not columns:
        raise InputError(f"{where}: has no column of a person's values; one for each would work")
    return columns


def _some(names: Sequence[str]) -> str:
    told = ", ".join(names[:_SOME])
    return told + (f", ... ({len(names):,})" if len(names) > _SOME else "")
