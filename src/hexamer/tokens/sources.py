"""What a corpus is made of: the genomes that a recipe or a manifest names.

A manifest is a table for many species, such as the 850 of Dalla-Torre et al. (2025): tab-separated, one line a genome,
a header with `name` and `fasta`, and any of `weight`, `taxonomy`, `hold_out`, `variants`. Several files or regions
stand in one cell, separated by semicolons (regions may hold commas); an empty cell is the default.
Not here: reading bases (`corpus`).
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hexamer.errors import SettingsError
from hexamer.genome.lines import excerpt
from hexamer.manifest import STRICT

ALL = "all"
"""As `hold_out`: the whole genome, a species that is only evaluated on."""

_COLUMNS = ("name", "fasta", "weight", "taxonomy", "hold_out", "variants")


@dataclass(frozen=True, kw_only=True)
class GenomeSource:
    """One genome of a corpus, as a recipe names it."""

    __pydantic_config__ = STRICT

    fasta: str | tuple[str, ...]
    """FASTA file or files, plain, gzip or bgzip; a relative path starts at the recipe's folder."""
    name: str = ""
    """Name of the species in tables; by default the first file's name up to its first dot: `yeast` of `yeast.fa.gz`."""
    weight: float | None = None
    """How often windows are drawn from it, relative to the others; its size in bases by default. For all or none."""
    taxonomy: str = ""
    """Any label, such as "Fungi;Ascomycota"; kept in `corpus.json`."""
    hold_out: tuple[str, ...] = ()
    """Contigs, or regions as `chr20:1,000,001-4,000,000` (from 1, end included), never drawn for training; `all` holds
    the whole genome out."""
    variants: str | tuple[str, ...] = ()
    """Phased VCF or BCF of a population: windows are then drawn from its people's haplotypes. A relative path starts at
    the recipe's folder."""

    def __post_init__(self) -> None:
        if not self.files or not all(self.files):
            raise SettingsError(f"genome {self.name!r}: fasta is empty; at least one file would work")
        if self.weight is not None and not (math.isfinite(self.weight) and self.weight >= 0):
            raise SettingsError(f"genome {self.name!r}: weight = {self.weight}; a number of 0 or more would work")

    @property
    def files(self) -> tuple[str, ...]:
        """The FASTA files."""
        return (self.fasta,) if isinstance(self.fasta, str) else tuple(self.fasta)

    @property
    def variant_files(self) -> tuple[str, ...]:
        """The variant files."""
        return (self.variants,) if isinstance(self.variants, str) else tuple(self.variants)

    def starting_at(self, folder: Path) -> "GenomeSource":
        """Make paths absolute, relative ones starting at `folder`."""
        return replace(
            self,
            fasta=tuple(str((folder / file).resolve()) for file in self.files),
            variants=tuple(str((folder / file).resolve()) for file in self.variant_files if file),
        )


def read_sources(path: str | Path) -> tuple[GenomeSource, ...]:
    r"""Read a manifest of genomes.

    Parameters
    ----------
    path : str or Path
        Tab-separated table, as the module's text says; lines that begin with "#" are left out.

    Returns
    -------
    tuple of GenomeSource
        With absolute paths; relative ones start at the manifest's folder.

    Raises
    ------
    SettingsError
        If the table cannot be read, a column is unknown, a cell is wrong or a file is missing; the message names the
        line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "yeast.fa").write_text(">chrI\nACGT\n")
    ...     table = Path(folder, "species.tsv")
    ...     _ = table.write_text("name\tfasta\tweight\nS. cerevisiae\tyeast.fa\t2\n")
    ...     [(source.name, source.weight) for source in read_sources(table)]
    [('S. cerevisiae', 2.0)]
    """
    path = Path(path)
    try:
        lines = [(i, line) for i, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1) if line.strip()]
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such manifest") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as text ({error}); a tab-separated table would work") from error
    lines = [(i, line) for i, line in lines if not line.startswith("#")]
    if not lines:
        raise SettingsError(f"{path}: no header; a first line of {', '.join(_COLUMNS)}, tab-separated, would work")
    rows = csv.DictReader((line for _, line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    columns = [name.strip() for name in rows.fieldnames or []]
    rows.fieldnames = columns
    if unknown := [name for name in columns if name not in _COLUMNS]:
        raise SettingsError(
            f"{path}: there is no column {unknown[0]!r}; {', '.join(_COLUMNS)} would work, tab-separated"
        )
    if len(set(columns)) < len(columns):
        raise SettingsError(f"{path}: a column is named twice; each once would work")
    if missing := [name for name in _COLUMNS[:2] if name not in columns]:
        raise SettingsError(f"{path}: the column {missing[0]!r} is missing")
    found = tuple(_source_of(row, f"{path}:{i}", path.parent) for (i, _), row in zip(lines[1:], rows, strict=True))
    if not found:
        raise SettingsError(f"{path}: no genome; one line a genome would work")
    return found


def _source_of(row: dict[str, str], where: str, folder: Path) -> GenomeSource:
    """One line of a manifest, whose files must exist."""
    if None in row or None in row.values():
        raise SettingsError(f"{where}: another number of cells than the header has columns")
    cells = {name: value.strip() for name, value in row.items()}

    def listed(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in cells.get(name, "").split(";") if part.strip())

    try:
        weight = float(cells["weight"]) if cells.get("weight") else None
    except ValueError as error:
        raise SettingsError(f"{where}: weight {cells['weight']!r} is no number") from error
    try:
        source = GenomeSource(
            fasta=listed("fasta"),
            name=cells["name"],
            weight=weight,
            taxonomy=cells.get("taxonomy", ""),
            hold_out=listed("hold_out"),
            variants=listed("variants"),
        ).starting_at(folder)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None
    except (OSError, ValueError) as error:  # a name too long, or with a byte 0
        raise SettingsError(f"{where}: a path that no file can have; check it") from error
    for file in (*source.files, *source.variant_files):
        if not _is_file(file):
            raise SettingsError(f"{where}: there is no file {excerpt(file, 200)}")
    return source


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name too long
        return False


def name_sources(genomes: Sequence[GenomeSource]) -> list[str]:
    """Give every genome its name, and check names and weights against each other.

    Parameters
    ----------
    genomes : sequence of GenomeSource

    Returns
    -------
    list of str

    Raises
    ------
    SettingsError
        If there is no genome, two have one name, some but not all have a weight, or no weight is above 0.
    """
    names = [genome.name or Path(genome.files[0]).name.split(".")[0] for genome in genomes]
    if not names or len(set(names)) < len(names):
        raise SettingsError(f"genomes of the corpus: {names}; at least one, each with a name of its own, would work")
    given = [genome.weight for genome in genomes if genome.weight is not None]
    if given and len(given) < len(genomes):
        without = next(name for name, genome in zip(names, genomes, strict=True) if genome.weight is None)
        raise SettingsError(
            f"genome {without!r} has no weight, but others have; a weight for all, or for none, would work"
        )
    if given and not any(given):
        raise SettingsError(f"weights of the corpus: {given}; at least one above 0 would work")
    return names
