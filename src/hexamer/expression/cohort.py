"""Who was measured, and what: people who are in both files, and who is held out.

Not here: files (`tables`), genotypes (`dosages`), one scale for all genes (`normalisation`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError, SettingsError
from hexamer.genome.lines import list_some

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Expression:
    """Expression of genes in people.

    Attributes
    ----------
    values : float64 array [G, S]
        A row for each gene, a column for each person; NaN where nothing was measured.
    genes : DataFrame
        `gene_id`, `chrom`, `tss` (0-based), `strand` ("+" where it is not told), `name`, row for row.
    samples : tuple of str
    passed_over : tuple of str
        Columns of the table that are nobody who was asked for.
    annotated : int
        Genes whose places are an annotation's.
    """

    values: Values
    genes: pd.DataFrame
    samples: tuple[str, ...]
    passed_over: tuple[str, ...] = ()
    annotated: int = 0

    def take(self, samples: Sequence[str]) -> "Expression":
        """Choose people, in the order given."""
        places = {name: i for i, name in enumerate(self.samples)}
        columns = [places[name] for name in samples]
        return replace(self, values=self.values[:, columns], samples=tuple(samples))

    def take_genes(self, rows: npt.NDArray[np.bool_] | Places) -> "Expression":
        """Choose genes, by mask or row."""
        return replace(self, values=self.values[rows], genes=self.genes.iloc[rows].reset_index(drop=True))


class Matched(NamedTuple):
    """People who are in both files, and who is in one only."""

    both: tuple[str, ...]
    """Sorted, so that nothing depends on the order of columns."""
    measured_only: tuple[str, ...]
    genotyped_only: tuple[str, ...]


def match_people(expression: Expression, genotyped: Sequence[str]) -> Matched:
    """Find who was measured and genotyped.

    Parameters
    ----------
    expression : Expression
    genotyped : sequence of str

    Returns
    -------
    Matched

    Raises
    ------
    InputError
        If nobody was; the message gives names of both sides.
    """
    known, measured = set(genotyped), set(expression.samples)
    both = tuple(sorted(name for name in expression.samples if name in known))
    if not both:
        raise InputError(
            f"no person was both measured ({list_some(expression.samples)}) and genotyped ({list_some(genotyped)}); "
            "the same names in both files would work"
        )
    measured_only = tuple(name for name in expression.samples if name not in known)
    return Matched(both, measured_only, tuple(name for name in genotyped if name not in measured))


def split_people(count: int, folds: int, *, seed: int = 0, groups: Sequence[str] | None = None) -> Places:
    """Divide people among folds.

    Parameters
    ----------
    count : int
        S, people.
    folds : int
        2 or more.
    seed : int
    groups : sequence of str [S], optional
        Such as populations: each is one fold, in the order of the alphabet, and `folds` has to be their number.

    Returns
    -------
    int64 array [S]
        Fold of each person; sizes differ by one at most, unless groups are given.

    Raises
    ------
    SettingsError
        If there are fewer people or groups than folds.

    Examples
    --------
    >>> sorted(split_people(5, 2, seed=1).tolist())
    [0, 0, 0, 1, 1]
    """
    if groups is not None:
        names, found = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
        if len(names) != folds or folds < 2:
            raise SettingsError(
                f"{folds} folds of {len(names)} groups ({list_some(list(names))}); as many, and two or more, would work"
            )
        return found.astype(np.int64)
    if not 2 <= folds <= count:
        raise SettingsError(f"{folds} folds of {count} people; 2 to {count} folds would work")
    found = np.empty(count, dtype=np.int64)
    found[np.random.default_rng(seed).permutation(count)] = np.arange(count) % folds
    return found


def iterate_folds(folds: Places) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield each fold's number, and who is learnt from there, bool [S]."""
    for fold in np.unique(folds):
        yield int(fold), folds != fold
