"""The data of a task: sequences, what is to be predicted, and where they lie, as they were published.

Sequences stay as they are; what is not as published, or odd, is told in `TaskData.notes`.
Not here: which files they are in (`layouts`), how they are read (`rows`, `targets`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.benchmark.layouts import SPLITS, Piece, find_pieces
from hexamer.benchmark.rows import Columns, Rows, read_rows
from hexamer.benchmark.targets import as_base_classes, as_targets
from hexamer.benchmark.tasks import Task
from hexamer.errors import InputError
from hexamer.genome import Genome
from hexamer.tokens import LetterReport, report_letters
from hexamer.training.finetune import Examples
from hexamer.training.targets import NO_CLASS


@dataclass(frozen=True, eq=False)
class Split:
    """Sequences of one split of a task, with what is to be predicted."""

    sequences: list[str]
    """As they were published: lower case and other letters than ACGT stay."""
    targets: npt.NDArray[Any]
    """Classes: int64 [N], ids. Labels: float64 [N, O] of 0, 1 and NaN. Values: float64 [N, O]. Bases: int8
    [N, bases of the longest], -100 where there is no class."""
    regions: pd.DataFrame | None = None
    """`chrom`, `start`, `end` (0-based, half-open, in `Task.assembly`), row for row; None where they are unknown."""

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def examples(self) -> Examples:
        """What fine-tuning learns from; floats as float32."""
        targets = self.targets.astype(np.float32) if self.targets.dtype.kind == "f" else self.targets
        return Examples(self.sequences, targets)

    def take(self, rows: npt.ArrayLike) -> "Split":
        """Pick rows, in the order given.

        Parameters
        ----------
        rows : array of int

        Returns
        -------
        Split
        """
        places = np.asarray(rows, dtype=np.int64)
        regions = None if self.regions is None else self.regions.iloc[places].reset_index(drop=True)
        return Split([self.sequences[i] for i in places], self.targets[places], regions)


@dataclass(frozen=True, eq=False)
class TaskData:
    """The data of a task."""

    task: Task
    train: Split
    """What is learnt from; all rows where no split was published."""
    validation: Split | None
    """None where none was published, and where it has to serve as training set (then `notes` says so)."""
    test: Split | None
    """None where none was published."""
    letters: LetterReport
    """Letters of all sequences: how many are N, lower case, or neither A, C, G, T nor N."""
    notes: tuple[str, ...]
    """What is not as published, or odd: sizes, lengths, classes that lack, letters."""

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that are there, by name, in the order train, validation, test."""
        return {name: part for name in SPLITS if (part := getattr(self, name)) is not None}

    def describe(self) -> pd.DataFrame:
        """Count the rows of each split.

        Returns
        -------
        DataFrame
            `split`, `rows`, `published` (missing where no number is), `shortest`, `longest`, and `balance`: the rows
            of each class, the share of true labels, or mean and SD of each value, as text.
        """
        rows = []
        for split, part in self.splits.items():
            lengths = [len(sequence) for sequence in part.sequences]
            rows.append(
                {
                    "split": split,
                    "rows": len(part),
                    "published": self.task.published.get(split),
                    "shortest": min(lengths),
                    "longest": max(lengths),
                    "balance": _balance(self.task, part.targets),
                }
            )
        return pd.DataFrame(rows).astype({"published": "Int64"})


def load_task(task: Task, folder: str | Path, *, genome: Genome | None = None) -> TaskData:
    """Read the published data of a task.

    Parameters
    ----------
    task : Task
    folder : str or Path
        Where the suite's files lie: a folder, or the archive or table in which they were published.
    genome : Genome, optional
        Where sequences are read of which only intervals were published; in `task.assembly`.

    Returns
    -------
    TaskData

    Raises
    ------
    InputError
        If there are no files of the task, one cannot be read or is empty, or holds a label that is no class of it.
    """
    pieces = find_pieces(folder, task.name, task.suite, task.layout)
    notes: list[str] = []
    parts = {split: _read_split(those, task, genome, notes) for split, those in pieces.items()}
    parts = {split: part for split, part in parts.items() if len(part)}
    sizes = task.published
    if "train" not in parts and "validation" in parts:
        parts["train"] = parts.pop("validation")
        sizes.pop("validation", None)
        notes.append(f"no train rows here: the {len(parts['train']):,} for validation are used for training")
    if "train" not in parts:
        raise InputError(f"{folder}: of the task {task.name!r} it holds test rows only; train rows would help")
    letters = sum((report_letters("".join(part.sequences)) for part in parts.values()), LetterReport())
    notes += [*_size_notes(sizes, parts), *_content_notes(task, parts, letters)]
    return TaskData(task, parts["train"], parts.get("validation"), parts.get("test"), letters, tuple(notes))


def _read_split(pieces: Iterable[Piece], task: Task, genome: Genome | None, notes: list[str]) -> Split:
    outputs = () if task.kind in ("classes", "bases") else task.classes
    columns = Columns(outputs, task.layout.sequence, task.layout.target, task.layout.region)
    read: list[Rows] = []
    targets = []
    for piece in pieces:
        labelled = piece.label in {*task.classes, *map(str, range(len(task.classes)))} and task.kind == "classes"
        if piece.label and not labelled and piece.path.is_dir():
            raise InputError(f"{piece.path}: no class of the task {task.name!r}; {', '.join(task.classes)} would work")
        rows = read_rows(piece.path, columns, task=piece.task, split=piece.split, labelled=labelled, genome=genome)
        cells = np.full((len(rows.sequences), 1), piece.label, dtype=object) if labelled else rows.cells
        if task.kind == "bases":
            targets.append(as_base_classes(cells, rows.sequences, str(piece.path), classes=len(task.classes)))
        else:
            targets.append(as_targets(cells, task.kind, task.classes, str(piece.path)))
        notes += [rows.note] if rows.note else []
        read.append(rows)
    regions = [rows.regions for rows in read if rows.regions is not None]
    return Split(
        [sequence for rows in read for sequence in rows.sequences],
        _stack(targets),
        pd.concat(regions, ignore_index=True) if len(regions) == len(read) else None,
    )


def _stack(targets: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Put the targets of files one under the other; those of bases may be of other lengths."""
    width = max((part.shape[1] for part in targets if part.ndim == 2), default=0)
    pads = [((0, 0), (0, width - part.shape[1])) if part.ndim == 2 else ((0, 0),) for part in targets]
    padded = [np.pad(part, pad, constant_values=NO_CLASS) for part, pad in zip(targets, pads, strict=True)]
    return np.concatenate(padded)


def _size_notes(sizes: Mapping[str, int], parts: Mapping[str, Split]) -> list[str]:
    notes = []
    for split, size in sizes.items():
        rows = len(parts[split]) if split in parts else 0
        if rows != size:
            notes.append(f"{split}: {rows:,} rows here, {size:,} published")
    if not {"test"} & (parts.keys() | sizes.keys()):
        notes.append("no test rows were published: some of train are held out")
    return notes


def _content_notes(task: Task, parts: Mapping[str, Split], letters: LetterReport) -> list[str]:
    notes = []
    lengths = np.array([len(sequence) for part in parts.values() for sequence in part.sequences])
    if task.length and (odd := int((lengths != task.length).sum())):
        notes.append(
            f"{odd:,} sequence(s) are not of {task.length:,} bases; they are of {lengths.min():,} to {lengths.max():,}"
        )
    if letters.replaced:
        notes.append(f"{letters.replaced:,} letter(s) are neither A, C, G, T nor N; they are read as N")
    for split, part in parts.items():
        if task.kind in ("classes", "bases"):
            counts = _count_classes(task, part.targets)
            lacking = [name for name, count in zip(task.classes, counts, strict=True) if not count]
            what = "base" if task.kind == "bases" else "row"
            notes += [f"{split}: no {what} is of class {', '.join(lacking)}"] if lacking else []
        elif missing := int(np.isnan(part.targets).sum()):
            notes.append(f"{split}: {missing:,} {task.kind} are missing")
    return notes


def _count_classes(task: Task, targets: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.bincount(targets[targets != NO_CLASS].astype(np.int64), minlength=len(task.classes))


def _balance(task: Task, targets: npt.NDArray[Any]) -> str:
    if task.kind in ("classes", "bases"):
        counts = _count_classes(task, targets)
        return ", ".join(f"{name} {count:,}" for name, count in zip(task.classes, counts, strict=True))
    told = []
    for column in targets.T:
        known = column[~np.isnan(column)]
        spread = f" ± {known.std():.3f}" if task.kind == "values" and known.size else ""
        told.append(f"{known.mean():.3f}{spread}" if known.size else "unknown")
    return ", ".join(f"{name} {text}" for name, text in zip(task.classes, told, strict=True))
