"""What a masked token is worth without a network: token frequencies and Markov chains.

A pre-trained encoder has to beat these on sequence that neither has seen, or it has learnt nothing worth its cost.
Both are fitted on the training part of a corpus and give natural logarithms, to be compared with the encoder's loss.
The chains need the neighbours of a token on both sides: `has_neighbours` says which tokens of a window have them, and
only these are asked for, of chains and encoder alike.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from hexamer.errors import OutputError, SettingsError
from hexamer.manifest import write_atomically
from hexamer.tokens import Corpus, Tokenizer
from hexamer.tokens.alphabet import N_CODE, Codes
from hexamer.tokens.tokenizer import Ids

ORDER = 5
"""Bases of context of the chains that an encoder is compared with."""

Counts = npt.NDArray[np.int64]
Logs = npt.NDArray[np.float64]


def token_log_frequencies(tokenizer: Tokenizer, counts: Counts) -> Logs:
    """Log frequency of every token, all phases and both strands counted alike.

    Parameters
    ----------
    tokenizer : Tokenizer
    counts : int64 array [4**k]
        K-mers of the training sequence, as from `count_kmers`.

    Returns
    -------
    float64 array [V]
        Natural logarithms over k-mers, one pseudo-count each; other tokens are -inf.
    """
    logs = np.full(tokenizer.size, -np.inf)
    logs[tokenizer.first_kmer : tokenizer.first_letter] = np.log((counts + 1) / (counts + 1).sum())
    return logs


def count_kmers(stretches: Iterable[Codes], k: int) -> Counts:
    """Count overlapping k-mers without N on both strands.

    Parameters
    ----------
    stretches : iterable of uint8 array [B]
    k : int

    Returns
    -------
    int64 array [4**k]
        By base-4 value, first base most significant, digits A 0, T 1, C 2, G 3.

    Examples
    --------
    >>> from hexamer.tokens import bases_to_codes
    >>> count_kmers([bases_to_codes("AAT")], 2).nonzero()[0].tolist()
    [0, 1, 5]
    """
    counts = np.zeros(4**k, dtype=np.int64)
    for codes in stretches:
        for start in range(0, codes.size, 4_000_000):
            values = kmer_values(codes[start : start + 4_000_000 + k - 1], k)
            counts += np.bincount(values[values >= 0], minlength=4**k)
    return counts + counts[_reverse_complements(k)]


def kmer_values(codes: Codes, k: int) -> npt.NDArray[np.int32]:
    """Base-4 value of the k-mer that starts at each base; -1 where it holds an N.

    Parameters
    ----------
    codes : uint8 array [B]
    k : int

    Returns
    -------
    int32 array [B - k + 1]
    """
    size = max(codes.size - k + 1, 0)
    values, holds_n = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=bool)
    for i in range(k):
        column = codes[i : i + size]
        values = values * 4 + np.minimum(column, 3)
        holds_n |= column == N_CODE
    values[holds_n] = -1
    return values


def _reverse_complements(k: int) -> npt.NDArray[np.int64]:
    """Value of each k-mer's reverse complement [4**k]."""
    values, turned = np.arange(4**k), np.zeros(4**k, dtype=np.int64)
    for _ in range(k):
        turned = turned * 4 + (values % 4 ^ 1)
        values = values // 4
    return turned


class MarkovModel:
    """A Markov chain over bases, which scores a k-mer by the bases that stand before it, or on both sides.

    Parameters
    ----------
    counts : int64 array [4**(order + 1)]
        Words of `order` bases and the next one in the training sequence, as from `count_kmers`.

    Attributes
    ----------
    order : int
        Bases of context.
    log_base : float64 array [4**order, 4]
        Log probability of the next base, one pseudo-count each.
    """

    def __init__(self, counts: Counts) -> None:
        self._tables: dict[int, Logs] = {}
        self._contexts: dict[int, Logs] = {}
        smoothed = counts.reshape(-1, 4) + 1.0
        self.order = round(np.log(len(smoothed)) / np.log(4))
        self.log_base: Logs = np.log(smoothed / smoothed.sum(axis=1, keepdims=True))

    def log_kmers(self, k: int) -> Logs:
        """Log probability of each k-mer after each context.

        Parameters
        ----------
        k : int

        Returns
        -------
        float64 array [4**order, 4**k]
        """
        if k in self._tables:
            return self._tables[k]
        contexts = np.arange(4**self.order)[:, None]
        logs = np.zeros((4**self.order, 1))
        for _ in range(k):
            step = self.log_base[contexts]  # [contexts, prefixes, 4]
            logs = (logs[..., None] + step).reshape(len(logs), -1)
            contexts = (contexts[..., None] * 4 + np.arange(4)) % 4**self.order
            contexts = contexts.reshape(len(logs), -1)
        self._tables[k] = logs
        return logs

    def score_tokens(self, codes: Codes, places: npt.NDArray[np.int64], k: int) -> tuple[Logs, Logs]:
        """Log probability of the k-mers at some places, given their true neighbours.

        Parameters
        ----------
        codes : uint8 array [B]
            A window without N.
        places : int64 array [M]
            First bases of the k-mers; each has `order` bases on both sides.
        k : int

        Returns
        -------
        before : float64 array [M]
            Given the `order` bases before the k-mer: the ordinary Markov chain.
        around : float64 array [M]
            Given `order` bases on both sides, by Bayes' rule over all k-mers: the fairer opponent of a model that
            reads both sides. Both see true neighbours even where the encoder's are masked.
        """
        table = self.log_kmers(k)
        context = kmer_values(codes, self.order)
        left, token = context[places - self.order], kmer_values(codes, k)[places]
        right = context[places + k]
        before = table[left, token]
        # The right context after each k-mer depends on the last `order` bases before it only.
        ends = (left.astype(np.int64) * 4**k + token) % 4**self.order
        joint = before + self.log_kmers(self.order)[ends, right]
        return before, joint - self._log_contexts(k)[left, right]

    def _log_contexts(self, gap: int) -> Logs:
        """Log probability of each context behind a gap of unknown bases, given the one before, [4**order, 4**order].

        The sum over all words in the gap, which Bayes' rule divides by: a power of the chain's transition matrix.
        """
        if gap not in self._contexts:
            size = 4**self.order
            steps = np.zeros((size, size))
            contexts = np.arange(size)[:, None]
            np.put_along_axis(steps, (contexts * 4 + np.arange(4)) % size, np.exp(self.log_base), axis=1)
            self._contexts[gap] = np.log(np.linalg.matrix_power(steps, gap + self.order))
        return self._contexts[gap]


def has_neighbours(tokens: int, k: int) -> npt.NDArray[np.bool_]:
    """Which tokens of a window have `ORDER` bases on both sides: all but `<cls>` and one or two k-mers at each end.

    Parameters
    ----------
    tokens : int
        L, `<cls>` included; all others are k-mers.
    k : int

    Returns
    -------
    bool array [L]

    Raises
    ------
    SettingsError
        If none has.

    Examples
    --------
    >>> has_neighbours(5, 6).astype(int).tolist()
    [0, 0, 1, 1, 0]
    """
    at_each_end = -(-ORDER // k)
    if tokens < 2 * at_each_end + 2:
        raise SettingsError(
            f"tokens = {tokens}; {2 * at_each_end + 2} or more would work: a token is scored beside Markov chains, "
            f"which read {ORDER} bases on both sides of it"
        )
    found = np.ones(tokens, dtype=bool)
    found[: 1 + at_each_end] = found[tokens - at_each_end :] = False
    return found


class Baselines:
    """Token frequencies and a Markov chain, from counts of words in some training sequence.

    Parameters
    ----------
    tokenizer : Tokenizer
    kmers : int64 array [4**k]
        Counts of the tokenizer's k-mers.
    words : int64 array [4**6]
        Counts of words of `ORDER` bases and the next one.

    Attributes
    ----------
    is_fitted : bool
        Whether there was any such word; without one all losses are NaN.
    """

    def __init__(self, tokenizer: Tokenizer, *, kmers: Counts, words: Counts) -> None:
        self.tokenizer = tokenizer
        self.is_fitted = bool(kmers.any() and words.any())
        self.frequencies = token_log_frequencies(tokenizer, kmers)
        self.markov = MarkovModel(words)

    def score(self, codes: Codes, ids: Ids, selected: npt.NDArray[np.bool_], *, suffix: str) -> dict[str, Logs]:
        """Loss at selected tokens of a window.

        Parameters
        ----------
        codes : uint8 array [B]
            A window without N.
        ids : int array [L]
            Its tokens, `<cls>` first.
        selected : bool array [L]
            M of them, each with neighbours (`has_neighbours`).
        suffix : str
            "pooled" or "species", for the names.

        Returns
        -------
        dict of str to float64 array [M]
            Nats; NaN if nothing was fitted.
        """
        k = self.tokenizer.k
        places = (np.flatnonzero(selected) - 1) * k  # without N, token i covers bases 6(i - 1) to 6i
        frequency = self.frequencies[ids[selected]]
        before, around = self.markov.score_tokens(codes, places, k)
        losses = {
            f"token_frequency{'' if suffix == 'pooled' else '_species'}": -frequency,
            f"markov_{suffix}": -before,
            f"markov_{suffix}_two_sided": -around,
        }
        # Nothing but pseudo-counts would look like a baseline of its own.
        return losses if self.is_fitted else {name: np.full_like(loss, np.nan) for name, loss in losses.items()}


def fit_baselines(tokenizer: Tokenizer, corpus: Corpus) -> dict[str, Baselines]:
    """Fit on the training part of a corpus; the counts are kept in its folder.

    Parameters
    ----------
    tokenizer : Tokenizer
    corpus : Corpus

    Returns
    -------
    dict of str to Baselines
        By genome, and fitted on all of them together under the empty name. Those of a genome without training
        sequence are not fitted, and say NaN.
    """
    # With 6-mers the tokens and the words of a chain of order 5 are the same: counted once, used twice.
    counts = {k: _count_corpus(corpus, k) for k in {tokenizer.k, ORDER + 1}}
    return {
        name: Baselines(tokenizer, kmers=counts[tokenizer.k][name], words=counts[ORDER + 1][name])
        for name in counts[ORDER + 1]
    }


def _count_corpus(corpus: Corpus, k: int) -> dict[str, Counts]:
    """Words of k bases of each genome outside its held-out regions, and of all under the empty name."""
    facts = [[entry[key] for key in ("name", "contigs", "held_out")] for entry in corpus.entries]
    content = hashlib.sha256(json.dumps([corpus.record["files"], facts]).encode()).hexdigest()
    path = corpus.folder / f"counts-{k}.npz"
    try:
        with path.open("rb") as file, np.load(file) as kept:
            if str(kept["content"]) == content:
                return {name: kept["counts"][i] for i, name in enumerate(["", *corpus.genomes])}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # none yet, or a damaged one
    own = [count_kmers(corpus.training_codes(genome), k) for genome in corpus.genomes]
    counts = np.stack([np.sum(own, axis=0), *own])
    # A corpus that lies where nothing can be written is counted each time.
    with suppress(OutputError), write_atomically(path) as temporary:
        np.savez_compressed(temporary, content=content, counts=counts)
    return dict(zip(["", *corpus.genomes], counts, strict=True))
