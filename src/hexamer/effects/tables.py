"""Tables with one row per variant, read whole from text, Parquet or VCF, and which of their rows are the same variant.

A table has `chrom`, `pos` (from 1), `ref`, `alt`, and other columns. Rows of two tables are of the same variant if
contig (under any of its usual names), position and both alleles are the same, capitals or not; alleles are taken as
given.
Not here: what the columns mean (`labels`), files too large to read whole (`peers`).
"""

import csv
import difflib
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hexamer.errors import InputError
from hexamer.genome import VariantFile
from hexamer.genome.contigs import ContigNames
from hexamer.genome.lines import Input, excerpt

KEYS = ["chrom", "pos", "ref", "alt"]
KEY_NAMES = {
    "chrom": ("chrom", "chr", "chromosome", "contig"),
    "pos": ("pos", "position", "bp"),
    "ref": ("ref", "reference", "ref_allele"),
    "alt": ("alt", "alternate", "alt_allele", "alternate_allele"),
}
"""How tables may call the four columns that say which variant it is, in any case, with or without a `#`."""
ENDINGS = (".tsv", ".txt", ".csv", ".tsv.gz", ".tsv.bgz", ".txt.gz", ".csv.gz", ".parquet", ".vcf", ".vcf.gz", ".bcf")
NONE = ("", ".", "nan", "na", "none", "<na>")
_INFO = re.compile(r"##INFO=<ID=(?P<name>[^,>]+),Number=(?P<number>[^,>]+)")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of variants whole.

    Parameters
    ----------
    path : str or Path
        Text with tabs (`.csv`: commas), whose first line that does not begin with `##` has the names, or Parquet.

    Returns
    -------
    DataFrame
        `chrom` (text), `pos` (whole numbers), `ref` and `alt` (upper case), and all other columns.

    Raises
    ------
    InputError
        If it cannot be read, or says not which variant a row is of.
    """
    name = Path(path).name
    if not name.endswith(ENDINGS):
        raise InputError(f"{path}: variants with labels or scores are read from {', '.join(ENDINGS)}")
    if name.endswith(".parquet"):
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; check the path")
        try:
            return standardise_keys(pd.read_parquet(path), str(path))
        except (OSError, ValueError) as problem:
            raise InputError(f"{path}: cannot be read as Parquet ({excerpt(str(problem), 80)})") from None
    separator = "," if ".csv" in name else "\t"
    quoting: Any = csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
    names, above, is_packed = read_names(path, separator)
    keys = find_keys(names, str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows with more cells than names
            table = pd.read_csv(
                path,
                sep=separator,
                names=names,
                skiprows=above,
                header=None,
                index_col=False,
                dtype={keys[role]: str for role in keys},
                na_values=["."],
                quoting=quoting,
                low_memory=False,
                compression="gzip" if is_packed else None,
            )
    except pd.errors.EmptyDataError:
        table = pd.DataFrame({name: pd.Series(dtype=str) for name in names})
    except (OSError, EOFError, ValueError, pd.errors.ParserWarning) as problem:
        raise InputError(f"{path}: cannot be read as a table ({excerpt(str(problem), 120)})") from None
    return standardise_keys(table, str(path))


def read_names(path: str | Path, separator: str = "\t") -> tuple[list[str], int, bool]:
    """Read the names of a text table's columns, how many lines hold them and what is above, and if it is compressed."""
    with Input(path, InputError) as source:
        for number, line in source:
            text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
            if text.strip() and not text.startswith("##"):
                names = next(csv.reader([text.removeprefix("#")], delimiter=separator))
                return [name.strip() for name in names], number, source.storage != "plain"
    raise InputError(f"{path}: holds no line with the names of columns")


def find_keys(names: Sequence[str], where: str, *, needed: Sequence[str] = tuple(KEYS)) -> dict[str, str]:
    """Say which columns of a table tell the variant.

    Parameters
    ----------
    names : sequence of str
        All columns.
    where : str
        How the message calls the table.
    needed : sequence of str
        Those of `KEYS` that have to be there.

    Returns
    -------
    dict of str to str
        Name in `KEYS` to name in the table.

    Raises
    ------
    InputError
        If one is missing.
    """
    words = {str(name).strip().lower().removeprefix("#"): name for name in reversed(list(names))}
    found = {key: next((words[word] for word in known if word in words), None) for key, known in KEY_NAMES.items()}
    if lacking := [key for key in needed if found[key] is None]:
        raise InputError(
            f"{where}: no column {', '.join(lacking)} among {excerpt(', '.join(map(str, names)), 100)}; "
            "chrom, pos, ref and alt would work"
        )
    return {key: name for key, name in found.items() if name is not None}


def standardise_keys(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Give a table the columns `KEYS`, in one spelling; InputError if a cell of them cannot be read."""
    table = table.rename(columns={name: key for key, name in find_keys(column_names(table), where).items()})
    pos = pd.to_numeric(table["pos"], errors="coerce")
    bad = ~(pos >= 0) | (pos % 1 != 0)
    chrom = table["chrom"].astype("Int64") if table["chrom"].dtype.kind == "f" else table["chrom"]
    keys = {"chrom": chrom.astype(str), "pos": pos, "ref": table["ref"], "alt": table["alt"].fillna(".")}
    for key in ("ref", "alt"):
        keys[key] = keys[key].astype(object).where(keys[key].notna(), "").astype(str).str.strip().str.upper()
        bad |= keys[key].str.fullmatch(r"\S+") != True  # noqa: E712
    bad |= table["chrom"].isna() | keys["alt"].str.contains(",", regex=False)
    if bad.any():
        first = ", ".join(str(cell) for cell in table.loc[bad, KEYS].iloc[0])
        raise InputError(
            f"{where}: {int(bad.sum()):,} row(s) do not say one variant, first {excerpt(first, 80)}; chrom, a whole "
            "pos from 1, ref and a single alt would work"
        )
    return table.assign(**keys).astype({"pos": np.int64}).reset_index(drop=True)


def check_unique(table: pd.DataFrame, where: str) -> None:
    """Raise InputError, with their count, if variants stand twice in a table.

    Parameters
    ----------
    table : DataFrame
    where : str
        How the message calls it.
    """
    twice = table.duplicated(KEYS, keep=False)
    if twice.any():
        first = ":".join(str(part) for part in table.loc[twice, KEYS].iloc[0])
        count = len(table.loc[twice, KEYS].drop_duplicates())
        raise InputError(f"{where}: {count:,} variant(s) more than once, first {first}; one row for each would work")


def match_rows(table: pd.DataFrame, other: pd.DataFrame, where: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Find the row of another table that has the same variant.

    Parameters
    ----------
    table, other : DataFrame
        With `chrom`, `pos`, `ref`, `alt`.
    where : str
        How messages call the other table.

    Returns
    -------
    int64 array [rows of `table`]
        Number of the row, -1 where there is none.

    Raises
    ------
    InputError
        If either has one of the variants twice, or a contig may mean two of its contigs.
    """
    contigs = match_contigs(table["chrom"], other["chrom"].unique(), where)
    numbers = np.flatnonzero(other["pos"].isin(table["pos"]).to_numpy())
    near = other.iloc[numbers]
    keyed = table[KEYS].assign(chrom=contigs)
    check_unique(keyed, "the labels, beside " + where)  # chr20 and 20 may be the same
    keys = pd.MultiIndex.from_frame(keyed)
    index = pd.MultiIndex.from_frame(near[KEYS])
    twice = index.duplicated(keep=False) & index.isin(keys)
    check_unique(near[twice], where)
    place = index[~twice].get_indexer(keys) if len(near) else np.full(len(table), -1)
    return np.where(place >= 0, numbers[place] if len(numbers) else -1, -1).astype(np.int64)


def match_contigs(names: "pd.Series[str]", known: Sequence[str] | Any, where: str) -> "pd.Series[str]":
    """Name each contig as another file does; one that the file lacks keeps its name.

    Parameters
    ----------
    names : Series of str
    known : sequence of str
        Contigs of the file.
    where : str
        How messages call the file.

    Returns
    -------
    Series of str

    Raises
    ------
    InputError
        If a name may mean several.
    """
    contigs, meant = ContigNames(known), {}
    for name in names.unique():
        found = contigs.matches(name)
        if len(found) > 1:
            raise InputError(f"{where}: contig {excerpt(name)} may be any of {', '.join(found)}; use one of them")
        meant[name] = found[0] if found else name
    return names.map(meant)


def as_numbers(where: str | Path, column: "pd.Series[Any]") -> "pd.Series[float]":
    """Read a column as floats, NaN where it is empty; InputError where it holds words."""
    if column.dtype == object:
        column = column.where(~column.astype(str).str.strip().str.lower().isin(NONE))
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    bad = numbers.isna() & column.notna()
    if bad.any():
        example = excerpt(str(column[bad].iloc[0]))
        raise InputError(f"{where}: {int(bad.sum()):,} cell(s) of {column.name!r} are no numbers, such as {example}")
    return numbers


def column_names(table: pd.DataFrame) -> list[str]:
    """Names of a table's columns, as text."""
    return [str(name) for name in table.columns]


def check_column(where: str | Path, name: str, columns: Sequence[str]) -> None:
    """Raise InputError, with the nearest names, if a column is not among those of a table."""
    if name not in columns:
        near = difflib.get_close_matches(name, list(columns), n=3, cutoff=0.0)
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        raise InputError(f"{where}: there is no column {name!r}{hint}")


def is_vcf(path: str | Path) -> bool:
    """Tell VCF and BCF from tables, by the name's ending."""
    return str(path).endswith((".vcf", ".vcf.gz", ".vcf.bgz", ".bcf"))


def read_info(path: str | Path, names: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read INFO keys of a VCF as columns, one row per alternate allele."""
    with VariantFile(path) as records:
        numbers = info_numbers(records.header)
        names = [*names, *(name for name in numbers if name.lower() in optional and name not in names)]
        for name in names:
            check_column(path, name, list(numbers))
        rows: list[list[Any]] = []
        for record in records:
            cells = info_cells(record.fields[7], numbers, names, len(record.alts))
            for alt, own in zip(record.alts, cells, strict=True):
                rows.append([record.chrom, record.pos, record.ref.upper(), alt.upper(), *own])
    table = pd.DataFrame(rows, columns=[*KEYS, *names])
    return table.astype({"chrom": str, "pos": np.int64, "ref": str, "alt": str})


def info_numbers(header: Sequence[str]) -> dict[str, str]:
    """Find the INFO keys of a VCF's header, and their Number.

    Examples
    --------
    >>> info_numbers(['##INFO=<ID=AF,Number=A,Type=Float,Description="x">'])
    {'AF': 'A'}
    """
    return {match["name"]: match["number"] for line in header if (match := _INFO.match(line))}


def info_cells(info: str, numbers: dict[str, str], names: Sequence[str], alts: int) -> list[list[str]]:
    """Values of some INFO keys for each alternate allele; a flag is 1 or 0, what is missing empty.

    Examples
    --------
    >>> info_cells("AF=0.1,0.2;DB", {"AF": "A", "DB": "0"}, ["AF", "DB", "X"], 2)
    [['0.1', '1', ''], ['0.2', '1', '']]
    """
    given = dict(entry.partition("=")[::2] for entry in info.split(";"))
    rows: list[list[str]] = [[] for _ in range(alts)]
    for name in names:
        value = given.get(name, "")
        cells = value.split(",") if numbers.get(name) == "A" else [value] * alts
        if numbers.get(name) == "0":
            cells = ["1" if name in given else "0"] * alts
        for row, cell in zip(rows, cells if len(cells) == alts else [""] * alts, strict=True):
            row.append("" if cell == "." else cell)
    return rows
