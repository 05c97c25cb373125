"""Genomes as a corpus: bases on disk, memory-mapped, from which windows are drawn.

A corpus is a folder: `bases.u8`, one byte per base of all contigs in a row (codes of `alphabet`), and `corpus.json`,
which says what lies where, how often each genome is drawn, and which regions are held out. A batch of windows is a
pure function of (corpus, seed, step). Source of the sampling (6 kb windows, any letter but A, C, G, T read as N):
Dalla-Torre et al. (2025), Methods; weights per genome are ours.
Not here: masking (`masking`).
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hexamer.errors import GenomeError, OutputError, SettingsError
from hexamer.genome import Genome, Interval
from hexamer.manifest import STRICT, describe_file, write_atomically
from hexamer.tokens.alphabet import N_CODE, Codes, bases_to_codes, reverse_complement
from hexamer.tokens.tokenizer import CLS_ID, Ids, Tokenizer

FORMAT = 1
_PIECE = 8_000_000  # bases read at a time
_MOST_N = 0.1  # windows with a larger share of N are not drawn
_TRIES = 10_000


@dataclass(frozen=True, kw_only=True)
class GenomeSource:
    """One genome of a corpus, as a recipe names it."""

    __pydantic_config__ = STRICT

    fasta: str | tuple[str, ...]
    """FASTA file or files, plain, gzip or bgzip; a relative path starts at the recipe's folder."""
    name: str = ""
    """Name of the species in tables; the first file's name by default."""
    weight: float | None = None
    """How often windows are drawn from it, relative to the others; its size in bases by default."""
    hold_out: tuple[str, ...] = ()
    """Contigs, or regions as `chr20:1,000,001-4,000,000` (1-based, closed), never drawn for training."""

    def __post_init__(self) -> None:
        if not self.files:
            raise SettingsError(f"genome {self.name!r}: fasta is an empty list; at least one file would work")

    @property
    def files(self) -> tuple[str, ...]:
        """The FASTA files."""
        return (self.fasta,) if isinstance(self.fasta, str) else tuple(self.fasta)


@dataclass(frozen=True)
class Span:
    """A stretch of one contig; `start` and `end` are 0-based and half-open, `offset` is its place in `bases.u8`."""

    genome: str
    chrom: str
    start: int
    end: int
    offset: int

    def __len__(self) -> int:
        return self.end - self.start


def build_corpus(genomes: Sequence[GenomeSource], folder: str | Path, *, relative_to: str | Path = ".") -> "Corpus":
    """Write genomes as a corpus folder.

    Parameters
    ----------
    genomes : sequence of GenomeSource
    folder : str or Path
        Created; an existing corpus is replaced.
    relative_to : str or Path
        Where relative FASTA paths start.

    Returns
    -------
    Corpus

    Raises
    ------
    GenomeError
        If a FASTA cannot be read or a held-out contig does not exist.
    SettingsError
        If two genomes have the same name, or there is none.
    OutputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    names = [genome.name or Path(genome.files[0]).name.split(".")[0] for genome in genomes]
    if not names or len(set(names)) < len(names):
        raise SettingsError(f"genomes of the corpus: {names}; at least one, each with a name of its own, would work")
    given = [genome.weight for genome in genomes if genome.weight is not None]
    if not all(math.isfinite(weight) and weight >= 0 for weight in given) or (
        len(given) == len(genomes) and not any(given)
    ):
        raise SettingsError(f"weights of the corpus: {given}; numbers of 0 or more, at least one above 0, would work")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error
    (folder / "corpus.json").unlink(missing_ok=True)
    entries: list[dict[str, Any]] = []
    with write_atomically(folder / "bases.u8") as temporary, temporary.open("wb") as out:
        for name, source in zip(names, genomes, strict=True):
            entries.append({"name": name, **_write_genome(source, Path(relative_to), out)})
    with write_atomically(folder / "corpus.json") as temporary:
        temporary.write_text(json.dumps({"format": FORMAT, "genomes": entries}, indent=1) + "\n")
    return Corpus(folder)


def _write_genome(source: GenomeSource, relative_to: Path, out: BinaryIO) -> dict[str, Any]:
    """Append the bases of a genome to `bases.u8` and return its entry."""
    contigs: list[dict[str, Any]] = []
    held_out: list[tuple[str, int, int]] = []
    missing, unknown = set(source.hold_out), 0
    for file in source.files:
        with Genome(relative_to / file) as genome:
            # A region is held out in every file that has its contig, under whatever name.
            own = [region for region in sorted(set(source.hold_out)) if has_region(genome, region)]
            held_out += [_region_of(region, genome) for region in own]
            missing -= set(own)
            for chrom, length in genome.contigs.items():
                contigs.append({"chrom": chrom, "length": length, "offset": out.tell()})
                for start in range(0, length, _PIECE):
                    codes = bases_to_codes(genome.fetch(chrom, start, min(start + _PIECE, length)))
                    unknown += int((codes == N_CODE).sum())
                    out.write(codes.tobytes())
    if missing:
        raise GenomeError(f"hold_out {', '.join(sorted(missing))}: no such contig in {', '.join(source.files)}")
    bases = sum(contig["length"] for contig in contigs)
    return {
        "files": [describe_file(relative_to / file) for file in source.files],
        "weight": float(bases) if source.weight is None else source.weight,
        "bases": bases,
        "n": unknown,
        "contigs": contigs,
        "held_out": sorted(held_out),
    }


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
    """A corpus folder, open for drawing windows.

    Parameters
    ----------
    folder : str or Path
        As written by `build_corpus`.

    Attributes
    ----------
    genomes : dict of str to float
        Name to weight.
    bases : uint8 array
        All bases, memory-mapped.

    Raises
    ------
    SettingsError
        If the folder holds no corpus of this format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        record = _read_record(self.folder)
        self.entries: list[dict[str, Any]] = record["genomes"]
        self.genomes = {entry["name"]: float(entry["weight"]) for entry in self.entries}
        bases = sum(entry["bases"] for entry in self.entries)
        path = self.folder / "bases.u8"
        found = path.stat().st_size if path.is_file() else 0
        if found != bases or not bases:
            raise SettingsError(f"{path}: {found:,} bases, but corpus.json says {bases:,}; build again")
        self.bases: Codes = np.memmap(path, dtype=np.uint8, mode="r")

    def spans(self, genome: str, *, held_out: bool) -> list[Span]:
        """Stretches of one genome that are held out, or those that are not.

        Parameters
        ----------
        genome : str
        held_out : bool

        Returns
        -------
        list of Span
        """
        entry = next(e for e in self.entries if e["name"] == genome)
        found = []
        for contig in entry["contigs"]:
            chrom, place = contig["chrom"], 0
            regions = [(start, end) for c, start, end in entry["held_out"] if c == chrom]
            for start, end in [*regions, (contig["length"], contig["length"])]:
                inside = (max(start, place), end) if held_out else (place, start)
                if inside[1] > inside[0]:
                    found.append(Span(genome, chrom, inside[0], inside[1], contig["offset"] + inside[0]))
                place = max(place, end)
        return found

    def draw(
        self, tokenizer: Tokenizer, *, seed: int, step: int, windows: int, tokens: int, both_strands: bool = True
    ) -> Ids:
        """Draw the training windows of one step.

        Parameters
        ----------
        tokenizer : Tokenizer
        seed, step : int
            What the windows are a function of, with the corpus.
        windows : int
            B.
        tokens : int
            L, `<cls>` included.
        both_strands : bool
            Read every other window, by chance, from the other strand.

        Returns
        -------
        int32 array [B, L]
            Windows start anywhere, so all phases are seen. Each is cut at L tokens: N and the remainders around it
            take tokens of their own. Windows with more than 10 % N are drawn again.

        Raises
        ------
        GenomeError
            If no stretch is as long as a window, or all are N.
        """
        rng = np.random.default_rng([seed, step])
        length = (tokens - 1) * tokenizer.k
        names = list(self.genomes)
        weights = np.array([self.genomes[name] for name in names])
        ids = np.full((windows, tokens), CLS_ID, dtype=np.int32)
        for row in range(windows):
            codes = self._draw_one(rng, names[rng.choice(len(names), p=weights / weights.sum())], length)
            if both_strands and rng.random() < 0.5:
                codes = reverse_complement(codes)
            ids[row, 1:] = tokenizer.encode_codes(codes)[: tokens - 1]
        return ids

    def check_drawable(self, tokenizer: Tokenizer, tokens: int) -> None:
        """Raise GenomeError if a genome that is to be drawn has no stretch as long as a window.

        Parameters
        ----------
        tokenizer : Tokenizer
        tokens : int
            Tokens of a window, `<cls>` included.
        """
        length = (tokens - 1) * tokenizer.k
        for genome in (name for name, weight in self.genomes.items() if weight):
            if not any(len(span) >= length for span in self.spans(genome, held_out=False)):
                raise GenomeError(
                    f"genome {genome!r}: no stretch of {length:,} bases outside the held-out regions; "
                    "fewer tokens, or weight = 0, would work"
                )

    def _draw_one(self, rng: np.random.Generator, genome: str, length: int) -> Codes:
        """One training window of a genome [length]."""
        spans = [span for span in self.spans(genome, held_out=False) if len(span) >= length]
        ends = np.cumsum([len(span) - length + 1 for span in spans])
        for _ in range(_TRIES if spans else 0):
            place = int(rng.integers(ends[-1]))
            i = int(np.searchsorted(ends, place, side="right"))
            offset = spans[i].offset + place - (int(ends[i - 1]) if i else 0)
            codes = np.asarray(self.bases[offset : offset + length])
            if np.count_nonzero(codes == N_CODE) <= _MOST_N * length:
                return codes
        raise GenomeError(
            f"genome {genome!r}: no stretch of {length:,} bases outside the held-out regions, or all of it N"
        )

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
        """
        length = (tokens - 1) * tokenizer.k
        tiles = [
            Span(genome, span.chrom, start, start + length, span.offset + start - span.start)
            for span in self.spans(genome, held_out=True)
            for start in range(span.start, span.end - length + 1, length)
        ]
        tiles = [t for t in tiles if not (self.bases[t.offset : t.offset + length] == N_CODE).any()]
        picks = np.unique(np.linspace(0, len(tiles) - 1, min(windows, len(tiles))).round().astype(int))
        for tile in (tiles[i] for i in picks):
            codes = np.asarray(self.bases[tile.offset : tile.offset + length])
            yield tile, np.concatenate([[CLS_ID], tokenizer.encode_codes(codes)]).astype(np.int32)

    def training_codes(self, genome: str) -> Iterator[npt.NDArray[np.uint8]]:
        """Bases of one genome outside its held-out regions, span by span.

        Parameters
        ----------
        genome : str

        Yields
        ------
        uint8 array [B]
        """
        for span in self.spans(genome, held_out=False):
            yield np.asarray(self.bases[span.offset : span.offset + len(span)])
