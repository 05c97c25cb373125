"""Tracks of what a model expects at every base, as bigWig: the probability of each base, their entropy, and a logo.

Regions are read in pieces, each kept in a folder until all are there, from which a run that was killed goes on; every
base is covered once. Not here: what is expected (`profiles`).
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hexamer.effects import ScoreSettings
from hexamer.errors import InputError, SettingsError
from hexamer.genome import Genome, Haplotype, Interval, spell
from hexamer.interpretation.profiles import profile_region, window_step
from hexamer.manifest import checksum, open_parts, write_atomically
from hexamer.model import NucleotideTransformer, describe_model
from hexamer.tokens.alphabet import BASES

TRACKS = (*sorted(BASES), "entropy", "logo")
"""Names of the files, behind the prefix."""
_PIECE = 30_000  # bases


def merge_intervals(genome: Genome | Haplotype, intervals: Iterable[Interval]) -> list[Interval]:
    r"""Sort intervals by contig and place, and join those that overlap or touch, so that every base is there once.

    Parameters
    ----------
    genome : Genome
    intervals : iterable of Interval

    Returns
    -------
    list of Interval
        On the forward strand, contigs in the genome's order.

    Raises
    ------
    GenomeError
        If one is not on the genome.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "g.fa").write_text(">chr1\n" + "ACGT" * 9 + "\n")
    ...     genome = Genome(Path(folder) / "g.fa")
    ...     [each.region for each in merge_intervals(genome, [Interval("1", 9, 12), Interval("1", 2, 9)])]
    ['chr1:3-12']
    """
    order = {name: i for i, name in enumerate(genome.contigs)}
    found: list[Interval] = []
    for each in sorted(intervals, key=lambda i: (order[genome.resolve(i.chrom)], i.start)):
        chrom = genome.resolve(each.chrom)
        genome.fetch(chrom, each.end, each.end)  # is it on the genome?
        if found and found[-1].chrom == chrom and each.start <= found[-1].end:
            found[-1] = Interval(chrom, found[-1].start, max(found[-1].end, each.end))
        else:
            found.append(Interval(chrom, each.start, each.end))
    return found


def write_tracks(
    model: NucleotideTransformer,
    genome: Genome | Haplotype,
    intervals: Iterable[Interval],
    prefix: str | Path,
    *,
    settings: ScoreSettings | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Path]:
    """Write what the model expects at every base of some intervals.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome or Haplotype
        Of a haplotype, bases are written where they lie on the reference; those that the person has inserted have no
        place in such a file, and those that are deleted have no value.
    intervals : iterable of Interval
        Whole contigs too; those that overlap are joined.
    prefix : str or Path
        `PREFIX.A.bw`, `.C.bw`, `.G.bw`, `.T.bw` (probabilities), `PREFIX.entropy.bw` and `PREFIX.logo.bw` (bits) are
        written; the logo is that of `Profile.logo`, for browsers that draw letters ("dynseq").
    settings : ScoreSettings, optional
        As `profile_region`.
    advance : callable, optional
        Called with the bases of each piece.

    Returns
    -------
    list of Path
        The files; bases that no whole token covers have no value.

    Raises
    ------
    GenomeError
        If an interval is not on the genome.
    SettingsError
        If there is no interval, none has a base with a value, pieces of another run are there, or as `profile_region`.
    InputError
        If the package pybigtools is missing.
    OutputError
        If a file cannot be written.
    """
    settings = settings or ScoreSettings()
    try:
        pybigtools = import_module("pybigtools")
    except ImportError:
        raise InputError("bigWig is written by the package pybigtools; pip install 'hexamer[tracks]'") from None
    merged = merge_intervals(genome, intervals)
    pieces = [
        Interval(each.chrom, start, min(start + _PIECE, each.end))
        for each in merged
        for start in range(each.start, each.end, _PIECE)
    ]
    if not pieces:
        raise SettingsError("no interval has a base; a region, or a BED with some, would work")
    prefix = Path(prefix)
    facts: dict[str, Any] = {
        "settings": asdict(settings),
        "model": describe_model(model),
        "genome": _describe(genome),
    }
    facts |= {"tracks": TRACKS, "pieces": [piece.region for piece in pieces]}
    parts = open_parts(prefix.with_name(f"{prefix.name}.parts"), facts)
    for number, piece in enumerate(pieces):
        place = parts / f"{number:06d}.npy"
        if not place.exists():
            with write_atomically(place) as temporary, temporary.open("wb") as file:
                np.save(file, _read_piece(model, genome, piece, settings))
        if advance:
            advance(piece.end - piece.start)
    if not any(np.isfinite(np.load(parts / f"{number:06d}.npy")).any() for number in range(len(pieces))):
        shutil.rmtree(parts)
        raise SettingsError("no base of what was asked for has a value: all are N, or deleted; others would work")
    written = []
    for column, name in enumerate(TRACKS):
        path = prefix.with_name(f"{prefix.name}.{name}.bw")
        with write_atomically(path) as temporary:
            lengths = {chrom: genome.length(chrom) for chrom in dict.fromkeys(piece.chrom for piece in pieces)}
            pybigtools.open(str(temporary), "w").write(lengths, _values(parts, pieces, column))
        written.append(path)
    shutil.rmtree(parts)
    return written


def _describe(genome: Genome | Haplotype) -> str:
    if isinstance(genome, Haplotype):
        people = genome.cohort
        return f"{checksum(people.genome.path)} {checksum(people.file.path)} {genome.sample}:{genome.number}"
    return checksum(genome.path)


def _read_piece(
    model: NucleotideTransformer, genome: Genome | Haplotype, piece: Interval, settings: ScoreSettings
) -> npt.NDArray[np.float32]:
    """Values of a piece of the reference, float32 [L, 6]; NaN where there is none."""
    values = np.full((len(piece), len(TRACKS)), np.nan, dtype=np.float32)
    places, own = np.arange(len(piece)), np.ones(len(piece), dtype=np.bool_)
    interval = piece
    if isinstance(genome, Haplotype):
        step = window_step(model, settings)
        spelled = spell(genome, piece, margin=settings.window + step, step=step)
        if spelled.interval is None:  # the person has none of these bases
            return values
        genome, interval = spelled.genome, spelled.interval
        places, inserted = spelled.to_reference(np.arange(interval.start, interval.end))
        own = inserted == 0
        places = places[own] - piece.start
    found = profile_region(model, genome, interval, settings=settings)
    columns = [found.probabilities[:, BASES.index(base)] for base in TRACKS[:4]]
    values[places] = np.stack([*columns, found.entropy, found.logo], axis=1)[own]
    return values


def _values(parts: Path, pieces: Sequence[Interval], column: int) -> Iterator[tuple[str, int, int, float]]:
    for number, piece in enumerate(pieces):
        values: npt.NDArray[np.float32] = np.load(parts / f"{number:06d}.npy")[:, column]
        for i in np.flatnonzero(np.isfinite(values)).tolist():
            yield piece.chrom, piece.start + i, piece.start + i + 1, float(values[i])
