"""A user's own labelled sequences, in any of the forms in which benchmarks are published.

Not here: the forms (`rows`), targets as numbers (`targets`), published tasks (`task_data`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.benchmark.copies import group_copies
from hexamer.benchmark.rows import Columns, read_rows
from hexamer.benchmark.sequences import Sequences
from hexamer.benchmark.targets import NOTHING, as_base_classes, as_targets, plain_number
from hexamer.benchmark.task_data import Split
from hexamer.errors import InputError, SettingsError
from hexamer.genome import Genome
from hexamer.genome.contigs import plain_name
from hexamer.genome.splits import hold_out_groups
from hexamer.tokens import bases_to_codes, report_letters

HOLD_OUTS = ("rows", "contigs", "similarity")
"""What is never divided when rows are held out: nothing, contigs, or sequences that are copies or near copies."""
FEW = 10
"""Different numbers up to which fractions may be classes."""
BLOCK = 1_000_000
"""Bases that are not divided where all rows are on one contig."""
MOST_CLASSES = 1000
"""Different words in a column beyond which it holds no classes."""


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
        If it cannot be read, a target is not of the kind, or a row holds no base that is known.
    """
    path = Path(path)
    outputs = tuple(names) if names and kind not in ("classes", "bases") else tuple(columns)
    chosen = Columns(outputs if kind not in ("classes", "bases") else (), sequence, tuple(columns))
    rows = read_rows(path, chosen, genome=genome)
    _check_bases(rows.sequences, path)
    if kind == "bases":
        targets = as_base_classes(rows.cells, rows.sequences, str(path))
        found = tuple(names) or tuple(map(str, range(max(2, int(targets.max(initial=0)) + 1))))
        return Labelled(Split(rows.sequences, targets, rows.regions), found)
    found = tuple(names) or (_classes(rows.cells, path) if kind == "classes" else _outputs(columns, rows.cells))
    own = "values" if kind == "bins" else kind
    targets = as_targets(rows.cells, own, found, str(path))  # type: ignore[arg-type]
    return Labelled(Split(rows.sequences, targets, rows.regions), found)


def _check_bases(sequences: Sequence[str], path: Path) -> None:
    reports = [report_letters(sequence) for sequence in sequences]
    empty = [row for row, each in enumerate(reports, 1) if each.read_as_n == each.bases]
    if empty:
        told = f"{len(empty):,} row(s) have no base that is known, such as row {empty[0]:,}"
        raise InputError(f"{path}: {told}; remove them")


def hold_out_rows(split: Split, share: float = 0.1, *, by: str = "rows", seed: int = 0) -> npt.NDArray[np.bool_]:
    """Choose rows that are not learnt from.

    Parameters
    ----------
    split : Split
    share : float
        Of the rows; at least one.
    by : {"rows", "contigs", "similarity"}
        Rows at random; whole contigs, or of a single one blocks of a million bases; or whole groups of sequences that
        are alike, as the audit finds them.
    seed : int

    Returns
    -------
    bool array [N]

    Raises
    ------
    SettingsError
        If rows have no contig, or no group is small enough.
    """
    if by not in HOLD_OUTS:
        raise SettingsError(f"held out by {by!r}; {', '.join(HOLD_OUTS)} would work")
    if by == "contigs":
        if split.regions is None:
            raise SettingsError("rows have no place in a genome; chrom, start and end as long as sequences would work")
        groups: Any = split.regions["chrom"].astype(str).map(plain_name)
        if groups.nunique() == 1:  # blocks of it
            groups = split.regions["start"] // BLOCK
        return hold_out_groups(groups, share, seed=seed)
    if by == "similarity":
        groups = group_copies(Sequences.of([bases_to_codes(each) for each in split.sequences]))
        return hold_out_groups(groups, share, seed=seed)
    held = np.zeros(len(split), dtype=bool)
    held[np.random.default_rng(seed).permutation(len(split))[: max(1, int(share * len(split)))]] = True
    return held


def _classes(cells: npt.NDArray[Any], path: Path) -> tuple[str, ...]:
    """Words of the column, numbers in their order; of class numbers all from 0 on."""
    nothing = [cell is None or str(cell).strip().lower() in NOTHING for cell in cells.ravel()]
    unknown = [number for number, is_nothing in enumerate(nothing, 1) if is_nothing]
    if unknown:
        raise InputError(f"{path}: {len(unknown):,} row(s) have no class, such as row {unknown[0]:,}; remove them")
    words = sorted({plain_number(str(cell).strip()) for cell in cells.ravel()})
    if len(words) > FEW and sum(_is_fraction(word) for word in words) > len(words) / 2:
        raise InputError(f"{path}: {len(words):,} different numbers, such as {words[-1]}: --target values would work")
    folded: dict[str, str] = {}
    for word in words:
        if (other := folded.setdefault(word.casefold(), word)) != word:
            raise InputError(f"{path}: classes {other!r} and {word!r} differ in case only; one spelling would work")
    if len(words) > MOST_CLASSES:
        raise InputError(f"{path}: {len(words):,} different targets are no classes; --target values would work")
    if all(word.isascii() and word.isdigit() for word in words):
        words.sort(key=int)
        if int(words[-1]) < MOST_CLASSES:  # else they are names, such as numbers of species
            return tuple(map(str, range(int(words[-1]) + 1)))
    return tuple(words)


def _is_fraction(word: str) -> bool:
    try:
        return not float(word).is_integer()
    except (ValueError, OverflowError):
        return False


def _outputs(columns: Sequence[str], cells: npt.NDArray[Any]) -> tuple[str, ...]:
    if len(columns) == cells.shape[1] > 0:
        return tuple(columns)
    return tuple(f"value{i}" for i in range(cells.shape[1])) if cells.shape[1] > 1 else ("value",)
