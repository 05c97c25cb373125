"""Dependency maps: which base, if it were another, changes what is expected where.

Every base of a region is substituted in turn; the model reads the window as it is, nothing masked, and what it expects
at every other base is compared with what it expects of the reference. An entry is the largest change of log odds of
any base, over the three substitutions. Source: nucleotide dependencies (Tomaz da Silva et al., 2025), for 6-mers with
probabilities summed over all 6-mers that share a base; bases of the changed token itself are left out, since there the
change is in the input. Letters: L bases of the region, T tokens of the window.
Not here: what is expected with masks (`profiles`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hexamer.errors import SettingsError
from hexamer.genome import Genome, Interval
from hexamer.interpretation.profiles import expected_bases
from hexamer.model import NucleotideTransformer, batches, pack
from hexamer.tokens import CLS_ID, bases_to_codes, token_spans
from hexamer.tokens.alphabet import N_CODE, Codes
from hexamer.tokens.tokenizer import Ids

Values = npt.NDArray[np.float64]

LONGEST = 600
"""Bases of a region: three passes each."""
_BUDGET = 8192  # tokens that go through the encoder at a time


class DependencyMap(NamedTuple):
    """How much each base depends on each other one."""

    interval: Interval
    sequence: str
    strengths: Values
    """float64 [L, L]: what changes at the base of a column, in natural log odds, if the base of a row is substituted;
    NaN within one token, and where no whole token covers a base."""


def dependency_map(
    model: NucleotideTransformer,
    genome: Genome,
    interval: Interval,
    *,
    window: int = 1200,
    advance: Callable[[int], None] | None = None,
) -> DependencyMap:
    """Find which bases of a region depend on which.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
    interval : Interval
        At most 600 bases; its strand means nothing.
    window : int
        Bases that the model reads, the region in their middle; never more than it can.
    advance : callable, optional
        Called with the number of substitutions that are done.

    Returns
    -------
    DependencyMap

    Raises
    ------
    GenomeError
        If the interval is not on the genome.
    SettingsError
        If the region is longer than the window or 600 bases.
    """
    sequence = genome.fetch(interval.chrom, interval.start, interval.end)
    k, length = model.config.k, genome.length(interval.chrom)
    size = interval.end - interval.start
    bases = min(window, model.config.max_bases) // k * k
    if size > min(bases, LONGEST):
        raise SettingsError(f"{interval.region}: {size:,} bases; 1 to {min(bases, LONGEST):,} would work")
    start = max(0, min(interval.start - (bases - size) // 2, length - bases)) // k * k
    if start + bases < interval.end:  # at a contig's end
        start += k
    codes = bases_to_codes(genome.fetch(interval.chrom, start, min(start + bases, length)))
    first = interval.start - start
    changes = [(i, base) for i in range(size) for base in range(4) if codes[first + i] not in (base, N_CODE)]
    windows = [_encode(model, codes)] + [_encode(model, _with(codes, first + i, base)) for i, base in changes]
    starts, ends = token_spans(model.tokenizer, windows[0])
    token = np.searchsorted(ends, np.arange(first, first + size), side="right")
    whole = (ends - starts)[token] == k
    strengths = np.zeros((size, size))
    reference: Values | None = None
    done = 0
    for batch in batches([len(ids) for ids in windows], _BUDGET):
        some = [windows[i] for i in batch]
        odds = _log_odds(model, some, token, np.arange(first, first + size) - starts[token], whole)
        if reference is None:
            reference, odds = odds[0], odds[1:]
        for found in odds:
            row = changes[done][0]
            strengths[row] = np.maximum(strengths[row], np.abs(found - reference).max(axis=1))
            done += 1
        if advance:
            advance(len(odds))
    strengths[token[:, None] == token[None]] = np.nan
    strengths[:, ~whole] = np.nan
    strengths[codes[first : first + size] == N_CODE] = np.nan
    return DependencyMap(interval, sequence, strengths)


def _encode(model: NucleotideTransformer, codes: Codes) -> Ids:
    return np.concatenate([[CLS_ID], model.tokenizer.encode_codes(codes)]).astype(np.int32)


def _with(codes: Codes, place: int, base: int) -> Codes:
    changed = codes.copy()
    changed[place] = base
    return changed


def _log_odds(
    model: NucleotideTransformer,
    windows: list[Ids],
    token: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    whole: npt.NDArray[np.bool_],
) -> Values:
    """Log odds of each base at each place of the region, float64 [S, L, 4]; 0 where no whole token covers it."""
    tokenizer, asked = model.tokenizer, np.unique(token[whole])
    odds = np.zeros((len(windows), len(token), 4))
    if not len(asked):
        return odds
    rows = np.concatenate([asked + i * len(windows[0]) for i in range(len(windows))])
    with torch.inference_mode():
        packed = pack(windows, model.device)
        where = torch.as_tensor(rows, dtype=torch.int64, device=model.device)
        hidden = model.encode(packed, rows=where).hidden[model.config.layers]
        logits = model.lm_head(hidden).float()[:, tokenizer.first_kmer : tokenizer.first_letter]
        logs = logits.log_softmax(dim=-1).cpu().numpy()
    expected = expected_bases(logs, model.config.k).reshape(len(windows), len(asked), model.config.k, 4)
    own = expected[:, np.searchsorted(asked, token[whole]), place[whole]].clip(1e-12, 1 - 1e-12)
    odds[:, whole] = np.log(own) - np.log1p(-own)
    return odds
