"""How sure a statistic of many rows is whose rows come in groups: bases of windows.

Bases of one window are no independent draws, and there are millions of them; whole windows are drawn. Scores are put
into bins once, fine where positives are, so that each draw is a sum over windows and not another sort.
"""

import numpy as np
import numpy.typing as npt

from hexamer.metrics.resampling import Resampled
from hexamer.metrics.statistics import NAN, auprc, why_undefined

_BINS = 1000


def resample_groups(
    labels: npt.ArrayLike, scores: npt.ArrayLike, groups: npt.ArrayLike, *, n: int = 200, seed: int = 0
) -> Resampled:
    """Compute the average precision of groups of rows drawn with replacement, again and again.

    Parameters
    ----------
    labels, scores : array [N]
        As `auprc`.
    groups : int array [N]
        Group of each row, from 0.
    n : int
        Draws of as many groups as there are.
    seed : int
        Equal seeds draw the same groups, whatever the scores.

    Returns
    -------
    Resampled
        The estimate is exact; draws are of at most 1,000 bins, between the positives' scores, and moved by what bins
        change the estimate.

    Examples
    --------
    >>> found = resample_groups([0, 1, 0, 1, 0, 0], [0.1, 0.9, 0.2, 0.8, 0.3, 0.1], [0, 0, 1, 1, 2, 2], n=50)
    >>> found.estimate, float(np.nanmin(found.draws))
    (1.0, 1.0)
    """
    truth, values, owners = np.asarray(labels, dtype=bool), np.asarray(scores), np.asarray(groups, dtype=np.int64)
    if reason := why_undefined(auprc, truth, values):
        return Resampled(NAN, np.full(n, NAN), reason)
    edges = np.unique(np.quantile(values[truth], np.linspace(0, 1, _BINS)))
    bins = len(edges) + 1
    cells = owners * bins + np.searchsorted(edges, values, side="right")
    count = int(owners.max()) + 1
    positives, others = (
        np.bincount(cells[chosen], minlength=count * bins).reshape(count, bins).astype(np.float64)
        for chosen in (truth, ~truth)
    )
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(n)]
    draws = np.array(drawn, dtype=np.float64)
    estimate = auprc(truth, values)
    found = _average_precision(draws @ positives, draws @ others)
    whole = _average_precision(positives.sum(0, keepdims=True), others.sum(0, keepdims=True))
    return Resampled(estimate, np.clip(found + (estimate - whole[0]), 0, 1))


def _average_precision(positives: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average precision of counts by bin, [R, bins], low scores first; NaN without a positive."""
    right, wrong = (part[:, ::-1].cumsum(axis=1) for part in (positives, others))
    said = right + wrong
    precision = np.divide(right, said, out=np.zeros_like(right), where=said > 0)
    total = right[:, -1]
    gained = (precision * positives[:, ::-1]).sum(axis=1)
    return np.divide(gained, total, out=np.full(len(total), NAN), where=total > 0)
