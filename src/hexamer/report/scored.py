"""Scored variants as a report shows them: how many there are and why some have no score, and the rows of its table.

Files are read a piece at a time; of more rows than a page holds, those with the largest scores stay.
Not here: how the page shows them (`page`).
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.effects.heading import PREFIX, REASON
from hexamer.effects.tables import info_cells, info_numbers, is_vcf
from hexamer.errors import InputError
from hexamer.genome import VariantFile
from hexamer.report.inputs import read_result

MOST = 10_000
"""Rows of the page's table."""
_PIECE = 50_000
_KEYS = ["chrom", "pos", "id", "ref", "alt"]
_NO_SCORES = re.compile(r"record|.*_background")  # columns of numbers that say which row, and of how many
_FREQUENCIES = ("AF", "af", "allele_frequency", "frequency")


class Scored(NamedTuple):
    """What a file of scored variants holds."""

    rows: pd.DataFrame
    """`chrom`, `pos`, `id`, `ref`, `alt`, `frequency` where known, scores and `reason`: at most `MOST`, in the order of
    the file."""
    scores: list[str]
    values: dict[str, npt.NDArray[np.float32]]
    """Of each score, all that are known."""
    reasons: Counter[str]
    """Of all alleles; "" is those with a score."""
    frequencies: npt.NDArray[np.float32]
    """Of all alleles with a first score, in the order of its values; empty where unknown."""

    @property
    def total(self) -> int:
        """Alleles in the file."""
        return sum(self.reasons.values())

    @property
    def largest(self) -> pd.DataFrame:
        """Rows with a first score, the largest in size first."""
        sizes = self.rows[self.scores[0]].abs().dropna().sort_values(ascending=False, kind="stable")
        return self.rows.loc[sizes.index]


def read_scored(path: Path, *, most: int = MOST) -> Scored:
    """Read scored variants.

    Parameters
    ----------
    path : Path
        VCF, BCF, table or Parquet, as `score-variants` writes them.
    most : int
        Rows that are kept: those whose first score is largest in size, and as many without a score as there is room
        for.

    Returns
    -------
    Scored

    Raises
    ------
    InputError, VariantError
        If it cannot be read, or has no score.
    """
    kept: list[pd.DataFrame] = []
    values: dict[str, list[npt.NDArray[np.float32]]] = {}
    frequencies: list[npt.NDArray[np.float32]] = []
    reasons: Counter[str] = Counter()
    scores: list[str] = []
    for piece, scores in _pieces(path):
        reasons.update(piece["reason"].tolist())
        known = piece[piece[scores[0]].notna()]
        for name in scores:
            values.setdefault(name, []).append(piece[name].dropna().to_numpy(np.float32))
        if "frequency" in piece:
            frequencies.append(known["frequency"].to_numpy(np.float32))
        kept = [_largest(pd.concat([*kept, piece]), scores[0], most)]
    if not scores:
        raise InputError(f"{path}: has no variant; one or more would work")
    rows = kept[0].sort_index().reset_index(drop=True)
    joined = {name: np.concatenate(parts) for name, parts in values.items()}
    return Scored(
        rows, scores, joined, reasons, np.concatenate(frequencies) if frequencies else np.zeros(0, np.float32)
    )


def _largest(rows: pd.DataFrame, score: str, most: int) -> pd.DataFrame:
    if len(rows) <= most:
        return rows
    return rows.loc[rows[score].abs().sort_values(ascending=False, na_position="last").index[:most]]


def _pieces(path: Path) -> Iterator[tuple[pd.DataFrame, list[str]]]:
    """Rows of a file, numbered as they stand, with the names of scores."""
    if is_vcf(path.name):
        yield from _vcf_pieces(path)
        return
    table = read_result(path)
    plain = [*_KEYS, "name", "inserted", "reason", *_FREQUENCIES]
    scores = [
        str(name)
        for name in table
        if str(name) not in plain
        and not _NO_SCORES.fullmatch(str(name))
        and pd.api.types.is_numeric_dtype(table[name])
        and table[name].notna().any()
    ]
    if not scores:
        raise InputError(f"{path}: no column of scores; a file of score-variants would work")
    frequency = next((name for name in _FREQUENCIES if name in table), None)
    table = table.rename(columns={frequency: "frequency"}) if frequency else table
    wanted = [name for name in (*_KEYS, "frequency") if name in table]
    yield table[[*wanted, *scores, "reason"]], scores


def _vcf_pieces(path: Path) -> Iterator[tuple[pd.DataFrame, list[str]]]:
    with VariantFile(path) as records:
        numbers = info_numbers(records.header)
        ours = [name for name in numbers if name.startswith(PREFIX) and name != REASON]
        ours = [name for name in ours if not _NO_SCORES.fullmatch(name.lower())]
        if not ours:
            raise InputError(f"{path}: no {PREFIX} scores in its header; a file of score-variants would work")
        frequency = [name for name in _FREQUENCIES if numbers.get(name) == "A"][:1]
        asked = [*frequency, *ours, REASON]
        scores = [name.removeprefix(PREFIX).lower() for name in ours]
        columns = [*_KEYS, *(["frequency"] if frequency else []), *scores, "reason"]
        rows: list[list[Any]] = []
        start = 0
        for record in records:
            cells = info_cells(record.fields[7], numbers, asked, len(record.alts))
            name = "" if record.id == "." else record.id
            rows += [
                [record.chrom, record.pos, name, record.ref, alt, *own]
                for alt, own in zip(record.alts, cells, strict=True)
            ]
            if len(rows) >= _PIECE:
                yield _typed(rows, columns, start), scores
                start, rows = start + len(rows), []
        if rows or not start:
            yield _typed(rows, columns, start), scores


def _typed(rows: list[list[Any]], columns: list[str], start: int) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=columns)
    table.index = pd.RangeIndex(start, start + len(rows))
    for name in columns[len(_KEYS) : -1]:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table
