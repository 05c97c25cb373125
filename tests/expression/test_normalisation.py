import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hexamer.expression.normalisation import rank_normalise, standardise


def test_expression_is_standardised_by_those_who_are_learnt_from():
    learn = np.array([True, True, False])
    np.testing.assert_allclose(standardise(np.array([1.0, 3.0, 9.0]), learn), [-1, 1, 7])
    np.testing.assert_allclose(standardise(np.array([1.0, 3.0, -9.0]), learn)[:2], [-1, 1])
    assert standardise(np.array([2.0, 2.0, 9.0]), learn).tolist() == [0, 0, 0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=40))
def test_ranks_among_those_who_are_learnt_from(values):
    values = np.array(values)
    learn = np.arange(len(values)) % 2 == 0
    found = rank_normalise(values, learn)
    assert np.isfinite(found).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    other = values.copy()
    other[~learn] += 5
    np.testing.assert_array_equal(rank_normalise(other, learn)[learn], found[learn])
