"""How well expression is predicted across people, gene by gene, and across genes, which is another question.

Correlations across individuals compare people at one gene; those across genes compare genes within one person, and are
never mixed with them. Predictions are always of people who were held out.
Not here: models (`methods`), who is held out (`study`).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.expression.cohort import Places, Values
from hexamer.metrics import pearson, spearman

_PERMUTATIONS = 1000


def across_individuals(
    values: Values, predicted: Values, folds: Places, *, permutations: int = _PERMUTATIONS, seed: int = 0
) -> dict[str, float]:
    """Correlate one gene's expression with its prediction across people.

    Parameters
    ----------
    values, predicted : float64 array [S]
        Measured, and predicted while the person was held out; NaN where unknown.
    folds : int64 array [S]
        Fold in which each person was held out. Models of folds have means of their own, so correlations are within
        folds, and the mean over them weighs folds by people.
    permutations : int
        Orders of people, within folds, that p is of.
    seed : int

    Returns
    -------
    dict of str to float
        `pearson`, `spearman`; `p`, the share of orders whose Pearson correlation is as high or higher (one-sided, never
        0); `people`. A constant prediction has correlation 0, of all orders.
    """
    known = np.isfinite(values) & np.isfinite(predicted)
    parts = [np.flatnonzero(known & (folds == fold)) for fold in np.unique(folds)]
    parts = [rows for rows in parts if len(rows) > 2]
    sizes = np.array([len(rows) for rows in parts], dtype=np.float64)
    if not len(parts):
        return {"pearson": np.nan, "spearman": np.nan, "p": np.nan, "people": 0}
    found = {}
    for name, statistic in (("pearson", pearson), ("spearman", spearman)):
        each = [np.nan_to_num(statistic(values[rows], predicted[rows])) for rows in parts]
        found[name] = float(np.average(each, weights=sizes))
    rng = np.random.default_rng(seed)
    drawn = np.zeros(permutations)
    for rows, size in zip(parts, sizes, strict=True):
        x, y = _unit(values[rows]), _unit(predicted[rows])
        orders = np.argsort(rng.random((permutations, len(rows))), axis=1)
        drawn += x[orders] @ y * size / sizes.sum()
    p = (1 + (drawn >= found["pearson"] - 1e-12).sum()) / (permutations + 1)
    return found | {"p": float(p), "people": int(sizes.sum())}


def across_genes(values: Values, predicted: Values) -> dict[str, float]:
    """Correlate expression with its prediction across genes, within each person.

    Parameters
    ----------
    values, predicted : float64 array [G, S]
        On one scale for all genes, not standardised gene by gene.

    Returns
    -------
    dict of str to float
        `pearson` and `spearman`, means over people; `people` that have both at three genes or more.
    """
    each = []
    for measured, said in zip(values.T, predicted.T, strict=True):
        known = np.isfinite(measured) & np.isfinite(said)
        if known.sum() > 2:
            each.append([pearson(measured[known], said[known]), spearman(measured[known], said[known])])
    means = np.nanmean(each, axis=0) if each else (np.nan, np.nan)
    return {"pearson": float(means[0]), "spearman": float(means[1]), "people": len(each)}


def summarise_genes(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise correlations across individuals over genes.

    Parameters
    ----------
    table : DataFrame
        `method`, `gene_id`, `pearson`, `spearman`, `p`, a row for each method and gene.

    Returns
    -------
    DataFrame
        A row for each method: `genes`, `mean_r` and `median_r` (Pearson), `low` and `high` (95 % interval of the mean,
        genes drawn with replacement), `mean_spearman`, `share_above_0`, `genes_above_0.2`, `share_p_below_0.05`. Genes
        that a method says nothing of do not count.
    """
    rows = []
    for method, own in table.dropna(subset=["pearson"]).groupby("method", sort=False):
        values = own["pearson"].to_numpy(dtype=np.float64)
        low, high = _interval(values)
        rows.append(
            {
                "method": method,
                "genes": len(own),
                "mean_r": values.mean(),
                "low": low,
                "high": high,
                "median_r": np.median(values),
                "mean_spearman": own["spearman"].mean(),
                "share_above_0": (values > 0).mean(),
                "genes_above_0.2": int((values > 0.2).sum()),
                "share_p_below_0.05": (own["p"] < 0.05).mean(),
            }
        )
    return pd.DataFrame(rows)


def compare_genes(table: pd.DataFrame, *, reference: str) -> pd.DataFrame:
    """Compare methods with one of them, gene by gene.

    Parameters
    ----------
    table : DataFrame
        As `summarise_genes`.
    reference : str

    Returns
    -------
    DataFrame
        `method`, `genes` that both have, `difference` (mean of Pearson minus the reference's), `low` and `high` (95 %
        interval, genes drawn with replacement), `genes_better`, where the method is, `p_wilcoxon` (signed rank,
        two-sided).
    """
    from scipy.stats import wilcoxon

    wide = table.pivot(index="gene_id", columns="method", values="pearson")
    rows = []
    for method in dict.fromkeys(table["method"]):
        if method == reference:
            continue
        differences = (wide[method] - wide[reference]).dropna().to_numpy()
        low, high = _interval(differences)
        p = float(wilcoxon(differences).pvalue) if (differences != 0).any() else 1.0
        row = {"method": method, "genes": len(differences), "difference": differences.mean(), "low": low, "high": high}
        rows.append(row | {"genes_better": int((differences > 0).sum()), "p_wilcoxon": p})
    columns = ["method", "genes", "difference", "low", "high", "genes_better", "p_wilcoxon"]
    return pd.DataFrame(rows, columns=columns)


def _unit(values: npt.NDArray[np.float64]) -> Values:
    centred = values - values.mean()
    size = np.sqrt(np.square(centred).sum())
    return np.asarray(centred / size) if size > 0 else np.zeros_like(values)


def _interval(values: Values, n: int = 2000) -> tuple[float, float]:
    draws = np.random.default_rng(0).choice(values, (n, len(values))).mean(axis=1)
    return float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))
