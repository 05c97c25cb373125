"""From token vectors to one vector per sequence; `<cls>` and padding never take part, except `<cls>` when it is
asked for.

A long sequence arrives window by window, so every way of pooling is a pair: what a window gives, and how windows are
put together. Both are exact: the mean over windows is the mean over all tokens.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hexamer.errors import SettingsError

Pool = Literal["mean", "max", "cls", "none"]
Vectors = npt.NDArray[np.float32]


def check_pool(pool: str) -> None:
    """Raise SettingsError for a way of pooling that does not exist."""
    if pool not in get_args(Pool):
        raise SettingsError(f"pool {pool!r} is unknown; {', '.join(get_args(Pool))} would work")


def pool_window(hidden: Vectors, keep: slice, pool: Pool) -> Vectors:
    """Reduce one window.

    Parameters
    ----------
    hidden : float32 array [L, D]
        A window's hidden states, `<cls>` first, without padding.
    keep : slice
        Tokens of the window that count; the others belong to its neighbours.
    pool : {"mean", "max", "cls", "none"}

    Returns
    -------
    float32 array [1, D], or [kept tokens, D] for "none"

    Examples
    --------
    >>> pool_window(np.array([[9.0], [1.0], [3.0]], dtype="float32"), slice(1, 3), "mean").tolist()
    [[2.0]]
    """
    if pool == "cls":
        return hidden[:1].copy()  # not a view, which would keep the whole batch in memory
    kept = hidden[keep]
    if pool == "none":
        return kept.copy()
    if len(kept) == 0:
        return np.full((1, hidden.shape[1]), np.nan, dtype=np.float32)
    reduced = kept.mean(axis=0, dtype=np.float64) if pool == "mean" else kept.max(axis=0)
    return reduced.astype(np.float32)[None]


def join_windows(parts: Sequence[Vectors], counts: Sequence[int], pool: Pool) -> Vectors:
    """Put the windows of one sequence together.

    Parameters
    ----------
    parts : sequence of float32 arrays
        As from `pool_window`, in the order of the sequence.
    counts : sequence of int
        Kept tokens of each window.
    pool : {"mean", "max", "cls", "none"}

    Returns
    -------
    float32 array [1, D], or [L, D] for "none"
        "mean" weighs each window by its tokens; "cls" is the mean of the windows' `<cls>`.
    """
    if len(parts) == 1:
        return parts[0]
    stacked = np.concatenate(parts)
    if pool == "none":
        return stacked
    if pool == "max":
        return stacked.max(axis=0, keepdims=True)
    weights = np.ones(len(parts)) if pool == "cls" else np.asarray(counts, dtype=np.float64)
    return np.average(stacked.astype(np.float64), axis=0, weights=weights).astype(np.float32)[None]
