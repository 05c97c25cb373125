import numpy as np
import pytest
from hypothesis import given
from scipy import stats
from sklearn import metrics as sk
from tests.metrics.conftest import draw, pairs

from hexamer.errors import InputError
from hexamer.metrics import auprc, auroc, bootstrap, mcc, paired_bootstrap, pearson, spearman, top_k, why_undefined

OURS = (auroc, auprc, spearman, pearson, mcc)
TWINS = {
    auroc: sk.roc_auc_score,
    auprc: sk.average_precision_score,
    spearman: lambda x, y: stats.spearmanr(x, y).statistic,
    pearson: lambda x, y: stats.pearsonr(x, y).statistic,
    mcc: sk.matthews_corrcoef,
}


@pytest.mark.parametrize("statistic", OURS)
@pytest.mark.parametrize("n", [2, 7, 300])
def test_the_same_as_the_well_known_packages(statistic, n):
    labels, scores = draw(n, seed=n)
    if statistic is mcc:
        scores = np.clip(np.round(scores), -1, 2)
    assert statistic(labels, scores) == pytest.approx(TWINS[statistic](labels, scores), abs=1e-12)


def test_mcc_of_predictions_of_one_class_is_0():
    assert mcc([0, 1, 1], [1, 1, 1]) == 0
    assert mcc([0, 1, 2, 2], [0, 1, 2, 2]) == 1


@given(pairs())
def test_auroc_knows_ranks_alone_and_turns_with_the_labels(pair):
    labels, scores = pair
    value = auroc(labels, scores)
    assert 0 <= value <= 1
    assert auroc(labels, np.exp(scores) * 3 - 7) == pytest.approx(value, abs=1e-12)
    assert auroc(1 - labels, scores) == pytest.approx(1 - value, abs=1e-12)
    assert auroc(labels, -scores) == pytest.approx(1 - value, abs=1e-12)


@given(pairs())
def test_auroc_counts_pairs(pair):
    labels, scores = pair
    wins = np.sign(scores[labels == 1][:, None] - scores[labels == 0]) / 2 + 0.5
    assert auroc(labels, scores) == pytest.approx(wins.mean(), abs=1e-12)


@given(pairs())
def test_auprc_lies_between_chance_and_1(pair):
    labels, scores = pair
    assert auprc(labels, np.zeros(len(labels))) == pytest.approx(labels.mean())
    assert auprc(labels, np.exp(scores)) == pytest.approx(auprc(labels, scores), abs=1e-12)
    assert 0 < auprc(labels, scores) <= 1 == auprc(labels, labels)


@given(pairs(3))
def test_correlations_turn_with_the_sign(pair):
    labels, scores = pair
    for statistic in (spearman, pearson):
        if why_undefined(statistic, labels, scores):
            assert np.isnan(statistic(labels, scores))
            continue
        value = statistic(labels, scores)
        assert statistic(scores, labels) == pytest.approx(value, abs=1e-12)
        assert statistic(labels, 5 - 2 * scores) == pytest.approx(-value, abs=1e-12)
    if not why_undefined(spearman, labels, scores):
        assert spearman(labels, scores**3) == pytest.approx(spearman(labels, scores), abs=1e-12)


def test_pearson_of_very_large_and_of_nearly_equal_numbers():
    x = np.array([1.0, 2, 4, 8])
    assert pearson(x * 1e300, x[::-1] * 1e-300) == pytest.approx(pearson(x, x[::-1]))
    assert pearson(1e9 + x, x) == pytest.approx(1)


@pytest.mark.parametrize(
    ("statistic", "first", "second", "reason"),
    [
        (auroc, [0, 0], [1, 2], "no positive"),
        (auroc, [1, 1], [1, 2], "no negative"),
        (auprc, [1, 1], [1, 2], "no negative"),
        (auprc, [], [], "no row"),
        (spearman, [1], [1], "a single row"),
        (spearman, [1, 2], [3, 3], "a constant"),
        (pearson, [1, 1], [3, 4], "a constant"),
        (mcc, [1, 1], [0, 1], "all labels are of one class"),
    ],
)
def test_what_has_no_value_is_nan_with_the_reason(statistic, first, second, reason):
    assert np.isnan(statistic(first, second))
    found = bootstrap(statistic, first, second)
    assert found.reason == reason == why_undefined(statistic, first, second)
    assert np.isnan(found[:3]).all()
    assert np.isnan(paired_bootstrap(statistic, first, second, second)[:4]).all()


@pytest.mark.parametrize("statistic", OURS)
def test_a_nan_is_an_error_that_counts(statistic):
    labels, scores = draw(10)
    scores[[2, 5]] = np.nan, np.inf
    with pytest.raises(InputError, match=f"{statistic.__name__}: 2 of 10 numbers of its array 2 are NaN or infinite"):
        statistic(labels, scores)
    with pytest.raises(InputError, match="2 of 10"):
        bootstrap(statistic, labels, scores)


def test_other_mistakes():
    with pytest.raises(InputError, match="1 of 2 labels are neither 0 nor 1"):
        auroc([0, 2], [1, 2])
    with pytest.raises(InputError, match=r"shapes \(2,\), \(3,\)"):
        spearman([0, 2], [1, 2, 3])


@given(pairs())
def test_top_k_is_the_mean_over_all_orders_of_equal_scores(drawn):
    labels, scores = drawn
    labels = (np.asarray(labels) > 0).astype(int)
    found = top_k(labels, scores)
    if not 0 < labels.sum() < len(labels):
        assert np.isnan(found)
        return
    rng, k = np.random.default_rng(0), int(labels.sum())
    shares = []
    for _ in range(400):
        order = rng.permutation(len(labels))
        best = order[np.argsort(-np.asarray(scores)[order], kind="stable")][:k]
        shares.append(labels[best].mean())
    assert found == pytest.approx(np.mean(shares), abs=0.12)
    if len(set(np.asarray(scores).tolist())) == len(scores):
        assert found == pytest.approx(shares[0])
