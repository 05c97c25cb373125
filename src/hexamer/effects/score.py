"""Scores of variants: what the model makes of the reference and of the altered sequence.

What is compared, for each way of cutting the two windows into 6-mers (`window`):

* `llr`: the 6-mers in which the alleles can differ are masked, in both; the sum of log p over them of the altered
  sequence, minus that of the reference. For SNVs that is one forward pass per 6-mer.
* `l1`, `l2`, `cosine`, `dot`: embeddings of the two unmasked windows, at those 6-mers or averaged over the window.
* `loss`, `loss_diff`: mean cross-entropy of the unmasked alt window, and that minus the ref window's.

A score is the mean over the ways, `llr_sd` the spread. Source: zero-shot scores of Dalla-Torre et al. (2025); indels,
phases and strands are our choice, explained in docs/effects.md. Not here: forward passes (`forwards`), files
(`annotate`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.effects.distance import DISTANCES
from hexamer.effects.forwards import Allele, Forwards, Table, compare_windows, masked_ratios, read_pairs
from hexamer.effects.window import PHASES, Anchor, Reading, Strands, WindowReader
from hexamer.embeddings import check_budget, choose_budget
from hexamer.errors import SettingsError
from hexamer.genome import Change, Genome, Variant, normalise
from hexamer.manifest import STRICT, describe_file, package_versions
from hexamer.model import NucleotideTransformer, describe_model

SCORES = {
    "llr": "Log-likelihood ratio log p(alt) - log p(ref) of the masked 6-mers, in nats; below 0: alt is less expected",
    "llr_sd": "Standard deviation of llr over phases and strands, in nats",
    "l1": "L1 distance of ref and alt embeddings",
    "l2": "Euclidean distance of ref and alt embeddings",
    "cosine": "Cosine similarity of ref and alt embeddings; 1: no change",
    "dot": "Dot product of ref and alt embeddings",
    "loss": "Mean cross-entropy of the unmasked alt window, in nats per token",
    "loss_diff": "Mean cross-entropy of the unmasked alt window minus that of the ref window, in nats per token",
}
"""Name to definition."""

PIECE = 256
"""Variants scored at a time: those of one piece share forward passes, and memory does not grow with the input."""

LONGEST_SPAN = 0.15
"""Longest allele as a share of the window: as much as pre-training masks."""


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What is computed for each variant.

    Raises
    ------
    SettingsError
        If a score, the pooling, the anchor, or a number of phases or strands does not exist, or the window or budget
        is too small.
    """

    __pydantic_config__ = STRICT

    scores: tuple[str, ...] = ("llr", "llr_sd")
    """Names out of `SCORES`."""
    window: int = 6000
    """Bases around the variant; never more than the model reads."""
    layer: int = -1
    """Layer of the embeddings that distances compare; -1 is the last."""
    pool: Literal["token", "mean"] = "token"
    """What distances compare: the mean over the tokens in which the alleles can differ, or over the window."""
    phases: int = 2
    """Ways of placing 6-mers that are averaged: 1, 2, 3 or 6."""
    strands: Strands = "both"
    """Average "both", or read the "forward" strand."""
    anchor: Anchor = "grid"
    """Where tokens start: at multiples of 6 bases from the contig's start ("grid"), so that variants of one token share
    forward passes, or at the variant ("variant")."""
    token_budget: int | None = None
    """Tokens that go through the encoder at a time, by default what suits the device; changes results by rounding
    only."""

    def __post_init__(self) -> None:
        for name in self.scores:
            if name not in SCORES:
                raise SettingsError(f"score {name!r} is unknown; {', '.join(SCORES)} would work")
        if not self.scores or len(set(self.scores)) < len(self.scores):
            raise SettingsError("scores: at least one, each once, would work")
        if self.pool not in ("token", "mean"):
            raise SettingsError(f"pool {self.pool!r} is unknown; token or mean would work")
        if self.anchor not in get_args(Anchor):
            raise SettingsError(f"anchor {self.anchor!r} is unknown; {' or '.join(get_args(Anchor))} would work")
        if self.phases not in PHASES:
            raise SettingsError(f"phases {self.phases}; {', '.join(map(str, PHASES))} would work")
        if self.strands not in get_args(Strands):
            raise SettingsError(f"strands {self.strands!r} is unknown; {' or '.join(get_args(Strands))} would work")
        check_budget(self.token_budget)
        if self.window < 12:
            raise SettingsError(f"window {self.window}; at least 12 bases would work")

    def bases_read(self, model: NucleotideTransformer) -> int:
        """Bases of a window without N: whole tokens, no more than the model reads."""
        return min(self.window, model.config.max_bases) // model.config.k * model.config.k

    def describe(self, model: NucleotideTransformer) -> dict[str, str]:
        """Definition of each score, with the layer and pooling that it was computed with."""
        layer = model.layer_number(self.layer)
        where = "the variant's tokens" if self.pool == "token" else "the mean over the window"
        suffix = f" (layer {layer} of {model.config.layers}, {where})"
        return {name: SCORES[name] + (suffix if name in DISTANCES else "") for name in self.scores}


@dataclass(frozen=True)
class VariantScores:
    """Scores of a list of variants.

    Attributes
    ----------
    table : DataFrame
        One row per variant, in order: `chrom`, `pos`, `ref`, `alt`, one float32 column per score (NaN where there is
        none), `reason` (empty, or a code of `hexamer.errors.REASONS`).
    manifest : dict
        Model and genome with checksums, settings, definitions of the scores, counts of reasons and of forward
        passes, versions.
    """

    table: pd.DataFrame
    manifest: dict[str, Any] = field(default_factory=dict)


class Scored(NamedTuple):
    """Scores of some alleles."""

    values: npt.NDArray[np.float32]
    """[N, scores]; NaN where there is a reason."""
    reasons: list[str]
    """Empty, or a code of `hexamer.errors.REASONS`."""
    forwards: Forwards
    """What it took."""
    readings: dict[str, Table]
    """Scores before they are averaged, by name: [N, strands x phases], NaN where a change cannot be read in so many
    ways."""


def score_variants(
    model: NucleotideTransformer,
    genome: Genome,
    variants: Sequence[Variant],
    scores: Sequence[str] = ("llr", "llr_sd"),
    *,
    window: int = 6000,
    layer: int = -1,
    pool: Literal["token", "mean"] = "token",
    phases: int = 2,
    strands: Strands = "both",
    anchor: Anchor = "grid",
) -> VariantScores:
    r"""Score variants against a genome.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
        The reference that the variants were called on.
    variants : sequence of Variant
    scores : sequence of str
        Names out of `SCORES`.
    window : int
        Bases around each variant, never more than the model reads.
    layer : int
        Layer that distances compare, -1 the last.
    pool : {"token", "mean"}
        What distances compare.
    phases : {1, 2, 3, 6}
        Ways of placing 6-mers that are averaged.
    strands : {"forward", "both"}
        Strands that are averaged.
    anchor : {"grid", "variant"}
        Where tokens start: at multiples of 6 bases, or at the variant.

    Returns
    -------
    VariantScores

    Raises
    ------
    SettingsError
        As `ScoreSettings`, and if the layer does not exist or the model's tokens have no such phases.

    Examples
    --------
    >>> import tempfile; from pathlib import Path; from hexamer.model import ModelConfig
    >>> folder = tempfile.TemporaryDirectory(); fasta = Path(folder.name) / "g.fa"
    >>> _ = fasta.write_text(">chr1\n" + "ACGTTGCA" * 50 + "\n")
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> variants = [Variant("1", 101, "T", "G"), Variant("1", 101, "C", "G"), Variant("1", 101, "T", "TA")]
    >>> list(score_variants(model, Genome(fasta), variants).table["reason"])
    ['', 'ref_mismatch', '']
    >>> folder.cleanup()
    """
    settings = ScoreSettings(
        scores=tuple(scores), window=window, layer=layer, pool=pool, phases=phases, strands=strands, anchor=anchor
    )
    parts = [
        score_alleles(model, genome, variants[start : start + PIECE], settings)
        for start in range(0, max(len(variants), 1), PIECE)
    ]
    values = np.concatenate([part.values for part in parts])
    reasons = [reason for part in parts for reason in part.reasons]
    columns: dict[str, Any] = {key: [getattr(v, key) for v in variants] for key in ("chrom", "pos", "ref", "alt")}
    columns |= {name: values[:, i] for i, name in enumerate(settings.scores)}
    table = pd.DataFrame(columns | {"reason": reasons})
    manifest = {
        "model": describe_model(model),
        "genome": describe_file(genome.path),
        "settings": settings,
        "definitions": settings.describe(model),
        "reasons": dict(Counter(reason or "scored" for reason in reasons)),
        "forwards": sum((part.forwards for part in parts), Forwards())._asdict(),
        "versions": package_versions(),
    }
    return VariantScores(table, manifest)


def score_alleles(
    model: NucleotideTransformer, genome: Genome, variants: Sequence[Variant], settings: ScoreSettings
) -> Scored:
    """Score alleles; each different window goes through the encoder once.

    Parameters
    ----------
    model, genome, variants
        As `score_variants`.
    settings : ScoreSettings

    Returns
    -------
    Scored
        On a CPU, what a variant gets does not depend on the others, to the last bit.
    """
    alleles, reasons = read_alleles(model, genome, variants, settings)
    readings, forwards = _read(model, alleles, len(variants), settings)
    columns = [_spread(readings["llr"]) if name == "llr_sd" else _mean(readings[name]) for name in settings.scores]
    return Scored(np.stack(columns, axis=1), reasons, forwards, readings)


def read_alleles(
    model: NucleotideTransformer, genome: Genome, variants: Sequence[Variant], settings: ScoreSettings
) -> tuple[list[Allele], list[str]]:
    """Find the windows of variants.

    Parameters
    ----------
    model, genome, variants, settings
        As `score_alleles`.

    Returns
    -------
    alleles : list of Allele
        One for each reading.
    reasons : list of str
        Why a variant has none; the empty string where it has.
    """
    reader = WindowReader(model, genome, settings.window, settings.anchor)
    if reader.k % settings.phases:
        few = " or ".join(str(count) for count in PHASES if reader.k % count == 0)
        raise SettingsError(
            f"phases {settings.phases}: tokens of {reader.k} bases have no such phases; {few} would work"
        )
    longest = int(LONGEST_SPAN * reader.tokens * reader.k)
    reasons: list[str] = []
    alleles: list[Allele] = []
    known: dict[Change, list[Reading]] = {}
    for row, variant in enumerate(variants):
        change = normalise(genome, variant)
        if isinstance(change, str):
            reasons.append(change)
        elif max(len(change.ref), len(change.alt)) > longest:
            reasons.append("too_long")
        else:
            if change not in known:
                known[change] = reader.read(change, settings.phases, settings.strands)
            alleles += [Allele(row, i, change, reading) for i, reading in enumerate(known[change])]
            reasons.append("" if known[change] else "non_acgt_window")
    return alleles, reasons


def _read(
    model: NucleotideTransformer, alleles: list[Allele], rows: int, settings: ScoreSettings
) -> tuple[dict[str, Table], Forwards]:
    """Scores of each reading."""
    shape = (rows, settings.phases * (2 if settings.strands == "both" else 1))
    budget = choose_budget(model.device, settings.token_budget)
    readings: dict[str, Table] = {}
    forwards = Forwards()
    others = set(settings.scores) - {"llr", "llr_sd"}
    if others != set(settings.scores):
        readings["llr"], forwards = masked_ratios(model, alleles, shape, budget)
    if others:
        pairs = read_pairs(
            model,
            alleles,
            budget,
            layer=model.layer_number(settings.layer),
            by_token=settings.pool == "token",
            with_loss=bool({"loss", "loss_diff"} & others),
        )
        readings |= compare_windows(alleles, pairs, shape)
        forwards += pairs.forwards
    return readings, forwards


def _mean(readings: Table) -> Table:
    """Mean of each row's numbers; NaN where it has none."""
    count = np.isfinite(readings).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (np.nan_to_num(readings).sum(axis=1, dtype=np.float64) / count).astype(np.float32)


def _spread(readings: Table) -> Table:
    """Give the standard deviation (of a sample) of each row's numbers; NaN where it has fewer than two."""
    known = np.isfinite(readings)
    count = known.sum(axis=1)
    far = np.where(known, readings - _mean(readings)[:, None].astype(np.float64), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.square(far).sum(axis=1) / (count - 1))
    return np.where(count > 1, spread, np.nan).astype(np.float32)
