"""Genomes as a corpus: bases on disk, memory-mapped, read by any number of processes.

A corpus is a folder: bases in two bits with their runs (`storage`), the genotypes of populations (`population`), and
`corpus.json`, which says what lies where, how often each genome is drawn, which regions are held out, and the SHA-256
of every file. Letters are read as in Dalla-Torre et al. (2025): upper-cased, any letter outside A, C, G, T as N.
Not here: how a corpus is written (`corpus_writer`), which windows a training step sees (`sampling`).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hexamer.errors import SettingsError
from hexamer.manifest import checksum
from hexamer.tokens.alphabet import Codes
from hexamer.tokens.storage import SOFT, BaseReader
from hexamer.tokens.tokenizer import CLS_ID, Ids, Tokenizer

FORMAT = 2
"""Of `corpus.json` and the files beside it."""


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
