"""The forward passes that scores of alleles need, each run once.

Two families: windows with the span masked (`masked_ratios`), and windows as they are (`read_pairs`,
`compare_windows`). Alleles ask for windows by name; equal ones are run once. On a CPU every window is a batch of its
own, computed by one thread: how sums are divided among threads, and so their last bit, depends on the size of a batch.
Not here: where windows lie (`window`), what is read off one batch (`likelihood`, `distance`), averages (`score`).
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hexamer.device import run_each
from hexamer.effects.distance import DISTANCES
from hexamer.effects.likelihood import masked_log_probabilities, window_losses
from hexamer.effects.window import Reading
from hexamer.genome import Change
from hexamer.model import NucleotideTransformer, batches, pack
from hexamer.tokens.tokenizer import Ids

Table = npt.NDArray[np.float32]


class Allele(NamedTuple):
    """One reading of one allele, and where its numbers go."""

    row: int
    column: int
    change: Change
    reading: Reading


class Forwards(NamedTuple):
    """Windows that went through the encoder, beside what no sharing would have taken."""

    run: int = 0
    asked: int = 0
    """For `llr` one per reading of an SNV or MNV, and two, ref and alt, of an indel. Two per reading where any other
    score is asked for: they all come out of the same pair."""

    def __add__(self, other: object) -> "Forwards":
        """Add up both numbers."""
        if not isinstance(other, Forwards):
            return NotImplemented
        return Forwards(self.run + other.run, self.asked + other.asked)

    def __str__(self) -> str:
        """Both, and what was saved."""
        return f"{self.run:,} forward passes, {self.asked - self.run:,} saved"


def masked_ratios(
    model: NucleotideTransformer, alleles: list[Allele], shape: tuple[int, int], token_budget: int
) -> tuple[Table, Forwards]:
    """Log-likelihood ratio of alt and ref, both with the span masked, for each reading.

    Parameters
    ----------
    model : NucleotideTransformer
    alleles : list of Allele
    shape : (int, int)
        Rows V and readings R.
    token_budget : int

    Returns
    -------
    float32 array [N, R]
        Nats; NaN where no allele says otherwise.
    Forwards
    """
    windows: dict[Hashable, tuple[Ids, tuple[int, int]]] = {}
    asked: dict[Hashable, list[tuple[int, int, int, Ids]]] = {}  # row, column, 0 ref or 1 alt, the span's tokens
    passes = 0
    for row, column, change, reading in alleles:
        # Masked windows of alleles of one length are the same window.
        ref = (reading.name, reading.span, None)
        alt = (reading.name, reading.span, change) if reading.shifted else ref
        windows.setdefault(ref, (reading.ref, reading.span))
        windows.setdefault(alt, (reading.alt, reading.span))
        asked.setdefault(ref, []).append((row, column, 0, reading.ref_span))
        asked.setdefault(alt, []).append((row, column, 1, reading.alt_span))
        passes += 1 + reading.shifted
    sums = np.full((2, *shape), np.nan)

    def ask(keys: list[Hashable]) -> None:
        ids, spans = zip(*(windows[key] for key in keys), strict=True)
        for key, logs in zip(keys, masked_log_probabilities(model, ids, spans), strict=True):
            for row, column, which, tokens in asked[key]:
                sums[which, row, column] = logs[np.arange(len(tokens)), tokens].sum(dtype=np.float64)

    lengths = {key: len(ids) for key, (ids, _) in windows.items()}
    run_each(ask, _in_batches(lengths, token_budget, model.device), model.device)
    return (sums[1] - sums[0]).astype(np.float32), Forwards(len(windows), passes)


class Pairs(NamedTuple):
    """What was read off the unmasked windows of some alleles."""

    vectors: Table
    """[N, D], one for each different window and span."""
    losses: Table
    """[N], mean cross-entropy of the window in nats per token; NaN where not asked for."""
    ref: npt.NDArray[np.int64]
    """[A]: which row is the reference's, for each allele."""
    alt: npt.NDArray[np.int64]
    """[A]: which row is the altered sequence's."""
    forwards: Forwards


def read_pairs(
    model: NucleotideTransformer,
    alleles: list[Allele],
    token_budget: int,
    *,
    layer: int,
    by_token: bool,
    with_loss: bool = False,
) -> Pairs:
    """Read the windows of both alleles, nothing masked.

    Parameters
    ----------
    model : NucleotideTransformer
    alleles : list of Allele
    token_budget : int
    layer : int
        Layer of the embeddings, counted from 0, the token embedding, to the number of blocks.
    by_token : bool
        Mean over the span, not over the window.
    with_loss : bool
        Whether the cross-entropy is wanted.

    Returns
    -------
    Pairs
    """
    windows: dict[Hashable, Ids] = {}
    spans: dict[Hashable, dict[tuple[int, int], int]] = {}  # of each window, and the number of its vector
    pairs = []
    count = 0
    for _, _, change, reading in alleles:
        pair = []
        own = reading.span if by_token else None  # the rows that are asked for are part of the batch's shape
        for key, ids in (((reading.name, own, None), reading.ref), ((reading.name, own, change), reading.alt)):
            windows.setdefault(key, ids)
            if reading.span not in (mine := spans.setdefault(key, {})):
                mine[reading.span] = count
                count += 1
            pair.append(mine[reading.span])
        pairs.append(pair)
    vectors = np.zeros((count, model.config.width), dtype=np.float32)
    losses = np.full(count, np.nan, dtype=np.float32)

    def read(keys: list[Hashable]) -> None:
        wanted = [(place, span) for place, key in enumerate(keys) for span in spans[key]]
        numbers = [number for key in keys for number in spans[key].values()]
        vectors[numbers], each = _read_batch(
            model, [windows[key] for key in keys], wanted, layer=layer, by_token=by_token, with_loss=with_loss
        )
        losses[numbers] = each[[place for place, _ in wanted]]

    lengths = {key: len(ids) for key, ids in windows.items()}
    run_each(read, _in_batches(lengths, token_budget, model.device), model.device)
    ref, alt = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Pairs(vectors, losses, ref, alt, Forwards(len(windows), 2 * len(alleles)))


def compare_windows(alleles: list[Allele], pairs: Pairs, shape: tuple[int, int]) -> dict[str, Table]:
    """Compare the two windows of each reading.

    Parameters
    ----------
    alleles : list of Allele
    pairs : Pairs
        Of these alleles.
    shape : (int, int)
        Rows V and readings R.

    Returns
    -------
    dict of str to float32 array [N, R]
        By name of the score; NaN where no allele says otherwise.
    """
    rows, columns = [allele.row for allele in alleles], [allele.column for allele in alleles]
    ref, alt, losses = pairs.vectors[pairs.ref], pairs.vectors[pairs.alt], pairs.losses
    found = {name: np.full(shape, np.nan, dtype=np.float32) for name in (*DISTANCES, "loss", "loss_diff")}
    for name, distance in DISTANCES.items():
        found[name][rows, columns] = distance(ref, alt)
    found["loss"][rows, columns] = losses[pairs.alt]
    found["loss_diff"][rows, columns] = losses[pairs.alt] - losses[pairs.ref]
    return found


def _read_batch(
    model: NucleotideTransformer,
    windows: list[Ids],
    wanted: list[tuple[int, tuple[int, int]]],
    *,
    layer: int,
    by_token: bool,
    with_loss: bool,
) -> tuple[Table, Table]:
    """Give a vector [D] for each wanted (window, span), and each window's mean cross-entropy, NaN where not wanted."""
    packed = pack(windows, model.device)
    starts = packed.bounds.tolist()
    # The mean over a window leaves out `<cls>`.
    bounds = [
        (starts[i] + span[0], starts[i] + span[1]) if by_token else (starts[i] + 1, starts[i + 1]) for i, span in wanted
    ]
    losses = np.full(len(windows), np.nan, dtype=np.float32)
    with torch.inference_mode():
        if with_loss:
            hidden = model.encode(packed, layers=(layer, -1)).hidden
            losses = window_losses(packed, model.lm_head(hidden[model.config.layers]))
            states = hidden[layer].float().cpu().numpy()
            parts = [states[first:end] for first, end in bounds]
        elif by_token:
            rows = [row for first, end in bounds for row in range(first, end)]
            where = torch.as_tensor(rows, dtype=torch.int64, device=model.device)
            states = model.encode(packed, layers=(layer,), rows=where).hidden[layer].float().cpu().numpy()
            parts = np.split(states, np.cumsum([end - first for first, end in bounds])[:-1])
        else:
            states = model.encode(packed, layers=(layer,)).hidden[layer].float().cpu().numpy()
            parts = [states[first:end] for first, end in bounds]
    return np.stack([part.mean(axis=0, dtype=np.float64) for part in parts]).astype(np.float32), losses


def _in_batches(lengths: Mapping[Hashable, int], token_budget: int, device: torch.device) -> Iterator[list[Hashable]]:
    """Keys of windows in batches; on a CPU each alone, which keeps a score's last bit."""
    keys = list(lengths)
    for batch in batches(list(lengths.values()), 1 if device.type == "cpu" else token_budget):
        yield keys[batch.start : batch.stop]
