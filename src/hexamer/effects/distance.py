"""How far apart the embeddings of the two alleles lie.

The paper's zero-shot scores compare one vector per allele: the token that holds the variant, or the mean over the
window. Not here: where the vectors come from (`score`). Source: Dalla-Torre et al. (2025), zero-shot variant scores.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


def l1(ref: Vectors, alt: Vectors) -> Vectors:
    """Sum of absolute differences; float32 [N] from two float32 arrays [N, D]."""
    return np.abs(alt - ref).sum(axis=-1)


def l2(ref: Vectors, alt: Vectors) -> Vectors:
    """Euclidean distance; float32 [N] from two float32 arrays [N, D]."""
    return np.sqrt(np.square(alt - ref).sum(axis=-1))


def cosine(ref: Vectors, alt: Vectors) -> Vectors:
    """Cosine similarity, 1 where the directions are the same; float32 [N] from two float32 arrays [N, D]."""
    # In float64: similarities near 1 differ in digits that float32 sums would round away.
    left, right = ref.astype(np.float64), alt.astype(np.float64)
    norms = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return ((left * right).sum(axis=-1) / norms).astype(np.float32)


def dot(ref: Vectors, alt: Vectors) -> Vectors:
    """Dot product; float32 [N] from two float32 arrays [N, D]."""
    return (ref * alt).sum(axis=-1)


DISTANCES: dict[str, Callable[[Vectors, Vectors], Vectors]] = {"l1": l1, "l2": l2, "cosine": cosine, "dot": dot}
"""Name to function."""
