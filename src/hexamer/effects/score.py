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
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from hexamer.effects.distance import DISTANCES
from hexamer.effects.likelihood import masked_log_probabilities, window_loss
from hexamer.effects.window import Site, changed_base, find_reason, place_site, substitute_base
from hexamer.embeddings import batches_by_length, pad_ids
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.manifest import STRICT, describe_file, package_versions
from hexamer.model import NucleotideTransformer, describe_model
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
        If a score or the pooling does not exist.
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
    token_budget: int = 4096
    """Tokens that go through the encoder at a time; changes results by rounding only."""

    def __post_init__(self) -> None:
        for name in self.scores:
            if name not in SCORES:
                raise SettingsError(f"score {name!r} is unknown; {', '.join(SCORES)} would work")
        if not self.scores or len(set(self.scores)) < len(self.scores):
            raise SettingsError("scores: at least one, each once, would work")
        if self.pool not in ("token", "mean"):
            raise SettingsError(f"pool {self.pool!r} is unknown; token or mean would work")
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
        Model and genome with checksums, settings, definitions of the scores, counts of reasons, versions.
    """

    table: pd.DataFrame
    manifest: dict[str, Any] = field(default_factory=dict)


def score_variants(
    model: NucleotideTransformer,
    genome: Genome,
    variants: Sequence[Variant],
    scores: Sequence[str] = ("llr",),
    *,
    window: int = 6000,
    layer: int = -1,
    pool: Literal["token", "mean"] = "token",
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

    Returns
    -------
    VariantScores

    Raises
    ------
    SettingsError
        If a score, layer or pooling does not exist.

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
    settings = ScoreSettings(scores=tuple(scores), window=window, layer=layer, pool=pool)
    parts = [
        score_alleles(model, genome, variants[start : start + PIECE], settings)
        for start in range(0, max(len(variants), 1), PIECE)
    ]
    values, reasons = np.concatenate([part[0] for part in parts]), [reason for part in parts for reason in part[1]]
    columns: dict[str, Any] = {key: [getattr(v, key) for v in variants] for key in ("chrom", "pos", "ref", "alt")}
    columns |= {name: values[:, i] for i, name in enumerate(settings.scores)}
    table = pd.DataFrame(columns | {"reason": reasons})
    manifest = {
        "model": describe_model(model),
        "genome": describe_file(genome.path),
        "settings": settings,
        "definitions": settings.describe(model),
        "reasons": dict(Counter(reason or "scored" for reason in reasons)),
        "versions": package_versions(),
    }
    return VariantScores(table, manifest)


def score_alleles(
    model: NucleotideTransformer, genome: Genome, variants: Sequence[Variant], settings: ScoreSettings
) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Score alleles; those at one place share the reference's forward passes.

    Parameters
    ----------
    model, genome, variants
        As `score_variants`.
    settings : ScoreSettings

    Returns
    -------
    values : float32 array [V, scores]
        NaN where there is a reason.
    reasons : list of str
        Empty, or a code of `hexamer.errors.REASONS`.
    """
    values = np.full((len(variants), len(settings.scores)), np.nan, dtype=np.float32)
    reasons: list[str] = []
    sites: dict[tuple[str, int], Site] = {}
    alleles: list[tuple[int, tuple[str, int], int]] = []  # row, site, alt token id
    for row, variant in enumerate(variants):
        reason = find_reason(genome, variant)
        if not reason:
            base, ref, alt = changed_base(variant)
            key = (genome.resolve(variant.chrom), base)
            if key not in sites and (site := place_site(model, genome, key, settings.window)):
                sites[key] = site
            if key in sites:
                alleles.append((row, key, substitute_base(model, sites[key], ref, alt)))
            else:
                reason = "non_acgt_window"
        reasons.append(reason)
    if "llr" in settings.scores:
        logs = _masked_site_logs(model, sites, settings.token_budget)
        for row, key, alt_id in alleles:
            ref_id = sites[key].ids[sites[key].token]
            values[row, settings.scores.index("llr")] = logs[key][alt_id] - logs[key][ref_id]
    if set(settings.scores) - {"llr"}:
        _compare_windows(model, sites, alleles, settings, values)
    return values, reasons


def _masked_site_logs(
    model: NucleotideTransformer, sites: dict[tuple[str, int], Site], token_budget: int
) -> dict[tuple[str, int], npt.NDArray[np.float32]]:
    """Log probabilities [V] at the masked k-mer of each site."""
    keys = list(sites)
    logs: dict[tuple[str, int], npt.NDArray[np.float32]] = {}
    for batch in batches_by_length([len(sites[key].ids) for key in keys], token_budget):
        chosen = [sites[keys[i]] for i in batch]
        found = masked_log_probabilities(model, [site.ids for site in chosen], [site.token for site in chosen])
        logs |= {keys[i]: row for i, row in zip(batch, found, strict=True)}
    return logs


def _compare_windows(
    model: NucleotideTransformer,
    sites: dict[tuple[str, int], Site],
    alleles: list[tuple[int, tuple[str, int], int]],
    settings: ScoreSettings,
    values: npt.NDArray[np.float32],
) -> None:
    """Fill in the scores that compare unmasked windows of both alleles; each different window is run once."""
    wanted = dict.fromkeys(
        allele for _, key, alt_id in alleles for allele in ((key, int(sites[key].ids[sites[key].token])), (key, alt_id))
    )
    windows = []
    for key, token_id in wanted:
        ids = sites[key].ids.copy()
        ids[sites[key].token] = token_id
        windows.append(ids)
    vectors, losses = _read_windows(model, windows, [sites[key].token for key, _ in wanted], settings)
    place = {allele: i for i, allele in enumerate(wanted)}
    rows = [row for row, _, _ in alleles]
    refs = [place[key, int(sites[key].ids[sites[key].token])] for _, key, _ in alleles]
    alts = [place[key, alt_id] for _, key, alt_id in alleles]
    for column, name in enumerate(settings.scores):
        if name in DISTANCES:
            values[rows, column] = DISTANCES[name](vectors[refs], vectors[alts])
        elif name == "loss":
            values[rows, column] = losses[alts]
        elif name == "loss_diff":
            values[rows, column] = losses[alts] - losses[refs]


def _read_windows(
    model: NucleotideTransformer, windows: list[Ids], tokens: list[int], settings: ScoreSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """One vector [D] and, where a score asks for it, the mean cross-entropy of each window."""
    layer = model.layer_number(settings.layer)
    vectors = np.zeros((len(windows), model.config.width), dtype=np.float32)
    losses = np.full(len(windows), np.nan, dtype=np.float32)
    with_loss = bool({"loss", "loss_diff"} & set(settings.scores))
    for batch in batches_by_length([len(ids) for ids in windows], settings.token_budget):
        ids = pad_ids([windows[i] for i in batch], model.device)
        with torch.inference_mode():
            out = model(ids, layers=(layer,)) if with_loss else model.encode(ids, layers=(layer,))
        hidden = out.hidden[layer].float().cpu().numpy()
        for row, i in enumerate(batch):
            real = hidden[row, 1 : len(windows[i])]
            vectors[i] = hidden[row, tokens[i]] if settings.pool == "token" else real.mean(axis=0, dtype=np.float64)
        if out.logits is not None:
            losses[batch] = window_loss(ids, out.logits)
    return vectors, losses
