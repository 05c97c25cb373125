"""How much of the held-out sequence has been seen in training: repeats, duplications, relatives.

A held-out region is apart by its place, but copies of it may stand elsewhere. The measure is the share of its 60-mers
that occur, on either strand, in the training part of the corpus. Each 60-mer and its reverse complement get one 64-bit
hash (splitmix64 over the two 30-mers, the lesser of the strands). Among n training and m held-out 60-mers n m / 2**64
false hits are expected: 0.0004 for 230 and 33 million.
Held-out hashes lie sorted in memory and training sequence streams past: 8 bytes for each held-out 60-mer, or for a
random sample of them where there are more than `_MOST`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.tokens import Corpus
from hexamer.tokens.alphabet import N_CODE, Codes

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_MOST = 1 << 26  # held-out hashes in memory
_PIECE = 1 << 18  # bases hashed at a time: the temporaries stay in the cache
_FILTER_BITS = 30


def measure_overlap(
    corpus: Corpus,
    *,
    k: int = 60,
    expect: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Share of the held-out k-mers that occur in the training part.

    Parameters
    ----------
    corpus : Corpus
    k : int
        Bases of a word, even, 2 to 62.
    expect : callable, optional
        Told beforehand how many bases will be gone through: the training part once, held-out ones three times.
    advance : callable, optional
        Told the number of bases after each piece.

    Returns
    -------
    DataFrame
        One row per genome with held-out regions: `genome`, `words` (places of held-out k-mers without N, each counted),
        `seen` (share that occurs in the training part of any genome) and `seen_own` (of the same genome). NaN without
        words.

    Raises
    ------
    SettingsError
        If nothing is held out, or k is odd or out of range.
    """
    if not 2 <= k <= 62 or k % 2:
        raise SettingsError(f"k = {k}; an even number from 2 to 62 would work")
    held_out = [genome for genome in corpus.genomes if corpus.spans(genome, held_out=True)]
    if not held_out:
        raise SettingsError(f"{corpus.folder}: no genome has a held-out region; set hold_out in the recipe")
    advance = advance or (lambda bases: None)
    if expect is not None:
        expect(3 * _length(corpus, held_out=True) + _length(corpus, held_out=False))
    words = _Words(corpus, k, _thinning(corpus), advance)
    index = _Index(np.concatenate([piece for genome in held_out for piece in words.of(genome, held_out=True)]))
    seen, own = np.zeros(index.keys.size, dtype=bool), {}
    for genome in corpus.genomes:
        here = np.zeros_like(seen)
        for piece in words.of(genome, held_out=False):
            here[index.find(piece)] = True
        seen |= here
        if genome in held_out:
            own[genome] = _share(words, index, genome, here)
    rows = [(genome, *_share(words, index, genome, seen), own[genome][1]) for genome in held_out]
    return pd.DataFrame(rows, columns=["genome", "words", "seen", "seen_own"])


def _length(corpus: Corpus, *, held_out: bool) -> int:
    """Count the bases that are held out, or those that are not."""
    return sum(len(span) for genome in corpus.genomes for span in corpus.spans(genome, held_out=held_out))


def _thinning(corpus: Corpus) -> int:
    """Binary logarithm of how many held-out words there are for each one in memory."""
    spans = [span for genome in corpus.genomes for span in corpus.spans(genome, held_out=True)]
    starts, lengths = np.array([span.offset for span in spans]), np.array([len(span) for span in spans])
    known = int((lengths - corpus.bases.count_n(starts, starts + lengths)).sum())
    return max(0, int(np.ceil(np.log2(max(known, 1) / _MOST))))


def _share(words: "_Words", index: "_Index", genome: str, seen: Flags) -> tuple[int, float]:
    """Held-out words of a genome, and the share of them that were seen."""
    count = hits = 0
    for piece in words.of(genome, held_out=True):
        count += piece.size
        hits += int(seen[index.find(piece)].sum())
    return count << words.thinned, hits / count if count else float("nan")


class _Words:
    """Hashes of all words of a genome, piece by piece; one in 2**thinned of them, chosen by the hash itself."""

    def __init__(self, corpus: Corpus, k: int, thinned: int, advance: Callable[[int], None]) -> None:
        self.corpus, self.k, self.thinned, self.advance = corpus, k, thinned, advance

    def of(self, genome: str, *, held_out: bool) -> Iterator[Hashes]:
        """Yield uint64 arrays."""
        for span in self.corpus.spans(genome, held_out=held_out):
            codes = self.corpus.read(span)
            for start in range(0, codes.size, _PIECE):
                hashes = hash_words(codes[start : start + _PIECE + self.k - 1], self.k)
                # By middle bits: the lesser of two hashes has small high bits, and the low ones are the filter's.
                chosen = hashes >> np.uint64(_FILTER_BITS) & np.uint64((1 << self.thinned) - 1) == 0
                yield hashes[chosen] if self.thinned else hashes
                self.advance(min(_PIECE, codes.size - start))


class _Index:
    """Sorted hashes, and a bitmap that turns most others away before the search."""

    def __init__(self, hashes: Hashes) -> None:
        hashes.sort()
        self.keys = hashes[np.append(True, hashes[1:] != hashes[:-1])[: hashes.size]]
        self.bits = np.zeros(1 << _FILTER_BITS - 3, dtype=np.uint8)
        for start in range(0, self.keys.size, _PIECE):
            place, bit = self._bit(self.keys[start : start + _PIECE])
            np.bitwise_or.at(self.bits, place, bit)

    def _bit(self, hashes: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        short = (hashes & np.uint64((1 << _FILTER_BITS) - 1)).astype(np.int64)
        return short >> 3, np.left_shift(np.uint8(1), (short & 7).astype(np.uint8))

    def find(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """Places of those hashes that are among the keys."""
        place, bit = self._bit(hashes)
        likely = hashes[self.bits[place] & bit != 0]
        likely.sort()  # a sorted search walks through memory instead of jumping
        places = np.minimum(np.searchsorted(self.keys, likely), max(self.keys.size - 1, 0))
        return places[self.keys[places] == likely] if self.keys.size else places[:0]


def hash_words(codes: Codes, k: int) -> Hashes:
    """Hash of each word of k bases that holds no N, the same for a word and its reverse complement.

    Parameters
    ----------
    codes : uint8 array [B]
    k : int
        Even, 2 to 62.

    Returns
    -------
    uint64 array
        At most B - k + 1, in order; words with N are left out.

    Examples
    --------
    >>> from hexamer.tokens import bases_to_codes
    >>> one, other = (hash_words(bases_to_codes(text), 4) for text in ("AACGT", "ACGTT"))
    >>> one.tolist() == other[::-1].tolist()
    True
    """
    half, size = k // 2, codes.size - k + 1
    if size < 1:
        return np.empty(0, dtype=np.uint64)
    forward, backward = _both_strands(np.minimum(codes, 3), half)
    # A word is two halves; its reverse complement is theirs, in the other order.
    hashes = np.minimum(
        _mix(_mix(forward[:size]) + forward[half : half + size]),
        _mix(_mix(backward[half : half + size]) + backward[:size]),
    )
    unknown = np.cumsum(np.append(0, codes == N_CODE), dtype=np.int32)
    return hashes if unknown[-1] == 0 else hashes[unknown[k:] == unknown[:size]]


def _both_strands(codes: Codes, k: int) -> tuple[Hashes, Hashes]:
    """Base-4 values of all words of k bases, and of their reverse complements; by doubling the length."""
    forward, backward, length = codes.astype(np.uint64), (codes ^ 1).astype(np.uint64), 1
    single = forward, backward
    for bit in f"{k:b}"[1:]:
        steps = [(forward, backward, length)] + ([(*single, 1)] if bit == "1" else [])
        for next_forward, next_backward, more in steps:
            size = codes.size - length - more + 1
            shift, own = np.uint64(2 * more), np.uint64(2 * length)
            forward, backward = (
                (forward[:size] << shift) | next_forward[length : length + size],
                (next_backward[length : length + size] << own) | backward[:size],
            )
            length += more
    return forward, backward


def _mix(values: Hashes) -> Hashes:
    """Spread 64 bits over 64 bits: the finaliser of splitmix64 (Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
