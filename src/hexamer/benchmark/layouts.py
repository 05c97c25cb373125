"""The layouts in which tasks are published: which files hold the rows of a task, by split.

Under a folder (or the table or archive that is given in its place) these are looked for, and the first found is taken:

1. The files that a suite names (`Layout.train`, ...).
2. A folder of the task with one file a split: `train.csv`, `dev.csv`, `test.csv` (GUE), `train.fna` with labels behind
   a bar in the headers or `train.parquet` (hub of NT), `data/train-00000-of-00001.parquet` (hub), or a folder a split
   with a file or a folder a class: `train/positive/*.txt` or `train/positive.csv.gz` (Genomic Benchmarks).
3. Tables of many tasks, which a column `task` or `dataset` tells apart: one a split (`train.parquet`), or one for all
   with a column `split`; without that column, and without a split in its name, all rows are for training.

Not here: what is in the files (`rows`), archives (`archives`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hexamer.benchmark.archives import ENDINGS as ARCHIVES
from hexamer.benchmark.archives import is_archive, unpack
from hexamer.benchmark.rows import SPLIT_COLUMNS, SPLIT_NAMES, TASK_COLUMNS, find_column, read_names
from hexamer.errors import InputError
from hexamer.manifest import STRICT

SPLITS = ("train", "validation", "test")
_KINDS = (".parquet", ".csv", ".tsv", ".txt", ".fna", ".fa", ".fasta")
ENDINGS = (*_KINDS, *(f"{kind}.gz" for kind in _KINDS[1:]))
"""How the name of a file with rows ends."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the rows of a task are, as far as a suite has to say it."""

    __pydantic_config__ = STRICT

    places: tuple[str, ...] = ()
    """Names, under the folder that is given, of folders, tables or archives that hold the suite."""
    folders: tuple[str, ...] = ("{task}",)
    """Folders of the task, in the folder that is given or a place; `{task}` is its name."""
    train: str | dict[str, str] = ""
    """The file with the rows for training, or one file a class: `{decoy = "a.fa", real = "b.fa"}`. With one of these
    three nothing else is looked for."""
    validation: str | dict[str, str] = ""
    """The same for validation."""
    test: str | dict[str, str] = ""
    """The same for the test."""
    sequence: str = ""
    """Column of the sequences; by default `sequence` or `seq`."""
    target: tuple[str | tuple[str, ...], ...] = ()
    """Columns of the targets; of a tuple of names the first that is there. By default columns that are called as the
    labels or values of the task, else `label`, `target`, `class` or `value`."""
    region: tuple[str, str, str] | None = None
    """Columns of contig, start and end; by default they are looked for under usual names, and in `name`."""

    def named(self) -> dict[str, str | dict[str, str]]:
        """Return the files that are named, by split."""
        files = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: names for split, names in files.items() if names}


class Piece(NamedTuple):
    """Rows of one split, in one file or one folder of files."""

    path: Path
    label: str = ""
    """The class of all rows; empty where the file says it."""
    task: str = ""
    """Take rows of this task only; empty for all."""
    split: str = ""
    """Take rows of this split only; empty for all."""


def find_pieces(folder: str | Path, task: str, suite: str, layout: Layout) -> dict[str, list[Piece]]:
    """Find the files of a task.

    Parameters
    ----------
    folder : str or Path
        A folder, or a table or an archive in its place.
    task, suite : str
        Their names.
    layout : Layout

    Returns
    -------
    dict of str to list of Piece
        By split; no key for a split that is not there.

    Raises
    ------
    InputError
        If there are none; the message says what was looked for.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"{folder}: no such file or folder; check the path")
    for root in _roots(folder, task, suite, layout):
        if layout.named():
            found = _from_names(root, layout)
        elif root.is_file():
            found = _from_table(root, task, layout)
        else:
            found = _from_folders(root, task, layout) or _from_tables(root, task)
        if found:
            return {split: found[split] for split in SPLITS if split in found}
    raise InputError(f"{folder}: holds no files of the task {task!r} of {suite}; {_wanted(task, layout)} would work")


def _wanted(task: str, layout: Layout) -> str:
    if named := layout.named():
        files = [name for names in named.values() for name in ([names] if isinstance(names, str) else names.values())]
        return ", ".join(files) + (f" (also in {' or '.join(layout.places)})" if layout.places else "")
    folders = " or ".join(name.replace("{task}", task) for name in layout.folders)
    places = f", {' or '.join(layout.places)}" if layout.places else ""
    return (
        f"a folder {folders} with train and test files (such as train.csv; {', '.join(_KINDS)}, all but Parquet also "
        f"with .gz), or a table with a column 'task'{places}"
    )


def _roots(folder: Path, task: str, suite: str, layout: Layout) -> Iterator[Path]:
    """Yield folders and tables to look in; archives are unpacked only when nothing was found before them."""
    archives = [f"{name}{ending}" for name in (task, suite) for ending in ARCHIVES]
    for path in (folder, *(folder / name for name in (*layout.places, *archives))):
        if is_archive(path):
            unpacked = unpack(path)
            inner = list(unpacked.iterdir())
            yield unpacked
            if len(inner) == 1 and inner[0].is_dir():
                yield inner[0]
        elif path.exists():
            yield path


def _from_names(root: Path, layout: Layout) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for split, names in layout.named().items():
        files = {"": names} if isinstance(names, str) else names
        if root.is_file() and root.name in files.values():  # one of the files in place of their folder
            return _from_names(root.parent, layout)
        pieces = [Piece(root / name, label) for label, name in files.items()]
        there = [piece for piece in pieces if piece.path.exists()]
        if there and len(there) < len(pieces):
            lacking = next(piece.path for piece in pieces if piece not in there)
            raise InputError(f"{lacking}: no such file; the other classes of the {split} rows lie beside it")
        if there:
            found[split] = there
    return found


def _from_folders(root: Path, task: str, layout: Layout) -> dict[str, list[Piece]]:
    folders = [root / name.replace("{task}", task) for name in layout.folders]
    if re.search(f"(^|[_.-]){re.escape(task)}$", root.absolute().name):
        folders.append(root)
    for folder in folders:
        for place in (folder, folder / "data"):
            pieces = {split: _pieces_of(place, split) for split in SPLITS}
            if any(pieces.values()):
                return {split: those for split, those in pieces.items() if those}
    return {}


def _pieces_of(folder: Path, split: str) -> list[Piece]:
    """Find the rows of one split in a folder: a file, numbered files of Parquet, or a folder of classes."""
    for name in (name for name, meaning in SPLIT_NAMES.items() if meaning == split):
        for ending in ENDINGS:
            if (folder / f"{name}{ending}").is_file():
                return [Piece(folder / f"{name}{ending}")]
        if numbered := sorted(folder.glob(f"{name}-*.parquet")):
            return [Piece(path) for path in numbered]
        if (folder / name).is_dir():
            inside = sorted(path for path in (folder / name).iterdir() if not path.name.startswith("."))
            return [Piece(path, path.name.split(".")[0]) for path in inside if path.is_dir() or _is_rows(path)]
    return []


def _is_rows(path: Path) -> bool:
    return path.name.endswith(ENDINGS)


def _from_tables(root: Path, task: str) -> dict[str, list[Piece]]:
    """Find tables of many tasks, one a split."""
    for place in (root, root / "data"):
        pieces = {
            split: [
                Piece(piece.path, task=task)
                for piece in _pieces_of(place, split)
                if piece.path.is_file() and not piece.label and find_column(read_names(piece.path), TASK_COLUMNS)
            ]
            for split in SPLITS
        }
        if any(pieces.values()):
            return {split: those for split, those in pieces.items() if those}
    return {}


def _from_table(path: Path, task: str, layout: Layout) -> dict[str, list[Piece]]:
    """Take one table, which may hold several tasks and splits."""
    names = read_names(path)
    if not find_column(names, TASK_COLUMNS):
        # A suite of one task needs no column that says so.
        if "." not in layout.folders:
            raise InputError(f"{path}: has no column that tells tasks apart; one called 'task' would work")
        task = ""
    if find_column(names, SPLIT_COLUMNS):
        return {split: [Piece(path, task=task, split=split)] for split in SPLITS}
    first = re.split(r"[.-]", path.name)[0]
    return {SPLIT_NAMES.get(first, "train"): [Piece(path, task=task)]}
