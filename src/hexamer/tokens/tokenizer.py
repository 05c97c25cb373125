"""Six-mer tokens: the sequence as the Nucleotide Transformer reads it.

A sequence is cut from the left into non-overlapping k-mers (k = 6; 3 for the codon model). Every N is a token of its
own and restarts the cutting; what is left over before an N or at the end, one to k - 1 bases, becomes single-letter
tokens. `<cls>` comes first, nothing comes last.

    ACGTGTACNTGCACGGANCGACTAGTCTGA
    <cls> ACGTGT A C N TGCACG G A N CGACTA GTCTGA

Two layouts of the same vocabulary are published: v1 has `<eos>` and `<bos>` in the last two lines of `vocab.txt`,
without rows in the model (4105 rows); v2 has them in lines 4 and 5 (4107 rows). k-mer ids differ by two.
Source: spec of Dalla-Torre et al., Nature Methods 22:287-297 (2025). Not here: where a token lies (`coordinates`).
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from hexamer.errors import CheckpointError, SettingsError
from hexamer.tokens.alphabet import BASES, N_CODE, Codes, bases_to_codes

Ids = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

UNK_ID, PAD_ID, MASK_ID, CLS_ID = 0, 1, 2, 3
_BLOCK = 6 << 16  # bases tokenised at a time: so that the temporaries of a block stay in the cache


class Tokenizer:
    """The published tokenizer, vectorised over bases.

    Parameters
    ----------
    layout : {"v2", "v1"}
        Where `<eos>` and `<bos>` stand, see the module's text. AgroNT has v1, the 3-mer model v2.
    k : int
        Bases per k-mer.

    Attributes
    ----------
    vocabulary : tuple of str
        The lines of `vocab.txt`.
    size : int
        V, the rows of the model's embedding and logits: 4105 (v1), 4107 (v2), 75 (v2, k = 3).

    Raises
    ------
    SettingsError
        If the layout is not "v1" or "v2", or k is not from 1 to 7.

    Examples
    --------
    >>> tokenizer = Tokenizer("v1")
    >>> tokenizer.encode(["ACGTGTAC"])[0].tolist()
    [3, 737, 4100, 4102]
    >>> tokenizer.decode([3, 737, 4100, 4102])
    'ACGTGTAC'
    """

    def __init__(self, layout: Literal["v1", "v2"] = "v2", k: int = 6) -> None:
        if layout not in ("v1", "v2"):
            raise SettingsError(f"tokenizer layout {layout!r}: known layouts are 'v1' and 'v2'")
        if not 1 <= k <= 7:
            raise SettingsError(f"tokenizer k = {k}: 1 to 7 would work (published models have 6 or 3)")
        kmers = ["".join(letters) for letters in product(BASES, repeat=k)]
        specials, late = ["<unk>", "<pad>", "<mask>", "<cls>"], ["<eos>", "<bos>"]
        self.layout, self.k = layout, k
        self.first_kmer = 4 if layout == "v1" else 6
        self.first_letter = self.first_kmer + len(kmers)
        self.size = self.first_letter + len(BASES) + 1
        letters = [*BASES, "N"]
        self.vocabulary = tuple(
            [*specials, *kmers, *letters, *late] if layout == "v1" else [*specials, *late, *kmers, *letters]
        )
        # Bases that a token covers; 0 for the special ones.
        self.token_lengths = np.zeros(self.size, dtype=np.int32)
        self.token_lengths[self.first_kmer : self.first_letter] = k
        self.token_lengths[self.first_letter :] = 1

    @classmethod
    def from_vocabulary(cls, lines: Sequence[str]) -> "Tokenizer":
        """Recognise a published vocabulary.

        Parameters
        ----------
        lines : sequence of str
            The lines of `vocab.txt`.

        Returns
        -------
        Tokenizer

        Raises
        ------
        CheckpointError
            If the lines are no published layout.
        """
        lines = list(lines)
        for layout in ("v1", "v2"):
            for k in (6, 3):
                tokenizer = cls(layout, k)
                if list(tokenizer.vocabulary) == lines:
                    return tokenizer
        raise CheckpointError(
            f"vocab.txt: {len(lines)} lines that are no Nucleotide Transformer vocabulary; "
            "v1 or v2 order of 6-mers or 3-mers (A, T, C, G order) would work"
        )

    def __repr__(self) -> str:
        return f"Tokenizer({self.layout!r}, k={self.k})"

    @property
    def n_id(self) -> int:
        """Id of the token N."""
        return self.size - 1

    def encode(self, sequences: Iterable[str | bytes]) -> list[Ids]:
        """Tokenise sequences, `<cls>` first, no padding.

        Parameters
        ----------
        sequences : iterable of str or bytes
            DNA of any case; letters outside A, C, G, T become N (`report_letters` counts them).

        Returns
        -------
        list of int32 array [L]
            One array per sequence; an empty sequence gives `<cls>` alone.

        Raises
        ------
        SettingsError
            If a single string is given in place of a list.
        """
        if isinstance(sequences, str | bytes):
            raise SettingsError("encode: a list of sequences is needed, not one string; [sequence] would work")
        head = np.array([CLS_ID], dtype=np.int32)
        return [np.concatenate([head, self.encode_codes(bases_to_codes(s))]) for s in sequences]

    def encode_codes(self, codes: Codes) -> Ids:
        """Tokenise base codes, without `<cls>`.

        Parameters
        ----------
        codes : uint8 array [B]
            As from `bases_to_codes`.

        Returns
        -------
        int32 array [L]
        """
        is_n = codes == N_CODE
        if not is_n.any():
            return self._encode_run(codes)
        # Runs without N and the runs of N behind them, as [start, end) and n; the first or the last may be empty.
        edges = np.flatnonzero(np.diff(is_n, prepend=True, append=True))
        if is_n[0]:
            edges = np.concatenate([[0, 0], edges])
        if not is_n[-1]:
            edges = np.concatenate([edges, [codes.size]])
        starts, ends = edges[0:-1:2], edges[1::2]
        n_counts = np.append(starts[1:], codes.size) - ends
        if starts.size * 500 < codes.size:
            return self._encode_long_runs(codes, starts, ends, n_counts)
        return self._encode_short_runs(codes, starts, ends, n_counts)

    def decode(self, ids: Iterable[int]) -> str:
        """Turn tokens back into bases.

        Parameters
        ----------
        ids : iterable of int
            Token ids; special tokens are written as they are, except `<cls>` and `<pad>`, which vanish.

        Returns
        -------
        str
        """
        return "".join(self.vocabulary[i] for i in ids if i not in (CLS_ID, PAD_ID))

    def kmer_id(self, kmer: str) -> int:
        """Id of one k-mer or single letter.

        Parameters
        ----------
        kmer : str
            k letters of A, C, G, T, or one of A, C, G, T, N; upper case.

        Returns
        -------
        int

        Raises
        ------
        SettingsError
            If that is no token.
        """
        ids = self.encode_codes(bases_to_codes(kmer))
        if ids.size != 1:
            raise SettingsError(f"{kmer!r} is no single token of {self!r}")
        return int(ids[0])

    def _encode_run(self, codes: Codes) -> Ids:
        """Tokenise codes that hold no N."""
        whole = codes.size // self.k
        ids = np.empty(whole + codes.size % self.k, dtype=np.int32)
        step = _BLOCK // 6
        for block in range(0, whole, step):
            stop = min(block + step, whole)
            piece = codes[block * self.k : stop * self.k]
            ids[block:stop] = self._join([piece[i :: self.k] for i in range(self.k)])
        ids[whole:] = codes[whole * self.k :].astype(np.int32) + self.first_letter
        return ids

    def _encode_long_runs(self, codes: Codes, starts: Places, ends: Places, n_counts: Places) -> Ids:
        """Tokenise run by run: right for chromosomes, which have few runs of N."""
        pieces: list[Ids] = []
        for start, end, n in zip(starts.tolist(), ends.tolist(), n_counts.tolist(), strict=True):
            pieces += [self._encode_run(codes[start:end]), np.full(n, self.n_id, dtype=np.int32)]
        return np.concatenate(pieces)

    def _encode_short_runs(self, codes: Codes, starts: Places, ends: Places, n_counts: Places) -> Ids:
        """Tokenise all runs at once by gathering: right for sequences sprinkled with N."""
        whole, rest = np.divmod(ends - starts, self.k)
        offsets = np.cumsum(whole + rest + n_counts)
        ids = np.full(offsets[-1], self.n_id, dtype=np.int32)
        offsets -= whole + rest + n_counts
        at, sources = _spread(whole, offsets, starts, self.k)
        ids[at] = self._join([codes[sources + i] for i in range(self.k)])
        at, sources = _spread(rest, offsets + whole, starts + whole * self.k, 1)
        ids[at] = codes[sources].astype(np.int32) + self.first_letter
        return ids

    def _join(self, columns: Sequence[Codes]) -> npt.NDArray[np.uint16]:
        """Ids of k-mers from their k columns of codes (base-4 digits, first base first)."""
        value = columns[0].astype(np.uint16)
        for column in columns[1:]:
            value *= 4
            value += column
        value += np.uint16(self.first_kmer)
        return value


def _spread(counts: Places, targets: Places, sources: Places, stride: int) -> tuple[Places, Places]:
    """Output place and source base of each of the `counts[i]` tokens of every run i."""
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(targets, counts) + within, np.repeat(sources, counts) + within * stride
