"""Weight arrays: sites told by the bases around them, each given the ones before it.

The model that splice sites are found with where no network is: for each class of bases an inhomogeneous Markov chain
over the bases around its sites, and one over those around bases drawn at random; the ratio of both likelihoods, and how
frequent the class is, give its probability. Maximum-entropy models add pairs of distant bases.
Source: Zhang and Marr (1993). Not here: who wins (`protocol`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hexamer.tokens import bases_to_codes
from hexamer.tokens.alphabet import N_CODE
from hexamer.training.targets import NO_CLASS

BEFORE, AFTER = 30, 12
"""Bases in front of a site, and behind it, that are read."""
_PER_SITE = 20  # random bases drawn for each site
_LEAST = 5_000  # and at least
_EXTRA = 1.0  # a base more than was counted, of each kind, everywhere

Codes = npt.NDArray[np.int64]
Table = npt.NDArray[np.float64]


class WeightArrays:
    """Chains around the sites of each class.

    Parameters
    ----------
    sequences : sequence of str [N]
    targets : int array [N, bases]
        Class of each base, the first being "none"; -100 where it is not known.
    classes : int
    order : int
        Bases before each that it is told by: 0 for a weight matrix.
    seed : int
        Of the random bases.
    """

    def __init__(
        self, sequences: Sequence[str], targets: npt.NDArray[Any], classes: int, *, order: int = 1, seed: int = 0
    ) -> None:
        self.order, rng = order, np.random.default_rng(seed)
        known = np.bincount(targets[targets != NO_CLASS].astype(np.int64), minlength=classes)
        wanted = max(_LEAST, _PER_SITE * int(known[1:].sum()))
        share = min(1.0, wanted / max(int(known[0]), 1))
        counts = np.zeros((classes, BEFORE + 1 + AFTER, 5 ** (order + 1)))
        for sequence, row in zip(sequences, targets, strict=True):
            words = self._words(sequence)
            row = row[: len(sequence)]
            random = rng.random(len(row)) < share
            for own in range(classes):
                places = np.flatnonzero((row == own) & random if own == 0 else row == own)
                for offset in range(counts.shape[1]):
                    np.add.at(counts[own, offset], words[places + offset], 1)
        self.log_ratios = _log_chains(counts[1:], order) - _log_chains(counts[:1], order)
        """Of each class, place and word, float64 [C - 1, places, 5^(order + 1)]."""
        self.log_odds = np.log(np.maximum(known[1:], 1) / max(int(known[0]), 1))
        """Of each class against none, before a base was seen, float64 [C - 1]."""

    def predict(self, sequences: Sequence[str], width: int) -> npt.NDArray[np.float32]:
        """Probabilities of classes of each base.

        Parameters
        ----------
        sequences : sequence of str [N]
        width : int
            Bases of the longest, or more.

        Returns
        -------
        float32 array [N, width, C]
            0 behind a sequence's end.
        """
        found = np.zeros((len(sequences), width, len(self.log_ratios) + 1), dtype=np.float32)
        for row, sequence in zip(found, sequences, strict=True):
            words, length = self._words(sequence), len(sequence)
            scores = np.zeros((len(self.log_ratios) + 1, length))
            for own, chain in enumerate(self.log_ratios):
                scores[own + 1] = self.log_odds[own]
                for offset, table in enumerate(chain):
                    scores[own + 1] += table[words[offset : offset + length]]
            odds = np.exp(scores - scores.max(axis=0))
            row[:length] = (odds / odds.sum(axis=0)).T
        return found

    def _words(self, sequence: str) -> Codes:
        """Give the word that ends at each base, in base 5, with N before and behind the sequence."""
        codes = np.minimum(bases_to_codes(sequence).astype(np.int64), N_CODE)
        padded = np.pad(codes, (BEFORE + self.order, AFTER), constant_values=N_CODE)
        words = np.lib.stride_tricks.sliding_window_view(padded, self.order + 1)
        return words @ (5 ** np.arange(self.order, -1, -1))


def _log_chains(counts: Table, order: int) -> Table:
    """Log-probability of each word's last base, given the others; 0 for words with N."""
    split = counts.reshape(*counts.shape[:-1], 5**order, 5)
    whole = split[..., :4] + _EXTRA
    logs = np.zeros_like(split)
    logs[..., :4] = np.log(whole / whole.sum(axis=-1, keepdims=True))
    digits = np.arange(5**order)[:, None] // 5 ** np.arange(order) % 5  # of the words before
    logs[..., (digits == N_CODE).any(axis=1), :] = 0
    return logs.reshape(counts.shape)
