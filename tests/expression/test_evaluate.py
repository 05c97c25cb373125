import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hexamer.expression.evaluate import across_genes, across_individuals, compare_genes, summarise_genes

RNG = np.random.default_rng(4)


def test_correlations_are_within_folds():
    values, folds = RNG.normal(size=60), np.arange(60) % 3
    predicted = values + RNG.normal(size=60)
    found = across_individuals(values, predicted, folds)
    each = [stats.pearsonr(values[folds == i], predicted[folds == i]).statistic for i in range(3)]
    assert found["pearson"] == pytest.approx(np.mean(each))
    shifted = across_individuals(values, predicted + 100 * folds, folds)
    assert shifted == pytest.approx(found)
    assert found["people"] == 60
    assert found["p"] == pytest.approx(1 / 1001)


def test_p_is_even_where_nothing_is_known():
    p = [
        across_individuals(RNG.normal(size=50), RNG.normal(size=50), np.arange(50) % 5, permutations=200)["p"]
        for _ in range(200)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_constants_and_missing_values():
    values, folds = RNG.normal(size=20), np.arange(20) % 2
    constant = across_individuals(values, np.ones(20), folds)
    assert (constant["pearson"], constant["spearman"], constant["p"]) == (0, 0, 1)
    predicted = values + 0.1
    predicted[:3] = np.nan
    found = across_individuals(values, predicted, folds)
    assert found["people"] == 17
    assert found["pearson"] == pytest.approx(1)
    assert np.isnan(across_individuals(values, np.full(20, np.nan), folds)["pearson"])


def test_across_genes_is_within_people():
    values = RNG.normal(size=(30, 4)) + np.arange(30)[:, None]
    predicted = np.arange(30)[:, None] + np.zeros((30, 4))
    found = across_genes(values, predicted)
    wanted = [stats.pearsonr(values[:, i], predicted[:, i]).statistic for i in range(4)]
    assert found["pearson"] == pytest.approx(np.mean(wanted))
    assert found["people"] == 4
    assert across_genes(values[:2], predicted[:2])["people"] == 0


def test_tables_over_genes():
    rows = {}
    for i in range(40):
        r = i / 50 - 0.2
        rows["net", f"g{i}"] = {"pearson": r, "spearman": r, "p": 0.01 if r > 0.3 else 0.5, "people": 9}
        rows["other", f"g{i}"] = {"pearson": r - 0.1, "spearman": r, "p": 0.5, "people": 9}
    table = pd.DataFrame([{"method": method, "gene_id": gene, **found} for (method, gene), found in rows.items()])
    summary = summarise_genes(table).set_index("method")
    net = table[table["method"] == "net"]["pearson"]
    assert summary.loc["net", "mean_r"] == pytest.approx(net.mean())
    assert summary.loc["net", "share_above_0"] == pytest.approx((net > 0).mean())
    assert summary.loc["net", "genes_above_0.2"] == (net > 0.2).sum()
    assert summary.loc["net", "low"] < net.mean() < summary.loc["net", "high"]
    assert summary.loc["net", "share_p_below_0.05"] == pytest.approx((net > 0.3).mean())
    difference = compare_genes(table, reference="net").iloc[0]
    assert difference["difference"] == pytest.approx(-0.1)
    assert (difference["genes"], difference["genes_better"]) == (40, 0)
    assert difference["p_wilcoxon"] < 1e-6
    assert compare_genes(table[table["method"] == "net"], reference="net").empty
