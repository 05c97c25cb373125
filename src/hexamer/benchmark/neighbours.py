"""Which test rows lie beside training rows in the genome, or on them.

Not here: what they have in common (`copies`).
"""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.benchmark.rows import REGION, find_column
from hexamer.genome.contigs import plain_name


def compare_positions(train: pd.DataFrame, test: pd.DataFrame, distance: int) -> dict[str, Any] | None:
    """Count the test rows near training rows.

    Parameters
    ----------
    train, test : DataFrame
        With contig, start and end (0-based, half-open) under one of the names of `REGION`. Rows without them, or
        without a base between, are left out; contigs may go by another name in the other table.
    distance : int
        Bases.

    Returns
    -------
    dict or None
        `rows` of test with coordinates; those `overlapping` a training row; those `nearby`, overlapping or with fewer
        than `distance` bases between; those `on_chromosomes_in_both`; each with its `share_...`;
        `chromosomes_in_both`, and `distance`. None if a table has no coordinates.

    Examples
    --------
    >>> train = pd.DataFrame({"chrom": ["chr1", "chr2"], "start": [100, 0], "end": [200, 50]})
    >>> test = pd.DataFrame({"chrom": ["1", "1"], "start": [150, 900], "end": [250, 950]})
    >>> found = compare_positions(train, test, 1000)
    >>> found["overlapping"], found["nearby"], found["chromosomes_in_both"]
    (1, 2, ['1'])
    """
    own, others = _find_regions(train), _find_regions(test)
    if own is None or others is None:
        return None
    own, others = (table.assign(chrom=table["chrom"].map(plain_name)) for table in (own, others))
    meant = {name: name for name in set(own["chrom"]) & set(others["chrom"])}
    counts: Counter[str] = Counter()
    for chrom, places in others.groupby(others["chrom"].map(meant)):
        there = own[own["chrom"] == chrom]
        counts["overlapping"] += int(_touches(there, places, 0).sum())
        counts["nearby"] += int(_touches(there, places, distance).sum())
        counts["on_chromosomes_in_both"] += len(places)
    found = {name: counts[name] for name in ("overlapping", "nearby", "on_chromosomes_in_both")}
    shares = {f"share_{name}": count / max(len(others), 1) for name, count in found.items()}
    both = sorted(set(meant.values()))
    return {"rows": len(others), **found, **shares, "chromosomes_in_both": both, "distance": distance}


def _find_regions(table: pd.DataFrame) -> pd.DataFrame | None:
    """Rows with coordinates, as `chrom`, `start`, `end`; None if there are no such columns."""
    columns = [find_column([str(column) for column in table.columns], names) for names in REGION]
    if not all(columns):
        return None
    regions = table[columns].set_axis(["chrom", "start", "end"], axis=1)
    for side in ("start", "end"):
        regions[side] = pd.to_numeric(regions[side], errors="coerce").replace([np.inf, -np.inf], np.nan)
    regions = regions.dropna()
    chrom = (
        regions["chrom"].astype(str).str.replace(r"^([0-9]+)\.0$", r"\1", regex=True)
    )  # numbers beside missing ones are floats
    regions = regions.assign(chrom=chrom, start=regions["start"].astype(int), end=regions["end"].astype(int))
    return regions[regions["start"] < regions["end"]]


def _touches(there: pd.DataFrame, places: pd.DataFrame, distance: int) -> npt.NDArray[np.bool_]:
    """Whether an interval of the same chromosome overlaps each place widened by a distance."""
    starts, ends = np.sort(there["start"].to_numpy()), np.sort(there["end"].to_numpy())
    # Of all that begin before the place's end, some do not end before its start.
    begun = np.searchsorted(starts, places["end"].to_numpy() + distance, side="left")
    ended = np.searchsorted(ends, places["start"].to_numpy() - distance, side="right")
    return np.asarray(begun > ended)
