"""Genomes as a corpus: bases on disk, memory-mapped, read by any number of processes.

A corpus is a folder: bases in two bits with their runs (`storage`), the genotypes of populations (`population`), and
`corpus.json`, which says what lies where, how often each genome is drawn, which regions are held out, and the SHA-256
of every file. Letters are read as in Dalla-Torre et al. (2025): upper-cased, any letter outside A, C, G, T as N.
Building streams: memory does not grow with the genome. Not here: which windows a training step sees (`sampling`).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hexamer.errors import GenomeError, OutputError, SettingsError
from hexamer.genome import Genome, Interval
from hexamer.manifest import checksum, describe_file
from hexamer.tokens.alphabet import Codes, LetterReport
from hexamer.tokens.population_writer import write_population
from hexamer.tokens.sources import ALL, GenomeSource, name_sources
from hexamer.tokens.storage import FILES, SOFT, BaseReader, BaseWriter
from hexamer.tokens.tokenizer import CLS_ID, Ids, Tokenizer

FORMAT = 2
_PIECE = 8_000_000  # bases read at a time; a multiple of four
# All that a corpus folder may hold of an earlier corpus; `counts-6.npz` is of the baselines (`training`).
_REPLACED = (*FILES, "population-[0-9]*.*", "counts-[0-9]*.npz")


@dataclass(frozen=True)
class Span:
    """A stretch of one contig; `start` and `end` are 0-based and half-open, `offset` is its place in the base file."""

    genome: str
    chrom: str
    start: int
    end: int
    offset: int

    def __len__(self) -> int:
        return self.end - self.start


def build_corpus(
    genomes: Sequence[GenomeSource],
    folder: str | Path,
    *,
    relative_to: str | Path = ".",
    advance: Callable[[int], None] | None = None,
    advance_records: Callable[[int], None] | None = None,
) -> "Corpus":
    """Write genomes as a corpus folder.

    Parameters
    ----------
    genomes : sequence of GenomeSource
    folder : str or Path
        Created; an existing corpus is replaced once the new one is complete, all of its files.
    relative_to : str or Path
        Where relative FASTA paths start.
    advance : callable, optional
        Told the number of bases after each piece, for a progress bar.
    advance_records : callable, optional
        Told the number of records of variant files now and then; these are read before the bases.

    Returns
    -------
    Corpus

    Raises
    ------
    GenomeError
        If a FASTA cannot be read or a held-out contig does not exist.
    VariantError
        If the variants of a population cannot be read, or are not phased.
    SettingsError
        If two genomes have the same name, or there is none, or some have weights and some have not.
    OutputError
        If the folder cannot be written.
    """
    folder, relative_to = Path(folder), Path(relative_to)
    names = name_sources(genomes)
    try:
        with _replacing(folder) as building:
            # People first: what is wrong with a variant file is told before hours of copying bases.
            people = [
                {"population": _write_population(source, relative_to, building, f"population-{i}", advance_records)}
                if source.variant_files
                else {}
                for i, source in enumerate(genomes)
            ]
            with BaseWriter(building) as out:
                entries = [
                    {"name": name, **_write_genome(source, relative_to, out, advance or (lambda bases: None)), **also}
                    for name, source, also in zip(names, genomes, people, strict=True)
                ]
            if not out.place:
                raise GenomeError(f"{', '.join(names)}: no genome holds a base; FASTA with sequences would work")
            populations = [entry["population"] for entry in entries if "population" in entry]
            names = [*FILES, *(name for population in populations for name in population["files"])]
            record = {"format": FORMAT, "files": {name: checksum(building / name) for name in names}}
            (building / "corpus.json").write_text(json.dumps({**record, "genomes": entries}, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return Corpus(folder)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Lend a hidden folder; if the block ends well its files take the place of the corpus that was there."""
    is_new, building = not folder.exists(), folder / ".building"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(building, ignore_errors=True)  # of a build that was killed
        building.mkdir()
        yield building
        # Without corpus.json a folder is no corpus: it goes first and comes last.
        (folder / "corpus.json").unlink(missing_ok=True)
        for path in [path for pattern in _REPLACED for path in folder.glob(pattern)]:
            path.unlink()
        for path in sorted(building.iterdir(), key=lambda path: path.name == "corpus.json"):
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # holds a corpus
                folder.rmdir()


def _write_genome(
    source: GenomeSource, relative_to: Path, out: BaseWriter, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Append the bases of a genome and return its entry."""
    contigs: list[dict[str, Any]] = []
    held_out: list[tuple[str, int, int]] = []
    missing, seen, letters = set(source.hold_out) - {ALL}, set[str](), LetterReport()
    for file in source.files:
        with Genome(relative_to / file) as genome:
            # A region is held out in every file that has its contig, under whatever name.
            own = [region for region in sorted(set(source.hold_out)) if has_region(genome, region)]
            held_out += [_region_of(region, genome) for region in own]
            missing -= set(own)
            for chrom, length in genome.contigs.items():
                if chrom in seen:
                    raise GenomeError(
                        f"{relative_to / file}: contig {chrom!r} is in another file of this genome too; "
                        "two genomes, or other names, would work"
                    )
                if ALL in source.hold_out:
                    held_out.append((chrom, 0, length))
                seen.add(chrom)
                offset, found = _write_contig(genome, chrom, out, advance)
                contigs.append({"chrom": chrom, "length": length, "offset": offset})
                letters += found
    if missing:
        raise GenomeError(f"hold_out {', '.join(sorted(missing))}: no such contig in {', '.join(source.files)}")
    held_out.sort()
    bases = sum(contig["length"] for contig in contigs)
    return {
        "files": [describe_file(relative_to / file) for file in source.files],
        "taxonomy": source.taxonomy,
        "weight": float(bases - _total(held_out)) if source.weight is None else source.weight,
        "by_size": source.weight is None,
        "bases": bases,
        "n": letters.unknown,
        "iupac": letters.replaced,
        "soft_masked": letters.soft_masked,
        "contigs": contigs,
        "held_out": held_out,
    }


def _write_population(
    source: GenomeSource, relative_to: Path, folder: Path, name: str, advance: Callable[[int], None] | None
) -> dict[str, Any]:
    """Write the genotypes of a genome's people; what `population` says of them, without each one's name."""
    with ExitStack() as stack:
        genomes = [stack.enter_context(Genome(relative_to / file)) for file in source.files]
        files = [relative_to / file for file in source.variant_files]
        found = write_population(files, genomes, folder, name=name, advance=advance)
    kept = ("name", "files", "individuals", "variants", "records", "kept", "left_out", "calls")
    return {"sources": [describe_file(file) for file in files], **{key: found[key] for key in kept}}


def _write_contig(
    genome: Genome, chrom: str, out: BaseWriter, advance: Callable[[int], None]
) -> tuple[int, LetterReport]:
    """Append one contig; its place, and its letters."""
    offset, letters, length = out.start_contig(), LetterReport(), genome.length(chrom)
    for start in range(0, length, _PIECE):
        end = min(start + _PIECE, length)
        letters += out.write(genome.fetch_as_written(chrom, start, end), last=end == length)
        advance(end - start)
    counted = letters.soft_masked if out.end_contig() else 0
    return offset, LetterReport(letters.bases, counted, letters.unknown, letters.replaced)


def _total(regions: Sequence[tuple[str, int, int]]) -> int:
    """Bases of sorted regions, overlaps counted once."""
    total, chrom, place = 0, "", 0
    for region in regions:
        place = place if region[0] == chrom else 0
        chrom, total = region[0], total + max(region[2] - max(region[1], place), 0)
        place = max(place, region[2])
    return total


def has_region(genome: Genome, region: str) -> bool:
    """Say whether a genome has the contig of a region string, or of a bare contig name.

    Parameters
    ----------
    genome : Genome
    region : str
        `chr20:1-600`, or a contig's name, which may hold colons.

    Returns
    -------
    bool
    """
    return region in genome or region.rsplit(":", 1)[0] in genome


def _region_of(region: str, genome: Genome) -> tuple[str, int, int]:
    """Contig, start and end (0-based, half-open) of a region string or a whole contig."""
    if region in genome:
        chrom = genome.resolve(region)
        return chrom, 0, genome.length(chrom)
    interval = Interval.parse(region)
    chrom = genome.resolve(interval.chrom)
    length = genome.length(chrom)
    if interval.start >= length:
        raise GenomeError(f"hold_out {region}: {chrom} has {length:,} bases only")
    return chrom, interval.start, min(interval.end, length)


def _read_record(folder: Path) -> dict[str, Any]:
    """Parse `corpus.json` and check its form."""
    try:
        record = json.loads((folder / "corpus.json").read_text())
    except FileNotFoundError as error:
        raise SettingsError(f"{folder}: holds no corpus.json; `hexamer build-corpus` makes one") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{folder}/corpus.json: not readable as JSON ({error}); build again") from error
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise SettingsError(f"{folder}: corpus format {found}, this version reads {FORMAT}; build again")
    keys = {"name", "weight", "bases", "contigs", "held_out"}
    genomes = record.get("genomes")
    if not isinstance(genomes, list) or not all(isinstance(entry, dict) and keys <= entry.keys() for entry in genomes):
        raise SettingsError(f"{folder}/corpus.json: damaged, a genome lacks its {', '.join(sorted(keys))}; build again")
    return record


class Corpus:
    """A corpus folder, open for reading.

    Parameters
    ----------
    folder : str or Path
        As written by `build_corpus`.

    Attributes
    ----------
    genomes : dict of str to float
        Name to weight.
    entries : list of dict
        All that is known of each genome.
    bases : BaseReader
        All bases, memory-mapped.

    Raises
    ------
    SettingsError
        If the folder holds no corpus of this format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.record = _read_record(self.folder)
        self.entries: list[dict[str, Any]] = self.record["genomes"]
        self.genomes = {entry["name"]: float(entry["weight"]) for entry in self.entries}
        self.bases = BaseReader(self.folder)
        ends = [contig["offset"] + contig["length"] for entry in self.entries for contig in entry["contigs"]]
        if not ends or not max(ends) <= len(self.bases) < max(ends) + 4:
            raise SettingsError(
                f"{self.folder}/bases.u2: {len(self.bases):,} bases, but corpus.json says {max(ends, default=0):,}; "
                "build again"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides which windows are drawn; where the corpus and its inputs lie is no part of it."""
        keys = ("name", "weight", "by_size", "contigs", "held_out")
        content = [self.record["files"], [[entry.get(key) for key in keys] for entry in self.entries]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def verify(self) -> None:
        """Compare every file with its SHA-256; SettingsError if one has changed."""
        for name, expected in self.record["files"].items():
            path = self.folder / name
            if not path.is_file() or checksum(path) != expected:
                raise SettingsError(f"{path}: is gone, or has changed since the corpus was built; build again")

    def spans(self, genome: str, *, held_out: bool) -> list[Span]:
        """Stretches of one genome that are held out, or those that are not.

        Parameters
        ----------
        genome : str
        held_out : bool

        Returns
        -------
        list of Span

        Raises
        ------
        SettingsError
            If the corpus has no such genome.
        """
        entry = next((entry for entry in self.entries if entry["name"] == genome), None)
        if entry is None:
            raise SettingsError(f"{self.folder}: no genome {genome!r}; {', '.join(self.genomes)} would work")
        regions: dict[str, list[tuple[int, int]]] = {}
        for chrom, start, end in entry["held_out"]:
            regions.setdefault(chrom, []).append((start, end))
        found = []
        for contig in entry["contigs"]:
            chrom, place = contig["chrom"], 0
            for start, end in [*regions.get(chrom, ()), (contig["length"], contig["length"])]:
                inside = (max(start, place), end) if held_out else (place, start)
                if inside[1] > inside[0]:
                    found.append(Span(genome, chrom, inside[0], inside[1], contig["offset"] + inside[0]))
                place = max(place, end)
        return found

    def read(self, span: Span) -> Codes:
        """Bases of a stretch.

        Parameters
        ----------
        span : Span

        Returns
        -------
        uint8 array [B]
            A new array: 0 A, 1 T, 2 C, 3 G, 4 N.
        """
        return self.bases.read(span.offset, len(span))

    def soft_masked(self, span: Span) -> npt.NDArray[np.bool_]:
        """Which bases of a stretch were written in lower case, bool [B]; none on contigs that are all lower case."""
        return self.bases.read(span.offset, len(span), soft=True) >= SOFT

    def held_out_windows(
        self, tokenizer: Tokenizer, genome: str, *, windows: int, tokens: int
    ) -> Iterator[tuple[Span, Ids]]:
        """Windows of the held-out regions, evenly spread, without overlap.

        Parameters
        ----------
        tokenizer : Tokenizer
        genome : str
        windows : int
            At most so many.
        tokens : int
            L, `<cls>` included.

        Yields
        ------
        span : Span
            The window's place.
        ids : int32 array [L]
            Its tokens; windows that hold any N are left out, so that all have L tokens.

        Raises
        ------
        SettingsError
            As `spans`.
        """
        length = (tokens - 1) * tokenizer.k
        tiles = [
            Span(genome, span.chrom, start, start + length, span.offset + start - span.start)
            for span in self.spans(genome, held_out=True)
            for start in range(span.start, span.end - length + 1, length)
        ]
        starts = np.array([tile.offset for tile in tiles], dtype=np.int64)
        tiles = [tiles[i] for i in np.flatnonzero(self.bases.count_n(starts, starts + length) == 0)]
        picks = np.unique(np.linspace(0, len(tiles) - 1, min(windows, len(tiles))).round().astype(int))
        for tile in (tiles[i] for i in picks):
            yield tile, np.concatenate([[CLS_ID], tokenizer.encode_codes(self.read(tile))]).astype(np.int32)

    def training_codes(self, genome: str) -> Iterator[Codes]:
        """Bases of one genome outside its held-out regions, span by span.

        Parameters
        ----------
        genome : str

        Yields
        ------
        uint8 array [B]

        Raises
        ------
        SettingsError
            As `spans`.
        """
        for span in self.spans(genome, held_out=False):
            yield self.read(span)
