"""Sequences as base codes, one after the other: what is counted and hashed at once, without a loop over them.

Not here: what is made of them (`copies`, `artefacts`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hexamer.tokens.alphabet import N_CODE, Codes

Places = npt.NDArray[np.int64]

ROWS = 1 << 10
"""Sequences in a piece, at most: a number within it takes 10 bits."""
_PIECE = 1 << 18  # bases in a piece, if it has more than one sequence: the temporaries stay in the cache


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences as base codes, one after the other.

    Attributes
    ----------
    codes : uint8 array
        With an N after each sequence, so that no k-mer runs across.
    starts : int64 array [N + 1]
        Where each begins, and the length of `codes`.
    """

    codes: Codes
    starts: Places

    @classmethod
    def of(cls, rows: Sequence[Codes]) -> "Sequences":
        """Join sequences.

        Parameters
        ----------
        rows : sequence of uint8 array

        Returns
        -------
        Sequences
        """
        end = np.array([N_CODE], dtype=np.uint8)
        starts = np.cumsum([0, *(row.size + 1 for row in rows)], dtype=np.int64)
        return cls(np.concatenate([end[:0], *(part for row in rows for part in (row, end))]), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> Codes:
        return self.codes[self.starts[row] : self.starts[row + 1] - 1]

    def take(self, rows: Places) -> "Sequences":
        """Give some of the sequences, in that order."""
        return Sequences.of([self[row] for row in rows.tolist()])

    def pieces(self, most: int = ROWS) -> Iterator[tuple[int, "Sequences"]]:
        """Yield some sequences at a time, at most so many and never more than `ROWS`, with the number of the first."""
        first = 0
        while first < len(self):
            after = int(np.searchsorted(self.starts, self.starts[first] + _PIECE, side="right")) - 1
            after = max(first + 1, min(after, first + min(most, ROWS)))
            begin, end = self.starts[first], self.starts[after]
            yield first, Sequences(self.codes[begin:end], self.starts[first : after + 1] - begin)
            first = after

    def count(self, *codes: int) -> Places:
        """How many bases of each sequence are one of some codes, [N]."""
        flags = np.isin(self.codes, codes)
        flags[self.starts[1:] - 1] = False
        return np.add.reduceat(flags, self.starts[:-1], dtype=np.int64) if len(self) else self.starts[:0]
