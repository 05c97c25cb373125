"""Who was measured, and what: tables of expression, people who are in both files, and who is held out.

Not here: genotypes (`dosages`), one scale for all genes (`normalisation`), what predicts expression (`baseline`).
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError, SettingsError
from hexamer.genome import Annotation
from hexamer.genome.lines import excerpt

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_SOME = 5  # names in messages
_FURTHEST = 2**40  # a place beyond any chromosome
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
    passed_over : tuple of str
        Columns of the table that are nobody who was asked for.
    """

    values: Values
    genes: pd.DataFrame
    samples: tuple[str, ...]
    passed_over: tuple[str, ...] = ()

    def take(self, samples: Sequence[str]) -> "Expression":
        """Choose people, in the order given."""
        places = {name: i for i, name in enumerate(self.samples)}
        columns = [places[name] for name in samples]
        return replace(self, values=self.values[:, columns], samples=tuple(samples))

    def take_genes(self, rows: npt.NDArray[np.bool_] | Places) -> "Expression":
        """Choose genes, by mask or row."""
        return replace(self, values=self.values[rows], genes=self.genes.iloc[rows].reset_index(drop=True))


def read_expression(
    path: str | Path, *, samples: Sequence[str] | None = None, annotation: Annotation | None = None
) -> Expression:
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
    annotation : Annotation, optional
        Where genes begin, and their strands: in place of the table's for each gene that it has, by `gene_id` with or
        without a version (.5). A table of `gene_id` and people alone needs one.

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
    if gene is None or (annotation is None and (chrom is None or place is None)):
        raise InputError(
            f"{path}: columns {excerpt(', '.join(map(str, table.columns)), 80)}; gene_id, chrom and tss, BED with "
            "#chr, start, end and phenotype_id, or gene_id and an annotation would work"
        )
    people, others = _people(table, {name for name in (gene, chrom, place) if name}, samples, str(path))
    values = table[people].apply(pd.to_numeric, errors="coerce")
    wrong = values.isna() & table[people].notna() & ~table[people].isin(["", "NA", "nan", "NaN", "."])
    if wrong.to_numpy().any():
        row, column = np.argwhere(wrong.to_numpy())[0]
        cell = excerpt(str(table[people].iloc[row, column]))
        raise InputError(f"{path}: {table[gene].iloc[row]} of {people[column]} is {cell}; a number, or NA, would work")
    if (table[gene].isna() | (table[gene] == "")).any():
        raise InputError(f"{path}: a row has no {gene}; a name for each would work")
    if (twice := table[gene].duplicated()).any():
        raise InputError(f"{path}: gene {table[gene][twice].iloc[0]} has two rows; one for each gene would work")
    genes = _genes(table, names, (gene, chrom, place), str(path))
    if annotation is not None:
        genes = _places_of(genes, annotation, str(path))
    told, rest = tuple(map(str, people)), tuple(map(str, others))
    return Expression(values.to_numpy(dtype=np.float64), genes, told, rest)


def _genes(
    table: pd.DataFrame, names: dict[str, str], columns: tuple[str, str | None, str | None], where: str
) -> pd.DataFrame:
    """Genes and their places as the table has them; no contig and -1 where it has none."""
    gene, chrom, place = columns
    genes = pd.DataFrame({"gene_id": table[gene].astype(str), "chrom": "", "tss": -1, "strand": "+"})
    if chrom is not None and place is not None:
        starts = pd.to_numeric(table[place], errors="coerce")
        wrong = starts.isna() | (starts.abs() > _FURTHEST)
        if wrong.any():
            raise InputError(f"{where}: {place} of {table[gene][wrong].iloc[0]} is no number; a place would work")
        genes = genes.assign(chrom=table[chrom].astype(str), tss=starts.astype(np.int64) - ("tss" in names))
        if "strand" in names:
            strand = table[names["strand"]].astype(str)
            if not (known := strand.isin(["+", "-", ".", ""])).all():
                cell = excerpt(strand[~known].iloc[0])
                raise InputError(f"{where}: strand of {table[gene][~known].iloc[0]} is {cell}; + or - would work")
            genes["strand"] = strand.where(strand.isin(["+", "-"]), "+")
    return genes.reset_index(drop=True)


def _places_of(genes: pd.DataFrame, annotation: Annotation, where: str) -> pd.DataFrame:
    """Put genes where an annotation has them; those that it has not stay where they are."""
    known = annotation.genes[["gene_id", "chrom", "tss", "strand"]]
    known = pd.concat([known, known.assign(gene_id=_without_version(known["gene_id"]))])
    known = known.drop_duplicates("gene_id").set_index("gene_id")
    ids = genes["gene_id"].where(genes["gene_id"].isin(known.index), _without_version(genes["gene_id"]))
    found = ids.isin(known.index)
    if not found.any():
        raise InputError(
            f"{where}: none of its genes ({_some(list(genes['gene_id']))}) is in the annotation "
            f"({_some(list(known.index))}); identifiers of one release would work"
        )
    for column in ("chrom", "tss", "strand"):
        genes.loc[found, column] = known.loc[ids[found], column].to_numpy()
    return genes


def _without_version(ids: "pd.Series[str]") -> "pd.Series[str]":
    return ids.str.replace(r"\.\d+$", "", regex=True)


class Matched(NamedTuple):
    """People who are in both files, and who is in one only."""

    both: tuple[str, ...]
    """Sorted, so that nothing depends on the order of columns."""
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
    both = tuple(sorted(name for name in expression.samples if name in known))
    if not both:
        raise InputError(
            f"no person was both measured ({_some(expression.samples)}) and genotyped ({_some(genotyped)}); the same "
            "names in both files would work"
        )
    measured_only = tuple(name for name in expression.samples if name not in known)
    return Matched(both, measured_only, tuple(name for name in genotyped if name not in measured))


def read_groups(path: str | Path, samples: Sequence[str]) -> list[str]:
    """Read which group, such as a population, each person is of.

    Parameters
    ----------
    path : str or Path
        Lines of a person and a group, and perhaps more columns, divided by spaces, tabs or commas.
    samples : sequence of str
        Whose are asked for.

    Returns
    -------
    list of str [S]

    Raises
    ------
    InputError
        If the file cannot be read, or somebody is not in it.
    """
    try:
        lines = [line.replace(",", " ").split() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: cannot be read ({excerpt(str(problem), 80)})") from None
    known: dict[str, str] = {}
    for name, group in (words[:2] for words in lines if len(words) > 1):
        if known.setdefault(name, group) != group:
            raise InputError(f"{path}: {excerpt(name)} is of {known[name]} and of {excerpt(group)}; one would work")
    if missing := [name for name in samples if name not in known]:
        raise InputError(f"{path}: has no group of {_some(missing)}; a line for each person would work")
    return [known[name] for name in samples]


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
            raise SettingsError(
                f"{folds} folds of {len(names)} groups ({_some(list(names))}); as many, and two or more, would work"
            )
        return found.astype(np.int64)
    if not 2 <= folds <= count:
        raise SettingsError(f"{folds} folds of {count} people; 2 to {count} folds would work")
    found = np.empty(count, dtype=np.int64)
    found[np.random.default_rng(seed).permutation(count)] = np.arange(count) % folds
    return found


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
            # In TSV and BED a quote is a letter like others; in CSV it is not.
            form: Any = (
                {"sep": ",", "quoting": csv.QUOTE_MINIMAL} if comma else {"sep": "\t", "quoting": csv.QUOTE_NONE}
            )
            lines = pd.read_csv(path, **form, header=None, dtype=str, keep_default_na=False, index_col=False)
            table = lines[1:].reset_index(drop=True)
            table.columns = pd.Index(lines.iloc[0])
            if twice := next((name for name in table.columns if list(table.columns).count(name) > 1), None):
                raise InputError(f"{path}: column {excerpt(str(twice))} is there twice; once would work")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, pd.errors.ParserError, EOFError) as problem:
        raise InputError(f"{path}: cannot be read as a table ({excerpt(str(problem), 80)})") from None
    if table.empty:
        raise InputError(f"{path}: holds no genes; a row for each would work")
    return table


def _people(
    table: pd.DataFrame, taken: set[str], samples: Sequence[str] | None, where: str
) -> tuple[list[str], list[str]]:
    """Columns of people, and those that are nobody."""
    columns = [column for column in table.columns if column not in taken and str(column).lower() not in _FACTS]
    if samples is not None:
        known = set(samples)
        found = [column for column in columns if str(column) in known]
        if not found:
            raise InputError(
                f"{where}: none of its columns ({_some(list(map(str, columns)))}) is a person who was genotyped "
                f"({_some(samples)}); the same names in both files would work"
            )
        return found, [column for column in columns if str(column) not in known]
    if not columns:
        raise InputError(f"{where}: has no column of a person's values; one for each would work")
    return columns, []


def _some(names: Sequence[str]) -> str:
    told = ", ".join(names[:_SOME])
    return told + (f", ... ({len(names):,})" if len(names) > _SOME else "")
