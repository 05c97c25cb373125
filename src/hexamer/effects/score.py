"""Scores of single-nucleotide variants, from one window of the reference around each.

What is compared:

* `llr`: the variant's 6-mer is masked; log p(6-mer with alt) - log p(6-mer with ref). One forward pass per site.
* `l1`, `l2`, `cosine`, `dot`: embeddings of the two unmasked windows, at the variant's token or averaged over the
  window.
* `loss`, `loss_diff`: mean cross-entropy of the unmasked alt window, and that minus the ref window's.

Source: zero-shot scores of Dalla-Torre et al. (2025). Not here: where the window
lies (`window`), files (`annotate`), other kinds of variants.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from hexamer.effects.distance import DISTANCES
from hexamer.effects.likelihood import masked_log_probabilities, window_losses
from hexamer.effects.window import Anchor, Site, SiteKey, WindowReader, changed_base, find_reason, substitute_base
from hexamer.embeddings import check_budget, choose_budget
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.manifest import STRICT, describe_file, package_versions
from hexamer.model import NucleotideTransformer, batches, describe_model, pack
from hexamer.tokens.tokenizer import Ids

SCORES = {
    "llr": "Log-likelihood ratio log p(alt) - log p(ref) of the masked 6-mer, in nats; below 0: alt is less expected",
    "l1": "L1 distance of ref and alt embeddings",
    "l2": "Euclidean distance of ref and alt embeddings",
    "cosine": "Cosine similarity of ref and alt embeddings; 1: no change",
    "dot": "Dot product of ref and alt embeddings",
    "loss": "Mean cross-entropy of the unmasked alt window, in nats per token",
    "loss_diff": "Mean cross-entropy of the unmasked alt window minus that of the ref window, in nats per token",
}
"""Name to definition."""

PIECE = 256
"""Variants scored at a time: sites of one piece share forward passes, and memory does not grow with the input."""


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What is computed for each variant.

    Raises
    ------
    SettingsError
        If a score, the pooling or the anchor does not exist, or the window or budget is too small.
    """

    __pydantic_config__ = STRICT

    scores: tuple[str, ...] = ("llr",)
    """Names out of `SCORES`."""
    window: int = 6000
    """Bases around the variant; never more than the model reads."""
    layer: int = -1
    """Layer of the embeddings that distances compare; -1 is the last."""
    pool: Literal["token", "mean"] = "token"
    """What distances compare: the variant's token, or the mean over the window."""
    anchor: Anchor = "grid"
    """Where the token of a variant starts: at a multiple of 6 bases ("grid"), so that variants of one token share
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
        check_budget(self.token_budget)
        if self.window < 12:
            raise SettingsError(f"window {self.window}; at least 12 bases would work")

    def describe(self, model: NucleotideTransformer) -> dict[str, str]:
        """Definition of each score, with the layer and pooling that it was computed with."""
        layer = model.layer_number(self.layer)
        where = "the variant's token" if self.pool == "token" else "the mean over the window"
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


class Forwards(NamedTuple):
    """Windows that went through the encoder, beside what no sharing would have taken."""

    run: int = 0
    asked: int = 0
    """One for each scored allele whose `llr` is wanted, and two, ref and alt, for each where any other score is: those
    come out of the same pair of passes, however many they are."""

    def __add__(self, other: object) -> "Forwards":
        """Add up both numbers."""
        if not isinstance(other, Forwards):
            return NotImplemented
        return Forwards(self.run + other.run, self.asked + other.asked)

    def __str__(self) -> str:
        """Both, and what was saved."""
        return f"{self.run:,} forward passes, {self.asked - self.run:,} saved"


class Scored(NamedTuple):
    """Scores of some alleles."""

    values: npt.NDArray[np.float32]
    """[V, scores]; NaN where there is a reason."""
    reasons: list[str]
    """Empty, or a code of `hexamer.errors.REASONS`."""
    forwards: Forwards
    """What it took."""


def score_variants(
    model: NucleotideTransformer,
    genome: Genome,
    variants: Sequence[Variant],
    scores: Sequence[str] = ("llr",),
    *,
    window: int = 6000,
    layer: int = -1,
    pool: Literal["token", "mean"] = "token",
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
    anchor : {"grid", "variant"}
        Where the token of a variant starts: at a multiple of 6 bases, or at the variant.

    Returns
    -------
    VariantScores

    Raises
    ------
    SettingsError
        If a score, layer, pooling or anchor does not exist, or the window is too small.

    Examples
    --------
    >>> import tempfile; from pathlib import Path; from hexamer.model import ModelConfig
    >>> folder = tempfile.TemporaryDirectory(); fasta = Path(folder.name) / "g.fa"
    >>> _ = fasta.write_text(">chr1\n" + "ACGTTGCA" * 50 + "\n")
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> variants = [Variant("1", 101, "T", "G"), Variant("1", 101, "C", "G"), Variant("1", 101, "T", "TA")]
    >>> list(score_variants(model, Genome(fasta), variants).table["reason"])
    ['', 'ref_mismatch', 'unsupported']
    >>> folder.cleanup()
    """
    settings = ScoreSettings(scores=tuple(scores), window=window, layer=layer, pool=pool, anchor=anchor)
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
    """Score alleles; those of one token share the reference's forward passes, and equal ones all.

    Parameters
    ----------
    model, genome, variants
        As `score_variants`.
    settings : ScoreSettings

    Returns
    -------
    Scored
    """
    values = np.full((len(variants), len(settings.scores)), np.nan, dtype=np.float32)
    reasons: list[str] = []
    reader = WindowReader(model, genome, settings.window, settings.anchor)
    budget = choose_budget(model.device, settings.token_budget)
    alleles: list[tuple[int, Site, int]] = []  # row, site, alt token id
    for row, variant in enumerate(variants):
        reason = find_reason(genome, variant)
        if not reason:
            base, ref, alt = changed_base(variant)
            if site := reader.find_site(genome.resolve(variant.chrom), base):
                alleles.append((row, site, substitute_base(model, site, ref, alt)))
            else:
                reason = "non_acgt_window"
        reasons.append(reason)
    forwards = Forwards()
    if "llr" in settings.scores:
        logs = _masked_site_logs(model, {site.key: site for _, site, _ in alleles}, budget)
        for row, site, alt_id in alleles:
            log = logs[site.key]
            values[row, settings.scores.index("llr")] = log[alt_id] - log[site.ids[site.token]]
        forwards += Forwards(len(logs), len(alleles))
    if set(settings.scores) - {"llr"}:
        forwards += Forwards(_compare_windows(model, alleles, settings, budget, values), 2 * len(alleles))
    return Scored(values, reasons, forwards)


def _masked_site_logs(
    model: NucleotideTransformer, sites: dict[SiteKey, Site], budget: int
) -> dict[SiteKey, npt.NDArray[np.float32]]:
    """Log probabilities [V] at the masked k-mer of each site: one forward pass for all changes of it."""
    keys = list(sites)
    logs: dict[SiteKey, npt.NDArray[np.float32]] = {}
    for batch in batches([len(site.ids) for site in sites.values()], budget):
        chosen = [sites[keys[i]] for i in batch]
        found = masked_log_probabilities(model, [site.ids for site in chosen], [site.token for site in chosen])
        logs |= {keys[i]: row for i, row in zip(batch, found, strict=True)}
    return logs


def _compare_windows(
    model: NucleotideTransformer,
    alleles: list[tuple[int, Site, int]],
    settings: ScoreSettings,
    budget: int,
    values: npt.NDArray[np.float32],
) -> int:
    """Fill in the scores that compare unmasked windows of both alleles; returns how many different ones were run."""
    sites = {site.key: site for _, site, _ in alleles}
    wanted = dict.fromkeys(
        allele for _, site, alt_id in alleles for allele in ((site.key, int(site.ids[site.token])), (site.key, alt_id))
    )
    windows = []
    for at, token_id in wanted:
        ids = sites[at].ids.copy()
        ids[sites[at].token] = token_id
        windows.append(ids)
    vectors, losses = _read_windows(model, windows, [sites[at].token for at, _ in wanted], settings, budget)
    number = {allele: i for i, allele in enumerate(wanted)}
    rows = [row for row, _, _ in alleles]
    refs = [number[site.key, int(site.ids[site.token])] for _, site, _ in alleles]
    alts = [number[site.key, alt_id] for _, site, alt_id in alleles]
    for column, name in enumerate(settings.scores):
        if name in DISTANCES:
            values[rows, column] = DISTANCES[name](vectors[refs], vectors[alts])
        elif name == "loss":
            values[rows, column] = losses[alts]
        elif name == "loss_diff":
            values[rows, column] = losses[alts] - losses[refs]
    return len(wanted)


def _read_windows(
    model: NucleotideTransformer, windows: list[Ids], tokens: list[int], settings: ScoreSettings, budget: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """One vector [D] and, where a score asks for it, the mean cross-entropy of each window."""
    layer = model.layer_number(settings.layer)
    vectors = np.zeros((len(windows), model.config.width), dtype=np.float32)
    losses = np.full(len(windows), np.nan, dtype=np.float32)
    with_loss = bool({"loss", "loss_diff"} & set(settings.scores))
    for batch in batches([len(ids) for ids in windows], budget):
        packed = pack([windows[i] for i in batch], model.device)
        where = packed.bounds[:-1] + torch.as_tensor([tokens[i] for i in batch], dtype=torch.int64, device=model.device)
        by_token = settings.pool == "token"
        with torch.inference_mode():
            if with_loss:
                out = model.encode(packed, layers=(layer, -1))
                losses[batch] = window_losses(packed, model.lm_head(out.hidden[model.config.layers]))
                found = out.hidden[layer][where] if by_token else out.hidden[layer]
            else:
                found = model.encode(packed, layers=(layer,), rows=where if by_token else None).hidden[layer]
        found = found.float().cpu()
        if by_token:
            vectors[batch] = found.numpy()
        else:
            for i, hidden in zip(batch, found.split(packed.lengths), strict=True):
                vectors[i] = hidden[1:].numpy().mean(axis=0, dtype=np.float64)
    return vectors, losses
