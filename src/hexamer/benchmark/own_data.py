"""A user's own labelled sequences, in any of the forms in which benchmarks are published.

Not here: the forms (`rows`), targets as numbers (`targets`), published tasks (`task_data`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from hexamer.benchmark.rows import Columns, read_rows
from hexamer.benchmark.targets import as_base_classes, as_targets
from hexamer.benchmark.task_data import Split
from hexamer.errors import InputError
from hexamer.genome import Genome

MOST_CLASSES = 1000
"""Different words in a column beyond which it holds no classes."""
_NOTHING = ("", "nan", "<NA>")


class Labelled(NamedTuple):
    """Sequences with what is known of them."""

    split: Split
    names: tuple[str, ...]
    """Of the classes, or of the outputs."""


def read_labelled(
    path: str | Path,
    kind: str,
    *,
    names: Sequence[str] = (),
    columns: Sequence[str] = (),
    sequence: str = "",
    genome: Genome | None = None,
) -> Labelled:
    """Read a table, FASTA or intervals with targets.

    Parameters
    ----------
    path : str or Path
        CSV, TSV (also gzip) or Parquet with a column of sequences, or of `chrom`, `start`, `end` and a genome; or FASTA
        whose headers end in |target.
    kind : {"classes", "labels", "values", "bins", "bases"}
        For "bases" a target is a text of one digit a base: its class, or another letter where it is unknown.
    names : sequence of str
        Of the classes (by default what the column holds, sorted), or of the outputs (by default the columns).
    columns : sequence of str
        Columns of targets; by default the one that is called label, target, class or value.
    sequence : str
        Column of sequences; by default sequence or seq.
    genome : Genome, optional
        That intervals count in.

    Returns
    -------
    Labelled
        Targets of classes int64 [N], of labels and values float64 [N, O], of bases int8 [N, longest].

    Raises
    ------
    InputError
        If it cannot be read, or a target is not of the kind.
    """
    path = Path(path)
    outputs = tuple(names) if names and kind not in ("classes", "bases") else tuple(columns)
    chosen = Columns(outputs if kind not in ("classes", "bases") else (), sequence, tuple(columns))
    rows = read_rows(path, chosen, genome=genome)
    if kind == "bases":
        targets = as_base_classes(rows.cells, rows.sequences, str(path))
        found = tuple(names) or tuple(map(str, range(max(2, int(targets.max(initial=0)) + 1))))
        return Labelled(Split(rows.sequences, targets, rows.regions), found)
    found = tuple(names) or (_classes(rows.cells, path) if kind == "classes" else _outputs(columns, rows.cells))
    own = "values" if kind == "bins" else kind
    targets = as_targets(rows.cells, own, found, str(path))  # type: ignore[arg-type]
    return Labelled(Split(rows.sequences, targets, rows.regions), found)


def _classes(cells: npt.NDArray[Any], path: Path) -> tuple[str, ...]:
    """Words of the column, numbers in their order; of class numbers all from 0 on."""
    unknown = [number for number, cell in enumerate(cells.ravel(), 1) if cell is None or str(cell).strip() in _NOTHING]
    if unknown:
        raise InputError(f"{path}: {len(unknown):,} row(s) have no class, such as row {unknown[0]:,}; remove them")
    words = sorted({str(cell).strip() for cell in cells.ravel()})
    if len(words) > MOST_CLASSES:
        raise InputError(f"{path}: {len(words):,} different targets are no classes; --target values would work")
    if all(word.isascii() and word.isdigit() for word in words):
        words.sort(key=int)
        if int(words[-1]) < MOST_CLASSES:  # else they are names, such as numbers of species
            return tuple(map(str, range(int(words[-1]) + 1)))
    return tuple(words)


def _outputs(columns: Sequence[str], cells: npt.NDArray[Any]) -> tuple[str, ...]:
    if len(columns) == cells.shape[1] > 0:
        return tuple(columns)
    return tuple(f"value{i}" for i in range(cells.shape[1])) if cells.shape[1] > 1 else ("value",)
