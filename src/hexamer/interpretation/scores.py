"""A number for each base, and the tables that analyses write: attributions, mutagenesis, dependencies.

Bases that a person has inserted have no place of their own: tables give them the place of the base before them on the
forward strand, and in `inserted` which one they are, from 1; 0 is a base of the reference.
Not here: what is made of the numbers (`seqlets`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError
from hexamer.genome import Genome, Haplotype, Interval
from hexamer.genome.spelled import number_bases
from hexamer.interpretation.stretches import Places, Stretch, read_stretch

Values = npt.NDArray[np.float64]

_COLUMNS = {  # what tells a table
    "attribution": ("name", "chrom", "strand", "offset", "pos", "inserted", "base", "attribution"),
    "mutagenesis": ("name", "chrom", "pos", "ref", "alt", "llr"),
    "dependency": ("name", "chrom", "pos_changed", "pos_expected", "strength"),
}
_TEXTS = ("name", "chrom", "strand", "base", "ref", "alt", "reason")
_APART = 100  # bases for each that a table has: more, and it is of several regions
_EMPTY = {"pos": "", "llr": "", "attribution": ""}


class ScoredStretch(NamedTuple):
    """A stretch with a number for each base."""

    stretch: Stretch
    scores: Values
    """float64 [L]; NaN where nothing is known."""


def _number_bases(stretch: Stretch) -> tuple[Places, Places]:
    """Give the bases of a stretch, as they were read, their places and the numbers of inserted ones."""
    turn = slice(None, None, -1 if stretch.strand == "-" else 1)
    places, inserted = number_bases(stretch.places[turn])
    return places[turn], inserted[turn]


def tabulate_scores(scored: ScoredStretch, column: str = "attribution") -> pd.DataFrame:
    """Lay the numbers of a stretch out, a row for each base.

    Parameters
    ----------
    scored : ScoredStretch
    column : str
        What the numbers are called.

    Returns
    -------
    DataFrame
        `name`, `chrom`, `strand` (that was read), `offset` (0-based from the stretch's first base), `pos` (from 1,
        forward strand), `inserted`, `base` (as read), and the numbers, float32.
    """
    stretch, (places, inserted) = scored.stretch, _number_bases(scored.stretch)
    facts = {"name": stretch.name, "chrom": stretch.chrom, "strand": stretch.strand}
    table = pd.DataFrame(facts | {"offset": np.arange(len(places)), "pos": places + 1, "inserted": inserted})
    return table.assign(base=list(stretch.sequence), **{column: scored.scores.astype(np.float32)})


def read_scores(path: str | Path, genome: Genome | Haplotype | None = None) -> list[ScoredStretch]:
    """Read a number for each base from a table of an analysis.

    Parameters
    ----------
    path : str or Path
        `.tsv`, `.tsv.gz` or `.parquet`, of `attribute`; of `saturation-mutagenesis`: the importance of a base is minus
        the mean `llr` of its substitutions; or of `dependency-map`: the mean strength over the bases that depend on it.
    genome : Genome or Haplotype, optional
        What was looked into: for the bases of dependency maps, which tables leave out.

    Returns
    -------
    list of ScoredStretch

    Raises
    ------
    InputError
        If the file cannot be read, is no such table, or is a dependency map without its genome.
    """
    try:
        if Path(path).suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            types: Any = dict.fromkeys(_TEXTS, str)
            table = pd.read_csv(path, sep="\t", dtype=types, keep_default_na=False, na_values=_EMPTY)
    except (OSError, ValueError, EOFError) as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise InputError(f"{path}: cannot be read ({reason}); a .tsv, .tsv.gz or .parquet would work") from None
    kind = next((kind for kind, names in _COLUMNS.items() if {*names} <= {*table.columns}), None)
    if kind is None or table.empty:
        what = f"columns {', '.join(map(str, table.columns[:8]))}" if kind is None else "no row"
        raise InputError(
            f"{path}: {what}; a table of attribute, saturation-mutagenesis (with llr) or dependency-map would work"
        )
    if kind == "attribution":
        return list(_of_attribution(table))
    if kind == "mutagenesis":
        return list(_of_mutagenesis(table))
    if genome is None:
        raise InputError(f"{path}: a dependency map has no bases; its --genome (or FASTA) beside it would work")
    return list(_of_dependency(table, genome))


def _of_attribution(table: pd.DataFrame) -> Iterator[ScoredStretch]:
    for _, own in table.groupby((table["offset"] == 0).cumsum(), sort=False):
        first = own.iloc[0]
        places = np.where(own["inserted"] > 0, -1, own["pos"] - 1).astype(np.int64)
        stretch = Stretch(first["name"], first["chrom"], first["strand"], "".join(own["base"]), places)
        yield ScoredStretch(stretch, own["attribution"].to_numpy(np.float64))


def _of_mutagenesis(table: pd.DataFrame) -> Iterator[ScoredStretch]:
    """Bases of a region in their order; those between that no row has (they are N) have no number."""
    table = table[(table["ref"].str.len() == 1) & (table["alt"].str.len() == 1)]
    table = table if "inserted" in table else table.assign(inserted=0)
    for (name, chrom), own in table.groupby(["name", "chrom"], sort=False):
        bases = own.groupby(["pos", "inserted"]).agg(ref=("ref", "first"), llr=("llr", "mean"))
        first, last = bases.index[0][0], bases.index[-1][0]
        if last - first > _APART * len(bases):
            raise InputError(f"{name}: its bases lie {last - first:,} apart; a name for each region would work")
        between = [(pos, 0) for pos in range(first, last + 1)] if not own["inserted"].any() else []
        bases = bases.reindex(bases.index.union(between))
        pos, inserted = (bases.index.get_level_values(level).to_numpy(np.int64) for level in (0, 1))
        letters, places = "".join(bases["ref"].fillna("N")), np.where(inserted > 0, -1, pos - 1)
        yield ScoredStretch(Stretch(str(name), str(chrom), "+", letters, places), -bases["llr"].to_numpy(np.float64))


def _of_dependency(table: pd.DataFrame, genome: Genome | Haplotype) -> Iterator[ScoredStretch]:
    names = ["pos_changed", "pos_changed_inserted"]
    if names[1] in table and not isinstance(genome, Haplotype):
        raise InputError("a person's dependency map; --people and --person, as when it was made, would work")
    table = table if names[1] in table else table.assign(**{names[1]: 0})
    for (name, chrom), own in table.groupby(["name", "chrom"], sort=False):
        if own[names[0]].max() - own[names[0]].min() > _APART * own[names[0]].nunique():
            raise InputError(f"{name}: its bases lie far apart; a name for each region would work")
        interval = Interval(str(chrom), int(own[names[0]].min()) - 1, int(own[names[0]].max()), "+", str(name))
        stretch = read_stretch(genome, interval)
        places, inserted = _number_bases(stretch)
        index = pd.MultiIndex.from_arrays([places + 1, inserted])
        yield ScoredStretch(stretch, own.groupby(names)["strength"].mean().reindex(index).to_numpy(np.float64))
