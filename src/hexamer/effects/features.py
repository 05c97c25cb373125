"""What an encoder says of both alleles of a variant, as numbers that a classifier can learn from.

Not here: the windows and forward passes (`forwards`), what is learnt (`classifier`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.effects.forwards import compare_windows, masked_ratios, read_pairs
from hexamer.effects.score import PIECE, ScoreSettings, read_alleles
from hexamer.embeddings import choose_budget
from hexamer.genome import Genome, Variant
from hexamer.model import NucleotideTransformer

Matrix = npt.NDArray[np.float64]

FAMILIES = {
    "scores": "llr and its size, cosine, and the logarithm of l2",
    "difference": "embedding of the altered span minus that of the reference's",
    "reference": "embedding of the reference's span",
}
"""Families of features to what they hold."""


class Features(NamedTuple):
    """What the encoder says of some variants."""

    values: dict[str, Matrix]
    """By family [N, n]; NaN where there is a reason."""
    reasons: list[str]
    """Empty, or a code of `hexamer.errors.REASONS`."""

    def matrix(self, families: Sequence[str]) -> Matrix:
        """Families side by side, [N, n]."""
        return np.concatenate([self.values[name] for name in families], axis=1)


def read_features(
    model: NucleotideTransformer,
    genome: Genome,
    variants: Sequence[Variant],
    settings: ScoreSettings,
    *,
    advance: Callable[[int], None] | None = None,
) -> Features:
    """Compute all families of features: means over phases and strands.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
    variants : sequence of Variant
    settings : ScoreSettings
        Window, phases, strands, anchor, layer, pooling.
    advance : callable, optional
        Called with the number of variants of each finished piece.

    Returns
    -------
    Features
    """
    parts, reasons = [], []
    for start in range(0, len(variants), PIECE):
        piece = variants[start : start + PIECE]
        found, why = _read_piece(model, genome, piece, settings)
        parts.append(found)
        reasons += why
        if advance:
            advance(len(piece))
    width = model.config.width
    empty = {"scores": np.zeros((0, 4)), "difference": np.zeros((0, width)), "reference": np.zeros((0, width))}
    return Features(
        {name: np.concatenate([empty[name], *(part[name] for part in parts)]) for name in FAMILIES}, reasons
    )


def _read_piece(
    model: NucleotideTransformer, genome: Genome, variants: Sequence[Variant], settings: ScoreSettings
) -> tuple[dict[str, Matrix], list[str]]:
    alleles, reasons = read_alleles(model, genome, variants, settings)
    count = len(variants)
    shape = (count, max((allele.column for allele in alleles), default=0) + 1)
    budget = choose_budget(model.device, settings.token_budget)
    ratios, _ = masked_ratios(model, alleles, shape, budget)
    layer, by_token = model.layer_number(settings.layer), settings.pool == "token"
    pairs = read_pairs(model, alleles, budget, layer=layer, by_token=by_token)
    compared = compare_windows(alleles, pairs, shape)
    rows = np.array([allele.row for allele in alleles], dtype=np.int64)
    readings = np.bincount(rows, minlength=count).astype(np.float64)[:, None]
    sums = {"ref": np.zeros((count, model.config.width)), "alt": np.zeros((count, model.config.width))}
    np.add.at(sums["ref"], rows, pairs.vectors[pairs.ref])
    np.add.at(sums["alt"], rows, pairs.vectors[pairs.alt])
    with np.errstate(invalid="ignore"):
        ref, alt = sums["ref"] / readings, sums["alt"] / readings
        means = [
            np.nan_to_num(table).sum(1, dtype=np.float64) / readings[:, 0]
            for table in (ratios, compared["cosine"], compared["l2"])
        ]
    scores = np.stack([means[0], np.abs(means[0]), means[1], np.log(means[2] + 1e-6)], axis=1)
    return {"scores": scores, "difference": alt - ref, "reference": ref}, reasons
