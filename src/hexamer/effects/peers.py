"""Scores of others for our variants, out of the files that they are published in.

* A tab-separated file with a tabix index (CADD: `#Chrom Pos Ref Alt RawScore PHRED`); without alleles, such as scores
  of conservation, it counts for SNVs at that position.
* A VCF with a tabix or CSI index: an INFO key.
* A bigWig (phyloP, GERP): the value at an SNV's base.
* Anything else that `tables` reads, whole: a table of a web server, a Parquet file.

Indexed files are read around the variants alone, so their size does not matter. Contigs are matched under their usual
names, alleles as given. Source: the tabix, VCF 4.3 and bigWig formats.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.effects.tables import (
    KEYS,
    NONE,
    as_numbers,
    check_column,
    column_names,
    find_keys,
    info_cells,
    info_numbers,
    is_vcf,
    match_contigs,
    match_rows,
    read_info,
    read_names,
    read_table,
)
from hexamer.errors import InputError
from hexamer.genome import Variant, VariantFile
from hexamer.genome.lines import excerpt
from hexamer.manifest import checksum, describe_file

MISSING = {
    "no_value": "there is a row for the variant, and no number in it",
    "not_finite": "the score is infinite",
    "not_found": "the file has no row for the variant",
    "not_scored": "the scored file has no such variant",
    "not_snv": "only single-nucleotide variants have this score",
}
"""Why a variant has no score in a comparison, beside the codes of `hexamer.errors.REASONS`."""
REASON_OF = "reason:"
"""Prefix of the column that says why a score is missing."""
_BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")
_NEAR = 200  # bases between variants that are read together

Cells = list[tuple[str, str, str]]
"""Ref and alt (both empty: of any allele) with the text of the score, at one position."""
Found = tuple[npt.NDArray[np.float64], npt.NDArray[np.object_]]


def add_scores(table: pd.DataFrame, path: str | Path, column: str | None = None, *, name: str) -> pd.DataFrame:
    """Look up scores of others.

    Parameters
    ----------
    table : DataFrame
        With `chrom`, `pos`, `ref`, `alt`.
    path : str or Path
        As the module says; compressed with bgzip and indexed, a table or Parquet, or bigWig.
    column : str, optional
        Column or INFO key; none of a bigWig.
    name : str
        What to call the scores.

    Returns
    -------
    DataFrame
        The table with column `name`, NaN where there is no score, and `reason:NAME`, a code of `MISSING` there and
        else empty.

    Raises
    ------
    InputError
        If the file or its index cannot be read, it has no such column, a score is no number, a variant has two
        different ones, or `table` has a column of that name.
    """
    if name in table:
        raise InputError(f"{path}: there is a column {name!r} already; another name would work")
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; check the path")
    if _is_bigwig(path):
        if column:
            raise InputError(f"{path}: a bigWig has no columns, so no {column!r}; the file alone would work")
        values, reasons = _read_bigwig(table, path)
    elif column is None:
        raise InputError(f"{path}: has several columns; FILE:COLUMN would work")
    elif _indexes(path):
        values, reasons = _read_indexed(table, path, column)
    else:
        values, reasons = _read_whole(table, path, column)
    if len(table) and not np.isfinite(values).any() and (reasons == "contig_missing").all():
        raise InputError(f"{path}: has none of the contigs of the variants; is it of another assembly?")
    return table.assign(**{name: values, REASON_OF + name: reasons})


def describe_scores(path: str | Path, column: str | None) -> dict[str, Any]:
    """Describe a file of others' scores for a manifest; of an indexed file or a bigWig, which may be huge, no checksum.

    Parameters
    ----------
    path : str or Path
    column : str or None

    Returns
    -------
    dict
        `path`, `bytes`, `column`, and `sha256` of the file or `index_sha256` of its index.
    """
    if indexes := _indexes(path):
        facts = {"path": str(path), "bytes": Path(path).stat().st_size, "index_sha256": checksum(indexes[0])}
    elif _is_bigwig(path):
        facts = {"path": str(path), "bytes": Path(path).stat().st_size}
    else:
        facts = dict(describe_file(path))
    return facts | {"column": column}


def _indexes(path: str | Path) -> list[Path]:
    return [index for ending in (".tbi", ".csi") if (index := Path(f"{path}{ending}")).exists()]


def _is_bigwig(path: str | Path) -> bool:
    with Path(path).open("rb") as file:
        return file.read(4) in _BIGWIG


def _none_yet(rows: int) -> Found:
    return np.full(rows, np.nan), np.full(rows, "not_found", dtype=object)


def _read_whole(table: pd.DataFrame, path: str | Path, column: str) -> Found:
    other = read_info(path, [column]) if is_vcf(path) else read_table(path)
    check_column(path, column, [name for name in column_names(other) if name not in KEYS])
    values, reasons = _none_yet(len(table))
    place = match_rows(table, other, str(path))
    has = place >= 0
    values[has] = as_numbers(path, other[column]).to_numpy()[place[has]]
    reasons[has] = np.where(np.isnan(values[has]), "no_value", "")
    reasons[~match_contigs(table["chrom"], other["chrom"].unique(), str(path)).isin(other["chrom"])] = "contig_missing"
    return values, reasons


def _read_bigwig(table: pd.DataFrame, path: str | Path) -> Found:
    try:
        pybigtools = import_module("pybigtools")
    except ModuleNotFoundError:
        raise InputError(f"{path}: bigWig is read by the package pybigtools; pip install pybigtools") from None
    values, reasons = _none_yet(len(table))
    try:
        file = pybigtools.open(str(path))
        try:
            lengths: dict[str, int] = file.chroms()
            contigs = match_contigs(table["chrom"], list(lengths), str(path))
            for row, key in enumerate(zip(contigs, table["pos"], table["ref"], table["alt"], strict=True)):
                variant = Variant(*key)
                if variant.chrom not in lengths:
                    reasons[row] = "contig_missing"
                elif variant.kind != "snv" or len(variant.ref) > 1:
                    reasons[row] = "not_snv"
                elif 0 <= variant.start < lengths[variant.chrom]:
                    for _, _, value in file.records(variant.chrom, variant.start, variant.end):
                        values[row], reasons[row] = value, "no_value" if np.isnan(value) else ""
        finally:
            file.close()
    except (OSError, ValueError, KeyError, pybigtools.BBIReadError) as problem:
        raise InputError(f"{path}: cannot be read as bigWig ({excerpt(str(problem), 60)}); copy it again") from None
    return values, reasons


def _read_indexed(table: pd.DataFrame, path: str | Path, column: str) -> Found:
    import pysam

    loudness = pysam.set_verbosity(0)
    try:
        read = _vcf_reader(path, column) if is_vcf(path) else _tsv_reader(path, column)
        with pysam.TabixFile(str(path)) as file:
            contigs = match_contigs(table["chrom"], file.contigs, str(path))
            known = contigs.isin(file.contigs).to_numpy()
            keyed = table[KEYS].assign(chrom=contigs)
            cells = _fetch(file, keyed[known], read)
    except (OSError, ValueError, EOFError) as problem:
        raise InputError(f"{path}: cannot be read by its index ({excerpt(str(problem), 60)}); index it again") from None
    finally:
        pysam.set_verbosity(loudness)
    values, reasons = _none_yet(len(table))
    reasons[~known] = "contig_missing"
    twice: list[str] = []
    for row, key in enumerate(keyed.itertuples(index=False, name=None)):
        texts, reason = _choose(cells.get(key[:2], []), Variant(*key)) if known[row] else ([], "contig_missing")
        numbers = {_number(text, path, key) for text in texts}
        if len(numbers) > 1:
            twice.append(":".join(map(str, key)))
        elif numbers:
            values[row] = numbers.pop()
        reasons[row] = reason
    if twice:
        raise InputError(
            f"{path}: {len(twice):,} variant(s) have several numbers in {column!r}, first {twice[0]}; "
            "one for each would work"
        )
    return values, reasons


def _choose(cells: Cells, variant: Variant) -> tuple[list[str], str]:
    """Texts of the rows that are of a variant, without empty ones; or the reason why there is none."""
    if cells and not cells[0][0] and (variant.kind != "snv" or len(variant.ref) > 1):
        return [], "not_snv"
    own = [text for ref, alt, text in cells if not ref or (ref, alt) == (variant.ref, variant.alt)]
    texts = [text for text in own if text.strip().lower() not in NONE]
    return texts, "" if texts else "no_value" if own else "not_found"


def _number(text: str, path: str | Path, key: tuple[Any, ...]) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{path}: {excerpt(text)} at {':'.join(map(str, key))} is no number") from None


def _fetch(
    file: Any, keyed: pd.DataFrame, read: Callable[[str], Iterator[tuple[int, str, str, str]]]
) -> dict[tuple[str, int], Cells]:
    """Read the rows at the positions of some variants; neighbours are read together."""
    cells: dict[tuple[str, int], Cells] = {}
    for chrom, own in keyed.groupby("chrom")["pos"]:
        places = np.unique(own.to_numpy())
        places = places[places > 0]
        wanted = set(places.tolist())
        for stretch in np.split(places, np.flatnonzero(np.diff(places) > _NEAR) + 1):
            if not len(stretch):
                continue
            for line in file.fetch(str(chrom), int(stretch[0]) - 1, int(stretch[-1])):
                for pos, ref, alt, text in read(line):
                    if pos in wanted:
                        cells.setdefault((str(chrom), pos), []).append((ref, alt, text))
    return cells


def _tsv_reader(path: str | Path, column: str) -> Callable[[str], Iterator[tuple[int, str, str, str]]]:
    names, _, _ = read_names(path)
    keys = find_keys(names, str(path), needed=("chrom", "pos"))
    check_column(path, column, [name for name in names if name not in keys.values()])
    places = {key: names.index(name) for key, name in keys.items()}
    score, both = names.index(column), {"ref", "alt"} <= keys.keys()

    def read(line: str) -> Iterator[tuple[int, str, str, str]]:
        cells = line.split("\t")
        if len(cells) < len(names):
            raise ValueError(f"a row of {len(cells)} cells, where there are {len(names)} names")
        alleles = [cells[places[key]].upper() for key in ("ref", "alt")] if both else ["", ""]
        yield int(cells[places["pos"]]), alleles[0], alleles[1], cells[score]

    return read


def _vcf_reader(path: str | Path, key: str) -> Callable[[str], Iterator[tuple[int, str, str, str]]]:
    if str(path).endswith(".bcf"):
        raise InputError(f"{path}: other scores are read from VCF; bcftools view -O z with an index would work")
    with VariantFile(path) as records:
        numbers = info_numbers(records.header)
    check_column(path, key, list(numbers))

    def read(line: str) -> Iterator[tuple[int, str, str, str]]:
        cells = line.split("\t", 8)
        alts = cells[4].split(",")
        texts: Sequence[Sequence[str]] = info_cells(cells[7], numbers, [key], len(alts))
        for alt, (text,) in zip(alts, texts, strict=True):
            yield int(cells[1]), cells[3].upper(), alt.upper(), text

    return read
