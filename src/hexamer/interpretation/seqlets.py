"""Seqlets: short stretches whose bases matter more than bases of the same sequence in random order would.

Any number for each base will do (`scores`). Windows of several widths are compared by their standardised sums; a
window's p is twice (there are high and low ones) how often the highest window of the shuffled sequence is as high, so
it holds for the whole sequence. It takes bases for independent. Those of a token partly share one number, so p ranks
seqlets of attributions, and is no error rate of theirs. Letters: L bases.
Not here: what seqlets look like (`motifs`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.interpretation.scores import ScoredStretch

Values = npt.NDArray[np.float64]

WIDTHS = (5, 7, 9, 12, 16, 20)
"""Bases of the windows that are compared."""
_AT_ONCE = 2**20  # shuffled bases that are held


def find_seqlets(
    scores: npt.NDArray[Any] | Sequence[npt.ArrayLike],
    *,
    level: float = 0.05,
    flank: int = 0,
    widths: Sequence[int] = WIDTHS,
    shuffles: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Find the windows of sequences whose bases have more, or less, than bases in random order would.

    Parameters
    ----------
    scores : float array [L], [N, L], or a list of arrays of any lengths
        A number for each base; NaN counts as the mean.
    level : float
        Highest p of a seqlet.
    flank : int
        Bases by which a seqlet is widened on both sides, as far as the sequence goes.
    widths : sequence of int
        Bases of the windows.
    shuffles : int
        Random orders of each sequence.
    seed : int

    Returns
    -------
    DataFrame
        `sequence` (number of the array), `start` and `end` (0-based, half-open, flanks included), `score` (sum over
        the window, without flanks), `p`. Best first within a sequence; windows do not overlap, flanks may.

    Raises
    ------
    SettingsError
        If a width, the level or the shuffles cannot be.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=200)
    >>> values[100:109] += 4
    >>> find_seqlets(values)[["start", "end"]].values.tolist()
    [[100, 109]]
    """
    if not (0 < level <= 1 and shuffles >= 1 and flank >= 0 and widths and min(widths) >= 1):
        raise SettingsError(
            f"level {level}, {shuffles} shuffles, flank {flank}, widths {list(widths)}: a level above 0 and up to 1, "
            "a flank of 0 or more, and others of 1 or more would work"
        )
    if seed < 0:
        raise SettingsError(f"seed {seed}; 0 or more would work")
    if level < 2 / (1 + shuffles):
        raise SettingsError(f"level {level}: {shuffles} shuffles cannot tell it; {int(np.ceil(2 / level)) - 1} would")
    one = isinstance(scores, np.ndarray) and scores.ndim == 1
    rows: list[tuple[Any, ...]] = []
    for number, each in enumerate([scores] if one else list(scores)):
        values = np.asarray(each, dtype=np.float64)
        draw = np.random.default_rng([seed, number])
        for start, end, p in _windows(values, level, sorted(widths), shuffles, draw):
            total = float(np.nansum(values[start:end]))
            rows.append((number, max(0, start - flank), min(len(values), end + flank), total, p))
    return pd.DataFrame(rows, columns=["sequence", "start", "end", "score", "p"]).astype({"start": int, "end": int})


def describe_seqlets(scored: Sequence[ScoredStretch], seqlets: pd.DataFrame) -> pd.DataFrame:
    """Say where seqlets lie and what they read.

    Parameters
    ----------
    scored : sequence of ScoredStretch
    seqlets : DataFrame
        As `find_seqlets` of their scores.

    Returns
    -------
    DataFrame
        `name`, `chrom`, `start`, `end` (forward strand, 0-based; of the bases that have a place, empty if none has),
        `strand`, `sequence` (as it was read), `score`, `seqlet_p`.
    """
    rows: list[tuple[Any, ...]] = []
    columns = [seqlets[name].tolist() for name in ("sequence", "start", "end", "score", "p")]
    for number, start, end, score, p in zip(*columns, strict=True):
        stretch = scored[number].stretch
        places = stretch.places[start:end]
        known = places[places >= 0]
        span = (int(known.min()), int(known.max()) + 1) if len(known) else (None, None)
        rows.append((stretch.name, stretch.chrom, *span, stretch.strand, stretch.sequence[start:end], score, p))
    names = ["name", "chrom", "start", "end", "strand", "sequence", "score", "seqlet_p"]
    return pd.DataFrame(rows, columns=names).astype({"start": "Int64", "end": "Int64"})


def weigh_bases(scored: Sequence[ScoredStretch], seqlets: pd.DataFrame) -> list[Values]:
    """Weigh the bases of seqlets by their scores, so that those that do not matter may be any base in a motif.

    Parameters
    ----------
    scored, seqlets
        As `describe_seqlets`.

    Returns
    -------
    list of float64 array
        0 to 1: sizes of scores, as shares of the seqlet's upper quartile.
    """
    found = []
    for number, start, end in seqlets[["sequence", "start", "end"]].itertuples(index=False, name=None):
        sizes = np.nan_to_num(np.abs(scored[number].scores[start:end]))
        found.append(np.minimum(sizes / (np.quantile(sizes, 0.75) or 1.0), 1.0))
    return found


def _windows(
    values: Values, level: float, widths: Sequence[int], shuffles: int, draw: np.random.Generator
) -> Iterator[tuple[int, int, float]]:
    """Find windows of one sign, take them out, and look at the rest, until there are no more.

    Where high bases stand together, the others are lower than in random order: they are judged among themselves.
    """
    left = np.isfinite(values)
    while left.sum() > min(widths) and (spread := values[left].std()):
        known = [width for width in widths if width < left.sum()]
        standard = np.where(left, (values - values[left].mean()) / spread, 0.0)
        sums = _sums(standard[None], known)[0]
        starts = np.concatenate([np.arange(len(values) - width + 1) for width in known])
        ends = starts + np.repeat(known, [len(values) - width + 1 for width in known])
        p = _chances(standard[left], sums, known, shuffles, draw)
        taken = ~left & np.isfinite(values)
        best = [i for i in np.flatnonzero(p <= level) if not taken[starts[i] : ends[i]].any()]
        if not best:
            return
        best.sort(key=lambda i: -abs(sums[i]))
        for i in best:
            if sums[i] * sums[best[0]] > 0 and not taken[starts[i] : ends[i]].any():
                taken[starts[i] : ends[i]] = True
                yield int(starts[i]), int(ends[i]), float(p[i])
        left &= ~taken


def _chances(values: Values, sums: Values, widths: Sequence[int], shuffles: int, draw: np.random.Generator) -> Values:
    """Find how often the shuffled values have a window as high, or as low, as each of some sums."""
    tails, at_once = np.empty((2, shuffles)), max(1, _AT_ONCE // len(values))
    for done in range(0, shuffles, at_once):
        some = slice(done, min(done + at_once, shuffles))
        null = _sums(draw.permuted(np.tile(values, (some.stop - done, 1)), axis=1), widths)
        tails[:, some] = null.max(axis=1), -null.min(axis=1)
    tails.sort(axis=1)
    beyond = [shuffles - np.searchsorted(tail, np.abs(sums), side="left") for tail in tails]
    return np.minimum(2 * (1 + np.where(sums > 0, *beyond)) / (1 + shuffles), 1.0)


def _sums(rows: Values, widths: Sequence[int]) -> Values:
    """Add up all windows, over the square root of their width: [N, windows], width by width, by place."""
    total = np.pad(rows.cumsum(axis=1), ((0, 0), (1, 0)))
    return np.concatenate([(total[:, width:] - total[:, :-width]) / np.sqrt(width) for width in widths], axis=1)
