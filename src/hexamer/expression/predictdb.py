"""Linear models of genotypes as a PredictDB file, which MetaXcan's Predict (PrediXcan) reads.

Tables: `weights` (rsid, gene, weight, ref_allele, eff_allele, varID) and `extra` (gene, genename, n.snps.in.model,
pred.perf.R2, pred.perf.pval, pred.perf.qval). Weights are of one copy of the alternate allele.
Source: the questions that MetaXcan asks of such a file; S-PrediXcan wants covariances beside it, which are not written.
Not here: the models (`fitted`).
"""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.expression.fitted import ExpressionModel, weights_of
from hexamer.expression.methods import FittedGenotypes
from hexamer.manifest import write_atomically


def write_predictdb(fitted: ExpressionModel, path: str | Path, *, build: str = "") -> int:
    """Write linear models as a PredictDB file.

    Parameters
    ----------
    fitted : ExpressionModel
        Of genotypes.
    path : str or Path
    build : str
        Of the reference, such as b38: what ends `varID` (chr20_61795_G_T_b38), which also stands for an rsid that the
        variant file did not have.

    Returns
    -------
    int
        Genes written: those that have any weight.

    Raises
    ------
    SettingsError
        If the models are no linear models of genotypes.
    OutputError
        If the file cannot be written.
    """
    if not all(isinstance(each.fitted, FittedGenotypes) for each in fitted.genes):
        raise SettingsError(f"{path}: {fitted.method} has no weights of alleles; elastic-net would work")
    weights, extra = [], []
    for model in fitted.genes:
        table = weights_of(model)
        table = table[table["alt"].str.fullmatch("[ACGT]+")].copy()  # no other program knows <DEL> or *
        if table.empty:
            continue
        ends = f"_{build}" if build else ""
        ids = [
            f"chr{chrom.removeprefix('chr')}_{pos}_{ref}_{alt}{ends}"
            for chrom, pos, ref, alt in table[["chrom", "pos", "ref", "alt"]].itertuples(index=False)
        ]
        table["rsid"] = [name or made for name, made in zip(table["name"], ids, strict=True)]
        weights.append(table.assign(varID=ids))
        r, p = model.held_out.get("pearson", np.nan), model.held_out.get("p", np.nan)
        extra.append((model.gene.gene_id, model.gene.name, len(table), max(r, 0.0) ** 2, p))
    columns = {"gene_id": "gene", "ref": "ref_allele", "alt": "eff_allele"}
    wanted = ["rsid", "gene", "weight", "ref_allele", "eff_allele", "varID"]
    whole = pd.concat(weights).rename(columns=columns)[wanted] if weights else pd.DataFrame(columns=wanted)
    facts = ["gene", "genename", "n.snps.in.model", "pred.perf.R2", "pred.perf.pval"]
    about = pd.DataFrame(extra, columns=facts)
    about["pred.perf.qval"] = np.nan  # given up by PredictDB, but asked for
    with write_atomically(path) as temporary:
        file = sqlite3.connect(temporary)
        try:
            whole.to_sql("weights", file, index=False)
            about.to_sql("extra", file, index=False)
            for name, table_name, column in (
                ("weights_rsid", "weights", "rsid"),
                ("weights_gene", "weights", "gene"),
                ("extra_gene", "extra", "gene"),
            ):
                file.execute(f"CREATE INDEX {name} ON {table_name} ({column})")
            file.commit()
        finally:
            file.close()
    return len(about)
