"""Embeddings of sequences and genomic intervals: what one layer of the encoder says about them.

A sequence longer than the model's window is tokenised once, so that the cutting into 6-mers stays the same throughout,
and read in overlapping windows; each token's vector is taken from the window in which it lies furthest from an edge.
Not here: pooling (`pooling`), files (`store`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from hexamer.embeddings.budget import choose_budget
from hexamer.embeddings.pooling import Pool, Vectors, check_pool, join_windows, pool_window
from hexamer.errors import SequenceError, SettingsError
from hexamer.genome import Genome, Haplotype, Interval
from hexamer.manifest import package_versions
from hexamer.model import NucleotideTransformer, batches, pack
from hexamer.tokens import CLS_ID, report_letters, token_spans
from hexamer.tokens.tokenizer import Ids

if TYPE_CHECKING:
    from anndata import AnnData

_AHEAD = 16  # budgets of windows gathered before they run, so that few batches are cut short


@dataclass
class _Sequence:
    """One input row on its way: its facts, and the parts that its windows have given so far."""

    facts: dict[str, Any]
    ids: Ids
    parts: dict[int, Vectors] = field(default_factory=dict)
    windows: list[tuple[int, int, slice]] = field(default_factory=list)


def embed(
    model: NucleotideTransformer,
    sequences: Iterable[str | tuple[str, str] | Interval],
    genome: Genome | Haplotype | None = None,
    *,
    layer: int = -1,
    pool: Pool = "mean",
    token_budget: int | None = None,
) -> "AnnData":
    """Embed sequences, or intervals of a genome.

    Parameters
    ----------
    model : NucleotideTransformer
    sequences : iterable of str, (name, str) or Interval
        DNA in any case and of any length, or places in `genome`; an interval on "-" is read from the other strand.
    genome : Genome or Haplotype, optional
        Needed for intervals.
    layer : int
        0 (token embedding) to the number of blocks; -1 is the last, after the final LayerNorm.
    pool : {"mean", "max", "cls", "none"}
        "none" gives one row per token.
    token_budget : int, optional
        Tokens that go through the encoder at a time, by default what suits the device; changes speed and memory, and
        results by rounding only (1e-5 where the precision is exact).

    Returns
    -------
    AnnData
        `X`: float32 [N, D]. `obs`: `name`, and for intervals `chrom`, `start`, `end`, `strand`; `bases`, `n`
        (letters other than A, C, G, T, all read as N), `tokens`, `reason` (empty where there is a vector, else a
        code of `REASONS`, and the row of X is NaN). With "none": `name`, `token` (index), and `start`, `end` in the
        sequence, or on the genome for intervals. `uns["hexamer"]`: layer, pooling, folder of the model, precision,
        versions.

    Raises
    ------
    SettingsError
        If the layer or pooling does not exist, the budget is less than one token, or intervals come without a genome.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> embed(model, [("a", "ACGTAC" * 3), ("b", "ACGT")]).shape
    (2, 8)
    """
    from anndata import AnnData  # slow import

    check_pool(pool)
    if isinstance(sequences, str):
        raise SettingsError("embed: a list of sequences is needed, not one string; [sequence] would work")
    layer = model.layer_number(layer)
    rows, frames = [], []
    for vectors, frame in embed_stream(model, sequences, genome, layer=layer, pool=pool, token_budget=token_budget):
        rows.append(vectors)
        frames.append(frame)
    if not rows:
        raise SequenceError("embed: there is no sequence; at least one would work")
    obs = pd.concat(frames, ignore_index=True)
    obs.index = obs.index.astype(str)
    settings: dict[str, Any] = {"layer": layer, "pool": pool, "model": model.source or "random weights"}
    settings |= {"precision": model.precision, "versions": package_versions()}
    return AnnData(X=np.concatenate(rows), obs=obs, uns={"hexamer": settings})


def embed_stream(
    model: NucleotideTransformer,
    sequences: Iterable[str | tuple[str, str] | Interval],
    genome: Genome | Haplotype | None = None,
    *,
    layer: int,
    pool: Pool,
    token_budget: int | None = None,
) -> Iterator[tuple[Vectors, pd.DataFrame]]:
    """Embed piece by piece, in memory that does not grow with the input; parameters as `embed`.

    Yields
    ------
    vectors : float32 array [n, D]
    obs : DataFrame
        n rows, in the order of the input.
    """
    budget = choose_budget(model.device, token_budget)
    waiting: list[_Sequence] = []
    size = 0
    for row, item in enumerate(sequences):
        waiting.append(_read(model, item, genome, row))
        size += len(waiting[-1].ids)
        if size >= _AHEAD * budget:
            yield _finish(model, waiting, layer, pool, budget)
            waiting, size = [], 0
    if waiting:
        yield _finish(model, waiting, layer, pool, budget)


def _read(
    model: NucleotideTransformer, item: str | tuple[str, str] | Interval, genome: Genome | Haplotype | None, row: int
) -> _Sequence:
    """Fetch, check and tokenise one input row."""
    facts: dict[str, Any] = {"name": f"sequence_{row}"}
    reason, letters = "", ""
    if isinstance(item, Interval):
        if genome is None:
            raise SettingsError("embed: intervals need a genome; genome=Genome(fasta) or --genome FASTA would work")
        facts["name"] = item.name or item.region
        facts |= {"chrom": item.chrom, "start": item.start, "end": item.end, "strand": item.strand}
        if item.chrom not in genome:
            reason = "contig_missing"
        elif item.end > genome.length(item.chrom):
            reason = "past_end"
        else:
            letters = genome.fetch_interval(item)
    elif isinstance(item, str):
        letters = item
    else:
        facts["name"], letters = item
    report = report_letters(letters)
    if not reason and report.bases == 0:
        reason = "empty"
    (ids,) = model.tokenizer.encode([letters])
    facts |= {"bases": report.bases, "n": report.read_as_n, "tokens": len(ids) - 1, "reason": reason}
    return _Sequence(facts, ids)


def plan_windows(tokens: int, longest: int) -> list[tuple[int, int, slice]]:
    """Cut a tokenised sequence into windows.

    Parameters
    ----------
    tokens : int
        Tokens of the sequence, `<cls>` not counted.
    longest : int
        Most tokens of a window, `<cls>` not counted.

    Returns
    -------
    list of (start, end, keep)
        Half-open token range of each window, and which of its tokens count (indices within the window behind its
        `<cls>`, which is 0). Every token counts in one window.

    Examples
    --------
    >>> plan_windows(10, 8)
    [(0, 8, slice(1, 6, None)), (2, 10, slice(4, 9, None))]
    """
    if tokens <= longest:
        return [(0, tokens, slice(1, tokens + 1))]
    overlap = max(longest // 4, 1) if longest > 1 else 0
    starts = [*range(0, tokens - longest, longest - overlap), tokens - longest]
    windows, counted = [], 0
    for i, start in enumerate(starts):
        end = start + longest
        # The middle of the overlap with the next window is where the better view changes.
        until = tokens if i == len(starts) - 1 else (starts[i + 1] + end) // 2
        windows.append((start, end, slice(counted - start + 1, until - start + 1)))
        counted = until
    return windows


def _finish(
    model: NucleotideTransformer, rows: list[_Sequence], layer: int, pool: Pool, token_budget: int
) -> tuple[Vectors, pd.DataFrame]:
    """Run all windows of some rows, and put each row together."""
    jobs = []
    for row in rows:
        if not row.facts["reason"]:
            row.windows = plan_windows(len(row.ids) - 1, model.config.max_tokens - 1)
            jobs += [(row, i) for i in range(len(row.windows))]
    lengths = [row.windows[i][1] - row.windows[i][0] + 1 for row, i in jobs]
    for batch in batches(lengths, token_budget):
        windows = []
        for row, i in (jobs[j] for j in batch):
            start, end, _ = row.windows[i]
            windows.append(np.concatenate([[CLS_ID], row.ids[1 + start : 1 + end]]).astype(np.int32))
        for j, hidden in zip(batch, run_layer(model, windows, layer), strict=True):
            row, i = jobs[j]
            row.parts[i] = pool_window(hidden, row.windows[i][2], pool)
    vectors = [_assemble(row, model.config.width, pool) for row in rows]
    frames = [_token_rows(model, row) for row in rows] if pool == "none" else [pd.DataFrame([r.facts for r in rows])]
    return np.concatenate(vectors), pd.concat(frames, ignore_index=True)


def run_layer(model: NucleotideTransformer, windows: Sequence[Ids], layer: int) -> list[Vectors]:
    """Hidden states of one layer.

    Parameters
    ----------
    model : NucleotideTransformer
    windows : sequence of int32 arrays [L_i]
        Token ids with `<cls>`, one batch.
    layer : int
        0 to the number of blocks.

    Returns
    -------
    list of float32 array [L_i, D]
    """
    with torch.inference_mode():
        packed = pack(windows, model.device)
        hidden = model.encode(packed, layers=(layer,)).hidden[layer].float().cpu()
    return [part.numpy() for part in hidden.split(packed.lengths)]


def _assemble(row: _Sequence, width: int, pool: Pool) -> Vectors:
    if row.facts["reason"]:
        return np.full((1, width), np.nan, dtype=np.float32)
    parts = [row.parts[i] for i in range(len(row.windows))]
    return join_windows(parts, [keep.stop - keep.start for _, _, keep in row.windows], pool)


def _token_rows(model: NucleotideTransformer, row: _Sequence) -> pd.DataFrame:
    """Obs of one row with pool "none": a line per token, or one line with the reason."""
    facts = {key: row.facts[key] for key in ("name", "chrom", "strand", "reason") if key in row.facts}
    if row.facts["reason"]:
        return pd.DataFrame([facts | {"token": -1, "start": -1, "end": -1}])
    starts, ends = (places[1:] for places in token_spans(model.tokenizer, row.ids))
    if row.facts.get("strand") == "-":
        starts, ends = row.facts["end"] - ends, row.facts["end"] - starts
    elif "chrom" in row.facts:
        starts, ends = row.facts["start"] + starts, row.facts["start"] + ends
    return pd.DataFrame({"token": np.arange(len(starts)), "start": starts, "end": ends}).assign(**facts)
