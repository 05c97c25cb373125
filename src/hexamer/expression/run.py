"""A whole comparison of methods, gene by gene into a folder, from which a run that was killed goes on.

Each gene has a file of rows and one of predictions; a part is there whole or does not count.
Not here: what is done for one gene (`study`), one head of all genes (`pooled`).
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError, SettingsError
from hexamer.expression.evaluate import across_genes, compare_genes, summarise_genes
from hexamer.expression.methods import parse_method
from hexamer.expression.pooled import judge_pooled
from hexamer.expression.study import GeneResult, Study
from hexamer.manifest import open_parts, write_atomically
from hexamer.metrics import pearson

_POOLED = "pooled"  # the part of heads that are one for all genes


@dataclass(frozen=True, eq=False)
class StudyRun:
    """What a comparison found.

    Attributes
    ----------
    genes : DataFrame
        A row for each method, seed and gene: `method`, `seed`, `gene_id`, `pearson`, `spearman`, `p`, `people`.
    predictions : DataFrame
        As `GeneResult.predictions`, of all genes.
    across : DataFrame
        `method`, `genes`, `people`, `pearson`, `spearman`: correlations across genes, within people, of expression in
        its units, means over seeds; `gene mean` is what the mean of those who are learnt from reaches. Empty where
        genes were held out, whose units nobody knows.
    skipped : dict of str to str
        Genes that have no row, with the reason.
    counts : dict of str to int
        Of haplotypes, as `GeneFeatures.counts`.
    """

    genes: pd.DataFrame
    predictions: pd.DataFrame
    across: pd.DataFrame
    skipped: dict[str, str]
    counts: dict[str, int]

    def means(self) -> pd.DataFrame:
        """Mean over seeds of each method and gene: `method`, `gene_id`, `pearson`, `spearman`, `p`.

        Of several p, which share their people, twice the median is one (Rüschendorf, 1982), if a careful one.
        """
        by = self.genes.groupby(["method", "gene_id"], sort=False)
        means = by[["pearson", "spearman"]].mean()
        times = np.where(by.size() > 1, 2, 1)
        return means.assign(p=(by["p"].median() * times).clip(upper=1)).reset_index()

    def by_group(self, groups: Sequence[str], samples: Sequence[str]) -> pd.DataFrame:
        """Mean correlations within groups of people, over genes and seeds: `method`, `group`, `people`, `mean_r`."""
        of = dict(zip(samples, groups, strict=True))
        table = self.predictions.assign(group=self.predictions["sample"].map(of))
        by = table.groupby(["method", "group", "seed", "gene_id"], sort=False)
        each = by[["measured_normalised", "predicted_normalised"]].apply(lambda part: _correlate(part.to_numpy()))
        sizes = pd.Series(groups).value_counts()
        means = each.groupby(["method", "group"], sort=False).mean().rename("mean_r").reset_index()
        means.insert(2, "people", means["group"].map(sizes))
        return means

    def summary(self) -> pd.DataFrame:
        """As `summarise_genes`, of means over seeds."""
        return summarise_genes(self.means())

    def differences(self, reference: str) -> pd.DataFrame:
        """As `compare_genes`, of means over seeds."""
        return compare_genes(self.means(), reference=reference)


def evaluate_expression(
    study: Study, out: str | Path, *, advance: Callable[[int, bool], None] | None = None
) -> StudyRun:
    """Judge all methods of a study for every gene.

    Parameters
    ----------
    study : Study
    out : str or Path
        Folder for parts; finished ones there are kept.
    advance : callable, optional
        Called with 1 and whether it was there already, for each gene.

    Returns
    -------
    StudyRun

    Raises
    ------
    SettingsError
        If the folder is of another study, or no gene can be judged.
    OutputError
        If the folder cannot be written.
    VariantError
        As `Study.judge_gene`.
    """
    parts = open_parts(Path(out) / "parts", study.describe())
    results = []
    pooled = [parse_method(name).is_pooled for name in study.settings.methods]
    for row in range(len(study.expression.genes)) if not all(pooled) or study.given else ():
        name = f"{row:06d}"
        there = (parts / f"{name}.json").exists()
        results.append(_read(parts, name) if there else _write(parts, name, study.judge_gene(row)))
        if advance:
            advance(1, there)
    if any(pooled):
        there = (parts / f"{_POOLED}.json").exists()
        count = (lambda genes: advance(genes, False)) if advance else None
        results.append(_read(parts, _POOLED) if there else _write(parts, _POOLED, judge_pooled(study, count)))
    genes = pd.DataFrame([row for each in results for row in each.rows])
    skipped = {gene: reason for each in results for gene, reason in each.skipped.items()}
    if genes.empty:
        told = ", ".join(f"{count} {reason}" for reason, count in Counter(skipped.values()).most_common())
        raise SettingsError(
            f"no gene can be judged ({told}); genes with variants and expression that varies would work"
        )
    predictions = pd.concat([each.predictions for each in results], ignore_index=True)
    counts = sum((Counter(each.counts) for each in results), Counter[str]())
    return StudyRun(genes, predictions, _across(study, predictions), skipped, dict(counts))


def _correlate(pair: npt.NDArray[np.float64]) -> float:
    """Pearson correlation of two columns; 0 where one is constant."""
    return float(np.nan_to_num(pearson(pair[:, 0], pair[:, 1])))


def _across(study: Study, predictions: pd.DataFrame) -> pd.DataFrame:
    """Correlate across genes, within people, each method; and the mean of those who are learnt from."""
    expression = study.expression
    measured = pd.DataFrame(expression.values, index=expression.genes["gene_id"], columns=list(expression.samples))
    rows: list[dict[str, Any]] = []
    predictions = predictions.dropna(subset=["predicted"])
    if predictions.empty:
        return pd.DataFrame(columns=["method", "genes", "people", "pearson", "spearman"])
    for (method, _), own in predictions.groupby(["method", "seed"], sort=False):
        said = own.pivot(index="gene_id", columns="sample", values="predicted")
        values = measured.loc[said.index, said.columns].to_numpy()
        rows.append({"method": method, "genes": len(said), **across_genes(values, said.to_numpy())})
    known = predictions.drop_duplicates(["gene_id"])["gene_id"]
    values = measured.loc[known].to_numpy()
    for held in study.folds.values():
        means = np.empty_like(values)
        for fold in np.unique(held):
            means[:, held == fold] = values[:, held != fold].mean(axis=1, keepdims=True)
        rows.append({"method": "gene mean", "genes": len(known), **across_genes(values, means)})
    found = (
        pd.DataFrame(rows)
        .groupby("method", sort=False)[["genes", "people", "pearson", "spearman"]]
        .mean()
        .reset_index()
    )
    return found.astype({"genes": int, "people": int})


def _write(parts: Path, name: str, result: GeneResult) -> GeneResult:
    """Keep a part: predictions first, since its rows say that it is whole."""
    with write_atomically(parts / f"{name}.parquet") as temporary:
        result.predictions.to_parquet(temporary, index=False)
    with write_atomically(parts / f"{name}.json") as temporary:
        facts = {"rows": result.rows, "skipped": result.skipped, "counts": result.counts}
        temporary.write_text(json.dumps(facts), encoding="utf-8")
    return result


def _read(parts: Path, name: str) -> GeneResult:
    try:
        facts = json.loads((parts / f"{name}.json").read_text(encoding="utf-8"))
        found = GeneResult(facts["rows"], pd.read_parquet(parts / f"{name}.parquet"), facts["skipped"], facts["counts"])
        if not found.rows and not found.skipped:
            raise ValueError("neither rows nor a reason")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            f"{parts / name}.json: cannot be read ({problem}); without it the gene would be judged anew"
        ) from None
    return found
