"""Which sequences of a test set stand in the training set too: as they are, turned, or nearly.

Two sequences are copies if their bases are the same, capitals or not, or the same after one is read from the other
strand. They are near copies if the containment of their k-mers reaches a threshold: of the k-mers of the shorter one,
the share that the longer one has too, on either strand. A k-mer that stands there three times counts as three, so that
two repeats of one motif are as like as they are long. Of windows that overlap the containment is about the share of the
overlap, of whole windows that differ by substitutions about identity**k.

Candidates come from sketches, the k-mers whose hash has some zeros ("FracMinHash"), and are verified with all their
k-mers, for each sequence the 20 likeliest: no pair is reported that is less alike than said. One just as like as
the threshold is missed if its sketches share less than half of what they should: less than once in 1,000, but more
often among the shortest twentieth of the sequences. Where these have fewer than 128 k-mers there are no sketches, and
nothing is missed. Nothing depends on the order of the rows.
Sources: Broder (1997), On the resemblance and containment of documents; Irber et al. (2022) for FracMinHash.
Not here: what copies mean for a benchmark (`audit`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.benchmark.sequences import Places, Sequences
from hexamer.tokens import reverse_complement
from hexamer.tokens.alphabet import N_CODE
from hexamer.training.overlap import hash_words

Shares = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

KINDS = ("exact", "reverse_complement", "near")
LEAST_WORDS = 20
"""k-mers that a sequence needs to be compared by them. 0.4 of 20 12-mers are a match of 19 bases, which chance makes in
one of 350 such sequences against 30 million bases; of fewer k-mers chance would make many pairs."""

_SKETCH = 64  # k-mers in the sketch of a short sequence, at least: half of 0.4 of them is 3 deviations less
_MOST = 20  # candidates of a sequence that are verified, the likeliest first
_CELLS = 1 << 22  # pairs counted at a time
_KEPT = 1 << 20  # candidates in memory
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Copies:
    """Which test sequences are copies of which training sequences.

    Attributes
    ----------
    table : DataFrame
        One row for each test sequence with a copy: `test_row` and `train_row` (from 0; of training rows that are alike
        the first), `kind` (the first of `KINDS` that fits), `containment`, and `conflict`: whether some training row
        with that sequence has another label.
    groups : pair of int64 array
        A number for each training and each test row: the same for the same bases, with the last bit flipped for those
        of the other strand, -1 for a row without any base.
    too_short : pair of int
        Training and test rows that have bases, but fewer than `LEAST_WORDS` k-mers: no near copies of them are found.
    """

    table: pd.DataFrame
    groups: tuple[Places, Places]
    too_short: tuple[int, int]


def find_copies(
    train: Sequences,
    test: Sequences,
    labels: tuple[Places, Places],
    *,
    k: int = 12,
    threshold: float = 0.4,
    advance: Callable[[int], None] | None = None,
) -> Copies:
    """Find the test sequences that stand in training too, or nearly.

    Parameters
    ----------
    train, test : Sequences
    labels : pair of int64 array
        Class of each row of `train`, and of `test`.
    k : int
        Bases of a word, even, 2 to 62.
    threshold : float
        Containment from which on two sequences are near copies, above 0.
    advance : callable, optional
        Told the number of training sequences after each piece.

    Returns
    -------
    Copies
    """
    texts, own, others = _group(train, test)
    words = np.append(_count_words(texts, k), LEAST_WORDS)  # the last: of rows without a base
    strands = Members.of(own, labels[0], 2 * len(texts))
    both = Members.of(own >> 1, labels[0], len(texts))
    exact = np.where(strands.first[others] >= 0, others, -1)
    turned = np.where((exact < 0) & (strands.first[others ^ 1] >= 0), others ^ 1, -1)
    long = np.flatnonzero(words[:-1] >= LEAST_WORDS)
    asked = np.intersect1d(others[(exact < 0) & (turned < 0)] >> 1, long)
    known = np.intersect1d(own >> 1, long)
    partner, share = np.full(len(texts) + 2, -1), np.ones(len(texts) + 2)
    rate = _sampling(words[np.concatenate([asked, known])])
    match, share[asked] = _nearest(
        texts.take(asked), texts.take(known), k, threshold, rate, advance or (lambda n: None)
    )
    partner[asked] = np.append(known, -1)[match]
    near = np.where((exact < 0) & (turned < 0), partner[others >> 1], -1)
    found = [
        pd.DataFrame(
            {
                "test_row": rows,
                "train_row": members.first[matches[rows]],
                "kind": kind,
                "containment": share[others[rows] >> 1] if kind == "near" else 1.0,
                "conflict": members.differ(matches[rows], labels[1][rows]),
            }
        )
        for kind, matches, members in zip(KINDS, (exact, turned, near), (strands, strands, both), strict=True)
        for rows in [np.flatnonzero(matches >= 0)]
    ]
    too_short = [int((words[groups >> 1] < LEAST_WORDS).sum()) for groups in (own, others)]
    table = pd.concat(found).sort_values("test_row", ignore_index=True)
    return Copies(table, (own, others), (too_short[0], too_short[1]))


def group_copies(sequences: Sequences, *, k: int = 12, threshold: float = 0.4) -> Places:
    """Group rows so that no row has a copy, or a near copy, in another group.

    Parameters
    ----------
    sequences : Sequences
    k, threshold
        As `find_copies`.

    Returns
    -------
    int64 array [N]
        Number of each row's group, from 0. Copies of copies are in one group, however little the ends of such a chain
        are alike. Two limits: near copies of sequences of fewer than `LEAST_WORDS` k-mers are not found, and of those
        of a sequence the 19 likeliest count.

    Examples
    --------
    >>> from hexamer.tokens import bases_to_codes
    >>> rows = ["ACGTTGCAAGCTTAGCATCGATTACGATCAGT", "GGGTTCACTATTACGCGTAAATTCGGACCCAT"]
    >>> rows.append("ACTGATCGTAATCGATGCTAAGCTTGCAACGT")  # the first, from the other strand
    >>> group_copies(Sequences.of([bases_to_codes(row) for row in rows])).tolist()
    [1, 0, 1]
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    texts, own, _ = _group(sequences, sequences.take(np.zeros(0, dtype=np.int64)))
    words = _count_words(texts, k)
    long = np.flatnonzero(words >= LEAST_WORDS)
    edges: Pairs = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))
    if len(long):
        known, rate = texts.take(long), _sampling(words[long])
        edges = _candidates(known, known, k, threshold if rate == 1 else threshold / 2, rate, lambda n: None)
        if rate > 1:
            edges = _verify(known, known, k, edges)
    enough = edges[2] >= threshold
    pairs = (long[edges[0][enough]], long[edges[1][enough]])
    graph = csr_array((np.ones(len(pairs[0]), dtype=np.int8), pairs), shape=(len(texts), len(texts)))
    count, found = connected_components(graph, directed=False)
    # Rows without a base are alike to none.
    numbers = np.where(own >= 0, np.append(found, 0)[own >> 1], count + np.arange(len(own)))
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


class Members(NamedTuple):
    """Of each group the first training row, or -1, and its lowest and highest label; groups -1 and -2 are empty."""

    first: Places
    lowest: Places
    highest: Places

    @classmethod
    def of(cls, groups: Places, labels: Places, size: int) -> "Members":
        """Summarise the rows of each group; `groups` are below `size`, or negative for none."""
        known = np.flatnonzero(groups >= 0)[::-1]
        first, highest = np.full(size + 2, -1), np.full(size + 2, -1)
        lowest = np.full(size + 2, np.iinfo(np.int64).max)
        first[groups[known]] = known
        np.minimum.at(lowest, groups[known], labels[known])
        np.maximum.at(highest, groups[known], labels[known])
        return cls(first, lowest, highest)

    def differ(self, groups: Places, labels: Places) -> npt.NDArray[np.bool_]:
        """Whether a member of each of some groups has another label than the given one."""
        return (self.lowest[groups] != labels) | (self.highest[groups] != labels)


def _group(train: Sequences, test: Sequences) -> tuple[Sequences, Places, Places]:
    """Distinct sequences, each on the strand that sorts first, in order; and `Copies.groups`."""
    texts, turned = [], []
    for table in (train, test):
        known = table.count(0, 1, 2, 3) > 0
        for row in range(len(table)):
            forward, backward = table[row].tobytes(), reverse_complement(table[row]).tobytes()
            texts.append(min(forward, backward) if known[row] else None)
            turned.append(backward < forward)
    distinct = sorted({text for text in texts if text is not None})
    number = {text: 2 * i for i, text in enumerate(distinct)}
    groups = np.array(
        [-1 if text is None else number[text] + flip for text, flip in zip(texts, turned, strict=True)], dtype=np.int64
    )
    rows = [np.frombuffer(text, dtype=np.uint8) for text in distinct]
    return Sequences.of(rows), groups[: len(train)], groups[len(train) :]


def _count_words(texts: Sequences, k: int) -> Places:
    """Places of k-mers without N in each sequence."""
    counts = [np.bincount(_word_owners(piece, k), minlength=len(piece)) for _, piece in texts.pieces()]
    return np.concatenate([np.empty(0, dtype=np.int64), *counts])


def _word_owners(piece: Sequences, k: int) -> Places:
    """Sequence of each k-mer without N."""
    unknown = np.cumsum(np.append(0, piece.codes == N_CODE), dtype=np.int32)
    places = np.flatnonzero(unknown[k:] == unknown[:-k])
    return np.searchsorted(piece.starts, places, side="right") - 1


def _words(piece: Sequences, k: int, rate: int) -> tuple[Places, Words]:
    """Distinct k-mers of each sequence, on either strand, and their owners; one in `rate`, chosen by the hash itself.

    The copies of a k-mer within a sequence are numbered, and with its number each is a k-mer of its own.
    """
    # 10 bits of the owner and 54 of the hash are sorted as one number, many times quicker than as two.
    keys = _word_owners(piece, k).astype(np.uint64) << np.uint64(54) | hash_words(piece.codes, k) >> np.uint64(10)
    keys.sort()
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: keys.size])
    copy = np.arange(keys.size) - np.repeat(begins, np.diff(np.append(begins, keys.size)))
    words = (keys & np.uint64((1 << 54) - 1)) + copy.astype(np.uint64) * _GOLDEN
    chosen = (
        words >> np.uint64(20) & np.uint64(rate - 1) == 0
    )  # middle bits: the lesser of two hashes has small high ones
    return (keys >> np.uint64(54)).astype(np.int64)[chosen], words[chosen]


def _sampling(words: Places) -> int:
    """Of how many k-mers one is in the sketch, a power of two: all but one of twenty sequences have `_SKETCH` there."""
    short = float(np.quantile(words, 0.05)) if words.size else 0.0
    return 1 << max(0, int(np.log2(max(short, 1) / _SKETCH)))


class _Index:
    """The sketches of test sequences, by k-mer."""

    def __init__(self, test: Sequences, k: int, rate: int) -> None:
        from scipy.sparse import csr_array  # slow import, needed for audits only

        self.k, self.rate, self.make = k, rate, csr_array
        parts = [
            (first + owners, words) for first, piece in test.pieces() for owners, words in [_words(piece, k, rate)]
        ]
        owners = np.concatenate([part[0] for part in parts])
        self.words, columns = np.unique(np.concatenate([part[1] for part in parts]), return_inverse=True)
        self.sizes = np.bincount(owners, minlength=len(test))
        ones = np.ones(owners.size, dtype=np.int32)
        self.sketches = csr_array((ones, (columns, owners)), shape=(self.words.size, len(test)))

    def share(self, piece: Sequences) -> tuple[Places, Places, Shares]:
        """Pairs of test and training sequences that share k-mers of their sketches, and their estimated containment."""
        owners, words = _words(piece, self.k, self.rate)
        sizes = np.bincount(owners, minlength=len(piece))
        place = np.minimum(np.searchsorted(self.words, words), self.words.size - 1)
        hit = self.words[place] == words
        ones = np.ones(int(hit.sum()), dtype=np.int32)
        found = self.make((ones, (owners[hit], place[hit])), shape=(len(piece), self.words.size)) @ self.sketches
        found = found.tocoo()
        train, test = (axis.astype(np.int64) for axis in found.coords)
        return test, train, found.data / np.minimum(self.sizes[test], sizes[train])


def _nearest(
    test: Sequences, train: Sequences, k: int, threshold: float, rate: int, advance: Callable[[int], None]
) -> tuple[Places, Shares]:
    """Most alike training sequence of each test sequence, -1 where none is enough, and its containment."""
    match, best = np.full(len(test), -1), np.zeros(len(test))
    if not len(test) or not len(train):
        return match, best
    candidates = _candidates(test, train, k, threshold if rate == 1 else threshold / 2, rate, advance)
    if rate > 1:
        candidates = _verify(test, train, k, candidates)
    rows, others, share = _likeliest(candidates, 1)
    enough = share >= threshold
    match[rows[enough]], best[rows[enough]] = others[enough], share[enough]
    return match, best


Pairs = tuple[Places, Places, Shares]
"""Test sequences, training sequences, containment."""


def _candidates(
    test: Sequences, train: Sequences, k: int, least: float, rate: int, advance: Callable[[int], None]
) -> Pairs:
    """Pairs whose sketches are enough alike; of each test sequence the likeliest."""
    index = _Index(test, k, rate)
    kept: list[Pairs] = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))]
    if not index.words.size:
        return kept[0]
    for first, piece in train.pieces(max(1, _CELLS // len(test))):
        rows, others, share = index.share(piece)
        enough = share >= least
        kept.append((rows[enough], first + others[enough], share[enough]))
        if sum(len(rows) for rows, _, _ in kept) > _KEPT:
            kept = [_likeliest(_join(kept), _MOST)]
        advance(len(piece))
    return _likeliest(_join(kept), _MOST)


def _join(parts: list[Pairs]) -> Pairs:
    return (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


def _likeliest(pairs: Pairs, most: int) -> Pairs:
    """Of each test sequence the pairs of the highest containment, sorted; of equal ones the first."""
    order = np.lexsort((pairs[1], -pairs[2], pairs[0]))
    rows = pairs[0][order]
    chosen = np.arange(rows.size) - np.searchsorted(rows, rows) < most
    return rows[chosen], pairs[1][order][chosen], pairs[2][order][chosen]


def _verify(test: Sequences, train: Sequences, k: int, pairs: Pairs) -> Pairs:
    """Give the same pairs with the containment of all their k-mers."""
    rows, others, share = pairs
    share = share.copy()
    begins = np.flatnonzero(np.append(True, rows[1:] != rows[:-1])[: rows.size])
    for begin, end in zip(begins, np.append(begins, rows.size)[1:], strict=True):
        _, own = _words(test.take(rows[begin : begin + 1]), k, 1)
        owners, words = _words(train.take(others[begin:end]), k, 1)
        sizes = np.bincount(owners, minlength=end - begin)
        shared = np.bincount(owners[np.isin(words, own)], minlength=end - begin)
        share[begin:end] = shared / np.minimum(sizes, own.size)
    return rows, others, share
