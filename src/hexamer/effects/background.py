"""What a score means: its place among the scores of random changes of the same sort.

A log-likelihood ratio of -2 is common for a CpG that turns into TpG and rare for a synonymous T to C elsewhere. A
`Background` holds the scores of changes drawn at random from a genome, by group, and says which share of them is as
low as a given score. It says how unusual a change looks to the model, and nothing about disease.

Groups: SNVs by their three bases and the alternate, both strands folded together (C or T in the middle), 96 in all;
insertions and deletions by length; MNVs and other kinds have none. With an annotation also by the class of the first
base (`hexamer.genome.annotation`).
Source: our choice (docs/effects.md). Not here: drawing and scoring them (`calibrate`), files of variants (`annotate`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hexamer.effects.score import ScoreSettings
from hexamer.errors import SettingsError
from hexamer.genome import Annotation, Change, Genome, Variant, normalise, reverse_complement
from hexamer.genome.lines import excerpt
from hexamer.manifest import write_atomically
from hexamer.model import NucleotideTransformer, describe_model

FEWEST = 100
"""Scores below which a group says nothing."""

LENGTHS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20))
"""Classes of the length of insertions and deletions, first and last; longer ones have no group."""

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
        What they were scored with (`describe_background`), and on what.
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
        element = "; in the same class of element" if self.annotation else ""
        where = f"of the same sort (SNV: same three bases and alternate; indel: same class of length{element})"
        return {
            "llr_percentile": f"Percent of random changes {where} with an equal or lower llr",
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
        scores : mapping of str to float32 array [N]
            With "llr".
        settings : ScoreSettings

        Returns
        -------
        float32 array [N, 2]
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
        mine = describe_background(model, settings)
        for name, value in mine.items():
            # Beyond what the model reads at once, windows of any length are the same.
            if name == "window" and min(int(self.origin.get(name, 0)), model.config.max_bases) == settings.bases_read(
                model
            ):
                continue
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
    try:
        if path.is_file():
            return path
        if model.source and (own := folder / f"{name}{SUFFIX}").is_file():
            return own
    except OSError:  # a name that no file can have
        pass
    known = sorted(file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}")) if model.source else []
    came = f", and the model came with {', '.join(known)}" if known else ""
    raise SettingsError(f"{excerpt(str(name), 80)}: no such background; hexamer calibrate makes one{came}")


def describe_background(model: NucleotideTransformer, settings: ScoreSettings) -> dict[str, str]:
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
    if change.kind in ("mnv", "delins"):
        return ""
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
