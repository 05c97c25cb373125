"""Embeddings laid out on a plane.

Components are standardised, as `separation` tells why; the first 50 principal components follow, and of them t-SNE or
UMAP. Such a picture keeps neighbours and distorts distances: how far classes are apart is measured on the vectors
(`separation`). Source: the t-SNE of embeddings by element in Dalla-Torre et al. (2025), whose settings are not told.
Letters: N rows, D components. Not here: the vectors (`hexamer.embeddings`), which windows (`element_windows`).
"""

import warnings
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from hexamer.embeddings.pooling import Vectors
from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.interpretation.separation import FEWEST, NEIGHBOURS, Values, read_vectors, standardise

if TYPE_CHECKING:
    from anndata import AnnData

Method = Literal["tsne", "pca", "umap"]

COMPONENTS = 50
"""Principal components that t-SNE and UMAP read."""


class Projection(NamedTuple):
    """Where each vector lies on the plane."""

    coordinates: Vectors
    """float32 [N, 2]; NaN where a row has no vector."""
    missing: int
    """Rows without a vector."""
    settings: dict[str, Any]
    """`method`, `seed`, `rows` with a vector, `components` and the share of variance that they `explain`; of t-SNE
    `perplexity` as it was used, of UMAP `neighbours`; and the `version` of the package that laid them out."""


def check_method(method: str) -> None:
    """Raise, before any work is done, if there is no such method, or its package is missing.

    Parameters
    ----------
    method : str

    Raises
    ------
    SettingsError
        If it is unknown.
    InputError
        If the package umap-learn is missing.
    """
    if method not in get_args(Method):
        raise SettingsError(f"method {method!r} is unknown; {', '.join(get_args(Method))} would work")
    if method == "umap":
        _import_umap()


def project(
    embeddings: "AnnData | npt.ArrayLike",
    *,
    method: Method = "tsne",
    perplexity: float = 30,
    seed: int = 0,
) -> Projection:
    """Lay vectors out on a plane.

    Parameters
    ----------
    embeddings : AnnData or array [N, D]
        As from `embed`. Rows that hold a NaN have no place, and stay.
    method : {"tsne", "pca", "umap"}
        "pca" gives the first two principal components. The others lay out 50 of them, on
        one processor: with several the picture would depend on their number. "umap" needs the package umap-learn.
    perplexity : float
        Of t-SNE: about how many neighbours count; with N rows at most (N - 1) / 3.
    seed : int
        Of t-SNE and UMAP.

    Returns
    -------
    Projection

    Raises
    ------
    SettingsError
        If there is no such method, or a number is out of its range.
    SequenceError
        If fewer than five rows have a vector, or all are equal.
    InputError
        If the package umap-learn is missing.

    Examples
    --------
    >>> found = project(np.eye(8), method="pca")
    >>> found.coordinates.shape, found.settings["components"]
    ((8, 2), 7)
    """
    check_method(method)
    if not perplexity >= 1 or seed < 0:
        raise SettingsError(f"perplexity {perplexity:g}, seed {seed}: from 1, and from 0, would work")
    vectors = read_vectors(embeddings)
    known = np.isfinite(vectors).all(axis=1)
    rows = int(known.sum())
    if rows < FEWEST:
        raise SequenceError(f"{rows:,} of {len(vectors):,} rows have a vector; {FEWEST} or more would work")
    scores, explained = _principal(standardise(vectors[known]))
    settings = {"method": method, "seed": seed, "rows": rows, "components": scores.shape[1], "explain": explained}
    if method == "tsne":
        settings |= {"perplexity": min(perplexity, (rows - 1) / 3), "version": f"openTSNE {version('openTSNE')}"}
        placed = _run_tsne(scores, settings["perplexity"], seed)
    elif method == "umap":
        settings |= {"neighbours": min(NEIGHBOURS, rows - 1), "version": f"umap-learn {version('umap-learn')}"}
        placed = _run_umap(scores, settings["neighbours"], seed)
    else:
        settings |= {"version": f"scikit-learn {version('scikit-learn')}"}
        placed = scores[:, :2]
    coordinates = np.full((len(vectors), 2), np.nan, dtype=np.float32)
    coordinates[known] = placed
    return Projection(coordinates, len(vectors) - rows, settings)


def _principal(points: Vectors) -> tuple[Values, float]:
    """First principal components, float64 [N, <= 50], and the share of variance that they explain."""
    from sklearn.decomposition import PCA

    solver: Any = "covariance_eigh" if len(points) > points.shape[1] else "full"  # exact ones
    fitted = PCA(min(COMPONENTS, *points.shape), svd_solver=solver)
    # Of N rows the last component is nothing but rounding.
    scores = fitted.fit_transform(points.astype(np.float64))[:, : max(1, len(points) - 1)]
    scores = np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))  # a plane takes two
    return scores, float(fitted.explained_variance_ratio_.sum())


def _run_tsne(scores: Values, perplexity: float, seed: int) -> Values:
    from openTSNE import TSNE  # type: ignore[import-untyped]  # 1 s, for this only

    fitted = TSNE(perplexity=perplexity, random_state=seed, n_jobs=1).fit(scores)
    return np.asarray(fitted)


def _run_umap(scores: Values, neighbours: int, seed: int) -> Values:
    fitted = _import_umap().UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(scores)
    return np.asarray(fitted)


def _import_umap() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # that it has no Tensorflow, which is not needed here
            return import_module("umap")
    except ImportError:
        raise InputError("UMAP is of the package umap-learn; pip install 'hexamer[umap]'") from None
