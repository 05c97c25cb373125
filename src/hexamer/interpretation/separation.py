"""How far classes of vectors are apart, in the vectors themselves, and which classes there are.

Each component is brought to mean 0 and standard deviation 1: in many transformers a few are many times larger than the
rest, and would decide alone which vectors are near. What is measured is of all components, never of a picture, which
shows what it was made to show. Letters: N rows, D components. Not here: the picture (`projection`).
"""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.embeddings.pooling import Vectors
from hexamer.errors import SequenceError, SettingsError

if TYPE_CHECKING:
    from anndata import AnnData

Values = npt.NDArray[np.float64]

NEIGHBOURS = 15
"""Nearest rows that a purity is of; UMAP reads as many."""
MOST = 10_000
"""Rows beyond which a sample is measured."""
FEWEST = 5
"""Rows that there have to be."""
_MOST_CLASSES = 10  # a column of whole numbers with no more values is one of classes


def read_vectors(embeddings: "AnnData | npt.ArrayLike") -> Vectors:
    """Read the vectors of an AnnData, or of an array.

    Parameters
    ----------
    embeddings : AnnData or array [N, D]

    Returns
    -------
    float32 array [N, D]

    Raises
    ------
    SequenceError
        If they are not numbers [N, D].
    """
    found = getattr(embeddings, "X", embeddings)
    found = found.toarray() if hasattr(found, "toarray") else found  # sparse
    try:
        vectors = np.asarray(found, dtype=np.float32)
    except (TypeError, ValueError):
        vectors = np.zeros(0, dtype=np.float32)
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise SequenceError("embeddings: vectors are numbers [rows, components]; those of `embed` would work")
    return vectors


def standardise(vectors: Vectors) -> Vectors:
    """Bring each component to mean 0 and standard deviation 1; those that do not vary become 0.

    Parameters
    ----------
    vectors : float32 array [N, D]
        Without NaN.

    Returns
    -------
    float32 array [N, D]

    Raises
    ------
    SequenceError
        If all rows are equal.

    Examples
    --------
    >>> standardise(np.array([[1, 5], [3, 5]], dtype=np.float32)).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    wide = vectors.astype(np.float64)
    mean, spread = wide.mean(axis=0), wide.std(axis=0)
    varies = spread > 1e-6 * np.abs(mean)  # less is rounding of float32
    if not varies.any():
        raise SequenceError(f"all {len(vectors):,} vectors are equal; those of different sequences would work")
    return np.where(varies, (wide - mean) / np.where(varies, spread, 1), 0).astype(np.float32)


def measure_separation(
    embeddings: "AnnData | npt.ArrayLike",
    classes: Sequence[Any] | pd.Series,
    *,
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
    most: int = MOST,
) -> pd.DataFrame:
    """Measure how far classes are apart in the embeddings themselves, all components, standardised.

    Parameters
    ----------
    embeddings : AnnData or array [N, D]
        As for `project`. Rows without a vector or a class are left out.
    classes : sequence [N]
    neighbours : int
        As `neighbour_purity`; at most a quarter of the rows.
    seed : int
        Of the sample.
    most : int
        Rows; of more a sample is measured.

    Returns
    -------
    DataFrame
        A row for all and one for each class, the largest first or in the order of a categorical: `class`, `rows`,
        `silhouette`, `purity`, both means over rows, and `chance`: the purity if neighbours were drawn at random.
        A class of no more rows than `neighbours` cannot reach a purity of 1, and one of a single row has none.
        NaN where there is a single class, or no row has another of its own.

    Raises
    ------
    SequenceError
        If fewer than five rows have a vector and a class, or all vectors are equal.

    Examples
    --------
    >>> vectors = np.repeat([[0.0, 0.0], [9.0, 9.0]], 4, axis=0) + np.arange(16).reshape(8, 2) % 3
    >>> measure_separation(vectors, list("aaaabbbb"), neighbours=3)[["class", "rows", "purity", "chance"]].round(2)
      class  rows  purity  chance
    0   all     8     1.0    0.43
    1     a     4     1.0    0.43
    2     b     4     1.0    0.43
    """
    vectors, labels = read_vectors(embeddings), pd.Series(classes).reset_index(drop=True)
    if len(labels) != len(vectors):
        raise SequenceError(f"{len(labels):,} classes of {len(vectors):,} vectors; as many would work")
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1) & labels.notna().to_numpy())
    if len(known) < FEWEST:
        raise SequenceError(f"{len(known):,} rows have a vector and a class; {FEWEST} or more would work")
    if len(known) > most:
        known = np.sort(np.random.default_rng(seed).choice(known, most, replace=False))
    points, labels = standardise(vectors[known]), labels.iloc[known]
    names = order_classes(labels)
    codes = pd.Categorical(labels, categories=names).codes.astype(np.int64)
    each = pd.DataFrame({"silhouette": silhouette(points, codes), "purity": np.nan, "chance": np.nan})
    if len(names) > 1:
        alone = np.bincount(codes)[codes] == 1  # has no neighbour to find
        purity = neighbour_purity(points, codes, neighbours=min(neighbours, max(1, len(codes) // 4)))
        each["purity"] = np.where(alone, np.nan, purity)
        each["chance"] = np.where(alone, np.nan, (np.bincount(codes)[codes] - 1) / (len(codes) - 1))
    groups = [("all", each), *((name, each[codes == code]) for code, name in enumerate(names))]
    return pd.DataFrame([{"class": name, "rows": len(own), **own.mean()} for name, own in groups])


def silhouette(points: Vectors, codes: npt.NDArray[np.int64]) -> Values:
    """Silhouette of each row: how much nearer its own class is than the nearest other one, from -1 to 1.

    Parameters
    ----------
    points : float32 array [N, D]
        Standardised vectors, not a picture of them.
    codes : int64 array [N]
        Class of each row.

    Returns
    -------
    float64 array [N]
        0 for the only row of a class; NaN where there is a single class, or each row has its own.

    Examples
    --------
    >>> silhouette(np.array([[0], [1], [9]], dtype=np.float32), np.array([0, 0, 1])).round(2).tolist()
    [0.89, 0.88, 0.0]
    """
    from sklearn.metrics import silhouette_samples  # 1 s, for this only

    if not 1 < len(np.unique(codes)) < len(codes):
        return np.full(len(codes), np.nan)
    return np.asarray(silhouette_samples(points, codes), dtype=np.float64)


def neighbour_purity(points: Vectors, codes: npt.NDArray[np.int64], *, neighbours: int = NEIGHBOURS) -> Values:
    """Share of each row's nearest rows that are of its own class.

    Parameters
    ----------
    points : float32 array [N, D]
        Standardised vectors, not a picture of them.
    codes : int64 array [N]
        Class of each row.
    neighbours : int
        Rows that are looked at, at most N - 1; the row itself is none.

    Returns
    -------
    float64 array [N]

    Raises
    ------
    SettingsError
        If `neighbours` is less than 1.

    Examples
    --------
    >>> neighbour_purity(np.array([[0], [1], [9]], dtype=np.float32), np.array([0, 0, 1]), neighbours=2).tolist()
    [0.5, 0.5, 0.0]
    """
    from sklearn.neighbors import NearestNeighbors

    if neighbours < 1:
        raise SettingsError(f"neighbours {neighbours}: 1 or more would work")
    search = NearestNeighbors(n_neighbors=min(neighbours, len(points) - 1), algorithm="brute").fit(points)
    nearest = search.kneighbors(return_distance=False)  # of the rows themselves: none is its own neighbour
    return np.asarray((codes[nearest] == codes[:, None]).mean(axis=1))


def choose_column(table: pd.DataFrame, name: str) -> pd.Series:
    """Choose a column to colour by.

    Parameters
    ----------
    table : DataFrame
        Such as `obs`.
    name : str

    Returns
    -------
    Series
        Of classes: text, as a categorical where the column is one, None where it is not known. Of numbers: float64.
        Whole numbers of at most ten values are classes, and so is yes or no.

    Raises
    ------
    SettingsError
        If there is no such column; the nearest are named.

    Examples
    --------
    >>> table = pd.DataFrame({"kind": ["a", ""], "label": [1, 0], "gc": [0.41, 0.52]})
    >>> [choose_column(table, name).tolist() for name in table]
    [['a', None], ['1', '0'], [0.41, 0.52]]
    """
    if name not in table:
        near = difflib.get_close_matches(name, [str(column) for column in table], n=3, cutoff=0.0)
        raise SettingsError(f"there is no column {name!r}; the nearest are {', '.join(near)}")
    column = table[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_categories([name for name in column.cat.categories if not str(name).strip()])
        return column.cat.rename_categories([str(name) for name in column.cat.categories])
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        known = column.dropna()
        if known.nunique() > _MOST_CLASSES or (known % 1 != 0).any():
            return column.astype(np.float64)
        column = column.astype("Int64")
    known = column.notna() & (column.astype(str).str.strip() != "")
    return column.astype(str).astype(object).where(known, None)


def order_classes(labels: pd.Series) -> list[Any]:
    """List the classes of a column: in the order of a categorical, else the largest first.

    Parameters
    ----------
    labels : Series

    Returns
    -------
    list
        Those that a row has.

    Examples
    --------
    >>> order_classes(pd.Series(["b", "a", "b", None]))
    ['b', 'a']
    """
    counts = labels.value_counts(sort=False)
    counts = counts[counts > 0]
    if isinstance(labels.dtype, pd.CategoricalDtype):
        return [name for name in labels.cat.categories if name in counts.index]
    return sorted(counts.index, key=lambda name: (-counts[name], str(name)))
