"""What a score means: its place among the scores of random changes of the same sort.

A log-likelihood ratio of -2 is common for a CpG that turns into TpG and rare for a synonymous T to C elsewhere. A
`Background` holds the scores of changes drawn at random from a genome, by group, and says which share of them is as
low as a given score. It says how unusual a change looks to the model, and nothing about disease.

Groups: SNVs by their three bases and the alternate, both strands folded together (C or T in the middle), 96 in all;
other kinds by kind and length. With an annotation also by the class of the first base (`hexamer.genome.annotation`).
Source: our choice (docs/effects.md). Not here: scores (`score`), files of variants (`annotate`).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hexamer.effects.score import PIECE, ScoreSettings, score_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Annotation, Change, Genome, Interval, Variant, normalise, reverse_complement
from hexamer.manifest import describe_file, package_versions, write_atomically
from hexamer.model import NucleotideTransformer, describe_model

FEWEST = 100
"""Scores below which a group says nothing."""

LENGTHS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, 50))
"""Classes of the length of what is not an SNV, first and last; longer ones have no group."""

SUFFIX = ".background"
"""Ending of backgrounds that come with a model."""

_FORMAT = "hexamer background 1"

Values = npt.NDArray[np.float32]


class Background:
    """Scores of random changes, by group.

    Parameters
    ----------
    groups : mapping of str to float32 array
        Scores of each group, ascending.
    origin : mapping of str to str
        What they were scored with (`describe_origin`), and on what.
    annotation : Annotation, optional
        Needed where groups are by class of element.

    Examples
    --------
    >>> background = Background({"snv ACA>ATA": np.arange(200, dtype=np.float32)}, {})
    >>> background.percentile("snv ACA>ATA", 20.0), background.percentile("insertion 1", 3.0)
    ((10.5, 200), (nan, 0))
    """

    def __init__(
        self, groups: Mapping[str, Values], origin: Mapping[str, str], annotation: Annotation | None = None
    ) -> None:
        self.groups, self.origin, self.annotation = dict(groups), dict(origin), annotation

    def percentile(self, group: str, score: float) -> tuple[float, int]:
        """Say where a score lies in its group.

        Parameters
        ----------
        group : str
            As from `find_group`.
        score : float

        Returns
        -------
        percentile : float
            Share of the group's scores that are as low or lower, 0 to 100; NaN where the group has fewer than `FEWEST`.
        size : int
            Scores of the group.
        """
        scores = self.groups.get(group, np.zeros(0, dtype=np.float32))
        if len(scores) < FEWEST or np.isnan(score):
            return float("nan"), len(scores)
        below = int(np.searchsorted(scores, np.float32(score), side="right"))
        return 100 * below / len(scores), len(scores)

    @property
    def definitions(self) -> dict[str, str]:
        """What the two columns are."""
        where = "the same bases around it, or kind and length" + (", and the same element" if self.annotation else "")
        return {
            "llr_percentile": f"Percent of random changes with {where} whose llr is as low or lower",
            "llr_background": "Number of such random changes; below 100 there is no percentile",
        }

    @property
    def facts(self) -> dict[str, str]:
        """What the two columns depend on: a checksum of all scores of the background."""
        digest = hashlib.sha256(json.dumps(self.origin, sort_keys=True).encode())
        for name, scores in sorted(self.groups.items()):
            digest.update(name.encode() + scores.tobytes())
        return {"background": digest.hexdigest()[:16]}

    def columns(
        self,
        model: NucleotideTransformer,
        genome: Genome,
        variants: Sequence[Variant],
        scores: Mapping[str, Values],
        settings: ScoreSettings,
    ) -> Values:
        """Percentile and group size of each variant.

        Parameters
        ----------
        model : NucleotideTransformer
        genome : Genome
        variants : sequence of Variant
        scores : mapping of str to float32 array [V]
            With "llr".
        settings : ScoreSettings

        Returns
        -------
        float32 array [V, 2]
            Percentile, NaN where there is none; scores of the group, NaN where the variant has no score.
        """
        found = np.full((len(variants), 2), np.nan, dtype=np.float32)
        for i, (variant, score) in enumerate(zip(variants, scores["llr"], strict=True)):
            if not np.isnan(score):
                change = normalise(genome, variant)
                group = find_group(genome, change, self.annotation) if isinstance(change, Change) else ""
                found[i] = self.percentile(group, float(score))
        return found

    def check(self, model: NucleotideTransformer, settings: ScoreSettings) -> None:
        """Raise SettingsError unless scores of these settings can be compared with this background."""
        by_element = self.origin.get("annotation", "none") != "none"
        if by_element != (self.annotation is not None):
            how = "was made with an annotation; --annotation GTF" if by_element else "has no elements; no --annotation"
            raise SettingsError(f"background: {how} would work")
        mine = describe_origin(model, settings)
        for name, value in mine.items():
            if self.origin.get(name) != value:
                raise SettingsError(
                    f"background: made with {name} {self.origin.get(name)}, the scores are of {name} {value}; the same "
                    "on both sides would work (hexamer calibrate makes one)"
                )
        if "llr" not in settings.scores:
            raise SettingsError("background: percentiles are of llr; --scores with llr among them would work")

    def save(self, path: str | Path) -> None:
        """Write the scores into one safetensors file; OutputError if it cannot be written."""
        from safetensors.numpy import save_file

        metadata = {"format": _FORMAT, "origin": json.dumps(self.origin)}
        with write_atomically(path) as temporary:
            save_file(dict(sorted(self.groups.items())), temporary, metadata)

    @classmethod
    def load(cls, path: str | Path, annotation: Annotation | None = None) -> "Background":
        """Read a file that `save` wrote.

        Raises
        ------
        SettingsError
            If it is no such file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                groups = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise SettingsError(f"{path}: no such file; hexamer calibrate makes a background") from None
        except (SafetensorError, OSError) as problem:
            raise SettingsError(f"{path}: not a background ({problem}); hexamer calibrate makes one") from None
        if metadata.get("format") != _FORMAT:
            raise SettingsError(f"{path}: safetensors, but no background; hexamer calibrate makes one")
        return cls(groups, json.loads(metadata["origin"]), annotation)


def find_background(name: str | Path, model: NucleotideTransformer) -> Path:
    """Find a background: a file, or the name of one that lies in a model's folder.

    Parameters
    ----------
    name : str or Path
        A path; or "human" for the `human.background` that came with the model.
    model : NucleotideTransformer

    Returns
    -------
    Path

    Raises
    ------
    SettingsError
        If there is no such file.
    """
    path, folder = Path(name), Path(model.source)
    if path.exists():
        return path
    if model.source and (own := folder / f"{name}{SUFFIX}").is_file():
        return own
    known = sorted(file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}")) if model.source else []
    came = f", and the model came with {', '.join(known)}" if known else ""
    raise SettingsError(f"{name}: no such background; hexamer calibrate makes one{came}")


def describe_origin(model: NucleotideTransformer, settings: ScoreSettings) -> dict[str, str]:
    """Say what scores are made with: those of one origin can be compared.

    Parameters
    ----------
    model : NucleotideTransformer
    settings : ScoreSettings

    Returns
    -------
    dict of str to str
    """
    facts = describe_model(model)
    weights = ",".join(digest[:16] for digest in facts["files"].values()) or "random"
    chosen = asdict(settings)
    return {"weights": weights} | {name: str(chosen[name]) for name in ("window", "phases", "strands", "anchor")}


def find_group(genome: Genome, change: Change, annotation: Annotation | None = None) -> str:
    """Name the group of a change.

    Parameters
    ----------
    genome : Genome
    change : Change
        Normalised.
    annotation : Annotation, optional
        Adds the class of the first base.

    Returns
    -------
    str
        Such as "snv ACG>ATG", "deletion 4-5" or, with annotation, "snv ACG>ATG cds"; empty where there is none.
    """
    group = _find_sort(genome, change)
    if not group or annotation is None:
        return group
    last = genome.length(change.chrom) - 1
    (label,) = annotation.label(change.chrom, min(change.start, last), min(change.start, last) + 1)
    return f"{group} {annotation.classes[label]}"


def _find_sort(genome: Genome, change: Change) -> str:
    if change.kind != "snv":
        size = max(len(change.ref), len(change.alt))
        found = next(((low, high) for low, high in LENGTHS if low <= size <= high), None)
        if found is None:
            return ""
        return f"{change.kind} {found[0]}" + (f"-{found[1]}" if found[1] > found[0] else "")
    if not change.ref or not 0 < change.start < genome.length(change.chrom) - 1:
        return ""
    around = genome.fetch(change.chrom, change.start - 1, change.start + 2)
    if "N" in around:
        return ""
    altered = around[0] + change.alt + around[2]
    if around[1] in "AG":
        around, altered = reverse_complement(around), reverse_complement(altered)
    return f"snv {around}>{altered}"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How many random changes a background is made of.

    Raises
    ------
    SettingsError
        If a number is negative.
    """

    sites: int = 3000
    """6-mers, of which all 18 SNVs are scored: they share forward passes."""
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
    origin = describe_origin(model, settings) | {
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
    for low, high in LENGTHS[:-1]:
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
