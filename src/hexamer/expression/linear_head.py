"""The small head on frozen embeddings: ridge regression on the vectors of a person's two haplotypes.

Which layer, how rows become one vector, and the penalty are chosen among the people that are learnt from, each left
out in turn, without a further fit: of ridge regression that is known in closed form (Allen, 1974, PRESS).
Letters as in `features`. Not here: heads that weigh rows by each other (`transformer_head`).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from hexamer.embeddings.pooling import Vectors
from hexamer.expression.cohort import Places, Values

Form = Literal["mean", "rows", "scaled"]
"""Of a person's rows: their mean; each by itself; each by itself with the same spread over people."""
FORMS: tuple[Form, ...] = get_args(Form)
_PENALTIES = np.logspace(-3, 4, 15)  # of the mean variance that people have


class LinearHead(NamedTuple):
    """What each component of each row adds."""

    weights: Vectors
    """float32 [P, D]."""
    intercept: float
    layer: int
    """Which of the layers given, from 0."""
    form: Form
    penalty: float
    """Of the mean variance that people have; NaN where nothing varies."""

    def predict(self, vectors: Vectors, rows: Places) -> Values:
        """Predict people's expression, float64 [S], from haplotypes [U, P, D] and whose they are [S, 2]."""
        of_haplotypes = vectors.reshape(len(vectors), -1) @ self.weights.reshape(-1)
        return np.asarray(of_haplotypes[rows].mean(axis=1, dtype=np.float64) + self.intercept)


def fit_linear_head(
    features: Sequence[tuple[Vectors, Places]], values: Values, *, forms: Sequence[Form] = FORMS
) -> LinearHead:
    """Fit ridge regression on embeddings.

    Parameters
    ----------
    features : sequence of (float32 array [U, P, D], int64 array [S, 2])
        Of each layer: haplotypes, relative to the reference, and whose they are.
    values : float64 array [S]
        Expression of those people.
    forms : sequence of {"mean", "rows", "scaled"}
        To choose from.

    Returns
    -------
    LinearHead

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> vectors, rows = rng.normal(size=(9, 2, 3)).astype(np.float32), rng.integers(0, 9, (60, 2))
    >>> told = vectors[:, 0, 0][rows].mean(axis=1)
    >>> head = fit_linear_head([(vectors, rows)], told)
    >>> bool(np.corrcoef(head.predict(vectors, rows), told)[0, 1] > 0.99), head.form
    (True, 'rows')
    """
    best: tuple[float, LinearHead] | None = None
    for layer, (vectors, rows) in enumerate(features):
        for form in forms:
            scales = _scales(vectors, rows, form)
            x = vectors * scales[:, None]
            x = x.sum(axis=1) if form == "mean" else x.reshape(len(x), -1)
            found = _fit(x, rows, values)
            if found is None:
                continue
            error, weights, intercept, penalty = found
            whole = np.broadcast_to(weights, (len(scales), weights.size)) if form == "mean" else weights
            whole = whole.reshape(len(scales), -1) * scales[:, None]
            if best is None or error < best[0]:
                best = error, LinearHead(whole.astype(np.float32), intercept, layer, form, penalty)
    if best is None:
        shape = features[0][0].shape[1:]
        return LinearHead(np.zeros(shape, dtype=np.float32), _mean(values), 0, forms[0], float("nan"))
    return best[1]


def _scales(vectors: Vectors, rows: Places, form: Form) -> npt.NDArray[np.float32]:
    """Factor of each row, [P]."""
    count = vectors.shape[1]
    if form == "mean":
        return np.full(count, 1 / max(1, count), dtype=np.float32)
    if form == "rows":
        return np.ones(count, dtype=np.float32)
    shares = _shares(rows, len(vectors)).astype(np.float32)
    flat = vectors.reshape(len(vectors), -1)
    together = ((shares.T @ shares) @ flat * flat).reshape(vectors.shape).sum(axis=(0, 2), dtype=np.float64)
    spread = np.sqrt(np.maximum(together, 0) / max(1, len(rows)))
    # A row that hardly varies is rounding error, which must not be blown up.
    return np.where(spread > 1e-4 * spread.max(initial=0), 1 / np.maximum(spread, 1e-30), 0).astype(np.float32)


def _fit(x: Vectors, rows: Places, values: Values) -> tuple[float, Values, float, float] | None:
    """Ridge regression whose penalty has the least squared error of people left out; None where nothing varies.

    Haplotypes [U, C] are few, and so their products are taken, not those of people.
    """
    people = len(rows)
    if people < 4 or np.ptp(values) == 0 or not x.shape[1]:
        return None
    shares = _shares(rows, len(x))
    kernel = shares @ (x @ x.T).astype(np.float64) @ shares.T
    variance, mean = np.trace(kernel) / people, _mean(values)
    if variance < 1e-20:
        return None
    eigen, basis = np.linalg.eigh(kernel / variance)
    eigen, turned = np.clip(eigen, 0, None), basis.T @ (values - mean)
    best: tuple[float, float] | None = None
    for penalty in _PENALTIES:
        shrink = eigen / (eigen + penalty)
        leverage = np.square(basis) @ shrink + 1 / people
        left = (values - mean - basis @ (shrink * turned)) / np.maximum(1 - leverage, 1e-6)
        error = float(np.square(left).mean())
        if best is None or error < best[0]:
            best = error, float(penalty)
    assert best is not None
    weights = x.T @ (shares.T @ (basis @ (turned / (eigen + best[1])))) / variance
    of_people = np.bincount(rows.reshape(-1), minlength=len(x)) / rows.size @ x
    return best[0], weights, mean - float(of_people @ weights), best[1]


def _shares(rows: Places, haplotypes: int) -> Values:
    """Share each person among haplotypes, half to each of two, less the mean over people; [S, U]."""
    shares = np.zeros((len(rows), haplotypes))
    np.add.at(shares, (np.arange(len(rows))[:, None], rows), 0.5)
    return np.asarray(shares - shares.mean(axis=0))


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else 0.0
