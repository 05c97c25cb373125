"""The shards of a run, put together to the file that one run gives.

What a shard is stands in its manifest, `SHARD.manifest.json`, with the checksum of its file: a shard that was cut,
changed, given twice or left out, or is of another run, is refused. Records are put in order by their numbers in the
input: tables have them, and in VCF and BCF they follow from the place. Not here: scoring a shard (`annotate`).
"""

import gzip
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from heapq import merge as merge_sorted
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from hexamer.effects.annotate import MANIFEST, Summary
from hexamer.effects.heading import SHARD
from hexamer.effects.journal import differing
from hexamer.effects.selection import Shard
from hexamer.effects.writers import (
    STANDARD_OUTPUT,
    LineFile,
    ParquetWriter,
    check_variants_path,
    is_indexed,
    write_bcf,
    write_variants,
)
from hexamer.errors import InputError, OutputError
from hexamer.manifest import checksum, describe_file, write_manifest

_SHARD_LINE = f"##{SHARD}="
_BCF = b"BCF\2\2"


class _Part(NamedTuple):
    """One shard."""

    path: Path
    shard: Shard
    manifest: dict[str, Any]


def merge(shards: Sequence[str | Path], out: str | Path) -> Summary:
    """Put the shards of a run together.

    Parameters
    ----------
    shards : sequence of str or Path
        All of them, in any order, each with its manifest beside it.
    out : str or Path
        The name that one run would have written, byte for byte the same file; of the shards' kind, compressed or not.
        Its manifest has the counts of all.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If shards are missing, cut, changed, given twice or of different runs.
    OutputError
        If `out` is of another kind or cannot be written.
    """
    out = Path(out)
    check_variants_path(out)
    parts = _read_parts([Path(shard) for shard in shards])
    for part in parts:
        if _kind_of(part.path) != _kind_of(out):
            raise OutputError(f"{out}: {part.path} is of another kind; one ending {_kind_of(part.path)} would work")
        if out.exists() and out.samefile(part.path):
            raise OutputError(f"{out}: is one of the shards; another name would work")
    with write_variants(out) as temporary:
        _MERGERS[_kind_of(out)](temporary, parts)
    summary = Summary()
    for part in parts:
        counts = Summary.of(part.manifest)
        summary.records += counts.records
        summary.alleles += counts.alleles
        summary.reasons += counts.reasons
        summary.forwards += counts.forwards
    if str(out) != STANDARD_OUTPUT:
        summary.indexed = is_indexed(out)
        kept = ("model", "variants", "genome", "settings", "window_read", "definitions", "regions", "run")
        facts = {name: parts[0].manifest.get(name) for name in kept} | {"shard": None, "output": describe_file(out)}
        merged = [describe_file(part.path) for part in parts]
        write_manifest(out.with_name(out.name + MANIFEST), **facts, merged=merged, **summary.as_facts())
    return summary


def _kind_of(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return ".vcf" if name == STANDARD_OUTPUT else Path(name).suffix


def _read_parts(paths: Sequence[Path]) -> list[_Part]:
    """Read the manifests, and check that they are all the shards of one run; in the order of the shards."""
    parts: dict[int, _Part] = {}
    for path in paths:
        part = _read_part(path)
        first = next(iter(parts.values()), part)
        differences = differing(first.manifest["run"], part.manifest["run"])
        if first.shard.of != part.shard.of:
            differences.append("number of shards")
        if differences:
            raise InputError(f"{path}: is of another run than {first.path}: other {', '.join(differences)}")
        if twin := parts.get(part.shard.index):
            raise InputError(f"{path}: is shard {part.shard}, as {twin.path} is; give each shard once")
        parts[part.shard.index] = part
    if not parts:
        raise InputError("no shards are given; name all that score-variants --shard wrote")
    of = first.shard.of
    if missing := [str(index) for index in range(1, of + 1) if index not in parts]:
        raise InputError(f"of {of} shards {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    for part in parts.values():
        if checksum(part.path) != part.manifest["output"]["sha256"]:
            raise InputError(f"{part.path}: is not the file that was written: cut, damaged or changed; copy it again")
    return [parts[index] for index in sorted(parts)]


def _read_part(path: Path) -> _Part:
    manifest = path.with_name(path.name + MANIFEST)
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if not manifest.is_file():
        raise InputError(f"{path}: {manifest.name} is not beside it; copy it from where the shard was written")
    try:
        found = json.loads(manifest.read_text())
        if found["shard"] is None:
            raise InputError(f"{path}: is no shard, but a whole; score-variants --shard i/n writes shards")
        Summary.of(found)
        if not isinstance(found["run"], dict) or not isinstance(found["output"]["sha256"], str):
            raise TypeError
        return _Part(path, Shard(**found["shard"]), found)
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{manifest}: is not the manifest of a shard; copy it from where the shard was written"
        ) from None


def _merge_lines(path: Path, parts: Sequence[_Part], number: Callable[[_Part, int, bytes], int]) -> None:
    """Merge text; `number` gives the number in the input of a line from shard, place and line."""
    with ExitStack() as stack:
        out = stack.enter_context(closing(LineFile(path)))
        bodies = []
        for part in parts:
            opener: Any = gzip.open if part.path.name.endswith(".gz") else open
            lines = stack.enter_context(opener(part.path, "rb"))
            header = _read_header(lines)
            if part is parts[0]:
                out.write(b"".join(line for line in header if not line.startswith(_SHARD_LINE.encode())))
            bodies.append(_numbered(part, lines, number))
        for _, line in merge_sorted(*bodies, key=itemgetter(0)):
            out.write(line)
        out.flush()


def _read_header(lines: Iterable[bytes]) -> list[bytes]:
    """Take the lines up to the one that names the columns."""
    header = []
    for line in lines:
        header.append(line)
        if not line.startswith(b"##"):
            break
    return header


def _numbered(part: _Part, rows: Iterable[Any], number: Callable[[_Part, int, Any], int]) -> Iterator[tuple[int, Any]]:
    return ((number(part, place, row), row) for place, row in enumerate(rows))


def _by_place(part: _Part, place: int, row: object) -> int:
    return part.shard.number(place)


def _merge_vcf(path: Path, parts: Sequence[_Part]) -> None:
    _merge_lines(path, parts, _by_place)


def _merge_tsv(path: Path, parts: Sequence[_Part]) -> None:
    _merge_lines(path, parts, lambda part, place, line: int(line.split(b"\t", 1)[0]))


def _merge_parquet(path: Path, parts: Sequence[_Part]) -> None:
    import pyarrow.parquet as pq

    with ExitStack() as stack:
        files = [stack.enter_context(pq.ParquetFile(part.path)) for part in parts]
        schema = files[0].schema_arrow
        definitions = {field.name: field.metadata[b"definition"].decode() for field in schema if field.metadata}
        facts = schema.metadata[b"hexamer"].decode().split("\n")
        facts = [fact for fact in facts if not fact.startswith(_SHARD_LINE)]
        out = stack.enter_context(closing(ParquetWriter(path, definitions, facts)))
        rows = merge_sorted(*map(_rows_of, files), key=itemgetter(0))
        for _, record in groupby(rows, key=itemgetter(0)):
            out.write_rows(list(record))
        out.finish()


def _rows_of(file: Any) -> Iterator[tuple[Any, ...]]:
    for batch in file.iter_batches(batch_size=10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _merge_bcf(path: Path, parts: Sequence[_Part]) -> None:
    """Merge records as they are stored; then htslib writes them as it does those of one run."""
    records = path.with_name(path.name + ".records.gz")
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(gzip.open(part.path)) for part in parts]
            headers = [_read_bcf_header(file) for file in files]
            lines = headers[0].splitlines(keepends=True)
            header = b"".join(line for line in lines if not line.startswith(_SHARD_LINE.encode()))
            out = stack.enter_context(closing(LineFile(records)))
            out.write(_BCF + struct.pack("<I", len(header)) + header)
            bodies = [_numbered(part, _bcf_records(file), _by_place) for part, file in zip(parts, files, strict=True)]
            for _, record in merge_sorted(*bodies, key=itemgetter(0)):
                out.write(record)
        write_bcf(path, records)
    finally:
        records.unlink(missing_ok=True)


def _read_bcf_header(file: Any) -> bytes:
    (size,) = struct.unpack("<I", file.read(len(_BCF) + 4)[len(_BCF) :])
    header: bytes = file.read(size)
    return header


def _bcf_records(file: Any) -> Iterator[bytes]:
    """Yield the records, each behind the sizes of its two parts."""
    while sizes := file.read(8):
        yield sizes + file.read(sum(struct.unpack("<II", sizes)))


_MERGERS = {".vcf": _merge_vcf, ".bcf": _merge_bcf, ".tsv": _merge_tsv, ".parquet": _merge_parquet}
