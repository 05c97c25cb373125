"""What a report is made of: results on disk, each recognised by what it holds.

A result is a file or a folder that a command has written, with its manifest. What is not recognised is named with the
reason. Not here: what a section says of it (`sections`), scored variants (`scored`).
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import pandas as pd

from hexamer.effects.tables import is_vcf, read_names, read_table
from hexamer.errors import InputError
from hexamer.genome.lines import excerpt

MANIFEST = ".manifest.json"
TABLES: dict[str, frozenset[str]] = {
    "attention-elements": frozenset({"element", "layer", "head", "share", "background", "z"}),
    "dependency-map": frozenset({"pos_changed", "pos_expected", "strength"}),
    "saturation-mutagenesis": frozenset({"name", "chrom", "pos", "ref", "alt", "reason"}),
    "attribute": frozenset({"chrom", "pos", "base", "attribution"}),
    "find-motifs": frozenset({"motif", "p", "q"}),
    "evaluate-lm": frozenset({"genome", "element", "loss"}),
    "score-variants": frozenset({"chrom", "pos", "ref", "alt", "reason"}),
    "project": frozenset({"x", "y"}),
}
"""Columns of each kind of table; the first kind whose columns are all there is meant."""
_PATH = re.compile(r"(?P<key>[^/\\\s=]*=|-\w)?(?:[A-Za-z]:|~[^/\\\s]*)?[/\\].*?(?P<name>[^/\\]*)[/\\]?", re.DOTALL)
_FOLDERS = re.compile(r"(?<![\w.~/\\-])(?:[A-Za-z]:|~\w*)?[/\\](?:[^/\\\s'\",:=]+[/\\])+")  # within a word
_TEXT = (".tsv", ".tsv.gz", ".csv", ".csv.gz")
_BESIDE = (MANIFEST, ".tbi", ".csi", ".fai", ".gzi", ".png", ".svg", ".html")
"""Files that belong to others; figures are drawn anew."""


class Finding(NamedTuple):
    """A result."""

    kind: str
    """The command that makes such results."""
    path: Path
    manifest: Mapping[str, Any]
    """Empty where there is none."""

    @property
    def command(self) -> str:
        """How it was made, as typed in a shell, without the folders of files; empty if that is not known."""
        words = [without_folder(word) for word in _words(self.manifest)]
        return shlex.join(["hexamer", *words]) if words else ""

    @property
    def model(self) -> str:
        """Name of the model, and the first letters of its weights' checksum; empty if that is not known."""
        described = self.manifest.get("model")
        if not isinstance(described, Mapping):
            return ""
        files = described.get("files")
        sums = [str(each)[:8] for each in files.values()] if isinstance(files, Mapping) else []
        return " ".join([Path(str(described.get("source") or "random weights")).name, *sums[:1]])


def without_folder(text: str) -> str:
    """Leave the name of an absolute path, and addresses without who asks; the rest stays as it is.

    Examples
    --------
    >>> texts = ("/home/ann lee/v.vcf", "ctcf=/b/c.bed", "demo/g.fa", "n/a", "in /a b/c d/e", "s3://a:b@c/d")
    >>> [without_folder(text) for text in texts]
    ['v.vcf', 'ctcf=c.bed', 'demo/g.fa', 'n/a', 'in e', 's3://c/d']
    """
    text = re.sub(r"://[^/@\s]+@", "://", text).replace("file://", "")
    found = _PATH.fullmatch(text)
    if found:
        return (found["key"] or "") + found["name"]
    text = re.sub(r"(?<!\S)(?:[A-Za-z]:|~\w*)?[/\\].*[/\\]", "", text) if " " in text else text
    return _FOLDERS.sub("", text)


class Skipped(NamedTuple):
    """A path that is not shown."""

    path: Path
    reason: str

    @classmethod
    def of(cls, path: Path, problem: Exception) -> Self:
        """Say what was wrong with a path, without naming it again."""
        text = f"has no {problem}" if isinstance(problem, KeyError) else str(problem)
        text = text.removeprefix(f"{path}: ").replace(str(path), path.name)
        return cls(path, without_folder(" ".join(text.split()) + " ").strip())


def find_results(paths: Iterable[str | Path]) -> tuple[list[Finding], list[Skipped]]:
    """Recognise results.

    Parameters
    ----------
    paths : iterable of str or Path
        Files and folders; of a folder without a manifest all files, not those of folders within it.

    Returns
    -------
    findings : list of Finding
        In the order that they were given in, each once.
    skipped : list of Skipped

    Raises
    ------
    InputError
        If a path does not exist.
    """
    findings: dict[Path, Finding] = {}
    skipped = []
    for path in _files(paths):
        if path in findings or (path.is_file() and path.name.endswith(_BESIDE)):
            continue
        try:
            findings[path] = Finding(_kind_of(path), path, _read_manifest(path))
        except Exception as problem:  # of whatever kind: other files can be shown
            skipped.append(Skipped.of(path, problem))
    return list(findings.values()), skipped


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for given in paths:
        path = Path(given)
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path")
        if path.is_dir() and not (path / "manifest.json").is_file():
            yield from sorted(each for each in path.iterdir() if each.is_file() or (each / "manifest.json").is_file())
        else:
            yield path


def _words(manifest: Mapping[str, Any]) -> list[str]:
    """Give the words of the command that a manifest names, without the program's; none if it names no command."""
    words = manifest.get("command")
    return [str(word) for word in words[1:]] if isinstance(words, list) else []


def _read_manifest(path: Path) -> Mapping[str, Any]:
    place = path / "manifest.json" if path.is_dir() else path.with_name(path.name + MANIFEST)
    if not place.is_file() and path.name.endswith(".bw"):  # PREFIX.A.bw has PREFIX.manifest.json
        place = path.with_name(path.name.removesuffix(".bw").rpartition(".")[0] + MANIFEST)
    if not place.is_file():
        return {}
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{place}: is no manifest; remove it, or run the command again") from None
    return found if isinstance(found, dict) else {}


def _kind_of(path: Path) -> str:
    if path.is_dir():
        words = _words(_read_manifest(path))
        if not words:
            raise InputError("its manifest names no command")
        return words[0]
    name = path.name
    if is_vcf(name):
        return "score-variants"
    if name.endswith((".bw", ".bigwig", ".bigWig")):
        return "write-tracks"
    if name.endswith(".npz"):
        return "attention-map"
    if name.endswith(".h5ad"):
        return "project" if _has_places(path) else "embed"
    if not name.endswith((*_TEXT, ".parquet")):
        raise InputError("not a kind of file that a report shows")
    columns = set(read_columns(path))
    for kind, needed in TABLES.items():
        if needed <= columns:
            return kind
    if {"e0", "reason"} <= columns:
        return "embed"
    raise InputError(f"its columns ({excerpt(', '.join(sorted(columns)), 80)}) are those of no result")


def _has_places(path: Path) -> bool:
    """Say whether vectors of an h5ad file were laid out."""
    import anndata

    try:
        return any(name.startswith("X_") for name in anndata.read_h5ad(path, backed="r").obsm)
    except (OSError, KeyError, TypeError, ValueError) as problem:
        raise InputError(f"{path}: cannot be read as h5ad ({excerpt(str(problem), 80)})") from None


def read_columns(path: Path) -> list[str]:
    """Read the names of a table's columns; InputError if it has none."""
    if path.name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return list(pq.read_schema(path).names)
        except (OSError, pa.ArrowException) as problem:
            raise InputError(f"{path}: cannot be read as Parquet ({excerpt(str(problem), 80)})") from None
    return read_names(path, "," if ".csv" in path.name else "\t")[0]


def read_result(path: Path) -> pd.DataFrame:
    """Read a table of results; `chrom`, `name`, `ref`, `alt` and `reason` as text.

    Parameters
    ----------
    path : Path
        Text with tabs or commas, or Parquet.

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If it cannot be read.
    """
    columns = read_columns(path)
    if TABLES["score-variants"] - {"reason"} <= set(columns):
        table = read_table(path)
    elif path.name.endswith(".parquet"):
        table = pd.read_parquet(path)
    else:
        separator = "," if ".csv" in path.name else "\t"
        words = dict.fromkeys(("chrom", "name", "element", "genome", "reason", "base"), str)
        try:
            above = read_names(path, separator)[1]
            table = pd.read_csv(path, sep=separator, names=columns, header=None, skiprows=above, dtype=words)
        except (OSError, ValueError) as problem:
            raise InputError(f"{path}: cannot be read as a table ({excerpt(str(problem), 120)})") from None
    for name in ("name", "reason", "ref", "alt"):
        if name in table:
            table[name] = table[name].fillna("").astype(str)
    return table
