from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.embeddings.pooling import check_pool, join_windows, pool_window
from hexamer.errors import SettingsError


def test_cls_never_enters_a_pool_that_did_not_ask_for_it():
    hidden = np.array([[1e6], [1.0], [2.0]], dtype=np.float32)
    assert pool_window(hidden, slice(1, 3), "mean").tolist() == [[1.5]]
    assert pool_window(hidden, slice(1, 3), "max").tolist() == [[2.0]]
    assert pool_window(hidden, slice(1, 3), "none").tolist() == [[1.0], [2.0]]
    assert pool_window(hidden, slice(1, 3), "cls").tolist() == [[1e6]]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_pooling_by_windows_equals_pooling_at_once(sizes, seed):
    tokens = np.random.default_rng(seed).normal(size=(sum(sizes), 3)).astype(np.float32)
    edges = np.cumsum([0, *sizes])
    for pool, whole in (("mean", tokens.mean(0)), ("max", tokens.max(0))):
        parts = [
            pool_window(np.concatenate([tokens[:1], tokens[a:b]]), slice(1, None), pool) for a, b in pairwise(edges)
        ]
        np.testing.assert_allclose(join_windows(parts, sizes, pool)[0], whole, atol=1e-5)


def test_unknown_pool():
    with pytest.raises(SettingsError, match=r"'median' is unknown; mean, max, cls, none"):
        check_pool("median")
