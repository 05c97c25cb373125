"""Tables of expression, of other programs' predictions, and of groups of people.

Not here: what is made of them (`cohort`).
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hexamer.errors import InputError
from hexamer.expression.cohort import Expression
from hexamer.genome import Annotation
from hexamer.genome.lines import excerpt, list_some

_FURTHEST = 2**40  # a place beyond any chromosome
_BED = ("#chr", "#chrom", "chr", "chrom")
_NAMES = ("gene_id", "phenotype_id", "gene", "id", "pid", "targetid")
_FACTS = {
    *("gene_name", "biotype", "gene_biotype", "chrom", "chr", "#chr", "#chrom", "start", "end", "strand", "tss"),
    *("gid", "length", "coord", "gene_symbol"),
}


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
    return _make(_read_table(Path(path)), str(path), samples=samples, annotation=annotation)


def read_predictions(path: str | Path) -> Expression:
    """Read what another program predicts.

    Parameters
    ----------
    path : str or Path
        As `read_expression`, where places of genes are not needed; or a row for each gene and person, with `gene_id`,
        `sample` and `predicted`, as `hexamer predict-expression predict` writes.

    Returns
    -------
    Expression
        Without places.

    Raises
    ------
    InputError
        As `read_expression`, and if a gene and person are there twice.
    """
    table = _read_table(Path(path))
    if {"gene_id", "sample", "predicted"} <= set(table.columns):
        if table.duplicated(["gene_id", "sample"]).any():
            raise InputError(f"{path}: a gene and person are there twice; one row for each would work")
        table = table.pivot(index="gene_id", columns="sample", values="predicted").reset_index()
    return _make(table, str(path), samples=None, annotation=None, wants_places=False)


def _make(
    table: pd.DataFrame,
    where: str,
    *,
    samples: Sequence[str] | None,
    annotation: Annotation | None,
    wants_places: bool = True,
) -> Expression:
    """Check a table, and make expression of it."""
    names = {str(column).lower(): column for column in table.columns}
    gene = next((names[name] for name in _NAMES if name in names), None)
    chrom = next((names[name] for name in _BED if name in names), None)
    place = names.get("tss", names.get("start"))
    has_places = chrom is not None and place is not None
    if gene is None or (wants_places and annotation is None and not has_places):
        raise InputError(
            f"{where}: columns {excerpt(', '.join(map(str, table.columns)), 80)}; gene_id, chrom and tss, BED with "
            "#chr, start, end and phenotype_id, or gene_id and an annotation would work"
        )
    people, others = _people(table, {name for name in (gene, chrom, place) if name}, samples, where)
    values = table[people].apply(pd.to_numeric, errors="coerce")
    wrong = values.isna() & table[people].notna() & ~table[people].isin(["", "NA", "nan", "NaN", "."])
    if wrong.to_numpy().any():
        row, column = np.argwhere(wrong.to_numpy())[0]
        cell = excerpt(str(table[people].iloc[row, column]))
        raise InputError(f"{where}: {table[gene].iloc[row]} of {people[column]} is {cell}; a number, or NA, would work")
    if (table[gene].isna() | (table[gene] == "")).any():
        raise InputError(f"{where}: a row has no {gene}; a name for each would work")
    if (twice := table[gene].duplicated()).any():
        raise InputError(f"{where}: gene {table[gene][twice].iloc[0]} has two rows; one for each gene would work")
    genes, annotated = _genes(table, names, (gene, chrom, place), where), 0
    if annotation is not None:
        annotated = _place(genes, annotation, where)
    told, rest = tuple(map(str, people)), tuple(map(str, others))
    return Expression(values.to_numpy(dtype=np.float64), genes, told, rest, annotated)


def _genes(
    table: pd.DataFrame, names: dict[str, str], columns: tuple[str, str | None, str | None], where: str
) -> pd.DataFrame:
    """Genes and their places as the table has them; no contig and -1 where it has none."""
    gene, chrom, place = columns
    genes = pd.DataFrame({"gene_id": table[gene].astype(str), "chrom": "", "tss": -1, "strand": "+"})
    genes["name"] = table[names["gene_name"]].astype(str) if "gene_name" in names else genes["gene_id"]
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


def _place(genes: pd.DataFrame, annotation: Annotation, where: str) -> int:
    """Put genes where an annotation has them, and count them; those that it has not stay where they are."""
    known = annotation.genes[["gene_id", "chrom", "tss", "strand"]]
    known = pd.concat([known, known.assign(gene_id=_without_version(known["gene_id"]))])
    known = known.drop_duplicates("gene_id").set_index("gene_id")
    ids = genes["gene_id"].where(genes["gene_id"].isin(known.index), _without_version(genes["gene_id"]))
    found = ids.isin(known.index)
    if not found.any():
        raise InputError(
            f"{where}: none of its genes ({list_some(list(genes['gene_id']))}) is in the annotation "
            f"({list_some(list(known.index))}); identifiers of one release would work"
        )
    for column in ("chrom", "tss", "strand"):
        genes.loc[found, column] = known.loc[ids[found], column].to_numpy()
    return int(found.sum())


def _without_version(ids: "pd.Series[str]") -> "pd.Series[str]":
    return ids.str.replace(r"\.\d+$", "", regex=True)


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
        raise InputError(f"{path}: has no group of {list_some(missing)}; a line for each person would work")
    return [known[name] for name in samples]


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
                f"{where}: none of its columns ({list_some(list(map(str, columns)))}) is a person who was genotyped "
                f"({list_some(samples)}); the same names in both files would work"
            )
        return found, [column for column in columns if str(column) not in known]
    if not columns:
        raise InputError(f"{where}: has no column of a person's values; one for each would work")
    return columns, []
