"""What a fine-tuned predictor makes of both alleles of a variant.

The window of the reference has the change in its middle; the other allele's begins at the same base and is as long.
Not here: scores of encoders without a head (`score`), classifiers of variants (`classifier`, `tuned`).
"""

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import pandas as pd

from hexamer.effects.score import LONGEST_SPAN
from hexamer.errors import SettingsError
from hexamer.genome import Change, Genome, Variant, normalise
from hexamer.model.limits import count_beyond
from hexamer.training.predictor import Predictor

_PIECE = 256  # variants that are held at a time


def predict_variants(
    predictor: Predictor,
    genome: Genome,
    variants: Iterable[Variant],
    *,
    window: int,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Predict for the reference and for the other allele.

    Parameters
    ----------
    predictor : Predictor
        Of sequences, not of bases.
    genome : Genome
    variants : iterable of Variant
    window : int
        Bases; the length that the predictor learnt from is the one to take. Shorter at a contig's ends.
    advance : callable, optional
        Called with numbers of variants.

    Returns
    -------
    DataFrame
        A row for each variant, in their order: `chrom`, `pos`, `ref`, `alt` as they were; float32 columns `NAME_ref`
        and `NAME_alt` for each class or output; `reason`, a code of `hexamer.errors.REASONS`, why they are NaN.

    Raises
    ------
    SettingsError
        If the predictor is of bases, or the window longer than its encoder reads.
    """
    if predictor.target.kind == "bases":
        raise SettingsError("a predictor of bases has no number for a variant; one of classes or values would work")
    config = predictor.encoder.config
    if not (1 <= window <= config.max_bases and window // config.k + window % config.k < config.max_tokens):
        told = f"1 to {config.max_bases:,} bases, multiples of {config.k}, would work with this predictor"
        raise SettingsError(f"window {window:,}: {told}")
    names = predictor.target.names
    columns = [f"{name}_{allele}" for name in names for allele in ("ref", "alt")]
    parts, left = [], iter(variants)
    while piece := list(islice(left, _PIECE)):
        read = [_read(genome, variant, window) for variant in piece]
        pairs = [each if isinstance(each, tuple) else None for each in read]
        wanted = list(dict.fromkeys(text for pair in pairs if pair for text in pair))
        known = [text for text in wanted if not count_beyond(predictor.encoder, text)]
        found = dict(zip(known, predictor.predict(known), strict=True))
        values = np.full((len(piece), len(names), 2), np.nan, dtype=np.float32)
        reasons = []
        for row, pair, each in zip(values, pairs, read, strict=True):
            if pair and all(text in found for text in pair):
                row[:] = np.stack([found[text] for text in pair], axis=1)
                reasons.append("")
            else:
                reasons.append("beyond_model" if pair else str(each))
        facts = {name: [getattr(variant, name) for variant in piece] for name in ("chrom", "pos", "ref", "alt")}
        numbers = pd.DataFrame(values.reshape(len(piece), -1), columns=columns)
        parts.append(pd.concat([pd.DataFrame(facts), numbers], axis=1).assign(reason=reasons))
        if advance:
            advance(len(piece))
    if not parts:
        return pd.DataFrame(columns=["chrom", "pos", "ref", "alt", *columns, "reason"])
    return pd.concat(parts, ignore_index=True)


def _read(genome: Genome, variant: Variant, window: int) -> tuple[str, str] | str:
    """Give both alleles' windows, or why there are none."""
    change = normalise(genome, variant)
    if not isinstance(change, Change):
        return change
    if max(len(change.ref), len(change.alt)) > LONGEST_SPAN * window:
        return "too_long"
    length = genome.length(change.chrom)
    start = max(0, change.start + len(change.ref) // 2 - window // 2)
    end = min(length, start + window)
    before = genome.fetch(change.chrom, start, change.start)
    behind = genome.fetch(change.chrom, change.end, min(length, change.end + window))
    whole = before + change.alt + behind
    return genome.fetch(change.chrom, start, end), whole[: end - start]
