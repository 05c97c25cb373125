import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from tests.metrics.conftest import draw, pairs

from hexamer.errors import InputError
from hexamer.metrics import (
    auprc,
    auroc,
    bootstrap,
    mcc,
    paired_bootstrap,
    pearson,
    resampling,
    shuffled_auroc,
    spearman,
    why_undefined,
)
from hexamer.metrics.statistics import check_arrays


@settings(deadline=None, max_examples=30)
@given(pairs(2, 25), st.integers(0, 10), st.booleans())
def test_each_quick_form_gives_what_the_resampled_rows_give(pair, seed, tied):
    labels, scores = pair
    scores = scores if tied else scores + np.arange(len(scores)) / 100
    for statistic in (auroc, auprc, spearman, pearson, mcc):
        if why_undefined(statistic, labels, scores):
            continue
        checked = check_arrays(statistic, labels, scores)
        (counts,) = resampling._resamples(len(labels), 4, seed, None)
        assert counts.sum(axis=1).tolist() == [len(labels)] * 4
        rows = [np.repeat(np.arange(len(labels)), row.astype(int)) for row in counts]
        slow = [statistic(labels[row], scores[row]) for row in rows]
        np.testing.assert_allclose(resampling._kernel(statistic, checked)(counts), slow, atol=1e-9)


def test_resamples_are_the_same_in_pieces_and_keep_the_size_of_each_stratum(monkeypatch):
    strata = np.array(["b", "a", "a", "b", "c", "b"])
    (whole,) = resampling._resamples(6, 50, 3, strata)
    monkeypatch.setattr(resampling, "_CELLS", 20)
    parts = list(resampling._resamples(6, 50, 3, strata))
    assert len(parts) > 10
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    for name in "abc":
        assert (whole[:, strata == name].sum(axis=1) == (strata == name).sum()).all()
    assert len(np.unique(whole, axis=0)) > 20, "they differ"


def test_a_function_that_is_not_ours_gives_the_same_interval():
    labels, scores = draw(60)
    ours = bootstrap(auroc, labels, scores, n=200, seed=4, stratify=labels)
    other = bootstrap(lambda y, x: sk.roc_auc_score(y, x), labels, scores, n=200, seed=4, stratify=labels)
    np.testing.assert_allclose(ours[:3], other[:3], atol=1e-12)
    mean = bootstrap(np.mean, scores, n=500)
    spread = scores.std() / np.sqrt(len(scores))
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_intervals_hold_the_truth_as_often_as_they_say():
    truth = stats.norm.cdf(1 / np.sqrt(2))  # two normals, one apart
    rng, hits = np.random.default_rng(0), {auroc: 0, pearson: 0}
    for trial in range(200):
        labels = np.arange(100) % 2
        scores = rng.normal(size=100) + labels
        found = bootstrap(auroc, labels, scores, n=300, seed=trial, stratify=labels)
        hits[auroc] += found.low <= truth <= found.high
        both = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=100)
        found = bootstrap(pearson, *both.T, n=300, seed=trial)
        hits[pearson] += found.low <= 0.5 <= found.high
    assert 180 <= hits[auroc] <= 198
    assert 180 <= hits[pearson] <= 198


def test_p_values_are_even_where_nothing_differs_and_small_where_much_does():
    rng, low = np.random.default_rng(1), 0
    for trial in range(150):
        labels = np.arange(80) % 2
        a, b = rng.normal(size=(2, 80)) + labels
        low += paired_bootstrap(auroc, labels, a, b, n=200, seed=trial, stratify=labels).p < 0.1
    assert 5 <= low <= 27
    labels, noise = draw(400)
    better = paired_bootstrap(auroc, labels, labels + noise, noise, n=500)
    assert better.p == pytest.approx(2 / 501)
    assert better.low > 0.1
    assert better.difference == pytest.approx(auroc(labels, labels + noise) - auroc(labels, noise))
    worse = paired_bootstrap(auroc, labels, noise, labels + noise, n=500)
    assert worse[:3] == pytest.approx((-better.difference, -better.high, -better.low))
    assert worse.p == better.p


def test_a_paired_interval_is_narrower_than_two_apart():
    labels, scores = draw(200)
    close = scores + np.random.default_rng(2).normal(size=200) * 0.05
    paired = paired_bootstrap(auroc, labels, scores, close)
    alone = bootstrap(auroc, labels, scores)
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_shuffled_labels_give_half():
    labels, scores = draw(400)
    control = shuffled_auroc(labels, scores, n=500, seed=1)
    assert control.estimate == pytest.approx(0.5, abs=0.01)
    deviation = np.sqrt(401 / (12 * 200 * 200))  # of the Mann-Whitney statistic
    assert control.high - control.low == pytest.approx(2 * 1.96 * deviation, rel=0.15)
    assert shuffled_auroc(labels, scores, n=500, seed=1) == control
    assert shuffled_auroc([1, 1], [1, 2]).reason == "no negative"


def test_resamples_without_a_value_are_left_out_and_too_many_are_said():
    rare = np.array([1] + [0] * 9)
    kept = bootstrap(auroc, rare, np.arange(10), n=400)  # a third of the resamples has no positive
    assert kept.reason == ""
    assert kept.estimate == 0 == kept.low
    lonely = bootstrap(lambda x: float(x.mean()) if 0 in x and 1 in x else float("nan"), [0, 1] + [2] * 30, n=300)
    assert "resamples have no value" in lonely.reason
    assert np.isnan(lonely.low)
    assert lonely.estimate == pytest.approx(61 / 32)


def test_mistakes():
    with pytest.raises(InputError, match="stratify has 1 values for 2 rows"):
        bootstrap(auroc, [0, 1], [1, 2], stratify=[1])
    with pytest.raises(InputError, match="resamples from 1"):
        bootstrap(auroc, [0, 1], [1, 2], n=0)
