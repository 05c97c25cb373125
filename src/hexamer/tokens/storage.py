"""Bases on disk: two bits each, with the runs of N and of soft-masked bases beside them.

Three files: `bases.u2` (four bases a byte, first base in the lowest bits, codes of `alphabet`; N is stored as A),
`n.npy` and `soft.npy` (int64 [2, R]: starts and ends of sorted stretches, 0-based half-open
places in the file). All are memory-mapped,
so that any number of processes share one copy. A human genome takes 0.8 GB.
Not here: which contig lies where (`corpus`).
"""

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from hexamer.errors import OutputError, SettingsError
from hexamer.tokens.alphabet import N_CODE, Codes, LetterReport, bases_to_codes, report_letters

SOFT = 8
"""Bit that marks a soft-masked base in codes read with `soft=True`."""
FILES = ("bases.u2", "n.npy", "soft.npy")

Places = npt.NDArray[np.int64]
Runs = npt.NDArray[np.int64]

_ALL_LOWER = 0.99  # a contig with a larger share of lower case was written so, not masked
_SHIFTS = np.array([0, 2, 4, 6], dtype=np.uint8)
# The four codes of each byte, as one 32-bit word: unpacking is one look-up a byte.
_FOUR = np.ascontiguousarray((np.arange(256, dtype=np.uint8)[:, None] >> _SHIFTS) & 3).view(np.uint32).ravel()
_LOWER = np.array([chr(i).islower() and i < 128 for i in range(256)])


class BaseWriter:
    """Write contigs one after the other, a piece at a time.

    Parameters
    ----------
    folder : Path
        Exists; the three files are written under hidden names and appear when the block ends well.

    Raises
    ------
    OutputError
        At the end of the block, if the files cannot be written.
    OSError
        Before, for the same reason.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = 0
        self._runs: dict[str, list[Runs]] = {"n": [], "soft": []}
        self._contig_soft: list[Runs] = []
        self._lower = self._known = 0
        self._file = self._hidden("bases.u2").open("wb")

    def _hidden(self, name: str) -> Path:
        return self.folder / f".building.{name}"

    def start_contig(self) -> int:
        """Begin a contig at a whole byte, and return its place in the file."""
        self._contig_soft, self._lower, self._known = [], 0, 0
        return self.place

    def write(self, letters: bytes, *, last: bool) -> LetterReport:
        """Append a piece of a contig.

        Parameters
        ----------
        letters : bytes
            As in the FASTA; every piece but the contig's last has a multiple of four.
        last : bool
            Whether the contig ends here.

        Returns
        -------
        LetterReport
        """
        codes = bases_to_codes(letters)
        is_n = codes == N_CODE
        padded = np.zeros(-(-codes.size // 4) * 4, dtype=np.uint8)
        padded[: codes.size] = np.where(is_n, 0, codes)
        packed = padded[0::4] | padded[1::4] << 2 | padded[2::4] << 4 | padded[3::4] << 6
        self._file.write(packed.tobytes())
        self._runs["n"].append(runs_of(is_n) + self.place)
        is_lower = _LOWER[np.frombuffer(letters, dtype=np.uint8)]
        self._contig_soft.append(runs_of(is_lower) + self.place)
        self._lower += int((is_lower & ~is_n).sum())
        self._known += int((~is_n).sum())
        self.place += codes.size
        if last:
            self.place = -(-self.place // 4) * 4
        return report_letters(letters)

    def end_contig(self) -> bool:
        """End a contig; whether its lower-case letters mark repeats: not where nearly all are lower case."""
        if self._lower < _ALL_LOWER * self._known:
            self._runs["soft"] += self._contig_soft
            return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        try:
            if kind is None:
                for name, runs in self._runs.items():
                    np.save(self._hidden(f"{name}.npy"), join_runs(runs))
                for name in FILES:
                    self._hidden(name).replace(self.folder / name)
        except OSError as problem:
            raise OutputError(f"{self.folder}: cannot be written ({problem.strerror or problem})") from problem
        finally:
            for name in FILES:
                self._hidden(name).unlink(missing_ok=True)


class BaseReader:
    """Read stretches of bases from memory-mapped files.

    Parameters
    ----------
    folder : Path
        As written by `BaseWriter`.

    Raises
    ------
    SettingsError
        If a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            # Plain arrays over the maps: slicing np.memmap itself costs microseconds.
            self.packed = np.asarray(np.memmap(folder / "bases.u2", dtype=np.uint8, mode="r"))
            self.n: Runs = np.asarray(np.load(folder / "n.npy", mmap_mode="r"))
            self.soft: Runs = np.asarray(np.load(folder / "soft.npy", mmap_mode="r"))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{folder}: a file of the corpus is missing or damaged ({error}); build again"
            ) from error

    def __len__(self) -> int:
        return self.packed.size * 4

    def read(self, place: int, length: int, *, soft: bool = False) -> Codes:
        """Codes of a stretch.

        Parameters
        ----------
        place : int
            First base, counted through the file.
        length : int
            B.
        soft : bool
            Add 8 (`SOFT`) to soft-masked bases.

        Returns
        -------
        uint8 array [B]
            A new array: 0 A, 1 T, 2 C, 3 G, 4 N.
        """
        first = place // 4
        words = _FOUR[self.packed[first : (place + length + 3) // 4]]
        codes: Codes = words.view(np.uint8)[place - 4 * first :][:length]
        _mark(codes, self.n, place, N_CODE)
        if soft:
            covered = np.zeros(length, dtype=np.uint8)
            _mark(covered, self.soft, place, SOFT)
            codes |= covered
        return codes

    def count_n(self, starts: Places, ends: Places) -> Places:
        """Count N in each of many stretches, from the runs alone.

        Parameters
        ----------
        starts, ends : int64 array [S]
            Places in the file, half-open.

        Returns
        -------
        int64 array [S]
        """
        last, total = self._running_n

        def before(places: Places) -> Places:
            i = np.searchsorted(self.n[0], places)
            counted: Places = total[i] - np.maximum(last[i] - places, 0)  # less what the run that began last has left
            return counted

        return before(ends) - before(starts)

    @cached_property
    def _running_n(self) -> tuple[Places, Places]:
        """End of the last of the first i runs of N, and the N in all i of them, both [R + 1]."""
        total = np.concatenate([[0], np.cumsum(self.n[1] - self.n[0])])
        return np.concatenate([[0], self.n[1]]), total


def _mark(codes: Codes, runs: Runs, place: int, value: int) -> None:
    """Write a value wherever a run covers a stretch that begins at `place`."""
    starts, ends = runs
    i = int(ends.searchsorted(place, side="right"))
    while i < len(ends) and starts[i] < place + codes.size:
        codes[max(int(starts[i]) - place, 0) : int(ends[i]) - place] = value
        i += 1


def runs_of(flags: npt.NDArray[np.bool_]) -> Runs:
    """Find starts and ends of the stretches of True, [2, R], 0-based and half-open.

    Examples
    --------
    >>> runs_of(np.array([True, False, True, True])).tolist()
    [[0, 2], [1, 4]]
    """
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return np.ascontiguousarray(edges.reshape(-1, 2).T, dtype=np.int64)


def join_runs(pieces: list[Runs]) -> Runs:
    """Put sorted runs together, and make one of two that touch.

    Examples
    --------
    >>> join_runs([np.array([[0], [4]]), np.array([[4, 9], [6, 10]])]).tolist()
    [[0, 9], [6, 10]]
    """
    starts, ends = np.concatenate([*pieces, np.empty((2, 0), dtype=np.int64)], axis=1)
    apart = starts[1:] > ends[:-1]
    opens, closes = np.append(True, apart)[: starts.size], np.append(apart, True)[: starts.size]
    return np.stack([starts[opens], ends[closes]])
