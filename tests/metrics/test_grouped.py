import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hexamer.metrics.grouped import resample_groups


def rows(groups=40, each=50, seed=0):
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(groups), each)
    labels = rng.random(owners.size) < 0.05
    scores = rng.normal(size=owners.size) + 2 * labels + rng.normal(size=groups)[owners]
    return labels, scores, owners


def test_draws_are_those_of_whole_groups():
    labels, scores, owners = rows()
    found = resample_groups(labels, scores, owners, n=60, seed=3)
    assert found.estimate == pytest.approx(average_precision_score(labels, scores))
    rng, wanted = np.random.default_rng(3), []
    for _ in range(60):
        chosen = np.concatenate([np.flatnonzero(owners == group) for group in rng.integers(40, size=40)])
        wanted.append(average_precision_score(labels[chosen], scores[chosen]))
    np.testing.assert_allclose(found.draws, wanted, atol=0.02)
    assert np.corrcoef(found.draws, wanted)[0, 1] > 0.99


def test_copies_of_rows_within_a_group_make_nothing_surer():
    labels, scores, owners = rows(each=20, seed=1)
    one = resample_groups(labels, scores, owners, n=100)
    many = resample_groups(np.tile(labels, 5), np.tile(scores, 5), np.tile(owners, 5), n=100)
    np.testing.assert_allclose(one.draws, many.draws, atol=2e-3)
    low, high = one.interval()[1:3]
    assert low < one.estimate < high


def test_equal_seeds_draw_the_same_groups():
    labels, scores, owners = rows()
    one, other = (resample_groups(labels, each, owners, n=20, seed=5) for each in (scores, scores + 1e-9))
    np.testing.assert_allclose(one.draws, other.draws, atol=0.01)


def test_without_a_positive_there_is_a_reason():
    labels, scores, owners = rows()
    found = resample_groups(labels & False, scores, owners, n=5)
    assert found.reason == "no positive"
    assert np.isnan(found.draws).all()
    few = resample_groups(np.arange(len(labels)) == 0, scores, owners, n=30)
    assert np.isnan(few.draws).any(), "draws without the only group that has one"
