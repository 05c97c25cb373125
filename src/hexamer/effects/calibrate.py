"""Making a background: changes drawn at random from a genome, and their scores.

All SNVs of random 6-mers, which share forward passes, and insertions and deletions of each class of length. Not here:
what the scores are good for (`background`), how they are computed (`score`).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np

from hexamer.effects.background import LENGTHS, Background, describe_background, find_group
from hexamer.effects.score import PIECE, ScoreSettings, score_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Annotation, Change, Genome, Interval, Variant, normalise
from hexamer.manifest import describe_file, package_versions
from hexamer.model import NucleotideTransformer


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How many random changes a background is made of.

    Raises
    ------
    SettingsError
        If a number is negative.
    """

    sites: int = 5000
    """6-mers, of which all 18 SNVs are scored: they share forward passes. Of fewer, the groups of CpG stay small."""
    indels: int = 150
    """Insertions and deletions of each class of length up to 20, each."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sites < 0 or self.indels < 0:
            raise SettingsError(f"sites {self.sites}, indels {self.indels}; numbers from 0 would work")


def calibrate(
    model: NucleotideTransformer,
    genome: Genome,
    *,
    regions: Sequence[Interval] = (),
    draw: Draw | None = None,
    annotation: Annotation | None = None,
    settings: ScoreSettings | None = None,
    advance: Callable[[int], None] | None = None,
) -> Background:
    """Score random changes of a genome.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
    regions : sequence of Interval
        Where to draw; the whole genome by default.
    draw : Draw, optional
    annotation : Annotation, optional
        Groups are then also by class of element.
    settings : ScoreSettings, optional
        Scores to be compared must have the same.
    advance : callable, optional
        Called with the number of changes of each finished piece.

    Returns
    -------
    Background

    Raises
    ------
    SettingsError
        If the regions hold no base to draw.
    """
    draw, settings = draw or Draw(), settings or ScoreSettings()
    places = regions or [Interval(name, 0, length) for name, length in genome.contigs.items()]
    changes = draw_changes(genome, places, draw)
    scores: dict[str, list[float]] = {}
    while piece := list(islice(changes, PIECE)):
        found = score_alleles(model, genome, piece, settings)
        for variant, score in zip(piece, found.values[:, settings.scores.index("llr")], strict=True):
            change = normalise(genome, variant)
            if isinstance(change, Change) and not np.isnan(score):
                scores.setdefault(find_group(genome, change, annotation), []).append(float(score))
        if advance:
            advance(len(piece))
    scores.pop("", None)
    origin = describe_background(model, settings) | {
        "precision": model.precision,
        "genome": json.dumps(describe_file(genome.path)),
        "annotation": " ".join(path.name for path in annotation.paths) if annotation else "none",
        "regions": " ".join(str(place) for place in regions) or "all",
        "draw": json.dumps(asdict(draw)),
        "version": package_versions()["hexamer"],
    }
    groups = {name: np.sort(np.array(values, dtype=np.float32)) for name, values in scores.items()}
    return Background(groups, origin, annotation)


def draw_changes(genome: Genome, regions: Sequence[Interval], draw: Draw) -> Iterator[Variant]:
    """Draw random changes: a pure function of genome, regions and seed.

    Parameters
    ----------
    genome : Genome
    regions : sequence of Interval
    draw : Draw

    Yields
    ------
    Variant
        All SNVs of one 6-mer after the other, then insertions of random bases of the genome, and deletions.

    Raises
    ------
    SettingsError
        If the regions hold hardly a base.
    """
    rng = np.random.default_rng(draw.seed)
    for start, chrom, bases in _draw_places(genome, regions, rng, draw.sites, 6, on_grid=True):
        for i, ref in enumerate(bases):
            for alt in "ACGT":
                if alt != ref:
                    yield Variant(chrom, start + i + 1, ref, alt)
    for low, high in LENGTHS:
        sizes = rng.integers(low, high + 1, (2, draw.indels))
        deleted = _draw_places(genome, regions, rng, draw.indels, high + 1)
        for size, (start, chrom, bases) in zip(sizes[0].tolist(), deleted, strict=True):
            yield Variant(chrom, start + 1, bases[: size + 1], bases[0])
        # What is inserted is real sequence, from elsewhere.
        where = _draw_places(genome, regions, rng, draw.indels, 1)
        what = _draw_places(genome, regions, rng, draw.indels, high)
        for size, (start, chrom, base), (_, _, bases) in zip(sizes[1].tolist(), where, what, strict=True):
            yield Variant(chrom, start + 1, base, base + bases[:size])


def _draw_places(
    genome: Genome,
    regions: Sequence[Interval],
    rng: np.random.Generator,
    count: int,
    size: int,
    *,
    on_grid: bool = False,
) -> Iterator[tuple[int, str, str]]:
    """Yield start, contig and `size` known bases."""
    room = np.array([max(0, region.end - region.start - size - 6) for region in regions], dtype=np.float64)
    if count and not room.sum():
        raise SettingsError(f"regions: none has {size + 7} bases; longer ones would work")
    given = tried = 0
    while given < count:
        region = regions[int(rng.choice(len(regions), p=room / room.sum()))]
        start = int(rng.integers(region.start, region.end - size - 5))
        start += -start % 6 if on_grid else 0
        bases = genome.fetch(region.chrom, start, start + size)
        tried += 1
        if "N" not in bases:
            given += 1
            yield start, genome.resolve(region.chrom), bases
        elif tried > 1000 + 100 * given:
            raise SettingsError("regions: nearly all bases are N; others would work")
