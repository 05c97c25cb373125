"""Labels and scores to try statistics on."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def pairs(low: int = 2, high: int = 40):
    """Labels with both classes, and scores with ties."""
    return st.integers(low, high).flatmap(
        lambda n: st.tuples(
            arrays(np.int64, n, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < len(y)),
            arrays(np.float64, n, elements=st.integers(-6, 6).map(float)),
        )
    )


def draw(n: int, seed: int = 0, decimals: int = 1):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    return labels, np.round(rng.normal(size=n) + labels, decimals)
