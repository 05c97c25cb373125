"""Groups of places that are never divided between training and test.

Neighbours share sequence, so places are held out by whole contigs, or by blocks of them, and never one by one.
Not here: sets that overlap by homology (`hexamer.training.overlap`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hexamer.errors import GenomeError, SettingsError
from hexamer.genome.fasta import Genome
from hexamer.genome.intervals import Interval

Folds = npt.NDArray[np.int64]


def split_by_contig(chroms: Sequence[str], folds: int = 5) -> Folds:
    """Divide places among folds by contig, as evenly as whole contigs allow.

    Parameters
    ----------
    chroms : sequence of str
        Contig of each place.
    folds : int

    Returns
    -------
    int64 array [N]
        Fold of each place, from 0. The largest contig goes first, each into the fold that is smallest so far.

    Raises
    ------
    SettingsError
        If there are fewer contigs than folds.

    Examples
    --------
    >>> split_by_contig(["1", "1", "1", "2", "3", "2"], folds=2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    _check_number(folds)
    counts = Counter(chroms)
    if len(counts) < folds:
        instead = "fewer folds, or folds of blocks, would work" if len(counts) > 2 else "folds of blocks would work"
        raise SettingsError(
            f"{folds} folds of whole contigs: the variants lie on {len(counts)} ({', '.join(list(counts)[:5])}); "
            f"{instead}"
        )
    return _assign(list(chroms), counts, folds)


def split_by_block(chroms: Sequence[str], starts: npt.ArrayLike, folds: int = 5, *, block: int = 1_000_000) -> Folds:
    """Divide places among folds by blocks of contigs: for data of few contigs.

    Parameters
    ----------
    chroms : sequence of str
        Contig of each place.
    starts : int array [N]
        0-based.
    folds : int
    block : int
        Bases; blocks begin at multiples of it. Two places beside a border lie in two blocks, however near they are.

    Returns
    -------
    int64 array [N]
        Fold of each place, from 0.

    Raises
    ------
    SettingsError
        If there are fewer blocks with places than folds.

    Examples
    --------
    >>> split_by_block(["1"] * 4, [5, 1_000_005, 10, 2_000_000], folds=2).tolist()
    [0, 1, 0, 1]
    """
    _check_number(folds)
    keys = list(zip(chroms, (np.asarray(starts, dtype=np.int64) // block).tolist(), strict=True))
    counts = Counter(keys)
    if len(counts) < folds:
        instead = "fewer folds would work" if len(counts) > 2 else "a column of folds would work"
        raise SettingsError(f"{folds} folds of blocks: there are {len(counts)} blocks of {block:,} bases; {instead}")
    return _assign(keys, counts, folds)


def hold_out_groups(groups: npt.ArrayLike, share: float, *, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Choose whole groups, in random order, until they have a share of the rows.

    Parameters
    ----------
    groups : array [N]
        Group of each row: its contig, or what it is alike to.
    share : float
        Of the rows, more than 0 and less than 1.
    seed : int

    Returns
    -------
    bool array [N]
        Rows that are held out, from half the share to twice of it. A group that would make them more is passed over.

    Raises
    ------
    SettingsError
        If no groups make up half the share.

    Examples
    --------
    >>> hold_out_groups(["a", "a", "b", "c", "c", "c"], 0.3, seed=1).tolist()
    [True, True, False, False, False, False]
    """
    _, numbers, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    wanted, held, chosen = max(1.0, share * len(numbers)), 0, np.zeros(len(sizes), dtype=bool)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if held < wanted and held + sizes[group] <= 2 * wanted:
            chosen[group] = True
            held += sizes[group]
    if held < wanted / 2:
        raise SettingsError(
            f"{len(sizes):,} groups, the largest of {sizes.max():,} of {len(numbers):,} rows: no whole groups are "
            f"about {share:.0%} of them; rows of your own to choose by would work"
        )
    return chosen[numbers]


def place_region(genome: Genome, region: str) -> Interval:
    """Find a region string, or a whole contig, in a genome.

    Parameters
    ----------
    genome : Genome
    region : str
        `chr20:1-600` (from 1, end included), or a contig's name, which may hold colons.

    Returns
    -------
    Interval
        By the genome's name of the contig, and not beyond its end.

    Raises
    ------
    GenomeError, IntervalError
        If the contig is not in the genome, ends before the region, or the string has another form.
    """
    if region in genome or ":" not in region:
        chrom = genome.resolve(region)
        return Interval(chrom, 0, genome.length(chrom))
    asked = Interval.parse(region)
    chrom = genome.resolve(asked.chrom)
    length = genome.length(chrom)
    if asked.start >= length:
        raise GenomeError(f"hold_out {region}: {chrom} has {length:,} bases only")
    return Interval(chrom, asked.start, min(asked.end, length))


def split_by_region(
    chroms: Sequence[str], starts: npt.ArrayLike, ends: npt.ArrayLike, regions: Sequence[Interval]
) -> Folds:
    """Divide places into those outside some regions, inside, and across their edges.

    Parameters
    ----------
    chroms : sequence of str
        Contig of each place.
    starts, ends : array [N]
        0-based, half-open.
    regions : sequence of Interval

    Returns
    -------
    int64 array [N]
        0 outside, 1 inside one of them, -1 across an edge.

    Examples
    --------
    >>> split_by_region(["1", "1", "2"], [0, 8, 8], [9, 18, 18], [Interval("1", 8, 20)]).tolist()
    [-1, 1, 0]
    """
    names, first, last = np.asarray(chroms, dtype=object), np.asarray(starts), np.asarray(ends)
    found = np.zeros(len(names), dtype=np.int64)
    for region in regions:
        touched = (names == region.chrom) & (first < region.end) & (last > region.start)
        inside = touched & (first >= region.start) & (last <= region.end)
        found = np.where(inside, 1, np.where(touched & (found == 0), -1, found))
    return found


def check_folds(chroms: Sequence[str], starts: npt.ArrayLike, folds: npt.ArrayLike) -> None:
    """Raise SettingsError where one place lies in two folds.

    Parameters
    ----------
    chroms : sequence of str
    starts : int array [N]
    folds : array [N]
    """
    seen: dict[tuple[str, int], object] = {}
    places = zip(chroms, np.asarray(starts).tolist(), np.asarray(folds).tolist(), strict=True)
    for chrom, start, fold in places:
        if seen.setdefault((chrom, start), fold) != fold:
            raise SettingsError(
                f"{chrom}:{start + 1} lies in two folds, {seen[chrom, start]} and {fold}: what one variant teaches "
                "would be tested on the other; one fold for each position would work"
            )


def count_neighbours(chroms: Sequence[str], starts: npt.ArrayLike, folds: npt.ArrayLike, within: int) -> int:
    """Count places that have one of another fold nearby.

    Parameters
    ----------
    chroms : sequence of str [N]
    starts : int array [N]
    folds : array [N]
    within : int
        Bases.

    Returns
    -------
    int

    Examples
    --------
    >>> count_neighbours(["1"] * 4, [10, 50, 500, 520], [0, 1, 1, 1], within=100)
    2
    """
    places, parts = np.asarray(starts, dtype=np.int64), np.asarray(folds)
    near = np.zeros(len(places), dtype=bool)
    names = np.asarray(list(chroms), dtype=object)
    for name in set(chroms):
        rows = np.flatnonzero(names == name)
        for fold in np.unique(parts[rows]):
            mine, others = rows[parts[rows] == fold], np.sort(places[rows[parts[rows] != fold]])
            low = np.searchsorted(others, places[mine] - within)
            near[mine] = low < np.searchsorted(others, places[mine] + within, side="right")
    return int(near.sum())


def _check_number(folds: int) -> None:
    if folds < 2:
        raise SettingsError(f"{folds} folds; 2 or more would work")


def _assign(keys: Sequence[object], counts: Mapping[Any, int], folds: int) -> Folds:
    sizes = [0] * folds
    fold_of: dict[object, int] = {}
    for key, count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))):
        fold_of[key] = sizes.index(min(sizes))
        sizes[fold_of[key]] += count
    return np.array([fold_of[key] for key in keys], dtype=np.int64)
