"""Which masked windows a training step sees: a pure function of (corpus, settings, seed, step, row).

Every row has random numbers of its own, from a counter-based generator (Philox, key = seed and step, counter = row): no
order, worker, process count or restart changes what it holds. Two ways to lay windows, after Dalla-Torre et al. (2025):

* `free`: a genome by its weight, then any place outside the held-out regions;
* `chunks`, as published: stretches of 6 * tokens + 100 bases (6,100 for 1,000 tokens), each sharing 50 with the next;
  an epoch goes through all of them in random order, and a window starts 0 to 100 bases into its chunk.

Of a population, a window of the reference is drawn, then an individual and one of its two haplotypes, whose variants
are put in. Not here: what masking does to a window (`masking`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.errors import GenomeError, SettingsError
from hexamer.manifest import STRICT
from hexamer.tokens.alphabet import N_CODE, Codes, reverse_complement
from hexamer.tokens.corpus import Corpus, Span
from hexamer.tokens.masking import Masking, mask_tokens
from hexamer.tokens.population import Population
from hexamer.tokens.storage import SOFT
from hexamer.tokens.tokenizer import CLS_ID, Ids, Tokenizer

_TRIES = 10_000
_MARGIN, _OVERLAP = 100, 50  # bases of a chunk beyond its window, and shared with the next chunk


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How windows are laid and weighted."""

    __pydantic_config__ = STRICT

    windows: Literal["free", "chunks"] = "free"
    """Anywhere, or the published chunks with a random start of 0 to 100 bases."""
    both_strands: bool = True
    """Read every other window, by chance, from the other strand."""
    most_n: float = 0.1
    """Windows with a larger share of N are not used."""
    soft_mask_weight: float = 1.0
    """Weight in the loss of a token all of whose bases are soft-masked (repeats); in between for a part of them."""

    def __post_init__(self) -> None:
        if not (0 <= self.most_n < 1 and 0 <= self.soft_mask_weight <= 1):
            raise SettingsError(
                f"most_n = {self.most_n}, soft_mask_weight = {self.soft_mask_weight}; from 0 to 1 would work"
            )


class Windows(NamedTuple):
    """Masked windows of some rows of a step."""

    ids: Ids
    """Original tokens, int32 [B, L]."""
    corrupted: Ids
    """What the model reads, int32 [B, L]."""
    weights: npt.NDArray[np.float32]
    """Weight in the loss, float32 [B, L]; 0 where the model is not asked."""


class Sampler:
    """Draws the windows of training steps.

    Parameters
    ----------
    corpus : Corpus
    tokenizer : Tokenizer
    tokens : int
        L, `<cls>` included.
    rows : int
        Windows of a step; only the order of chunks depends on it.
    seed : int
    sampling : Sampling, optional
    masking : Masking, optional
        By default as published: without random tokens for a corpus with a population, where they would look like
        variants.

    Attributes
    ----------
    dropped : dict of str to int
        Chunks of each genome that hold too much N; empty for free windows.
    unreachable : dict of str to dict of str to int
        What no window can lie on, of each genome with any: `bases` in stretches outside the held-out regions that are
        shorter than a window (or chunk), and `contigs` with no stretch that is long enough.

    Raises
    ------
    GenomeError
        If a genome to be drawn has no stretch as long as a window outside its held-out regions.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        *,
        tokens: int,
        rows: int,
        seed: int,
        sampling: Sampling | None = None,
        masking: Masking | None = None,
    ) -> None:
        self.corpus, self.tokenizer, self.tokens, self.rows, self.seed = corpus, tokenizer, tokens, rows, seed
        self.sampling = sampling or Sampling()
        self.populations = {
            entry["name"]: Population(corpus.folder, entry["population"]["name"])
            for entry in corpus.entries
            if entry.get("population")
        }
        self.masking = masking or (Masking(random=0.0) if self.populations else Masking())
        self.length = (tokens - 1) * tokenizer.k
        self.names = [name for name, weight in corpus.genomes.items() if weight]
        if not self.names:
            raise GenomeError(f"{corpus.folder}: every genome is held out or has weight 0; nothing to train on")
        weights = np.array([corpus.genomes[name] for name in self.names])
        self.shares = weights / weights.sum()
        self._edges = np.cumsum(self.shares)
        self._edges[-1] = 1.0  # whatever rounding says
        self.unreachable: dict[str, dict[str, int]] = {}
        self._spans = [self._long_spans(name) for name in self.names]
        # Free windows: place p of a genome lies in the span where the running number of starts exceeds p.
        self._starts = [np.cumsum([len(span) - self.length + 1 for span in spans]) for spans in self._spans]
        self._reads_soft = self.sampling.soft_mask_weight < 1
        self.dropped: dict[str, int] = {}
        self._chunks: list[npt.NDArray[np.int64]] = []
        if self.sampling.windows == "chunks":
            self._chunks = [self._lay_chunks(i) for i in range(len(self.names))]
            total = sum(map(len, self._chunks))
            # By size an epoch is every chunk once; by weight, as many windows, shared out.
            by_size = all(entry.get("by_size") for entry in corpus.entries)
            shares = [len(chunks) / total for chunks in self._chunks] if by_size else self.shares
            self._counts = [max(1, round(total * share)) for share in shares]
            self._epoch = sum(self._counts)
            self._order = lru_cache(maxsize=2)(self._shuffle)

    def _long_spans(self, genome: str) -> list[Span]:
        """Stretches of a genome that are as long as a window; the others are counted."""
        least = self.length + (self.tokenizer.k + _MARGIN if self.sampling.windows == "chunks" else 0)
        found = self.corpus.spans(genome, held_out=False)
        spans = [span for span in found if len(span) >= least]
        if lost := sum(len(span) for span in found if len(span) < least):
            contigs = {span.chrom for span in found} - {span.chrom for span in spans}
            self.unreachable[genome] = {"contigs": len(contigs), "bases": lost}
        if not spans:
            raise GenomeError(
                f"genome {genome!r}: no stretch of {least:,} bases outside the held-out regions; "
                "fewer tokens, or weight = 0, would work"
            )
        return spans

    def draw(self, step: int, rows: Iterable[int]) -> Windows:
        """Draw and mask rows of a step.

        Parameters
        ----------
        step : int
            From 1.
        rows : iterable of int
            Which of the step's rows, from 0; each is the same whoever asks for it, beside whichever others.

        Returns
        -------
        Windows

        Raises
        ------
        GenomeError
            If a genome is nearly all N.
        """
        rows = list(rows)
        ids = np.full((len(rows), self.tokens), CLS_ID, dtype=np.int32)
        corrupted, weights = ids.copy(), np.zeros(ids.shape, dtype=np.float32)
        key = np.array([self.seed, step], dtype=np.uint64)
        for i, row in enumerate(rows):
            rng = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, row]))
            codes = self._draw_chunk(rng, step, row) if self._chunks else self._draw_free(rng)
            plain = codes & np.uint8(SOFT - 1)
            if turned := self.sampling.both_strands and rng.random() < 0.5:
                plain = reverse_complement(plain)
            ids[i, 1:] = self.tokenizer.encode_codes(plain)[: self.tokens - 1]
            corrupted[i : i + 1], selected = mask_tokens(self.tokenizer, ids[i : i + 1], rng, masking=self.masking)
            weights[i] = selected[0]
            if self._reads_soft:
                soft = codes[::-1] if turned else codes
                weights[i, 1:] *= self._soft_weights(soft >= SOFT, ids[i, 1:])
        return Windows(ids, corrupted, weights)

    def _draw_free(self, rng: np.random.Generator) -> Codes:
        """One window from anywhere [length], soft-masked bases marked if that matters."""
        genome = int(self._edges.searchsorted(rng.random(), side="right"))
        ends = self._starts[genome]
        for _ in range(_TRIES):
            place = int(rng.integers(ends[-1]))
            i = int(ends.searchsorted(place, side="right"))
            start = place - (int(ends[i - 1]) if i else 0)
            codes = self._read(rng, self._spans[genome][i], start)
            if np.count_nonzero(codes & (SOFT - 1) == N_CODE) <= self.sampling.most_n * self.length:
                return codes
        raise GenomeError(f"genome {self.names[genome]!r}: {_TRIES:,} windows in a row hold too much N")

    def _draw_chunk(self, rng: np.random.Generator, step: int, row: int) -> Codes:
        """One window of the epoch's next chunk [length]."""
        epoch, place = divmod((step - 1) * self.rows + row, self._epoch)
        genome, chunk = self._order(epoch)[place]
        span, start = self._chunks[genome][chunk]
        return self._read(rng, self._spans[genome][span], int(start) + int(rng.integers(_MARGIN + 1)))

    def _read(self, rng: np.random.Generator, span: Span, start: int) -> Codes:
        """Read a window that begins `start` bases into a span, of the reference or of a person."""
        population = self.populations.get(span.genome)
        if population is None:
            return self.corpus.bases.read(span.offset + start, self.length, soft=self._reads_soft)
        individual, haplotype = int(rng.integers(len(population.individuals))), int(rng.integers(2))
        # Deletions use up reference: read more of it until the window is full, or the span ends.
        left = len(span) - start
        for reach in (self.length + self.length // 4, 4 * self.length, left):
            codes = self.corpus.bases.read(span.offset + start, min(reach, left), soft=self._reads_soft)
            codes = population.insert(
                codes, span.chrom, span.start + start, individual=individual, haplotype=haplotype, length=self.length
            )
            if codes.size == self.length:
                return codes
        return np.concatenate([codes, np.full(self.length - codes.size, N_CODE, dtype=np.uint8)])

    def _soft_weights(self, soft: npt.NDArray[np.bool_], ids: Ids) -> npt.NDArray[np.float32]:
        """Weight of each token [L - 1]: 1 without soft-masked bases, falling with their share."""
        lengths = self.tokenizer.token_lengths[ids]
        ends = np.cumsum(lengths)
        running = np.concatenate([[0], np.cumsum(soft)])
        share = (running[ends] - running[ends - lengths]) / lengths
        return (1 - (1 - self.sampling.soft_mask_weight) * share).astype(np.float32)

    def _lay_chunks(self, genome: int) -> npt.NDArray[np.int64]:
        """Chunks of a genome [C, 2]: span and start in it; those with too much N are dropped and counted."""
        size = self.length + self.tokenizer.k + _MARGIN
        laid = []
        for i, span in enumerate(self._spans[genome]):
            starts = np.arange(0, len(span) - size + 1, size - _OVERLAP, dtype=np.int64)
            # The last chunk ends with the span, so that every base is in one.
            starts = np.union1d(starts, [len(span) - size])
            n = self.corpus.bases.count_n(span.offset + starts, span.offset + starts + size)
            laid.append(np.stack([np.full(starts.size, i), starts], axis=1)[n <= self.sampling.most_n * size])
        chunks = np.concatenate(laid)
        total = sum(-(-(len(s) - size) // (size - _OVERLAP)) + 1 for s in self._spans[genome])
        self.dropped[self.names[genome]] = total - len(chunks)
        if not len(chunks):
            raise GenomeError(f"genome {self.names[genome]!r}: every chunk of {size:,} bases holds too much N")
        return chunks

    def _shuffle(self, epoch: int) -> npt.NDArray[np.int64]:
        """Order of an epoch [E, 2]: genome and chunk; genomes by their shares, each chunk as often as any other."""
        rng = np.random.default_rng([self.seed, epoch])
        parts = []
        for genome, (chunks, count) in enumerate(zip(self._chunks, self._counts, strict=True)):
            full, rest = divmod(count, len(chunks))
            picks = np.concatenate([np.tile(np.arange(len(chunks)), full), rng.permutation(len(chunks))[:rest]])
            parts.append(np.stack([np.full(count, genome), picks], axis=1))
        order: npt.NDArray[np.int64] = rng.permutation(np.concatenate(parts))
        return order
