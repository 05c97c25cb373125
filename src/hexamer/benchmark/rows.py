"""The rows of a published file: sequences, what is said about each, and where it lies, whatever the file's form.

FASTA has targets behind the last bar of a header (`>chr1:10-20|1`). Text tables have a line of names, and tabs if there
is one in it, else commas; without names the first column has the sequences and the next ones the targets. Parquet has
columns. A folder holds one sequence a file. A table of intervals has `region`, `start`, `end` and `strand`, and its
sequences come from a genome.
Not here: which files (`layouts`), targets as numbers (`targets`).
"""

import csv
import difflib
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError
from hexamer.genome import Genome, Interval
from hexamer.genome.index import fasta_lines
from hexamer.genome.lines import Input, excerpt

SEQUENCES = ("sequence", "seq")
TARGETS = ("label", "labels", "target", "class", "value")
REGION = (("chrom", "chr", "chromosome", "seqnames", "region"), ("start",), ("end", "stop"))
NAMES = ("name", "id")
TASK_COLUMNS, SPLIT_COLUMNS = ("task", "dataset"), ("split",)
"""How columns may be called, in any case."""
SPLIT_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    "test": "test",
}
"""How files and cells call the splits."""

_FASTA = (".fna", ".fa", ".fasta")
_BASES = re.compile(r"[ACGTN]{10,}", re.IGNORECASE)
_PLACE = re.compile(r"([A-Za-z0-9_.]+):([0-9]{1,15})-([0-9]{1,15})(?![0-9])")


class Columns(NamedTuple):
    """Columns that are not to be guessed."""

    outputs: tuple[str, ...] = ()
    """Names of the labels or values of the task, which may be names of columns; empty for classes."""
    sequence: str = ""
    target: tuple[str | tuple[str, ...], ...] = ()
    region: tuple[str, str, str] | None = None


class Rows(NamedTuple):
    """What a file holds."""

    sequences: list[str]
    """As they are written."""
    cells: npt.NDArray[Any]
    """Targets, as read: array of object [N, k]; k is 0 where the file has none."""
    regions: pd.DataFrame | None
    """`chrom`, `start`, `end` (0-based, half-open) of each sequence; None where one is unknown."""
    note: str = ""
    """What is odd about it; empty if nothing is."""


def read_rows(
    path: Path,
    columns: Columns,
    *,
    task: str = "",
    split: str = "",
    labelled: bool = False,
    genome: Genome | None = None,
) -> Rows:
    """Read a file.

    Parameters
    ----------
    path : Path
        A file, or a folder of text files with one sequence each.
    columns : Columns
    task, split : str
        Rows of these only, of a table that has several.
    labelled : bool
        The targets are known already; none are looked for.
    genome : Genome, optional
        Where sequences of intervals are read.

    Returns
    -------
    Rows
        Of no rows where the table has none of the split.

    Raises
    ------
    InputError
        If it cannot be read, is empty, has no column of sequences or targets or no row of the task, or a row has no
        sequence.
    """
    table = _read(path, columns, task)
    if table.empty:
        raise InputError(f"{path}: holds no rows; give a file with content")
    if split:
        table = _select_split(table, split, path)
    sequences, regions = _sequences(table, columns, genome, path)
    for number, sequence in zip(table.index, sequences, strict=True):
        if not sequence:
            raise InputError(f"{path}: row {number + 1:,} has no sequence; remove it")
    cells = np.empty((len(table), 0), dtype=object) if labelled else _targets(table, columns, path)
    note = ""
    if regions is None and (regions := _find_regions(table, columns)) is not None:
        regions, note = _fit_regions(regions, sequences, path)
    return Rows(sequences, cells, regions, note)


def read_names(path: Path) -> list[str]:
    """Read the names of a table's columns; FASTA has none."""
    if _form(path) == ".parquet":
        import pyarrow as pa  # slow to import, only for Parquet
        import pyarrow.parquet as pq

        try:
            return list(pq.read_schema(path).names)
        except (OSError, pa.ArrowException) as problem:
            raise _damaged(path, problem) from None
    return [] if _form(path) in _FASTA else _first_line(path)[0]


def find_column(columns: Sequence[str], names: Sequence[str]) -> str:
    """Find the column with the first of the names that is there, capitals or not; empty if none is."""
    known = {column.lower().strip(): column for column in reversed(columns)}
    return next((known[name.lower()] for name in names if name.lower() in known), "")


def _names(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.columns]


def _form(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _read(path: Path, columns: Columns, task: str) -> pd.DataFrame:
    """Read a table, of many tasks only the rows of one."""
    if path.is_dir():
        return _read_folder(path)
    if _form(path) in _FASTA:
        return _read_fasta(path, columns)
    if _form(path) != ".parquet":
        table = _read_text(path, columns)
        return _select_task(table, task, table, path) if task else table
    return _read_parquet(path, task)


def _read_parquet(path: Path, task: str) -> pd.DataFrame:
    """Read rows; of a table of many tasks, which may be large, only those of one come into memory."""
    column = find_column(read_names(path), TASK_COLUMNS) if task else ""
    try:
        if not column:
            return pd.read_parquet(path)
        table = pd.read_parquet(path, filters=[(column, "==", task)])
        return _select_task(table, task, pd.read_parquet(path, columns=[column]), path)
    except (OSError, ValueError) as problem:  # ArrowInvalid is a ValueError
        raise _damaged(path, problem) from None


def _damaged(path: Path, problem: Exception) -> InputError:
    return InputError(f"{path}: cannot be read as Parquet ({excerpt(str(problem), 80)}); copy it again")


def _select_task(table: pd.DataFrame, task: str, whole: pd.DataFrame, path: Path) -> pd.DataFrame:
    column = find_column(_names(table), TASK_COLUMNS)
    table = table[table[column] == task]
    if table.empty and len(whole):
        near = difflib.get_close_matches(task, sorted(set(whole[column].astype(str))), n=3, cutoff=0.0)
        raise InputError(f"{path}: no row has {column} = {task!r}; the nearest there are {', '.join(near)}")
    return table


def _select_split(table: pd.DataFrame, split: str, path: Path) -> pd.DataFrame:
    column = find_column(_names(table), SPLIT_COLUMNS)
    words = table[column].astype(str).str.strip().str.lower()
    if len(wrong := words[~words.isin(list(SPLIT_NAMES))]):
        raise InputError(
            f"{path}: {len(wrong):,} row(s) are of no known split, such as {excerpt(wrong.iloc[0])}; "
            f"{', '.join(SPLIT_NAMES)} would work"
        )
    return table[words.map(SPLIT_NAMES) == split]


def _read_folder(folder: Path) -> pd.DataFrame:
    """Read one sequence a file, in the order of their numbers."""
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: (len(path.name), path.name))
    try:
        return pd.DataFrame({"sequence": ["".join(path.read_text().split()) for path in files]}, dtype=object)
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{folder}: not all of its files can be read as text ({problem})") from None


def _read_fasta(path: Path, columns: Columns) -> pd.DataFrame:
    width = max(len(columns.outputs), 1)
    names: list[str] = []
    sequences: list[list[str]] = []
    for _, line, _ in fasta_lines(path, unique=False):
        text = line.decode("utf-8", errors="replace").strip()
        if text.startswith(">"):
            names.append(text[1:])
            sequences.append([])
        elif sequences:
            sequences[-1].append("".join(text.split()))
    table = pd.DataFrame({"name": names, "sequence": ["".join(parts) for parts in sequences]}, dtype=object)
    ends = [name.split("|")[1:][-width:] for name in names]
    if names and all(len(end) == width for end in ends):
        table[list(columns.outputs or ("label",))] = ends
    return table


def _first_line(path: Path) -> tuple[list[str], str, bool, bool]:
    """Read names (or, without names, cells), separator, if there are names, and if the file is compressed."""
    with Input(path, InputError) as source:
        for _, line in source:
            text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
            if text.strip():
                separator = "\t" if "\t" in text else ","
                try:
                    cells = [cell.strip() for cell in next(csv.reader([text], delimiter=separator))]
                except csv.Error as problem:
                    raise InputError(f"{path}: cannot be read as a table ({problem})") from None
                return cells, separator, not _BASES.fullmatch(cells[0]), source.storage != "plain"
    raise InputError(f"{path}: the file is empty; give one with content")


def _read_text(path: Path, columns: Columns) -> pd.DataFrame:
    cells, separator, has_names, is_packed = _first_line(path)
    options: dict[str, Any] = {}
    if not has_names:
        outputs = columns.outputs if len(columns.outputs) == len(cells) - 1 else ("label",)
        if len(cells) > 1 + len(outputs):
            raise InputError(f"{path}: {len(cells)} columns without names; a first line of names would work")
        options = {"names": ["sequence", *outputs][: len(cells)], "header": None}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows with more cells than names
            return pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                encoding="utf-8-sig",
                quoting=csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE,
                compression="gzip" if is_packed else None,
                **options,
            )
    except (OSError, EOFError, ValueError, pd.errors.ParserWarning) as problem:
        raise InputError(f"{path}: cannot be read as a table ({excerpt(str(problem), 120)})") from None


def _sequences(
    table: pd.DataFrame, columns: Columns, genome: Genome | None, path: Path
) -> tuple[list[str], pd.DataFrame | None]:
    names = _names(table)
    column = find_column(names, [columns.sequence] if columns.sequence else SEQUENCES)
    if column:
        return [text if isinstance(text, str) else "" for text in table[column]], None
    regions, strand = _find_regions(table, columns), find_column(names, ("strand",))
    if regions is None or columns.sequence:
        wanted = columns.sequence or " or ".join(SEQUENCES)
        raise InputError(f"{path}: no column of sequences in {excerpt(', '.join(names), 80)}; {wanted} would work")
    if genome is None:
        raise InputError(f"{path}: holds intervals without sequences; --genome FASTA, which they count in, would work")
    strands = table[strand] if strand else ["+"] * len(table)
    places = zip(regions["chrom"], regions["start"].tolist(), regions["end"].tolist(), strands, strict=True)
    return [genome.fetch_interval(Interval(*place)) for place in places], regions


def _targets(table: pd.DataFrame, columns: Columns, path: Path) -> npt.NDArray[Any]:
    names = _names(table)
    if columns.target:
        asked = [(name,) if isinstance(name, str) else name for name in columns.target]
        found = [find_column(names, each) for each in asked]
    else:
        asked = [(name,) for name in columns.outputs]
        found = [find_column(names, each) for each in asked]
        if not found or not all(found):
            asked = [TARGETS]
            found = [find_column(names, TARGETS)]
    if not all(found) and _form(path) in _FASTA:
        raise InputError(f"{path}: not every header has its target(s) behind a bar, as in >name|1")
    if not all(found):
        lacking = " or ".join(next(each for each, name in zip(asked, found, strict=True) if not name))
        raise InputError(f"{path}: no column of targets in {excerpt(', '.join(names), 80)}; {lacking} would work")
    return table[found].to_numpy(dtype=object)


def _find_regions(table: pd.DataFrame, columns: Columns) -> pd.DataFrame | None:
    """Find where each sequence lies: in three columns, or in its name."""
    names = _names(table)
    wanted = [(name,) for name in columns.region] if columns.region else REGION
    found = [find_column(names, each) for each in wanted]
    if all(found):
        regions = table[found].set_axis(["chrom", "start", "end"], axis=1).reset_index(drop=True)
    elif column := find_column(names, NAMES):
        regions = table[column].astype(str).str.extract(_PLACE).set_axis(["chrom", "start", "end"], axis=1)
        regions = regions.reset_index(drop=True)
    else:
        return None
    places = regions[["start", "end"]].apply(pd.to_numeric, errors="coerce")
    if not np.isfinite(places.to_numpy(dtype=np.float64)).all() or regions["chrom"].isna().any():
        return None
    return regions.assign(
        chrom=regions["chrom"].astype(str), start=places["start"].astype(int), end=places["end"].astype(int)
    )


def _fit_regions(regions: pd.DataFrame, sequences: list[str], path: Path) -> tuple[pd.DataFrame | None, str]:
    """Bring places to 0-based, half-open: how they count is seen by the lengths of the sequences."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    spans = (regions["end"] - regions["start"]).to_numpy(dtype=np.int64)
    if (spans == lengths).all():
        return regions, ""
    if (spans + 1 == lengths).all():  # from 1, the end included
        return regions.assign(start=regions["start"] - 1), ""
    odd = int((spans != lengths).sum())
    return None, f"{path.name}: places left out, {odd:,} do not fit the length of their sequence"
