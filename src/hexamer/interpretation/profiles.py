"""What a masked model expects at every base of a region, from as few passes as its training allows.

In training 15 % of a window's tokens are masked at once. Here every seventh token is masked, then every seventh from
the next one on, so that seven passes say of each token of a window what is expected there, given nearly all others;
one token alone masked (`hexamer.effects`) would take a pass for each. How far both agree is measured, not assumed
(`mutagenesis.measure_agreement`). Windows overlap by half; each token is read in the middle of one. Windows and masks
lie on a grid from the contig's start, so that what a base gets does not depend on the region that is asked for.
Letters: L bases of the region, T tokens, K k-mers. Not here: tables of substitutions (`mutagenesis`), files (`tracks`).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hexamer.effects import ScoreSettings
from hexamer.effects.window import keep_on_grid
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Interval
from hexamer.model import NucleotideTransformer, batches, pack
from hexamer.tokens import CLS_ID, MASK_ID, bases_to_codes, token_spans
from hexamer.tokens.alphabet import BASES, Codes, reverse_complement

STRIDE = 7
"""Tokens from one mask to the next: 14 % are masked."""
KEPT = 0.5
"""Share of a window's tokens that are read in it, its middle."""
_COMPLEMENT = [BASES.index(base) for base in "TAGC"]  # place of each base's complement, in the order of BASES

Values = npt.NDArray[np.float64]
Logs = npt.NDArray[np.float32]


class Profile(NamedTuple):
    """What is expected at each base of a region, on the forward strand, means over readings."""

    interval: Interval
    sequence: str
    ratios: Values
    """log p(base) - log p(the reference's), all else in its token as it is, in nats; float64 [L, 4] in the order of
    `BASES`; NaN where no whole token covers a base."""
    probabilities: Values
    """Of each base, summed over all k-mers that have it there; float64 [L, 4], rows add up to 1, or NaN."""
    readings: npt.NDArray[np.int64]
    """Readings (strands and phases) that cover each base, int64 [L]."""

    @property
    def entropy(self) -> Values:
        """Of the probabilities, in bits: 0 (certain) to 2; float64 [L]."""
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(self.probabilities > 0, self.probabilities * np.log2(self.probabilities), 0)
        return np.where(np.isnan(self.probabilities[:, 0]), np.nan, -each.sum(axis=1))

    @property
    def logo(self) -> Values:
        """Height of the sequence's own letter in a sequence logo, in bits: its probability times 2 less the entropy
        (Schneider and Stephens, 1990); 0 to 2, NaN for N; float64 [L].
        """
        codes = bases_to_codes(self.sequence)
        known = codes < len(BASES)
        own = self.probabilities[np.arange(len(codes)), np.where(known, codes, 0)]
        return np.where(known, own * (2 - self.entropy), np.nan)


def profile_region(
    model: NucleotideTransformer,
    genome: Genome,
    interval: Interval,
    *,
    settings: ScoreSettings | None = None,
    advance: Callable[[int], None] | None = None,
) -> Profile:
    """Say what the model expects at every base of a region.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
    interval : Interval
        Of any length; its strand means nothing.
    settings : ScoreSettings, optional
        `window`, `phases`, `strands` and `token_budget` count; anchor "grid" alone is possible.
    advance : callable, optional
        Called with the number of bases that a window has given, once for each reading.

    Returns
    -------
    Profile

    Raises
    ------
    GenomeError
        If the interval is not on the genome.
    SettingsError
        If the anchor is another, or the model's tokens have no such phases.
    """
    settings = settings or ScoreSettings()
    k = model.config.k
    if settings.anchor != "grid" or k % settings.phases:
        raise SettingsError(
            f"anchor {settings.anchor}, phases {settings.phases}: grid, and a divisor of {k}, would work"
        )
    chrom, length = genome.resolve(interval.chrom), genome.length(interval.chrom)
    start, end = interval.start, interval.end
    sequence = genome.fetch(chrom, start, end)
    sums, shares = np.zeros((end - start, len(BASES))), np.zeros((end - start, len(BASES)))
    counts = np.zeros(end - start, dtype=np.int64)
    for reverse in (False, True) if settings.strands == "both" else (False,):
        low, high = (length - end, length - start) if reverse else (start, end)
        for phase in range(0, k, k // settings.phases):
            for first, tokens, logs in _read(model, genome, chrom, (low, high), phase, reverse, settings):
                ratios, expected = _of_bases(tokens, logs, k)
                places = first[:, None] + np.arange(k)
                if reverse:
                    places, ratios, expected = length - 1 - places, ratios[..., _COMPLEMENT], expected[..., _COMPLEMENT]
                inside = (places >= start) & (places < end)
                np.add.at(sums, places[inside] - start, ratios[inside])
                np.add.at(shares, places[inside] - start, expected[inside])
                np.add.at(counts, places[inside] - start, 1)
                if advance:
                    advance(int(inside.sum()))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios, probabilities = sums / counts[:, None], shares / counts[:, None]
    return Profile(Interval(chrom, start, end), sequence, ratios, probabilities, counts)


def window_step(model: NucleotideTransformer, settings: ScoreSettings) -> int:
    """Give the bases from one window to the next; a multiple of k."""
    tokens = min(settings.window, model.config.max_bases) // model.config.k
    return max(1, int(tokens * KEPT)) * model.config.k


def _read(
    model: NucleotideTransformer,
    genome: Genome,
    chrom: str,
    span: tuple[int, int],
    phase: int,
    reverse: bool,
    settings: ScoreSettings,
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Logs]]:
    """Read one strand in one phase: first base of each whole token, its k-mer, and log p of all k-mers [T, K]."""
    k, length = model.config.k, genome.length(chrom)
    tokens, keep = min(settings.window, model.config.max_bases) // k, window_step(model, settings) // k
    start = phase + max(0, (span[0] - phase) // (keep * k)) * keep * k
    for begin in range(start, min(span[1], length - k + 1), keep * k):
        first = max(phase, begin - (tokens - keep + 1) // 2 * k)
        last = min(first + tokens * k, phase + (length - phase) // k * k)
        first = max(phase, last - tokens * k)
        codes = _fetch(genome, chrom, first, last, reverse)
        yield from _read_window(model, codes, first, (begin, begin + keep * k), span, settings)


def _fetch(genome: Genome, chrom: str, start: int, end: int, reverse: bool) -> Codes:
    if not reverse:
        return bases_to_codes(genome.fetch(chrom, start, end))
    length = genome.length(chrom)
    return reverse_complement(bases_to_codes(genome.fetch(chrom, length - end, length - start)))


def _read_window(
    model: NucleotideTransformer,
    codes: Codes,
    first: int,
    middle: tuple[int, int],
    span: tuple[int, int],
    settings: ScoreSettings,
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Logs]]:
    """Mask the tokens of a window's middle, every seventh at a time; passes without any of the span are left out."""
    tokenizer, k = model.tokenizer, model.config.k
    ids = np.concatenate([[CLS_ID], tokenizer.encode_codes(keep_on_grid(codes, k))]).astype(np.int32)
    starts, ends = token_spans(tokenizer, ids)
    rows = np.flatnonzero((ends - starts == k) & (first + starts >= middle[0]) & (first + starts < middle[1]))
    if len(ids) > model.config.max_tokens:  # letters behind an N are tokens of their own
        left = max(1, min(int(rows[0]) if len(rows) else 1, len(ids) - model.config.max_tokens + 1))
        kept = np.r_[0, left : min(len(ids), left + model.config.max_tokens - 1)]
        rows = np.flatnonzero(np.isin(kept, rows))
        ids, starts = ids[kept], starts[kept]
    places = first + starts[rows]
    turns, inside = places // k % STRIDE, (places + k > span[0]) & (places < span[1])
    groups = [rows[turns == turn] for turn in np.unique(turns[inside])]
    for batch in batches([len(ids)] * len(groups), settings.token_budget or max(len(ids), 8192)):
        some = [groups[i] for i in batch]
        masked = [np.where(np.isin(np.arange(len(ids)), each), MASK_ID, ids).astype(np.int32) for each in some]
        asked = np.concatenate([each + i * len(ids) for i, each in enumerate(some)])
        with torch.inference_mode():
            packed = pack(masked, model.device)
            where = torch.as_tensor(asked, dtype=torch.int64, device=model.device)
            hidden = model.encode(packed, rows=where).hidden[model.config.layers]
            logits = model.lm_head(hidden).float()[:, tokenizer.first_kmer : tokenizer.first_letter]
            logs = logits.log_softmax(dim=-1).cpu().numpy()
        own = np.concatenate(some)
        yield first + starts[own], ids[own].astype(np.int64) - tokenizer.first_kmer, logs


def _of_bases(tokens: npt.NDArray[np.int64], logs: Logs, k: int) -> tuple[Values, Values]:
    """Ratios and probabilities of each base of each token, float64 [T, k, 4]."""
    powers = len(BASES) ** np.arange(k - 1, -1, -1)
    digits = tokens[:, None] // powers % len(BASES)
    others = tokens[:, None, None] + (np.arange(len(BASES)) - digits[..., None]) * powers[:, None]
    rows = np.arange(len(tokens))[:, None, None]
    ratios = logs[rows, others].astype(np.float64) - logs[rows[..., 0], tokens[:, None]][..., None]
    return ratios, expected_bases(logs, k)


def expected_bases(logs: Logs, k: int) -> Values:
    """Sum the probabilities of all k-mers that have a base at a place.

    Parameters
    ----------
    logs : float32 array [T, 4 ** k]
        Natural logarithms.
    k : int

    Returns
    -------
    float64 array [T, k, 4]
        In the order of `BASES`.
    """
    cube = np.exp(logs.astype(np.float64)).reshape(-1, *([len(BASES)] * k))
    sums = [cube.sum(axis=tuple(j + 1 for j in range(k) if j != place)) for place in range(k)]
    return np.stack(sums, axis=1)
